//! The passenger: looks for a master, and has it do what there is to do.

mod command;
mod link;
mod ride;

use std::io;
use std::os::unix::net::UnixStream;

use carrick_config::ssh::Options;
use carrick_config::words::ControlMaster;
use carrick_wire::control::{Ask, Hello};

use self::link::Link;
use super::{Command, socket};
use crate::log::{debug, error, log};
use crate::ssh::FAILED;
use crate::ssh::session::Work;
use crate::text::os_error;

/// What came of looking for a master.
pub(in crate::ssh) enum Joined {
    /// All is done; with this status.
    Ended(u8),
    /// The connection protocol is spoken here.
    Proxied(UnixStream),
    /// There is none, or it does not help: we are on our own.
    Alone,
}

/// Looks for a master, for what `command` says or, without one, for `work`.
pub(in crate::ssh) fn join(options: &Options, work: &Work, command: Option<Command>) -> Joined {
    let Some(path) = &options.control_path else {
        if command.is_some() {
            log!(Fatal, "No ControlPath specified for \"-O\" command");
            return Joined::Ended(FAILED);
        }
        return Joined::Alone;
    };
    match options.control_master {
        ControlMaster::Auto | ControlMaster::AutoAsk => {
            debug!("auto-mux: Trying existing master at '{path}'");
        }
        ControlMaster::No => {}
        ControlMaster::Yes | ControlMaster::Ask => return Joined::Alone,
    }
    if !socket::fits(path) {
        return Joined::Ended(FAILED);
    }
    let socket = match socket::connect(path) {
        Ok(socket) => socket,
        Err(e) => return not_there(options, path, command.is_some(), &e),
    };
    let link = Link::new(socket);
    match command {
        Some(command) => command::run(options, link, command),
        None => ride::run(options, link, work),
    }
}

/// After a master was left in the background: has it do the work.
pub(in crate::ssh) fn ride_again(options: &Options, work: &Work) -> u8 {
    let joined = options
        .control_path
        .as_ref()
        .and_then(|path| socket::connect(path).ok())
        .map(|socket| ride::run(options, Link::new(socket), work));
    if let Some(Joined::Ended(status)) = joined {
        return status;
    }
    log!(Fatal, "Failed to connect to new control master");
    FAILED
}

fn not_there(options: &Options, path: &str, ordered: bool, e: &io::Error) -> Joined {
    if ordered {
        log!(Fatal, "Control socket connect({path}): {}", os_error(e));
        return Joined::Ended(FAILED);
    }
    match e.kind() {
        io::ErrorKind::ConnectionRefused if options.control_master != ControlMaster::No => {
            debug!("Stale control socket {path}, unlinking");
            // Somebody else may have done it.
            let _ = std::fs::remove_file(path);
        }
        io::ErrorKind::NotFound => debug!("Control socket \"{path}\" does not exist"),
        _ => error!("Control socket connect({path}): {}", os_error(e)),
    }
    Joined::Alone
}

/// Exchanges HELLOs, with `then` right behind ours. `None`: no master that we
/// can speak with, which was told.
fn greet(options: &Options, link: &mut Link, then: &[Ask<'_>]) -> Option<()> {
    let mut asks = vec![Ask::Hello(Hello::ours(&[]))];
    asks.extend_from_slice(then);
    if let Err(e) = link.send(&asks) {
        debug!("mux_client_hello_exchange: write packet: {}", os_error(&e));
    }
    let greeted = link.greeted(options.connect_timeout);
    if greeted.is_none() {
        error!("muxclient: master hello exchange failed");
    }
    greeted
}
