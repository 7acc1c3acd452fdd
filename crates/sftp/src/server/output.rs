//! Where answers are put until they are sent: room that never grows.

use carrick_wire::Writer;

use crate::frame;
use crate::limits;
use crate::msg::Reply;

/// What a DATA answer has before its data.
const HEAD: usize = Reply::DATA_HEAD;

/// How much can wait to be sent.
const ROOM: usize = 768 * 1024;
/// The longest answer, its length included.
const LONGEST: usize = frame::HEAD + limits::MESSAGE;

/// Answers that wait to be sent.
pub struct Output {
    /// All of the room; pages that were never used cost nothing.
    storage: Box<[u8]>,
    filled: usize,
    /// For answers whose length is not known before.
    scratch: Vec<u8>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            storage: vec![0; ROOM].into_boxed_slice(),
            filled: 0,
            scratch: Vec::new(),
        }
    }
}

impl Output {
    /// What is to be sent.
    pub fn bytes(&self) -> &[u8] {
        self.storage.get(..self.filled).unwrap_or_default()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// All of it has been sent.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Whether any answer still fits.
    pub(super) fn has_room(&self) -> bool {
        self.storage.len() - self.filled >= LONGEST
    }

    /// Puts in a message; false if it is longer than messages can be, and left
    /// out.
    pub(super) fn message(&mut self, write: impl FnOnce(&mut Writer<'_>)) -> bool {
        self.scratch.clear();
        frame::append(&mut self.scratch, write);
        let fits = self.scratch.len() <= LONGEST;
        let end = self.filled.saturating_add(self.scratch.len());
        if let Some(place) = self.storage.get_mut(self.filled..end).filter(|_| fits) {
            place.copy_from_slice(&self.scratch);
            self.filled = end;
            return true;
        }
        false
    }

    /// Puts in a DATA answer of at most `most` bytes that `read` puts in their
    /// place; how many they were. After a failure, or if `wanted` says that
    /// the answer is not this one, nothing is left of it.
    pub(super) fn data<E>(
        &mut self,
        id: u32,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
        wanted: impl FnOnce(usize) -> bool,
    ) -> Result<usize, E> {
        let start = self.filled;
        let rest = self.storage.get_mut(start..).unwrap_or_default();
        let Some((head, place)) = rest.split_first_chunk_mut::<HEAD>() else {
            return Ok(0);
        };
        let most = most.min(limits::DATA).min(place.len());
        let place = place.get_mut(..most).unwrap_or_default();
        let count = read(place)?.min(most);
        if wanted(count) {
            *head = Reply::data_head(id, u32::try_from(count).unwrap_or(u32::MAX));
            self.filled = start + HEAD + count;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_put_in_its_place() {
        let mut out = Output::default();
        let read = |place: &mut [u8]| {
            assert_eq!(place.len(), 10);
            place[..3].copy_from_slice(b"abc");
            Ok::<_, ()>(3)
        };
        assert_eq!(out.data(7, 10, read, |n| n > 0), Ok(3));
        let mut whole = Vec::new();
        frame::append(&mut whole, |w| Reply::Data(b"abc").encode(w, 7));
        assert_eq!(out.bytes(), whole);
        assert_eq!(out.data(8, 10, |_| Err(()), |_| true), Err(()));
        assert_eq!(out.data(8, 10, |_| Ok::<_, ()>(0), |n| n > 0), Ok(0));
        assert_eq!(out.bytes(), whole);
    }

    #[test]
    fn the_room_is_never_more_than_full() {
        let mut out = Output::default();
        let mut count = 0;
        while out.has_room() {
            let all = |place: &mut [u8]| Ok::<_, ()>(place.len());
            out.data(1, usize::MAX, all, |_| true).unwrap();
            count += 1;
        }
        assert_eq!(count, 3);
        assert!(out.bytes().len() <= ROOM);
        out.clear();
        assert!(out.is_empty() && out.has_room());
        assert!(out.message(|w| w.raw(&vec![0; limits::MESSAGE])));
        assert!(!out.message(|w| w.raw(&vec![0; limits::MESSAGE + 1])));
        assert_eq!(out.bytes().len(), LONGEST);
    }
}
