//! Whose turn it is to put data into the outbox.
//!
//! Channels that find no room wait in a queue. As room appears those in front
//! are told, as many as there is a share for, and each may take its share; who
//! wants more goes to the end. So among channels that always have data each
//! gets as much as the other, and only those are woken that find room.
//!
//! A channel that took next to nothing while the queue went round once (a shell
//! beside bulk data) has had less than its share. It does not wait: a little
//! room is kept for it, and if that is used up too its place is in front.
//!
//! Who is told need not come: its program may have lost interest. Its share is
//! kept for a moment ([`PATIENCE`]), counted from when the driver next looked.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::ChannelId;
use crate::limits;

/// With less room than this none is given out, and no share is smaller: packets
/// would get small.
const ROOM_LEAST: usize = 32 * 1024;

/// Room that is kept for those who had less than their share.
const KEPT: usize = ROOM_LEAST;

/// How long room is kept for who was told and does not come. Much longer than
/// a task waits for its turn on a busy thread.
const PATIENCE: Duration = Duration::from_millis(20);

/// Who has taken less than this while the queue went round is not held up.
const LITTLE: usize = ROOM_LEAST / 8;
const _: () = assert!(
    KEPT + ROOM_LEAST * 4 <= limits::BACKLOG && KEPT + ROOM_LEAST * 2 <= limits::BACKLOG_TYPING,
    "room comes in portions"
);

#[derive(Debug)]
pub(super) struct Turns {
    /// Who found no room, first come first.
    waiting: VecDeque<ChannelId>,
    /// And of these, who had less than its share: first of all.
    behind: VecDeque<ChannelId>,
    /// Whose turn it is.
    told: Vec<Told>,
    /// How many turns were taken.
    clock: u64,
}

/// A channel whose turn it is.
#[derive(Debug)]
struct Told {
    id: ChannelId,
    /// What is left of its share.
    left: usize,
    came: bool,
    /// When the driver first saw that it was told.
    since: Option<Instant>,
}

/// A channel's place in the turns.
#[derive(Debug, Default)]
pub(super) struct Turn {
    waiting: bool,
    /// The clock as it began to take its last share.
    took: Option<u64>,
    /// What it has taken of that.
    taken: usize,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            behind: VecDeque::new(),
            told: Vec::new(),
            clock: 0,
        }
    }

    /// The channel comes for room: how much it may take.
    pub(super) fn ask(&mut self, turn: &mut Turn, id: ChannelId, room: usize) -> usize {
        // Who came before has taken what it wanted.
        self.told.retain(|told| told.id == id || !told.came);
        let bulk = room.saturating_sub(KEPT);
        if let Some(told) = self.told.iter_mut().find(|told| told.id == id) {
            if !core::mem::replace(&mut told.came, true) {
                self.clock = self.clock.wrapping_add(1);
                turn.begin_share(self.clock);
            }
            return bulk.min(told.left);
        }
        let alone = self.in_line() == 0;
        let most = if alone && bulk >= ROOM_LEAST {
            bulk
        } else if self.is_behind(turn) {
            room.min(ROOM_LEAST)
        } else {
            0
        };
        if most > 0 && core::mem::take(&mut turn.waiting) {
            self.step_out(id);
        }
        most
    }

    /// How many channels want room.
    fn in_line(&self) -> usize {
        self.waiting.len() + self.behind.len() + self.told.len()
    }

    fn step_out(&mut self, id: ChannelId) {
        self.waiting.retain(|other| *other != id);
        self.behind.retain(|other| *other != id);
    }

    /// Whether the channel has had less than its share.
    fn is_behind(&self, turn: &Turn) -> bool {
        turn.taken < LITTLE || self.is_another_share(turn)
    }

    /// Whether the queue has gone round since the channel took its last share.
    fn is_another_share(&self, turn: &Turn) -> bool {
        let since = |took| usize::try_from(self.clock.wrapping_sub(took)).unwrap_or(usize::MAX);
        turn.took.is_none_or(|took| since(took) > self.in_line())
    }

    /// The channel took `len` bytes of room.
    pub(super) fn used(&mut self, turn: &mut Turn, id: ChannelId, len: usize) {
        if self.is_another_share(turn) {
            turn.begin_share(self.clock);
        }
        turn.taken = turn.taken.saturating_add(len);
        if let Some(told) = self.told.iter_mut().find(|told| told.id == id) {
            told.left = told.left.saturating_sub(len);
        }
        self.told.retain(|told| told.left > 0);
    }

    /// Puts the channel into the queue, once.
    pub(super) fn wait(&mut self, turn: &mut Turn, id: ChannelId) {
        let unused = self.told.iter().any(|told| told.id == id && !told.came);
        self.told.retain(|told| told.id != id);
        if core::mem::replace(&mut turn.waiting, true) {
            return;
        }
        if unused || self.is_behind(turn) {
            self.behind.push_back(id);
        } else {
            self.waiting.push_back(id);
        }
    }

    /// Whose turn it is with so much room: they are to be told.
    pub(super) fn begin(&mut self, room: usize) -> Vec<ChannelId> {
        let mut begun = Vec::new();
        let bulk = room.saturating_sub(KEPT);
        let mut free = bulk.saturating_sub(self.awaited().map(|told| told.left).sum());
        let share = (bulk / self.in_line().max(1)).max(ROOM_LEAST);
        while free >= ROOM_LEAST
            && let Some(id) = self.behind.pop_front().or_else(|| self.waiting.pop_front())
        {
            free = free.saturating_sub(share);
            self.told.push(Told {
                id,
                left: share,
                came: false,
                since: None,
            });
            begun.push(id);
        }
        begun
    }

    /// The driver looks: who was told and has not come for too long does not
    /// hold up the others any longer.
    pub(super) fn look(&mut self, now: Instant) {
        self.told.retain_mut(|told| {
            let since = *told.since.get_or_insert(now);
            told.came || now.saturating_duration_since(since) < PATIENCE
        });
    }

    fn awaited(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| !told.came)
    }

    /// Whether somebody was told since the driver last looked, and has not come.
    pub(super) fn is_news(&self) -> bool {
        self.awaited().any(|told| told.since.is_none())
    }

    /// When the driver is to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let since = self.awaited().filter_map(|told| told.since).min();
        since?.checked_add(PATIENCE)
    }

    /// Forgets a channel that is gone.
    pub(super) fn leave(&mut self, id: ChannelId) {
        self.step_out(id);
        self.told.retain(|told| told.id != id);
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.in_line() == self.told.iter().filter(|told| told.came).count()
    }
}

