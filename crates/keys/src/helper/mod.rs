//! Messages between the programs and the processes that hold a token's
//! library for them: `ssh-sk-helper` ([`sk`]) and `ssh-pkcs11-helper`
//! ([`pkcs11`]). They are those that OpenSSH 10's programs exchange
//! (PROTOCOL.md, "Helper processes"), so that either side can be its.
//!
//! Each side reads what the other wrote as a hostile one's: the helper has a
//! stranger's library in it, and the helper's caller may be anybody.

pub mod pkcs11;
pub mod sk;

use core::fmt;

use carrick_wire::{DecodeError, Reader};

use crate::KeyError;

/// Longest message, as for the agent protocol.
pub const MESSAGE_MAX: usize = 256 * 1024;

/// How many bytes follow a message's first four; `None` if there are too
/// many, or none.
pub fn message_len(head: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(head))
        .ok()
        .filter(|len| (1..=MESSAGE_MAX).contains(len))
}

/// Why a message is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// Its structure is wrong.
    Decode(DecodeError),
    /// The other side speaks another version of the protocol.
    Version {
        /// The version it speaks.
        got: u8,
    },
    /// A key in it is not acceptable.
    Key(KeyError),
    /// An answer to some other question.
    Unexpected,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "invalid message: {e}"),
            Self::Version { got } => write!(f, "unsupported protocol version {got}"),
            Self::Key(e) => write!(f, "{e}"),
            Self::Unexpected => f.write_str("answer of the wrong kind"),
        }
    }
}

impl core::error::Error for MessageError {}

impl From<DecodeError> for MessageError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

impl From<KeyError> for MessageError {
    fn from(e: KeyError) -> Self {
        match e {
            KeyError::Decode(e) => Self::Decode(e),
            other => Self::Key(other),
        }
    }
}

/// Text that a C library gets: no NUL in it.
fn c_text<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<&'a str, DecodeError> {
    let text = r.text(field)?;
    if text.contains('\0') {
        return Err(DecodeError::Invalid { field });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lengths_are_bounded() {
        let len = |n: u32| super::message_len(n.to_be_bytes());
        assert_eq!((len(0), len(1)), (None, Some(1)));
        assert_eq!((len(0x40000), len(0x40001)), (Some(0x40000), None));
        assert_eq!(len(u32::MAX), None);
    }
}
