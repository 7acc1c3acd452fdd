//! What goes wrong: with one request, or with the whole conversation.

use core::fmt;

use carrick_wire::DecodeError;

use super::RequestId;
use crate::VERSION;
use crate::msg::{Code, Status};

/// The server broke the protocol. Nothing it says is believed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that are not the message they claim to be.
    Malformed(DecodeError),
    /// It speaks another version.
    Version(u32),
    /// An answer to nothing that was asked.
    UnknownId(u32),
    /// An answer that nobody waits for any more.
    Unawaited(RequestId),
    /// An answer of another kind than the request has.
    WrongAnswer {
        /// What was asked.
        request: &'static str,
        /// What it is answered with.
        expected: &'static str,
        /// What came.
        got: &'static str,
    },
    /// More data than was asked for.
    TooMuch {
        /// So much was.
        asked: u32,
        /// So much came.
        got: usize,
    },
    /// A handle that is empty or longer than one may be.
    EmptyHandle,
    /// A path of so many bytes: longer than any can be. What is found below it
    /// is remembered with it.
    LongPath(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "malformed message from the server: {why}"),
            Self::Version(version) => {
                write!(f, "the server speaks version {version}, not {VERSION}")
            }
            Self::UnknownId(id) => write!(f, "answer to request {id}, which was not made"),
            Self::Unawaited(id) => write!(f, "answer to {id:?}, which nobody waits for"),
            Self::WrongAnswer {
                request,
                expected,
                got,
            } => write!(f, "{request} is answered with {expected}, not {got}"),
            Self::TooMuch { asked, got } => {
                write!(f, "{got} bytes of data where {asked} were asked for")
            }
            Self::EmptyHandle => f.write_str("a handle that is empty or too long"),
            Self::LongPath(len) => write!(f, "a path of {len} bytes from the server"),
        }
    }
}

impl core::error::Error for Error {}

impl From<DecodeError> for Error {
    fn from(why: DecodeError) -> Self {
        Self::Malformed(why)
    }
}

/// The server did not do what one request asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// The server's own words, for people: in any encoding, possibly with
    /// control characters, possibly empty.
    pub message: Vec<u8>,
}

impl Refusal {
    /// Whether the server's words are only those of the code: its text here, or
    /// the beginning of it, as OpenSSH's server has it.
    fn says_no_more(&self) -> bool {
        let text = self.code.text().as_bytes();
        let words = self.message.as_slice();
        text.get(..words.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(words))
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        self.code == Code::NO_SUCH_FILE
    }
}

impl From<Status<'_>> for Refusal {
    fn from(status: Status<'_>) -> Self {
        Self {
            code: status.code,
            message: status.message.to_vec(),
        }
    }
}

impl fmt::Display for Refusal {
    /// The code in OpenSSH's words, and the server's where they say more.
    /// Control characters are shown as `\ooo`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_str(self.code.text())?;
        if self.says_no_more() {
            return Ok(());
        }
        f.write_str(": ")?;
        for c in String::from_utf8_lossy(&self.message).chars() {
            if c.is_control() {
                write!(f, "\\{:03o}", u32::from(c))?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

impl core::error::Error for Refusal {}
