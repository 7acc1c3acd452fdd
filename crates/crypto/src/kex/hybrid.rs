//! Post-quantum hybrids: a KEM beside a curve (draft-ietf-sshm-mlkem-hybrid-kex,
//! draft-josefsson-ntruprime-ssh). The client sends `ek || point`, the server
//! `ciphertext || point`; the secret is `HASH(K_PQ || K_CL)`, as a string.

use carrick_lc::mlkem;
use sntrup761 as sntrup;
use zeroize::{Zeroize, Zeroizing};

use super::classic::{self, Classic};
use super::{ClientShare, KexError, KeyAgreement, SecretForm, SharedSecret};
use crate::hash::HashAlg;
use crate::rng::Rng;

/// The post-quantum half.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pq {
    MlKem768,
    Sntrup761,
}

enum PqPair {
    MlKem768(mlkem::KeyPair),
    Sntrup761(Box<sntrup::DecapsulationKey>),
}

type Secret = Zeroizing<Vec<u8>>;

impl Pq {
    fn public_len(self) -> usize {
        match self {
            Self::MlKem768 => mlkem::PUBLIC,
            Self::Sntrup761 => sntrup::PUBLIC_KEY_SIZE,
        }
    }

    fn ciphertext_len(self) -> usize {
        match self {
            Self::MlKem768 => mlkem::CIPHERTEXT,
            Self::Sntrup761 => sntrup::CIPHERTEXT_SIZE,
        }
    }

    /// A key pair and its public bytes.
    fn pair(self, rng: &mut dyn Rng) -> Result<(PqPair, Vec<u8>), KexError> {
        match self {
            Self::MlKem768 => {
                let mut seed = Zeroizing::new([0; mlkem::KEY_SEED]);
                rng.fill(&mut *seed);
                let pair = mlkem::KeyPair::from_seed(&seed).map_err(|_| KexError::Internal)?;
                let public = pair.public().map_err(|_| KexError::Internal)?.to_vec();
                Ok((PqPair::MlKem768(pair), public))
            }
            Self::Sntrup761 => {
                // The seed is stretched with ChaCha20 to what key generation draws.
                let mut seed = [0; 32];
                rng.fill(&mut seed);
                let (public, private) = sntrup::generate_key_from_seed(seed);
                seed.zeroize();
                Ok((
                    PqPair::Sntrup761(Box::new(private)),
                    public.as_ref().to_vec(),
                ))
            }
        }
    }

    /// A ciphertext for the peer's key, and the secret in it.
    fn encapsulate(self, rng: &mut dyn Rng, public: &[u8]) -> Result<(Vec<u8>, Secret), KexError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill(&mut *seed);
        match self {
            Self::MlKem768 => {
                let public = public.try_into().map_err(|_| KexError::Malformed)?;
                let (ciphertext, secret) =
                    mlkem::encapsulate(public, &seed).map_err(|_| KexError::Weak)?;
                Ok((ciphertext.to_vec(), Zeroizing::new(secret.to_vec())))
            }
            Self::Sntrup761 => {
                let public =
                    sntrup::EncapsulationKey::try_from(public).map_err(|_| KexError::Malformed)?;
                let (ciphertext, secret) = public.encapsulate_deterministic(*seed);
                Ok((
                    ciphertext.as_ref().to_vec(),
                    Zeroizing::new(secret.as_ref().to_vec()),
                ))
            }
        }
    }
}

impl PqPair {
    fn decapsulate(&self, ciphertext: &[u8]) -> Result<Secret, KexError> {
        match self {
            Self::MlKem768(pair) => {
                let ciphertext = ciphertext.try_into().map_err(|_| KexError::Malformed)?;
                let secret = pair
                    .decapsulate(ciphertext)
                    .map_err(|_| KexError::Internal)?;
                Ok(Zeroizing::new(secret.to_vec()))
            }
            Self::Sntrup761(pair) => {
                let ciphertext =
                    sntrup::Ciphertext::try_from(ciphertext).map_err(|_| KexError::Malformed)?;
                Ok(Zeroizing::new(
                    pair.decapsulate(&ciphertext).as_ref().to_vec(),
                ))
            }
        }
    }
}

/// A KEM, a curve, and the hash that binds their secrets.
pub(super) struct Hybrid {
    pub(super) pq: Pq,
    pub(super) classic: Classic,
    pub(super) hash: HashAlg,
}

fn combine(hash: HashAlg, pq: &[u8], classic: &[u8]) -> SharedSecret {
    SharedSecret::new(
        Zeroizing::new(hash.digest(&[pq, classic])),
        SecretForm::String,
    )
}

struct Share {
    pq: PqPair,
    ciphertext_len: usize,
    classic: classic::Pair,
    hash: HashAlg,
    public: Vec<u8>,
}

/// Cuts `KEM part || point`, both of known length.
fn halves(bytes: &[u8], first: usize, second: usize) -> Result<(&[u8], &[u8]), KexError> {
    bytes
        .split_at_checked(first)
        .filter(|(_, rest)| rest.len() == second)
        .ok_or(KexError::Malformed)
}

impl ClientShare for Share {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn finish(self: Box<Self>, server_public: &[u8]) -> Result<SharedSecret, KexError> {
        let point_len = self.classic.public.len();
        let (ciphertext, point) = halves(server_public, self.ciphertext_len, point_len)?;
        let pq = self.pq.decapsulate(ciphertext)?;
        let classic = self.classic.agree(point)?;
        Ok(combine(self.hash, &pq, &classic))
    }
}

impl KeyAgreement for Hybrid {
    fn client(&self, rng: &mut dyn Rng) -> Result<Box<dyn ClientShare>, KexError> {
        let (pq, mut public) = self.pq.pair(rng)?;
        let classic = self.classic.pair(rng)?;
        public.extend_from_slice(&classic.public);
        let ciphertext_len = self.pq.ciphertext_len();
        Ok(Box::new(Share {
            pq,
            ciphertext_len,
            classic,
            hash: self.hash,
            public,
        }))
    }

    fn server(
        &self,
        rng: &mut dyn Rng,
        client_public: &[u8],
    ) -> Result<(Vec<u8>, SharedSecret), KexError> {
        let (key, point) = halves(
            client_public,
            self.pq.public_len(),
            self.classic.public_len(),
        )?;
        let (mut public, pq) = self.pq.encapsulate(rng, key)?;
        let pair = self.classic.pair(rng)?;
        let classic = pair.agree(point)?;
        public.extend_from_slice(&pair.public);
        Ok((public, combine(self.hash, &pq, &classic)))
    }
}
