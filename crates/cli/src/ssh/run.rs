//! One run of the client: options, connection, host key, login, session.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use carrick::client::{ClientConfig, Login, Unverified};
use carrick::proto::KeepAlive;
use carrick::proto::transport::RekeyLimit;
use carrick_config::ssh::Options;
use carrick_config::types::Endpoint;
use carrick_config::words::{PubkeyAuth, SessionType, WarnWeakCrypto};
use carrick_sys::queue::Queues;
use tokio::io::{AsyncRead, AsyncWrite};

use super::args::{Args, BadArgs};
use super::auth::{Authenticator, Outcome};
use super::fault::{Phase, Remote};
use super::identity_file::Files;
use super::lend::Lender;
use super::mux::{self, Command, Joined};
use super::session::{self, Plan, Work};
use super::terminal::Restore;
use super::x11::Display;
use super::{FAILED, SOFTWARE, fault, options, reach, vpn};
use crate::connect;
use crate::connect::hostkey::{Accepted, HostCheck, Refusal};
use crate::log::{self, Level, debug, info, log, verbose};
use crate::text::err;

/// Runs with the parsed arguments; the result is the exit status.
pub(super) fn run(args: &Args) -> u8 {
    if let Some(level) = args.level {
        log::set_level(level);
    }
    if let Some(path) = &args.log_file {
        if let Err(e) = log::to_file(path) {
            let why = crate::text::os_error(&e);
            err!("Couldn't open logfile {path}: {why}\n");
            return 1;
        }
    } else if args.syslog {
        log::to_syslog("ssh", log::Facility::User);
    }
    debug!("{SOFTWARE}, AWS-LC");
    // Kept to the end of the program: the session's task borrows them.
    let options: &'static Options = match options::load(args) {
        Ok(options) => Box::leak(Box::new(options)),
        Err(text) => {
            for line in text.lines() {
                log!(Fatal, "{line}");
            }
            return FAILED;
        }
    };
    if args.dump {
        use std::io::Write as _;
        // A reader that has gone away has read enough.
        let _ = std::io::stdout().write_all(options.dump().as_bytes());
        return 0;
    }
    if args.level.is_none() {
        log::set_level(options::level(options.log_level));
    }
    if let Err(text) = options::refuse_unbuilt(options) {
        log!(Fatal, "{text}");
        return FAILED;
    }
    let stdio = match options::stdio_forward(args) {
        Ok(stdio) => stdio,
        Err(text) => return complain(BadArgs::Message(text)),
    };
    let work = match prepare(args, options, stdio) {
        Ok(work) => work,
        Err(bad) => return complain(bad),
    };
    // A connection of somebody else's has no networks for us.
    let joined = match args.vpn.networks[..] {
        [] => mux::join(options, &work, args.control),
        _ => Joined::Alone,
    };
    match joined {
        Joined::Ended(status) => status,
        Joined::Proxied(socket) => converse_through(options, work, socket),
        Joined::Alone if args.control.is_some() => FAILED,
        Joined::Alone => match prepare_vpn(args, options) {
            Ok(vpn) => connect(args, options, Work { vpn, ..work }),
            Err(text) => {
                log!(Fatal, "{text}");
                FAILED
            }
        },
    }
}

/// The device for the networks behind the connection, if some are wanted.
fn prepare_vpn(args: &Args, options: &Options) -> Result<Option<vpn::Prepared>, String> {
    if args.vpn.networks.is_empty() {
        return Ok(None);
    }
    let proxied = options.proxy_command.is_some() || options.proxy_jump.is_some();
    vpn::prepare(args.vpn.clone(), proxied).map(Some)
}

fn complain(bad: BadArgs) -> u8 {
    super::complain(&bad);
    FAILED
}

/// Decides what is to be done before anything is connected to.
fn prepare(args: &Args, options: &Options, stdio: Option<Endpoint>) -> Result<Work, BadArgs> {
    let mut command = args.command.clone();
    if let Some(remote) = &options.remote_command {
        command = remote.clone().into_bytes();
    }
    if options.session_type == SessionType::Subsystem && command.is_empty() {
        let reason = "You must specify a subsystem to invoke.\n";
        return Err(BadArgs::Usage(Some(reason.into())));
    }
    let ordered = args.control.is_some_and(|c| c != Command::Proxy);
    let tty = !ordered
        && options.session_type != SessionType::None
        && session::wants_tty(options, !command.is_empty());
    Ok(Work {
        command,
        tty,
        stdio,
        vpn: None,
    })
}

