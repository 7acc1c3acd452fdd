//! Why something did not work.

use std::io;

use carrick_proto::Misuse;
use carrick_proto::mux::{ChannelId, OpenReason};

/// Why a connection, or something on it, failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The connection is over, for a reason that both sides may have.
    Protocol(carrick_proto::Error),
    /// The socket failed.
    Io(std::sync::Arc<io::Error>),
    /// Asked for at the wrong moment.
    Misuse(Misuse),
    /// The other side does not open that channel.
    OpenRefused {
        /// The number that the channel would have had, for logs.
        id: ChannelId,
        /// Why, for programs.
        reason: OpenReason,
        /// Why, for people: the peer's text, with control characters escaped.
        text: String,
    },
    /// The other side did not grant a request.
    RequestRefused(&'static str),
    /// The channel is closed.
    ChannelClosed,
    /// The other side listens, but does not say at which port.
    NoPort,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Misuse(error) => error.fmt(f),
            Self::OpenRefused { reason, text, .. } if text.is_empty() => {
                write!(f, "open failed: {reason}")
            }
            Self::OpenRefused { reason, text, .. } => write!(f, "open failed: {reason}: {text}"),
            Self::RequestRefused(what) => write!(f, "{what} request failed on channel"),
            Self::ChannelClosed => f.write_str("channel is closed"),
            Self::NoPort => f.write_str("invalid allocated port for remote forward"),
        }
    }
}

impl std::error::Error for Error {}

impl From<carrick_proto::Error> for Error {
    fn from(error: carrick_proto::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(std::sync::Arc::new(error))
    }
}

impl From<Misuse> for Error {
    fn from(error: Misuse) -> Self {
        Self::Misuse(error)
    }
}

impl From<carrick_proto::mux::ChannelError> for Error {
    fn from(error: carrick_proto::mux::ChannelError) -> Self {
        Self::Misuse(error.into())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(inner) => inner.kind(),
            Error::ChannelClosed => io::ErrorKind::BrokenPipe,
            Error::Protocol(carrick_proto::Error::Closed) => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// A peer's text, made fit for a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = !c.is_control() || c == '\n' || c == '\t';
            let escaped = (!plain).then(|| c.escape_default());
            plain
                .then_some(c)
                .into_iter()
                .chain(escaped.into_iter().flatten())
        })
        .collect()
}
