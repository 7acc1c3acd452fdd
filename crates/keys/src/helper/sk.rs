//! What `ssh-sk-helper` is asked, and what it answers. A process of it does
//! one request and ends.
//!
//! A message is a length, the protocol's version and a body. A request's body
//! begins with what is asked and how to log, an answer's with what was asked
//! again, or with 0 and a [`Failure`].

use core::fmt;

use carrick_wire::{DecodeError, Reader, Secret, Writer};
use zeroize::Zeroizing;

use super::{MessageError, c_text};
use crate::cert::cert_type;
use crate::public::unsupported;
use crate::{KeyType, PrivateKey, PublicKey, SkHandle};

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

/// What a helper is asked.
#[derive(Debug)]
pub enum Request<'a> {
    /// A signature.
    Sign {
        /// The library, or `internal`.
        provider: &'a str,
        /// The key.
        key: &'a PrivateKey,
        /// What to sign.
        data: &'a [u8],
        /// The PIN, if one is known.
        pin: Option<&'a Secret>,
    },
    /// A new key.
    Enroll(Enroll<'a>),
    /// The keys that the security key itself keeps.
    LoadResident {
        /// The library, or `internal`.
        provider: &'a str,
        /// The security key to ask; empty for whichever there is.
        device: &'a str,
        /// The PIN, if one is known.
        pin: Option<&'a Secret>,
    },
}

/// What a new key is to be.
#[derive(Debug, Clone, Copy)]
pub struct Enroll<'a> {
    /// Its type.
    pub kind: KeyType,
    /// The library, or `internal`.
    pub provider: &'a str,
    /// The security key to use; empty for whichever there is.
    pub device: &'a str,
    /// What the key is for: `ssh:` and what follows.
    pub application: &'a str,
    /// Whose it is, for resident keys.
    pub user: &'a str,
    /// [`FLAG_USER_PRESENCE`] and the like.
    pub flags: u8,
    /// The PIN, if one is known.
    pub pin: Option<&'a Secret>,
    /// What the attestation signs; empty for random bytes.
    pub challenge: &'a [u8],
}

impl Request<'_> {
    fn number(&self) -> u32 {
        match self {
            Self::Sign { .. } => SIGN,
            Self::Enroll(_) => ENROLL,
            Self::LoadResident { .. } => LOAD_RESIDENT,
        }
    }

    /// The message. It may hold a PIN in the clear.
    pub fn to_message(&self, log: Log) -> Zeroizing<Vec<u8>> {
        let mut inside = Zeroizing::new(Vec::with_capacity(self.size_hint()));
        let w = &mut Writer::new(&mut inside);
        match self {
            Self::Sign {
                provider,
                key,
                data,
                pin,
            } => {
                w.sub(|w| write_key(key, w));
                w.text(provider);
                w.string(data);
                // The algorithm's name, which the key's type already is, and
                // flags of which none is in use.
                w.text("");
                w.u32(0);
                write_pin(*pin, w);
            }
            Self::Enroll(new) => {
                let number = KEY_TYPES.iter().find(|(_, kind)| *kind == new.kind);
                w.u32(number.map_or(0, |(number, _)| *number));
                w.text(new.provider);
                w.text(new.device);
                w.text(new.application);
                w.text(new.user);
                w.u8(new.flags);
                write_pin(new.pin, w);
                w.string(new.challenge);
            }
            Self::LoadResident {
                provider,
                device,
                pin,
            } => {
                w.text(provider);
                w.text(device);
                write_pin(*pin, w);
                w.u32(0);
            }
        }
        let mut out = Zeroizing::new(Vec::with_capacity(inside.len() + OVERHEAD));
        Writer::new(&mut out).sub(|w| {
            w.u8(VERSION);
            w.u32(self.number());
            w.bool(log.stderr);
            w.u32(log.level);
            w.raw(&inside);
        });
        out
    }

    /// No less than what the request's fields take.
    fn size_hint(&self) -> usize {
        let pin = |pin: Option<&Secret>| pin.map_or(0, |pin| pin.expose().len());
        OVERHEAD
            + match self {
                Self::Sign {
                    provider,
                    key,
                    data,
                    pin: p,
                } => {
                    let handle = key.security_key().map_or(0, |sk| {
                        sk.handle.expose().len().saturating_add(sk.reserved.len())
                    });
                    provider.len() + data.len() + pin(*p) + handle + key.public().to_blob().len()
                }
                Self::Enroll(new) => {
                    new.provider.len()
                        + new.device.len()
                        + new.application.len()
                        + new.user.len()
                        + new.challenge.len()
                        + pin(new.pin)
                }
                Self::LoadResident {
                    provider,
                    device,
                    pin: p,
                } => provider.len() + device.len() + pin(*p),
            }
    }
}

