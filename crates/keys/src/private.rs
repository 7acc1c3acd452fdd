//! Private keys: making them, signing with them.

use core::fmt;
use std::borrow::Cow;

use carrick_crypto::rng::Rng;
use carrick_crypto::sign::{
    Components, EcdsaKey, Ed25519Key, MLDSA44_ED25519_SEED, MlDsa44Ed25519Key, RsaKey,
};
use carrick_wire::{Encode, Mpint, Secret, Writer};

use zeroize::Zeroizing;

use crate::public::{RSA_BITS_MAX, RSA_BITS_MIN};
use crate::signature::rsa_hash;
use crate::{Curve, KeyFileError, KeyType, PublicKey, algorithm};

/// Bits of a new RSA key when none are asked for, as in OpenSSH.
pub const RSA_BITS_DEFAULT: u32 = 3072;

/// Why a key did not sign, or could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The algorithm does not go with this type of key.
    WrongAlgorithm {
        /// What was asked for.
        name: String,
        /// The key's type.
        key_type: &'static str,
    },
    /// The key is in a security key, which is not spoken to here: see
    /// [`crate::helper::sk`].
    SecurityKey,
    /// The size asked for is not one that this type can have.
    BadSize {
        /// What was asked for.
        bits: u32,
    },
    /// The primitive refused, which a sound key does not cause.
    Failed,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongAlgorithm { name, key_type } => {
                write!(
                    f,
                    "signature algorithm {name:?} does not go with a {key_type} key"
                )
            }
            Self::SecurityKey => f.write_str("the key is in a security key"),
            Self::BadSize { bits } => write!(f, "a key of {bits} bits cannot be made"),
            Self::Failed => f.write_str("signing failed"),
        }
    }
}

impl core::error::Error for SignError {}

/// What a private key file holds for a key that lives in a security key.
pub struct SkHandle {
    /// Flags the key was made with.
    pub flags: u8,
    /// What the security key needs to find the key again.
    pub handle: Secret,
    /// Kept as it is.
    pub reserved: Vec<u8>,
}

pub(crate) enum Material {
    Ed25519(Ed25519Key),
    Ecdsa(EcdsaKey),
    Rsa(RsaKey),
    MlDsa44Ed25519(Box<MlDsa44Ed25519Key>),
    Sk(SkHandle),
}

/// A private key with its comment. Wiped when dropped, never printed.
pub struct PrivateKey {
    pub(crate) material: Material,
    public: PublicKey,
    comment: Vec<u8>,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// An RSA key's numbers, as big-endian magnitudes.
pub(crate) struct RsaParts<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) d: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) iqmp: &'a [u8],
}

