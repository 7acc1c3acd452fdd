//! Holding back: `-l`.

use std::time::{Duration, Instant};

/// How much may pass at once without a wait, for who waits after each piece.
pub(crate) const PIECE: usize = 16 * 1024;

/// What may pass ahead of time: all of so much time,
const BURST: Duration = Duration::from_millis(100);

/// or this.
const BURST_LEAST: u64 = 512;

/// A rate that is not passed on average. Time in which nothing passes is not
/// made up for.
#[derive(Debug)]
pub(crate) struct Pace {
    bits_per_second: u64,
    /// When what has passed so far was due.
    due: Instant,
}

impl Pace {
    /// At most so many Kbit/s.
    pub(crate) fn new(kbits: u64) -> Self {
        Self {
            bits_per_second: kbits.max(1).saturating_mul(1024),
            due: Instant::now(),
        }
    }

    /// Bytes a second.
    pub(crate) fn rate(&self) -> u64 {
        self.bits_per_second / 8
    }

    /// Waits as long as it takes for `bytes` more to have been due.
    pub(crate) fn passed(&mut self, bytes: usize) {
        let now = Instant::now();
        self.spend(bytes, now);
        let wait = self.due.saturating_duration_since(now);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    /// So much passed.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.due = self.due.max(now) + self.time(bytes);
    }

    /// How many bytes may pass now.
    pub(super) fn most(&self, now: Instant) -> usize {
        let left = self.left(now).as_micros();
        let bytes = left.saturating_mul(self.bits_per_second.into()) / 8_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// How long to wait until it is worth while to go on, if not at all.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let wait = (self.burst() / 4).saturating_sub(self.left(now));
        (!wait.is_zero()).then_some(wait)
    }

    /// What is left to pass ahead of time.
    fn left(&self, now: Instant) -> Duration {
        let ahead = self.due.saturating_duration_since(now);
        self.burst().saturating_sub(ahead)
    }

    fn burst(&self) -> Duration {
        BURST.max(self.time(BURST_LEAST))
    }

    /// How long so many bytes take.
    fn time(&self, bytes: u64) -> Duration {
        let micros = u128::from(bytes) * 8_000_000 / u128::from(self.bits_per_second);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_rate_is_kept_and_pauses_are_not_made_up_for() {
        let mut pace = Pace::new(8);
        let start = pace.due;
        pace.spend(1024, start);
        assert_eq!(pace.due, start + SECOND);
        pace.spend(1024, start);
        assert_eq!(pace.due, start + 2 * SECOND);
        pace.spend(0, start + SECOND);
        assert_eq!(pace.due, start + 2 * SECOND);
        pace.spend(1024, start + 9 * SECOND);
        assert_eq!(pace.due, start + 10 * SECOND);
    }

    /// Whoever moves what may pass, and waits when told to.
    #[test]
    fn what_passes_in_bursts_keeps_the_rate_as_well() {
        for kbits in [1, 800, 8_000_000] {
            let mut pace = Pace::new(kbits);
            let start = pace.due;
            let (mut now, mut moved) = (start, 0);
            while now < start + 20 * SECOND {
                let most = pace.most(now);
                pace.spend(most, now);
                moved += most;
                match pace.pause(now) {
                    Some(pause) => now += pause,
                    None => assert!(most > 0, "it would turn for ever"),
                }
            }
            let want = usize::try_from(20 * pace.rate()).unwrap();
            let burst = (want / 200).max(512);
            assert!(moved <= want + 2 * burst, "{kbits}: {moved} of {want}");
            assert!(moved + 2 * burst >= want, "{kbits}: {moved} of {want}");
        }
    }
}
