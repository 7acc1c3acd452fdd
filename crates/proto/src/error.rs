//! What can go wrong, in families: the peer broke the rules, the peer and we
//! have nothing in common, the application misused the interface, or the other
//! side ended the connection. One function maps each to what the peer is told.

use core::fmt;

use carrick_wire::DecodeError;
use carrick_wire::msg::transport::DisconnectReason;

use crate::limits;
use crate::mux::{ChannelError, MuxFault};

/// Why a connection ended. It is repeated by every call after it happened:
/// there are no half-dead connections.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke a rule of the protocol.
    Fault(PeerFault),
    /// The peer's algorithms and ours have nothing in common.
    NoCommon(NoCommon),
    /// The peer said goodbye (`SSH_MSG_DISCONNECT`).
    Disconnected {
        /// The reason code of RFC 4253 section 11.1.
        reason: u32,
        /// The peer's words.
        description: String,
    },
    /// The peer closed the connection without a goodbye.
    Closed,
    /// Nothing was heard for the whole of the keep-alive limit.
    Silent,
    /// We ended the connection on the application's word.
    Ended,
    /// The application refused the host key, or cannot sign for the one it offers.
    HostKeyRefused,
    /// A cryptographic operation of our own failed; the text says which.
    Crypto(&'static str),
}

/// One way of breaking the rules.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PeerFault {
    /// The first line is not an identification (RFC 4253 section 4.2).
    BadIdent(String),
    /// The identification claims a protocol that we do not speak.
    WrongVersion(String),
    /// Too much text before the identification.
    TooMuchPreamble,
    /// A packet length outside the bounds, or not a multiple of the block.
    BadLength(u32),
    /// The authentication code of a packet is wrong.
    BadMac,
    /// The padding of a packet is shorter than 4 bytes or longer than the packet.
    BadPadding(u8),
    /// A packet without so much as a message number.
    EmptyPacket,
    /// Compressed data that does not inflate, or to more than a packet may hold.
    BadCompression,
    /// A message that is not what its definition says.
    Malformed {
        /// The message's name.
        message: &'static str,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A message that the state does not expect.
    Unexpected {
        /// What we were doing.
        state: &'static str,
        /// What would have been right.
        expected: &'static str,
        /// The message number that came.
        got: u8,
    },
    /// The key exchange failed: a bad public value, or a bad signature.
    Kex(String),
    /// The host key changed within a connection.
    HostKeyChanged,
    /// A service that does not exist here (RFC 4253 section 10).
    NoSuchService(String),
    /// The user name changed between two attempts (RFC 4252 section 5).
    UserChanged {
        /// As it was.
        from: String,
        /// As it came.
        to: String,
    },
    /// A host-bound request names a host key that is not this connection's:
    /// it was meant for another server.
    WrongHostKeyBinding,
    /// Strict key exchange was agreed, and its rules were broken.
    Strict(&'static str),
    /// A bound of [`crate::limits`] was exceeded; the text names it.
    TooMany(&'static str),
    /// A rule of the connection protocol was broken.
    Mux(MuxFault),
}

/// No algorithm in common (RFC 4253 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCommon {
    /// What for, in OpenSSH's words: `key exchange method`, `host key type`,
    /// `cipher`, `MAC`, `compression method`.
    pub what: &'static str,
    /// What we would have taken, comma-separated.
    pub ours: String,
    /// What the peer offered, comma-separated.
    pub theirs: String,
}

/// The application asked for what the connection's state does not allow.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Misuse {
    /// An answer to a question that is not (or no longer) open.
    NoSuchQuestion,
    /// A command before login that needs one, or the reverse.
    WrongPhase,
    /// The connection is over.
    Over,
    /// A channel command on a channel that cannot take it.
    Channel(ChannelError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::NoCommon(none) => none.fmt(f),
            Self::Disconnected {
                reason,
                description,
            } => {
                write!(f, "disconnected by the peer: {reason}: {description}")
            }
            Self::Closed => f.write_str("connection closed by the peer"),
            Self::Silent => f.write_str("timeout, peer not responding"),
            Self::Ended => f.write_str("connection ended"),
            Self::HostKeyRefused => f.write_str("host key refused"),
            Self::Crypto(what) => write!(f, "{what} failed"),
        }
    }
}

