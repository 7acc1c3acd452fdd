//! Shared connections: OpenSSH's multiplexing, version 4 of its protocol, in
//! both roles. A *master* listens at a control socket and carries the sessions
//! and forwardings of *passengers* over its connection.
//!
//! What could a hostile or dying passenger do? It is a process of the same user
//! or of root (the socket is theirs alone, and who connects is checked), so it
//! could as well trace or kill the master; but by accident, or through a hole
//! in another program, it is to cost itself only:
//! - send nonsense, or nothing: its conversation ends, or waits, alone;
//!   messages, their number under way and passengers are bounded;
//! - pass descriptors that nobody asked for, or of the wrong kind: they are
//!   closed, or end its session. None of them is ever waited for, whatever its
//!   owner or another passenger makes of it (`ssh/stdio.rs`);
//! - not read what it is sent: its own windows fill;
//! - ask for what the options forbid: variables that SendEnv does not name, the
//!   agent where it is not lent; with `ControlMaster ask` the user is asked;
//! - go away: its session is closed, its descriptors are put back as they were.
//!
//! What could a hostile master do to a passenger? It owns the passenger's
//! standard descriptors, as the remote side of any session does, and no more:
//! what it says is shown with control characters escaped. It is found by the
//! name of the socket: ControlPath must lead where only the user can write.

mod about;
mod forwarding;
mod guest;
mod master;
mod passenger;
mod proxy;
mod seat;
mod socket;
mod wire;

pub(super) use self::about::connection as about;
pub(super) use self::master::{Lent, Master};
pub(super) use self::passenger::{Joined, join, ride_again};

/// What `-O` asks of a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// `check`: is it there?
    Check,
    /// `conninfo`: about the connection.
    ConnInfo,
    /// `channels`: what is open.
    Channels,
    /// `forward`: open the forwardings of the command line.
    Forward,
    /// `cancel`: close them.
    Cancel,
    /// `proxy`: speak the connection protocol through it.
    Proxy,
    /// `exit`: end, with all sessions.
    Exit,
    /// `stop`: take no more passengers.
    Stop,
}

impl Command {
    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "check" => Self::Check,
            "conninfo" => Self::ConnInfo,
            "channels" => Self::Channels,
            "forward" => Self::Forward,
            "cancel" => Self::Cancel,
            "proxy" => Self::Proxy,
            "exit" => Self::Exit,
            "stop" => Self::Stop,
            _ => return None,
        })
    }
}
