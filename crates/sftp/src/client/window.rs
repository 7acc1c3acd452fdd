//! How much data may be under way at once: as much as the path holds, twice
//! over, so that neither side ever waits for the other; found by measuring.
//!
//! The rate of delivery is sampled with each answer, the round trip is the
//! shortest ever seen. Their product is what the path holds. While the window
//! is the bottleneck, delivery grows with it: at the start the window becomes
//! four times as large with each round trip, and twice once a round trip has
//! brought no more than the one before; when something else is the bottleneck,
//! it stays. A short or slow path keeps the window small, and with it what a
//! cancelled transfer has to wait out, what the caches hold and what a server
//! may have to store.

use core::time::Duration;

/// As much as a fast local path needs; also what is used before anything is
/// known.
pub(super) const LEAST: u64 = 2 * 1024 * 1024;

/// What a server may have to hold in memory at the worst, and what a transfer
/// that is broken off waits out.
pub(super) const MOST: u64 = 32 * 1024 * 1024;

/// Where the window begins on a long path, so that it takes fewer round trips:
/// with what this many bytes a second bring in one, though not more than
/// [`FIRST_MOST`].
const FIRST_RATE: u64 = 64 * 1024 * 1024;

/// See [`FIRST_RATE`].
const FIRST_MOST: u64 = 8 * 1024 * 1024;

/// Samples of the rate count for so many round trips, and half of them at least.
const ROUNDS: u32 = 16;

/// The state of the path when a request was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    asked: Duration,
    delivered: u64,
    delivered_at: Duration,
}

/// The estimate, and what is under way. Times are counted from any fixed
/// moment.
#[derive(Debug, Clone)]
pub struct Window {
    least: u64,
    most: u64,
    /// See [`FIRST_RATE`].
    first_rate: u64,
    limit: u64,
    under_way: u64,
    delivered: u64,
    delivered_at: Duration,
    round_trip: Option<Duration>,
    /// Bytes a second: the best of this span of rounds, and of the one before.
    best: (u64, u64),
    rounds: u32,
    /// The round is over when a request made after this much was delivered is
    /// answered.
    round_end: u64,
    start: Start,
}

/// Whether the rate still grows with the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// This was the best rate when the round began.
    Growing(u64),
    Over,
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            first_rate: FIRST_RATE,
            ..Self::bounded(LEAST, MOST)
        }
    }

    /// It stays between two numbers of bytes, and begins with the first.
    pub fn bounded(least: u64, most: u64) -> Self {
        Self {
            least,
            most: most.max(least),
            first_rate: 0,
            limit: least,
            under_way: 0,
            delivered: 0,
            delivered_at: Duration::ZERO,
            round_trip: None,
            best: (0, 0),
            rounds: 0,
            round_end: 0,
            start: Start::Growing(0),
        }
    }

    /// The number of bytes that may be under way.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many more may be asked for or sent now. One request may overrun it.
    pub fn room(&self) -> u64 {
        self.limit.saturating_sub(self.under_way)
    }

    /// The bytes that are under way.
    pub fn under_way(&self) -> u64 {
        self.under_way
    }

    /// A request is made that moves `bytes`; 0 for one that only measures the
    /// round trip.
    pub fn asked(&mut self, now: Duration, bytes: u64) -> Stamp {
        if self.under_way == 0 {
            // A pause is no slow delivery.
            self.delivered_at = now;
        }
        self.under_way = self.under_way.saturating_add(bytes);
        Stamp {
            asked: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
        }
    }

    /// It is answered: of the `bytes` it was made for, `moved` were moved.
    pub fn answered(&mut self, now: Duration, stamp: Stamp, bytes: u64, moved: u64) {
        self.under_way = self.under_way.saturating_sub(bytes);
        let trip = now.saturating_sub(stamp.asked);
        self.round_trip = Some(self.round_trip.map_or(trip, |best| best.min(trip)));
        if moved == 0 {
            if self.delivered == 0 {
                self.limit = self.first();
            }
            return;
        }
        self.delivered = self.delivered.saturating_add(moved);
        self.delivered_at = now;
        if stamp.delivered >= self.round_end {
            self.next_round();
        }
        let span = now.saturating_sub(stamp.delivered_at);
        let came = self.delivered.saturating_sub(stamp.delivered);
        if let Some(rate) = per_second(came, span) {
            self.best.0 = self.best.0.max(rate);
        }
        let gain = match self.start {
            Start::Growing(_) => 4,
            Start::Over => 2,
        };
        let limit = self.holds().saturating_mul(gain);
        self.limit = limit.clamp(self.least, self.most);
    }

    /// Where it begins, by the round trip alone.
    fn first(&self) -> u64 {
        let trip = self.round_trip.unwrap_or_default().as_micros();
        let brought = u128::from(self.first_rate) * trip / 1_000_000;
        let brought = u64::try_from(brought).unwrap_or(u64::MAX);
        brought.min(FIRST_MOST).clamp(self.least, self.most)
    }

    fn next_round(&mut self) {
        self.round_end = self.delivered;
        self.rounds += 1;
        if self.rounds >= ROUNDS {
            self.rounds = 0;
            self.best = (0, self.best.0);
        }
        if let Start::Growing(before) = self.start {
            let best = self.best.0.max(self.best.1);
            // By a quarter at least, or it does not.
            self.start = if best / 5 >= before / 4 {
                Start::Growing(best)
            } else {
                Start::Over
            };
        }
    }

    /// What the path holds, by what is known.
    fn holds(&self) -> u64 {
        let rate = u128::from(self.best.0.max(self.best.1));
        let trip = self.round_trip.unwrap_or_default().as_micros();
        u64::try_from(rate.saturating_mul(trip) / 1_000_000).unwrap_or(u64::MAX)
    }
}