fn connect(args: &Args, options: &'static Options, work: Work) -> u8 {
    let started = Instant::now();
    let Some(dialled) = reach::dial(args, options) else {
        return FAILED;
    };
    block_on(reach::converse_over(dialled, options, work, started))
}

/// Speaks the connection protocol through a master: it has logged in.
fn converse_through(options: &'static Options, work: Work, socket: UnixStream) -> u8 {
    let plan = Plan {
        options,
        work,
        peer: None,
        remote: Remote::proxied(),
        lender: None,
        x11: None,
        started: Instant::now(),
        shared: true,
    };
    block_on(async {
        let socket = socket
            .set_nonblocking(true)
            .and_then(|()| tokio::net::UnixStream::from_std(socket));
        match socket {
            Ok(socket) => session::run(carrick::plain::client(socket), plan).await,
            Err(e) => {
                log!(Fatal, "{e}");
                FAILED
            }
        }
    })
}

/// Runs the conversation to its end.
fn block_on(conversation: impl Future<Output = u8> + Send + 'static) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(carrick::EVENT_INTERVAL)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            log!(Fatal, "cannot start: {e}");
            return FAILED;
        }
    };
    let _restore = Restore::new();
    // A task of its own: what the runtime waits for itself costs a look at the
    // poller each time that it is woken, and a key waits meanwhile.
    runtime.block_on(async {
        let ended = tokio::spawn(conversation).await;
        ended.unwrap_or_else(|e| {
            log!(Fatal, "{e}");
            FAILED
        })
    })
}

/// How we got to the server.
pub(super) struct Way<'a> {
    pub(super) check: HostCheck<'a>,
    /// The server's address, if we know it.
    pub(super) peer: Option<IpAddr>,
    pub(super) remote: Remote,
    /// For the message of success.
    pub(super) via: String,
    /// The socket, to set its type of service; whether it is IPv4.
    pub(super) socket: Option<(OwnedFd, bool)>,
    pub(super) started: Instant,
}

/// Speaks with the server over `stream` from the first byte to the last.
pub(super) async fn converse<T>(
    options: &'static Options,
    work: Work,
    stream: T,
    way: Way<'_>,
) -> u8
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let host = &options.hostname;
    debug!(
        "Authenticating to {}:{} as '{}'",
        options.hostname, options.port, options.user
    );
    let files = if options.pubkey_authentication == PubkeyAuth::No {
        Files::default()
    } else {
        Files::load(options)
    };
    let (mut login, trusted) = match exchange_keys(options, stream, &way).await {
        Ok(login) => login,
        Err(Stop::Refused(why)) => {
            if why == Refusal::HostKey {
                log!(Fatal, "Host key verification failed.");
            }
            return FAILED;
        }
        Err(Stop::Failed(why, phase)) => {
            fault::tell(&why, &way.remote, host, phase);
            return FAILED;
        }
        Err(Stop::TimedOut) => {
            log!(Fatal, "Connection timed out during banner exchange");
            info!("Connection to {} timed out", way.remote.0);
            return FAILED;
        }
    };
    warn_weak(options, &login);
    let socket = way.socket.as_ref().map(|(socket, _)| socket.as_fd());
    match Authenticator::new(options, &mut login, files, socket, trusted)
        .run()
        .await
    {
        Ok(Outcome::In(method)) => {
            verbose!(
                "Authenticated to {} {} using \"{method}\".",
                options.hostname,
                way.via
            );
        }
        Ok(Outcome::Denied(text)) => {
            log!(Fatal, "{text}");
            return FAILED;
        }
        Err(why) => {
            fault::tell(&why, &way.remote, host, Phase::Login);
            return FAILED;
        }
    }
    let binding = login.session_binding();
    let Ok(connection) = login.into_connection() else {
        return FAILED;
    };
    if let Some((socket, ipv4)) = &way.socket {
        let qos = options.ip_qos;
        connect::set_qos(
            socket,
            *ipv4,
            if work.tty { qos.interactive } else { qos.bulk },
        );
        // What does not work costs the user some waiting, and nothing else.
        if let Ok(queues) = socket.try_clone().and_then(Queues::new) {
            connection.on_typing(move |typing| {
                let _ = queues.set_typing(typing);
            });
        }
    }
    let plan = Plan {
        options,
        work,
        peer: way.peer,
        remote: way.remote,
        lender: Lender::new(options, binding),
        x11: Display::new(options),
        started: way.started,
        shared: false,
    };
    session::run(connection, plan).await
}

