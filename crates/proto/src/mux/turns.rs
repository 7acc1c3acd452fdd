//! Whose turn it is to put data into the outbox.
//!
//! Channels that found no room wait in a queue. As room appears a round
//! begins: all who wait are told, first come first, and for as long as the
//! round lasts no channel may take more than its share of the room. It lasts
//! until all who were told came for their share; those who do not come do not
//! hold up the rest, as more room ends the round too.

use std::collections::VecDeque;

use super::ChannelId;
use crate::limits;

/// With less room than this none is given out, and no share is smaller: packets
/// would get small.
const ROOM_LEAST: usize = 32 * 1024;
const _: () = assert!(ROOM_LEAST * 4 <= limits::BACKLOG, "room comes in portions");

#[derive(Debug)]
pub(super) struct Turns {
    /// Who found no room, longest first.
    waiting: VecDeque<ChannelId>,
    /// Who was told in this round and has not come yet.
    told: Vec<ChannelId>,
    round: u64,
    share: usize,
    /// The least room seen in this round: when there is more, some of what was
    /// queued has left.
    seen: usize,
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
            told: Vec::new(),
            round: 0,
            share: usize::MAX,
            seen: 0,
        }
    }

    /// The channel comes for room: how much it may take.
    pub(super) fn ask(&mut self, turn: &Turn, id: ChannelId, room: usize) -> usize {
        self.told.retain(|other| *other != id);
        self.seen = self.seen.min(room);
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

    /// Begins a round if it is time: who is to be told. `asker` wants a share
    /// in it too, whether it waits or not.
    pub(super) fn begin(&mut self, room: usize, asker: Option<ChannelId>) -> Vec<ChannelId> {
        // With all the room there is, nobody is in anybody's way: those who
        // were told and do not come must not hold up the rest.
        let over = self.told.is_empty() || room > self.seen || room >= limits::BACKLOG;
        if room < ROOM_LEAST || !over {
            return Vec::new();
        }
        if self.waiting.is_empty() && asker.is_none() {
            return Vec::new();
        }
        let extra = asker.is_some_and(|id| !self.waiting.contains(&id) && !self.told.contains(&id));
        let sharers = self.waiting.len() + self.told.len() + usize::from(extra);
        self.share = match sharers {
            0 | 1 => usize::MAX,
            n => (room / n).max(ROOM_LEAST),
        };
        self.round = self.round.wrapping_add(1);
        self.seen = room;
        if self.waiting.is_empty() {
            // The round that is over binds the asker no more; those who were
            // told in it may still come.
            return Vec::new();
        }
        self.told = core::mem::take(&mut self.waiting).into();
        self.told.clone()
    }

    /// Forgets a channel that is gone.
    pub(super) fn leave(&mut self, id: ChannelId) {
        self.waiting.retain(|other| *other != id);
        self.told.retain(|other| *other != id);
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.told.is_empty()
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
        let ids = [0, 1, 2, 3].map(ChannelId);
        let mut all = [(); 4].map(|()| Turn::default());
        assert_eq!(turns.ask(&all[0], ids[0], ROOM), ROOM);
        for (id, turn) in ids.into_iter().zip(&mut all) {
            turns.wait(turn, id);
            turns.wait(turn, id);
        }
        assert!(turns.begin(ROOM_LEAST - 1, None).is_empty());
        assert_eq!(turns.begin(ROOM, None), ids);
        all.iter_mut().for_each(Turn::told);
        assert_eq!(turns.ask(&all[2], ids[2], ROOM), ROOM / 4);
        turns.used(&mut all[2], ROOM / 4);
        assert_eq!(turns.ask(&all[2], ids[2], ROOM - ROOM / 4), 0);
        turns.wait(&mut all[2], ids[2]);
        // The others have not come, and nothing has left.
        assert!(turns.begin(ROOM - ROOM / 4, None).is_empty());
        // Now something has; they still count.
        assert_eq!(turns.begin(ROOM, None), [ids[2]]);
        assert_eq!(turns.ask(&all[2], ids[2], ROOM), ROOM / 4);
        all[2].told();
        turns.wait(&mut all[2], ids[2]);
        // They have not come twice: they no longer count.
        assert_eq!(turns.begin(ROOM, None), [ids[2]]);
        assert_eq!(turns.ask(&all[2], ids[2], ROOM), ROOM);
        assert!(turns.is_idle());
    }

    #[test]
    fn one_who_did_not_wait_gets_a_share_and_no_more() {
        let mut turns = Turns::new();
        let (mut waits, new) = (Turn::default(), Turn::default());
        turns.wait(&mut waits, ChannelId(1));
        assert_eq!(turns.begin(ROOM, Some(ChannelId(2))), [ChannelId(1)]);
        assert_eq!(turns.ask(&new, ChannelId(2), ROOM), ROOM / 2);
    }

    #[test]
    fn who_is_gone_is_not_told() {
        let mut turns = Turns::new();
        turns.wait(&mut Turn::default(), ChannelId(1));
        turns.leave(ChannelId(1));
        assert!(turns.begin(ROOM, None).is_empty());
    }

    #[test]
    fn one_who_is_told_and_does_not_come_holds_up_nobody() {
        let mut turns = Turns::new();
        let (mut lazy, mut keen) = (Turn::default(), Turn::default());
        let (lazy_id, keen_id) = (ChannelId(1), ChannelId(2));
        turns.wait(&mut lazy, lazy_id);
        assert_eq!(turns.begin(limits::BACKLOG, None), [lazy_id]);
        // The first never comes; all that was queued has left.
        turns.wait(&mut keen, keen_id);
        assert_eq!(turns.begin(limits::BACKLOG, None), [keen_id]);
    }

    #[test]
    fn a_share_ends_with_its_round_though_nobody_waits() {
        let mut turns = Turns::new();
        let ids = [ChannelId(1), ChannelId(2)];
        let mut all = [Turn::default(), Turn::default()];
        for (id, turn) in ids.into_iter().zip(&mut all) {
            turns.wait(turn, id);
        }
        assert_eq!(turns.begin(ROOM, None), ids);
        for (id, turn) in ids.into_iter().zip(&mut all) {
            turn.told();
            assert_eq!(turns.ask(turn, id, ROOM), ROOM / 2);
            turns.used(turn, ROOM / 2);
        }
        // Both used their shares, all of it has left, and nobody waits: there
        // is nobody who would tell one that waited now.
        assert!(turns.begin(ROOM, Some(ids[0])).is_empty());
        assert_eq!(turns.ask(&all[0], ids[0], ROOM), ROOM);
    }
}
