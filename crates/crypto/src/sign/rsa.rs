//! RSA with PKCS#1 v1.5 (RFC 8332; `ssh-rsa` of RFC 4253 with SHA-1).

pub use carrick_lc::rsa::{BITS as RSA_BITS, Components};
use carrick_lc::rsa::{RsaKey as Key, RsaPublic};

use zeroize::Zeroizing;

use super::{BadSignature, KeyError};
use crate::hash::HashAlg;

/// A private key.
pub struct RsaKey(Key);

impl RsaKey {
    /// A new key with public exponent 65537. The randomness is the system's:
    /// AWS-LC draws it itself.
    pub fn generate(bits: usize) -> Result<Self, KeyError> {
        Key::generate(bits).map(Self).map_err(|_| KeyError)
    }

    /// From its parts; they are checked to belong together.
    pub fn from_components(parts: &Components) -> Result<Self, KeyError> {
        Key::from_components(parts).map(Self).map_err(|_| KeyError)
    }

    /// Its parts.
    pub fn components(&self) -> Result<Components, KeyError> {
        self.0.components().map_err(|_| KeyError)
    }

    /// The private exponent modulo `p - 1` and modulo `q - 1`, as PKCS#1
    /// files hold them.
    pub fn crt_exponents(&self) -> Result<[Zeroizing<Vec<u8>>; 2], KeyError> {
        self.0.crt_exponents().map_err(|_| KeyError)
    }

    /// The size of the modulus in bits.
    pub fn bits(&self) -> usize {
        self.0.bits()
    }

    /// Signs; the signature is as long as the modulus.
    pub fn sign(&self, hash: HashAlg, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0
            .sign(hash.lc(), &hash.digest(&[message]))
            .map_err(|_| KeyError)
    }
}

/// Verifies with a public key of 1024 to 16384 bits. A signature without its
/// leading zeros, as some old implementations send, is taken.
pub fn verify_rsa(
    n: &[u8],
    e: &[u8],
    hash: HashAlg,
    message: &[u8],
    sig: &[u8],
) -> Result<(), BadSignature> {
    let key = RsaPublic::new(n, e).map_err(|_| BadSignature)?;
    let pad = key.size().checked_sub(sig.len()).ok_or(BadSignature)?;
    let digest = hash.digest(&[message]);
    if pad == 0 {
        return key
            .verify(hash.lc(), &digest, sig)
            .map_err(|_| BadSignature);
    }
    let mut padded = vec![0; pad];
    padded.extend_from_slice(sig);
    key.verify(hash.lc(), &digest, &padded)
        .map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_verifies() {
        let key = RsaKey::generate(2048).unwrap();
        assert_eq!(key.bits(), 2048);
        let parts = key.components().unwrap();
        let key = RsaKey::from_components(&parts).unwrap();
        for hash in [HashAlg::Sha1, HashAlg::Sha256, HashAlg::Sha512] {
            let mut signature = key.sign(hash, b"message").unwrap();
            let verify =
                |message: &[u8], sig: &[u8]| verify_rsa(&parts.n, &parts.e, hash, message, sig);
            verify(b"message", &signature).unwrap();
            assert!(verify(b"massage", &signature).is_err());
            assert!(verify(b"message", &[&[0], &signature[..]].concat()).is_err());
            assert!(verify(b"message", &[]).is_err());
            signature[100] ^= 4;
            assert!(verify(b"message", &signature).is_err());
        }
        let signature = key.sign(HashAlg::Sha256, b"message").unwrap();
        assert!(verify_rsa(&parts.n, &parts.e, HashAlg::Sha512, b"message", &signature).is_err());
        assert!(verify_rsa(&[], &parts.e, HashAlg::Sha256, b"message", &signature).is_err());
        assert!(verify_rsa(&parts.n, &[], HashAlg::Sha256, b"message", &signature).is_err());
    }

    /// One signature in 256 begins with a zero byte, which a sender may drop.
    #[test]
    fn short_signature() {
        let key = RsaKey::generate(1024).unwrap();
        let parts = key.components().unwrap();
        let found = (0u32..20_000).find_map(|i| {
            let message = i.to_be_bytes();
            let signature = key.sign(HashAlg::Sha256, &message).unwrap();
            (signature[0] == 0).then_some((message, signature))
        });
        let (message, signature) = found.unwrap();
        verify_rsa(
            &parts.n,
            &parts.e,
            HashAlg::Sha256,
            &message,
            &signature[1..],
        )
        .unwrap();
    }
}
