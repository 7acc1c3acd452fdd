//! Why a connection failed, in the lines that OpenSSH writes.

use std::io;

use carrick::proto::{self, PeerFault};

use crate::log::{error, info, log};
use crate::text::{err, os_error};

/// What stands for the address of a proxy command's other end.
const PROXIED: &str = "UNKNOWN port 65535";

/// Whom we talk to, for messages: `127.0.0.1 port 22`.
pub(super) struct Remote(pub(super) String);

impl Remote {
    /// Of a direct connection.
    pub(super) fn direct(peer: std::net::SocketAddr) -> Self {
        Self(format!("{} port {}", peer.ip(), peer.port()))
    }

    /// Of a proxy command's other end, which has no address.
    pub(super) fn proxied() -> Self {
        Self(PROXIED.into())
    }
}

/// How far we were.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No identification from the server yet.
    Identification,
    /// Key exchange and login.
    Login,
    /// Logged in.
    Session,
}

/// Tells why the connection failed.
pub(super) fn tell(why: &carrick::Error, remote: &Remote, host: &str, phase: Phase) {
    let proxied = remote.0 == PROXIED;
    let remote = &remote.0;
    match why {
        // A command that has ended: its input may break before its output ends.
        carrick::Error::Io(e) if proxied && e.kind() == io::ErrorKind::BrokenPipe => {
            protocol(&proto::Error::Closed, remote, host, phase);
        }
        carrick::Error::Protocol(why) => protocol(why, remote, host, phase),
        carrick::Error::Io(e) => match (e.kind(), phase) {
            (_, Phase::Identification) => {
                error!("kex_exchange_identification: read: {}", os_error(e));
                info!("Connection {} {remote}", ended(e));
            }
            (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe, Phase::Session) => {
                info!("client_loop: send disconnect: {}", os_error(e));
            }
            (io::ErrorKind::ConnectionReset, _) => info!("Connection reset by {remote}"),
            (io::ErrorKind::TimedOut, _) => info!("Connection to {remote} timed out"),
            _ => log!(Fatal, "Connection to {remote}: {}", os_error(e)),
        },
        other => log!(Fatal, "Connection to {remote}: {other}"),
    }
}

/// The major version that an identification line claims.
fn major(line: &str) -> &str {
    let version = line.strip_prefix("SSH-").unwrap_or(line);
    version.split('.').next().unwrap_or(version)
}

fn ended(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::ConnectionReset => "reset by",
        _ => "closed by",
    }
}

fn protocol(why: &proto::Error, remote: &str, host: &str, phase: Phase) {
    let fatal = |text: &str| {
        log!(
            Fatal,
            "ssh_dispatch_run_fatal: Connection to {remote}: {text}"
        );
    };
    match why {
        // The user's shell is gone: said at every level, and past the log.
        proto::Error::Closed if phase == Phase::Session => {
            err!("Connection to {host} closed by remote host.\r\n");
        }
        proto::Error::Closed => info!("Connection closed by {remote}"),
        proto::Error::Disconnected {
            reason,
            description,
        } => {
            error!("Received disconnect from {remote}:{reason}: {description}");
            info!("Disconnected from {remote}");
        }
        proto::Error::Silent => info!("Timeout, server {host} not responding."),
        proto::Error::NoCommon(none) => info!(
            "Unable to negotiate with {remote}: no matching {} found. Their offer: {}\nOurs: {}",
            none.what, none.theirs, none.ours
        ),
        proto::Error::Fault(fault) => match fault {
            PeerFault::BadLength(length) => {
                error!("Bad packet length {length}.");
                fatal("Connection corrupted");
            }
            PeerFault::BadMac => {
                error!("Corrupted MAC on input.");
                fatal("message authentication code incorrect");
            }
            PeerFault::BadPadding(_) | PeerFault::EmptyPacket => {
                error!("{fault}");
                fatal("Connection corrupted");
            }
            PeerFault::BadIdent(_) | PeerFault::TooMuchPreamble => {
                error!("kex_exchange_identification: {fault}");
                fatal("invalid format");
            }
            PeerFault::WrongVersion(line) => {
                error!("Protocol major versions differ: 2 vs. {}", major(line));
                log!(
                    Fatal,
                    "banner exchange: Connection to {remote}: could not read protocol version"
                );
            }
            other => fatal(&other.to_string()),
        },
        other => fatal(&other.to_string()),
    }
}
