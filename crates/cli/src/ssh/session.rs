//! After login: the requests that make a session, its run, and its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use carrick::{Channel, Connection, GlobalRequest, Open, agent, proto};
use carrick_config::ssh::{ControlPersist, Options};
use carrick_config::types::Endpoint;
use carrick_config::words::{RequestTty, SessionType};
use carrick_sys::descriptors;
use carrick_sys::signals::Number;
use carrick_sys::tty;

use super::fault::{Phase, Remote};
use super::forward::{Forwards, stdio};
use super::lend::{self, Lender};
use super::mux::{Lent, Master};
use super::relay::{Ended, Relay, Setup, Signals, tell_killed};
use super::requests::{self, Program, Terminal, Wanted};
use super::x11::{self, Display};
use super::{FAILED, background, env, fault, terminal, tun, vpn};
use crate::connect;
use crate::log::{self, Level, debug, error, info, log, verbose};
use crate::text::{err, os_error};

/// What is to be done.
pub(super) struct Work {
    /// The command; empty for a shell.
    pub(super) command: Vec<u8>,
    /// Whether a terminal is asked for.
    pub(super) tty: bool,
    /// Where standard input and output lead instead of to a session (`-W`).
    pub(super) stdio: Option<Endpoint>,
    /// The networks behind the connection, if some are wanted (`--vpn`).
    pub(super) vpn: Option<vpn::Prepared>,
}

/// How, and with whom.
pub(super) struct Plan {
    pub(super) options: &'static Options,
    pub(super) work: Work,
    /// The server's address, if we know it.
    pub(super) peer: Option<IpAddr>,
    pub(super) remote: Remote,
    /// Lends the user's agent, if that is wanted.
    pub(super) lender: Option<Arc<Lender>>,
    /// The display, if it is lent.
    pub(super) x11: Option<Arc<Display>>,
    pub(super) started: Instant,
    /// The connection is another program's, which is its master.
    pub(super) shared: bool,
}

/// Whether to ask for a terminal (RequestTTY and what the circumstances say).
pub(super) fn wants_tty(options: &Options, has_command: bool) -> bool {
    let request = options.request_tty;
    let forced = request == RequestTty::Force;
    let mut wanted = matches!(request, RequestTty::Yes | RequestTty::Force);
    if !has_command && options.session_type == SessionType::Default {
        wanted = request != RequestTty::No;
    }
    let usable = tty::is_terminal(rustix::stdio::stdin()) && !options.stdin_null;
    if wanted && !usable && !forced {
        if log::level() >= Level::Info {
            info!("Pseudo-terminal will not be allocated because stdin is not a terminal.");
        }
        return false;
    }
    wanted
}

/// Runs the session; the result is the exit status.
pub(super) async fn run(connection: Connection, mut plan: Plan) -> u8 {
    // Each forwarded connection takes one, and a master's passengers bring more.
    descriptors::raise(u64::MAX);
    tokio::spawn(refuse_globals(connection.clone()));
    let vpn = plan.work.vpn.take();
    // Boxed: it is large, and two branches would have room for it.
    let work = Box::pin(with_connection(&connection, &plan));
    let status = match vpn {
        Some(vpn) => vpn.during(work, &connection, plan.peer).await,
        None => work.await,
    };
    terminal::leave_raw();
    connection.disconnect("disconnected by user");
    // The driver gets its turn to write that.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    status
}

async fn with_connection(connection: &Connection, plan: &Plan) -> u8 {
    let Some(forwards) = Forwards::start(connection, plan.options) else {
        return FAILED;
    };
    tokio::spawn(serve_opens(
        connection.clone(),
        plan.lender.clone(),
        plan.x11.clone(),
        forwards.clone(),
    ));
    let work = with_forwards(connection, &forwards, plan);
    forwards.unless_broken(work).await.unwrap_or(FAILED)
}

async fn with_forwards(connection: &Connection, forwards: &Forwards, plan: &Plan) -> u8 {
    let options = plan.options;
    let lent = Lent {
        agent: plan.lender.is_some(),
        display: plan.x11.clone(),
    };
    let master = if plan.shared {
        None
    } else {
        match Master::start(connection, options, forwards, lent) {
            Ok(master) => master,
            Err(()) => return FAILED,
        }
    };
    let status = match &master {
        Some(master) if options.control_persist != ControlPersist::No => {
            background::stay(connection, forwards, master, plan).await
        }
        master => with_master(connection, forwards, master.as_ref(), plan).await,
    };
    if let Some(master) = master {
        master.close();
    }
    status
}

