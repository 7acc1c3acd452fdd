//! The two buffers of a conversation. Both are allocated once: memory that
//! was never touched costs nothing.

use core::ops::Range;

use crate::{frame, limits};

/// How much is read, and how much waits to be written, at most.
pub(super) const SIZE: usize = 4 * limits::MESSAGE;

/// What came from the server and was not looked at yet.
#[derive(Debug)]
pub(super) struct Inbox {
    buf: Vec<u8>,
    from: usize,
    to: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            buf: vec![0; SIZE],
            from: 0,
            to: 0,
        }
    }

    /// Where more can be put. Never empty once all whole messages were taken,
    /// as the longest one fits.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.from == self.to {
            // Starting over uses memory that is still in the cache.
            (self.from, self.to) = (0, 0);
        } else if self.buf.len() - self.from < limits::MESSAGE + frame::HEAD {
            self.buf.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        self.buf.get_mut(self.to..).unwrap_or_default()
    }

    /// So much was put there.
    pub(super) fn filled(&mut self, len: usize) {
        self.to = self.to.saturating_add(len).min(self.buf.len());
    }

    /// Takes the next message, if it is there whole: where it lies.
    pub(super) fn take(&mut self) -> Result<Option<Range<usize>>, carrick_wire::DecodeError> {
        let waiting = self.buf.get(self.from..self.to).unwrap_or_default();
        let Some(range) = frame::first(waiting)? else {
            return Ok(None);
        };
        let at = self.from + range.start..self.from + range.end;
        self.from = at.end;
        Ok(Some(at))
    }

    /// The message that was taken.
    pub(super) fn message(&self, at: Range<usize>) -> &[u8] {
        self.buf.get(at).unwrap_or_default()
    }
}

/// What waits to be written to the server.
#[derive(Debug)]
pub(super) struct Outbox {
    buf: Vec<u8>,
    from: usize,
    to: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            buf: vec![0; SIZE],
            from: 0,
            to: 0,
        }
    }

    pub(super) fn waiting(&self) -> &[u8] {
        self.buf.get(self.from..self.to).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, len: usize) {
        self.from = self.from.saturating_add(len).min(self.to);
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
    }

    /// How many bytes can be added without moving what is there.
    pub(super) fn room(&self) -> usize {
        self.buf.len() - self.to
    }

    /// Adds a whole message. Beyond the usual size the buffer grows: what is
    /// asked is never dropped. Whoever asks minds [`Self::room`].
    pub(super) fn add(&mut self, message: &[u8]) {
        let end = self.to.saturating_add(message.len());
        if end > self.buf.len() {
            self.buf.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        let end = self.to.saturating_add(message.len());
        if end > self.buf.len() {
            self.buf.resize(end, 0);
        }
        if let Some(space) = self.buf.get_mut(self.to..end) {
            space.copy_from_slice(message);
            self.to = end;
        }
    }

    /// The place of a message that is yet to be made, if it has room.
    pub(super) fn space(&mut self, len: usize) -> Option<&mut [u8]> {
        self.buf.get_mut(self.to..)?.get_mut(..len)
    }

    /// The message was made there.
    pub(super) fn added(&mut self, len: usize) {
        self.to = self.to.saturating_add(len).min(self.buf.len());
    }
}
