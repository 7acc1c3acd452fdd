//! Randomness as an argument.

/// A source of unpredictable bytes. Tests pass a seeded one.
pub trait Rng: Send {
    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]);
}

/// AWS-LC's generator, seeded by the kernel.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemRng;

impl Rng for SystemRng {
    /// # Panics
    /// If the kernel gives no entropy: there is no safe way to go on.
    fn fill(&mut self, out: &mut [u8]) {
        assert!(
            aws_lc_rs::rand::fill(out).is_ok(),
            "the system's random number generator failed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guards the build knob `AWS_LC_SYS_NO_JITTER_ENTROPY`: without it the
    /// first random byte of each process costs some 70 ms. Several processes
    /// may share a loaded machine, so the quickest of a few fresh ones counts.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is about time")]
    fn first_call_is_quick() {
        const MARK: &str = "CARRICK_TEST_FIRST_RNG_CALL";
        if std::env::var_os(MARK).is_some() {
            let start = std::time::Instant::now();
            SystemRng.fill(&mut [0; 1]);
            println!("first-call-us={}", start.elapsed().as_micros());
            return;
        }
        let micros = (0..5).map(|_| fresh_process(MARK)).min().unwrap();
        assert!(micros < 5000, "first random byte took {micros} us");
    }

    #[expect(
        clippy::disallowed_types,
        reason = "a generator is seeded once in a process"
    )]
    fn fresh_process(mark: &str) -> u64 {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "rng::tests::first_call_is_quick", "--nocapture"])
            .env(mark, "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, number) = text.split_once("first-call-us=").unwrap();
        number.lines().next().unwrap().parse().unwrap()
    }

    #[test]
    fn fills_all_of_it() {
        let mut bytes = [0; 64];
        SystemRng.fill(&mut bytes);
        assert_ne!(bytes[..32], bytes[32..]);
        assert_ne!(bytes[32..], [0; 32]);
    }
}
