//! What the channel layer needs of the transport below it.

use carrick_wire::Writer;

/// The sending side of the transport, as the channel layer sees it.
///
/// Messages and data leave in the order they came in: an EOF must not overtake
/// data. Control messages are always taken (the transport holds them back
/// while a key exchange runs). Bulk data is built in place in the packet that
/// is going out, and only while [`Outbox::room`] says so.
pub(crate) trait Outbox {
    /// Queues one message; `write` puts down its payload, number included.
    /// A reservation that was not committed is dropped.
    fn send(&mut self, write: &mut dyn FnMut(&mut Writer<'_>));

    /// Reserves a packet with `header_len` bytes of message header in front of
    /// at most `max` bytes of data, and hands out the data part: not empty,
    /// and perhaps shorter than `max`. `None` when there is no room. A
    /// reservation that was not committed before is dropped.
    fn data_space(&mut self, header_len: usize, max: usize) -> Option<&mut [u8]>;

    /// As [`Outbox::data_space`], but never shorter than `len`.
    fn frame_space(&mut self, header_len: usize, len: usize) -> Option<&mut [u8]>;

    /// Finishes the reserved packet: `header` (as long as was asked for) goes
    /// in front of the first `len` bytes of data. Without a reservation of that
    /// shape nothing happens, and the answer is `false`.
    #[must_use]
    fn data_commit(&mut self, header: &[u8], len: usize) -> bool;

    /// Bytes of bulk data that may still be queued: 0 when the backlog is
    /// full, and while a key exchange runs.
    fn room(&self) -> usize;
}
