//! What `-O` asks of a master, and the forwardings of any passenger.

use std::io;

use carrick_config::ssh::Options;
use carrick_config::types::{Endpoint, Forward, Target};
use carrick_wire::control::{Answer, Ask};

use super::link::{Link, nonsense};
use super::{Joined, greet};
use crate::log::{Level, debug, error, level, log, verbose};
use crate::ssh::FAILED;
use crate::ssh::mux::Command;
use crate::ssh::mux::forwarding::Wanted;
use crate::text::{err, os_error, out, outln, printable_bytes, visible};

/// Does what `-O` says.
pub(super) fn run(options: &Options, mut link: Link, command: Command) -> Joined {
    if greet(options, &mut link, &[]).is_none() {
        return Joined::Alone;
    }
    let outcome = match command {
        Command::Check => check(&mut link),
        Command::ConnInfo => info(&mut link, "connection"),
        Command::Channels => info(&mut link, "channels"),
        Command::Forward if forwards(options, &mut link, false) => Ok(()),
        Command::Forward => Err("muxclient: master forward request failed".to_owned()),
        Command::Cancel => {
            if !forwards(options, &mut link, true) {
                error!("muxclient: master cancel forward request failed");
            }
            Ok(())
        }
        Command::Exit => exit(&mut link),
        Command::Stop => stop(&mut link),
        Command::Proxy => return proxy(link),
    };
    match outcome {
        Ok(()) => Joined::Ended(0),
        Err(why) => fatal(&why),
    }
}

fn fatal(why: &str) -> Joined {
    log!(Fatal, "{why}");
    Joined::Ended(FAILED)
}

/// What a master says that refuses: who it is, and in what words.
fn refusal(answer: &Answer<'_>) -> Option<String> {
    match answer {
        Answer::Denied { reason, .. } | Answer::Failure { reason, .. } => {
            Some(printable_bytes(reason))
        }
        _ => None,
    }
}

