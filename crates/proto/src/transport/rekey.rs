//! When to exchange keys again: RFC 4253 section 9, RFC 4344 section 3.

use std::time::{Duration, Instant};

/// What one key of one direction has been used for.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    since: Instant,
    packets: u64,
    blocks: u64,
    bytes: u64,
}

impl Usage {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            packets: 0,
            blocks: 0,
            bytes: 0,
        }
    }

    pub(crate) fn count(&mut self, blocks: u64, bytes: u64) {
        self.packets += 1;
        self.blocks += blocks;
        self.bytes += bytes;
    }

    /// Since when the key is in force.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }
}

/// When the application wants new keys, beyond what the ciphers need
/// (OpenSSH's `RekeyLimit`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RekeyLimit {
    /// After so many bytes in one direction; `None` leaves it to the cipher.
    pub bytes: Option<u64>,
    /// After so long; `None` is never.
    pub time: Option<Duration>,
}

/// RFC 4344 section 3.1 asks for new keys before 2^32 packets; OpenSSH, and
/// we, at 2^31.
const MAX_PACKETS: u64 = 1 << 31;

impl RekeyLimit {
    /// Whether a key with this `usage` is due for replacement; `bound` is the
    /// cipher's own, in bytes.
    pub(crate) fn due(&self, usage: &Usage, bound: u64, now: Instant) -> bool {
        // An exchange that follows an exchange without a packet between would
        // never end.
        if usage.packets == 0 {
            return false;
        }
        usage.packets >= MAX_PACKETS
            || usage.bytes >= self.within(bound)
            || self.deadline(usage).is_some_and(|at| now >= at)
    }

    /// After how many bytes a key is due, `bound` being the cipher's own limit.
    pub(crate) fn within(&self, bound: u64) -> u64 {
        self.bytes.map_or(bound, |bytes| bytes.min(bound))
    }

    /// When time alone makes the key due.
    pub(crate) fn deadline(&self, usage: &Usage) -> Option<Instant> {
        if usage.packets == 0 {
            return None;
        }
        self.time.and_then(|time| usage.since.checked_add(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_packets_and_time_each_make_a_key_due() {
        let now = Instant::now_for_test();
        let mut usage = Usage::new(now);
        let limit = RekeyLimit {
            bytes: Some(100),
            time: Some(Duration::from_secs(10)),
        };
        assert!(
            !limit.due(&usage, 1000, now + Duration::from_secs(60)),
            "unused"
        );
        usage.count(4, 64);
        assert!(!limit.due(&usage, 1000, now));
        assert!(limit.due(&usage, 64, now), "the cipher's bound");
        assert!(
            limit.due(&usage, 1000, now + Duration::from_secs(10)),
            "time"
        );
        usage.count(4, 64);
        assert!(limit.due(&usage, 1000, now), "bytes");
        usage.packets = MAX_PACKETS;
        assert!(RekeyLimit::default().due(&usage, 1000, now), "packets");
    }

    trait TestClock {
        fn now_for_test() -> Instant;
    }

    impl TestClock for Instant {
        #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
        fn now_for_test() -> Instant {
            Instant::now()
        }
    }
}
