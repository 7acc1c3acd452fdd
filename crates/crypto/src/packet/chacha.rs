//! chacha20-poly1305@openssh.com, as OpenSSH's PROTOCOL.chacha20poly1305 has it.
//!
//! Of a key of 64 bytes the first half encrypts the packet, and the other the
//! four bytes of its length. The nonce is the sequence number; block 0 of the
//! packet's key stream makes the key of the tag, which is over all that is
//! encrypted.

use carrick_lc::Failed;
use carrick_lc::chacha::chacha20;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use poly1305::{Block, Poly1305};
use zeroize::Zeroizing;

use super::gcm::TAG;
use super::{BadMac, LENGTH, OpenKey, PacketPos, SealKey};
use crate::hash::ct_eq;

/// Half of a key.
type Half = Zeroizing<[u8; 32]>;

/// The key of one direction, for sealing and opening alike.
pub(super) struct ChaCha {
    packet: Half,
    length: Half,
}

impl ChaCha {
    pub(super) fn new(key: &[u8]) -> Result<Self, Failed> {
        // What suits this processor is found out once.
        aws_lc_rs::init();
        let (packet, length) = halves(key)?;
        Ok(Self {
            packet: Zeroizing::new(*packet),
            length: Zeroizing::new(*length),
        })
    }

    /// Encrypts a length, or decrypts it.
    fn crypt_length(&self, pos: PacketPos, length: &mut [u8; LENGTH]) {
        chacha20(&self.length, &nonce(pos.seq), 0, length);
    }

    /// Encrypts what follows the length, or decrypts it.
    fn crypt(&self, pos: PacketPos, text: &mut [u8]) {
        chacha20(&self.packet, &nonce(pos.seq), 1, text);
    }

    fn tag(&self, pos: PacketPos, sealed: &[u8]) -> [u8; TAG] {
        tag(&self.packet, &nonce(pos.seq), sealed)
    }
}

impl SealKey for ChaCha {
    fn seal(&self, pos: PacketPos, packet: &mut [u8]) {
        if let Some((body, place)) = packet.split_last_chunk_mut::<TAG>()
            && let Some((length, text)) = body.split_first_chunk_mut::<LENGTH>()
        {
            self.crypt_length(pos, length);
            self.crypt(pos, text);
            *place = self.tag(pos, body);
        } else {
            panic!("packet without room for length and tag");
        }
    }
}

impl OpenKey for ChaCha {
    fn length(&self, pos: PacketPos, head: &[u8]) -> u32 {
        head.first_chunk().map_or(0, |sealed| {
            let mut length = *sealed;
            self.crypt_length(pos, &mut length);
            u32::from_be_bytes(length)
        })
    }

    fn open(&self, pos: PacketPos, packet: &mut [u8]) -> Result<(), BadMac> {
        let (body, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(BadMac)?;
        if !ct_eq(&self.tag(pos, body), tag) {
            return Err(BadMac);
        }
        let (length, text) = body.split_first_chunk_mut::<LENGTH>().ok_or(BadMac)?;
        self.crypt_length(pos, length);
        self.crypt(pos, text);
        Ok(())
    }
}

/// The packet's half, and the length's.
fn halves(key: &[u8]) -> Result<(&[u8; 32], &[u8; 32]), Failed> {
    let (packet, length) = key.split_first_chunk().ok_or(Failed)?;
    Ok((packet, length.try_into().map_err(|_| Failed)?))
}

fn nonce(seq: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&seq.to_be_bytes());
    nonce
}

fn tag(packet_key: &[u8; 32], nonce: &[u8; 12], sealed: &[u8]) -> [u8; TAG] {
    let mut key = Zeroizing::new([0; 32]);
    chacha20(packet_key, nonce, 0, &mut *key);
    poly1305(&key, sealed)
}

/// The one-time tag of `data` (RFC 8439 section 2.5).
fn poly1305(key: &[u8; 32], data: &[u8]) -> [u8; TAG] {
    let mut state = Poly1305::new(key.into());
    // Many blocks at once; the other function takes one at a time.
    let (blocks, rest) = Block::slice_as_chunks(data);
    state.update(blocks);
    state.compute_unpadded(rest).into()
}

/// As private key files use it: no length, one message per key, which is packet
/// 0. The last [`TAG`] bytes of `data` are the tag.
pub(crate) mod whole {
    use super::{Failed, TAG, chacha20, ct_eq, halves, tag};

    const NONCE: [u8; 12] = [0; 12];

    pub(crate) fn seal(key: &[u8], data: &mut [u8]) -> Result<(), Failed> {
        let (key, _) = halves(key)?;
        let (text, place) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        chacha20(key, &NONCE, 1, text);
        *place = tag(key, &NONCE, text);
        Ok(())
    }

    /// `false`: the tag does not fit.
    pub(crate) fn open(key: &[u8], data: &mut [u8]) -> Result<bool, Failed> {
        let (key, _) = halves(key)?;
        let (text, place) = data.split_last_chunk_mut::<TAG>().ok_or(Failed)?;
        if !ct_eq(&tag(key, &NONCE, text), place) {
            return Ok(false);
        }
        chacha20(key, &NONCE, 1, text);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 section 2.5.2.
    #[test]
    fn known_answer_of_the_tag() {
        let key = [
            0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5,
            0x06, 0xa8, 0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf,
            0x41, 0x49, 0xf5, 0x1b,
        ];
        let tag = poly1305(&key, b"Cryptographic Forum Research Group");
        assert_eq!(
            u128::from_be_bytes(tag),
            0xa806_1dc1_3051_36c6_c22b_8baf_0c01_27a9
        );
    }

    /// Packets of all lengths round the blocks of one, four and eight that the
    /// parts work on, against another implementation of the whole.
    #[test]
    fn equals_another_implementation() {
        use aws_lc_rs::aead::chacha20_poly1305_openssh as other;
        let key: [u8; 64] = core::array::from_fn(|i| u8::try_from(i).unwrap().wrapping_mul(37));
        let (ours, theirs) = (ChaCha::new(&key).unwrap(), other::SealingKey::new(&key));
        for len in (LENGTH..700).chain([32 * 1024 - 1, 64 * 1024 + 37]) {
            let seq = u32::MAX - u32::try_from(len).unwrap();
            let pos = PacketPos {
                seq,
                index: 0,
                block: 0,
            };
            let plain: Vec<u8> = (0..len).map(|i| (i % 251).try_into().unwrap()).collect();
            let mut sealed = [&plain[..], &[0; TAG]].concat();
            ours.seal(pos, &mut sealed);
            let (mut want, mut tag) = (plain.clone(), [0; TAG]);
            theirs.seal_in_place(seq, &mut want, &mut tag);
            assert_eq!(sealed, [&want[..], &tag].concat(), "{len}");
            assert_eq!(
                ours.length(pos, &sealed).to_be_bytes(),
                *plain.first_chunk().unwrap()
            );
            ours.open(pos, &mut sealed).unwrap();
            assert_eq!(sealed[..len], plain);
        }
    }
}
