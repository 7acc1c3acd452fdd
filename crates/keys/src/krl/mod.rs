//! Key revocation lists (OpenSSH's PROTOCOL.krl): which certificates, keys
//! and authorities count no more.
//!
//! [`Krl`] is a list to build on and to print. Whoever only wants to ask
//! whether a key is revoked uses [`crate::RevokedKeys`], which also reads
//! plain lists of keys, and takes no more memory than the file.

mod build;
mod read;
mod spec;
#[cfg(test)]
mod tests;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use carrick_wire::DecodeError;

pub(crate) use read::{Item, is_set, walk};
pub use spec::{SpecAuthority, SpecError};

use crate::{Certificate, Fingerprint, FingerprintHash, KeyError, PublicKey};

/// What a list begins with.
pub(crate) const MAGIC: &[u8] = b"SSHKRL\n\0";
/// The only version of the format there is.
const FORMAT: u32 = 1;

const CERTIFICATES: u8 = 1;
const EXPLICIT_KEY: u8 = 2;
const SHA1: u8 = 3;
const SIGNATURE: u8 = 4;
const SHA256: u8 = 5;
const EXTENSION: u8 = 255;

const SERIAL_LIST: u8 = 0x20;
const SERIAL_RANGE: u8 = 0x21;
const SERIAL_BITMAP: u8 = 0x22;
const KEY_ID: u8 = 0x23;
const CERT_EXTENSION: u8 = 0x39;

/// Why bytes are not a list that can be used. One that cannot be understood
/// as a whole is of no use at all: what it does not tell may be what matters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KrlError {
    /// It is something else.
    NotAKrl,
    /// The structure is wrong.
    Decode(DecodeError),
    /// A version of the format that we do not know.
    Version(u32),
    /// It is signed, and signatures of lists are not verified: one who signed
    /// it expects that they are. (OpenSSH's PROTOCOL.krl says the same.)
    Signed,
    /// A kind of section that we do not know.
    UnknownSection(u8),
    /// A kind of section about certificates that we do not know.
    UnknownCertSection(u8),
    /// An extension that must be understood.
    CriticalExtension {
        /// Its name.
        name: String,
    },
    /// An extension about certificates that must be understood.
    CriticalCertExtension {
        /// Its name.
        name: String,
    },
    /// A range that ends before it begins, holds zero, or leaves 64 bits.
    Serial,
    /// A hash of the wrong length.
    HashLength,
    /// An authority's key is none.
    Authority(KeyError),
}

impl fmt::Display for KrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKrl => f.write_str("KRL file has invalid magic number"),
            Self::Decode(DecodeError::Truncated { .. }) => f.write_str("incomplete message"),
            Self::Version(_)
            | Self::Decode(_)
            | Self::UnknownSection(_)
            | Self::UnknownCertSection(_)
            | Self::HashLength
            | Self::Authority(_) => f.write_str("invalid format"),
            Self::Signed | Self::CriticalExtension { .. } | Self::CriticalCertExtension { .. } => {
                f.write_str("requested feature not supported")
            }
            Self::Serial => f.write_str("invalid argument"),
        }
    }
}

impl KrlError {
    /// What stands in the list that is the matter, where OpenSSH tells it in
    /// a line of its own before the error.
    pub fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Version(number) => {
                format!("ssh_krl_from_blob: unsupported KRL format version {number}")
            }
            Self::Signed => "KRL contains a signature, which is not supported".into(),
            Self::UnknownSection(number) => format!("Unsupported KRL section {number}"),
            Self::UnknownCertSection(number) => {
                format!("Unsupported KRL certificate section {number}")
            }
            Self::CriticalExtension { name } => {
                format!("KRL contains unsupported critical section \"{name}\"")
            }
            Self::CriticalCertExtension { name } => {
                format!("KRL contains unsupported critical certificate subsection \"{name}\"")
            }
            Self::HashLength => "blob_section: bad length".into(),
            Self::Decode(DecodeError::Trailing { .. }) => {
                "KRL section contains unparsed data".into()
            }
            _ => return None,
        })
    }
}

impl core::error::Error for KrlError {}

impl From<DecodeError> for KrlError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

/// The serial numbers that are revoked: ranges, none of which touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Serials(BTreeMap<u64, u64>);

impl Serials {
    /// Adds a range, and joins what it touches.
    fn insert(&mut self, mut low: u64, mut high: u64) {
        // From behind: whatever begins at or before the end of the new one,
        // or right behind it.
        let reach = high.saturating_add(1);
        while let Some((&from, &to)) = self.0.range(..=reach).next_back() {
            if to.saturating_add(1) < low {
                break;
            }
            low = low.min(from);
            high = high.max(to);
            self.0.remove(&from);
        }
        self.0.insert(low, high);
    }

    fn contains(&self, serial: u64) -> bool {
        let before = self.0.range(..=serial).next_back();
        before.is_some_and(|(_, high)| serial <= *high)
    }

    fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(low, high)| (*low, *high))
    }
}

/// The certificates of one authority that are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Certs {
    /// `None` for the certificates of every authority.
    authority: Option<PublicKey>,
    serials: Serials,
    key_ids: BTreeSet<Vec<u8>>,
}

impl Certs {
    /// By key id, or by serial number; zero means that the authority gave
    /// none, so that it says nothing.
    fn revokes(&self, cert: &Certificate) -> bool {
        self.key_ids.contains(cert.key_id.as_bytes())
            || (cert.serial != 0 && self.serials.contains(cert.serial))
    }
}

