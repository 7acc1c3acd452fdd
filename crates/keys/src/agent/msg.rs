//! Messages of the agent protocol (RFC 9987; the numbers are those of its
//! section 5.1, and of SSH 1 where clients still send them).

use core::fmt;
use std::borrow::Cow;

use carrick_wire::{Decode, DecodeError, Encode, Reader, Writer};

/// Sign with RSA and SHA-256.
pub const FLAG_RSA_SHA2_256: u32 = 2;
/// Sign with RSA and SHA-512.
pub const FLAG_RSA_SHA2_512: u32 = 4;
/// The extension that tells an agent which session it signs for
/// (OpenSSH's PROTOCOL.agent).
pub const SESSION_BIND: &str = "session-bind@openssh.com";
/// The extension that asks which extensions there are (RFC 9987 section 3.8.1).
pub const QUERY: &str = "query";

const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const REMOVE_ALL_SSH1: u8 = 9;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const ADD_IDENTITY: u8 = 17;
const REMOVE_IDENTITY: u8 = 18;
const REMOVE_ALL: u8 = 19;
const ADD_SMARTCARD: u8 = 20;
const REMOVE_SMARTCARD: u8 = 21;
const LOCK: u8 = 22;
const UNLOCK: u8 = 23;
const ADD_CONSTRAINED: u8 = 25;
const ADD_SMARTCARD_CONSTRAINED: u8 = 26;
const EXTENSION: u8 = 27;
const EXTENSION_FAILURE: u8 = 28;
const EXTENSION_RESPONSE: u8 = 29;
/// What older agents fail with.
const OLD_FAILURES: [u8; 2] = [30, 102];

/// The flags that make an agent sign with the RSA algorithm of that name.
pub fn rsa_flags(algorithm: &str) -> u32 {
    match algorithm {
        "rsa-sha2-256" | "rsa-sha2-256-cert-v01@openssh.com" => FLAG_RSA_SHA2_256,
        "rsa-sha2-512" | "rsa-sha2-512-cert-v01@openssh.com" => FLAG_RSA_SHA2_512,
        _ => 0,
    }
}

/// What is asked of an agent.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// SSH_AGENTC_REQUEST_IDENTITIES: which keys it has.
    Identities,
    /// SSH_AGENTC_SIGN_REQUEST.
    Sign {
        /// The key's blob.
        key: &'a [u8],
        /// What to sign.
        data: &'a [u8],
        /// [`FLAG_RSA_SHA2_256`] and the like.
        flags: u32,
    },
    /// SSH_AGENTC_ADD_IDENTITY, or SSH_AGENTC_ADD_ID_CONSTRAINED.
    Add {
        /// Whether constraints may follow the key.
        constrained: bool,
        /// A private key, its comment, and constraints.
        body: &'a [u8],
    },
    /// SSH_AGENTC_REMOVE_IDENTITY.
    Remove {
        /// The key's blob.
        key: &'a [u8],
    },
    /// SSH_AGENTC_REMOVE_ALL_IDENTITIES.
    RemoveAll,
    /// SSH_AGENTC_REMOVE_ALL_RSA_IDENTITIES, of SSH 1: clients send it along
    /// with the other.
    RemoveAllSsh1,
    /// SSH_AGENTC_ADD_SMARTCARD_KEY, or
    /// SSH_AGENTC_ADD_SMARTCARD_KEY_CONSTRAINED.
    AddToken {
        /// Whether constraints may follow.
        constrained: bool,
        /// The PKCS#11 library.
        provider: &'a str,
        /// What opens the token.
        pin: &'a [u8],
        /// The constraints.
        constraints: &'a [u8],
    },
    /// SSH_AGENTC_REMOVE_SMARTCARD_KEY.
    RemoveToken {
        /// The PKCS#11 library.
        provider: &'a str,
        /// Not used.
        pin: &'a [u8],
    },
    /// SSH_AGENTC_LOCK.
    Lock {
        /// What unlocks it again.
        passphrase: &'a [u8],
    },
    /// SSH_AGENTC_UNLOCK.
    Unlock {
        /// What it was locked with.
        passphrase: &'a [u8],
    },
    /// SSH_AGENTC_EXTENSION.
    Extension {
        /// Its name.
        name: &'a str,
        /// Its contents, as the extension defines them.
        contents: &'a [u8],
    },
}

