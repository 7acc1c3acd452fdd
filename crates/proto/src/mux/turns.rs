//! Whose turn it is to put data into the outbox.
//!
//! Channels that found no room wait in a queue. As room appears a round
//! begins: all who wait are told, first come first, and for as long as the
//! round lasts no channel may take more than its share of the room.

use std::collections::VecDeque;

use super::ChannelId;
use crate::limits;

/// With less room than this none is given out, and no share is smaller: packets
/// would get small.
const ROOM_LEAST: usize = 32 * 1024;
const _: () = assert!(ROOM_LEAST * 4 <= limits::BACKLOG, "room comes in portions");

#[derive(Debug)]
pub(super) struct Turns {
    waiting: VecDeque<ChannelId>,
    round: u64,
    share: usize,
}

/// A channel's place in the turns.
#[derive(Debug, Default)]
pub(super) struct Turn {
    waiting: bool,
    round: u64,
    used: usize,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            round: 0,
            share: usize::MAX,
        }
    }

    /// How much the channel may take, of `room`.
    pub(super) fn allowance(&self, turn: &Turn, room: usize) -> usize {
        if room < ROOM_LEAST {
            return 0;
        }
        let used = if turn.round == self.round {
            turn.used
        } else {
            0
        };
        room.min(self.share.saturating_sub(used))
    }

    /// The channel took `len` bytes of room.
    pub(super) fn used(&self, turn: &mut Turn, len: usize) {
        if turn.round != self.round {
            turn.round = self.round;
            turn.used = 0;
        }
        turn.used = turn.used.saturating_add(len);
    }

    /// Puts the channel at the end of the queue, once.
    pub(super) fn wait(&mut self, turn: &mut Turn, id: ChannelId) {
        if !core::mem::replace(&mut turn.waiting, true) {
            self.waiting.push_back(id);
        }
    }

    /// Begins a round if somebody waits and there is room.
    pub(super) fn begin(&mut self, room: usize) -> VecDeque<ChannelId> {
        if self.waiting.is_empty() || room < ROOM_LEAST {
            return VecDeque::new();
        }
        self.round = self.round.wrapping_add(1);
        self.share = match self.waiting.len() {
            1 => usize::MAX,
            n => (room / n).max(ROOM_LEAST),
        };
        core::mem::take(&mut self.waiting)
    }

    /// Forgets a channel that is gone.
    pub(super) fn leave(&mut self, turn: &Turn, id: ChannelId) {
        if turn.waiting {
            self.waiting.retain(|other| *other != id);
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Turn {
    /// The channel has been told.
    pub(super) fn told(&mut self) {
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 256 * 1024;

    #[test]
    fn those_who_wait_are_told_in_order_and_share_the_room() {
        let mut turns = Turns::new();
        let mut all = [
            Turn::default(),
            Turn::default(),
            Turn::default(),
            Turn::default(),
        ];
        assert_eq!(turns.allowance(&all[0], ROOM), ROOM);
        for (n, turn) in (0..).zip(&mut all) {
            turns.wait(turn, ChannelId(n));
            turns.wait(turn, ChannelId(n));
        }
        assert!(turns.begin(ROOM_LEAST - 1).is_empty());
        assert_eq!(turns.begin(ROOM), [0, 1, 2, 3].map(ChannelId));
        assert_eq!(turns.allowance(&all[2], ROOM), ROOM / 4);
        turns.used(&mut all[2], ROOM / 4);
        assert_eq!(turns.allowance(&all[2], ROOM), 0);
        all[2].told();
        turns.wait(&mut all[2], ChannelId(2));
        // Alone in the next round, it may have everything.
        assert_eq!(turns.begin(ROOM), [ChannelId(2)]);
        assert_eq!(turns.allowance(&all[2], ROOM), ROOM);
        assert!(turns.is_idle());
    }

    #[test]
    fn who_is_gone_is_not_told() {
        let mut turns = Turns::new();
        let mut turn = Turn::default();
        turns.wait(&mut turn, ChannelId(1));
        turns.leave(&turn, ChannelId(1));
        assert!(turns.begin(ROOM).is_empty());
    }
}