/// A request as the helper has it, and how it is to log.
#[derive(Debug)]
pub struct Received<'a> {
    /// What is asked.
    pub asked: Asked<'a>,
    /// How to log.
    pub log: Log,
}

/// As [`Request`], with what had to be taken apart.
#[derive(Debug)]
pub enum Asked<'a> {
    /// A signature.
    Sign {
        /// The library, or `internal`.
        provider: &'a str,
        /// The key, without a certificate.
        key: Box<PrivateKey>,
        /// What to sign.
        data: &'a [u8],
        /// The PIN.
        pin: Option<Secret>,
    },
    /// A new key; its PIN stands beside it.
    Enroll(Enroll<'a>, Option<Secret>),
    /// The keys that the security key itself keeps.
    LoadResident {
        /// The library, or `internal`.
        provider: &'a str,
        /// The security key to ask; empty for whichever there is.
        device: &'a str,
        /// The PIN.
        pin: Option<Secret>,
    },
}

impl<'a> Received<'a> {
    /// Reads a message, without the length in front.
    pub fn parse(message: &'a [u8]) -> Result<Self, MessageError> {
        let mut r = body(message)?;
        let number = r.u32("request")?;
        let log = Log {
            stderr: r.bool("log on stderr")?,
            level: r.u32("log level")?,
        };
        let asked = match number {
            SIGN => {
                let key = Box::new(read_key(r.string("key")?)?);
                if application(key.public()).contains('\0') {
                    let field = "application";
                    return Err(DecodeError::Invalid { field }.into());
                }
                let provider = c_text(&mut r, "provider")?;
                let data = r.string("data")?;
                let algorithm = r.text("algorithm")?;
                if !algorithm.is_empty() && algorithm != key.public().key_type() {
                    // A browser's form of signature is not one that we make.
                    return Err(DecodeError::Invalid { field: "algorithm" }.into());
                }
                r.u32("compatibility flags")?;
                let pin = read_pin(&mut r)?;
                Asked::Sign {
                    provider,
                    key,
                    data,
                    pin,
                }
            }
            ENROLL => {
                let number = r.u32("key type")?;
                let (_, kind) = KEY_TYPES
                    .into_iter()
                    .find(|(known, _)| *known == number)
                    .ok_or(DecodeError::Invalid { field: "key type" })?;
                let mut new = Enroll {
                    kind,
                    provider: c_text(&mut r, "provider")?,
                    device: c_text(&mut r, "device")?,
                    application: c_text(&mut r, "application")?,
                    user: c_text(&mut r, "user")?,
                    flags: r.u8("flags")?,
                    pin: None,
                    challenge: &[],
                };
                let pin = read_pin(&mut r)?;
                new.challenge = r.string("challenge")?;
                Asked::Enroll(new, pin)
            }
            LOAD_RESIDENT => {
                let provider = c_text(&mut r, "provider")?;
                let device = c_text(&mut r, "device")?;
                let pin = read_pin(&mut r)?;
                r.u32("flags")?;
                Asked::LoadResident {
                    provider,
                    device,
                    pin,
                }
            }
            _ => return Err(DecodeError::Invalid { field: "request" }.into()),
        };
        r.finish()?;
        Ok(Self { asked, log })
    }
}

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

/// What follows the version, which must be ours.
fn body(message: &[u8]) -> Result<Reader<'_>, MessageError> {
    let mut r = Reader::new(message);
    match r.u8("version")? {
        VERSION => Ok(r),
        got => Err(MessageError::Version { got }),
    }
}

fn write_pin(pin: Option<&Secret>, w: &mut Writer<'_>) {
    w.string(pin.map_or(&[], Secret::expose));
}

/// A PIN; an empty one is none.
fn read_pin(r: &mut Reader<'_>) -> Result<Option<Secret>, DecodeError> {
    let pin = r.string("pin")?;
    if pin.contains(&0) {
        return Err(DecodeError::Invalid { field: "pin" });
    }
    Ok((!pin.is_empty()).then(|| Secret::from(pin)))
}

