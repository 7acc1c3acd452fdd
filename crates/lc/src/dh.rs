//! Finite-field Diffie-Hellman: exponentiation in constant time, the groups of
//! RFC 3526 and RFC 2409.

use core::cmp::Ordering;

use aws_lc_sys as c;
use zeroize::Zeroizing;

use crate::bn::{Bn, Ctx};
use crate::{Failed, check};

/// The fixed groups of SSH, by their number; each has generator 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// 1024 bits (RFC 2409 section 6.2), the "group1" of RFC 4253.
    Two,
    /// 2048 bits (RFC 3526 section 3).
    Fourteen,
    /// 4096 bits (RFC 3526 section 5).
    Sixteen,
    /// 8192 bits (RFC 3526 section 7).
    Eighteen,
}

/// RFC 2409 section 6.2; AWS-LC has the later groups only.
const OAKLEY_2: [u64; 16] = [
    0xffff_ffff_ffff_ffff,
    0xc90f_daa2_2168_c234,
    0xc4c6_628b_80dc_1cd1,
    0x2902_4e08_8a67_cc74,
    0x020b_bea6_3b13_9b22,
    0x514a_0879_8e34_04dd,
    0xef95_19b3_cd3a_431b,
    0x302b_0a6d_f25f_1437,
    0x4fe1_356d_6d51_c245,
    0xe485_b576_625e_7ec6,
    0xf44c_42e9_a637_ed6b,
    0x0bff_5cb6_f406_b7ed,
    0xee38_6bfb_5a89_9fa5,
    0xae9f_2411_7c4b_1fe6,
    0x4928_6651_ece6_5381,
    0xffff_ffff_ffff_ffff,
];

impl Group {
    /// The group's prime, big-endian.
    pub fn prime(self) -> Result<Vec<u8>, Failed> {
        let null = core::ptr::null_mut();
        let raw = match self {
            Self::Two => {
                return Ok(OAKLEY_2
                    .iter()
                    .flat_map(|word| word.to_be_bytes())
                    .collect());
            }
            // SAFETY: a null argument asks for a new BIGNUM, which `own` takes over.
            Self::Fourteen => unsafe { c::BN_get_rfc3526_prime_2048(null) },
            // SAFETY: as above.
            Self::Sixteen => unsafe { c::BN_get_rfc3526_prime_4096(null) },
            // SAFETY: as above.
            Self::Eighteen => unsafe { c::BN_get_rfc3526_prime_8192(null) },
        };
        let prime = Bn::own(raw)?;
        prime.to_padded(prime.bits().div_ceil(8))
    }
}

/// `base ^ exponent mod modulus`, as long as the modulus. Time depends on the
/// lengths alone. The modulus must be odd and the base smaller than it.
pub fn mod_exp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let (base, exponent) = (Bn::from_bytes(base)?, Bn::from_bytes(exponent)?);
    let modulus = Bn::from_bytes(modulus)?;
    if !modulus.is_odd() || modulus.bits() < 2 || base.cmp(&modulus) != Ordering::Less {
        return Err(Failed);
    }
    let (mut out, mut ctx) = (Bn::new()?, Ctx::new()?);
    // SAFETY: live BIGNUMs and context; a null Montgomery context is made anew.
    check(unsafe {
        c::BN_mod_exp_mont_consttime(
            out.get_mut(),
            base.get(),
            exponent.get(),
            modulus.get(),
            ctx.get(),
            core::ptr::null(),
        )
    })?;
    out.to_padded(modulus.bits().div_ceil(8))
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prime::is_prime;

    #[test]
    fn small_powers() {
        // 4^13 mod 497 = 445
        assert_eq!(mod_exp(&[4], &[13], &[1, 241]).unwrap()[..], [1, 189]);
        assert_eq!(mod_exp(&[4], &[], &[1, 241]).unwrap()[..], [0, 1]);
        assert!(
            mod_exp(&[1, 241], &[3], &[1, 241]).is_err(),
            "base must be reduced"
        );
        assert!(
            mod_exp(&[3], &[3], &[1, 240]).is_err(),
            "modulus must be odd"
        );
        assert!(mod_exp(&[], &[3], &[1]).is_err());
    }

    #[test]
    fn groups_are_safe_primes_of_their_size() {
        for (group, bits) in [(Group::Two, 1024), (Group::Fourteen, 2048)] {
            let prime = group.prime().unwrap();
            assert_eq!(prime.len() * 8, bits);
            let mut half = prime.clone();
            // (p - 1) / 2, p being odd.
            let mut carry = 0;
            for byte in &mut half {
                (*byte, carry) = (*byte >> 1 | carry << 7, *byte & 1);
            }
            assert!(is_prime(&prime, 4).unwrap() && is_prime(&half, 4).unwrap());
        }
        assert_eq!(Group::Sixteen.prime().unwrap().len(), 512);
        assert_eq!(Group::Eighteen.prime().unwrap().len(), 1024);
    }
}
