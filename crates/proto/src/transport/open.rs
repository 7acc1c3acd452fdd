//! The receiving direction: framing, opening in place, inflating.
//!
//! A packet is opened inside the buffer that the socket was read into, and its
//! payload leaves as a slice of it: channel data is never copied.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use carrick_crypto::packet::{Framing, Open, PacketPos};
use zeroize::Zeroize;

use super::compress::Inflate;
use super::frame;
use super::rekey::Usage;
use crate::error::PeerFault;
use crate::limits;

/// The size of a buffer for bulk reads: a read, and the rest of a packet.
const READ_BUFFER: usize = limits::READ_MAX + 16 * 1024;

/// How many such buffers wait for their readers.
const SPARES: usize = 16;

/// The receiving direction of a connection.
pub(crate) struct Opener {
    buf: BytesMut,
    /// Buffers that readers may still hold slices of, to be used again.
    spare: VecDeque<BytesMut>,
    /// The buffer's length when it was handed out.
    taken: usize,
    /// The size of the next read.
    read: usize,
    key: Option<Open>,
    framing: Framing,
    block: u64,
    seq: u32,
    usage: Usage,
    total: u64,
    inflate: Option<Inflate>,
    /// The length of the packet at the front, once its head was looked at.
    length: Option<usize>,
    /// A fault that is told only when this much more was swallowed.
    poisoned: Option<(usize, PeerFault)>,
}

/// A packet's payload, message number first.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) payload: Bytes,
    pub(crate) seq: u32,
}