/// What a key in a security key is for.
fn application(key: &PublicKey) -> &str {
    match key {
        PublicKey::SkEd25519 { application, .. } | PublicKey::SkEcdsa { application, .. } => {
            application
        }
        _ => "",
    }
}

/// The key as in a key file, without a comment.
fn write_key(key: &PrivateKey, w: &mut Writer<'_>) {
    w.raw(&key.public().plain().to_blob());
    if let Some(sk) = key.security_key() {
        w.u8(sk.flags);
        w.string(sk.handle.expose());
        w.string(&sk.reserved);
    }
}

/// Reads that, or what OpenSSH's agent sends for a key with a certificate:
/// the certificate, and of the key what the certificate does not have, as it
/// sees it. The certificate is checked and dropped.
fn read_key(bytes: &[u8]) -> Result<PrivateKey, MessageError> {
    let mut r = Reader::new(bytes);
    let name = r.text("key type")?;
    let public = match KeyType::from_name(name) {
        Some(kind) => PublicKey::read_fields(kind, &mut r)?,
        None => certified(name, &mut r)?,
    };
    let handle = SkHandle {
        flags: r.u8("security key flags")?,
        handle: r.string("key handle")?.into(),
        reserved: r.string("reserved")?.to_vec(),
    };
    r.finish()?;
    PrivateKey::in_security_key(public, handle).ok_or_else(|| {
        let field = "key type";
        DecodeError::Invalid { field }.into()
    })
}

