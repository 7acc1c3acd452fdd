//! What has come and has not been handled: room that never grows.

/// The room: several of the longest messages, so that few are moved.
const ROOM: usize = 1024 * 1024;
/// Less than this is not worth a read.
const LITTLE: usize = 256 * 1024;

/// Bytes that have come.
pub struct Input {
    /// All of the room; pages that were never used cost nothing.
    storage: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            storage: vec![0; ROOM].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }
}

impl Input {
    /// What has not been handled.
    pub fn bytes(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or_default()
    }

    /// So many bytes at the front have been handled.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            // From the front again, where the pages are in use already.
            (self.start, self.end) = (0, 0);
        }
    }

    /// Where more can be put. It is empty only while whole messages wait.
    pub fn room(&mut self) -> &mut [u8] {
        if self.storage.len() - self.end < LITTLE {
            self.storage.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.storage.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes of the room have been filled.
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.storage.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame, limits};

    #[test]
    fn the_longest_message_always_fits() {
        let mut input = Input::default();
        let (mut put, mut taken) = (0_u8, 0_u8);
        // Whatever is left of one read, the next has room.
        for _ in 0..50 {
            let room = input.room();
            assert!(!room.is_empty());
            let count = room.len().min(300_001);
            for byte in &mut room[..count] {
                *byte = put;
                put = put.wrapping_add(1);
            }
            input.filled(count);
            while input.bytes().len() >= frame::HEAD + limits::MESSAGE {
                assert_eq!(input.bytes()[0], taken);
                let used = frame::HEAD + limits::MESSAGE;
                input.consume(used);
                taken = taken.wrapping_add(u8::try_from(used % 256).unwrap());
            }
        }
    }
}
