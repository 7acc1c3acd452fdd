//! Several pieces of a channel's data for one write.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use carrick_proto::Side;

use crate::channel::{Channel, Stream};

/// How many pieces go into one write at most.
const PIECES: usize = 16;

/// With so many bytes in hand no more are taken: what is taken lets the other
/// side send more.
const ENOUGH: usize = 256 * 1024;

/// What was taken from a channel and not written yet.
#[derive(Debug, Default)]
pub struct Pieces {
    queue: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
}

impl Pieces {
    /// Adds what was taken from the channel before.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.queue.push_back(piece);
        }
    }

    /// Takes what there is. Ready when there is something to write (`true`), or
    /// when everything was written and nothing more will come (`false`).
    pub fn poll_gather<S: Side>(
        &mut self,
        cx: &Context<'_>,
        channel: &Channel<S>,
        stream: Stream,
    ) -> Poll<bool> {
        while !self.ended && self.queue.len() < PIECES && self.bytes < ENOUGH {
            match channel.poll_take(cx, stream) {
                Poll::Ready(Some(piece)) => self.push(piece),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
        match (self.queue.is_empty(), self.ended) {
            (false, _) => Poll::Ready(true),
            (true, true) => Poll::Ready(false),
            (true, false) => Poll::Pending,
        }
    }

    /// Hands the pieces to `write` as one vectored write, and forgets as much
    /// as it says it wrote.
    pub fn write<E>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = self.queue.len().min(PIECES);
        for (slice, piece) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(piece);
        }
        let wrote = write(slices.get(..count).unwrap_or_default())?;
        self.advance(wrote);
        Ok(wrote)
    }

    fn advance(&mut self, mut wrote: usize) {
        self.bytes = self.bytes.saturating_sub(wrote);
        while let Some(first) = self.queue.front_mut() {
            if first.len() > wrote {
                first.advance(wrote);
                return;
            }
            wrote -= first.len();
            self.queue.pop_front();
        }
    }

    /// Forgets what could not be written.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_write_leaves_the_rest_in_order() {
        let mut pieces = Pieces::default();
        for text in ["abc", "de", "fgh"] {
            pieces.queue.push_back(Bytes::from_static(text.as_bytes()));
            pieces.bytes += text.len();
        }
        let mut out = Vec::new();
        for len in [1, 3, 2, 100] {
            let wrote = pieces.write(|slices| {
                let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
                let len = len.min(all.len());
                out.extend_from_slice(&all[..len]);
                Ok::<_, ()>(len)
            });
            assert!(wrote.is_ok());
        }
        assert_eq!(out, b"abcdefgh");
        assert_eq!((pieces.queue.len(), pieces.bytes), (0, 0));
    }
}
