//! ML-DSA-44 and Ed25519 in one signature that needs both
//! (draft-miller-sshm-mldsa44-ed25519-composite-sigs after
//! draft-ietf-lamps-pq-composite-sigs), with the empty context that SSH has.
//!
//! Public keys, private seeds and signatures are the two schemes' own, one
//! behind the other, ML-DSA first. Both sign the same `M'`, which names the
//! combination, so that neither half is of use as a signature by itself.

use carrick_lc::mldsa::{self, MlDsa44};
use zeroize::Zeroizing;

use super::{BadSignature, Ed25519Key, KeyError, verify_ed25519};
use crate::hash::HashAlg;
use crate::rng::Rng;

/// The length of a public key.
pub const MLDSA44_ED25519_PUBLIC: usize = mldsa::PUBLIC + 32;
/// The length of a private key: two seeds.
pub const MLDSA44_ED25519_SEED: usize = mldsa::SEED + 32;
/// The length of a signature.
pub const MLDSA44_ED25519_SIGNATURE: usize = mldsa::SIGNATURE + 64;

/// What every composite signature's message begins with.
const PREFIX: &[u8] = b"CompositeAlgorithmSignatures2025";
/// The name of this combination; also ML-DSA's context.
const LABEL: &[u8] = b"COMPSIG-MLDSA44-Ed25519-SHA512";

/// `M'`: prefix, label, the context (its length, 0, is all of it) and the
/// hash of the message.
fn signed_message(message: &[u8]) -> Vec<u8> {
    let hash = HashAlg::Sha512.digest(&[message]);
    [PREFIX, LABEL, &[0], &hash].concat()
}

/// A private key.
pub struct MlDsa44Ed25519Key {
    seed: Zeroizing<[u8; MLDSA44_ED25519_SEED]>,
    public: Vec<u8>,
    mldsa: MlDsa44,
    ed25519: Ed25519Key,
}

impl MlDsa44Ed25519Key {
    /// A new key.
    pub fn generate(rng: &mut dyn Rng) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; MLDSA44_ED25519_SEED]);
        rng.fill(&mut *seed);
        Self::from_seed(&seed)
    }

    /// From its two seeds.
    pub fn from_seed(seed: &[u8; MLDSA44_ED25519_SEED]) -> Result<Self, KeyError> {
        let (first, second) = seed.split_first_chunk().ok_or(KeyError)?;
        let mldsa = MlDsa44::from_seed(first).map_err(|_| KeyError)?;
        let ed25519 = Ed25519Key::from_seed(second.try_into().map_err(|_| KeyError)?)?;
        let public = mldsa.public().map_err(|_| KeyError)?;
        Ok(Self {
            seed: Zeroizing::new(*seed),
            public: [&public[..], ed25519.public()].concat(),
            mldsa,
            ed25519,
        })
    }

    /// The two seeds.
    pub fn seed(&self) -> &[u8; MLDSA44_ED25519_SEED] {
        &self.seed
    }

    /// The public key, [`MLDSA44_ED25519_PUBLIC`] bytes.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Signs: [`MLDSA44_ED25519_SIGNATURE`] bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let message = signed_message(message);
        let first = self.mldsa.sign(&message, LABEL).map_err(|_| KeyError)?;
        Ok([&first[..], &self.ed25519.sign(&message)?].concat())
    }
}

/// Verifies a signature: both halves must be right.
pub fn verify_mldsa44_ed25519(
    public: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    let message = signed_message(message);
    let (public, ed25519) = public.split_first_chunk().ok_or(BadSignature)?;
    let (first, second) = signature.split_first_chunk().ok_or(BadSignature)?;
    mldsa::verify(public, &message, LABEL, first).map_err(|_| BadSignature)?;
    verify_ed25519(ed25519, &message, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SystemRng;

    #[test]
    fn both_halves_count() {
        let key = MlDsa44Ed25519Key::generate(&mut SystemRng).unwrap();
        assert_eq!(key.public().len(), MLDSA44_ED25519_PUBLIC);
        let again = MlDsa44Ed25519Key::from_seed(key.seed()).unwrap();
        assert_eq!(again.public(), key.public());
        let signature = key.sign(b"message").unwrap();
        assert_eq!(signature.len(), MLDSA44_ED25519_SIGNATURE);
        let verify = |m: &[u8], s: &[u8]| verify_mldsa44_ed25519(key.public(), m, s);
        verify(b"message", &signature).unwrap();
        assert!(verify(b"massage", &signature).is_err());
        for at in [0, 2419, 2420, 2483] {
            let mut wrong = signature.clone();
            wrong[at] ^= 1;
            assert!(verify(b"message", &wrong).is_err(), "{at}");
        }
        for len in [0, 64, 2420, 2483] {
            assert!(verify(b"message", &signature[..len]).is_err());
        }
        assert!(verify(b"message", &[&signature[..], &[0]].concat()).is_err());
        // A half by itself is no signature of the message.
        let plain = key.ed25519.sign(b"message").unwrap();
        let mixed = [&signature[..2420], &plain].concat();
        assert!(verify(b"message", &mixed).is_err());
        let other = MlDsa44Ed25519Key::generate(&mut SystemRng).unwrap();
        assert!(verify_mldsa44_ed25519(other.public(), b"message", &signature).is_err());
        assert!(verify_mldsa44_ed25519(&key.public()[1..], b"message", &signature).is_err());
    }
}
