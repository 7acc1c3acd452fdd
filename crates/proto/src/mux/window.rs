//! The receiving window of a channel (RFC 4254 section 5.2) and its growth.
//!
//! Every byte of the window is in one of three places: the peer may still send
//! it, it waits unread, or it was taken and is to be granted anew. So what is
//! buffered never exceeds the window.

use std::time::{Duration, Instant};

use crate::limits;

/// Shortest interval over which the reader's rate is measured.
const SHORTEST: Duration = Duration::from_millis(1);

/// Round trip assumed while none has been measured.
const UNMEASURED: Duration = Duration::from_millis(100);

/// The interval over which a reader's rate is measured: one round trip.
pub(super) fn interval(rtt: Option<Duration>) -> Duration {
    rtt.unwrap_or(UNMEASURED).max(SHORTEST)
}

/// A channel's first window on a path with the round trip `rtt`, where it is
/// `short` on a short one; see [`limits::WINDOW_FIRST_TRIP`].
pub(super) fn first(short: u32, rtt: Duration) -> u32 {
    let trip = limits::WINDOW_FIRST_TRIP;
    let rtt = rtt.clamp(trip, trip * limits::WINDOW_FIRST_GAIN);
    let first = u128::from(short) * rtt.as_micros() / trip.as_micros();
    u32::try_from(first).unwrap_or(u32::MAX)
}

/// How much the peer may send, and how much of that has been used.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    /// All of it: `open`, unread and `credit` together.
    size: u32,
    /// What the peer may still send.
    open: u32,
    /// What the reader has taken and the peer has not been granted again.
    credit: u32,
    /// When the running measurement began.
    since: Option<Instant>,
    /// What the reader has taken since then.
    taken: u64,
}

impl ReceiveWindow {
    pub(super) fn new(size: u32) -> Self {
        Self {
            size,
            open: size,
            credit: 0,
            since: None,
            taken: 0,
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// What the peer may still send.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    pub(super) fn unread(&self) -> u32 {
        self.size
            .saturating_sub(self.open)
            .saturating_sub(self.credit)
    }

    /// Accounts for `len` bytes that came in; `false` if they are too many.
    #[must_use]
    pub(super) fn receive(&mut self, len: usize) -> bool {
        match u32::try_from(len)
            .ok()
            .and_then(|len| self.open.checked_sub(len))
        {
            Some(open) => {
                self.open = open;
                true
            }
            None => false,
        }
    }

    /// Accounts for `len` unread bytes that the reader took.
    pub(super) fn take(&mut self, len: usize) {
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(self.unread());
        self.credit = self.credit.saturating_add(len);
        self.taken = self.taken.saturating_add(u64::from(len));
    }

    /// What to grant the peer now, if it is enough to be worth a message:
    /// an eighth of the window, though not less than 64 KiB or three packets;
    /// of a small window, half.
    pub(super) fn grant(&mut self, max_packet: u32) -> Option<u32> {
        let worth = (self.size / 8)
            .max(64 * 1024)
            .max(max_packet.saturating_mul(3));
        if self.credit == 0 || self.credit < worth.min(self.size / 2) {
            return None;
        }
        self.open = self.open.saturating_add(self.credit);
        Some(core::mem::take(&mut self.credit))
    }

    /// Grows the window, to `cap` at most, if the reader keeps up and has
    /// taken more than half of it in one round trip: then the window may well
    /// be what holds the peer back. That is known as soon as it has; the rest
    /// of the round trip is not waited for. Returns what was added.
    pub(super) fn grow(&mut self, now: Instant, interval: Duration, cap: u32) -> u32 {
        let Some(since) = self.since else {
            self.since = Some(now);
            return 0;
        };
        let elapsed = now.saturating_duration_since(since);
        let is_over = elapsed >= interval;
        if !is_over && !self.holds_back(self.taken) {
            return 0;
        }
        let mut taken = core::mem::take(&mut self.taken);
        self.since = Some(now);
        if elapsed > interval * 2 {
            taken = u64::try_from(
                u128::from(taken) * interval.as_micros() / elapsed.as_micros().max(1),
            )
            .unwrap_or(taken);
        }
        if !self.holds_back(taken) {
            return 0;
        }
        if !is_over {
            taken = taken.max(self.size.into());
        }
        let wanted = u32::try_from(taken.saturating_mul(4))
            .unwrap_or(u32::MAX)
            .min(cap);
        let added = wanted.saturating_sub(self.size);
        self.size = self.size.saturating_add(added);
        self.credit = self.credit.saturating_add(added);
        added
    }

    /// Whether the peer may be held back by a window of which so much was taken
    /// in a round trip.
    fn holds_back(&self, taken: u64) -> bool {
        taken.saturating_mul(2) > u64::from(self.size) && self.unread() <= self.size / 4
    }
}

/// The windows of all channels together, against their bound.
#[derive(Debug)]
pub(super) struct WindowBudget {
    used: u64,
    total: u64,
}

impl WindowBudget {
    pub(super) fn new(total: u64) -> Self {
        Self { used: 0, total }
    }

