//! The moduli file (moduli(5)): safe primes for
//! diffie-hellman-group-exchange (RFC 4419 section 3).

pub mod screen;
pub mod sieve;

use core::fmt;

use carrick_crypto::rng::Rng;

/// The only type of modulus the exchange uses.
const TYPE_SAFE: u32 = 2;
/// Bit of the tests field: the number is known not to be prime.
const TEST_COMPOSITE: u32 = 1;
/// Largest size a line may claim, as in OpenSSH.
const SIZE_MAX: u32 = 64 * 1024;

/// One group: a safe prime and its generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Exact length of the prime.
    pub bits: u32,
    /// The prime, big-endian, without leading zeros.
    pub prime: Vec<u8>,
    /// The generator, big-endian, without leading zeros.
    pub generator: Vec<u8>,
}

/// A line that is not a usable modulus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuliError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for ModuliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "moduli line {}: {}", self.line, self.reason)
    }
}

impl core::error::Error for ModuliError {}

/// The usable lines of a moduli file.
#[derive(Debug, Clone, Default)]
pub struct Moduli {
    groups: Vec<Group>,
    errors: Vec<ModuliError>,
}

impl Moduli {
    /// Reads a moduli file. Bad lines are left out and reported.
    pub fn parse(text: &str) -> Self {
        let mut moduli = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line) {
                Ok(group) => moduli.groups.push(group),
                Err(reason) => moduli.errors.push(ModuliError {
                    line: index + 1,
                    reason,
                }),
            }
        }
        moduli
    }

    /// The lines that were left out.
    pub fn errors(&self) -> &[ModuliError] {
        &self.errors
    }

    /// The usable groups, in file order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Picks a group of `min..=max` bits, of the smallest size above `want`
    /// or else the largest there is; among several of that size, at random.
    pub fn choose(&self, min: u32, want: u32, max: u32, rng: &mut dyn Rng) -> Option<&Group> {
        let fits = |g: &&Group| (min..=max).contains(&g.bits);
        let mut best = 0;
        for bits in self.groups.iter().filter(fits).map(|g| g.bits) {
            if (bits > want && bits < best) || (bits > best && best < want) {
                best = bits;
            }
        }
        let all: Vec<&Group> = self.groups.iter().filter(|g| g.bits == best).collect();
        let pick = uniform(all.len(), rng)?;
        all.get(pick).copied()
    }
}

/// A number below `bound`, each as likely as the others; `None` for zero.
fn uniform(bound: usize, rng: &mut dyn Rng) -> Option<usize> {
    let bound = u64::try_from(bound).ok().filter(|b| *b > 0)?;
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = [0; 8];
        rng.fill(&mut bytes);
        let value = u64::from_be_bytes(bytes);
        if value < limit {
            return usize::try_from(value % bound).ok();
        }
    }
}

fn parse_line(line: &str) -> Result<Group, &'static str> {
    let mut fields = line.split([' ', '\t']);
    let mut next = || fields.next().filter(|f| !f.is_empty()).ok_or("truncated");
    next()?; // when it was made
    let kind = number(next()?, 5).ok_or("type is not a number")?;
    let tests = number(next()?, 0x1f).ok_or("tests flags are not a number")?;
    let tries = number(next()?, 1 << 30).ok_or("primality trial count is not a number")?;
    let size = number(next()?, SIZE_MAX).ok_or("size is not a number")?;
    let generator = hex(next()?).ok_or("generator is not hexadecimal")?;
    let prime = hex(next()?).ok_or("prime is not hexadecimal")?;
    if fields.next().is_some() {
        return Err("too many fields");
    }
    if kind != TYPE_SAFE {
        return Err("not a safe prime");
    }
    if tests & TEST_COMPOSITE != 0 || tests & !TEST_COMPOSITE == 0 {
        return Err("prime is composite or was not tested");
    }
    if tries == 0 {
        return Err("no primality trials");
    }
    // The file lists the size of the Sophie Germain prime, one bit less.
    let bits = size + 1;
    if size == 0 || bit_len(&prime) != Some(bits) {
        return Err("prime has another size than listed");
    }
    if generator.is_empty() || generator == [1] {
        return Err("generator is not above one");
    }
    Ok(Group {
        bits,
        prime,
        generator,
    })
}

fn number(text: &str, max: u32) -> Option<u32> {
    text.parse().ok().filter(|n| *n <= max)
}

/// A hexadecimal number's magnitude.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let mut bytes: Vec<u8> = digits
        .rchunks(2)
        .rev()
        .map(|pair| pair.iter().fold(0, |high, digit| high << 4 | digit))
        .collect();
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.drain(..zeros);
    Some(bytes)
}

fn bit_len(magnitude: &[u8]) -> Option<u32> {
    let first = magnitude.first()?;
    let whole = u32::try_from(magnitude.len()).ok()?.checked_mul(8)?;
    Some(whole - first.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u8);
    impl Rng for Count {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(0);
            if let Some(last) = out.last_mut() {
                *last = self.0;
            }
            self.0 = self.0.wrapping_add(1);
        }
    }

    const FILE: &str = "\
# Time Type Tests Tries Size Generator Modulus
20240101000000 2 6 100 7 2 C3
20240101000000 2 6 100 7 5 D3
20240101000000 2 6 100 15 2 FFF1
20240101000000 2 6 100 8 2 FF
20240101000000 4 6 100 7 2 C3
20240101000000 2 1 100 7 2 C3
20240101000000 2 6 100 7 1 C3
20240101000000 2 6 100 7 2
20240101000000 2 6 0 7 2 C3
20240101000000 2 6 100 7 2 G3
";

    #[test]
    fn good_lines_are_read_and_bad_ones_reported() {
        let moduli = Moduli::parse(FILE);
        let bits: Vec<_> = moduli.groups().iter().map(|g| g.bits).collect();
        assert_eq!(bits, [8, 8, 16]);
        let lines: Vec<_> = moduli.errors().iter().map(|e| e.line).collect();
        assert_eq!(lines, [5, 6, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn the_smallest_size_above_the_wish_is_chosen() {
        let moduli = Moduli::parse(FILE);
        let mut rng = Count(0);
        let mut choose = |min, want, max| {
            moduli
                .choose(min, want, max, &mut rng)
                .map(|g| (g.bits, g.generator.clone()))
        };
        assert_eq!(choose(1, 7, 99), Some((8, vec![2])));
        assert_eq!(choose(1, 7, 99), Some((8, vec![5])));
        assert_eq!(choose(1, 9, 99), Some((16, vec![2])));
        assert_eq!(choose(1, 99, 99).map(|g| g.0), Some(16));
        assert_eq!(choose(1, 99, 9).map(|g| g.0), Some(8));
        assert_eq!(choose(17, 99, 99), None);
    }

    #[test]
    fn odd_length_hex_is_a_number() {
        assert_eq!(hex("0001ff"), Some(vec![1, 255]));
        assert_eq!(hex("fff"), Some(vec![15, 255]));
        assert_eq!(hex("x"), None);
    }
}
