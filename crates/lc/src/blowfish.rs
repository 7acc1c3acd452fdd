//! Blowfish in CBC mode, for old devices only.

use aws_lc_sys as c;
use zeroize::Zeroize;

use crate::{Direction, Failed};

/// The block length in bytes.
pub const BLOCK: usize = 8;

/// Blowfish-CBC (RFC 4253 section 6.3). The IV is the caller's and is moved
/// on to the last ciphertext block.
pub struct BlowfishCbc {
    schedule: Box<c::BF_KEY>,
    direction: Direction,
}

impl BlowfishCbc {
    /// From a key of 4 to 56 bytes (SSH: 16).
    pub fn new(key: &[u8], direction: Direction) -> Result<Self, Failed> {
        if !(4..=56).contains(&key.len()) {
            return Err(Failed);
        }
        let mut schedule = Box::<c::BF_KEY>::new(c::BF_KEY {
            P: [0; 18],
            S: [0; 1024],
        });
        // SAFETY: `schedule` is a live BF_KEY, `key` has the stated length.
        unsafe { c::BF_set_key(&raw mut *schedule, key.len(), key.as_ptr()) };
        Ok(Self {
            schedule,
            direction,
        })
    }

    /// Runs over `data` in place; fails if it is not a whole number of blocks.
    pub fn apply(&self, iv: &mut [u8; BLOCK], data: &mut [u8]) -> Result<(), Failed> {
        if !data.len().is_multiple_of(BLOCK) {
            return Err(Failed);
        }
        let place = data.as_mut_ptr();
        // SAFETY: in and out are the same valid bytes, a whole number of
        // blocks (BF_cbc_encrypt reads each block before it writes it); `iv`
        // is 8 bytes.
        unsafe {
            c::BF_cbc_encrypt(
                place,
                place,
                data.len(),
                &raw const *self.schedule,
                iv.as_mut_ptr(),
                self.direction.flag(),
            );
        }
        Ok(())
    }
}

impl Drop for BlowfishCbc {
    fn drop(&mut self) {
        self.schedule.P.zeroize();
        self.schedule.S.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two of Eric Young's published ECB vectors (a CBC block with a zero IV).
    #[test]
    fn known_answers_and_chain() {
        for (key, plain, want) in [
            (
                0x0000_0000_0000_0000u64,
                0x0000_0000_0000_0000u64,
                0x4ef9_9745_6198_dd78u64,
            ),
            (
                0x0123_4567_89ab_cdef,
                0x1111_1111_1111_1111,
                0x61f9_c380_2281_b096,
            ),
        ] {
            let seal = BlowfishCbc::new(&key.to_be_bytes(), Direction::Encrypt).unwrap();
            let mut data = plain.to_be_bytes();
            seal.apply(&mut [0; 8], &mut data).unwrap();
            assert_eq!(u64::from_be_bytes(data), want);
        }
        let key = [3; 16];
        let (mut data, mut iv) = ([5; 32], [9; 8]);
        let seal = BlowfishCbc::new(&key, Direction::Encrypt).unwrap();
        seal.apply(&mut iv, &mut data[..8]).unwrap();
        seal.apply(&mut iv, &mut data[8..]).unwrap();
        assert_eq!(iv, data[24..]);
        let open = BlowfishCbc::new(&key, Direction::Decrypt).unwrap();
        open.apply(&mut [9; 8], &mut data).unwrap();
        assert_eq!(data, [5; 32]);
        assert!(open.apply(&mut iv, &mut data[..9]).is_err());
    }
}
