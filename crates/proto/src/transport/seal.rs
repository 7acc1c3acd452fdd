//! The sending direction: numbering, compression, padding, and batches of
//! packets that can be sealed anywhere.
//!
//! Invariant: [`Sealer`] is the only owner of the sequence number and of the
//! counters since NEWKEYS. What it hands out, a [`SealBatch`], carries its own
//! key and every number it needs, so that sealing is a pure function on owned
//! data: batches of one epoch and of the next can be sealed at the same time
//! and on any thread, as long as they are *written* in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use carrick_crypto::packet::{Framing, PacketPos, Seal, SealKey};
use carrick_crypto::rng::Rng;
use zeroize::Zeroize;

use super::compress::Deflate;
use super::frame;
use super::rekey::Usage;
use crate::limits;

/// One packet in a batch.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: usize,
    end: usize,
    pos: PacketPos,
}

/// Packets that are numbered, framed and padded, but not sealed yet.
pub struct SealBatch {
    key: Option<Arc<dyn SealKey>>,
    buf: Vec<u8>,
    used: usize,
    slots: Vec<Slot>,
}

impl SealBatch {
    /// Seals every packet, in place.
    pub fn seal(mut self) -> SealedBatch {
        if let Some(key) = &self.key {
            for slot in &self.slots {
                if let Some(packet) = self.buf.get_mut(slot.start..slot.end) {
                    key.seal(slot.pos, packet);
                }
            }
        }
        self.slots.clear();
        SealedBatch {
            buf: core::mem::take(&mut self.buf),
            used: self.used,
            slots: core::mem::take(&mut self.slots),
        }
    }

    /// How many bytes it is on the wire.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }
}

impl Drop for SealBatch {
    fn drop(&mut self) {
        // What was never sealed may hold a password. (A sealed batch has given
        // its slots away, and there is nothing to do.)
        if !self.slots.is_empty()
            && let Some(plain) = self.buf.get_mut(..self.used)
        {
            plain.zeroize();
        }
    }
}

/// Packets as they go to the socket.
pub struct SealedBatch {
    buf: Vec<u8>,
    used: usize,
    slots: Vec<Slot>,
}

impl SealedBatch {
    /// The bytes to write.
    pub fn bytes(&self) -> &[u8] {
        self.buf.get(..self.used).unwrap_or_default()
    }
}

/// The least and the most space that is offered for data at once.
const STRIDE_MIN: usize = 4 * 1024;
const STRIDE_MAX: usize = 64 * 1024;

/// Which buffer a batch is built in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    /// For control messages and keystrokes.
    Small,
    /// For bulk data.
    Bulk,
}

impl Size {
    fn bytes(self) -> usize {
        match self {
            Self::Small => 8 * 1024,
            Self::Bulk => 264 * 1024,
        }
    }
}

/// The bulk data packet that is being filled.
struct OpenSlot {
    start: usize,
    header: usize,
    max: usize,
}

/// The sending direction of a connection.
pub(crate) struct Sealer {
    key: Option<Seal>,
    framing: Framing,
    block: u64,
    seq: u32,
    usage: Usage,
    total: u64,
    deflate: Option<Deflate>,
    current: Option<(Size, SealBatch)>,
    open: Option<OpenSlot>,
    /// How much space is offered for data: a keystroke must not cost a bulk
    /// buffer, so it follows what the last writes filled.
    stride: usize,
    ready: VecDeque<SealBatch>,
    pending: usize,
    scratch: Vec<u8>,
    spare: Option<Vec<u8>>,
    spare_slots: Vec<Vec<Slot>>,
    padding: PaddingPool,
}