fn per_second(bytes: u64, span: Duration) -> Option<u64> {
    let micros = span.as_micros();
    let rate = u128::from(bytes)
        .saturating_mul(1_000_000)
        .checked_div(micros)?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path with a rate and a round trip, used for `rounds` round trips of a
    /// transfer that never lacks data: the window at the end.
    fn grown(rate: u64, trip: Duration, seconds: u64) -> u64 {
        let mut window = Window::new();
        let block = 64 * 1024;
        let mut flying = std::collections::VecDeque::new();
        let each = Duration::from_micros(block * 1_000_000 / rate);
        let (mut now, mut free) = (Duration::from_secs(9), Duration::ZERO);
        let stamp = window.asked(now, 0);
        now += trip;
        window.answered(now, stamp, 0, 0);
        let end = now + Duration::from_secs(seconds);
        while now < end {
            while window.room() > 0 {
                free = free.max(now) + each;
                flying.push_back((free + trip, window.asked(now, block)));
            }
            let (arrives, stamp) = flying.pop_front().unwrap();
            now = arrives;
            window.answered(now, stamp, block, block);
        }
        assert_eq!(window.under_way(), flying.len() as u64 * block);
        window.limit()
    }

    #[test]
    fn it_grows_to_what_the_path_holds() {
        let trip = Duration::from_millis(100);
        // 100 MB/s for 100 ms are 10 MB.
        let grown_to = grown(100_000_000, trip, 2);
        assert!((18_000_000..=22_000_000).contains(&grown_to), "{grown_to}");
        // A path that holds more than is allowed.
        assert_eq!(grown(1_000_000_000, trip, 2), MOST);
    }

    #[test]
    fn it_is_open_after_a_few_round_trips() {
        let trip = Duration::from_millis(100);
        let mut window = Window::new();
        let mut now = Duration::from_secs(9);
        let stamp = window.asked(now, 0);
        now += trip;
        window.answered(now, stamp, 0, 0);
        let mut limits = Vec::new();
        assert_eq!(window.limit(), FIRST_RATE / 10);
        for _ in 0..2 {
            let bytes = window.room();
            let stamp = window.asked(now, bytes);
            now += trip;
            window.answered(now, stamp, bytes, bytes);
            limits.push(window.limit());
        }
        assert_eq!(limits, [FIRST_RATE / 10 * 4, MOST]);
    }

    #[test]
    fn a_slow_or_short_path_keeps_it_small() {
        assert_eq!(grown(1_000_000, Duration::from_millis(100), 60), LEAST);
        assert_eq!(grown(1_000_000_000, Duration::from_micros(200), 2), LEAST);
    }

    #[test]
    fn a_pause_is_not_slowness() {
        let mut window = Window::bounded(1000, 1_000_000);
        let at = Duration::from_millis;
        let stamp = window.asked(at(0), 0);
        window.answered(at(100), stamp, 0, 0);
        let stamp = window.asked(at(5000), 1000);
        window.answered(at(5100), stamp, 1000, 1000);
        // Four times what it holds, as it is at the start.
        assert_eq!(window.limit(), 4000);
        assert_eq!(window.under_way(), 0);
    }
}