/// Makes a request and takes the answer, which must be to it.
fn ask<T>(
    link: &mut Link,
    request: impl FnOnce(u32) -> Ask<'static>,
    take: impl FnOnce(&Answer<'_>) -> Option<T>,
) -> io::Result<Result<T, String>> {
    let id = link.id();
    link.send(&[request(id)])?;
    let message = link.receive()?;
    answered(id, &message, take)
}

fn answered<T>(
    id: u32,
    message: &[u8],
    take: impl FnOnce(&Answer<'_>) -> Option<T>,
) -> io::Result<Result<T, String>> {
    let answer = Answer::decode(message).map_err(|e| nonsense(&e.to_string()))?;
    let theirs = match &answer {
        Answer::Ok(id) | Answer::Proxy(id) => *id,
        Answer::Denied { id, .. }
        | Answer::Failure { id, .. }
        | Answer::Alive { id, .. }
        | Answer::SessionOpened { id, .. }
        | Answer::RemotePort { id, .. }
        | Answer::Info { id, .. } => *id,
        other => {
            return Err(nonsense(&format!(
                "unexpected response from master: {other:?}"
            )));
        }
    };
    if theirs != id {
        let what = format!("out of sequence reply: my id {id} theirs {theirs}");
        return Err(nonsense(&what));
    }
    if let Some(why) = refusal(&answer) {
        return Ok(Err(why));
    }
    match take(&answer) {
        Some(taken) => Ok(Ok(taken)),
        None => Err(nonsense(&format!(
            "unexpected response from master: {answer:?}"
        ))),
    }
}

fn check(link: &mut Link) -> Result<(), String> {
    let pid = |answer: &Answer<'_>| match answer {
        Answer::Alive { pid, .. } => Some(*pid),
        _ => None,
    };
    match ask(link, Ask::AliveCheck, pid) {
        Ok(Ok(pid)) => {
            err!("Master running (pid={pid})\r\n");
            Ok(())
        }
        Ok(Err(why)) => Err(format!(
            "mux_client_request_alive: master returned error: {why}"
        )),
        Err(e) => {
            debug!("mux_client_request_alive: {}", os_error(&e));
            Err("muxclient: master alive check failed".into())
        }
    }
}

fn info(link: &mut Link, what: &'static str) -> Result<(), String> {
    if !link.has_info {
        return Err("mux server does not support info request".into());
    }
    let text = |answer: &Answer<'_>| match answer {
        Answer::Info { text, .. } => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    match ask(link, |id| Ask::Info(id, what.as_bytes()), text) {
        Ok(Ok(text)) => {
            // Lines end as the master has them.
            out!("{}", visible(&text));
            Ok(())
        }
        Ok(Err(why)) => Err(format!(
            "mux_client_request_info: master returned error: {why}"
        )),
        Err(e) => Err(format!("muxclient: info request failed: {}", os_error(&e))),
    }
}

fn ok(answer: &Answer<'_>) -> Option<()> {
    matches!(answer, Answer::Ok(_)).then_some(())
}

fn exit(link: &mut Link) -> Result<(), String> {
    match ask(link, Ask::Terminate, ok) {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return Err(format!("Master refused termination request: {why}")),
        // It has gone already.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
        Err(e) => {
            return Err(format!(
                "mux_client_request_terminate: read from master failed: {}",
                os_error(&e)
            ));
        }
    }
    if level() > Level::Quiet {
        err!("Exit request sent.\r\n");
    }
    Ok(())
}

fn stop(link: &mut Link) -> Result<(), String> {
    match ask(link, Ask::StopListening, ok) {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return Err(format!("Master refused stop listening request: {why}")),
        Err(e) => {
            return Err(format!(
                "mux_client_request_stop_listening: read from master failed: {}",
                os_error(&e)
            ));
        }
    }
    if level() > Level::Quiet {
        err!("Stop listening request sent.\r\n");
    }
    Ok(())
}

fn proxy(mut link: Link) -> Joined {
    let agreed = |answer: &Answer<'_>| matches!(answer, Answer::Proxy(_)).then_some(());
    match ask(&mut link, Ask::Proxy, agreed) {
        Ok(Ok(())) => match link.into_socket() {
            Some(socket) => Joined::Proxied(socket),
            None => fatal("mux_client_proxy: data behind the master's reply"),
        },
        Ok(Err(why)) => fatal(&format!("mux_client_proxy: master returned error: {why}")),
        Err(e) => fatal(&format!("mux_client_proxy: {}", os_error(&e))),
    }
}

/// Has the master open, or cancel, all forwardings of the options; whether all
/// went well. What did not was told.
pub(super) fn forwards(options: &Options, link: &mut Link, cancel: bool) -> bool {
    let wanted = |remote| {
        move |forward: &Forward| Wanted {
            remote,
            forward: forward.clone(),
        }
    };
    let locals = options.local_forwards.iter().map(wanted(false));
    let remotes = options.remote_forwards.iter().map(wanted(true));
    let mut all = true;
    for wanted in locals.chain(remotes) {
        all &= forward(link, &wanted, cancel);
    }
    all
}

fn forward(link: &mut Link, wanted: &Wanted, cancel: bool) -> bool {
    let what = if cancel {
        "cancellation of"
    } else {
        "forwarding of"
    };
    debug!("Requesting {what} {}", wanted.shown());
    let id = link.id();
    let asked = wanted.to_wire();
    let request = if cancel {
        Ask::CloseForward(id, asked)
    } else {
        Ask::OpenForward(id, asked)
    };
    let answer = link.send(&[request]).and_then(|()| link.receive());
    let outcome = answer.and_then(|message| {
        answered(id, &message, |answer| match answer {
            Answer::Ok(_) => Some((None, ())),
            Answer::RemotePort { port, .. } if !cancel => Some((Some(*port), ())),
            _ => None,
        })
    });
    match outcome {
        Ok(Ok((port, ()))) => {
            if let Some(port) = port {
                allocated(wanted, port);
            }
            true
        }
        Ok(Err(why)) => {
            error!("mux_client_forward: forwarding request failed: {why}");
            false
        }
        Err(e) => {
            error!("mux_client_forward: {}", os_error(&e));
            false
        }
    }
}

fn allocated(wanted: &Wanted, port: u32) {
    let to = match &wanted.forward.connect {
        Target::Socks => ":0".to_owned(),
        Target::To(Endpoint::Tcp { host, port }) => {
            format!("{}:{port}", host.as_deref().unwrap_or_default())
        }
        Target::To(Endpoint::Unix { .. }) => ":-2".to_owned(),
    };
    verbose!("Allocated port {port} for remote forward to {to}");
    outln!("{port}");
}
