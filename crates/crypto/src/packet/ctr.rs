//! AES in counter mode (RFC 4344 section 4) with a MAC. The counter of a
//! packet follows from the number of blocks before it, so that no state is
//! kept.

use carrick_lc::Failed;
use carrick_lc::aes::{Aes, BLOCK};

use super::auth::MacKey;
use super::{BadMac, LENGTH, OpenKey, PacketPos, SealKey, plain_length};

/// Both sides: counter mode is its own opposite.
pub(super) struct Ctr {
    aes: Aes,
    start: u128,
    mac: MacKey,
    etm: bool,
}

impl Ctr {
    pub(super) fn new(key: &[u8], iv: &[u8], mac: MacKey, etm: bool) -> Result<Self, Failed> {
        let start = u128::from_be_bytes(iv.try_into().map_err(|_| Failed)?);
        Ok(Self {
            aes: Aes::new(key)?,
            start,
            mac,
            etm,
        })
    }

    fn crypt(&self, pos: PacketPos, data: &mut [u8]) {
        let counter = self.start.wrapping_add(u128::from(pos.block));
        self.aes.ctr(counter.to_be_bytes(), data);
    }
}

impl SealKey for Ctr {
    fn seal(&self, pos: PacketPos, packet: &mut [u8]) {
        let Some((body, tag)) = self.mac.split(packet) else {
            panic!("packet without room for length and tag");
        };
        if self.etm {
            self.crypt(pos, &mut body[LENGTH..]);
            self.mac.write(pos.seq, body, tag);
        } else {
            self.mac.write(pos.seq, body, tag);
            self.crypt(pos, body);
        }
    }
}

impl OpenKey for Ctr {
    fn length(&self, pos: PacketPos, head: &[u8]) -> u32 {
        if self.etm {
            return plain_length(head);
        }
        let Some(mut block) = head.first_chunk::<BLOCK>().copied() else {
            return 0;
        };
        self.crypt(pos, &mut block);
        plain_length(&block)
    }

    fn open(&self, pos: PacketPos, packet: &mut [u8]) -> Result<(), BadMac> {
        let (body, tag) = self.mac.split(packet).ok_or(BadMac)?;
        if self.etm {
            self.mac.check(pos.seq, body, tag)?;
            self.crypt(pos, &mut body[LENGTH..]);
            Ok(())
        } else {
            self.crypt(pos, body);
            self.mac.check(pos.seq, body, tag)
        }
    }
}