impl Request<'_> {
    /// Its name in the RFC, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Identities => "SSH_AGENTC_REQUEST_IDENTITIES",
            Self::Sign { .. } => "SSH_AGENTC_SIGN_REQUEST",
            Self::Add { .. } => "SSH_AGENTC_ADD_IDENTITY",
            Self::Remove { .. } => "SSH_AGENTC_REMOVE_IDENTITY",
            Self::RemoveAll => "SSH_AGENTC_REMOVE_ALL_IDENTITIES",
            Self::RemoveAllSsh1 => "SSH_AGENTC_REMOVE_ALL_RSA_IDENTITIES",
            Self::AddToken { .. } => "SSH_AGENTC_ADD_SMARTCARD_KEY",
            Self::RemoveToken { .. } => "SSH_AGENTC_REMOVE_SMARTCARD_KEY",
            Self::Lock { .. } => "SSH_AGENTC_LOCK",
            Self::Unlock { .. } => "SSH_AGENTC_UNLOCK",
            Self::Extension { .. } => "SSH_AGENTC_EXTENSION",
        }
    }

    /// The contents of a [`SESSION_BIND`] extension: the host key's blob,
    /// the session identifier, the host's signature over it, and whether the
    /// session forwards the agent.
    pub fn session_bind(
        host_key: &[u8],
        session: &[u8],
        signature: &[u8],
        forwards: bool,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.string(host_key);
        w.string(session);
        w.string(signature);
        w.bool(forwards);
        out
    }
}

impl fmt::Debug for Request<'_> {
    /// The name alone: the contents may be keys, pins and passphrases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Encode for Request<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        match self {
            Self::Identities => w.u8(REQUEST_IDENTITIES),
            Self::Sign { key, data, flags } => {
                w.u8(SIGN_REQUEST);
                w.string(key);
                w.string(data);
                w.u32(*flags);
            }
            Self::Add { constrained, body } => {
                w.u8(if *constrained {
                    ADD_CONSTRAINED
                } else {
                    ADD_IDENTITY
                });
                w.raw(body);
            }
            Self::Remove { key } => {
                w.u8(REMOVE_IDENTITY);
                w.string(key);
            }
            Self::RemoveAll => w.u8(REMOVE_ALL),
            Self::RemoveAllSsh1 => w.u8(REMOVE_ALL_SSH1),
            Self::AddToken {
                constrained,
                provider,
                pin,
                constraints,
            } => {
                w.u8(if *constrained {
                    ADD_SMARTCARD_CONSTRAINED
                } else {
                    ADD_SMARTCARD
                });
                w.text(provider);
                w.string(pin);
                w.raw(constraints);
            }
            Self::RemoveToken { provider, pin } => {
                w.u8(REMOVE_SMARTCARD);
                w.text(provider);
                w.string(pin);
            }
            Self::Lock { passphrase } => {
                w.u8(LOCK);
                w.string(passphrase);
            }
            Self::Unlock { passphrase } => {
                w.u8(UNLOCK);
                w.string(passphrase);
            }
            Self::Extension { name, contents } => {
                w.u8(EXTENSION);
                w.text(name);
                w.raw(contents);
            }
        }
    }
}

impl<'a> Decode<'a> for Request<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let number = r.u8("message number")?;
        Ok(match number {
            REQUEST_IDENTITIES => Self::Identities,
            SIGN_REQUEST => Self::Sign {
                key: r.string("key")?,
                data: r.string("data")?,
                flags: r.u32("flags")?,
            },
            ADD_IDENTITY | ADD_CONSTRAINED => Self::Add {
                constrained: number == ADD_CONSTRAINED,
                body: r.take_rest(),
            },
            REMOVE_IDENTITY => Self::Remove {
                key: r.string("key")?,
            },
            REMOVE_ALL => Self::RemoveAll,
            REMOVE_ALL_SSH1 => Self::RemoveAllSsh1,
            ADD_SMARTCARD => Self::AddToken {
                constrained: false,
                provider: r.text("provider")?,
                pin: r.string("pin")?,
                constraints: &[],
            },
            ADD_SMARTCARD_CONSTRAINED => Self::AddToken {
                constrained: true,
                provider: r.text("provider")?,
                pin: r.string("pin")?,
                constraints: r.take_rest(),
            },
            REMOVE_SMARTCARD => Self::RemoveToken {
                provider: r.text("provider")?,
                pin: r.string("pin")?,
            },
            LOCK => Self::Lock {
                passphrase: r.string("passphrase")?,
            },
            UNLOCK => Self::Unlock {
                passphrase: r.string("passphrase")?,
            },
            EXTENSION => Self::Extension {
                name: r.text("extension")?,
                contents: r.take_rest(),
            },
            number => return Err(DecodeError::UnknownMessage { number }),
        })
    }
}

