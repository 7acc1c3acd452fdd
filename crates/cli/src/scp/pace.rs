//! Holding back: `-l`.

use std::time::{Duration, Instant};

/// How much may pass at once without a wait.
pub(super) const PIECE: usize = 16 * 1024;

/// A rate that is not passed on average.
pub(super) struct Pace {
    bits_per_second: u64,
    /// When what has passed so far was due.
    due: Instant,
}

impl Pace {
    /// At most so many Kbit/s.
    pub(super) fn new(kbits: u64) -> Self {
        Self {
            bits_per_second: kbits.max(1).saturating_mul(1024),
            due: Instant::now(),
        }
    }

    /// Waits as long as it takes for `bytes` more to have been due. Time in
    /// which nothing passed is not made up for.
    pub(super) fn passed(&mut self, bytes: usize) {
        let wait = self.wait(bytes, Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    fn wait(&mut self, bytes: usize, now: Instant) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
        let micros = bits.saturating_mul(1_000_000) / self.bits_per_second;
        self.due = self.due.max(now) + Duration::from_micros(micros);
        self.due - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_and_pauses_are_not_made_up_for() {
        let mut pace = Pace::new(8);
        let start = pace.due;
        let second = Duration::from_secs(1);
        assert_eq!(pace.wait(1024, start), second);
        assert_eq!(pace.wait(1024, start), 2 * second);
        assert_eq!(pace.wait(0, start + second), second);
        assert_eq!(pace.wait(1024, start + 9 * second), second);
    }
}