impl core::error::Error for Error {}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadIdent(line) => write!(f, "bad identification {line:?}"),
            Self::WrongVersion(line) => write!(f, "protocol version not supported: {line:?}"),
            Self::TooMuchPreamble => f.write_str("no identification within the allowed text"),
            // The next three in OpenSSH's words: logs and tests match on them.
            Self::BadLength(len) => write!(f, "Bad packet length {len}."),
            Self::BadMac => f.write_str("Corrupted MAC on input."),
            Self::BadPadding(pad) => write!(f, "padding error: pad {pad}"),
            Self::EmptyPacket => f.write_str("empty packet"),
            Self::BadCompression => f.write_str("invalid compressed data"),
            Self::Malformed { message, error } => write!(f, "malformed {message}: {error}"),
            Self::Unexpected {
                state,
                expected,
                got,
            } => {
                let got_name = carrick_wire::msg::message_name(*got);
                write!(
                    f,
                    "unexpected {got_name} ({got}) {state}: expected {expected}"
                )
            }
            Self::Kex(what) => write!(f, "key exchange: {what}"),
            Self::HostKeyChanged => f.write_str("host key changed during re-exchange"),
            Self::NoSuchService(service) => write!(f, "no such service: {service:?}"),
            Self::UserChanged { from, to } => {
                write!(f, "change of user name not allowed: {from:?} to {to:?}")
            }
            Self::WrongHostKeyBinding => f.write_str("request is bound to another host key"),
            Self::Strict(what) => write!(f, "strict KEX violation: {what}"),
            Self::TooMany(what) => write!(f, "too many {what}"),
            Self::Mux(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for NoCommon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, ours, theirs } = self;
        write!(
            f,
            "no matching {what} found. Their offer: {theirs}. Ours: {ours}"
        )
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchQuestion => f.write_str("no such question is open"),
            Self::WrongPhase => f.write_str("not allowed in this phase of the connection"),
            Self::Over => f.write_str("the connection is over"),
            Self::Channel(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Misuse {}

impl From<PeerFault> for Error {
    fn from(fault: PeerFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<MuxFault> for Error {
    fn from(fault: MuxFault) -> Self {
        Self::Fault(PeerFault::Mux(fault))
    }
}

impl From<ChannelError> for Misuse {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl Error {
    /// What the peer is told, if there is anybody to tell (RFC 4253 section 11.1).
    pub fn disconnect_reason(&self) -> Option<DisconnectReason> {
        match self {
            Self::Closed | Self::Disconnected { .. } => None,
            Self::Silent => Some(DisconnectReason::CONNECTION_LOST),
            Self::Ended => Some(DisconnectReason::BY_APPLICATION),
            Self::HostKeyRefused => Some(DisconnectReason::HOST_KEY_NOT_VERIFIABLE),
            Self::NoCommon(_) | Self::Crypto(_) => Some(DisconnectReason::KEY_EXCHANGE_FAILED),
            Self::Fault(fault) => Some(match fault {
                PeerFault::BadMac => DisconnectReason::MAC_ERROR,
                PeerFault::BadCompression => DisconnectReason::COMPRESSION_ERROR,
                PeerFault::WrongVersion(_) => DisconnectReason::PROTOCOL_VERSION_NOT_SUPPORTED,
                PeerFault::Kex(_) | PeerFault::HostKeyChanged | PeerFault::Strict(_) => {
                    DisconnectReason::KEY_EXCHANGE_FAILED
                }
                PeerFault::NoSuchService(_) => DisconnectReason::SERVICE_NOT_AVAILABLE,
                _ => DisconnectReason::PROTOCOL_ERROR,
            }),
        }
    }

    /// What a peer that has not identified itself is told in a plain line, in
    /// the words that OpenSSH uses (scripts look for them).
    pub(crate) fn plain_line(&self) -> Option<&'static str> {
        match self {
            Self::Fault(PeerFault::BadIdent(_) | PeerFault::TooMuchPreamble) => {
                Some("Invalid SSH identification string.\r\n")
            }
            Self::Fault(PeerFault::WrongVersion(_)) => Some("Protocol major versions differ.\r\n"),
            _ => None,
        }
    }
}

/// A peer's words as they may be shown: control characters are escaped
/// (RFC 4251 section 9.2), and there is an end to it.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(limits::TEXT) {
        if c.is_control() && c != '\n' && c != '\t' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
