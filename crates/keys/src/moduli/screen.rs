//! Finding out which candidates for moduli are safe primes (`ssh-keygen -M
//! screen`). A candidate is a line of the moduli file's form; it holds either
//! the safe prime itself or, as the sieve writes it, half of it.

use carrick_crypto::prime::is_prime;

use super::{TEST_COMPOSITE, TYPE_SAFE, bit_len, hex};

/// Type of a line with `q`, where `2q + 1` is to be safe.
const TYPE_SOPHIE_GERMAIN: u32 = 4;
/// The other types that hold the prime itself: unknown, unstructured,
/// Schnorr, strong.
const TYPES_OF_P: [u32; 5] = [0, 1, TYPE_SAFE, 3, 5];
/// Bit of the tests field: Miller-Rabin has been done.
const TEST_MILLER_RABIN: u32 = 4;
/// Smallest size field that is worth a test.
const SIZE_MIN: u32 = 511;
/// Rounds of Miller-Rabin that are too few to say anything.
pub const TRIALS_MIN: u32 = 4;
/// Shortest line that can hold anything; the time alone has 14 characters.
const LINE_MIN: usize = 14;
/// Longest line that is looked at, as in OpenSSH.
pub const LINE_MAX: usize = 100 + 8192;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screened {
    /// It is not for testing, and why.
    Skipped(String),
    /// It was tested and is no safe prime, and why.
    Composite(&'static str),
    /// A safe prime, as far as the rounds tell.
    Safe(SafePrime),
}

/// A line for the moduli file, but for its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafePrime {
    tests: u32,
    tries: u32,
    size: u32,
    generator: u32,
    prime: Vec<u8>,
}

impl SafePrime {
    /// The line, with the time it was made as `YYYYMMDDhhmmss`.
    pub fn line(&self, time: &str) -> String {
        let Self {
            tests,
            tries,
            size,
            generator,
            prime,
        } = self;
        let prime = upper_hex(prime);
        format!("{time} {TYPE_SAFE} {tests} {tries} {size} {generator:x} {prime}\n")
    }
}

/// A magnitude in upper-case hexadecimal without leading zeros.
pub(super) fn upper_hex(magnitude: &[u8]) -> String {
    let text = crate::text::hex(magnitude).to_ascii_uppercase();
    text.trim_start_matches('0').to_owned()
}

/// A line's fields.
struct Candidate {
    tests: u32,
    tries: u32,
    size: u32,
    generator: u32,
    p: Vec<u8>,
    q: Vec<u8>,
}

/// Tests one line with so many rounds; `generator` is the one wanted, or 0
/// for any.
pub fn screen(line: &str, trials: u32, generator: u32) -> Screened {
    let candidate = match Candidate::parse(line, generator) {
        Ok(candidate) => candidate,
        Err(why) => return Screened::Skipped(why),
    };
    // One round weeds out nearly every composite; the full number of rounds
    // is spent only when both halves have passed one.
    if !is_prime(&candidate.q, 1) {
        return Screened::Composite("q failed first possible prime test");
    }
    if !is_prime(&candidate.p, trials) {
        return Screened::Composite("p is not prime");
    }
    if !is_prime(&candidate.q, trials.saturating_sub(1)) {
        return Screened::Composite("q is not prime");
    }
    let before = if candidate.tests & TEST_MILLER_RABIN == 0 {
        0
    } else {
        candidate.tries
    };
    Screened::Safe(SafePrime {
        tests: candidate.tests | TEST_MILLER_RABIN,
        tries: before.saturating_add(trials),
        size: candidate.size,
        generator: candidate.generator,
        prime: candidate.p,
    })
}

impl Candidate {
    /// Reads a line, or says why it is not to be tested.
    fn parse(line: &str, wanted: u32) -> Result<Self, String> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.len() < LINE_MIN || line.starts_with(['!', '#']) {
            return Err("comment or short line".into());
        }
        let mut fields = line.split([' ', '\t']).filter(|f| !f.is_empty());
        let mut next = || fields.next().ok_or_else(|| "truncated line".to_owned());
        next()?;
        let mut number = |radix| {
            let text = next()?;
            u32::from_str_radix(text, radix).map_err(|_| format!("bad number {text:.32}"))
        };
        let (kind, tests, tries) = (number(10)?, number(10)?, number(10)?);
        let (size, generator) = (number(10)?, number(16)?);
        let modulus = next()?;
        if tests & TEST_COMPOSITE != 0 {
            return Err("known composite".into());
        }
        let modulus = hex(modulus).ok_or("modulus is not hexadecimal")?;
        let (p, q, size, generator) = if kind == TYPE_SOPHIE_GERMAIN {
            (
                double_plus_one(&modulus),
                modulus,
                size.saturating_add(1),
                0,
            )
        } else if TYPES_OF_P.contains(&kind) {
            let q = halved(&modulus);
            (modulus, q, size, generator)
        } else {
            return Err("Unknown prime type".into());
        };
        if bit_len(&p) != size.checked_add(1) {
            return Err(format!("bit size {size} mismatch"));
        }
        if size < SIZE_MIN {
            return Err(format!("bit size {size} too short"));
        }
        let generator = match generator {
            0 => guess_generator(&p),
            known => known,
        };
        if wanted > 0 && wanted != generator {
            return Err(format!("generator {generator} != {wanted}"));
        }
        // Without a known generator it is of no use for Diffie-Hellman.
        if generator == 0 {
            return Err("no known generator".into());
        }
        Ok(Self {
            tests,
            tries,
            size,
            generator,
            p,
            q,
        })
    }
}