async fn with_master(
    connection: &Connection,
    forwards: &Forwards,
    master: Option<&Master>,
    plan: &Plan,
) -> u8 {
    let options = plan.options;
    let stdio = match &plan.work.stdio {
        Some(to) => match stdio::open(connection, to).await {
            Some(channel) => Some(channel),
            None => return FAILED,
        },
        None => None,
    };
    let tunnel = match tun::start(connection, forwards, options).await {
        Ok(tunnel) => tunnel,
        Err(status) => return status,
    };
    if let (true, Some(command)) = (options.permit_local_command, &options.local_command) {
        local_command(options, command, tunnel.as_deref());
    }
    let channel = if options.session_type == SessionType::None {
        None
    } else {
        let ident = connection.peer_ident();
        let opening = connection.open(Open::Session);
        if master.is_none() && (ident.contains("OpenSSH") || ident.contains("Carrick")) {
            debug!("Requesting no-more-sessions@openssh.com");
        }
        match opening.await {
            Ok(channel) => Some(channel),
            Err(e) => return failed_open(&e, plan),
        }
    };
    if master.is_none() {
        no_more_sessions(connection);
    }
    if let Err(status) = background::fork(options, forwards).await {
        return status;
    }
    if let Some(Err(e)) = master.map(Master::admit) {
        log!(Fatal, "muxserver_listen: {}", os_error(&e));
        return FAILED;
    }
    debug!("Entering interactive session.");
    match (channel, stdio) {
        (Some(channel), _) => with_channel(connection, channel, forwards, master, plan).await,
        (None, stdio) => without_channel(connection, stdio, master, plan).await,
    }
}

fn no_more_sessions(connection: &Connection) {
    let ident = connection.peer_ident();
    if ident.contains("OpenSSH") || ident.contains("Carrick") {
        // A precaution for the server's benefit: no reason to fail.
        let _ = connection.global_notify(GlobalRequest::NoMoreSessions);
    }
}

fn failed_open(why: &carrick::Error, plan: &Plan) -> u8 {
    match why {
        carrick::Error::OpenRefused { reason, text, .. } => {
            info!("channel 0: open failed: {reason}: {text}");
        }
        other => fault::tell(other, &plan.remote, &plan.options.hostname, Phase::Session),
    }
    FAILED
}

/// Runs LocalCommand; `tunnel` is our device, if there is a tunnel of such.
pub(super) fn local_command(options: &Options, command: &str, tunnel: Option<&str>) {
    let mut table = options.tokens.table();
    table.push(('T', tunnel.unwrap_or("NONE")));
    match carrick_config::tokens::expand(command, &table) {
        Ok(command) => {
            if let Err(e) = connect::run_local(&command) {
                error!("Couldn't execute {command}: {e}");
            }
        }
        Err(why) => error!("vdollar_percent_expand: {why}"),
    }
}

/// `-N` and `-W`: stays until the connection ends, the one over standard input
/// and output does, or a signal comes.
async fn without_channel(
    connection: &Connection,
    stdio: Option<Channel>,
    master: Option<&Master>,
    plan: &Plan,
) -> u8 {
    let Ok(mut signals) = Signals::new() else {
        return FAILED;
    };
    let carried = async {
        match stdio {
            Some(channel) => stdio::carry(channel, plan.options.stdin_null).await,
            None => Err(connection.closed().await),
        }
    };
    tokio::select! {
        ended = carried => match ended {
            Ok(()) => return 0,
            Err(why) => {
                fault::tell(&why, &plan.remote, &plan.options.hostname, Phase::Session);
            }
        },
        () = idled(master) => {}
        number = signals.ended() => {
            tell_killed(number);
            // There is no command whose status could be lost: ended as asked.
            if number == Number::SIGTERM as i32 {
                return 0;
            }
        }
    }
    FAILED
}

/// Waits until a master without a session has no more to do.
async fn idled(master: Option<&Master>) {
    match master {
        Some(master) => master.idled().await,
        None => std::future::pending().await,
    }
}

/// Waits until a passenger has asked a master to end.
async fn asked_to_quit(master: Option<&Master>) {
    match master {
        Some(master) => master.asked_to_quit().await,
        None => std::future::pending().await,
    }
}

