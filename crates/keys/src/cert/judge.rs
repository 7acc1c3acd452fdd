//! Judging a certificate: from well-formed bytes to a fact.
//!
//! A hostile peer can send any certificate it likes: for another kind of
//! use, out of date, for other names, with options that we cannot carry out,
//! signed with SHA-1, signed by nobody. [`Certificate::judge`] looks at all of
//! that at once, so that none of it can be forgotten, and gives a
//! [`JudgedCert`], which nothing else can make. Two questions remain, because
//! they are about files and not about the certificate: whether its authority
//! is one that counts here, and whether the certificate, its key or its
//! authority is revoked.

use core::fmt;

use super::options::{CertOptions, OptionFault};
use super::{CertKind, Certificate};
use crate::matching::pattern;
use crate::{KeyType, PublicKey, SignatureError};

/// The name that a certificate must be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertName<'a> {
    /// This user must be among the principals, to the letter.
    User(&'a str),
    /// One of these must be among the principals, to the letter
    /// (`principals=` and principals files).
    OneOf(&'a [&'a str]),
    /// A principal must be this host, or a pattern (`*.example.com`) that
    /// matches it. Case counts: give it in lower case, as host names are
    /// looked up.
    Host(&'a str),
    /// Any will do: the caller has matched the principals itself.
    Any,
}

/// What a certificate must be, in the place where it is shown.
#[derive(Debug, Clone, Copy)]
pub struct CertDemand<'a> {
    /// What it must be for.
    pub kind: CertKind,
    /// Whom it must be good for.
    pub name: CertName<'a>,
    /// Whether one that lists no principals at all is good for everybody. So
    /// OpenSSH 10.0 takes it for hosts and for `cert-authority` keys in
    /// authorized_keys, and not under `TrustedUserCAKeys`.
    pub unlisted_is_any: bool,
    /// The time, in seconds since 1970.
    pub now: u64,
    /// The algorithms that the authority may have signed with
    /// (`CASignatureAlgorithms`); `None` for all.
    pub ca_algorithms: Option<&'a [&'a str]>,
    /// The shortest RSA key that may be certified (`RequiredRSASize`).
    pub rsa_min: u32,
}

/// Why a certificate is worth nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertError {
    /// The authority did not sign it.
    Signature(SignatureError),
    /// The authority signed it in a way that is not allowed.
    CaAlgorithm {
        /// The algorithm.
        name: String,
    },
    /// It is for something else.
    Kind {
        /// What it should be for.
        wanted: CertKind,
    },
    /// It is not valid yet.
    NotYetValid,
    /// It is not valid any more.
    Expired,
    /// It lists no principals.
    NoPrincipals,
    /// None of its principals is the one.
    NotListed,
    /// Its options cannot be carried out.
    Options(OptionFault),
    /// The RSA key in it is too short.
    RsaSize {
        /// Its length.
        bits: u32,
    },
}

impl fmt::Display for CertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(e) => write!(f, "Certificate invalid: {e}"),
            Self::CaAlgorithm { .. } => f.write_str("Certificate signed with disallowed algorithm"),
            Self::Kind { wanted } => {
                write!(
                    f,
                    "Certificate invalid: not a {} certificate",
                    wanted.name()
                )
            }
            Self::NotYetValid => f.write_str("Certificate invalid: not yet valid"),
            Self::Expired => f.write_str("Certificate invalid: expired"),
            Self::NoPrincipals => f.write_str("Certificate lacks principal list"),
            Self::NotListed => f.write_str("Certificate invalid: name is not a listed principal"),
            Self::Options(e) => write!(f, "{e}"),
            Self::RsaSize { .. } => f.write_str("Invalid key length"),
        }
    }
}

impl core::error::Error for CertError {}

/// A certificate that its authority signed and that meets a [`CertDemand`].
/// Only [`Certificate::judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedCert {
    cert: Certificate,
    options: CertOptions,
    principal: Option<String>,
}

impl JudgedCert {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.cert
    }

    /// The certified key.
    pub fn key(&self) -> &PublicKey {
        self.cert.key()
    }

    /// The key that signed it. It is for the caller to say whether that is an
    /// authority.
    pub fn authority(&self) -> &PublicKey {
        &self.cert.authority
    }

    /// What it demands and permits; of no meaning for a host's.
    pub fn options(&self) -> &CertOptions {
        &self.options
    }

    /// The principal that was matched; `None` if it lists none, or if any
    /// would have done.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }
}

impl Certificate {
    /// Judges the certificate: the authority's signature, what it is for,
    /// when, for whom, its options, how the authority signed, and the size of
    /// the key in it. The errors are in OpenSSH's words.
    pub fn judge(&self, demand: &CertDemand<'_>) -> Result<JudgedCert, CertError> {
        self.check_signature().map_err(CertError::Signature)?;
        if self.kind != demand.kind {
            return Err(CertError::Kind {
                wanted: demand.kind,
            });
        }
        if demand.now < self.valid_after {
            return Err(CertError::NotYetValid);
        }
        if demand.now >= self.valid_before {
            return Err(CertError::Expired);
        }
        let principal = self.match_name(demand)?;
        let options = CertOptions::of(self).map_err(CertError::Options)?;
        let name = self.signature_algorithm();
        if demand
            .ca_algorithms
            .is_some_and(|allowed| !allowed.contains(&name))
        {
            return Err(CertError::CaAlgorithm {
                name: name.to_owned(),
            });
        }
        if self.key().kind() == KeyType::Rsa && self.key().bits() < demand.rsa_min {
            let bits = self.key().bits();
            return Err(CertError::RsaSize { bits });
        }
        Ok(JudgedCert {
            cert: self.clone(),
            options,
            principal,
        })
    }

    fn match_name(&self, demand: &CertDemand<'_>) -> Result<Option<String>, CertError> {
        if self.principals.is_empty() {
            return if demand.unlisted_is_any {
                Ok(None)
            } else {
                Err(CertError::NoPrincipals)
            };
        }
        let good = |principal: &&String| match demand.name {
            CertName::User(name) => principal.as_str() == name,
            CertName::OneOf(names) => names.contains(&principal.as_str()),
            CertName::Host(name) => pattern(name, principal),
            CertName::Any => true,
        };
        let found = self.principals.iter().find(good);
        match (found, demand.name) {
            (Some(_), CertName::Any) => Ok(None),
            (Some(principal), _) => Ok(Some(principal.clone())),
            (None, _) => Err(CertError::NotListed),
        }
    }
}
