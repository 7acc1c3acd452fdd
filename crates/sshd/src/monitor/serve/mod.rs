//! One connection, from its first byte to its last.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use carrick_config::sshd::{Options, UserEnvironment};
use carrick_config::tokens::expand;
use carrick_config::words::ServerCompression;
use carrick_crypto::kex::fallback_group;
use carrick_crypto::rng::SystemRng;
use carrick_keys::moduli::Moduli;
use carrick_sys::{identity, passwd, process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGALRM;

use super::endpoint::Endpoint;
use super::lines::Lines;
use super::login::{Authenticated, Login, Step, signature_names};
use super::machine::Machine;
use super::sign::{Signer, Unsigned, Violation, key_type};
use super::spawn::{Helper, spawn};
use super::{EXIT_CRASH, EXIT_GRACE, Role};
use crate::handoff::Handoff;
use crate::listener::EXIT_FATAL;
use crate::listener::bind::strerror;
use crate::log::{self, Level, error, fatal, info, verbose};
use crate::rpc::preauth::{
    Answer, Ask, Ending, Greeting, Group, Judged, Line, Setup, Sizes, Verdict,
};
use crate::rpc::{Link, broker, postauth};
use crate::settings::{self, Config};

/// How long after LoginGraceTime a monitor that is stuck ends by force.
const HANGS: Duration = Duration::from_secs(2);
/// How long a worker has to say goodbye to its peer.
const GOODBYE: Duration = Duration::from_secs(5);
/// Behind lines from before the login.
const PREAUTH: &str = " [preauth]";

/// Why a connection did not come to a login.
enum End {
    /// The worker is gone.
    Gone,
    /// LoginGraceTime is over.
    Grace,
    /// Refused for good.
    Refused,
    /// The worker asked what it may not.
    Violation(Violation),
    /// The agent that has the host key did not sign.
    Agent(String),
    /// The line to the worker failed.
    Io(io::Error),
}

impl From<io::Error> for End {
    fn from(problem: io::Error) -> Self {
        Self::Io(problem)
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<Unsigned> for End {
    fn from(problem: Unsigned) -> Self {
        match problem {
            Unsigned::Violation(violation) => Self::Violation(violation),
            Unsigned::Agent(problem) => Self::Agent(problem),
        }
    }
}

/// A connection and its worker.
struct Connection {
    worker: Helper,
    signer: Signer,
    rng: SystemRng,
    peer: Endpoint,
    local: Endpoint,
    moduli_file: Option<String>,
    lines: Lines,
}

/// Serves the connection; the exit status.
pub fn serve(
    handoff: Handoff,
    input: OwnedFd,
    output: OwnedFd,
    startup: Option<OwnedFd>,
) -> io::Result<u8> {
    let started = Instant::now();
    let config = Rc::new(Config::decode(&handoff.config).map_err(io::Error::other)?);
    let options = config.global();
    settings::start_log(options, handoff.log_to_stderr);
    let (peer, local) = (Endpoint::far(&input), Endpoint::near(&input));
    verbose!(
        "Connection from {} port {} on {} port {} rdomain \"\"",
        peer.address,
        peer.port,
        local.address,
        local.port
    );
    if peer.is_known() {
        prepare_socket(options, &input);
    }
    let worker = spawn(Role::Worker, "sshd-session: [net]")?;
    let setup = setup(options, &handoff, &peer);
    worker
        .link
        .send(&Answer::Setup(setup), &[input.as_fd(), output.as_fd()])?;
    drop((input, output));
    let signer = Signer::new(
        handoff.host_keys,
        handoff.host_key_agent,
        options.host_key_algorithms.clone(),
        &options.kex_algorithms,
    );
    let mut connection = Connection {
        worker,
        signer,
        rng: SystemRng,
        peer: peer.clone(),
        local: local.clone(),
        moduli_file: options.moduli_file.clone(),
        lines: Lines::new(started),
    };
    let machine = Machine::new(Rc::clone(&config), peer, local);
    let who = machine.named_peer();
    let mut login = Login::new(machine, options.clone(), who, handoff.delay_salt);
    let grace = options.login_grace_time;
    let deadline = (!grace.is_zero()).then(|| started + grace);
    let watchdog = Watchdog::set(deadline)?;
    match connection.login(&mut login, deadline) {
        Ok((greeting, user)) => {
            drop(watchdog);
            drop(login);
            // From here on the connection does not count among MaxStartups.
            drop(startup);
            connection.session(greeting, &user)
        }
        Err(end) => Ok(connection.give_up(end, login.exit_status())),
    }
}

/// Ends this process where it hangs, as in a name service or a file system
/// that does not answer, beyond the time for the login. The worker ends with it.
struct Watchdog(Arc<AtomicBool>);

impl Watchdog {
    fn set(deadline: Option<Instant>) -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(deadline.is_some()));
        if let Some(deadline) = deadline {
            let status = i32::from(EXIT_GRACE);
            signal_hook::flag::register_conditional_shutdown(SIGALRM, status, Arc::clone(&armed))?;
            let left = deadline.saturating_duration_since(Instant::now());
            process::alarm(Some(left + HANGS));
        }
        Ok(Self(armed))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
        process::alarm(None);
    }
}

fn prepare_socket(options: &Options, socket: &OwnedFd) {
    use rustix::net::sockopt;
    // None is worth a connection.
    let _ = sockopt::set_tcp_nodelay(socket, true);
    let _ = carrick_sys::socket::keep_unsent_low(socket);
    if options.tcp_keep_alive {
        let _ = sockopt::set_socket_keepalive(socket, true);
    }
}

fn setup(options: &Options, handoff: &Handoff, peer: &Endpoint) -> Setup {
    let blobs: Vec<_> = handoff
        .host_keys
        .iter()
        .flat_map(|key| std::iter::once(&key.public).chain(&key.certificate))
        .filter_map(|blob| Some((key_type(blob)?, blob)))
        .collect();
    let host_keys = options
        .host_key_algorithms
        .iter()
        .filter_map(|name| {
            let algorithm = carrick_keys::algorithm::find(name)?;
            let (_, blob) = blobs.iter().find(|(kind, _)| *kind == algorithm.key_type)?;
            Some((name.clone(), (*blob).clone()))
        })
        .collect();
    let compression: &[&str] = match options.compression {
        ServerCompression::No => &["none"],
        ServerCompression::Delayed => &["none", "zlib@openssh.com"],
    };
    Setup {
        version_addendum: options.version_addendum.clone(),
        kex: options.kex_algorithms.clone(),
        ciphers: options.ciphers.clone(),
        macs: options.macs.clone(),
        compression: compression.iter().map(|name| (*name).to_owned()).collect(),
        host_keys,
        user_key_algorithms: signature_names(&options.pubkey_accepted_algorithms),
        rekey_bytes: options.rekey_limit.bytes,
        rekey_seconds: options.rekey_limit.time.as_secs(),
        log_level: log::level().number(),
        peer: peer.pair(),
        cell: handoff.cell.clone(),
    }
}

impl Connection {
    /// Answers the worker until the user is in.
    fn login(
        &mut self,
        login: &mut Login<Machine>,
        deadline: Option<Instant>,
    ) -> Result<(Greeting, Box<Authenticated>), End> {
        loop {
            if !readable(&[&self.worker.link], deadline)?[0] {
                return Err(End::Grace);
            }
            let Some((ask, fds)) = self.worker.link.receive::<Ask>()? else {
                return Err(End::Gone);
            };
            if !fds.is_empty() {
                return Err(Violation("descriptors from the worker").into());
            }
            let step = match ask {
                Ask::Log(line) => {
                    self.lines.write(&line, PREAUTH, Instant::now());
                    continue;
                }
                Ask::SignKex(ask) => {
                    let signature = self.signer.sign(&ask)?;
                    self.answer(&Answer::Signed(signature))?;
                    continue;
                }
                Ask::Group(sizes) => {
                    let group = self.group(&sizes);
                    self.answer(&Answer::Group(group))?;
                    continue;
                }
                Ask::Ended(ending) => {
                    self.log_end(&ending, &End::who(login.who()), PREAUTH);
                    return Err(End::Gone);
                }
                Ask::Attempt(attempt) => login.attempt(self.signer.first(), attempt)?,
                Ask::Responses(responses) => login.responses(&responses)?,
            };
            match step {
                Step::Answer(judged) => self.answer(&Answer::Judged(judged))?,
                Step::In(greeting, user) => return Ok((greeting, user)),
                Step::End(judged) => {
                    if let Verdict::Disconnect((_, text)) = &judged.verdict {
                        let who = End::who(login.who());
                        info!("Disconnecting {}: {text}{PREAUTH}", self.named(&who));
                    }
                    self.answer(&Answer::Judged(judged))?;
                    return Err(End::Refused);
                }
            }
        }
    }

    fn answer(&self, answer: &Answer) -> io::Result<()> {
        self.worker.link.answer(answer, &[])
    }

    /// A group from the moduli file, which is read anew: it is long, and few
    /// connections need it. Without one that fits, one that everybody has.
    fn group(&mut self, sizes: &Sizes) -> Option<Group> {
        let path = self.moduli_file.as_deref().unwrap_or_default();
        match std::fs::read_to_string(path) {
            Err(problem) => {
                let problem = strerror(&problem);
                self.warn(format!(
                    "WARNING: could not open {path} ({problem}), using fixed modulus"
                ));
            }
            Ok(text) => {
                let moduli = Moduli::parse(&text);
                let (min, most) = (sizes.min, sizes.max);
                if let Some(group) = moduli.choose(min, sizes.preferred, most, &mut self.rng) {
                    return Some(Group {
                        prime: group.prime.clone(),
                        generator: group.generator.clone(),
                    });
                }
                self.warn(format!("WARNING: no suitable primes in {path}"));
            }
        }
        let (prime, generator) = fallback_group(sizes.max).ok()?;
        Some(Group { prime, generator })
    }

    /// A line of our own that a worker can bring about as often as it likes.
    fn warn(&mut self, text: String) {
        let level = Level::Info.number();
        self.lines.write(&Line { level, text }, "", Instant::now());
    }

    /// Ends a connection that came to no login; the exit status, for which
    /// `usual` stands if nothing worse happened.
    fn give_up(&mut self, end: End, usual: u8) -> u8 {
        let mut status = usual;
        match end {
            End::Gone => {}
            End::Refused => {
                // The worker is saying so to the peer.
                let deadline = Instant::now() + GOODBYE;
                while let Ok(ready) = readable(&[&self.worker.link], Some(deadline)) {
                    if !ready[0] || !matches!(self.worker.link.receive::<Ask>(), Ok(Some(_))) {
                        break;
                    }
                }
            }
            End::Grace => {
                log::write(
                    Level::Verbose,
                    format_args!(
                        "Timeout before authentication for {} port {}",
                        self.peer.address, self.peer.port
                    ),
                );
                status = EXIT_GRACE;
            }
            End::Violation(what) => {
                error!("worker asked for what it may not: {what}");
                status = EXIT_CRASH;
            }
            End::Agent(problem) => fatal!("agent sign: {problem}"),
            End::Io(problem) => {
                error!("line to the worker: {problem}");
                status = EXIT_CRASH;
            }
        }
        if self.stop() { EXIT_CRASH } else { status }
    }

    /// Ends the worker; whether it had crashed.
    fn stop(&mut self) -> bool {
        // It may have ended by itself.
        let _ = self.worker.child.kill();
        self.reap()
    }

    fn reap(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        match self.worker.child.wait() {
            Ok(status) => match status.signal() {
                None | Some(SIGKILL) => {}
                Some(signal) => {
                    error!("worker terminated by signal {signal}");
                    return true;
                }
            },
            Err(problem) => error!("wait: {problem}"),
        }
        false
    }

    /// From login to the end of the connection; the exit status.
    fn session(&mut self, greeting: Greeting, user: &Authenticated) -> io::Result<u8> {
        user.tell();
        let options = user.options();
        let (for_worker, for_broker) = Link::pair()?;
        let session = postauth::Session {
            max_sessions: options.max_sessions,
            accept_env: options.accept_env.clone(),
            alive_interval: options.client_alive_interval.as_secs(),
            alive_count: options.client_alive_count_max,
        };
        let judged = Judged {
            greeting,
            verdict: Verdict::Success(session),
        };
        self.worker
            .link
            .answer(&Answer::Judged(judged), &[for_worker.as_fd()])?;
        drop(for_worker);
        let name = format!("sshd-session: {}", user.account().name);
        let mut broker = spawn(Role::Broker, &name)?;
        broker
            .link
            .send(&self.broker_start(user)?, &[for_broker.as_fd()])?;
        drop(for_broker);
        log::write(
            Level::Debug1,
            format_args!("User child is on pid {}", broker.child.id()),
        );
        let ended = self.attend(&broker, &user.account().name);
        // The broker ends when its line to the worker does.
        self.stop();
        drop(broker.link);
        broker.child.wait()?;
        match ended {
            Ok(()) => Ok(0),
            Err(problem) => {
                error!("{problem}");
                Ok(EXIT_FATAL)
            }
        }
    }

    /// Answers worker and broker until the worker is gone, or has said all.
    fn attend(&mut self, broker: &Helper, user: &str) -> io::Result<()> {
        let mut broker_lines = Lines::new(Instant::now());
        let mut broker_open = true;
        loop {
            let links: &[&Link] = if broker_open {
                &[&self.worker.link, &broker.link]
            } else {
                &[&self.worker.link]
            };
            let ready = readable(links, None)?;
            if ready.get(1).copied().unwrap_or(false) {
                match broker.link.receive::<broker::Report>() {
                    Ok(Some((broker::Report::Log(line), _))) => {
                        broker_lines.write(&line, "", Instant::now());
                    }
                    Ok(None) => broker_open = false,
                    Err(problem) => {
                        error!("line to the broker: {problem}");
                        broker_open = false;
                    }
                }
            }
            if ready[0] && !self.attend_worker(user)? {
                return Ok(());
            }
        }
    }

    /// Answers the worker's next question; whether more may come.
    fn attend_worker(&mut self, user: &str) -> io::Result<bool> {
        let Some((ask, fds)) = self.worker.link.receive::<postauth::Ask>()? else {
            return Ok(false);
        };
        if !fds.is_empty() {
            return Err(io::Error::other("descriptors from the worker"));
        }
        match ask {
            postauth::Ask::Log(line) => self.lines.write(&line, "", Instant::now()),
            postauth::Ask::SignKex(ask) => {
                let unsigned = |problem: Unsigned| io::Error::other(problem.to_string());
                let signature = self.signer.sign(&ask).map_err(unsigned)?;
                self.worker
                    .link
                    .answer(&postauth::Answer::Signed(signature), &[])?;
            }
            postauth::Ask::Group(sizes) => {
                let group = self.group(&sizes);
                self.worker
                    .link
                    .answer(&postauth::Answer::Group(group), &[])?;
            }
            postauth::Ask::Ended(ending) => {
                self.log_end(&ending, &format!("user {user} "), "");
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn broker_start(&self, user: &Authenticated) -> io::Result<broker::Start> {
        use std::os::unix::ffi::OsStrExt;
        let (account, options) = (user.account(), user.options());
        let become_user = if identity::is_root() {
            Some((account.uid, (account.gid, passwd::groups_of(account)?)))
        } else {
            None
        };
        let pairs = options
            .set_env
            .iter()
            .map(|pair| (pair.name.clone(), pair.value.clone()));
        let subsystems = options
            .subsystems
            .iter()
            .map(|s| (s.name.clone(), s.line.clone()));
        Ok(broker::Start {
            become_user,
            chroot: chroot_directory(account, options)?,
            account: broker::Account {
                name: account.name.clone(),
                home: account.home.as_os_str().as_bytes().to_vec(),
                shell: account.shell.as_os_str().as_bytes().to_vec(),
                root: account.uid == 0,
            },
            rules: broker::Rules {
                forced_command: options
                    .force_command
                    .clone()
                    .filter(|command| !command.eq_ignore_ascii_case("none")),
                permit_tty: options.permit_tty,
                permit_agent: options.allow_agent_forwarding && !options.disable_forwarding,
                agent_link: in_home(
                    account,
                    options.agent_socket_link.as_deref(),
                    "AgentSocketLink",
                )?,
                accept_env: options.accept_env.clone(),
                set_env: pairs.collect(),
                user_environment: match &options.permit_user_environment {
                    UserEnvironment::No => None,
                    UserEnvironment::Yes => Some("*".to_owned()),
                    UserEnvironment::Only(patterns) => Some(patterns.clone()),
                },
                user_rc: options.permit_user_rc,
                subsystems: subsystems.collect(),
                max_sessions: options.max_sessions,
                change_password: user.must_change_password(),
            },
            forwarding: super::forwarding::rules(options),
            x11: super::forwarding::x11(options),
            permissions: user.permissions().clone(),
            steps: options.expose_auth_info.then(|| user.steps().to_owned()),
            peer: self.peer.pair(),
            local: self.local.pair(),
            log_level: log::level().number(),
        })
    }

    /// "user name 192.0.2.1 port 22".
    fn named(&self, who: &str) -> impl fmt::Display {
        format!("{who}{} port {}", self.peer.address, self.peer.port)
    }

    /// Logs the end of a connection in OpenSSH's words.
    fn log_end(&self, ending: &Ending, who: &str, mark: &str) {
        let Endpoint { address, port } = &self.peer;
        let id = self.named(who);
        match ending {
            Ending::Closed => info!("Connection closed by {id}{mark}"),
            Ending::Reset => info!("Connection reset by {id}{mark}"),
            Ending::Silent => info!("Timeout, client not responding from {id}{mark}"),
            Ending::Goodbye((code, text)) => {
                info!("Received disconnect from {address} port {port}:{code}: {text}{mark}");
                info!("Disconnected from {id}{mark}");
            }
            Ending::NoCommon((what, offer)) => {
                info!(
                    "Unable to negotiate with {id}: no matching {what} found. Their offer: {offer}{mark}"
                );
            }
            Ending::BadIdent(text) => {
                error!("kex_exchange_identification: {text}{mark}");
                info!("banner exchange: Connection from {id}: invalid format{mark}");
            }
            Ending::Fault(text) => {
                info!("ssh_dispatch_run_fatal: Connection from {id}: {text}{mark}");
            }
            Ending::Ours => info!("Disconnected from {id}{mark}"),
        }
    }
}

/// The root directory of the user's sessions, its tokens expanded.
fn chroot_directory(account: &passwd::Account, options: &Options) -> io::Result<Option<Vec<u8>>> {
    let path = settings::chroot_directory(options);
    Ok(in_home(account, path, "ChrootDirectory")?.map(String::into_bytes))
}

/// A path of the configuration, with what stands for the account filled in.
fn in_home(
    account: &passwd::Account,
    path: Option<&str>,
    keyword: &str,
) -> io::Result<Option<String>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let home = account.home.to_string_lossy();
    let (user, uid) = (account.name.as_str(), account.uid.to_string());
    // As OpenSSH: a tilde first, then the tokens.
    let path = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("%h{rest}"),
        _ => path.to_owned(),
    };
    expand(&path, &[('h', &home), ('u', user), ('U', &uid)])
        .map(Some)
        .map_err(|problem| io::Error::other(format!("{keyword}: {problem}")))
}

const SIGKILL: i32 = 9;

impl End {
    /// The user's part of a name for the connection.
    fn who(user: Option<(String, bool)>) -> String {
        match user {
            None => String::new(),
            Some((name, true)) => format!("authenticating user {name} "),
            Some((name, false)) => format!("invalid user {name} "),
        }
    }
}

/// Waits until one of `links` can be read, or the deadline: which ones can.
/// None can once the deadline is over, so that no flood puts it off.
fn readable(links: &[&Link], deadline: Option<Instant>) -> io::Result<Vec<bool>> {
    loop {
        let mut fds: Vec<_> = links
            .iter()
            .map(|link| PollFd::new(*link, PollFlags::IN))
            .collect();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(problem) => return Err(problem.into()),
            Ok(_) => {
                let late = left.is_some_and(|left| left.is_zero());
                let fired = |fd: &PollFd<'_>| !late && !fd.revents().is_empty();
                return Ok(fds.iter().map(fired).collect());
            }
        }
    }
}
