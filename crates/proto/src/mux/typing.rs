//! Whether somebody types while other channels are busy.
//!
//! A key typed on a terminal is wanted back at once, and what other channels
//! have on its way to the socket stands before it. So while somebody types less
//! of that is kept there; it costs bulk data a part of its speed, and ends soon
//! after the last key.

use std::time::{Duration, Instant};

/// After a key the next one is expected for so long.
const PAUSE: Duration = Duration::from_secs(2);

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Typing {
    /// A key went by since the driver last looked.
    key: bool,
    until: Option<Instant>,
}

impl Typing {
    /// Data went by on a terminal, on its way to the server.
    pub(super) fn key(&mut self) {
        self.key = true;
    }

    /// The driver looks; `beside_others`: there are other channels.
    pub(super) fn look(&mut self, now: Instant, beside_others: bool) {
        let expected = |until: Instant| until.saturating_duration_since(now);
        if core::mem::take(&mut self.key)
            && beside_others
            // A timer is not set anew for each key.
            && self.until.is_none_or(|until| expected(until) < PAUSE / 2)
        {
            self.until = now.checked_add(PAUSE);
        }
        self.until = self.until.filter(|until| !expected(*until).is_zero());
    }

    /// Whether somebody types.
    pub(super) fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// When the driver is to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_a_key_beside_others_and_ends_after_the_last() {
        let mut typing = Typing::default();
        let start = crate::mux::tests::start();
        typing.look(start, true);
        assert!(!typing.is_on());
        typing.key();
        typing.look(start, false);
        assert!(!typing.is_on(), "nobody else is there");
        typing.look(start, true);
        assert!(!typing.is_on(), "the key was before");
        typing.key();
        typing.look(start, true);
        assert_eq!(typing.deadline(), Some(start + PAUSE));
        // Another key soon after it moves nothing, one later does.
        for (after, until) in [(PAUSE / 4, PAUSE), (PAUSE * 3 / 4, PAUSE * 7 / 4)] {
            typing.key();
            typing.look(start + after, true);
            assert_eq!(typing.deadline(), Some(start + until));
        }
        typing.look(start + PAUSE, true);
        assert!(typing.is_on());
        typing.look(start + PAUSE * 7 / 4, true);
        assert!(!typing.is_on());
        assert_eq!(typing.deadline(), None);
    }
}