impl PrivateKey {
    /// Makes a key. `bits` matters for RSA only (0 for the default); an
    /// ECDSA key's size is that of its curve.
    pub fn generate(kind: KeyType, bits: u32, rng: &mut dyn Rng) -> Result<Self, SignError> {
        let (material, public) = match kind {
            KeyType::Ed25519 => {
                let key = Ed25519Key::generate(rng).map_err(|_| SignError::Failed)?;
                let public = PublicKey::Ed25519(*key.public());
                (Material::Ed25519(key), public)
            }
            KeyType::Ecdsa(curve) => {
                let key = EcdsaKey::generate(curve, rng).map_err(|_| SignError::Failed)?;
                let public = PublicKey::Ecdsa {
                    curve,
                    point: key.public().to_vec(),
                };
                (Material::Ecdsa(key), public)
            }
            KeyType::Rsa => {
                let bits = if bits == 0 { RSA_BITS_DEFAULT } else { bits };
                if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                    return Err(SignError::BadSize { bits });
                }
                let size = usize::try_from(bits).map_err(|_| SignError::BadSize { bits })?;
                let key = RsaKey::generate(size).map_err(|_| SignError::BadSize { bits })?;
                let parts = key.components().map_err(|_| SignError::Failed)?;
                let public = PublicKey::Rsa {
                    e: parts.e.clone(),
                    n: parts.n.clone(),
                };
                (Material::Rsa(key), public)
            }
            KeyType::MlDsa44Ed25519 => {
                let key = MlDsa44Ed25519Key::generate(rng).map_err(|_| SignError::Failed)?;
                let public = key.public().try_into().map_err(|_| SignError::Failed)?;
                (
                    Material::MlDsa44Ed25519(Box::new(key)),
                    PublicKey::MlDsa44Ed25519(Box::new(public)),
                )
            }
            KeyType::SkEd25519 | KeyType::SkEcdsa => return Err(SignError::SecurityKey),
        };
        Ok(Self {
            material,
            public,
            comment: Vec::new(),
        })
    }

    pub(crate) fn from_ed25519(seed: &[u8; 32], comment: Vec<u8>) -> Result<Self, KeyFileError> {
        let key = Ed25519Key::from_seed(seed).map_err(|_| KeyFileError::Invalid {
            what: "ed25519 private key",
        })?;
        let public = PublicKey::Ed25519(*key.public());
        Ok(Self {
            material: Material::Ed25519(key),
            public,
            comment,
        })
    }

    pub(crate) fn from_mldsa44_ed25519(
        seed: &[u8; MLDSA44_ED25519_SEED],
        comment: Vec<u8>,
    ) -> Result<Self, KeyFileError> {
        const BAD: KeyFileError = KeyFileError::Invalid {
            what: "mldsa44-ed25519 private key",
        };
        let key = MlDsa44Ed25519Key::from_seed(seed).map_err(|_| BAD)?;
        let public = key.public().try_into().map_err(|_| BAD)?;
        Ok(Self {
            material: Material::MlDsa44Ed25519(Box::new(key)),
            public: PublicKey::MlDsa44Ed25519(Box::new(public)),
            comment,
        })
    }

    pub(crate) fn from_ecdsa(
        curve: Curve,
        scalar: &[u8],
        comment: Vec<u8>,
    ) -> Result<Self, KeyFileError> {
        let key = EcdsaKey::from_scalar(curve, scalar).map_err(|_| KeyFileError::Invalid {
            what: "ecdsa private key",
        })?;
        let public = PublicKey::Ecdsa {
            curve,
            point: key.public().to_vec(),
        };
        Ok(Self {
            material: Material::Ecdsa(key),
            public,
            comment,
        })
    }

    pub(crate) fn from_rsa(parts: &RsaParts<'_>, comment: Vec<u8>) -> Result<Self, KeyFileError> {
        let public = PublicKey::rsa(parts.e.to_vec(), parts.n.to_vec())?;
        let secret = |number: &[u8]| Zeroizing::new(number.to_vec());
        let key = RsaKey::from_components(&Components {
            n: parts.n.to_vec(),
            e: parts.e.to_vec(),
            d: secret(parts.d),
            p: secret(parts.p),
            q: secret(parts.q),
            iqmp: secret(parts.iqmp),
        })
        .map_err(|_| KeyFileError::Invalid {
            what: "rsa private key",
        })?;
        Ok(Self {
            material: Material::Rsa(key),
            public,
            comment,
        })
    }

    /// A key that lives in a security key, without a comment; `None` if
    /// `public` is of another kind.
    pub fn in_security_key(public: PublicKey, handle: SkHandle) -> Option<Self> {
        matches!(
            public,
            PublicKey::SkEd25519 { .. } | PublicKey::SkEcdsa { .. }
        )
        .then(|| Self::from_sk(public, handle, Vec::new()))
    }

    pub(crate) fn from_sk(public: PublicKey, handle: SkHandle, comment: Vec<u8>) -> Self {
        Self {
            material: Material::Sk(handle),
            public,
            comment,
        }
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The comment, as text.
    pub fn comment(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.comment)
    }

    /// The comment, as it stands in the file.
    pub fn comment_bytes(&self) -> &[u8] {
        &self.comment
    }

    /// Gives the key another comment.
    pub fn set_comment(&mut self, comment: impl Into<Vec<u8>>) {
        self.comment = comment.into();
    }

    /// The names of the signature algorithms this key can sign with, best
    /// first; see [`PublicKey::signature_algorithms`].
    pub fn signature_algorithms(&self) -> Vec<&'static str> {
        self.public.signature_algorithms()
    }

    /// What a security key's file holds, if this is one.
    pub fn security_key(&self) -> Option<&SkHandle> {
        match &self.material {
            Material::Sk(handle) => Some(handle),
            _ => None,
        }
    }

    /// As [`Self::security_key`], to change it.
    pub fn security_key_mut(&mut self) -> Option<&mut SkHandle> {
        match &mut self.material {
            Material::Sk(handle) => Some(handle),
            _ => None,
        }
    }

    /// Signs `message` with the algorithm of that name and returns the
    /// signature blob. A certificate algorithm stands for the plain one that
    /// its signatures have.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let wrong = || SignError::WrongAlgorithm {
            name: algorithm.chars().take(64).collect(),
            key_type: self.public.key_type(),
        };
        let plain = algorithm::find(algorithm)
            .and_then(|a| algorithm::find(a.signature))
            .filter(|a| a.key_type == self.public.key_type())
            .ok_or_else(wrong)?;
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.text(plain.name);
        match &self.material {
            Material::Ed25519(key) => {
                w.string(&key.sign(message).map_err(|_| SignError::Failed)?);
            }
            Material::MlDsa44Ed25519(key) => {
                w.string(&key.sign(message).map_err(|_| SignError::Failed)?);
            }
            Material::Ecdsa(key) => {
                let (r, s) = key.sign(message).map_err(|_| SignError::Failed)?;
                w.sub(|w| {
                    Mpint::from_magnitude(&r).encode(w);
                    Mpint::from_magnitude(&s).encode(w);
                });
            }
            Material::Rsa(key) => {
                let hash = rsa_hash(plain.name).ok_or_else(wrong)?;
                w.string(&key.sign(hash, message).map_err(|_| SignError::Failed)?);
            }
            Material::Sk(_) => return Err(SignError::SecurityKey),
        }
        Ok(out)
    }
}
