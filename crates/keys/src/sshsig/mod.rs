//! Signatures over files (OpenSSH's PROTOCOL.sshsig): what `ssh-keygen -Y
//! sign` writes and git keeps.
//!
//! What is signed is a hash of the message, so that a file of any size is
//! signed by whoever holds the key, and a namespace, so that a signature for
//! one use is none for another.
//!
//! [`SshSig::verify`] says which key signed. Whether that key may is another
//! question: see [`crate::allowed_signers`].

mod armor;
#[cfg(test)]
mod tests;

use core::fmt;

use carrick_crypto::hash::HashAlg;
use carrick_wire::{DecodeError, Reader, Writer};

pub use armor::ArmorError;

use crate::{KeyError, KeyType, PrivateKey, PublicKey, SignError, SignatureError, SkDetails};

/// What both a signature and what is signed begin with.
const MAGIC: &[u8] = b"SSHSIG";
/// The only version there is.
const VERSION: u32 = 1;

/// The hash that the message goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SigHash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    #[default]
    Sha512,
}

impl SigHash {
    /// The hash of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|h| h.name() == name)
    }

    /// `sha256` or `sha512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The function.
    pub fn algorithm(self) -> HashAlg {
        match self {
            Self::Sha256 => HashAlg::Sha256,
            Self::Sha512 => HashAlg::Sha512,
        }
    }
}

/// Why bytes are no signature of this form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshSigError {
    /// They do not begin as one.
    Magic,
    /// A version that is not known.
    Version(u32),
    /// The structure is wrong.
    Decode(DecodeError),
    /// The key in it is none.
    Key(KeyError),
    /// A hash that is not used for this.
    Hash {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for SshSigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("Couldn't verify signature: invalid format"),
            Self::Version(n) => write!(
                f,
                "Signature version {n} is larger than supported version {VERSION}"
            ),
            Self::Decode(DecodeError::Trailing { .. }) => {
                f.write_str("Signature contains trailing data")
            }
            Self::Decode(DecodeError::Truncated { .. }) => {
                f.write_str("parse signature object: incomplete message")
            }
            Self::Decode(_) | Self::Key(_) => f.write_str("parse signature object: invalid format"),
            Self::Hash { name } => write!(f, "unsupported hash algorithm \"{name}\""),
        }
    }
}

impl core::error::Error for SshSigError {}

impl From<DecodeError> for SshSigError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

/// Why a signature does not count for a message and a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshSigFault {
    /// It was made for another namespace.
    Namespace,
    /// The digest is of another length than the hash in the signature gives.
    Digest,
    /// An RSA key signed with SHA-1.
    RsaAlgorithm {
        /// The algorithm.
        name: String,
    },
    /// The key did not sign this.
    Signature(SignatureError),
}

impl fmt::Display for SshSigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => f.write_str("Couldn't verify signature: namespace does not match"),
            Self::Digest => f.write_str("Couldn't verify signature: hash algorithm mismatch"),
            Self::RsaAlgorithm { name } => write!(
                f,
                "Couldn't verify signature: unsupported RSA signature algorithm {name}"
            ),
            Self::Signature(e) => write!(f, "Signature verification failed: {e}"),
        }
    }
}

impl core::error::Error for SshSigFault {}

/// A signature over a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSig {
    key: PublicKey,
    namespace: String,
    hash: SigHash,
    signature: Vec<u8>,
}

/// A key that signed, as [`SshSig::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    key: PublicKey,
    namespace: String,
    sk: Option<SkDetails>,
}

impl Signer {
    /// The key, or the certificate that the signer showed. Nothing is known
    /// of a certificate but that the key in it signed.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What it was signed for.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What a security key said. It need not have been touched.
    pub fn security_key(&self) -> Option<SkDetails> {
        self.sk
    }
}

/// The bytes that a key signs for a message whose hash is `digest`.
fn to_sign(namespace: &str, hash: SigHash, digest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut w = Writer::new(&mut out);
    w.raw(MAGIC);
    w.text(namespace);
    w.string(b""); // reserved
    w.text(hash.name());
    w.string(digest);
    out
}

/// A signature that has yet to be made, by whoever holds the key.
pub struct UnsignedSig {
    key: PublicKey,
    namespace: String,
    hash: SigHash,
    bytes: Vec<u8>,
}

