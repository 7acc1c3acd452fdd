//! Which ranges of a file are still to be asked for.
//!
//! The size that a server names is only a hint: files in `/proc` have none,
//! others grow or shrink meanwhile. The end is where the server says that
//! there is nothing more to read.

use std::collections::{BTreeMap, VecDeque};

/// What is asked for where the end should be.
const PROBE: u32 = 4096;

/// How many requests are under way at most where the end is not known.
const AHEAD: usize = 64;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub len: u32,
}

impl Range {
    /// Where it ends.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(u64::from(self.len))
    }
}

/// The state of one file's download. Answers may come in any order; what came
/// short is asked for again.
#[derive(Debug, Clone)]
pub struct Download {
    block: u32,
    /// Asked for up to here, but for the holes.
    next: u64,
    /// What the server says the size is.
    hint: u64,
    /// How many requests may be under way behind the hint: more, as data comes.
    ahead: usize,
    /// Where the end was found to be.
    end: Option<u64>,
    /// Asked for and not answered: length by offset.
    asked: BTreeMap<u64, u32>,
    holes: VecDeque<Range>,
}

impl Download {
    /// Of a file from `start` on, `block` bytes at a time, whose size is said
    /// to be `hint`.
    pub fn new(start: u64, hint: Option<u64>, block: u32) -> Self {
        Self {
            block: block.max(1),
            next: start,
            hint: hint.unwrap_or(0),
            ahead: 1,
            end: None,
            asked: BTreeMap::new(),
            holes: VecDeque::new(),
        }
    }

    /// Asks for so many bytes at a time from now on.
    pub fn set_block(&mut self, block: u32) {
        self.block = block.max(1);
    }

    /// The range to ask for next; `None`: there is nothing to ask for now.
    pub fn ask(&mut self) -> Option<Range> {
        let range = self.choose()?;
        self.asked.insert(range.offset, range.len);
        Some(range)
    }

    fn choose(&mut self) -> Option<Range> {
        if let Some(hole) = self.holes.pop_front() {
            return Some(hole);
        }
        if self.end.is_some() {
            return None;
        }
        let len = match self.hint.checked_sub(self.next) {
            Some(left @ 1..) => u32::try_from(left).map_or(self.block, |left| left.min(self.block)),
            // What may be behind the hint, or else the end.
            _ if self.asked.range(self.hint..).count() >= self.ahead => return None,
            _ if self.ahead == 1 && self.hint > 0 => self.block.min(PROBE),
            _ => self.block,
        };
        let range = Range {
            offset: self.next,
            len,
        };
        self.next = range.end();
        Some(range)
    }

    /// `got` bytes of data came for a range. Fewer than were asked for say
    /// nothing of the end: the rest is asked for again.
    pub fn data(&mut self, range: Range, got: usize) {
        self.asked.remove(&range.offset);
        let got = u32::try_from(got).unwrap_or(u32::MAX).min(range.len);
        if got == 0 {
            // Not an answer that the draft knows; some servers mean the end.
            return self.end_at(range.offset);
        }
        if range.offset >= self.hint && got == range.len {
            self.ahead = (self.ahead * 2).min(AHEAD);
        }
        let offset = range.offset.saturating_add(u64::from(got));
        if got < range.len && self.end.is_none_or(|end| offset < end) {
            self.holes.push_back(Range {
                offset,
                len: range.len - got,
            });
        }
    }

    /// There is nothing to read in a range, nor behind it.
    pub fn end_of_file(&mut self, range: Range) {
        self.asked.remove(&range.offset);
        self.end_at(range.offset);
    }

    fn end_at(&mut self, offset: u64) {
        let end = self.end.map_or(offset, |end| end.min(offset));
        self.end = Some(end);
        self.holes.retain(|hole| hole.offset < end);
    }

    /// A range will not be answered with data: it failed.
    pub fn failed(&mut self, range: Range) {
        self.asked.remove(&range.offset);
        self.holes.push_back(range);
    }

    /// Whether requests are unanswered.
    pub fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Once all of the file came: its size.
    pub fn size(&self) -> Option<u64> {
        let done = self.asked.is_empty() && self.holes.is_empty();
        self.end.filter(|_| done)
    }

    /// Up to where all of the file came.
    pub fn whole_up_to(&self) -> u64 {
        let asked = self.asked.keys().next().copied();
        let holes = self.holes.iter().map(|hole| hole.offset).min();
        [asked, holes, self.end]
            .into_iter()
            .flatten()
            .fold(self.next, u64::min)
    }
}
