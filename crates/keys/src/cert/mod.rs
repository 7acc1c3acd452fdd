//! Certificates (OpenSSH's PROTOCOL.certkeys): a key, what an authority says
//! of it, and the authority's signature.
//!
//! Reading one proves nothing: anybody can write a certificate that is well
//! formed. [`Certificate::judge`] is what turns one into a fact.

mod build;
mod judge;
mod options;
#[cfg(test)]
mod tests;

use core::fmt;

use carrick_wire::{DecodeError, Reader};

pub use build::{CertFields, IssueError, UnsignedCert, VALID_FOREVER};
pub use judge::{CertDemand, CertError, CertName, JudgedCert};
pub use options::{CertOptions, OptionFault};

use crate::public::unsupported;
use crate::{KeyError, KeyType, PublicKey, SignatureError};

/// How the type names of certificates end.
pub(crate) const CERT_SUFFIX: &str = "-cert-v01@openssh.com";
/// Most principals a certificate may list, as in OpenSSH.
pub(crate) const PRINCIPALS_MAX: usize = 256;

/// The certificate type of that name, and the key type it certifies.
pub(crate) fn cert_type(name: &str) -> Option<(&'static str, KeyType)> {
    Some(match name {
        "ssh-ed25519-cert-v01@openssh.com" => {
            ("ssh-ed25519-cert-v01@openssh.com", KeyType::Ed25519)
        }
        "ssh-mldsa44-ed25519-cert-v01@openssh.com" => (
            "ssh-mldsa44-ed25519-cert-v01@openssh.com",
            KeyType::MlDsa44Ed25519,
        ),
        "ssh-rsa-cert-v01@openssh.com" => ("ssh-rsa-cert-v01@openssh.com", KeyType::Rsa),
        "ecdsa-sha2-nistp256-cert-v01@openssh.com" => (
            "ecdsa-sha2-nistp256-cert-v01@openssh.com",
            KeyType::Ecdsa(crate::Curve::P256),
        ),
        "ecdsa-sha2-nistp384-cert-v01@openssh.com" => (
            "ecdsa-sha2-nistp384-cert-v01@openssh.com",
            KeyType::Ecdsa(crate::Curve::P384),
        ),
        "ecdsa-sha2-nistp521-cert-v01@openssh.com" => (
            "ecdsa-sha2-nistp521-cert-v01@openssh.com",
            KeyType::Ecdsa(crate::Curve::P521),
        ),
        "sk-ssh-ed25519-cert-v01@openssh.com" => {
            ("sk-ssh-ed25519-cert-v01@openssh.com", KeyType::SkEd25519)
        }
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com" => (
            "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
            KeyType::SkEcdsa,
        ),
        _ => return None,
    })
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertKind {
    /// Logging in.
    User,
    /// Being a host.
    Host,
}

impl CertKind {
    /// `user` or `host`, as listings have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Host => "host",
        }
    }
}

/// A certificate, with the bytes it was read from.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    key_type: &'static str,
    key: PublicKey,
    blob: Vec<u8>,
    signed_len: usize,
    /// The number its authority gave it.
    pub serial: u64,
    /// What it is for.
    pub kind: CertKind,
    /// The name its authority gave it, for logs.
    pub key_id: String,
    /// Users or host names it is good for.
    pub principals: Vec<String>,
    /// First second of validity, since 1970.
    pub valid_after: u64,
    /// First second of no validity, since 1970.
    pub valid_before: u64,
    /// Options that must be understood, with their data.
    pub critical_options: Vec<(String, Vec<u8>)>,
    /// Options that may be ignored, with their data.
    pub extensions: Vec<(String, Vec<u8>)>,
    /// The authority's key.
    pub authority: PublicKey,
    /// The authority's signature blob over everything before it.
    pub signature: Vec<u8>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("key_type", &self.key_type)
            .field("kind", &self.kind)
            .field("serial", &self.serial)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a certificate blob, all of it.
    pub(crate) fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let mut r = Reader::new(blob);
        let name = r.text("key type")?;
        let (key_type, plain) = cert_type(name).ok_or_else(|| unsupported(name))?;
        r.string("nonce")?;
        let key = PublicKey::read_fields(plain, &mut r)?;
        let serial = r.u64("serial")?;
        let kind = match r.u32("certificate type")? {
            1 => CertKind::User,
            2 => CertKind::Host,
            _ => {
                return Err(DecodeError::Invalid {
                    field: "certificate type",
                }
                .into());
            }
        };
        let key_id = c_text(&mut r, "key id")?;
        let principals = read_principals(r.sub("principals")?)?;
        let valid_after = r.u64("valid after")?;
        let valid_before = r.u64("valid before")?;
        let critical_options = read_options(r.sub("critical options")?)?;
        let extensions = read_options(r.sub("extensions")?)?;
        r.string("reserved")?;
        let authority = read_authority(r.string("signature key")?)?;
        let signed_len = blob.len() - r.rest().len();
        let signature = r.string("signature")?.to_vec();
        r.finish()?;
        Ok(Self {
            key_type,
            key,
            blob: blob.to_vec(),
            signed_len,
            serial,
            kind,
            key_id,
            principals,
            valid_after,
            valid_before,
            critical_options,
            extensions,
            authority,
            signature,
        })
    }

    /// The type name inside the blob.
    pub fn key_type(&self) -> &'static str {
        self.key_type
    }

    /// The certified key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The bytes the certificate was read from.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The part of the blob that the authority signed.
    pub fn signed_part(&self) -> &[u8] {
        self.blob.get(..self.signed_len).unwrap_or_default()
    }

    /// The algorithm that the authority's signature names; empty if it names
    /// none.
    pub fn signature_algorithm(&self) -> &str {
        Reader::new(&self.signature)
            .text("signature algorithm")
            .unwrap_or_default()
    }

    /// Checks the authority's signature, and no more: whether the authority
    /// is one that counts, and everything that it says, is for
    /// [`Self::judge`] and its caller. A security key that signed need not
    /// have been touched (as in OpenSSH: that is between it and its owner).
    pub fn check_signature(&self) -> Result<(), SignatureError> {
        self.authority
            .verify_with_details(self.signed_part(), &self.signature, None)
            .map(drop)
    }
}

/// Text that a C program may hold as a string: one that is cut short by a
/// zero byte would mean one thing here and another there.
fn c_text(r: &mut Reader<'_>, field: &'static str) -> Result<String, DecodeError> {
    let text = r.text(field)?;
    if text.contains('\0') {
        return Err(DecodeError::NotText { field });
    }
    Ok(text.to_owned())
}

/// The authority's key: a plain one, so that certificates do not nest.
fn read_authority(blob: &[u8]) -> Result<PublicKey, KeyError> {
    let mut r = Reader::new(blob);
    let name = r.text("key type")?;
    let kind = KeyType::from_name(name).ok_or_else(|| unsupported(name))?;
    let key = PublicKey::read_fields(kind, &mut r)?;
    r.finish()?;
    Ok(key)
}

fn read_principals(mut r: Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let mut list = Vec::new();
    while !r.is_empty() {
        if list.len() == PRINCIPALS_MAX {
            return Err(DecodeError::Invalid {
                field: "principals",
            });
        }
        list.push(c_text(&mut r, "principal")?);
    }
    Ok(list)
}

fn read_options(mut r: Reader<'_>) -> Result<Vec<(String, Vec<u8>)>, DecodeError> {
    let mut list = Vec::new();
    while !r.is_empty() {
        let name = c_text(&mut r, "option name")?;
        list.push((name, r.string("option data")?.to_vec()));
    }
    Ok(list)
}
