//! Messages out of a stream of bytes, for either side. What an agent is sent
//! may hold private keys, so nothing is left behind where bytes have been.

use zeroize::{Zeroize as _, Zeroizing};

use super::limits::MESSAGE_MAX;

/// Bytes of a length.
const HEAD: usize = 4;

/// A length that is nought or beyond [`MESSAGE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadLength(pub(super) usize);

/// Bytes that have come, and messages as they are whole.
#[derive(Default)]
pub(super) struct Frames {
    buffer: Zeroizing<Vec<u8>>,
}

impl Frames {
    /// Takes in what the socket gave.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        let needed = self.buffer.len() + bytes.len();
        if needed > self.buffer.capacity() {
            // Growing in place could leave a copy of the old bytes behind.
            let room = needed.max(self.buffer.capacity() * 2);
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The length that the next message announces, if that much is there.
    fn announced(&self) -> Result<Option<usize>, BadLength> {
        let Some(head) = self.buffer.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if len == 0 || len > MESSAGE_MAX {
            return Err(BadLength(len));
        }
        Ok(Some(len))
    }

    /// Whether the next message is whole, or can never be.
    pub(super) fn is_ready(&self) -> bool {
        match self.announced() {
            Ok(Some(len)) => self.buffer.len() >= HEAD + len,
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// The next message, once all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, BadLength> {
        let Some(len) = self.announced()? else {
            return Ok(None);
        };
        let Some(body) = self.buffer.get(HEAD..HEAD + len) else {
            return Ok(None);
        };
        let message = Zeroizing::new(body.to_vec());
        // The front is wiped and what is behind it moved there; the bytes that
        // the move leaves at the end are wiped as well.
        let left = self.buffer.len() - (HEAD + len);
        self.buffer.copy_within(HEAD + len.., 0);
        if let Some(stale) = self.buffer.get_mut(left..) {
            stale.zeroize();
        }
        self.buffer.truncate(left);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_however_they_arrive() {
        let stream = b"\0\0\0\x03abc\0\0\0\x01d\0\0\0\x02e";
        for piece in 1..=stream.len() {
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for part in stream.chunks(piece) {
                frames.received(part);
                while frames.is_ready() {
                    got.push(frames.next().expect("sound").expect("ready").to_vec());
                }
                assert_eq!(frames.next(), Ok(None));
            }
            assert_eq!(got, [&b"abc"[..], b"d"]);
        }
    }

    #[test]
    fn lengths_are_bounded() {
        for (head, sound) in [
            ([0; 4], false),
            ([0, 4, 0, 0], true),
            ([0, 4, 0, 1], false),
            ([0xff; 4], false),
        ] {
            let mut frames = Frames::default();
            frames.received(&head);
            assert_eq!(frames.next().is_ok(), sound, "{head:?}");
            assert_eq!(frames.is_ready(), !sound, "{head:?}");
        }
    }
}
