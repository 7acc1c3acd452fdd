//! What `ssh-sk-helper` is asked.

use carrick_wire::{DecodeError, Reader, Secret, Writer};
use zeroize::Zeroizing;

use super::key::{application, read_key, write_key};
use super::{ENROLL, KEY_TYPES, LOAD_RESIDENT, Log, OVERHEAD, SIGN, VERSION, body};
use crate::helper::{MessageError, c_text};
use crate::{KeyType, PrivateKey};

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
    /// [`FLAG_USER_PRESENCE`](super::FLAG_USER_PRESENCE) and the like.
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
