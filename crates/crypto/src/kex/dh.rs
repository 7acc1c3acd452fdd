//! Finite-field Diffie-Hellman (RFC 4253 section 8, RFC 4419, RFC 8268).

use carrick_lc::dh::{Group, mod_exp};
use zeroize::Zeroizing;

use super::{ClientShare, KexError, KeyAgreement, SecretForm, SharedSecret, strip};
use crate::rng::Rng;

/// The sizes of group that are computed with at all, in bits.
const BITS: core::ops::RangeInclusive<usize> = 1024..=8192;

/// Length of a private exponent in bytes. RFC 4419 section 6.2 asks for twice
/// the strength of the keys to be derived: 512 bits serve the full 256.
const EXPONENT: usize = 64;

/// A public value with fewer bits set gives the private one away or was made
/// by hand; OpenSSH refuses it as well.
const MIN_BITS_SET: u32 = 4;

/// A group to agree in: an odd modulus and a generator.
#[derive(Clone)]
pub struct DhGroup {
    p: Vec<u8>,
    g: Vec<u8>,
}

/// The group of a group exchange, from big-endian magnitudes. Whether the
/// modulus is prime is not examined: the server chose it, and its signature
/// covers it.
pub fn dh_group(p: &[u8], g: &[u8]) -> Result<DhGroup, KexError> {
    let (p, g) = (strip(p), strip(g));
    let bits = p.len() * 8 - p.first().map_or(0, |b| b.leading_zeros() as usize);
    let odd = p.last().is_some_and(|b| b & 1 == 1);
    let group = DhGroup {
        p: p.to_vec(),
        g: g.to_vec(),
    };
    if BITS.contains(&bits) && odd && group.in_range(g) {
        Ok(group)
    } else {
        Err(KexError::BadGroup)
    }
}

impl DhGroup {
    /// `1 < value < p - 1`, for a magnitude without leading zeros.
    fn in_range(&self, value: &[u8]) -> bool {
        let above_one = value.len() > 1 || value.first().is_some_and(|b| *b > 1);
        // p is odd, so p - 1 differs from it in the last bit alone.
        let mut limit = self.p.clone();
        if let Some(last) = limit.last_mut() {
            *last &= 0xfe;
        }
        above_one && (value.len(), value) < (limit.len(), &limit[..])
    }

    /// RFC 8268 section 4 and RFC 4253 section 8: what a peer may send.
    fn acceptable(&self, public: &[u8]) -> bool {
        self.in_range(public) && public.iter().map(|b| b.count_ones()).sum::<u32>() >= MIN_BITS_SET
    }

    fn pair(&self, rng: &mut dyn Rng) -> Result<Pair, KexError> {
        for _ in 0..8 {
            let mut exponent = Zeroizing::new(vec![0; EXPONENT]);
            rng.fill(&mut exponent);
            let public = mod_exp(&self.g, &exponent, &self.p).map_err(|_| KexError::Internal)?;
            let public = strip(&public).to_vec();
            if self.acceptable(&public) {
                return Ok(Pair {
                    group: self.clone(),
                    exponent,
                    public,
                });
            }
        }
        Err(KexError::BadGroup)
    }
}

struct Pair {
    group: DhGroup,
    exponent: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

impl Pair {
    fn agree(&self, peer: &[u8]) -> Result<SharedSecret, KexError> {
        let peer = strip(peer);
        if !self.group.acceptable(peer) {
            return Err(KexError::Weak);
        }
        let secret =
            mod_exp(peer, &self.exponent, &self.group.p).map_err(|_| KexError::Internal)?;
        // 0, 1 and p - 1 come only of a group that is not what it should be.
        if !self.group.in_range(strip(&secret)) {
            return Err(KexError::Weak);
        }
        Ok(SharedSecret::new(secret, SecretForm::Mpint))
    }
}

impl ClientShare for Pair {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn finish(self: Box<Self>, server_public: &[u8]) -> Result<SharedSecret, KexError> {
        self.agree(server_public)
    }
}

impl KeyAgreement for DhGroup {
    fn client(&self, rng: &mut dyn Rng) -> Result<Box<dyn ClientShare>, KexError> {
        Ok(Box::new(self.pair(rng)?))
    }

    fn server(
        &self,
        rng: &mut dyn Rng,
        client_public: &[u8],
    ) -> Result<(Vec<u8>, SharedSecret), KexError> {
        // A bad value is refused before anything is computed for it.
        if !self.acceptable(strip(client_public)) {
            return Err(KexError::Weak);
        }
        let pair = self.pair(rng)?;
        let secret = pair.agree(client_public)?;
        Ok((pair.public, secret))
    }
}

/// One of the fixed groups, with generator 2.
pub(super) struct FixedGroup(pub(super) Group);

impl FixedGroup {
    fn group(&self) -> Result<DhGroup, KexError> {
        let p = self.0.prime().map_err(|_| KexError::Internal)?;
        Ok(DhGroup { p, g: vec![2] })
    }
}

impl KeyAgreement for FixedGroup {
    fn client(&self, rng: &mut dyn Rng) -> Result<Box<dyn ClientShare>, KexError> {
        self.group()?.client(rng)
    }

    fn server(
        &self,
        rng: &mut dyn Rng,
        client_public: &[u8],
    ) -> Result<(Vec<u8>, SharedSecret), KexError> {
        self.group()?.server(rng, client_public)
    }
}
