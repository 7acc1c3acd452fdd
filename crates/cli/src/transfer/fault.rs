//! Why something could not be done.

use std::fmt;
use std::io;

use carrick_sftp::client::{Error, Refusal};

use super::remote::Kept;
use crate::text::os_error;

/// The conversation is over.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The other side ended it.
    Closed,
    /// The pipe failed.
    Io(io::Error),
    /// The server broke the protocol.
    Protocol(Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("Connection closed"),
            Self::Io(why) => f.write_str(&os_error(why)),
            Self::Protocol(why) => why.fmt(f),
        }
    }
}

impl From<Error> for Lost {
    fn from(why: Error) -> Self {
        Self::Protocol(why)
    }
}

impl From<io::Error> for Lost {
    fn from(why: io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(why),
        }
    }
}

/// One request came to nothing.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server refused it. The conversation goes on.
    Refused(Refusal),
    /// The server has not what it takes: the name of the extension.
    Unsupported(&'static str),
    /// It is more than is kept: see [`Kept`].
    TooMany,
    /// The user has had enough.
    Interrupted,
    /// The conversation is over.
    Lost(Lost),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unsupported(what) => write!(f, "Server does not support {what} extension"),
            Self::TooMany => write!(f, "More than {} files", Kept::FILES),
            Self::Interrupted => f.write_str("Interrupted"),
            Self::Lost(why) => why.fmt(f),
        }
    }
}

impl<T: Into<Lost>> From<T> for Fault {
    fn from(why: T) -> Self {
        Self::Lost(why.into())
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
