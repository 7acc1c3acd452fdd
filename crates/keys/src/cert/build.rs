//! Making certificates. Whoever holds the authority's key signs: a key file,
//! an agent, a token. So it is done in two steps, with bytes to sign between.

use core::fmt;

use carrick_crypto::rng::Rng;
use carrick_wire::Writer;

use super::{CERT_SUFFIX, CertKind, Certificate, PRINCIPALS_MAX, cert_type};
use crate::{KeyError, PrivateKey, PublicKey, SignError};

/// The `valid_before` of a certificate that does not expire.
pub const VALID_FOREVER: u64 = u64::MAX;
/// Bytes of nonce, as in OpenSSH.
const NONCE: usize = 32;

/// What an authority says of a key: a certificate's fields. See
/// [`Certificate`] for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFields {
    /// The number it gets.
    pub serial: u64,
    /// What it is for.
    pub kind: CertKind,
    /// The name it gets in logs.
    pub key_id: String,
    /// Users or host names it is good for.
    pub principals: Vec<String>,
    /// First second of validity, since 1970.
    pub valid_after: u64,
    /// First second of no validity, since 1970; [`VALID_FOREVER`] for none.
    pub valid_before: u64,
    /// Options that must be understood, with their data.
    pub critical_options: Vec<(String, Vec<u8>)>,
    /// Options that may be ignored, with their data.
    pub extensions: Vec<(String, Vec<u8>)>,
}

/// Why no certificate was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// The key is a certificate already, or of a kind that has none.
    NotCertifiable,
    /// A certificate cannot be an authority.
    NotAnAuthority,
    /// More principals than a certificate may list.
    TooManyPrincipals,
    /// The authority's key did not sign.
    Sign(SignError),
    /// What came out is no certificate: the signature is not the authority's,
    /// or a field does not fit.
    Invalid(KeyError),
    /// The signature is not the authority's.
    BadSignature,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCertifiable => f.write_str("key cannot be certified"),
            Self::NotAnAuthority => f.write_str("invalid certificate signing key"),
            Self::TooManyPrincipals => f.write_str("too many certificate principals"),
            Self::Sign(e) => write!(f, "{e}"),
            Self::Invalid(e) => write!(f, "{e}"),
            Self::BadSignature => f.write_str("incorrect signature"),
        }
    }
}

impl core::error::Error for IssueError {}

/// A certificate that lacks its signature.
pub struct UnsignedCert {
    bytes: Vec<u8>,
}

impl UnsignedCert {
    /// Puts `fields` and `key` together, in the name of `authority`.
    pub fn new(
        key: &PublicKey,
        authority: &PublicKey,
        fields: &CertFields,
        rng: &mut dyn Rng,
    ) -> Result<Self, IssueError> {
        if key.is_certificate() {
            return Err(IssueError::NotCertifiable);
        }
        if authority.is_certificate() {
            return Err(IssueError::NotAnAuthority);
        }
        if fields.principals.len() > PRINCIPALS_MAX {
            return Err(IssueError::TooManyPrincipals);
        }
        let base = key.key_type();
        let name = format!("{}{CERT_SUFFIX}", base.trim_end_matches("@openssh.com"));
        let (name, _) = cert_type(&name).ok_or(IssueError::NotCertifiable)?;
        let mut nonce = [0; NONCE];
        rng.fill(&mut nonce);
        let mut bytes = Vec::new();
        let mut w = Writer::new(&mut bytes);
        w.text(name);
        w.string(&nonce);
        key.write_fields(&mut w);
        w.u64(fields.serial);
        w.u32(match fields.kind {
            CertKind::User => 1,
            CertKind::Host => 2,
        });
        w.text(&fields.key_id);
        w.sub(|w| fields.principals.iter().for_each(|name| w.text(name)));
        w.u64(fields.valid_after);
        w.u64(fields.valid_before);
        write_options(&fields.critical_options, &mut w);
        write_options(&fields.extensions, &mut w);
        w.string(b""); // reserved
        w.string(&authority.to_blob());
        Ok(Self { bytes })
    }

    /// What the authority signs.
    pub fn to_sign(&self) -> &[u8] {
        &self.bytes
    }

    /// Completes it with the authority's signature blob, which is checked:
    /// what an agent or a token gave may be anything.
    pub fn complete(mut self, signature: &[u8]) -> Result<Certificate, IssueError> {
        Writer::new(&mut self.bytes).string(signature);
        let cert = Certificate::from_blob(&self.bytes).map_err(IssueError::Invalid)?;
        cert.check_signature()
            .map_err(|_| IssueError::BadSignature)?;
        Ok(cert)
    }
}

impl Certificate {
    /// Certifies `key` with the authority's private key, by the signature
    /// algorithm of that name or, without one, the best that the key has.
    pub fn issue(
        key: &PublicKey,
        authority: &PrivateKey,
        algorithm: Option<&str>,
        fields: &CertFields,
        rng: &mut dyn Rng,
    ) -> Result<Self, IssueError> {
        let unsigned = UnsignedCert::new(key, authority.public(), fields, rng)?;
        let best = authority.signature_algorithms();
        let algorithm = algorithm
            .or_else(|| best.first().copied())
            .ok_or(IssueError::NotAnAuthority)?;
        let signature = authority
            .sign(algorithm, unsigned.to_sign())
            .map_err(IssueError::Sign)?;
        unsigned.complete(&signature)
    }
}

fn write_options(options: &[(String, Vec<u8>)], w: &mut Writer<'_>) {
    w.sub(|w| {
        for (name, data) in options {
            w.text(name);
            w.string(data);
        }
    });
}
