//! ECDSA over the NIST curves, each with the hash that RFC 5656 section 6.2.1
//! gives it.

use aws_lc_rs::agreement;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::{BadSignature, KeyError};
use crate::rng::Rng;

/// A curve.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Curve {
    /// nistp256, with SHA-256.
    P256,
    /// nistp384, with SHA-384.
    P384,
    /// nistp521, with SHA-512.
    P521,
}

impl Curve {
    /// The length of a coordinate or scalar in bytes.
    pub fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The size of the field in bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// Draws scalars of the right width until `accept` takes one: which are
    /// in range is for the curve's own code to say.
    pub(crate) fn random_scalar<T>(
        self,
        rng: &mut dyn Rng,
        tries: usize,
        mut accept: impl FnMut(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let mut scalar = Zeroizing::new(vec![0; self.field_len()]);
        (0..tries).find_map(|_| {
            rng.fill(&mut scalar);
            if self == Self::P521
                && let Some(first) = scalar.first_mut()
            {
                *first &= 1;
            }
            accept(&scalar)
        })
    }

    fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
        }
    }

    fn signing(self) -> &'static signature::EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        }
    }

    fn verification(self) -> &'static signature::EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        }
    }

    /// A magnitude in the field's width; `None` if it does not fit.
    fn widen(self, magnitude: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let zeros = magnitude.iter().take_while(|b| **b == 0).count();
        let significant = magnitude.get(zeros..)?;
        let pad = self.field_len().checked_sub(significant.len())?;
        out.resize(out.len() + pad, 0);
        out.extend_from_slice(significant);
        Some(())
    }
}

/// A private key.
pub struct EcdsaKey {
    curve: Curve,
    scalar: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
    pair: EcdsaKeyPair,
}

impl EcdsaKey {
    /// A new key.
    pub fn generate(curve: Curve, rng: &mut dyn Rng) -> Result<Self, KeyError> {
        curve
            .random_scalar(rng, 32, |scalar| Self::from_scalar(curve, scalar).ok())
            .ok_or(KeyError)
    }

    /// From its scalar, a big-endian magnitude of any width.
    pub fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, KeyError> {
        let mut wide = Zeroizing::new(Vec::with_capacity(curve.field_len()));
        curve.widen(scalar, &mut wide).ok_or(KeyError)?;
        let private = agreement::PrivateKey::from_private_key(curve.agreement(), &wide);
        let public = private
            .map_err(|_| KeyError)?
            .compute_public_key()
            .map_err(|_| KeyError)?;
        let public = public.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), &wide, &public)
            .map_err(|_| KeyError)?;
        Ok(Self {
            curve,
            scalar: wide,
            public,
            pair,
        })
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The scalar in the field's width.
    pub fn scalar(&self) -> &[u8] {
        &self.scalar
    }

    /// The public point, uncompressed (SEC 1 section 2.3.3).
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Signs: `r` and `s` in the field's width.
    pub fn sign(&self, message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .map_err(|_| KeyError)?;
        let (r, s) = signature
            .as_ref()
            .split_at_checked(self.curve.field_len())
            .ok_or(KeyError)?;
        Ok((r.to_vec(), s.to_vec()))
    }
}

/// Verifies `(r, s)`, big-endian magnitudes, with an uncompressed point.
pub fn verify_ecdsa(
    curve: Curve,
    point: &[u8],
    message: &[u8],
    r: &[u8],
    s: &[u8],
) -> Result<(), BadSignature> {
    if point.len() != 1 + 2 * curve.field_len() || point.first() != Some(&4) {
        return Err(BadSignature);
    }
    let mut signature = Vec::with_capacity(2 * curve.field_len());
    curve.widen(r, &mut signature).ok_or(BadSignature)?;
    curve.widen(s, &mut signature).ok_or(BadSignature)?;
    UnparsedPublicKey::new(curve.verification(), point)
        .verify(message, &signature)
        .map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SystemRng;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    /// RFC 6979 appendix A.2.5, P-256 with SHA-256 and message "sample".
    #[test]
    fn verifies_a_published_signature() {
        let key = EcdsaKey::from_scalar(
            Curve::P256,
            &hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"),
        )
        .unwrap();
        let x = hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
        assert_eq!(key.public()[1..33], x);
        let r = hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
        let s = hex("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
        verify_ecdsa(Curve::P256, key.public(), b"sample", &r, &s).unwrap();
        assert!(verify_ecdsa(Curve::P256, key.public(), b"sampled", &r, &s).is_err());
    }

    #[test]
    fn signs_and_verifies() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let key = EcdsaKey::generate(curve, &mut SystemRng).unwrap();
            let again = EcdsaKey::from_scalar(curve, &[&[0, 0], key.scalar()].concat()).unwrap();
            assert_eq!(again.public(), key.public());
            let (r, s) = key.sign(b"message").unwrap();
            let verify = |point: &[u8], message: &[u8], r: &[u8], s: &[u8]| {
                verify_ecdsa(curve, point, message, r, s)
            };
            verify(key.public(), b"message", &r, &s).unwrap();
            // As the values of mpints: shorter when they begin with zeros.
            let (long, zero) = ([&[0], &r[..]].concat(), vec![0; r.len()]);
            verify(key.public(), b"message", &long, &s).unwrap();
            assert!(verify(key.public(), b"massage", &r, &s).is_err());
            assert!(verify(key.public(), b"message", &s, &r).is_err());
            assert!(verify(key.public(), b"message", &zero, &s).is_err());
            assert!(verify(key.public(), b"message", &[&[1], &r[..]].concat(), &s).is_err());
            let mut off_curve = key.public().to_vec();
            off_curve[9] ^= 1;
            assert!(verify(&off_curve, b"message", &r, &s).is_err());
            assert!(verify(&key.public()[..33], b"message", &r, &s).is_err());
        }
    }

    #[test]
    fn scalars_out_of_range() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            assert!(EcdsaKey::from_scalar(curve, &[]).is_err());
            assert!(EcdsaKey::from_scalar(curve, &vec![0; curve.field_len()]).is_err());
            assert!(EcdsaKey::from_scalar(curve, &vec![0xff; curve.field_len()]).is_err());
            assert!(EcdsaKey::from_scalar(curve, &vec![1; curve.field_len() + 1]).is_err());
        }
    }
}
