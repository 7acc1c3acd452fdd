//! Primality of public numbers.

/// Whether a big-endian number passes `rounds` rounds of Miller-Rabin with
/// random bases. A number that AWS-LC cannot work with (too large for its
/// memory) counts as composite.
pub fn is_prime(number: &[u8], rounds: u32) -> bool {
    carrick_lc::prime::is_prime(number, rounds).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::is_prime;

    #[test]
    fn primes_and_others() {
        assert!(is_prime(&[1, 1], 20) && !is_prime(&[1, 3], 20));
    }
}
