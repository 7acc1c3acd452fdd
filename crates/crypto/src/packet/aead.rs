//! The AEADs: chacha20-poly1305@openssh.com and AES-GCM (RFC 5647, with
//! OpenSSH's negotiation by cipher name alone).

use aws_lc_rs::aead::chacha20_poly1305_openssh as chacha;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use carrick_lc::Failed;
use zeroize::Zeroizing;

use super::{BadMac, LENGTH, OpenKey, PacketPos, SealKey, plain_length};

/// The tag of all three.
pub(super) const TAG: usize = 16;
/// chacha20-poly1305@openssh.com: the length is encrypted with a key of its
/// own, the nonce is the sequence number.
pub(super) struct ChaChaSeal(chacha::SealingKey);

/// The opening side.
pub(super) struct ChaChaOpen(chacha::OpeningKey);

fn chacha_key(key: &[u8]) -> Result<Zeroizing<[u8; chacha::KEY_LEN]>, Failed> {
    key.try_into().map(Zeroizing::new).map_err(|_| Failed)
}

impl ChaChaSeal {
    pub(super) fn new(key: &[u8]) -> Result<Self, Failed> {
        Ok(Self(chacha::SealingKey::new(&*chacha_key(key)?)))
    }
}

impl ChaChaOpen {
    pub(super) fn new(key: &[u8]) -> Result<Self, Failed> {
        Ok(Self(chacha::OpeningKey::new(&*chacha_key(key)?)))
    }
}

impl SealKey for ChaChaSeal {
    fn seal(&self, pos: PacketPos, packet: &mut [u8]) {
        if let Some((body, tag)) = packet.split_last_chunk_mut::<TAG>()
            && body.len() >= LENGTH
        {
            self.0.seal_in_place(pos.seq, body, tag);
        } else {
            panic!("packet without room for length and tag");
        }
    }
}

impl OpenKey for ChaChaOpen {
    fn length(&self, pos: PacketPos, head: &[u8]) -> u32 {
        head.first_chunk().map_or(0, |bytes| {
            u32::from_be_bytes(self.0.decrypt_packet_length(pos.seq, *bytes))
        })
    }

    fn open(&self, pos: PacketPos, packet: &mut [u8]) -> Result<(), BadMac> {
        let (body, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(BadMac)?;
        let sealed = *body.first_chunk::<LENGTH>().ok_or(BadMac)?;
        self.0
            .open_in_place(pos.seq, body, tag)
            .map_err(|_| BadMac)?;
        let length = self.0.decrypt_packet_length(pos.seq, sealed);
        if let Some(place) = body.first_chunk_mut::<LENGTH>() {
            *place = length;
        }
        Ok(())
    }
}

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

/// An AEAD as private key files use it: no length, one message per key. The
/// last [`TAG`] bytes of `data` are the tag.
pub(crate) mod whole {
    use super::{Aad, Failed, Gcm, TAG};
    use crate::hash::ct_eq;
    use carrick_lc::chacha::{chacha20, poly1305};
    use zeroize::Zeroizing;

    pub(crate) fn gcm_seal(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), Failed> {
        let gcm = Gcm::new(key, iv)?;
        let (text, place) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        let tag = gcm
            .key
            .seal_in_place_separate_tag(gcm.nonce(0), Aad::empty(), text);
        place.copy_from_slice(tag.map_err(|_| Failed)?.as_ref());
        Ok(())
    }

    /// `false`: the tag does not fit.
    pub(crate) fn gcm_open(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<bool, Failed> {
        let gcm = Gcm::new(key, iv)?;
        let (text, tag) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        let opened = gcm
            .key
            .open_in_place_separate_tag(gcm.nonce(0), Aad::empty(), &*tag, text);
        Ok(opened.is_ok())
    }

    /// The payload key is the first half (PROTOCOL.chacha20poly1305), the
    /// nonce that of packet 0.
    fn chacha_parts(key: &[u8]) -> Result<(&[u8; 32], Zeroizing<[u8; 32]>), Failed> {
        let key = key
            .first_chunk::<32>()
            .filter(|_| key.len() == 64)
            .ok_or(Failed)?;
        let mut tag_key = Zeroizing::new([0; 32]);
        chacha20(key, &[0; 12], 0, &mut *tag_key);
        Ok((key, tag_key))
    }

    pub(crate) fn chacha_seal(key: &[u8], data: &mut [u8]) -> Result<(), Failed> {
        let (key, tag_key) = chacha_parts(key)?;
        let (text, place) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        chacha20(key, &[0; 12], 1, text);
        *place = poly1305(&tag_key, text);
        Ok(())
    }

    /// `false`: the tag does not fit.
    pub(crate) fn chacha_open(key: &[u8], data: &mut [u8]) -> Result<bool, Failed> {
        let (key, tag_key) = chacha_parts(key)?;
        let (text, tag) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        if !ct_eq(&poly1305(&tag_key, text), tag) {
            return Ok(false);
        }
        chacha20(key, &[0; 12], 1, text);
        Ok(true)
    }
}