impl Turn {
    fn begin_share(&mut self, clock: u64) {
        self.took = Some(clock);
        self.taken = 0;
    }

    /// The channel has been told.
    pub(super) fn told(&mut self) {
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = limits::BACKLOG;
    const BULK: usize = ROOM - KEPT;

    /// Channels of a connection that all have data, and what each has sent.
    struct Crowd {
        turns: Turns,
        all: Vec<(Turn, usize)>,
        room: usize,
    }

    impl Crowd {
        fn new(count: u32) -> Self {
            Self {
                turns: Turns::new(),
                all: (0..count).map(|_| (Turn::default(), 0)).collect(),
                room: ROOM,
            }
        }

        /// The channel takes `max` bytes in packets, until it has to wait.
        fn come(&mut self, n: u32, max: usize) -> usize {
            let (turn, sent) = &mut self.all[n as usize];
            let mut took = 0;
            while took < max {
                let may = self.turns.ask(turn, ChannelId(n), self.room);
                let len = may.min(max - took).min(64 * 1024);
                if len == 0 {
                    self.turns.wait(turn, ChannelId(n));
                    break;
                }
                self.turns.used(turn, ChannelId(n), len);
                took += len;
                self.room -= len;
            }
            *sent += took;
            took
        }

        /// So much has left: who is told.
        fn leaves(&mut self, len: usize) -> Vec<u32> {
            self.room += len;
            let begun = self.turns.begin(self.room);
            for id in &begun {
                self.all[id.0 as usize].0.told();
            }
            begun.iter().map(|id| id.0).collect()
        }
    }

    #[test]
    fn one_alone_takes_all_but_what_is_kept() {
        let mut crowd = Crowd::new(2);
        assert_eq!(crowd.come(0, ROOM), BULK);
        assert_eq!(crowd.leaves(ROOM_LEAST - 1), []);
        assert_eq!(crowd.leaves(BULK - ROOM_LEAST + 1), [0]);
        assert_eq!(crowd.come(0, ROOM), BULK);
        // Another one, which has had nothing yet, finds some.
        assert_eq!(crowd.come(1, ROOM), KEPT);
    }

    #[test]
    fn each_of_a_crowd_gets_the_same() {
        let mut crowd = Crowd::new(500);
        crowd.room = 0;
        let mut told: Vec<u32> = (0..500).collect();
        for _ in 0..1000 {
            for n in told {
                crowd.come(n, 4 * ROOM);
            }
            told = crowd.leaves(ROOM - crowd.room);
            assert!(told.len() <= BULK.div_ceil(ROOM_LEAST), "{}", told.len());
        }
        let sent = crowd.all.iter().map(|(_, sent)| *sent);
        let (least, most) = (sent.clone().min().unwrap(), sent.max().unwrap());
        assert!(least >= 12 * ROOM_LEAST, "{least}");
        assert!(most - least <= 2 * ROOM_LEAST, "{least} {most}");
    }

    /// However often it is looked whose turn it is before they come.
    #[test]
    fn nobody_is_told_while_those_told_before_are_on_their_way() {
        let mut crowd = Crowd::new(500);
        crowd.room = 0;
        for n in 0..500 {
            crowd.come(n, ROOM);
        }
        let told = crowd.leaves(ROOM);
        assert_eq!(told, (0..7).collect::<Vec<_>>());
        for _ in 0..3 {
            assert_eq!(crowd.leaves(0), []);
        }
        for n in told {
            assert_eq!(crowd.come(n, ROOM), ROOM_LEAST);
        }
    }

    #[test]
    fn a_few_share_all_the_room() {
        let mut crowd = Crowd::new(2);
        crowd.come(0, ROOM);
        crowd.come(1, ROOM);
        assert_eq!(crowd.leaves(ROOM - crowd.room), [0, 1]);
        assert_eq!(crowd.come(0, ROOM), BULK / 2);
        assert_eq!(crowd.come(1, ROOM), BULK / 2);
    }

    #[test]
    fn one_that_had_less_than_its_share_does_not_wait() {
        let mut crowd = Crowd::new(20);
        for n in 0..20 {
            crowd.come(n, ROOM);
        }
        // A shell that was quiet for a while.
        let mut now = crate::mux::tests::start();
        for _ in 0..40 {
            now += PATIENCE;
            crowd.turns.look(now);
            for n in crowd.leaves(ROOM - crowd.room) {
                if n != 7 {
                    crowd.come(n, ROOM);
                }
            }
        }
        assert_eq!(crowd.come(7, 10), 10);
        // Soon after it is still behind; but then it has had its share, and no
        // more than the others.
        assert_eq!(crowd.come(7, 10), 10);
        assert_eq!(crowd.come(7, ROOM), KEPT - 20);
        assert_eq!(crowd.come(7, ROOM), 0);
    }

    /// As an echo beside bulk data: the shell looks for more, and there is no
    /// room to put it.
    #[test]
    fn who_took_next_to_nothing_waits_in_front() {
        let mut crowd = Crowd::new(20);
        for n in 1..20 {
            crowd.come(n, ROOM);
        }
        for _ in 0..10 {
            for n in crowd.leaves(ROOM - crowd.room) {
                crowd.come(n, ROOM);
            }
        }
        assert_eq!(crowd.come(0, 10), 10);
        crowd.room = 0;
        assert_eq!(crowd.come(0, 10), 0);
        assert_eq!(crowd.leaves(ROOM)[0], 0);
    }

    #[test]
    fn who_is_behind_and_finds_nothing_is_told_first() {
        let mut crowd = Crowd::new(3);
        crowd.come(0, ROOM);
        crowd.come(1, KEPT);
        assert_eq!(crowd.come(2, 1), 0);
        assert_eq!(crowd.leaves(ROOM_LEAST + KEPT), [2]);
        assert_eq!(crowd.come(2, 1), 1);
        assert_eq!(crowd.leaves(ROOM - crowd.room), [0]);
    }

    #[test]
    fn who_is_told_and_does_not_come_holds_up_nobody() {
        let mut crowd = Crowd::new(3);
        crowd.come(0, ROOM);
        crowd.come(1, KEPT);
        crowd.come(2, 1);
        assert_eq!(crowd.leaves(ROOM - crowd.room), [2, 0]);
        crowd.come(1, ROOM);
        // None of the two comes.
        let now = crate::mux::tests::start();
        assert!(crowd.turns.is_news());
        crowd.turns.look(now);
        assert!(!crowd.turns.is_news());
        assert_eq!(crowd.turns.deadline(), Some(now + PATIENCE));
        crowd.turns.look(now + PATIENCE / 2);
        assert_eq!(crowd.leaves(ROOM - crowd.room), []);
        crowd.turns.look(now + PATIENCE);
        assert_eq!(crowd.turns.deadline(), None);
        assert_eq!(crowd.leaves(0), [1]);
    }

    #[test]
    fn who_came_and_had_nothing_holds_up_nobody() {
        let mut crowd = Crowd::new(2);
        crowd.come(0, ROOM);
        assert_eq!(crowd.leaves(BULK), [0]);
        // It asks, and its source is empty.
        let (turn, _) = &mut crowd.all[0];
        assert_eq!(crowd.turns.ask(turn, ChannelId(0), ROOM), BULK);
        assert_eq!(crowd.come(1, ROOM), BULK);
        assert!(!crowd.turns.is_idle());
        assert_eq!(crowd.leaves(BULK), [1]);
    }

    #[test]
    fn who_is_gone_is_not_told() {
        let mut crowd = Crowd::new(2);
        crowd.come(0, ROOM);
        crowd.come(1, ROOM);
        assert_eq!(crowd.leaves(ROOM - crowd.room), [0, 1]);
        crowd.come(0, ROOM);
        crowd.turns.leave(ChannelId(0));
        crowd.turns.leave(ChannelId(1));
        assert!(crowd.turns.is_idle());
        assert_eq!(crowd.leaves(ROOM - crowd.room), []);
    }
}
