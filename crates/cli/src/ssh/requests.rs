//! The requests that make a session out of a channel.

use std::os::fd::AsFd;

use carrick::{Asked, Channel, Connection, PtySize, Request};
use carrick_sys::termios::Modes;

use super::relay::{What, pty_size};
use super::x11;
use crate::log::{debug, error};
use crate::text::os_error;

/// What a session is to be.
pub(super) struct Wanted {
    /// Asks for the display to be lent to it.
    pub(super) display: Option<Request>,
    /// The agent is lent to it.
    pub(super) agent: bool,
    pub(super) terminal: Option<Terminal>,
    pub(super) env: Vec<(String, Vec<u8>)>,
    pub(super) program: Program,
}

/// The terminal that the server's is to be like.
pub(super) struct Terminal {
    term: String,
    size: PtySize,
    modes: Vec<u8>,
}

impl Terminal {
    pub(super) fn of(fd: impl AsFd, term: String) -> Self {
        let modes = Modes::of(&fd).map_err(|e| error!("tcgetattr: {}", os_error(&e)));
        Self {
            term,
            size: pty_size(&fd),
            modes: modes.map_or_else(|()| vec![0], |modes| modes.encode()),
        }
    }
}

/// What runs in it.
pub(super) enum Program {
    Shell,
    Command(Vec<u8>),
    Subsystem(Vec<u8>),
}

impl Program {
    pub(super) fn new(subsystem: bool, command: &[u8]) -> Self {
        match (subsystem, command) {
            (true, name) => Self::Subsystem(name.to_vec()),
            (false, []) => Self::Shell,
            (false, command) => Self::Command(command.to_vec()),
        }
    }

    fn request(self) -> (&'static str, Request) {
        match self {
            Self::Shell => ("shell", Request::Shell),
            Self::Command(command) => {
                debug!("Sending command: {}", String::from_utf8_lossy(&command));
                ("exec", Request::Exec { command })
            }
            Self::Subsystem(name) => {
                let name = String::from_utf8_lossy(&name).into_owned();
                debug!("Sending subsystem: {name}");
                ("subsystem", Request::Subsystem { name })
            }
        }
    }
}

/// Asks for everything at once; the replies are waited for later.
pub(super) fn make(
    connection: &Connection,
    channel: &Channel,
    wanted: Wanted,
) -> Result<Vec<(What, Asked)>, carrick::Error> {
    let id = channel.id();
    let mut asked = Vec::new();
    if let Some(request) = wanted.display {
        x11::warn_if_refused(channel, channel.request_later(request)?);
    }
    if wanted.agent {
        debug!("Requesting authentication agent forwarding.");
        channel.notify(connection.agent_names().request())?;
    }
    if let Some(Terminal { term, size, modes }) = wanted.terminal {
        let request = Request::Pty { term, size, modes };
        asked.push((What::Pty, channel.request_later(request)?));
    }
    for (name, value) in wanted.env {
        let shown = String::from_utf8_lossy(&value);
        debug!("channel {id}: setting env {name} = \"{shown}\"");
        channel.notify(Request::Env { name, value })?;
    }
    let (what, request) = wanted.program.request();
    asked.push((What::Program(what), channel.request_later(request)?));
    Ok(asked)
}
