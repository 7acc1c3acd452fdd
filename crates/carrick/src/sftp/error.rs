use std::fmt;
use std::io;
use std::sync::Arc;

use carrick_sftp::client::Refusal;

/// Why something could not be done with files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The server refused one request, or failed at it. The conversation goes
    /// on.
    Refused(Refusal),
    /// The server has no such extension.
    Unsupported(String),
    /// The conversation is over.
    Closed,
    /// The server broke the protocol: the conversation is over.
    Protocol(carrick_sftp::client::Error),
    /// The connection failed.
    Connection(crate::Error),
    /// The stream to the server failed, or a file on this side.
    Io(Arc<io::Error>),
    /// A name in a folder that would lead out of it.
    Name(Vec<u8>),
    /// Folders in each other beyond a bound.
    TooDeep,
}

impl Error {
    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_not_found())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unsupported(name) => write!(f, "the server does not support {name}"),
            Self::Closed => f.write_str("the conversation is over"),
            Self::Protocol(why) => why.fmt(f),
            Self::Connection(why) => why.fmt(f),
            Self::Io(why) => why.fmt(f),
            Self::Name(name) => {
                let name = String::from_utf8_lossy(name);
                write!(f, "the server sent a suspect name: {name:?}")
            }
            Self::TooDeep => f.write_str("folders are too deep in each other"),
        }
    }
}

impl std::error::Error for Error {}

impl From<crate::Error> for Error {
    fn from(why: crate::Error) -> Self {
        Self::Connection(why)
    }
}

impl From<io::Error> for Error {
    fn from(why: io::Error) -> Self {
        Self::Io(Arc::new(why))
    }
}

impl From<carrick_sftp::client::Error> for Error {
    fn from(why: carrick_sftp::client::Error) -> Self {
        Self::Protocol(why)
    }
}
