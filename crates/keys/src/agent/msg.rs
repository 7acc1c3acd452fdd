//! Messages of the agent protocol (draft-ietf-sshm-ssh-agent section 3; the
//! numbers are those of section 5.1).

use carrick_wire::{Decode, DecodeError, Encode, Reader, Writer};

/// Longest message, as in OpenSSH.
pub const MESSAGE_MAX: usize = 256 * 1024;
/// Sign with RSA and SHA-256.
pub const FLAG_RSA_SHA2_256: u32 = 2;
/// Sign with RSA and SHA-512.
pub const FLAG_RSA_SHA2_512: u32 = 4;
/// The extension that tells an agent which session it signs for
/// (OpenSSH's PROTOCOL.agent).
pub const SESSION_BIND: &str = "session-bind@openssh.com";

const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const ADD_IDENTITY: u8 = 17;
const ADD_CONSTRAINED: u8 = 25;
const CONSTRAIN_LIFETIME: u8 = 1;
const CONSTRAIN_CONFIRM: u8 = 2;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// SSH_AGENTC_EXTENSION.
    Extension {
        /// Its name.
        name: &'a str,
        /// Its contents, as the extension defines them.
        contents: &'a [u8],
    },
}

impl Request<'_> {
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
        Ok(match r.u8("message number")? {
            REQUEST_IDENTITIES => Self::Identities,
            SIGN_REQUEST => Self::Sign {
                key: r.string("key")?,
                data: r.string("data")?,
                flags: r.u32("flags")?,
            },
            EXTENSION => Self::Extension {
                name: r.text("extension")?,
                contents: r.take_rest(),
            },
            number => return Err(DecodeError::UnknownMessage { number }),
        })
    }
}

/// How a key that is added may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Constraints {
    /// The agent forgets it after so many seconds.
    pub lifetime: Option<u32>,
    /// The agent asks the user at each use.
    pub confirm: bool,
}

impl Constraints {
    /// SSH_AGENTC_ADD_IDENTITY, or with constraints
    /// SSH_AGENTC_ADD_ID_CONSTRAINED, for a key's `fields`.
    pub(super) fn add_identity(self, fields: &[u8], w: &mut Writer<'_>) {
        w.u8(if self == Self::default() {
            ADD_IDENTITY
        } else {
            ADD_CONSTRAINED
        });
        w.raw(fields);
        if let Some(seconds) = self.lifetime {
            w.u8(CONSTRAIN_LIFETIME);
            w.u32(seconds);
        }
        if self.confirm {
            w.u8(CONSTRAIN_CONFIRM);
        }
    }
}

/// A key that an agent has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The key's blob, possibly of a type we do not know.
    pub blob: Vec<u8>,
    /// Its comment.
    pub comment: String,
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
                    w.text(&identity.comment);
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
                    let comment = String::from_utf8_lossy(r.string("comment")?).into_owned();
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
            comment: "c".into(),
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
