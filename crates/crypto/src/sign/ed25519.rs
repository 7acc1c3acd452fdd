//! Ed25519 (RFC 8032, RFC 8709).

use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::{BadSignature, KeyError};
use crate::rng::Rng;

/// A private key.
pub struct Ed25519Key {
    seed: Zeroizing<[u8; 32]>,
    public: [u8; 32],
    pair: Ed25519KeyPair,
}

impl Ed25519Key {
    /// A new key.
    pub fn generate(rng: &mut dyn Rng) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill(&mut *seed);
        Self::from_seed(&seed)
    }

    /// From its seed, RFC 8032's "private key".
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError)?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError)?;
        Ok(Self {
            seed: Zeroizing::new(*seed),
            public,
            pair,
        })
    }

    /// The seed.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.pair.try_sign(message).map_err(|_| KeyError)?;
        signature.as_ref().try_into().map_err(|_| KeyError)
    }
}

/// Verifies a signature of 64 bytes with a public key of 32.
pub fn verify_ed25519(public: &[u8], message: &[u8], sig: &[u8]) -> Result<(), BadSignature> {
    UnparsedPublicKey::new(&signature::ED25519, public)
        .verify(message, sig)
        .map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SystemRng;

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn known_answer() {
        let seed = [
            0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11,
            0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed,
            0x4f, 0xb8, 0xa6, 0xfb,
        ];
        let key = Ed25519Key::from_seed(&seed).unwrap();
        assert_eq!(key.public()[..4], [0x3d, 0x40, 0x17, 0xc3]);
        let signature = key.sign(&[0x72]).unwrap();
        assert_eq!(signature[..4], [0x92, 0xa0, 0x09, 0xa9]);
        verify_ed25519(key.public(), &[0x72], &signature).unwrap();
    }

    #[test]
    fn changed_bits_are_noticed() {
        let key = Ed25519Key::generate(&mut SystemRng).unwrap();
        assert_eq!(
            Ed25519Key::from_seed(key.seed()).unwrap().public(),
            key.public()
        );
        let signature = key.sign(b"message").unwrap();
        verify_ed25519(key.public(), b"message", &signature).unwrap();
        for bit in 0..512 {
            let mut wrong = signature;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(verify_ed25519(key.public(), b"message", &wrong).is_err());
        }
        assert!(verify_ed25519(key.public(), b"massage", &signature).is_err());
        assert!(verify_ed25519(&key.public()[1..], b"message", &signature).is_err());
        assert!(verify_ed25519(key.public(), b"message", &signature[1..]).is_err());
        assert!(verify_ed25519(&[], b"message", &[]).is_err());
    }
}
