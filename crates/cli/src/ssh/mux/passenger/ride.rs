//! A session, or a connection (`-W`), that a master has for us: it gets our
//! standard descriptors, and we wait.
//!
//! All that can be said at once is said at once: what a session through a master
//! costs is mostly waiting for the other side.

use std::io;

use carrick_config::ssh::Options;
use carrick_config::types::Endpoint;
use carrick_config::words::SessionType;
use carrick_sys::daemonize;
use carrick_sys::signals::{Held, Number};
use carrick_wire::control::{Answer, Ask, NewSession, Place, Port};
use rustix::process::{Pid, Signal, kill_process};
use rustix::stdio::{stderr, stdin, stdout};

use super::link::{Came, Link, nonsense};
use super::{Joined, command, greet};
use crate::log::{Level, debug, debug2, error, level, log};
use crate::ssh::session::Work;
use crate::ssh::{FAILED, agent, env, terminal};
use crate::text::{err, os_error, printable_bytes};

/// Signals that end the wait, or are the master's business.
const SIGNALS: [Number; 4] = [
    Number::SIGHUP,
    Number::SIGINT,
    Number::SIGTERM,
    Number::SIGWINCH,
];

/// Has the master do `work`.
pub(super) fn run(options: &Options, mut link: Link, work: &Work) -> Joined {
    if options.stdin_null
        && let Err(e) = daemonize::to_dev_null(true, false, false)
    {
        log!(Fatal, "stdfd_devnull failed: {}", os_error(&e));
        return Joined::Ended(FAILED);
    }
    let env = variables(options);
    let nothing = options.local_forwards.is_empty() && options.remote_forwards.is_empty();
    let started = if work.stdio.is_some() || nothing {
        // Forwardings first, where there are any.
        start(options, &mut link, work, &env, true)
    } else {
        if greet(options, &mut link, &[]).is_none() {
            return Joined::Alone;
        }
        if !command::forwards(options, &mut link, false) {
            error!("muxclient: master forward request failed");
            return Joined::Alone;
        }
        start(options, &mut link, work, &env, false)
    };
    let (pid, session) = match started {
        Ok(Some(started)) => started,
        Ok(None) => return Joined::Alone,
        Err(e) => {
            error!("muxclient: read from master failed: {}", os_error(&e));
            return Joined::Alone;
        }
    };
    match session {
        Ok(session) => {
            debug!("mux_client_request_session: master session id: {session}");
            Joined::Ended(ride(options, &mut link, work, pid, session))
        }
        Err(why) if work.stdio.is_some() => {
            log!(Fatal, "{why}");
            Joined::Ended(FAILED)
        }
        Err(why) => {
            error!("{why}");
            Joined::Alone
        }
    }
}

/// The environment that goes along, as `NAME=value`.
fn variables(options: &Options) -> Vec<Vec<u8>> {
    let pair = |(name, value): (String, Vec<u8>)| [name.as_bytes(), b"=", &value].concat();
    env::to_send(options).into_iter().map(pair).collect()
}

/// `TERM`, which SetEnv may change.
fn term(options: &Options) -> String {
    let set = options.set_env.iter().find(|pair| pair.name == "TERM");
    let set = set.map(|pair| pair.value.clone());
    set.filter(|term| !term.is_empty())
        .or_else(|| std::env::var("TERM").ok())
        .unwrap_or_default()
}

/// The master's process, and the session's number or why there is none.
type Started = (u32, Result<u32, String>);

/// Says what is wanted, and takes the answers. `None`: it was no master.
fn start(
    options: &Options,
    link: &mut Link,
    work: &Work,
    env: &[Vec<u8>],
    greet_first: bool,
) -> io::Result<Option<Started>> {
    let (alive, id) = (link.id(), link.id());
    let term = term(options);
    let asked = match &work.stdio {
        None => Ask::NewSession(id, new_session(options, work, &term, env)),
        Some(to) => Ask::NewStdioForward(id, place(to)),
    };
    let asks = [Ask::AliveCheck(alive), asked];
    let pass = |link: &Link| match &work.stdio {
        None => link.pass(&[&stdin(), &stdout(), &stderr()]),
        Some(_) => link.pass(&[&stdin(), &stdout()]),
    };
    if greet_first {
        let mut all = vec![Ask::Hello(carrick_wire::control::Hello::ours(&[]))];
        all.extend(asks);
        // A master that hangs up at once is noticed below.
        let _ = link.send(&all).and_then(|()| pass(link));
        if link.greeted(options.connect_timeout).is_none() {
            error!("muxclient: master hello exchange failed");
            return Ok(None);
        }
    } else {
        link.send(&asks)?;
        pass(link)?;
    }
    let pid = match Answer::decode(&link.receive()?) {
        Ok(Answer::Alive { id, pid }) if id == alive => pid,
        other => return Err(nonsense(&format!("master alive request failed: {other:?}"))),
    };
    let message = link.receive()?;
    let opened = match Answer::decode(&message) {
        Ok(Answer::SessionOpened {
            id: theirs,
            session,
        }) if theirs == id => Ok(session),
        Ok(Answer::Denied { reason, .. }) => Err(refused(work, "Master refused", reason)),
        Ok(Answer::Failure { reason, .. }) => Err(refused(work, "", reason)),
        other => {
            return Err(nonsense(&format!(
                "unexpected response from master: {other:?}"
            )));
        }
    };
    Ok(Some((pid, opened)))
}