    /// The window for a new channel that would like `wanted`: less when much
    /// is given out already, but never less than a channel needs to work.
    pub(super) fn first(&mut self, wanted: u32) -> ReceiveWindow {
        let firsts = u64::from(wanted) * u64::from(limits::WINDOWS_FIRST);
        let left = self.total.min(firsts).saturating_sub(self.used);
        let share = u32::try_from(left / 8).unwrap_or(u32::MAX);
        let size = wanted.min(share.max(limits::WINDOW_LEAST));
        self.used = self.used.saturating_add(u64::from(size));
        ReceiveWindow::new(size)
    }

    /// Grows `window` as far as `max` and the budget allow.
    pub(super) fn grow(
        &mut self,
        window: &mut ReceiveWindow,
        now: Instant,
        interval: Duration,
        max: u32,
    ) {
        let left = u32::try_from(self.left()).unwrap_or(u32::MAX);
        let added = window.grow(now, interval, max.min(window.size().saturating_add(left)));
        self.used = self.used.saturating_add(u64::from(added));
    }

    /// Takes back the window of a channel that is gone.
    pub(super) fn give_back(&mut self, window: &ReceiveWindow) {
        self.used = self.used.saturating_sub(u64::from(window.size()));
    }

    pub(super) fn left(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u32 = 1024 * 1024;
    const RTT: Duration = Duration::from_millis(200);

    #[test]
    fn every_byte_is_in_one_place() {
        let mut w = ReceiveWindow::new(100);
        assert!(w.receive(60));
        assert!(!w.receive(41));
        assert_eq!((w.open(), w.unread()), (40, 60));
        w.take(20);
        assert_eq!(w.grant(10), None);
        w.take(30);
        assert_eq!(w.grant(10), Some(50));
        assert_eq!((w.open(), w.unread(), w.size()), (90, 10, 100));
    }

    #[test]
    fn a_window_of_one_byte_is_granted_again() {
        let mut w = ReceiveWindow::new(1);
        for _ in 0..3 {
            assert!(w.receive(1) && !w.receive(1));
            assert_eq!(w.grant(1), None);
            w.take(1);
            assert_eq!(w.grant(1), Some(1));
        }
    }

    #[test]
    fn grants_come_by_the_eighth() {
        let mut w = ReceiveWindow::new(2 * MIB);
        assert!(w.receive(1024 * 1024));
        w.take(256 * 1024 - 1);
        assert_eq!(w.grant(32 * 1024), None);
        w.take(1);
        assert_eq!(w.grant(32 * 1024), Some(256 * 1024));
    }

    /// One round trip in which the peer uses the whole window and the reader
    /// takes all of it.
    fn full_speed(w: &mut ReceiveWindow, now: Instant, cap: u32) -> u32 {
        let len = usize::try_from(w.open()).unwrap();
        assert!(w.receive(len));
        w.take(len);
        let added = w.grow(now, RTT, cap);
        let _ = w.grant(32 * 1024);
        added
    }

    #[test]
    fn grows_fourfold_per_round_trip_to_its_cap() {
        let mut now = crate::mux::tests::start();
        let mut w = ReceiveWindow::new(2 * MIB);
        assert_eq!(w.grow(now, RTT, 64 * MIB), 0);
        let mut sizes = Vec::new();
        for _ in 0..5 {
            now += RTT;
            full_speed(&mut w, now, 64 * MIB);
            sizes.push(w.size() / MIB);
        }
        assert_eq!(sizes, [8, 32, 64, 64, 64]);
    }

    #[test]
    fn a_burst_opens_it_before_the_round_trip_is_over() {
        let now = crate::mux::tests::start();
        let mut w = ReceiveWindow::new(2 * MIB);
        assert_eq!(w.grow(now, RTT, 64 * MIB), 0);
        assert!(w.receive(1024 * 1024));
        w.take(1024 * 1024);
        let soon = now + RTT / 100;
        assert_eq!(w.grow(soon, RTT, 64 * MIB), 0, "half is not more than half");
        assert!(w.receive(1024 * 1024));
        assert_eq!(w.grow(soon, RTT, 64 * MIB), 0, "the reader lags behind");
        w.take(1024 * 1024);
        assert_eq!(w.grow(soon, RTT, 64 * MIB), 6 * MIB);
        assert_eq!((w.size(), w.grant(32 * 1024)), (8 * MIB, Some(8 * MIB)));
        // The next measurement begins there.
        assert_eq!(w.grow(soon + RTT / 2, RTT, 64 * MIB), 0);
    }

    #[test]
    fn stays_small_for_slow_readers_and_slow_peers() {
        let mut now = crate::mux::tests::start();
        let mut w = ReceiveWindow::new(2 * MIB);
        assert_eq!(w.grow(now, RTT, 64 * MIB), 0);
        // The peer sends a tenth of the window per round trip.
        for _ in 0..20 {
            now += RTT;
            assert!(w.receive(200_000));
            w.take(200_000);
            let _ = w.grant(32 * 1024);
            assert_eq!(w.grow(now, RTT, 64 * MIB), 0);
        }
        // The window was used up, but over a minute.
        assert!(w.receive(1_500_000));
        w.take(1_500_000);
        assert_eq!(w.grow(now + Duration::from_mins(1), RTT, 64 * MIB), 0);
        let _ = w.grant(32 * 1024);
        // The reader took much, and much is left.
        now += Duration::from_mins(1);
        assert!(w.receive(2_000_000));
        w.take(1_300_000);
        assert_eq!(w.grow(now + RTT, RTT, 64 * MIB), 0);
    }

    #[test]
    fn a_long_path_begins_with_more() {
        let at = |millis| first(2 * MIB, Duration::from_millis(millis));
        assert_eq!((at(0), at(32), at(64)), (2 * MIB, 2 * MIB, 4 * MIB));
        assert_eq!((at(128), at(10_000)), (8 * MIB, 8 * MIB));
        assert_eq!(first(1, Duration::from_secs(1)), 4);
        // Eight of them, as ever; then less and less.
        let mut budget = WindowBudget::new(limits::WINDOW_TOTAL);
        let sizes: Vec<_> = (0..32).map(|_| budget.first(8 * MIB).size()).collect();
        assert_eq!(sizes[0], 8 * MIB);
        assert!(sizes.is_sorted_by(|a, b| a >= b) && budget.used() <= u64::from(64 * MIB));
    }

    #[test]
    fn the_budget_bounds_all_windows_together() {
        let mut budget = WindowBudget::new(u64::from(8 * MIB));
        let mut first = budget.first(2 * MIB);
        assert_eq!(first.size(), MIB);
        let start = crate::mux::tests::start();
        budget.grow(&mut first, start, RTT, 64 * MIB);
        assert!(first.receive(1024 * 1024));
        first.take(1024 * 1024);
        budget.grow(&mut first, start + RTT, RTT, 64 * MIB);
        assert_eq!(first.size(), 4 * MIB);
        let _ = first.grant(1);
        assert!(first.receive(4 * 1024 * 1024));
        first.take(4 * 1024 * 1024);
        budget.grow(&mut first, start + RTT * 2, RTT, 64 * MIB);
        assert_eq!((first.size(), budget.left()), (8 * MIB, 0));
        let second = budget.first(2 * MIB);
        assert_eq!(second.size(), limits::WINDOW_LEAST);
        budget.give_back(&first);
        budget.give_back(&second);
        assert_eq!(budget.used(), 0);
    }
}
