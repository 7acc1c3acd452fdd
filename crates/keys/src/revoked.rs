//! `RevokedKeys` and `RevokedHostKeys`: files that say which keys count no
//! more, as a list of keys, one a line, or as a key revocation list.
//!
//! A file that cannot be understood is an error, and whoever asks must then
//! refuse every key: what it would have said may be just what matters.

use core::fmt;

use crate::krl::{Item, KrlError, MAGIC, is_set, walk};
use crate::text::{chomp, numbered, skip_blanks};
use crate::{Certificate, Fingerprint, FingerprintHash, KeyError, PublicKey};

/// Why a file of revoked keys is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokedError {
    /// It is a key revocation list that cannot be understood.
    Krl(KrlError),
    /// A line of it is no key.
    Line {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: KeyError,
    },
}

impl fmt::Display for RevokedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Krl(e) => write!(f, "{e}"),
            Self::Line { line, reason } => write!(f, "line {line}: {reason}"),
        }
    }
}

impl core::error::Error for RevokedError {}

/// What a file of revoked keys says. It is kept as it stands, and was found
/// sound: asking takes one walk over it, and no memory.
#[derive(Debug, Clone)]
pub struct RevokedKeys {
    bytes: Vec<u8>,
    is_krl: bool,
}

impl RevokedKeys {
    /// Takes the contents of a file.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, RevokedError> {
        let is_krl = bytes.starts_with(MAGIC);
        if is_krl {
            walk(&bytes, |_| ()).map_err(RevokedError::Krl)?;
        } else {
            list(&bytes, |_| false)?;
        }
        Ok(Self { bytes, is_krl })
    }

    /// Whether a key is revoked; for a certificate: whether it, the key in
    /// it, or its authority is.
    pub fn is_revoked(&self, key: &PublicKey) -> bool {
        let found = if self.is_krl {
            in_krl(&self.bytes, key).map_err(RevokedError::Krl)
        } else {
            let authority = authority(key);
            list(&self.bytes, |listed| {
                let listed = listed.plain();
                listed == key.plain() || authority.is_some_and(|ca| ca == listed)
            })
        };
        // It was read once without an error. If that can be, nobody gets in.
        found.unwrap_or(true)
    }
}

fn authority(key: &PublicKey) -> Option<&PublicKey> {
    match key {
        PublicKey::Certificate(cert) => Some(&cert.authority),
        _ => None,
    }
}

/// Reads keys, one a line, until one `is_it`. Keys that are too short to be
/// used anywhere are passed over, as in OpenSSH.
fn list(text: &[u8], is_it: impl Fn(&PublicKey) -> bool) -> Result<bool, RevokedError> {
    for (line, raw) in numbered(text) {
        let raw = skip_blanks(chomp(raw));
        if raw.is_empty() || raw.starts_with(b"#") {
            continue;
        }
        match PublicKey::from_line_bytes(raw) {
            Ok((key, _)) if is_it(&key) => return Ok(true),
            Ok(_) | Err(KeyError::RsaSize { .. }) => {}
            Err(reason) => return Err(RevokedError::Line { line, reason }),
        }
    }
    Ok(false)
}

/// What a list says of a plain key is about its blob and the blob's hashes.
struct Plain {
    blob: Vec<u8>,
    sha1: Fingerprint,
    sha256: Fingerprint,
}

impl Plain {
    fn of(key: &PublicKey) -> Self {
        let blob = key.plain().to_blob();
        Self {
            sha1: Fingerprint::new(FingerprintHash::Sha1, &blob),
            sha256: Fingerprint::new(FingerprintHash::Sha256, &blob),
            blob,
        }
    }

    fn is(&self, item: &Item<'_>) -> bool {
        match item {
            Item::Key(blob) => *blob == self.blob,
            Item::Sha1(hash) => hash == self.sha1.digest(),
            Item::Sha256(hash) => hash == self.sha256.digest(),
            _ => false,
        }
    }
}

fn in_krl(bytes: &[u8], key: &PublicKey) -> Result<bool, KrlError> {
    let itself = Plain::of(key);
    let authority = authority(key).map(Plain::of);
    let cert = match key {
        PublicKey::Certificate(cert) => Some(&**cert),
        _ => None,
    };
    let mut about_it = false;
    let mut found = false;
    walk(bytes, |item| {
        if let Item::Authority(of) = item {
            about_it = cert.is_some_and(|cert| of.is_none_or(|of| *of == cert.authority));
        }
        found |= itself.is(&item)
            || authority.as_ref().is_some_and(|ca| ca.is(&item))
            || (about_it && cert.is_some_and(|cert| names(&item, cert)));
    })?;
    Ok(found)
}

/// Whether a statement about certificates of its authority is about this one.
/// Serial number zero means that the authority gave it none.
fn names(item: &Item<'_>, cert: &Certificate) -> bool {
    let serial = cert.serial;
    match *item {
        Item::KeyId(id) => id == cert.key_id.as_bytes(),
        Item::Serials(low, high) => serial != 0 && (low..=high).contains(&serial),
        Item::Bitmap { offset, bits } => {
            serial != 0
                && serial
                    .checked_sub(offset)
                    .is_some_and(|at| is_set(bits, at))
        }
        _ => false,
    }
}