async fn with_channel(
    connection: &Connection,
    channel: Channel,
    forwards: &Forwards,
    master: Option<&Master>,
    plan: &Plan,
) -> u8 {
    let options = plan.options;
    let setup = Setup {
        stdin_null: options.stdin_null,
        has_pty: plan.work.tty,
        escape: options.escape_char,
        command_line: options.enable_escape_commandline,
        local_commands: options.permit_local_command,
        forwards: forwards.clone(),
    };
    // Requests first: the end of input must come after the command.
    let asked = requests::make(connection, &channel, wanted(plan).await);
    let relay = asked.and_then(|asked| {
        let mut relay = Relay::new(connection.clone(), channel, &setup)?;
        for (what, reply) in asked {
            relay.expect(what, reply.granted());
        }
        Ok(relay)
    });
    let relay = match relay {
        Ok(relay) => relay,
        Err(e) => {
            fault::tell(&e, &plan.remote, &options.hostname, Phase::Session);
            return FAILED;
        }
    };
    if plan.work.tty {
        terminal::enter_raw();
    }
    let mut ended = tokio::select! {
        ended = relay.run() => ended,
        () = asked_to_quit(master) => Ended::Left,
    };
    terminal::leave_raw();
    if matches!(ended, Ended::Closed(_)) {
        ended = outlast(connection, forwards, master, ended).await;
    }
    finish(connection, plan, &ended)
}

/// The session has ended; connections that are carried, and passengers, are not
/// cut off.
async fn outlast(
    connection: &Connection,
    forwards: &Forwards,
    master: Option<&Master>,
    ended: Ended,
) -> Ended {
    let alone = async {
        match master {
            Some(master) => master.empty().await,
            None => forwards.idle().await,
        }
    };
    let Ok(mut signals) = Signals::new() else {
        return ended;
    };
    tokio::select! {
        biased;
        () = alone => ended,
        why = connection.closed() => Ended::Lost(why),
        number = signals.ended() => Ended::Killed(number),
    }
}

/// What the session is to be.
async fn wanted(plan: &Plan) -> Wanted {
    let options = plan.options;
    let terminal = plan.work.tty.then(|| {
        let term = std::env::var("TERM").unwrap_or_default();
        Terminal::of(rustix::stdio::stdin(), term)
    });
    if !options.send_env.is_empty() {
        debug!("Sending environment.");
    }
    let subsystem = options.session_type == SessionType::Subsystem;
    Wanted {
        display: match &plan.x11 {
            Some(display) => display.request().await,
            None => None,
        },
        agent: plan.lender.is_some(),
        terminal,
        env: env::to_send(options),
        program: Program::new(subsystem, &plan.work.command),
    }
}

fn finish(connection: &Connection, plan: &Plan, ended: &Ended) -> u8 {
    let host = &plan.options.hostname;
    let mut status = FAILED;
    match ended {
        Ended::Killed(number) => {
            tell_killed(*number);
            return FAILED;
        }
        Ended::Left => {}
        Ended::Closed(Some(code)) => status = code.to_le_bytes()[0],
        // Ended by a signal, or nothing said: OpenSSH's -1.
        Ended::Closed(None) => {}
        Ended::Lost(why) => {
            fault::tell(why, &plan.remote, host, Phase::Session);
            // What is more than an end is the last word.
            if !matches!(why, carrick::Error::Protocol(proto::Error::Closed)) {
                return FAILED;
            }
        }
    }
    if plan.work.tty && log::level() >= Level::Info {
        err!("Connection to {host} closed.\r\n");
    }
    let (sent, received) = connection.transferred();
    let seconds = plan.started.elapsed().as_secs_f64();
    verbose!("Transferred: sent {sent}, received {received} bytes, in {seconds:.1} seconds");
    if seconds > 0.0 {
        verbose!(
            "Bytes per second: sent {:.1}, received {:.1}",
            rate(sent, seconds),
            rate(received, seconds)
        );
    }
    debug!(
        "Exit status {}",
        if status == FAILED {
            -1
        } else {
            i32::from(status)
        }
    );
    status
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people, to one place"
)]
fn rate(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / seconds
}

/// Channels that the server asks for: to the agent and the display, if they are
/// lent, and none else. Those of remote forwardings do not come here.
async fn serve_opens(
    connection: Connection,
    lender: Option<Arc<Lender>>,
    display: Option<Arc<Display>>,
    forwards: Forwards,
) {
    while let Some(incoming) = connection.accept_open().await {
        match &incoming.kind {
            _ if agent::is_wanted_by(&incoming) => lend::lend(lender.as_ref(), incoming),
            Open::X11 { .. } => x11::lend(display.as_ref(), incoming, &forwards),
            // Those for listeners of ours went to them.
            Open::ForwardedTcpip { port, .. } => {
                error!("WARNING: Server requests forwarding for unknown listen_port {port}");
            }
            Open::ForwardedStreamlocal { path } => error!(
                "WARNING: Server requests forwarding for unknown path {}",
                path.escape_ascii()
            ),
            _ => debug!("server asked to open a channel: refused"),
        }
    }
}

/// Nor a global request; the list of its host keys wants no answer.
async fn refuse_globals(connection: Connection) {
    while let Some(incoming) = connection.next_global_request().await {
        drop(incoming);
    }
}
