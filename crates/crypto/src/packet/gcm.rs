//! AES-GCM (RFC 5647, with OpenSSH's negotiation by cipher name alone).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use carrick_lc::Failed;

use super::{BadMac, LENGTH, OpenKey, PacketPos, SealKey, plain_length};

/// The tag of this and of chacha20-poly1305@openssh.com.
pub(super) const TAG: usize = 16;

/// AES-GCM: the length is authenticated in clear, the nonce is four fixed
/// bytes and a 64-bit counter of packets that starts where the IV says.
pub(super) struct Gcm {
    key: LessSafeKey,
    fixed: [u8; 4],
    start: u64,
}

impl Gcm {
    pub(super) fn new(key: &[u8], iv: &[u8]) -> Result<Self, Failed> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return Err(Failed),
        };
        let (fixed, start) = iv.split_first_chunk::<4>().ok_or(Failed)?;
        Ok(Self {
            key: UnboundKey::new(algorithm, key)
                .map(LessSafeKey::new)
                .map_err(|_| Failed)?,
            fixed: *fixed,
            start: u64::from_be_bytes(start.try_into().map_err(|_| Failed)?),
        })
    }

    /// RFC 5647 section 7.1. The counter wraps, as OpenSSH's does; a rekey
    /// comes long before it could repeat.
    fn nonce(&self, index: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.start.wrapping_add(index).to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl SealKey for Gcm {
    fn seal(&self, pos: PacketPos, packet: &mut [u8]) {
        if let Some((body, place)) = packet.split_last_chunk_mut::<TAG>()
            && let Some((length, text)) = body.split_first_chunk_mut::<LENGTH>()
            && let Ok(tag) = self.key.seal_in_place_separate_tag(
                self.nonce(pos.index),
                Aad::from(&*length),
                text,
            )
        {
            place.copy_from_slice(tag.as_ref());
        } else {
            panic!("packet without room for length and tag");
        }
    }
}

impl OpenKey for Gcm {
    fn length(&self, _pos: PacketPos, head: &[u8]) -> u32 {
        plain_length(head)
    }

    fn open(&self, pos: PacketPos, packet: &mut [u8]) -> Result<(), BadMac> {
        let (body, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(BadMac)?;
        let (length, text) = body.split_first_chunk_mut::<LENGTH>().ok_or(BadMac)?;
        self.key
            .open_in_place_separate_tag(self.nonce(pos.index), Aad::from(&*length), &*tag, text)
            .map(|_| ())
            .map_err(|_| BadMac)
    }
}

/// As private key files use it: no length, one message per key. The
/// last [`TAG`] bytes of `data` are the tag.
pub(crate) mod whole {
    use super::{Aad, Failed, Gcm, TAG};

    pub(crate) fn seal(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), Failed> {
        let gcm = Gcm::new(key, iv)?;
        let (text, place) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        let tag = gcm
            .key
            .seal_in_place_separate_tag(gcm.nonce(0), Aad::empty(), text);
        place.copy_from_slice(tag.map_err(|_| Failed)?.as_ref());
        Ok(())
    }

    /// `false`: the tag does not fit.
    pub(crate) fn open(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<bool, Failed> {
        let gcm = Gcm::new(key, iv)?;
        let (text, tag) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        let opened = gcm
            .key
            .open_in_place_separate_tag(gcm.nonce(0), Aad::empty(), &*tag, text);
        Ok(opened.is_ok())
    }
}