/// Waits for `what`, no longer than `limit`.
async fn within<T>(limit: Option<Duration>, what: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(what.await),
        Some(limit) => tokio::time::timeout(limit, what).await.ok(),
    }
}

/// Why there is no login.
enum Stop {
    /// The host key was refused; why was told.
    Refused(Refusal),
    /// ConnectTimeout has passed.
    TimedOut,
    /// The connection failed.
    Failed(carrick::Error, Phase),
}

/// The key exchange and the decision about the host key: the login, and
/// whether the host may be trusted with a password.
async fn exchange_keys<T>(
    options: &Options,
    stream: T,
    way: &Way<'_>,
) -> Result<(Login, bool), Stop>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = config(options, &way.check).map_err(Stop::Refused)?;
    let connecting = Unverified::connect(stream, config);
    // The user may take their time with the question about the key: only the
    // server's part is limited.
    let limit = options
        .connect_timeout
        .map(|t| t.saturating_sub(way.started.elapsed()));
    let host = within(limit, connecting).await.ok_or(Stop::TimedOut)?;
    let host = host.map_err(|why| {
        let phase = phase_of(&why);
        Stop::Failed(why, phase)
    })?;
    for line in host.preamble() {
        debug!("kex_exchange_identification: banner line: {line}");
    }
    let accepted = match way.check.check(host.host_key()) {
        Ok(accepted) => accepted,
        Err(why) => {
            host.reject();
            // The refusal is written before we go.
            tokio::task::yield_now().await;
            return Err(Stop::Refused(why));
        }
    };
    let login = host
        .accept_for(&options.user)
        .await
        .map_err(|why| Stop::Failed(why, Phase::Login))?;
    Ok((login, accepted == Accepted::Trusted))
}

/// How far a connection came that failed before its host key was there.
fn phase_of(why: &carrick::Error) -> Phase {
    use carrick::proto::{Error, PeerFault};
    match why {
        carrick::Error::Io(_)
        | carrick::Error::Protocol(
            Error::Closed | Error::Fault(PeerFault::BadIdent(_) | PeerFault::TooMuchPreamble),
        ) => Phase::Identification,
        _ => Phase::Login,
    }
}

fn config(options: &Options, check: &HostCheck<'_>) -> Result<ClientConfig, Refusal> {
    let mut config = ClientConfig::new(SOFTWARE);
    let common = &mut config.common;
    common.comment.clone_from(&options.version_addendum);
    let preferences = &mut common.preferences;
    preferences.kex.clone_from(&options.kex_algorithms);
    preferences.host_key = check.algorithms()?;
    preferences.ciphers.clone_from(&options.ciphers);
    preferences.macs.clone_from(&options.macs);
    let compression: &[&str] = if options.compression {
        &["zlib@openssh.com", "none"]
    } else {
        &["none", "zlib@openssh.com"]
    };
    preferences.compression = compression.iter().map(|n| (*n).to_owned()).collect();
    let limit = options.rekey_limit;
    common.rekey = RekeyLimit {
        bytes: (limit.bytes > 0).then_some(limit.bytes),
        time: (!limit.time.is_zero()).then_some(limit.time),
    };
    common.keep_alive = (!options.server_alive_interval.is_zero()).then_some(KeepAlive {
        interval: options.server_alive_interval,
        count: options.server_alive_count_max,
    });
    Ok(config)
}

/// Warns of a key exchange that a quantum computer could undo later.
fn warn_weak(options: &Options, login: &Login) {
    let Some(negotiated) = login.negotiated() else {
        return;
    };
    let safe = negotiated.kex.contains("mlkem") || negotiated.kex.contains("sntrup");
    if safe || options.warn_weak_crypto != WarnWeakCrypto::Yes || log::level() < Level::Info {
        return;
    }
    info!("** WARNING: connection is not using a post-quantum key exchange algorithm.");
    info!("** This session may be vulnerable to \"store now, decrypt later\" attacks.");
    info!("** The server may need to be upgraded. See https://openssh.com/pq.html");
}
