//! Candidates for safe primes (`ssh-keygen -M generate`): the odd numbers `q`
//! behind a starting point for which neither `q` nor `2q + 1` has a small
//! factor.
//!
//! This is the one place of the crate that takes memory beyond its input: a
//! bit for each of the [`numbers`] that are sieved.

use carrick_crypto::rng::Rng;

use super::screen::upper_hex;

/// What OpenSSH sieves with: all odd primes below this.
pub const FACTORS: u32 = 0xffff_0003;
/// Safe primes of more bits are not looked for among more numbers: these take
/// 256 MiB.
const BITS_COUNTED: u32 = 16384;
/// Smallest and largest size in bits of the safe primes to come.
pub const BITS: core::ops::RangeInclusive<u32> = 512..=65536;
/// Odd numbers in a block of the search for small primes.
const BLOCK: usize = 32768;

/// How many odd numbers OpenSSH sieves in one run for safe primes of that size:
/// eight times the square of the candidates' bits, in whole words of 32. Safe
/// primes are as rare as that square.
pub fn numbers(bits: u32) -> u32 {
    let bits = bits.min(BITS_COUNTED).saturating_sub(1);
    (bits.saturating_mul(bits) / 4).saturating_mul(32)
}

/// A starting point of `bits - 1` bits with its two highest set, odd.
pub fn random_start(bits: u32, rng: &mut dyn Rng) -> Vec<u8> {
    let bits = bits.saturating_sub(1);
    let mut start = vec![0; usize::try_from(bits.div_ceil(8)).unwrap_or_default()];
    rng.fill(&mut start);
    // What is above the highest bit goes, and the two highest are set.
    let top = (bits + 7) % 8;
    let mut bytes = start.iter_mut();
    if let (Some(first), Some(second)) = (bytes.next(), bytes.next()) {
        *first = *first & (0xff >> (7 - top)) | 1 << top;
        if top == 0 {
            *second |= 0x80;
        } else {
            *first |= 1 << (top - 1);
        }
    }
    if let Some(last) = start.last_mut() {
        *last |= 1;
    }
    start
}

/// The numbers that are left, as distances from the starting point.
pub struct Sieved {
    start: Vec<u8>,
    bits: Vec<u64>,
    /// How many small primes were tried.
    pub tries: u32,
}

/// Sieves `numbers` odd numbers from `start` on (made odd if it is even) with
/// the odd primes below `factors`.
pub fn sieve(start: &[u8], numbers: u32, factors: u32) -> Sieved {
    let mut start = start.to_vec();
    if let Some(last) = start.last_mut() {
        *last |= 1;
    }
    let words = usize::try_from(numbers.div_ceil(64)).unwrap_or_default();
    let mut sieve = Marks {
        base: limbs(&start),
        numbers,
        bits: vec![0; words],
        tries: 0,
    };
    small_primes(factors, |prime| sieve.mark(prime));
    Sieved {
        start,
        bits: sieve.bits,
        tries: sieve.tries,
    }
}

impl Sieved {
    /// The starting point.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// The candidates in the moduli file's form, with the time they were made
    /// (`YYYYMMDDhhmmss`); `bits` is the size of the safe prime to come.
    pub fn lines<'a>(&'a self, bits: u32, time: &'a str) -> impl Iterator<Item = String> + 'a {
        let size = bits.saturating_sub(2);
        let tries = self.tries;
        self.distances().map(move |distance| {
            let q = upper_hex(&plus(&self.start, distance));
            format!("{time} 4 2 {tries} {size} 0 {q}\n")
        })
    }

    fn distances(&self) -> impl Iterator<Item = u64> {
        let words = self.bits.iter().zip(0u64..);
        words.flat_map(|(word, at)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 0)
                .map(move |bit| 2 * (at * 64 + bit))
        })
    }
}

/// `n + more`.
fn plus(n: &[u8], more: u64) -> Vec<u8> {
    let mut out = n.to_vec();
    let mut carry = u128::from(more);
    for byte in out.iter_mut().rev() {
        carry += u128::from(*byte);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    while carry != 0 {
        out.insert(0, carry.to_le_bytes()[0]);
        carry >>= 8;
    }
    out
}

/// The number in 32-bit limbs, lowest first.
fn limbs(magnitude: &[u8]) -> Vec<u32> {
    let of_chunk = |chunk: &[u8]| chunk.iter().fold(0, |n, b| n << 8 | u32::from(*b));
    magnitude.rchunks(4).map(of_chunk).collect()
}

struct Marks {
    base: Vec<u32>,
    numbers: u32,
    /// Set: composite, or half of a composite less one.
    bits: Vec<u64>,
    tries: u32,
}

impl Marks {
    /// Marks what an odd prime divides.
    fn mark(&mut self, prime: u32) {
        self.tries += 1;
        let s = u64::from(prime);
        let rest = u64::from(remainder(&self.base, prime));
        // q = base + 2j: the first j that s divides into.
        let mut first = (s - rest) % s;
        if first % 2 == 1 {
            first += s;
        }
        self.every(first / 2, s);
        // 2q + 1 = 2 base + 1 + 4j.
        let mut first = (s - (2 * rest + 1) % s) % s;
        while first % 4 != 0 {
            first += s;
        }
        self.every(first / 4, s);
    }

    fn every(&mut self, first: u64, step: u64) {
        let mut at = first;
        while at < u64::from(self.numbers) {
            let word = usize::try_from(at / 64).unwrap_or(usize::MAX);
            if let Some(word) = self.bits.get_mut(word) {
                *word |= 1 << (at % 64);
            }
            at += step;
        }
    }
}

/// The number modulo an odd prime, by Montgomery's reduction: two
/// multiplications a limb and no division.
fn remainder(limbs: &[u32], prime: u32) -> u32 {
    let s = u64::from(prime);
    // The inverse modulo 2^32, each step doubling the right bits.
    let mut inverse = prime;
    for _ in 0..4 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(prime.wrapping_mul(inverse)));
    }
    let reduce = |sum: u64| {
        let [b0, b1, b2, b3, high @ ..] = sum.to_le_bytes();
        let low = u32::from_le_bytes([b0, b1, b2, b3]);
        let high = u64::from(u32::from_le_bytes(high));
        let product = (u64::from(low.wrapping_mul(inverse)) * s) >> 32;
        if high >= product {
            high - product
        } else {
            high + s - product
        }
    };
    // Each limb divides what is below it by 2^32.
    let mut rest = 0;
    for limb in limbs {
        rest = reduce(rest + u64::from(*limb));
    }
    // All of it was divided by 2^(32 n) then.
    let mut power = (1u64 << 32) % s;
    let mut scale = 1 % s;
    let mut n = limbs.len();
    while n > 0 {
        if n % 2 == 1 {
            scale = scale * power % s;
        }
        power = power * power % s;
        n /= 2;
    }
    u32::try_from(rest % s * scale % s).unwrap_or_default()
}