/// A key that an agent has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The key's blob, possibly of a type we do not know.
    pub blob: Vec<u8>,
    /// Its comment, which need not be text.
    pub comment: Vec<u8>,
}

impl Identity {
    /// The comment as text.
    pub fn comment_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.comment)
    }
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response {
    /// SSH_AGENT_FAILURE.
    Failure,
    /// SSH_AGENT_SUCCESS.
    Success,
    /// SSH_AGENT_IDENTITIES_ANSWER.
    Identities(Vec<Identity>),
    /// SSH_AGENT_SIGN_RESPONSE: a signature blob.
    Signature(Vec<u8>),
    /// SSH_AGENT_EXTENSION_FAILURE.
    ExtensionFailure,
    /// SSH_AGENT_EXTENSION_RESPONSE: its name and contents.
    Extension(String, Vec<u8>),
}

impl Encode for Response {
    fn encode(&self, w: &mut Writer<'_>) {
        match self {
            Self::Failure => w.u8(FAILURE),
            Self::Success => w.u8(SUCCESS),
            Self::Identities(list) => {
                w.u8(IDENTITIES_ANSWER);
                w.u32(u32::try_from(list.len()).unwrap_or(u32::MAX));
                for identity in list {
                    w.string(&identity.blob);
                    w.string(&identity.comment);
                }
            }
            Self::Signature(blob) => {
                w.u8(SIGN_RESPONSE);
                w.string(blob);
            }
            Self::ExtensionFailure => w.u8(EXTENSION_FAILURE),
            Self::Extension(name, contents) => {
                w.u8(EXTENSION_RESPONSE);
                w.text(name);
                w.raw(contents);
            }
        }
    }
}

impl<'a> Decode<'a> for Response {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match r.u8("message number")? {
            FAILURE => Self::Failure,
            number if OLD_FAILURES.contains(&number) => Self::Failure,
            SUCCESS => Self::Success,
            IDENTITIES_ANSWER => {
                let count = r.u32("number of keys")?;
                let mut list = Vec::new();
                for _ in 0..count {
                    let blob = r.string("key")?.to_vec();
                    let comment = r.string("comment")?.to_vec();
                    list.push(Identity { blob, comment });
                }
                Self::Identities(list)
            }
            SIGN_RESPONSE => Self::Signature(r.string("signature")?.to_vec()),
            EXTENSION_FAILURE => Self::ExtensionFailure,
            EXTENSION_RESPONSE => {
                Self::Extension(r.text("extension")?.to_owned(), r.take_rest().to_vec())
            }
            number => return Err(DecodeError::UnknownMessage { number }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_round_trip_and_cut_ones_fail() {
        let identity = Identity {
            blob: vec![1, 2],
            comment: b"c\xff".to_vec(),
        };
        for response in [
            Response::Failure,
            Response::Success,
            Response::Identities(vec![identity.clone(), identity]),
            Response::Signature(vec![9; 3]),
            Response::ExtensionFailure,
        ] {
            let bytes = response.to_vec();
            assert_eq!(Reader::all::<Response>(&bytes), Ok(response));
            for end in 0..bytes.len() {
                assert!(Reader::all::<Response>(&bytes[..end]).is_err());
            }
        }
    }

    #[test]
    fn requests_have_the_bytes_of_the_draft() {
        let sign = Request::Sign {
            key: b"k",
            data: b"dd",
            flags: FLAG_RSA_SHA2_512,
        };
        let bytes = sign.to_vec();
        assert_eq!(bytes, b"\x0d\0\0\0\x01k\0\0\0\x02dd\0\0\0\x04");
        assert_eq!(Reader::all::<Request<'_>>(&bytes), Ok(sign));
        assert_eq!(Request::Identities.to_vec(), [11]);
    }

    #[test]
    fn a_huge_count_allocates_nothing() {
        let bytes = [&[IDENTITIES_ANSWER][..], &[0xff; 4]].concat();
        assert!(Reader::all::<Response>(&bytes).is_err());
    }
}
