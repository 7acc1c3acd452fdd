//! Fingerprints: a key's hash, as people compare it.

use core::fmt;

use base64ct::{Base64Unpadded, Encoding};
use carrick_crypto::hash::HashAlg;

use crate::PublicKey;

/// Which hash a fingerprint is made with (`FingerprintHash`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FingerprintHash {
    /// SHA-256, in base64.
    #[default]
    Sha256,
    /// MD5, in colon-separated hexadecimal.
    Md5,
    /// SHA-1, in base64.
    Sha1,
    /// SHA-384, in base64.
    Sha384,
    /// SHA-512, in base64.
    Sha512,
}

impl FingerprintHash {
    /// The hash of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        use FingerprintHash::{Md5, Sha1, Sha256, Sha384, Sha512};
        [Sha256, Md5, Sha1, Sha384, Sha512]
            .into_iter()
            .find(|h| h.name().eq_ignore_ascii_case(name))
    }

    /// `SHA256`, `MD5` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }
}

/// A key's fingerprint. Prints as OpenSSH does: `SHA256:...`, `MD5:aa:bb...`.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: FingerprintHash,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a key blob under SHA-256.
    pub fn sha256(blob: &[u8]) -> Self {
        Self::new(FingerprintHash::Sha256, blob)
    }

    /// The fingerprint of a key blob under MD5.
    pub fn md5(blob: &[u8]) -> Self {
        Self::new(FingerprintHash::Md5, blob)
    }

    /// The fingerprint of a key blob.
    pub fn new(hash: FingerprintHash, blob: &[u8]) -> Self {
        let algorithm = match hash {
            FingerprintHash::Sha256 => HashAlg::Sha256,
            FingerprintHash::Md5 => HashAlg::Md5,
            FingerprintHash::Sha1 => HashAlg::Sha1,
            FingerprintHash::Sha384 => HashAlg::Sha384,
            FingerprintHash::Sha512 => HashAlg::Sha512,
        };
        Self {
            hash,
            digest: algorithm.digest(&[blob]),
        }
    }

    /// Which hash it was made with.
    pub fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// The hash's bytes.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl PublicKey {
    /// The key's fingerprint; a certificate's is that of the certified key.
    pub fn fingerprint(&self, hash: FingerprintHash) -> Fingerprint {
        Fingerprint::new(hash, &self.plain().to_blob())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        match self.hash {
            FingerprintHash::Md5 => self.digest.iter().try_for_each(|b| write!(f, ":{b:02x}")),
            _ => write!(f, ":{}", Base64Unpadded::encode_string(&self.digest)),
        }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