impl Sealer {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            key: None,
            framing: frame::CLEAR,
            block: 8,
            seq: 0,
            usage: Usage::new(now),
            total: 0,
            deflate: None,
            current: None,
            open: None,
            stride: STRIDE_MIN,
            ready: VecDeque::new(),
            pending: 0,
            scratch: Vec::new(),
            spare: None,
            spare_slots: Vec::new(),
            padding: PaddingPool::default(),
        }
    }

    /// Bytes planned but not handed to the driver, plus those the driver has
    /// not given back yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// Bytes in packets so far, under all keys.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Raw bytes, outside of any packet: the identification, or a plain line
    /// to a peer that sent none.
    pub(crate) fn plain(&mut self, bytes: &[u8]) {
        let mut batch = self.batch(Size::Small, bytes.len());
        if let Some(place) = batch
            .1
            .buf
            .get_mut(batch.1.used..batch.1.used + bytes.len())
        {
            place.copy_from_slice(bytes);
            batch.1.used += bytes.len();
            self.pending += bytes.len();
        }
        self.current = Some(batch);
    }

    /// Plans one packet around `payload`.
    pub(crate) fn packet(&mut self, payload: &[u8], rng: &mut dyn Rng) {
        self.plan(payload, 0, rng);
    }

    /// Plans one packet around `payload`, padded so that its length on the
    /// wire says little about the payload's.
    pub(crate) fn padded_packet(&mut self, payload: &[u8], rng: &mut dyn Rng) {
        self.plan(payload, frame::HIDING, rng);
    }

    fn plan(&mut self, payload: &[u8], hide: usize, rng: &mut dyn Rng) {
        self.open = None;
        let mut packed = core::mem::take(&mut self.scratch);
        let body = match &mut self.deflate {
            Some(deflate) => {
                packed.clear();
                deflate.payload(payload, &mut packed);
                packed.as_slice()
            }
            None => payload,
        };
        let room = frame::ceiling(&self.framing, body.len()) + hide;
        let mut batch = self.batch(Size::Small, room);
        let start = batch.1.used;
        let at = start + frame::HEADER;
        if let Some(place) = batch.1.buf.get_mut(at..at + body.len()) {
            place.copy_from_slice(body);
        }
        let body_len = body.len();
        if hide > 0 {
            packed.zeroize();
        }
        self.scratch = packed;
        self.finish(batch, start, body_len, hide, rng);
    }

    /// A stretch of at least one and at most `max` bytes inside the payload of
    /// a packet to be, behind `header` bytes that [`Self::commit`] fills in.
    pub(crate) fn space(&mut self, header: usize, max: usize) -> &mut [u8] {
        self.frame_space(header, max.clamp(1, self.stride))
    }

    /// As [`Self::space`], for data that goes into one packet or into none.
    pub(crate) fn frame_space(&mut self, header: usize, max: usize) -> &mut [u8] {
        if self.deflate.is_some() {
            self.scratch.resize(header + max, 0);
            self.open = Some(OpenSlot {
                start: 0,
                header,
                max,
            });
            return self.scratch.get_mut(header..).unwrap_or_default();
        }
        let room = frame::ceiling(&self.framing, header + max);
        let size = if max > STRIDE_MIN {
            Size::Bulk
        } else {
            Size::Small
        };
        let batch = self.batch(size, room);
        let start = batch.1.used;
        self.open = Some(OpenSlot { start, header, max });
        let batch = &mut self.current.insert(batch).1;
        let at = start + frame::HEADER + header;
        batch.buf.get_mut(at..at + max).unwrap_or_default()
    }

    /// Makes the packet of the last [`Self::space`], of which `len` bytes are
    /// used; `header` writes the bytes in front of them.
    pub(crate) fn commit(&mut self, len: usize, header: &[u8], rng: &mut dyn Rng) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        if len == 0 || len > open.max || header.len() != open.header {
            return false;
        }
        if len == self.stride {
            self.stride = (self.stride * 4).min(STRIDE_MAX);
        } else if len < self.stride / 8 {
            self.stride = (self.stride / 4).max(STRIDE_MIN);
        }
        if self.deflate.is_some() {
            let mut payload = core::mem::take(&mut self.scratch);
            payload.truncate(open.header + len);
            if let Some(place) = payload.get_mut(..open.header) {
                place.copy_from_slice(header);
            }
            self.packet(&payload, rng);
            return true;
        }
        let Some(mut batch) = self.current.take() else {
            return false;
        };
        let at = open.start + frame::HEADER;
        if let Some(place) = batch.1.buf.get_mut(at..at + open.header) {
            place.copy_from_slice(header);
        }
        self.finish(batch, open.start, open.header + len, 0, rng);
        true
    }

    /// Switches to a new key: what was planned before keeps the old one.
    pub(crate) fn rekey(
        &mut self,
        key: Seal,
        framing: Framing,
        block: usize,
        reset_seq: bool,
        now: Instant,
    ) {
        self.flush();
        self.key = Some(key);
        self.framing = framing;
        self.block = u64::try_from(block.max(1)).unwrap_or(1);
        self.usage = Usage::new(now);
        if reset_seq {
            self.seq = 0;
        }
    }

    /// What goes out is a conversation that needs no protection.
    pub(crate) fn unprotected(&mut self) {
        self.framing = frame::PLAIN;
    }

    /// Starts (or, with `false`, ends) compression with the next packet.
    pub(crate) fn compress(&mut self, on: bool) {
        self.deflate = on.then(Deflate::new);
    }

    /// Whether [`Self::poll`] would return something.
    pub(crate) fn has_output(&self) -> bool {
        !self.ready.is_empty() || self.current.as_ref().is_some_and(|(_, b)| !b.is_empty())
    }

    /// The next batch for the driver.
    pub(crate) fn poll(&mut self) -> Option<SealBatch> {
        if self.ready.is_empty() {
            self.flush();
        }
        self.ready.pop_front()
    }

    /// Takes back what the driver has written.
    pub(crate) fn recycle(&mut self, batch: SealedBatch) {
        self.pending = self.pending.saturating_sub(batch.used);
        if self.spare_slots.len() < 2 {
            self.spare_slots.push(batch.slots);
        }
        // A bulk buffer is kept while writers fill it: fresh memory has to be
        // cleared, and faulted in.
        if batch.buf.len() >= Size::Bulk.bytes() && self.stride > STRIDE_MIN {
            self.spare = Some(batch.buf);
        }
    }

    /// Whether there is memory that only bulk writes need.
    pub(crate) fn is_bulky(&self) -> bool {
        self.spare.is_some()
    }

    /// Gives it back.
    pub(crate) fn release(&mut self) {
        self.spare = None;
        self.spare_slots = Vec::new();
        self.stride = STRIDE_MIN;
        if self.open.is_none() {
            self.scratch = Vec::new();
        }
    }

    fn flush(&mut self) {
        self.open = None;
        if let Some((_, batch)) = self.current.take()
            && !batch.is_empty()
        {
            self.ready.push_back(batch);
        }
    }

    /// The batch in hand if `room` more bytes fit into it, else a new one.
    fn batch(&mut self, size: Size, room: usize) -> (Size, SealBatch) {
        if let Some((has, batch)) = self.current.take() {
            let fits = batch.buf.len().saturating_sub(batch.used) >= room;
            if fits && (has == size || size == Size::Small) {
                return (has, batch);
            }
            self.current = Some((has, batch));
            self.flush();
        }
        let bytes = size.bytes().max(room);
        let buf = match self.spare.take() {
            Some(buf) if size == Size::Bulk && buf.len() >= bytes => buf,
            other => {
                self.spare = other;
                vec![0; bytes]
            }
        };
        let key = match &self.key {
            Some(Seal::Free(key)) => Some(Arc::clone(key)),
            _ => None,
        };
        let slots = self.spare_slots.pop().unwrap_or_default();
        (
            size,
            SealBatch {
                key,
                buf,
                used: 0,
                slots,
            },
        )
    }

    /// Frames the packet whose payload lies at `start`, and numbers it.
    fn finish(
        &mut self,
        mut batch: (Size, SealBatch),
        start: usize,
        payload: usize,
        hide: usize,
        rng: &mut dyn Rng,
    ) {
        let pad = frame::padding(&self.framing, payload, hide);
        let length = 1 + payload + pad;
        let end = start + 4 + length + self.framing.tag;
        let pos = PacketPos {
            seq: self.seq,
            index: self.usage.packets(),
            block: self.usage.blocks(),
        };
        let Some(packet) = batch.1.buf.get_mut(start..end) else {
            // `batch` was asked for room for this packet: see `frame::ceiling`.
            debug_assert!(false, "packet of {length} bytes outside its batch");
            self.current = Some(batch);
            return;
        };
        let length32 = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(head) = packet.first_chunk_mut::<5>() {
            let [a, b, c, d] = length32.to_be_bytes();
            *head = [a, b, c, d, u8::try_from(pad).unwrap_or(u8::MAX)];
        }
        if let Some(place) = packet.get_mut(5 + payload..5 + payload + pad) {
            self.padding.fill(place, rng);
        }
        match &mut self.key {
            Some(Seal::Chained(chain)) => chain.seal(pos, packet),
            Some(Seal::Free(_)) => batch.1.slots.push(Slot { start, end, pos }),
            None => {}
        }
        let encrypted = if self.framing.length_apart {
            length
        } else {
            length + 4
        };
        let blocks = u64::try_from(encrypted).unwrap_or(0).div_ceil(self.block);
        let bytes = u64::try_from(end - start).unwrap_or(0);
        self.usage.count(blocks, bytes);
        self.total += bytes;
        self.seq = self.seq.wrapping_add(1);
        self.pending += end - start;
        batch.1.used = end;
        let full = end >= limits::BATCH;
        self.current = Some(batch);
        if full {
            self.flush();
        }
    }
}

/// Random padding, drawn from the generator in larger portions.
struct PaddingPool {
    bytes: [u8; 256],
    left: usize,
}

impl Default for PaddingPool {
    fn default() -> Self {
        Self {
            bytes: [0; 256],
            left: 0,
        }
    }
}

impl PaddingPool {
    fn fill(&mut self, place: &mut [u8], rng: &mut dyn Rng) {
        if place.len() > self.left {
            rng.fill(&mut self.bytes);
            self.left = self.bytes.len();
        }
        let from = self.left.saturating_sub(place.len());
        if let Some(bytes) = self.bytes.get(from..from + place.len()) {
            place.copy_from_slice(bytes);
        }
        self.left = from;
    }
}
