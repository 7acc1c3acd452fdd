//! The monitor: root, one per connection, in a program image of its own. It
//! holds what the worker must not: the host's keys, the accounts, the right
//! to become the user. It reads nothing that comes from the network.
//!
//! What could each of these do with it?
//! - A hostile peer reaches it only through the worker's questions, each of
//!   which is a message of fixed form (see [`crate::rpc`]); names and texts in
//!   it are looked up, compared and logged with control characters escaped.
//! - A hostile worker can have key exchanges signed, as any server does that
//!   holds the key; it cannot have anything else signed, since the monitor
//!   makes the hash. It can try to log in as anybody, and needs what anybody
//!   needs: a password, or a signature over the session identifier that the
//!   monitor computed, by a key (see [`authorize`]) or a host (see
//!   [`hostbased`]) that the monitor found to be the user's. It cannot say that a login succeeded, log in twice,
//!   choose another user than the one who was let in, or go beyond
//!   MaxAuthTries, LoginGraceTime and a bounded rate of log lines. It cannot
//!   hold the monitor up: a question is answered only if there is room for the
//!   answer. Whatever is out of place ends the connection, and the source is
//!   penalised as for a crash. It ends with the monitor, however that ends.
//! - A hostile local user who logs in controls the text of authorized_keys,
//!   principals, known_hosts and .shosts files, which are opened and read with
//!   that user's rights and only parsed; and the broker, which can only send log lines of bounded rate.
//!   The monitor cannot be traced, and leaves no core.

pub mod account;
pub mod agent;
pub mod authorize;
pub mod endpoint;
pub mod forwarding;
pub mod hostbased;
pub mod lines;
pub mod login;
pub mod machine;
pub mod methods;
pub mod password;
pub mod serve;
pub mod sign;
pub mod spawn;
pub mod system;

use std::os::fd::OwnedFd;

use carrick_sys::{mem, process};

use crate::handoff::{self, Handoff};
use crate::listener::EXIT_FATAL;
use crate::log::{self, Level, Sink, fatal};

/// Exit status of a monitor whose user took longer than LoginGraceTime.
pub const EXIT_GRACE: u8 = 3;
/// Of one whose worker crashed or asked for what it may not.
pub const EXIT_CRASH: u8 = 4;
/// Of one whose user tried to log in and did not succeed.
pub const EXIT_ATTEMPTED: u8 = 5;
/// Of one that RefuseConnection ended.
pub const EXIT_REFUSED: u8 = 6;
/// As [`EXIT_ATTEMPTED`], for a user that may not log in at all.
pub const EXIT_INVALID_USER: u8 = 7;

/// A process of the daemon that is started with an argument of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This.
    Monitor,
    /// The protocol, in its cell.
    Worker,
    /// The user's.
    Broker,
    /// On the way to a session's program.
    Session,
}

impl Role {
    /// The first argument.
    pub fn argument(self) -> &'static str {
        match self {
            Self::Monitor => "--role=monitor",
            Self::Worker => "--role=worker",
            Self::Broker => "--role=broker",
            Self::Session => "--role=session",
        }
    }

    /// The role of a first argument.
    pub fn from_argument(argument: &str) -> Option<Self> {
        [Self::Monitor, Self::Worker, Self::Broker, Self::Session]
            .into_iter()
            .find(|role| role.argument() == argument)
    }
}

/// Starts as the listener's child: the connection is standard input, standard
/// output the pipe to close after login, and `number` the descriptor of the
/// memory file with the configuration.
pub fn start(number: Option<&str>) -> u8 {
    log::start(Level::Info, Sink::Stderr);
    let begun = number
        .and_then(|number| number.parse().ok())
        .ok_or(std::io::Error::from(std::io::ErrorKind::InvalidInput))
        .and_then(process::inherited)
        .and_then(handoff::load)
        .and_then(|handoff| {
            let (socket, startup) = process::take_stdin_and_stdout()?;
            let output = socket.try_clone()?;
            Ok((handoff, socket, output, startup))
        });
    match begun {
        Ok((handoff, input, output, startup)) => run(handoff, input, output, Some(startup)),
        Err(problem) => {
            fatal!("not started by a listener: {problem}");
            EXIT_FATAL
        }
    }
}

/// Serves one connection; the exit status.
pub fn run(handoff: Handoff, input: OwnedFd, output: OwnedFd, startup: Option<OwnedFd>) -> u8 {
    mem::stay_small();
    if let Err(problem) = process::hide_from_debuggers() {
        fatal!("cannot protect the monitor: {problem}");
        return EXIT_FATAL;
    }
    match serve::serve(handoff, input, output, startup) {
        Ok(status) => status,
        Err(problem) => {
            fatal!("{problem}");
            EXIT_FATAL
        }
    }
}
