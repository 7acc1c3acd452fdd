//! What `ssh-sk-helper` is asked, and what it answers. A process of it does
//! one request and ends.
//!
//! A message is a length, the protocol's version and a body. A request's body
//! begins with what is asked and how to log, an answer's with what was asked
//! again, or with 0 and a [`Failure`].

mod answer;
mod key;
mod request;
#[cfg(test)]
mod tests;

use core::fmt;

use carrick_wire::Reader;

use super::MessageError;
use crate::KeyType;

pub use answer::{Answer, ResidentKey};
pub use request::{Asked, Enroll, Received, Request};

/// The protocol's version.
pub const VERSION: u8 = 5;
/// Bit of an enrolment's flags: a touch is needed to sign.
pub const FLAG_USER_PRESENCE: u8 = 0x01;
/// Bit of an enrolment's flags: PIN or finger is needed to sign.
pub const FLAG_USER_VERIFICATION: u8 = 0x04;
/// Bit of an enrolment's flags: an existing resident key is replaced.
pub const FLAG_FORCE: u8 = 0x10;
/// Bit of an enrolment's flags: the security key keeps the key handle.
pub const FLAG_RESIDENT: u8 = 0x20;

const ERROR: u32 = 0;
const SIGN: u32 = 1;
const ENROLL: u32 = 2;
const LOAD_RESIDENT: u32 = 3;

/// Numbers of the two key types that can be enrolled.
const KEY_TYPES: [(u32, KeyType); 2] = [(10, KeyType::SkEcdsa), (12, KeyType::SkEd25519)];
/// Room around the strings of a request, so that no buffer with a PIN in it
/// grows and leaves a copy.
const OVERHEAD: usize = 128;

/// Why a helper did not do it: OpenSSH's number for the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure(u32);

impl Failure {
    /// Something that should not happen.
    pub const INTERNAL: Self = Self(1);
    /// The library's or token's answer is wrong, or no reason is known.
    pub const INVALID_FORMAT: Self = Self(4);
    /// What was asked makes no sense.
    pub const INVALID_ARGUMENT: Self = Self(10);
    /// The token's signature is not one of that key.
    pub const BAD_SIGNATURE: Self = Self(21);
    /// A PIN is needed, or it was wrong.
    pub const PIN_REQUIRED: Self = Self(43);
    /// A resident key for this application and user is there already.
    pub const CREDENTIAL_EXISTS: Self = Self(44);
    /// The token cannot do this.
    pub const UNSUPPORTED: Self = Self(59);
    /// There is no token, or none with that key.
    pub const DEVICE_NOT_FOUND: Self = Self(60);
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::INTERNAL => "unexpected internal error",
            Self::INVALID_FORMAT => "invalid format",
            Self::INVALID_ARGUMENT => "invalid argument",
            Self::BAD_SIGNATURE => "incorrect signature",
            Self::PIN_REQUIRED => "incorrect passphrase supplied to decrypt private key",
            Self::CREDENTIAL_EXISTS => "bad permissions",
            Self::UNSUPPORTED => "requested feature not supported",
            Self::DEVICE_NOT_FOUND => "device not found",
            _ => "unknown error",
        })
    }
}

impl core::error::Error for Failure {}

/// How the helper tells what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// On standard error; else in the system's log.
    pub stderr: bool,
    /// OpenSSH's number for the level, from 0 for nothing.
    pub level: u32,
}

/// What follows the version, which must be ours.
fn body(message: &[u8]) -> Result<Reader<'_>, MessageError> {
    let mut r = Reader::new(message);
    match r.u8("version")? {
        VERSION => Ok(r),
        got => Err(MessageError::Version { got }),
    }
}
