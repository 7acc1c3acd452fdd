//! Which parts of a file the server has written.

use std::collections::BTreeMap;

use super::Range;

/// The state of one file's upload. It ends at the first failure.
#[derive(Debug, Clone)]
pub struct Upload {
    next: u64,
    /// Sent and not answered: length by offset.
    sent: BTreeMap<u64, u32>,
    ended: bool,
    /// Where the first part begins that could not be written.
    broken: Option<u64>,
}

impl Upload {
    /// From `start` on.
    pub fn new(start: u64) -> Self {
        Self {
            next: start,
            sent: BTreeMap::new(),
            ended: false,
            broken: None,
        }
    }

    /// Where the next part is read and written; `None` if there is no more.
    pub fn offset(&self) -> Option<u64> {
        (!self.ended).then_some(self.next)
    }

    /// So much was read there and sent; 0 is the end of the file.
    pub fn sent(&mut self, len: u32) -> Range {
        let range = Range {
            offset: self.next,
            len,
        };
        if len == 0 {
            self.ended = true;
        } else {
            self.sent.insert(self.next, len);
            self.next = range.end();
        }
        range
    }

    /// Nothing more is sent.
    pub fn stop(&mut self) {
        self.ended = true;
    }

    /// The server wrote a part.
    pub fn written(&mut self, range: Range) {
        self.sent.remove(&range.offset);
    }

    /// The server could not write a part: nothing more is sent.
    pub fn failed(&mut self, range: Range) {
        self.sent.remove(&range.offset);
        self.ended = true;
        self.broken = Some(self.broken.map_or(range.offset, |at| at.min(range.offset)));
    }

    /// Whether parts are unanswered.
    pub fn is_waiting(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Once all was sent and answered: the size.
    pub fn size(&self) -> Option<u64> {
        (self.ended && self.sent.is_empty()).then_some(self.next)
    }

    /// Up to where the server has written all.
    pub fn whole_up_to(&self) -> u64 {
        let unanswered = self.sent.keys().next().copied();
        [unanswered, self.broken]
            .into_iter()
            .flatten()
            .fold(self.next, u64::min)
    }
}
