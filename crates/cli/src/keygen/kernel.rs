//! Randomness for what is kept for years.

use carrick_crypto::rng::Rng;
use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};

/// The kernel's own generator, with nothing in between: a program that makes one
/// key has no use for setting up another.
#[derive(Clone, Copy, Debug)]
pub(super) struct KernelRng;

impl Rng for KernelRng {
    /// # Panics
    /// If the kernel gives no entropy: there is no safe way to go on.
    fn fill(&mut self, mut out: &mut [u8]) {
        while !out.is_empty() {
            // It waits until the generator is seeded.
            let len = retry_on_intr(|| getrandom(&mut *out, GetRandomFlags::empty())).unwrap_or(0);
            assert!(len > 0, "the kernel's random number generator failed");
            out = std::mem::take(&mut out).get_mut(len..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_all_of_it() {
        // No stretch of it stays as it was.
        let mut bytes = vec![0; 100_000];
        KernelRng.fill(&mut bytes);
        assert!(
            bytes
                .chunks(16)
                .all(|chunk| chunk.iter().any(|byte| *byte != 0))
        );
        assert_ne!(bytes[..16], bytes[16..32]);
        KernelRng.fill(&mut []);
    }
}