/// The small number that generates the subgroup of order `q`, by quadratic
/// residues; 0 if neither 2 nor 5 does.
fn guess_generator(p: &[u8]) -> u32 {
    if remainder(p, 24) == 11 {
        2
    } else if matches!(remainder(p, 10), 3 | 7) {
        5
    } else {
        0
    }
}

/// A magnitude modulo a small number.
fn remainder(magnitude: &[u8], divisor: u32) -> u32 {
    let step = |rest: u32, byte: &u8| (rest << 8 | u32::from(*byte)) % divisor;
    magnitude.iter().fold(0, step)
}

/// `2n + 1`.
fn double_plus_one(n: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(n.len() + 1);
    let mut carry = 1;
    for byte in n.iter().rev() {
        out.push(byte << 1 | carry);
        carry = byte >> 7;
    }
    if carry != 0 {
        out.push(carry);
    }
    out.reverse();
    out
}

/// Half of `n`, the last bit dropped.
fn halved(n: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let shifted = n.iter().map(|byte| {
        let half = byte >> 1 | carry << 7;
        carry = byte & 1;
        half
    });
    let out: Vec<u8> = shifted.collect();
    let zeros = out.iter().take_while(|b| **b == 0).count();
    out.get(zeros..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first safe prime above 2^511 that has 2 for a generator.
    fn safe() -> String {
        format!("8{:0127X}", 1299)
    }

    fn line(kind: u32, tests: u32, size: u32, generator: u32, number: &str) -> String {
        format!("20240101000000 {kind} {tests} 7 {size} {generator:x} {number}\n")
    }

    #[test]
    fn a_safe_prime_is_found_by_itself_and_by_its_half() {
        let p = hex(&safe()).expect("hex");
        let q = upper_hex(&halved(&p));
        for (text, tries) in [
            (line(4, 2, 510, 0, &q), 5),
            (line(2, 2, 511, 0, &safe()), 5),
            (line(2, 6, 511, 0, &safe()), 12),
        ] {
            let Screened::Safe(found) = screen(&text, 5, 0) else {
                panic!("{text}: {:?}", screen(&text, 5, 0));
            };
            assert_eq!(
                found.line("20260101000000"),
                format!("20260101000000 2 6 {tries} 511 2 {}\n", safe())
            );
        }
    }

    #[test]
    fn others_are_told_apart() {
        let p = safe();
        let mut off = hex(&p).expect("hex");
        if let Some(byte) = off.get_mut(20) {
            *byte ^= 2;
        }
        let composite = upper_hex(&off);
        for (text, want) in [
            ("# comment comment".to_owned(), "comment or short line"),
            ("short".into(), "comment or short line"),
            (line(2, 1, 511, 2, &p), "known composite"),
            (line(9, 2, 511, 2, &p), "Unknown prime type"),
            (line(2, 2, 512, 2, &p), "bit size 512 mismatch"),
            (line(2, 2, 7, 2, "C3"), "bit size 7 too short"),
            (line(2, 2, 511, 2, "xyz"), "modulus is not hexadecimal"),
            ("20240101000000 2 6 x".into(), "bad number x"),
            ("20240101000000 2 6".into(), "truncated line"),
            (line(2, 2, u32::MAX, 2, &p), "bit size 4294967295 mismatch"),
        ] {
            assert_eq!(screen(&text, 5, 0), Screened::Skipped(want.into()));
        }
        assert_eq!(
            screen(&line(2, 2, 511, 2, &p), 5, 5),
            Screened::Skipped("generator 2 != 5".into())
        );
        assert!(matches!(
            screen(&line(2, 2, 511, 2, &composite), 5, 0),
            Screened::Composite(_)
        ));
    }

    #[test]
    fn arithmetic() {
        assert_eq!(double_plus_one(&[0x80, 1]), [1, 0, 3]);
        assert_eq!(double_plus_one(&[1]), [3]);
        assert_eq!(halved(&[1, 0, 3]), [0x80, 1]);
        assert_eq!(halved(&[1]), Vec::<u8>::new());
        assert_eq!(remainder(&[1, 0], 24), 16);
        assert_eq!(guess_generator(&[11]), 2);
        assert_eq!(guess_generator(&[23]), 5);
        assert_eq!(guess_generator(&[31]), 0);
    }
}
