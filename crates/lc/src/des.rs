//! Triple DES in CBC mode, for old devices and old PEM key files only.

use aws_lc_sys as c;
use zeroize::Zeroize;

use crate::{Direction, Failed};

/// The block length in bytes.
pub const BLOCK: usize = 8;

/// Three-key 3DES-CBC (RFC 4253 section 6.3). The IV is the caller's and is
/// moved on to the last ciphertext block.
pub struct TripleDesCbc {
    schedules: [c::DES_key_schedule; 3],
    direction: Direction,
}

impl TripleDesCbc {
    /// From three DES keys; parity bits are not looked at.
    pub fn new(key: &[u8; 24], direction: Direction) -> Self {
        let mut schedules = [c::DES_ks {
            subkeys: [[0; 2]; 16],
        }; 3];
        for (schedule, part) in schedules.iter_mut().zip(key.chunks_exact(BLOCK)) {
            let mut block = c::DES_cblock_st { bytes: [0; BLOCK] };
            block.bytes.copy_from_slice(part);
            // SAFETY: both point to live values of the right type.
            unsafe { c::DES_set_key_unchecked(&raw const block, &raw mut *schedule) };
            block.bytes.zeroize();
        }
        Self {
            schedules,
            direction,
        }
    }

    /// Runs over `data` in place; fails if it is not a whole number of blocks.
    pub fn apply(&self, iv: &mut [u8; BLOCK], data: &mut [u8]) -> Result<(), Failed> {
        if !data.len().is_multiple_of(BLOCK) {
            return Err(Failed);
        }
        let [first, second, third] = &self.schedules;
        let mut chain = c::DES_cblock_st { bytes: *iv };
        let place = data.as_mut_ptr();
        // SAFETY: in and out are the same valid bytes, a whole number of
        // blocks; the schedules and `chain` are live values of the right type.
        unsafe {
            c::DES_ede3_cbc_encrypt(
                place,
                place,
                data.len(),
                &raw const *first,
                &raw const *second,
                &raw const *third,
                &raw mut chain,
                self.direction.flag(),
            );
        }
        *iv = chain.bytes;
        Ok(())
    }
}

impl Drop for TripleDesCbc {
    fn drop(&mut self) {
        for schedule in &mut self.schedules {
            schedule.subkeys.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST SP 800-67 appendix B: the text of its example in single blocks,
    /// each of which is a CBC run of one block under a zero IV.
    #[test]
    fn known_answer_and_chain() {
        let key: [u8; 24] = [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
            0xef, 0x01, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
        ];
        let text = b"The qufck brown fox jump";
        let want: [u64; 3] = [
            0xa826_fd8c_e53b_855f,
            0xcce2_1c81_1225_6fe6,
            0x68d5_c05d_d9b6_b900,
        ];
        let seal = TripleDesCbc::new(&key, Direction::Encrypt);
        for (block, want) in text.chunks(8).zip(want) {
            let mut data: [u8; 8] = block.try_into().unwrap();
            seal.apply(&mut [0; 8], &mut data).unwrap();
            assert_eq!(u64::from_be_bytes(data), want);
        }
        let mut data = *text;
        let mut iv = [9; 8];
        seal.apply(&mut iv, &mut data[..8]).unwrap();
        seal.apply(&mut iv, &mut data[8..]).unwrap();
        TripleDesCbc::new(&key, Direction::Decrypt)
            .apply(&mut [9; 8], &mut data)
            .unwrap();
        assert_eq!(&data, text);
        assert!(seal.apply(&mut iv, &mut data[..7]).is_err());
    }
}
