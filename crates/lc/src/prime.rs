//! Primality of public numbers, for moduli files: Miller-Rabin with exactly
//! as many random bases as asked for.
//!
//! AWS-LC's own test is made for secret primes: it runs in constant time and
//! sixteen rounds at least, which a number that will be published does not
//! need and a screening of millions cannot afford.

use core::cmp::Ordering;
use core::ptr::NonNull;

use aws_lc_sys as c;

use crate::bn::{Bn, Ctx};
use crate::{Failed, check, failed};

/// A Montgomery context for one modulus.
struct Mont(NonNull<c::BN_MONT_CTX>);

impl Mont {
    /// For an odd modulus above one.
    fn new(modulus: &Bn, ctx: &mut Ctx) -> Result<Self, Failed> {
        // SAFETY: a live BIGNUM and context; a null result is caught.
        let raw = unsafe { c::BN_MONT_CTX_new_for_modulus(modulus.get(), ctx.get()) };
        NonNull::new(raw).map(Self).ok_or_else(failed)
    }
}

impl Drop for Mont {
    fn drop(&mut self) {
        // SAFETY: this value owns the context.
        unsafe { c::BN_MONT_CTX_free(self.0.as_ptr()) };
    }
}

/// A number that is being tested.
pub struct Candidate {
    number: Bn,
    /// `number - 1`, and that without its factors of two.
    less_one: Bn,
    odd_part: Bn,
    twos: usize,
    mont: Mont,
    ctx: Ctx,
}

impl Candidate {
    /// `None` for numbers that are even or below 5.
    pub fn new(number: &[u8]) -> Result<Option<Self>, Failed> {
        let number = Bn::from_bytes(number)?;
        if !number.is_odd() || number.bits() < 3 {
            return Ok(None);
        }
        let less_one = number.minus_one()?;
        let (mut odd_part, mut twos) = (less_one.halved()?, 1);
        while !odd_part.is_odd() {
            (odd_part, twos) = (odd_part.halved()?, twos + 1);
        }
        let mut ctx = Ctx::new()?;
        let mont = Mont::new(&number, &mut ctx)?;
        Ok(Some(Self {
            number,
            less_one,
            odd_part,
            twos,
            mont,
            ctx,
        }))
    }

    /// One round with a random base: whether it fails to show that the number
    /// is composite. A composite passes one time in four at most, and one of
    /// random origin hardly ever.
    pub fn passes(&mut self) -> Result<bool, Failed> {
        let mut base = Bn::new()?;
        // SAFETY: live BIGNUMs. The range 2..number-1 is not empty: the
        // number is 5 at least.
        check(unsafe { c::BN_rand_range_ex(base.get_mut(), 2, self.less_one.get()) })?;
        let mut x = Bn::new()?;
        // SAFETY: live values, base below the odd modulus, the Montgomery
        // context is that modulus's.
        check(unsafe {
            c::BN_mod_exp_mont(
                x.get_mut(),
                base.get(),
                self.odd_part.get(),
                self.number.get(),
                self.ctx.get(),
                self.mont.0.as_ptr(),
            )
        })?;
        if x.bits() == 1 || x.cmp(&self.less_one) == Ordering::Equal {
            return Ok(true);
        }
        for _ in 1..self.twos {
            x = x.squared_modulo(&self.number, &mut self.ctx)?;
            if x.cmp(&self.less_one) == Ordering::Equal {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the big-endian number passes so many rounds, and is prime as far
/// as they tell.
pub fn is_prime(number: &[u8], rounds: u32) -> Result<bool, Failed> {
    let significant = number.iter().position(|b| *b != 0);
    if let Some(at) = significant
        && at + 1 == number.len()
        && number[at] < 5
    {
        return Ok(matches!(number[at], 2 | 3));
    }
    let Some(mut candidate) = Candidate::new(number)? else {
        return Ok(false);
    };
    for _ in 0..rounds {
        if !candidate.passes()? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dh::Group;

    #[test]
    fn small_numbers() {
        for number in 0u16..600 {
            let prime = number > 1 && (2..number).all(|d| number % d != 0);
            assert_eq!(
                is_prime(&number.to_be_bytes(), 40).unwrap(),
                prime,
                "{number}"
            );
        }
    }

    /// Numbers that pass Fermat's test to every base without a common factor.
    #[test]
    fn carmichael_numbers() {
        for number in [561u32, 1105, 1729, 41041, 825_265, 321_197_185] {
            assert!(!is_prime(&number.to_be_bytes(), 40).unwrap(), "{number}");
        }
    }

    #[test]
    fn large_ones() {
        let mut prime = Group::Fourteen.prime().unwrap();
        assert!(is_prime(&prime, 4).unwrap());
        prime[100] ^= 4;
        assert!(!is_prime(&prime, 4).unwrap());
        assert!(is_prime(&[&[0, 0], &[0xff; 16][..], &[0x61]].concat(), 0).unwrap());
    }
}