/// Calls `each` with the odd primes below `end`, in order: a sieve over
/// blocks of odd numbers.
fn small_primes(end: u32, mut each: impl FnMut(u32)) {
    let end = u64::from(end);
    // The primes whose squares are in reach, each with its next odd multiple.
    let mut known: Vec<(u64, u64)> = Vec::new();
    let mut block = vec![false; BLOCK];
    let mut from = 3u64;
    while from < end {
        block.fill(false);
        let to = from + 2 * BLOCK as u64;
        for (prime, next) in &mut known {
            while *next < to {
                let at = usize::try_from((*next - from) / 2).unwrap_or(usize::MAX);
                if let Some(composite) = block.get_mut(at) {
                    *composite = true;
                }
                *next += 2 * *prime;
            }
        }
        for at in 0..BLOCK {
            if block.get(at) != Some(&false) {
                continue;
            }
            let prime = from + 2 * at as u64;
            if prime >= end {
                return;
            }
            let square = prime * prime;
            if square < to {
                let mut next = square;
                while next < to {
                    let at = usize::try_from((next - from) / 2).unwrap_or(usize::MAX);
                    if let Some(composite) = block.get_mut(at) {
                        *composite = true;
                    }
                    next += 2 * prime;
                }
                known.push((prime, next));
            } else if square < end {
                known.push((prime, square));
            }
            each(u32::try_from(prime).unwrap_or_default());
        }
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primes(end: u32) -> Vec<u32> {
        let mut all = Vec::new();
        small_primes(end, |p| all.push(p));
        all
    }

    #[test]
    fn small_primes_are_all_and_only_those() {
        let naive = |n: u32| (2..=n.isqrt()).all(|d| !n.is_multiple_of(d));
        let want: Vec<u32> = (3..200_000).filter(|n| naive(*n)).collect();
        assert_eq!(primes(200_000), want);
        assert_eq!(primes(8), [3, 5, 7]);
        assert_eq!(primes(7), [3, 5]);
    }

    #[test]
    fn remainders() {
        let number: u128 = 0xfedc_ba98_7654_3210_0123_4567_89ab_cdef;
        let limbs = limbs(&number.to_be_bytes());
        for prime in [3, 5, 65537, 4_294_967_291] {
            let want = number % u128::from(prime);
            assert_eq!(u128::from(remainder(&limbs, prime)), want, "{prime}");
        }
        assert_eq!(remainder(&[], 3), 0);
    }

    #[test]
    fn what_is_left_has_no_small_factor() {
        let base: u64 = 0x0123_4567_89ab_cdee;
        let sieved = sieve(&base.to_be_bytes(), 5000, 1000);
        let (base, factors) = (base | 1, primes(1000));
        let want: Vec<u64> = (0..5056)
            .map(|j| 2 * j)
            .filter(|d| {
                let (q, p) = (u128::from(base + d), 2 * u128::from(base + d) + 1);
                d / 2 >= 5000
                    || factors
                        .iter()
                        .all(|f| q % u128::from(*f) != 0 && p % u128::from(*f) != 0)
            })
            .collect();
        assert_eq!(sieved.distances().collect::<Vec<_>>(), want);
        assert_eq!(sieved.tries, 167);
        let line = sieved.lines(61, "20260101000000").next();
        let q = base + want.first().expect("one is left");
        assert_eq!(line, Some(format!("20260101000000 4 2 167 59 0 {q:X}\n")));
    }

    #[test]
    fn ranges() {
        // What OpenSSH 10.0 says that it sieves next, even numbers counted.
        for (bits, both) in [
            (512, 4_177_920),
            (1024, 16_744_448),
            (1536, 37_699_584),
            (2048, 67_043_328),
            (3072, 150_896_640),
            (8192, 1_073_479_680),
            (16384, 4_294_443_008),
            (65536, 4_294_443_008),
        ] {
            assert_eq!(u64::from(numbers(bits)) * 2, both, "{bits}");
        }
    }

    #[test]
    fn starting_points() {
        struct Ones;
        impl Rng for Ones {
            fn fill(&mut self, out: &mut [u8]) {
                out.fill(0);
            }
        }
        for bits in [512, 513, 514, 520, 1024] {
            let start = random_start(bits, &mut Ones);
            assert_eq!(super::super::bit_len(&start), Some(bits - 1), "{bits}");
            assert_eq!(start.iter().map(|b| b.count_ones()).sum::<u32>(), 3);
        }
        assert_eq!(plus(&[0xff, 0xff], 2), [1, 0, 1]);
    }
}