impl Opener {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            buf: BytesMut::new(),
            spare: VecDeque::new(),
            taken: 0,
            read: limits::READ_MIN,
            key: None,
            framing: frame::CLEAR,
            block: 8,
            seq: 0,
            usage: Usage::new(now),
            total: 0,
            inflate: None,
            length: None,
            poisoned: None,
        }
    }

    /// The buffer, to append received bytes to, with room for a good read. The
    /// room follows what the last reads brought, so that an idle connection
    /// keeps next to nothing.
    pub(crate) fn take_buf(&mut self) -> BytesMut {
        let missing = match self.length {
            Some(length) => (4 + length + self.framing.tag).saturating_sub(self.buf.len()),
            None => 0,
        };
        let want = self.read.max(missing);
        if self.buf.capacity() - self.buf.len() < want / 2 {
            self.renew(want);
        }
        self.taken = self.buf.len();
        core::mem::take(&mut self.buf)
    }

    /// Makes room for `want` more bytes: in memory that readers have given
    /// back if there is some, since fresh memory costs a page fault for every
    /// 4 KiB.
    fn renew(&mut self, want: usize) {
        if want < limits::READ_MAX / 2 {
            self.buf.reserve(want);
            return;
        }
        let free = self
            .spare
            .iter_mut()
            .position(|old| old.try_reclaim(READ_BUFFER));
        let free = free.and_then(|at| self.spare.swap_remove_back(at));
        let mut fresh = free.unwrap_or_else(|| BytesMut::with_capacity(READ_BUFFER));
        fresh.extend_from_slice(&self.buf);
        let mut old = core::mem::replace(&mut self.buf, fresh);
        old.clear();
        if self.spare.len() < SPARES {
            self.spare.push_back(old);
        }
    }

    /// Whether there is memory that only bulk reads need.
    pub(crate) fn is_bulky(&self) -> bool {
        !self.spare.is_empty() || self.buf.capacity() > limits::READ_MAX / 2
    }

    /// The buffer is back: how much was appended.
    pub(crate) fn put_buf(&mut self, buf: BytesMut) -> usize {
        self.buf = buf;
        let got = self.buf.len().saturating_sub(self.taken);
        if got >= self.read / 2 {
            self.read = (self.read * 2).min(limits::READ_MAX);
        } else if got > 0 && got < self.read / 8 {
            self.read = (self.read / 2).max(limits::READ_MIN);
        }
        got
    }

    /// What was received and not taken yet.
    pub(crate) fn received(&mut self) -> &mut BytesMut {
        &mut self.buf
    }

    /// Gives back the memory that only bulk reads need.
    pub(crate) fn release(&mut self) {
        self.spare.clear();
        self.read = limits::READ_MIN;
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        }
    }

    /// Bytes in packets so far, under all keys.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Takes the next packet off the buffer, if all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Received>, PeerFault> {
        if let Some((swallow, fault)) = &mut self.poisoned {
            let gone = self.buf.len().min(*swallow);
            self.buf.advance(gone);
            *swallow -= gone;
            return if *swallow == 0 {
                Err(fault.clone())
            } else {
                Ok(None)
            };
        }
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let total = 4 + length + self.framing.tag;
        if self.buf.len() < total {
            return Ok(None);
        }
        self.length = None;
        let mut packet = self.buf.split_to(total);
        let pos = self.pos();
        let opened = match &mut self.key {
            None => Ok(()),
            Some(Open::Free(key)) => key.open(pos, &mut packet),
            Some(Open::Chained(chain)) => chain.open(pos, &mut packet),
        };
        if opened.is_err() {
            return self.poison(PeerFault::BadMac, total).map(|()| None);
        }
        let encrypted = if self.framing.length_apart {
            length
        } else {
            length + 4
        };
        let blocks = u64::try_from(encrypted).unwrap_or(0).div_ceil(self.block);
        let bytes = u64::try_from(total).unwrap_or(0);
        self.usage.count(blocks, bytes);
        self.total += bytes;
        self.seq = self.seq.wrapping_add(1);
        let payload = payload_of(packet, length, frame::least_padding(&self.framing))?;
        let payload = match &mut self.inflate {
            Some(inflate) => inflate.payload(&payload)?,
            None => payload,
        };
        if payload.is_empty() {
            return Err(PeerFault::EmptyPacket);
        }
        Ok(Some(Received {
            payload,
            seq: pos.seq,
        }))
    }

    /// Switches to a new key with the next packet.
    pub(crate) fn rekey(
        &mut self,
        key: Open,
        framing: Framing,
        block: usize,
        reset_seq: bool,
        now: Instant,
    ) {
        self.key = Some(key);
        self.framing = framing;
        self.block = u64::try_from(block.max(1)).unwrap_or(1);
        self.usage = Usage::new(now);
        if reset_seq {
            self.seq = 0;
        }
    }

    /// What comes is a conversation that needs no protection.
    pub(crate) fn unprotected(&mut self) {
        self.framing = frame::PLAIN;
    }

    /// Starts (or, with `false`, ends) inflating with the next packet.
    pub(crate) fn inflate(&mut self, on: bool) {
        self.inflate = on.then(Inflate::new);
    }

    fn pos(&self) -> PacketPos {
        PacketPos {
            seq: self.seq,
            index: self.usage.packets(),
            block: self.usage.blocks(),
        }
    }

    fn length(&mut self) -> Result<Option<usize>, PeerFault> {
        if self.length.is_some() {
            return Ok(self.length);
        }
        let pos = self.pos();
        let Some(head) = self.buf.get_mut(..self.framing.head) else {
            return Ok(None);
        };
        let length = match &mut self.key {
            None => head.first_chunk().map_or(0, |b| u32::from_be_bytes(*b)),
            Some(Open::Free(key)) => key.length(pos, head),
            Some(Open::Chained(chain)) => chain.length(pos, head),
        };
        let in_bounds = usize::try_from(length)
            .ok()
            .filter(|l| frame::plausible(&self.framing, *l, limits::PACKET));
        if in_bounds.is_none() {
            self.poison(PeerFault::BadLength(length), 0)?;
            return Ok(None);
        }
        self.length = in_bounds;
        Ok(in_bounds)
    }

    /// With CBC and a MAC over the plaintext, the moment at which a bad packet
    /// is noticed tells an attacker about its decrypted length field (CVE-2008-5161):
    /// there the fault is told only after as much as the largest packet came.
    fn poison(&mut self, fault: PeerFault, consumed: usize) -> Result<(), PeerFault> {
        let chained = matches!(self.key, Some(Open::Chained(_)));
        if !chained || self.framing.length_apart {
            return Err(fault);
        }
        self.poisoned = Some((limits::PACKET.saturating_sub(consumed).max(1), fault));
        Ok(())
    }
}

/// Messages of user authentication, which may hold passwords.
const AUTHENTICATION: core::ops::RangeInclusive<u8> = 50..=79;

/// Cuts the payload out of an opened packet. What may hold a password is moved
/// out of the receive buffer, to memory that can be wiped.
fn payload_of(mut packet: BytesMut, length: usize, least: usize) -> Result<Bytes, PeerFault> {
    let pad = packet.get(4).copied().unwrap_or(0);
    let payload = (length - 1)
        .checked_sub(usize::from(pad))
        .filter(|_| usize::from(pad) >= least)
        .ok_or(PeerFault::BadPadding(pad))?;
    packet.advance(frame::HEADER);
    packet.truncate(payload);
    if packet
        .first()
        .is_some_and(|number| AUTHENTICATION.contains(number))
    {
        let apart = Bytes::copy_from_slice(&packet);
        packet.zeroize();
        return Ok(apart);
    }
    Ok(packet.freeze())
}