impl UnsignedSig {
    /// Prepares a signature by `key` (which may be a certificate) over a
    /// message whose hash is `digest`.
    pub fn new(key: &PublicKey, namespace: &str, hash: SigHash, digest: &[u8]) -> Self {
        Self {
            key: key.clone(),
            namespace: namespace.to_owned(),
            hash,
            bytes: to_sign(namespace, hash, digest),
        }
    }

    /// What the key signs.
    pub fn to_sign(&self) -> &[u8] {
        &self.bytes
    }

    /// The algorithm it signs with: for RSA the one with the same hash.
    /// `None` for a type of key that no algorithm is known of.
    pub fn algorithm(&self) -> Option<&'static str> {
        let plain = self.key.plain();
        match (plain.kind(), self.hash) {
            (KeyType::Rsa, SigHash::Sha256) => Some("rsa-sha2-256"),
            (KeyType::Rsa, SigHash::Sha512) => Some("rsa-sha2-512"),
            _ => plain.signature_algorithms().first().copied(),
        }
    }

    /// Completes it with the signature blob, which is checked: what an agent
    /// or a token gave may be anything.
    pub fn complete(self, signature: Vec<u8>) -> Result<SshSig, SignatureError> {
        self.key
            .verify_with_details(&self.bytes, &signature, None)?;
        Ok(SshSig {
            key: self.key,
            namespace: self.namespace,
            hash: self.hash,
            signature,
        })
    }
}

impl SshSig {
    /// Signs a message whose hash is `digest`, with a private key.
    pub fn sign(
        key: &PrivateKey,
        namespace: &str,
        hash: SigHash,
        digest: &[u8],
    ) -> Result<Self, SignError> {
        let unsigned = UnsignedSig::new(key.public(), namespace, hash, digest);
        let algorithm = unsigned.algorithm().ok_or(SignError::Failed)?;
        let signature = key.sign(algorithm, unsigned.to_sign())?;
        unsigned.complete(signature).map_err(|_| SignError::Failed)
    }

    /// Reads a signature, without its armor.
    pub fn from_blob(blob: &[u8]) -> Result<Self, SshSigError> {
        let mut r = Reader::new(blob.strip_prefix(MAGIC).ok_or(SshSigError::Magic)?);
        let version = r.u32("version").map_err(|_| SshSigError::Magic)?;
        if version != VERSION {
            return Err(SshSigError::Version(version));
        }
        let key = PublicKey::from_blob(r.string("key")?).map_err(SshSigError::Key)?;
        let namespace = r.text("namespace")?;
        if namespace.contains('\0') {
            return Err(DecodeError::NotText { field: "namespace" }.into());
        }
        r.string("reserved")?;
        let name = r.text("hash algorithm")?;
        let hash = SigHash::from_name(name).ok_or_else(|| SshSigError::Hash {
            name: name.chars().take(100).collect(),
        })?;
        let signature = r.string("signature")?.to_vec();
        r.finish()?;
        Ok(Self {
            key,
            namespace: namespace.to_owned(),
            hash,
            signature,
        })
    }

    /// The signature's bytes, without armor.
    pub fn to_blob(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.raw(MAGIC);
        w.u32(VERSION);
        w.string(&self.key.to_blob());
        w.text(&self.namespace);
        w.string(b""); // reserved
        w.text(self.hash.name());
        w.string(&self.signature);
        out
    }

    /// The key that claims to have signed.
    pub fn claimed_key(&self) -> &PublicKey {
        &self.key
    }

    /// The hash that the message must go through to be checked.
    pub fn hash(&self) -> SigHash {
        self.hash
    }

    /// Checks the signature over a message whose hash is `digest`, for one
    /// namespace.
    pub fn verify(&self, namespace: &str, digest: &[u8]) -> Result<Signer, SshSigFault> {
        if namespace != self.namespace {
            return Err(SshSigFault::Namespace);
        }
        if digest.len() != self.hash.algorithm().len() {
            return Err(SshSigFault::Digest);
        }
        let signed = to_sign(namespace, self.hash, digest);
        let good = self
            .key
            .verify_with_details(&signed, &self.signature, None)
            .map_err(SshSigFault::Signature)?;
        if good.algorithm == "ssh-rsa" {
            return Err(SshSigFault::RsaAlgorithm {
                name: good.algorithm.to_owned(),
            });
        }
        Ok(Signer {
            key: self.key.clone(),
            namespace: self.namespace.clone(),
            sk: good.sk,
        })
    }
}
