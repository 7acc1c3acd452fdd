//! How keys that are added may be used (RFC 9987 section 3.2.7, OpenSSH's
//! PROTOCOL.agent sections 2 and 3). A constraint that is not understood
//! refuses the key: ignoring it would allow what it forbids.

use carrick_wire::{DecodeError, Encode, Reader, Writer};

use super::destination::Destination;
use super::limits::{CERTIFICATES_MAX, DESTINATIONS_MAX};
use crate::PublicKey;

const LIFETIME: u8 = 1;
const CONFIRM: u8 = 2;
const EXTENSION: u8 = 255;
const SK_PROVIDER: &str = "sk-provider@openssh.com";
const RESTRICT_DESTINATION: &str = "restrict-destination-v00@openssh.com";
const ASSOCIATED_CERTS: &str = "associated-certs-v00@openssh.com";

/// How a key that is added may be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Constraints {
    /// The agent forgets it after so many seconds.
    pub lifetime: Option<u32>,
    /// The agent asks the user at each use.
    pub confirm: bool,
    /// The middleware that speaks to a FIDO key's authenticator, or
    /// `internal`.
    pub sk_provider: Option<String>,
    /// The steps that it may be used for; empty for any.
    pub destinations: Vec<Destination>,
    /// Certificates for a token's keys.
    pub certificates: Option<TokenCertificates>,
}

/// Certificates that go with the keys of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenCertificates {
    /// The token's plain keys are not wanted.
    pub only: bool,
    /// The certificates.
    pub list: Vec<PublicKey>,
}

/// What the constraints are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One key.
    Key,
    /// All keys of a token.
    Token,
}

/// Why constraints cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConstraintError {
    /// Their structure is wrong.
    Decode(DecodeError),
    /// One that is not known.
    Unknown {
        /// Its number, or its name.
        what: String,
    },
    /// One that does not go with what is added.
    Misplaced {
        /// Its name.
        what: &'static str,
    },
    /// The same one twice.
    Repeated {
        /// Its name.
        what: &'static str,
    },
    /// A list that is empty (which would restrict to nothing, or to
    /// everything) or too long.
    Count {
        /// Of what.
        what: &'static str,
    },
}

impl core::fmt::Display for ConstraintError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "invalid constraint: {e}"),
            Self::Unknown { what } => write!(f, "unsupported constraint {what:?}"),
            Self::Misplaced { what } => write!(f, "constraint {what} is not valid here"),
            Self::Repeated { what } => write!(f, "constraint {what} is already set"),
            Self::Count { what } => write!(f, "constraint {what} has none or too many"),
        }
    }
}

impl core::error::Error for ConstraintError {}

impl From<DecodeError> for ConstraintError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

impl Constraints {
    /// Whether there is nothing to tell the agent.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Reads constraints up to the end of the input.
    pub(super) fn decode(r: &mut Reader<'_>, kind: Kind) -> Result<Self, ConstraintError> {
        let mut all = Self::default();
        while !r.is_empty() {
            match r.u8("constraint")? {
                LIFETIME if all.lifetime.is_some() => {
                    return Err(ConstraintError::Repeated { what: "lifetime" });
                }
                LIFETIME => all.lifetime = Some(r.u32("lifetime")?),
                CONFIRM if all.confirm => {
                    return Err(ConstraintError::Repeated { what: "confirm" });
                }
                CONFIRM => all.confirm = true,
                EXTENSION => all.read_extension(r, kind)?,
                number => {
                    let what = number.to_string();
                    return Err(ConstraintError::Unknown { what });
                }
            }
        }
        Ok(all)
    }

    fn read_extension(&mut self, r: &mut Reader<'_>, kind: Kind) -> Result<(), ConstraintError> {
        match r.text("constraint name")? {
            SK_PROVIDER => {
                let what = SK_PROVIDER;
                if kind != Kind::Key {
                    return Err(ConstraintError::Misplaced { what });
                }
                if self.sk_provider.is_some() {
                    return Err(ConstraintError::Repeated { what });
                }
                self.sk_provider = Some(r.text("provider")?.to_owned());
            }
            RESTRICT_DESTINATION => {
                let what = RESTRICT_DESTINATION;
                if !self.destinations.is_empty() {
                    return Err(ConstraintError::Repeated { what });
                }
                let list = r.sub("destinations")?;
                self.destinations = read_list(list, DESTINATIONS_MAX, what, |r| {
                    Ok(carrick_wire::Decode::decode(r)?)
                })?;
            }
            ASSOCIATED_CERTS => {
                let what = ASSOCIATED_CERTS;
                if kind != Kind::Token {
                    return Err(ConstraintError::Misplaced { what });
                }
                if self.certificates.is_some() {
                    return Err(ConstraintError::Repeated { what });
                }
                let only = r.bool("certs_only")?;
                let list = read_list(r.sub("certificates")?, CERTIFICATES_MAX, what, |r| {
                    PublicKey::from_blob(r.string("certificate")?).map_err(|_| {
                        ConstraintError::Decode(DecodeError::Invalid {
                            field: "certificate",
                        })
                    })
                })?;
                self.certificates = Some(TokenCertificates { only, list });
            }
            other => {
                let what = other.chars().take(64).collect();
                return Err(ConstraintError::Unknown { what });
            }
        }
        Ok(())
    }
}

/// One to `most` items.
fn read_list<T>(
    mut r: Reader<'_>,
    most: usize,
    what: &'static str,
    read: impl Fn(&mut Reader<'_>) -> Result<T, ConstraintError>,
) -> Result<Vec<T>, ConstraintError> {
    let mut list = Vec::new();
    while !r.is_empty() {
        if list.len() == most {
            return Err(ConstraintError::Count { what });
        }
        list.push(read(&mut r)?);
    }
    if list.is_empty() {
        return Err(ConstraintError::Count { what });
    }
    Ok(list)
}

impl Encode for Constraints {
    fn encode(&self, w: &mut Writer<'_>) {
        if let Some(seconds) = self.lifetime {
            w.u8(LIFETIME);
            w.u32(seconds);
        }
        if self.confirm {
            w.u8(CONFIRM);
        }
        if let Some(provider) = &self.sk_provider {
            w.u8(EXTENSION);
            w.text(SK_PROVIDER);
            w.text(provider);
        }
        if !self.destinations.is_empty() {
            w.u8(EXTENSION);
            w.text(RESTRICT_DESTINATION);
            w.sub(|w| {
                for destination in &self.destinations {
                    destination.encode(w);
                }
            });
        }
        if let Some(certificates) = &self.certificates {
            w.u8(EXTENSION);
            w.text(ASSOCIATED_CERTS);
            w.bool(certificates.only);
            w.sub(|w| {
                for certificate in &certificates.list {
                    w.string(&certificate.to_blob());
                }
            });
        }
    }
}
