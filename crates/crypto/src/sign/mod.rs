//! Signatures with raw keys: no SSH encodings here, those are `carrick-keys`'.

mod ecdsa;
mod ed25519;
mod mldsa44_ed25519;
mod rsa;

pub use ecdsa::{Curve, EcdsaKey, verify_ecdsa};
pub use ed25519::{Ed25519Key, verify_ed25519};
pub use mldsa44_ed25519::{
    MLDSA44_ED25519_PUBLIC, MLDSA44_ED25519_SEED, MLDSA44_ED25519_SIGNATURE, MlDsa44Ed25519Key,
    verify_mldsa44_ed25519,
};
pub use rsa::{Components, RSA_BITS, RsaKey, verify_rsa};

/// A signature does not belong to message and key, or one of them is not
/// well formed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSignature;

impl core::fmt::Display for BadSignature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("signature does not verify")
    }
}

impl core::error::Error for BadSignature {}

/// Key material was not usable, or a computation with it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyError;

impl core::fmt::Display for KeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("unusable key")
    }
}

impl core::error::Error for KeyError {}