/// A refusal in OpenSSH's words.
fn refused(work: &Work, who: &str, reason: &[u8]) -> String {
    let reason = printable_bytes(reason);
    match (&work.stdio, who) {
        (None, "") => format!("mux_client_request_session: session request failed: {reason}"),
        (None, who) => format!("{who} session request: {reason}"),
        (Some(_), "") => format!("Stdio forwarding request failed: {reason}"),
        (Some(_), who) => format!("{who} stdio forwarding request: {reason}"),
    }
}

fn new_session<'a>(
    options: &Options,
    work: &'a Work,
    term: &'a str,
    env: &'a [Vec<u8>],
) -> NewSession<'a> {
    NewSession {
        tty: work.tty,
        x11: options.forward_x11,
        agent: agent::is_lent(options),
        subsystem: options.session_type == SessionType::Subsystem,
        escape: options.escape_char.map(u32::from),
        term: term.as_bytes(),
        command: &work.command,
        env: env.iter().map(Vec::as_slice).collect(),
    }
}

fn place(to: &Endpoint) -> Place<'_> {
    match to {
        Endpoint::Tcp { host, port } => Place {
            name: host.as_deref().unwrap_or_default().as_bytes(),
            port: Port::Number(*port),
        },
        Endpoint::Unix { path } => Place {
            name: path.as_bytes(),
            port: Port::Unix,
        },
    }
}

/// Waits for the end. The status is the command's.
fn ride(options: &Options, link: &mut Link, work: &Work, master: u32, session: u32) -> u8 {
    let held = match Held::new(&SIGNALS) {
        Ok(held) => held,
        Err(e) => {
            log!(Fatal, "cannot wait for signals: {}", os_error(&e));
            return FAILED;
        }
    };
    if options.fork_after_authentication {
        if let Err(e) = daemonize::to_background() {
            log!(Fatal, "daemon() failed: {}", os_error(&e));
            return FAILED;
        }
    } else if work.tty {
        terminal::enter_raw();
        // Its size may have changed since the master looked.
        tell_resized(master);
    }
    let ended = wait(link, &held, master, session);
    terminal::leave_raw();
    let status = match ended {
        Ok(Ended::Exit(status)) => {
            debug2!("Received exit status from master {status}");
            status.to_le_bytes()[0]
        }
        // A connection has no status: it is over.
        Ok(Ended::Gone) if work.stdio.is_some() => return 0,
        Ok(Ended::Gone) => {
            debug2!("Control master terminated unexpectedly");
            FAILED
        }
        Ok(Ended::Killed(signal)) => {
            debug2!("Exiting on signal: {signal}");
            if work.stdio.is_some() {
                return 0;
            }
            FAILED
        }
        Err(e) => {
            log!(Fatal, "mux_client_request_session: {}", os_error(&e));
            return FAILED;
        }
    };
    if work.tty && level() >= Level::Info {
        err!("Shared connection to {} closed.\r\n", options.hostname);
    }
    status
}

enum Ended {
    /// With the command's status.
    Exit(u32),
    /// The master went, or closed the session.
    Gone,
    Killed(Number),
}

fn wait(link: &mut Link, held: &Held, master: u32, session: u32) -> io::Result<Ended> {
    let mut status = None;
    loop {
        let message = match link.wait(held)? {
            Came::Message(message) => message,
            Came::End => return Ok(status.map_or(Ended::Gone, Ended::Exit)),
            Came::Signal(Number::SIGWINCH) => {
                tell_resized(master);
                continue;
            }
            Came::Signal(signal) => return Ok(Ended::Killed(signal)),
        };
        match Answer::decode(&message).map_err(|e| nonsense(&e.to_string()))? {
            Answer::TtyAllocFail { session: theirs } if theirs == session => terminal::leave_raw(),
            Answer::Exit {
                session: theirs,
                status: code,
            } if theirs == session && status.is_none() => status = Some(code),
            other => return Err(nonsense(&format!("master returned error: {other:?}"))),
        }
    }
}

/// The master looks at the terminal's size when it is told.
fn tell_resized(master: u32) {
    let pid = i32::try_from(master).ok().filter(|pid| *pid > 1);
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may be gone, which is noticed elsewhere.
        let _ = kill_process(pid, Signal::WINCH);
    }
}
