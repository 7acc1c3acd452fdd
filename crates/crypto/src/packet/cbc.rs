//! Cipher block chaining (RFC 4253 section 6.3) with a MAC: for old devices,
//! off by default. The last ciphertext block of a packet is the IV of the
//! next, so packets go strictly in order.

use carrick_lc::aes::AesCbc;
use carrick_lc::blowfish::BlowfishCbc;
use carrick_lc::des::TripleDesCbc;
use carrick_lc::{Direction, Failed};
use zeroize::Zeroize;

use super::auth::MacKey;
use super::{BadMac, ChainedOpen, ChainedSeal, LENGTH, PacketPos, plain_length};

/// The block cipher under the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BlockCipher {
    Aes,
    TripleDes,
    Blowfish,
}

enum Keyed {
    Aes(AesCbc, [u8; 16]),
    TripleDes(TripleDesCbc, [u8; 8]),
    Blowfish(BlowfishCbc, [u8; 8]),
}

/// A CBC stream in one direction: key and current IV.
pub(crate) struct Chain(Keyed);

impl Chain {
    pub(crate) fn new(
        cipher: BlockCipher,
        key: &[u8],
        iv: &[u8],
        direction: Direction,
    ) -> Result<Self, Failed> {
        let wide = || iv.try_into().map_err(|_| Failed);
        let narrow = || iv.try_into().map_err(|_| Failed);
        Ok(Self(match cipher {
            BlockCipher::Aes => Keyed::Aes(AesCbc::new(key, direction)?, wide()?),
            BlockCipher::TripleDes => {
                let key = key.try_into().map_err(|_| Failed)?;
                Keyed::TripleDes(TripleDesCbc::new(key, direction), narrow()?)
            }
            BlockCipher::Blowfish => Keyed::Blowfish(BlowfishCbc::new(key, direction)?, narrow()?),
        }))
    }

    /// The block length.
    fn block(&self) -> usize {
        match &self.0 {
            Keyed::Aes(..) => 16,
            Keyed::TripleDes(..) | Keyed::Blowfish(..) => 8,
        }
    }

    /// Goes on over whole blocks.
    pub(crate) fn apply(&mut self, data: &mut [u8]) -> Result<(), Failed> {
        match &mut self.0 {
            Keyed::Aes(key, iv) => key.apply(iv, data),
            Keyed::TripleDes(key, iv) => key.apply(iv, data),
            Keyed::Blowfish(key, iv) => key.apply(iv, data),
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        match &mut self.0 {
            Keyed::Aes(_, iv) => iv.zeroize(),
            Keyed::TripleDes(_, iv) | Keyed::Blowfish(_, iv) => iv.zeroize(),
        }
    }
}

/// The sealing side.
pub(super) struct CbcSeal {
    chain: Chain,
    mac: MacKey,
    etm: bool,
}

impl CbcSeal {
    pub(super) fn new(chain: Chain, mac: MacKey, etm: bool) -> Self {
        Self { chain, mac, etm }
    }
}

impl ChainedSeal for CbcSeal {
    fn seal(&mut self, pos: PacketPos, packet: &mut [u8]) {
        let Some((body, tag)) = self.mac.split(packet) else {
            panic!("packet without room for length and tag");
        };
        let start = if self.etm { LENGTH } else { 0 };
        if !self.etm {
            self.mac.write(pos.seq, body, tag);
        }
        let done = self.chain.apply(&mut body[start..]);
        assert!(done.is_ok(), "packet that is not padded to whole blocks");
        if self.etm {
            self.mac.write(pos.seq, body, tag);
        }
    }
}

/// The opening side.
pub(super) struct CbcOpen {
    chain: Chain,
    mac: MacKey,
    etm: bool,
    /// The next packet's first block is already plaintext.
    begun: bool,
}

impl CbcOpen {
    pub(super) fn new(chain: Chain, mac: MacKey, etm: bool) -> Self {
        Self {
            chain,
            mac,
            etm,
            begun: false,
        }
    }
}

impl ChainedOpen for CbcOpen {
    fn length(&mut self, _pos: PacketPos, head: &mut [u8]) -> u32 {
        if !self.etm && !self.begun {
            let Some(block) = head.get_mut(..self.chain.block()) else {
                return 0;
            };
            if self.chain.apply(block).is_err() {
                return 0;
            }
            self.begun = true;
        }
        plain_length(head)
    }

    fn open(&mut self, pos: PacketPos, packet: &mut [u8]) -> Result<(), BadMac> {
        let (body, tag) = self.mac.split(packet).ok_or(BadMac)?;
        if self.etm {
            self.mac.check(pos.seq, body, tag)?;
            return self.chain.apply(&mut body[LENGTH..]).map_err(|_| BadMac);
        }
        let start = if self.begun { self.chain.block() } else { 0 };
        self.begun = false;
        let rest = body.get_mut(start..).ok_or(BadMac)?;
        self.chain.apply(rest).map_err(|_| BadMac)?;
        self.mac.check(pos.seq, body, tag)
    }
}
