//! Files with a public key in them, whatever the form, and public keys in
//! the forms of OpenSSL.

use super::{KeyFileError, pem, pkcs, pkcs8, putty, rfc4716};
use crate::PublicKey;
use crate::text::{chomp, numbered, skip_blanks};

/// The first public key in a file, and its comment: `TYPE BASE64 COMMENT`,
/// RFC 4716, PEM (`PUBLIC KEY`, `RSA PUBLIC KEY`) or the public part of a
/// PuTTY key.
pub fn parse_public_file(file: &[u8]) -> Result<(PublicKey, String), KeyFileError> {
    let file = file.get(..super::FILE_MAX).unwrap_or(file);
    if let Some(found) = rfc4716::parse(file) {
        return found;
    }
    if putty::is_one(file) {
        return putty::public_half(file);
    }
    for block in pem::blocks(file) {
        let key = match block.label.as_str() {
            "PUBLIC KEY" => pkcs8::parse_public(&block.body),
            "RSA PUBLIC KEY" => pkcs::parse_rsa_public(&block.body),
            _ => continue,
        };
        return key.map(|key| (key, String::new()));
    }
    let mut first = Err(KeyFileError::NotAKey);
    for (_, raw) in numbered(file) {
        let line = skip_blanks(chomp(raw));
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match PublicKey::from_line_bytes(line) {
            Ok((key, comment)) => return Ok((key, String::from_utf8_lossy(comment).into_owned())),
            Err(e) if first == Err(KeyFileError::NotAKey) => first = Err(e.into()),
            Err(_) => {}
        }
    }
    first
}

/// A form of public keys outside OpenSSH's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicForm {
    /// RFC 4716.
    Rfc4716,
    /// SubjectPublicKeyInfo in PEM.
    Pkcs8,
    /// RSAPublicKey (PKCS#1) in PEM.
    Pem,
}

impl PublicKey {
    /// The first key in a file of that form, and no other.
    pub fn from_form(file: &[u8], form: PublicForm) -> Result<Self, KeyFileError> {
        let file = file.get(..super::FILE_MAX).unwrap_or(file);
        let block = |label| pem::blocks(file).find(move |b| b.label == label);
        match form {
            PublicForm::Rfc4716 => match rfc4716::parse(file) {
                Some(found) => found.map(|(key, _)| key),
                None => rfc4716::parse_bare(file),
            },
            PublicForm::Pkcs8 => {
                let block = block("PUBLIC KEY").ok_or(KeyFileError::NotAKey)?;
                pkcs8::parse_public(&block.body)
            }
            PublicForm::Pem => {
                let block = block("RSA PUBLIC KEY").ok_or(KeyFileError::NotAKey)?;
                pkcs::parse_rsa_public(&block.body)
            }
        }
    }

    /// The key as SubjectPublicKeyInfo in PEM (`ssh-keygen -e -m PKCS8`); for
    /// RSA and ECDSA only, as OpenSSH does it.
    pub fn to_pkcs8(&self) -> Option<String> {
        let der = pkcs8::public_der(self.plain())?;
        Some(pem::armor("PUBLIC KEY", "", &der))
    }

    /// The key in the older PEM form (`ssh-keygen -e -m PEM`): PKCS#1 for
    /// RSA; ECDSA has none and is as in [`Self::to_pkcs8`].
    pub fn to_pem(&self) -> Option<String> {
        match self.plain() {
            Self::Rsa { e, n } => Some(pem::armor(
                "RSA PUBLIC KEY",
                "",
                &pkcs::rsa_public_der(e, n),
            )),
            Self::Ecdsa { .. } => self.to_pkcs8(),
            _ => None,
        }
    }
}
