//! Received bytes that wait for their reader.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces shorter than this are copied: a slice would keep alive the whole
/// buffer that the packet came in.
const COPY_BELOW: usize = 4 * 1024;

/// The same, once this much waits unread ([`BEHIND`]): what is kept for long
/// must not pin many times its size.
const COPY_BELOW_BEHIND: usize = 32 * 1024;

/// A reader with this much unread is behind.
const BEHIND: usize = 64 * 1024;

/// Copied pieces are handed out in one piece of up to this size.
const TAIL: usize = 16 * 1024;

/// One direction's stream: slices of the buffers they came in, and small
/// pieces gathered in a tail. Frames are all in the tail, and keep their bounds.
#[derive(Debug)]
pub(super) struct Inbox {
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    /// The lengths of the frames in the tail.
    frames: Option<VecDeque<u32>>,
    len: usize,
    /// The next arrival is news for the reader.
    armed: bool,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            pieces: VecDeque::new(),
            tail: BytesMut::new(),
            frames: None,
            len: 0,
            armed: true,
        }
    }

    /// One whose pieces come out as they went in, neither cut nor merged.
    pub(super) fn of_frames() -> Self {
        Self {
            frames: Some(VecDeque::new()),
            ..Self::new()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `piece`; says whether the reader is to be told.
    pub(super) fn push(&mut self, piece: Bytes) -> bool {
        let Ok(piece_len) = u32::try_from(piece.len()) else {
            return false;
        };
        if piece.is_empty() {
            return false;
        }
        if let Some(frames) = &mut self.frames {
            self.len += piece.len();
            frames.push_back(piece_len);
            self.tail.extend_from_slice(&piece);
            return core::mem::take(&mut self.armed);
        }
        let copy_below = if self.len >= BEHIND {
            COPY_BELOW_BEHIND
        } else {
            COPY_BELOW
        };
        self.len += piece.len();
        if piece.len() < copy_below {
            self.tail.extend_from_slice(&piece);
            if self.tail.len() >= TAIL {
                self.flush();
            }
        } else {
            self.flush();
            self.pieces.push_back(piece);
        }
        core::mem::take(&mut self.armed)
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.pieces
                .push_back(core::mem::take(&mut self.tail).freeze());
        }
    }

    /// Takes the oldest piece. Finding none asks to be told of the next.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        if let Some(frames) = &mut self.frames {
            let Some(len) = frames.pop_front() else {
                self.armed = true;
                return None;
            };
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let frame = self.tail.split_to(len.min(self.tail.len())).freeze();
            self.len -= frame.len();
            return Some(frame);
        }
        if self.pieces.is_empty() {
            self.flush();
        }
        let piece = self.pieces.pop_front();
        match &piece {
            Some(piece) => self.len -= piece.len(),
            None => self.armed = true,
        }
        piece
    }

    /// Drops everything; says how much that was.
    pub(super) fn clear(&mut self) -> usize {
        let dropped = self.len;
        *self = match self.frames {
            Some(_) => Self::of_frames(),
            None => Self::new(),
        };
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pieces_are_kept_as_they_are() {
        let mut inbox = Inbox::new();
        let large = Bytes::from(vec![7; COPY_BELOW]);
        let at = large.as_ptr();
        assert!(inbox.push(Bytes::from_static(b"ab")));
        assert!(!inbox.push(Bytes::from_static(b"c")));
        assert!(!inbox.push(large));
        assert!(!inbox.push(Bytes::from_static(b"d")));
        assert_eq!(inbox.pop().unwrap(), "abc");
        assert_eq!(inbox.pop().unwrap().as_ptr(), at);
        assert_eq!(inbox.pop().unwrap(), "d");
        assert!(inbox.is_empty());
        // Not told again before the reader has found nothing.
        assert!(!inbox.push(Bytes::from_static(b"e")));
        assert_eq!(inbox.pop().unwrap(), "e");
        assert_eq!(inbox.pop(), None);
        assert!(inbox.push(Bytes::from_static(b"f")));
        assert_eq!(inbox.clear(), 1);
    }

    #[test]
    fn a_reader_that_is_behind_pins_no_buffer_for_small_pieces() {
        let mut inbox = Inbox::new();
        inbox.push(Bytes::from(vec![0; BEHIND]));
        let small = Bytes::from(vec![1; COPY_BELOW]);
        let at = small.as_ptr();
        inbox.push(small);
        inbox.pop();
        assert_ne!(inbox.pop().unwrap().as_ptr(), at);
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut inbox = Inbox::of_frames();
        let large = vec![9; COPY_BELOW_BEHIND];
        let frames: [&[u8]; 4] = [b"ab", b"c", &large, b"d"];
        for _ in 0..2 {
            for frame in frames {
                inbox.push(Bytes::copy_from_slice(frame));
            }
            for frame in frames {
                assert_eq!(inbox.pop().unwrap(), frame);
            }
            assert_eq!((inbox.pop(), inbox.is_empty()), (None, true));
            inbox.push(Bytes::from_static(b"xyz"));
            assert_eq!(inbox.clear(), 3);
            assert_eq!(inbox.pop(), None);
        }
    }
}
