//! What `ssh-sk-helper` answers.

use carrick_wire::{DecodeError, Writer};
use zeroize::Zeroizing;

use super::key::{read_key, write_key};
use super::{ENROLL, ERROR, Failure, LOAD_RESIDENT, SIGN, VERSION, body};
use crate::PrivateKey;
use crate::helper::MessageError;

/// A key that a security key keeps itself.
#[derive(Debug)]
pub struct ResidentKey {
    /// The key.
    pub key: PrivateKey,
    /// Whose it is; zeros or nothing if nobody was named.
    pub user: Vec<u8>,
}

/// What a helper answers.
#[derive(Debug)]
pub enum Answer {
    /// It did not work.
    Failed(Failure),
    /// A signature blob.
    Signature(Vec<u8>),
    /// A new key.
    Enrolled {
        /// The key.
        key: Box<PrivateKey>,
        /// What proves where it was made (PROTOCOL.u2f), possibly empty.
        attestation: Vec<u8>,
    },
    /// The keys that the security key itself keeps.
    Resident(Vec<ResidentKey>),
}

impl Answer {
    /// The message.
    pub fn to_message(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::new());
        Writer::new(&mut out).sub(|w| {
            w.u8(VERSION);
            match self {
                Self::Failed(why) => {
                    w.u32(ERROR);
                    w.u32(why.0);
                }
                Self::Signature(blob) => {
                    w.u32(SIGN);
                    w.string(blob);
                }
                Self::Enrolled { key, attestation } => {
                    w.u32(ENROLL);
                    w.sub(|w| write_key(key, w));
                    w.string(attestation);
                }
                Self::Resident(keys) => {
                    w.u32(LOAD_RESIDENT);
                    for resident in keys {
                        w.sub(|w| write_key(&resident.key, w));
                        // A comment, for which there is no use.
                        w.text("");
                        w.string(&resident.user);
                    }
                }
            }
        });
        out
    }

    /// Reads a message, without the length in front.
    pub fn parse(message: &[u8]) -> Result<Self, MessageError> {
        let mut r = body(message)?;
        let answer = match r.u32("answer")? {
            ERROR => Self::Failed(Failure(r.u32("error")?)),
            SIGN => Self::Signature(r.string("signature")?.to_vec()),
            ENROLL => Self::Enrolled {
                key: Box::new(read_key(r.string("key")?)?),
                attestation: r.string("attestation")?.to_vec(),
            },
            LOAD_RESIDENT => {
                let mut keys = Vec::new();
                while !r.is_empty() {
                    let key = read_key(r.string("key")?)?;
                    r.string("comment")?;
                    let user = r.string("user")?.to_vec();
                    keys.push(ResidentKey { key, user });
                }
                Self::Resident(keys)
            }
            _ => return Err(DecodeError::Invalid { field: "answer" }.into()),
        };
        r.finish()?;
        Ok(answer)
    }
}