/// The key of a certificate and of what follows it, which must be the same.
fn certified(name: &str, r: &mut Reader<'_>) -> Result<PublicKey, MessageError> {
    const FIELD: DecodeError = DecodeError::Invalid {
        field: "certificate",
    };
    cert_type(name).ok_or_else(|| unsupported(name))?;
    let certificate = PublicKey::from_blob(r.string("certificate")?)?;
    let public = certificate.plain();
    let same = match public {
        PublicKey::SkEcdsa { application, .. } => r.text("application")? == application,
        other => PublicKey::read_fields(other.kind(), r)? == *other,
    };
    if certificate.key_type() == name && same {
        Ok(public.clone())
    } else {
        Err(FIELD.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Log = Log {
        stderr: true,
        level: 3,
    };

    fn key(kind: KeyType) -> PrivateKey {
        let application = "ssh:".to_owned();
        let public = match kind {
            KeyType::SkEcdsa => PublicKey::SkEcdsa {
                point: [&[4][..], &[7; 64]].concat(),
                application,
            },
            _ => PublicKey::SkEd25519 {
                key: [9; 32],
                application,
            },
        };
        let handle = SkHandle {
            flags: FLAG_USER_PRESENCE,
            handle: Secret::from("handle"),
            reserved: vec![],
        };
        PrivateKey::in_security_key(public, handle).expect("of a security key")
    }

    fn requests(key: &PrivateKey, pin: &Secret, check: impl Fn(&[u8])) {
        for request in [
            Request::Sign {
                provider: "internal",
                key,
                data: b"data",
                pin: Some(pin),
            },
            Request::Enroll(Enroll {
                kind: KeyType::SkEd25519,
                provider: "/lib/a.so",
                device: "/dev/hidraw0",
                application: "ssh:x",
                user: "u",
                flags: FLAG_USER_PRESENCE | FLAG_RESIDENT,
                pin: None,
                challenge: b"challenge",
            }),
            Request::LoadResident {
                provider: "internal",
                device: "",
                pin: Some(pin),
            },
        ] {
            let message = request.to_message(LOG);
            let (head, body) = message.split_first_chunk().expect("framed");
            assert_eq!(super::super::message_len(*head), Some(body.len()));
            check(body);
        }
    }

    #[test]
    fn requests_arrive_as_they_were_sent_and_cut_ones_do_not() {
        let (key, pin) = (key(KeyType::SkEcdsa), Secret::from("1234"));
        requests(&key, &pin, |body| {
            let received = Received::parse(body).expect("sound");
            assert_eq!(received.log, LOG);
            match received.asked {
                Asked::Sign {
                    provider,
                    key: got,
                    data,
                    pin,
                } => {
                    assert_eq!((provider, data), ("internal", &b"data"[..]));
                    assert_eq!(got.public(), key.public());
                    let sk = got.security_key().expect("of a security key");
                    assert_eq!((sk.flags, sk.handle.expose()), (1, &b"handle"[..]));
                    assert_eq!(pin.expect("given").expose(), b"1234");
                }
                Asked::Enroll(new, pin) => {
                    assert_eq!(new.kind, KeyType::SkEd25519);
                    assert_eq!((new.provider, new.device), ("/lib/a.so", "/dev/hidraw0"));
                    assert_eq!((new.application, new.user), ("ssh:x", "u"));
                    assert_eq!((new.flags, new.challenge), (0x21, &b"challenge"[..]));
                    assert!(pin.is_none());
                }
                Asked::LoadResident {
                    provider,
                    device,
                    pin,
                } => {
                    assert_eq!((provider, device), ("internal", ""));
                    assert!(pin.is_some());
                }
            }
            for end in 0..body.len() {
                assert!(Received::parse(&body[..end]).is_err());
            }
            let mut flipped = body.to_vec();
            for at in 0..flipped.len() {
                flipped[at] ^= 0x55;
                // Another request or an error, but no panic.
                let _ = Received::parse(&flipped);
                flipped[at] ^= 0x55;
            }
        });
    }

    #[test]
    fn answers_arrive_as_they_were_sent_and_cut_ones_do_not() {
        for answer in [
            Answer::Failed(Failure::PIN_REQUIRED),
            Answer::Signature(vec![1, 2, 3]),
            Answer::Enrolled {
                key: Box::new(key(KeyType::SkEd25519)),
                attestation: vec![5; 40],
            },
            Answer::Resident(vec![
                ResidentKey {
                    key: key(KeyType::SkEd25519),
                    user: vec![0; 32],
                },
                ResidentKey {
                    key: key(KeyType::SkEcdsa),
                    user: vec![],
                },
            ]),
        ] {
            let message = answer.to_message();
            let body = &message[4..];
            let got = Answer::parse(body).expect("sound");
            assert_eq!(got.to_message(), message);
            for end in 0..body.len() {
                // A list of keys may end after any of them.
                if let Ok(shorter) = Answer::parse(&body[..end]) {
                    assert!(matches!(answer, Answer::Resident(_)));
                    assert_eq!(shorter.to_message()[4..], body[..end]);
                }
            }
            let mut flipped = body.to_vec();
            for at in 0..flipped.len() {
                flipped[at] ^= 0x55;
                let _ = Answer::parse(&flipped);
                flipped[at] ^= 0x55;
            }
        }
    }

    #[test]
    fn messages_are_those_that_openssh_10_was_seen_to_send() {
        let request = Request::LoadResident {
            provider: "/p",
            device: "",
            pin: None,
        };
        let want = b"\0\0\0\x1c\x05\0\0\0\x03\x01\0\0\0\x03\0\0\0\x02/p\0\0\0\0\0\0\0\0\0\0\0\0";
        let got = request.to_message(Log {
            stderr: true,
            level: 3,
        });
        assert_eq!(got[4..], want[4..]);
        assert_eq!(
            *Answer::Failed(Failure::UNSUPPORTED).to_message(),
            b"\0\0\0\x09\x05\0\0\0\0\0\0\0\x3b"
        );
    }

    #[test]
    fn another_version_is_told() {
        let mut message = Answer::Failed(Failure::INTERNAL).to_message();
        message[4] = 4;
        assert_eq!(
            Answer::parse(&message[4..]).err(),
            Some(MessageError::Version { got: 4 })
        );
    }

    #[test]
    fn no_nul_reaches_a_c_library() {
        let request = Request::LoadResident {
            provider: "a\0b",
            device: "",
            pin: None,
        };
        assert!(Received::parse(&request.to_message(LOG)[4..]).is_err());
        let key = PrivateKey::in_security_key(
            PublicKey::SkEd25519 {
                key: [0; 32],
                application: "ssh:\0".into(),
            },
            SkHandle {
                flags: 0,
                handle: Secret::default(),
                reserved: vec![],
            },
        )
        .expect("of a security key");
        let request = Request::Sign {
            provider: "a",
            key: &key,
            data: b"",
            pin: None,
        };
        assert!(Received::parse(&request.to_message(LOG)[4..]).is_err());
    }
}
