//! Elliptic curve Diffie-Hellman: X25519 (RFC 8731) and the NIST curves
//! (RFC 5656 section 4).

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::{ClientShare, KexError, KeyAgreement, SecretForm, SharedSecret};
use crate::rng::Rng;
use crate::sign::Curve;

/// A curve for key agreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Classic {
    X25519,
    Nist(Curve),
}

/// A key pair that waits for the peer's public value.
pub(super) struct Pair {
    curve: Classic,
    private: PrivateKey,
    pub(super) public: Vec<u8>,
}

/// Random scalars that may be out of a NIST curve's range before one is not;
/// the chance of a single miss is at most 2^-32 with 521 bits masked.
const TRIES: usize = 32;

impl Classic {
    fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::Nist(Curve::P256) => &agreement::ECDH_P256,
            Self::Nist(Curve::P384) => &agreement::ECDH_P384,
            Self::Nist(Curve::P521) => &agreement::ECDH_P521,
        }
    }

    /// The length of a public value.
    pub(super) fn public_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::Nist(curve) => 1 + 2 * curve.field_len(),
        }
    }

    pub(super) fn pair(self, rng: &mut dyn Rng) -> Result<Pair, KexError> {
        let private = match self {
            Self::X25519 => {
                let mut scalar = Zeroizing::new([0; 32]);
                rng.fill(&mut *scalar);
                PrivateKey::from_private_key(self.algorithm(), &*scalar)
                    .map_err(|_| KexError::Internal)?
            }
            Self::Nist(curve) => curve
                .random_scalar(rng, TRIES, |scalar| {
                    PrivateKey::from_private_key(self.algorithm(), scalar).ok()
                })
                .ok_or(KexError::Internal)?,
        };
        let public = private
            .compute_public_key()
            .map_err(|_| KexError::Internal)?;
        Ok(Pair {
            curve: self,
            private,
            public: public.as_ref().to_vec(),
        })
    }
}

impl Pair {
    /// The raw secret: the x coordinate in full width. An all-zero X25519
    /// result and points off the curve are refused.
    pub(super) fn agree(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, KexError> {
        let uncompressed = match self.curve {
            Classic::X25519 => true,
            Classic::Nist(_) => peer.first() == Some(&4),
        };
        if peer.len() != self.curve.public_len() || !uncompressed {
            return Err(KexError::Malformed);
        }
        let peer = UnparsedPublicKey::new(self.curve.algorithm(), peer);
        agreement::agree(&self.private, peer, KexError::Weak, |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
    }
}

impl ClientShare for Pair {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn finish(self: Box<Self>, server_public: &[u8]) -> Result<SharedSecret, KexError> {
        Ok(SharedSecret::new(
            self.agree(server_public)?,
            SecretForm::Mpint,
        ))
    }
}

impl KeyAgreement for Classic {
    fn client(&self, rng: &mut dyn Rng) -> Result<Box<dyn ClientShare>, KexError> {
        Ok(Box::new(self.pair(rng)?))
    }

    fn server(
        &self,
        rng: &mut dyn Rng,
        client_public: &[u8],
    ) -> Result<(Vec<u8>, SharedSecret), KexError> {
        let pair = self.pair(rng)?;
        let secret = pair.agree(client_public)?;
        Ok((pair.public, SharedSecret::new(secret, SecretForm::Mpint)))
    }
}
