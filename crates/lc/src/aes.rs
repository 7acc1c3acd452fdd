//! AES: one block, CTR from any position, CBC in place.

use core::ffi::c_uint;

use aws_lc_sys as c;
use zeroize::Zeroize;

use crate::{Direction, Failed, failed};

/// The block length in bytes.
pub const BLOCK: usize = 16;

/// A block.
pub type Block = [u8; BLOCK];

/// An expanded key for one direction. The schedule is read-only after it is
/// made, so one key serves any number of threads.
struct Schedule(c::AES_KEY);

impl Schedule {
    fn new(key: &[u8], direction: Direction) -> Result<Self, Failed> {
        let bits: c_uint = match key.len() {
            16 => 128,
            24 => 192,
            32 => 256,
            _ => return Err(Failed),
        };
        let mut schedule = c::AES_KEY {
            rd_key: [0; 60],
            rounds: 0,
        };
        let made = match direction {
            Direction::Encrypt => {
                // SAFETY: `key` has `bits / 8` bytes, `schedule` is a valid AES_KEY to write to.
                unsafe { c::AES_set_encrypt_key(key.as_ptr(), bits, &raw mut schedule) }
            }
            Direction::Decrypt => {
                // SAFETY: as above.
                unsafe { c::AES_set_decrypt_key(key.as_ptr(), bits, &raw mut schedule) }
            }
        };
        if made == 0 {
            Ok(Self(schedule))
        } else {
            Err(failed())
        }
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.0.rd_key.zeroize();
        self.0.rounds.zeroize();
    }
}

/// AES in its encrypting direction: single blocks and counter mode.
pub struct Aes(Schedule);

impl Aes {
    /// From a key of 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Result<Self, Failed> {
        Schedule::new(key, Direction::Encrypt).map(Self)
    }

    /// Encrypts one block in place.
    pub fn block(&self, block: &mut Block) {
        let place = block.as_mut_ptr();
        // SAFETY: in and out are the same 16 valid bytes, which AES_encrypt
        // allows; the schedule was made by AES_set_encrypt_key.
        unsafe { c::AES_encrypt(place, place, &raw const self.0.0) };
    }

    /// CTR mode (RFC 4344 section 4): `data` is xored with the encryption of
    /// `counter`, `counter + 1`, ... taken as 128-bit big-endian numbers.
    /// Nothing is kept, so any part of a stream can be done at any time.
    pub fn ctr(&self, mut counter: Block, data: &mut [u8]) {
        let mut stream: Block = [0; BLOCK];
        let mut used: c_uint = 0;
        let place = data.as_mut_ptr();
        // SAFETY: in and out are the same `data.len()` valid bytes, which CTR
        // mode allows; `counter` and `stream` are 16 bytes each and `used` is
        // 0, a position inside the block.
        unsafe {
            c::AES_ctr128_encrypt(
                place,
                place,
                data.len(),
                &raw const self.0.0,
                counter.as_mut_ptr(),
                stream.as_mut_ptr(),
                &raw mut used,
            );
        }
        stream.zeroize();
    }
}

/// AES-CBC in one direction. The IV is the caller's: it is moved on to the
/// last ciphertext block, so that the next call continues the chain.
pub struct AesCbc {
    schedule: Schedule,
    direction: Direction,
}

impl AesCbc {
    /// From a key of 16, 24 or 32 bytes.
    pub fn new(key: &[u8], direction: Direction) -> Result<Self, Failed> {
        Ok(Self {
            schedule: Schedule::new(key, direction)?,
            direction,
        })
    }

    /// Runs over `data` in place; fails if it is not a whole number of blocks.
    pub fn apply(&self, iv: &mut Block, data: &mut [u8]) -> Result<(), Failed> {
        if !data.len().is_multiple_of(BLOCK) {
            return Err(Failed);
        }
        if data.is_empty() {
            return Ok(());
        }
        let place = data.as_mut_ptr();
        // SAFETY: in and out are the same valid bytes, a whole number of
        // blocks; `iv` is 16 bytes; the schedule fits the direction.
        unsafe {
            c::AES_cbc_encrypt(
                place,
                place,
                data.len(),
                &raw const self.schedule.0,
                iv.as_mut_ptr(),
                self.direction.flag(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    /// FIPS 197 appendix C.
    #[test]
    fn single_block() {
        let key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        for (len, want) in [
            (16, "69c4e0d86a7b0430d8cdb78070b4c55a"),
            (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
            (32, "8ea2b7ca516745bfeafc49904b496089"),
        ] {
            let mut block: Block = hex("00112233445566778899aabbccddeeff").try_into().unwrap();
            Aes::new(&key[..len]).unwrap().block(&mut block);
            assert_eq!(block.to_vec(), hex(want));
        }
        assert!(Aes::new(&key[..31]).is_err());
    }

    /// NIST SP 800-38A F.5.1, and the same bytes in two parts.
    #[test]
    fn ctr_vector_and_position() {
        let aes = Aes::new(&hex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
        let counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let want = hex("874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff");
        let mut data = plain.clone();
        aes.ctr(counter.clone().try_into().unwrap(), &mut data);
        assert_eq!(data, want);
        let second = u128::from_be_bytes(counter.try_into().unwrap()).wrapping_add(1);
        let mut tail = plain[16..].to_vec();
        aes.ctr(second.to_be_bytes(), &mut tail);
        assert_eq!(tail, want[16..]);
    }

    /// The carry passes the 32 bits that the assembly counts by itself.
    #[test]
    fn ctr_carries_over_128_bits() {
        let aes = Aes::new(&[7; 32]).unwrap();
        let start = u128::MAX - 2;
        let mut data = vec![0; 7 * BLOCK];
        aes.ctr(start.to_be_bytes(), &mut data);
        for (i, got) in data.chunks(BLOCK).enumerate() {
            let mut want = start.wrapping_add(i as u128).to_be_bytes();
            aes.block(&mut want);
            assert_eq!(got, want);
        }
    }

    /// NIST SP 800-38A F.2.1 and F.2.2, in two calls.
    #[test]
    fn cbc_chains() {
        let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
        let iv: Block = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let want = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
        for (direction, from, to) in [
            (Direction::Encrypt, &plain, &want),
            (Direction::Decrypt, &want, &plain),
        ] {
            let cbc = AesCbc::new(&key, direction).unwrap();
            let (mut iv, mut data) = (iv, from.clone());
            cbc.apply(&mut iv, &mut data[..16]).unwrap();
            cbc.apply(&mut iv, &mut data[16..]).unwrap();
            assert_eq!(&data, to);
            assert_eq!(iv.to_vec(), want[16..]);
            assert!(cbc.apply(&mut iv, &mut data[..15]).is_err());
        }
    }
}