/// A key revocation list.
///
/// A bitmap of serial numbers is taken apart into ranges, which may take some
/// sixty times its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Krl {
    /// Its number, which grows with every change.
    pub version: u64,
    /// When it was made, in seconds since 1970.
    pub generated: u64,
    /// No flags are defined.
    pub flags: u64,
    /// What its maker says about it: text, as a rule.
    pub comment: Vec<u8>,
    keys: BTreeSet<Vec<u8>>,
    sha1: BTreeSet<[u8; 20]>,
    sha256: BTreeSet<[u8; 32]>,
    certs: Vec<Certs>,
}

impl Krl {
    /// Nothing is revoked.
    pub fn new() -> Self {
        Self::default()
    }

    fn certs_of(&mut self, authority: Option<&PublicKey>) -> &mut Certs {
        let at = self
            .certs
            .iter()
            .position(|c| c.authority.as_ref() == authority)
            .unwrap_or(self.certs.len());
        if at == self.certs.len() {
            self.certs.push(Certs {
                authority: authority.cloned(),
                serials: Serials::default(),
                key_ids: BTreeSet::new(),
            });
        }
        // It was found, or has just been put there.
        #[expect(clippy::indexing_slicing, reason = "made sure of above")]
        &mut self.certs[at]
    }

    /// Revokes certificates of an authority (of all, for `None`) by serial
    /// number, from `low` to `high`. Zero is no serial number.
    pub fn revoke_serials(
        &mut self,
        authority: Option<&PublicKey>,
        low: u64,
        high: u64,
    ) -> Result<(), KrlError> {
        if low == 0 || low > high {
            return Err(KrlError::Serial);
        }
        self.certs_of(authority).serials.insert(low, high);
        Ok(())
    }

    /// Revokes certificates of an authority (of all, for `None`) by key id.
    pub fn revoke_key_id(&mut self, authority: Option<&PublicKey>, key_id: &[u8]) {
        let ids = &mut self.certs_of(authority).key_ids;
        ids.insert(key_id.to_vec());
    }

    /// Revokes a plain key, and every certificate of it and by it.
    pub fn revoke_plain_key(&mut self, key: &PublicKey) {
        self.keys.insert(key.plain().to_blob());
    }

    /// Revokes a key by the SHA-1 hash of its blob.
    pub fn revoke_sha1(&mut self, hash: [u8; 20]) {
        self.sha1.insert(hash);
    }

    /// Revokes a key by the SHA-256 hash of its blob.
    pub fn revoke_sha256(&mut self, hash: [u8; 32]) {
        self.sha256.insert(hash);
    }

    /// Revokes a plain key, or a certificate by its serial number or, if it
    /// has none, its key id.
    pub fn revoke(&mut self, key: &PublicKey) {
        match key {
            PublicKey::Certificate(cert) if cert.serial == 0 => {
                self.revoke_key_id(Some(&cert.authority), cert.key_id.as_bytes());
            }
            PublicKey::Certificate(cert) => {
                let of = self.certs_of(Some(&cert.authority));
                of.serials.insert(cert.serial, cert.serial);
            }
            plain => self.revoke_plain_key(plain),
        }
    }

    /// Whether a key, or a certificate, the key in it or its authority's, is
    /// revoked.
    pub fn revokes(&self, key: &PublicKey) -> bool {
        let revokes_plain = |key: &PublicKey| {
            let blob = key.plain().to_blob();
            self.keys.contains(&blob) || {
                let hash = |hash| Fingerprint::new(hash, &blob);
                let by_sha1 = hash(FingerprintHash::Sha1);
                let by_sha256 = hash(FingerprintHash::Sha256);
                self.sha1.iter().any(|h| h == by_sha1.digest())
                    || self.sha256.iter().any(|h| h == by_sha256.digest())
            }
        };
        if revokes_plain(key) {
            return true;
        }
        let PublicKey::Certificate(cert) = key else {
            return false;
        };
        let of_it = |certs: &&Certs| {
            let authority = certs.authority.as_ref();
            authority.is_none_or(|authority| *authority == cert.authority)
        };
        self.certs.iter().filter(of_it).any(|c| c.revokes(cert)) || revokes_plain(&cert.authority)
    }

    /// The plain keys' blobs, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(Vec::as_slice)
    }

    /// The SHA-1 hashes, in order.
    pub fn sha1_hashes(&self) -> impl Iterator<Item = &[u8; 20]> {
        self.sha1.iter()
    }

    /// The SHA-256 hashes, in order.
    pub fn sha256_hashes(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.sha256.iter()
    }

    /// The authorities whose certificates are revoked, in the order in which
    /// they came; `None` stands for all.
    pub fn authorities(&self) -> impl Iterator<Item = RevokedCerts<'_>> {
        self.certs.iter().map(RevokedCerts)
    }
}

/// The certificates of one authority that a [`Krl`] revokes.
#[derive(Clone, Copy)]
pub struct RevokedCerts<'a>(&'a Certs);

impl<'a> RevokedCerts<'a> {
    /// The authority; `None` for every one.
    pub fn authority(&self) -> Option<&'a PublicKey> {
        self.0.authority.as_ref()
    }

    /// Ranges of serial numbers, both ends included, in order.
    pub fn serials(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        self.0.serials.iter()
    }

    /// Key ids, in order.
    pub fn key_ids(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.key_ids.iter().map(Vec::as_slice)
    }
}
