//! What was typed and waits for room in the channel, and then its end.

/// Bytes on their way to the far side, in order, with the end of input behind
/// them.
#[derive(Default)]
pub(super) struct Typed {
    bytes: Vec<u8>,
    ended: bool,
}

impl Typed {
    /// Where more is appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// How much waits.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Copies what fits into `space`; [`Self::sent`] then says what of it went.
    pub(super) fn copy_to(&self, space: &mut [u8]) -> usize {
        let n = space.len().min(self.bytes.len());
        for (to, from) in space.iter_mut().zip(&self.bytes) {
            *to = *from;
        }
        n
    }

    /// The first `n` bytes are on their way.
    pub(super) fn sent(&mut self, n: usize) {
        self.bytes.drain(..n.min(self.bytes.len()));
    }

    /// Nobody wants it any more.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// No more will be typed.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the end is to be told now: once, after all bytes.
    pub(super) fn take_end(&mut self) -> bool {
        self.bytes.is_empty() && std::mem::take(&mut self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::Typed;

    /// `printf "a\\nb\\n" | ssh -tt host sh` lost its input: the pipe's end was
    /// there, and told, before the channel had room for its bytes.
    #[test]
    fn the_end_comes_after_all_bytes_and_once() {
        let mut typed = Typed::default();
        assert!(!typed.take_end());
        typed.buffer().extend_from_slice(b"a\nb\n");
        typed.end();
        assert!(!typed.take_end());
        let mut space = [0; 3];
        assert_eq!((typed.copy_to(&mut space), &space), (3, b"a\nb"));
        typed.sent(3);
        assert!(!typed.take_end());
        assert_eq!((typed.copy_to(&mut space), space[0]), (1, b'\n'));
        typed.sent(1);
        assert!(typed.take_end() && !typed.take_end());
    }

    #[test]
    fn what_nobody_wants_does_not_hold_up_the_end() {
        let mut typed = Typed::default();
        typed.buffer().push(b'x');
        typed.end();
        typed.clear();
        assert!(typed.len() == 0 && typed.take_end());
    }
}
