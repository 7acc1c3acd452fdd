//! The MACs over packets, keyed.

use carrick_lc::Failed;
use carrick_lc::hmac::{Digest, HmacKey};

use super::{BadMac, LENGTH};
use crate::hash::ct_eq;
use crate::umac::{Umac64, Umac128};

/// A keyed MAC. The sequence number enters an HMAC before the data (RFC 4253
/// section 6.4), and UMAC as its nonce.
pub(super) enum MacKey {
    Hmac { key: Box<HmacKey>, tag: usize },
    Umac64(Box<Umac64>),
    Umac128(Box<Umac128>),
}

impl MacKey {
    pub(super) fn hmac(digest: Digest, tag: usize, key: &[u8]) -> Result<Self, Failed> {
        Ok(Self::Hmac {
            key: Box::new(HmacKey::new(digest, key)?),
            tag,
        })
    }

    pub(super) fn umac64(key: &[u8]) -> Result<Self, Failed> {
        let key = key.try_into().map_err(|_| Failed)?;
        Ok(Self::Umac64(Box::new(Umac64::new(key)?)))
    }

    pub(super) fn umac128(key: &[u8]) -> Result<Self, Failed> {
        let key = key.try_into().map_err(|_| Failed)?;
        Ok(Self::Umac128(Box::new(Umac128::new(key)?)))
    }

    /// The tag's length.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Hmac { tag, .. } => *tag,
            Self::Umac64(_) => 8,
            Self::Umac128(_) => 16,
        }
    }

    /// A packet's body, in which the length is whole, and the place of its tag.
    pub(super) fn split<'p>(&self, packet: &'p mut [u8]) -> Option<(&'p mut [u8], &'p mut [u8])> {
        let end = packet.len().checked_sub(self.len())?;
        let halves = packet.split_at_mut_checked(end);
        halves.filter(|(body, _)| body.len() >= LENGTH)
    }

    /// Hands the tag to `f`.
    fn with_tag<T>(&self, seq: u32, data: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Hmac { key, tag } => match key.tag(&[&seq.to_be_bytes(), data]) {
                Ok(bytes) => f(&bytes[..*tag]),
                // HMAC over bytes in memory has no way to fail.
                Err(error) => panic!("HMAC over a packet: {error}"),
            },
            Self::Umac64(umac) => f(&umac.tag(u64::from(seq), data)),
            Self::Umac128(umac) => f(&umac.tag(u64::from(seq), data)),
        }
    }

    /// Writes the tag over `data` into `place`, which has its length.
    pub(super) fn write(&self, seq: u32, data: &[u8], place: &mut [u8]) {
        self.with_tag(seq, data, |tag| place.copy_from_slice(tag));
    }

    /// Compares in constant time.
    pub(super) fn check(&self, seq: u32, data: &[u8], tag: &[u8]) -> Result<(), BadMac> {
        if self.with_tag(seq, data, |want| ct_eq(want, tag)) {
            Ok(())
        } else {
            Err(BadMac)
        }
    }
}
