//! Sealing and opening binary packets (RFC 4253 section 6).
//!
//! `packet` is always the whole of it: `u32 length || u8 padding length ||
//! payload || padding || tag`, with the length filled in by the caller and
//! room for the tag at the end. Everything happens in place; no call
//! allocates or expands a key.
//!
//! All ciphers but CBC are pure functions of key and [`PacketPos`]: packets
//! can be sealed and opened in any order, on any thread. CBC chains one
//! packet to the next and is [`ChainedSeal`] / [`ChainedOpen`].
//!
//! # Timing and oracles
//! Tags are compared in constant time. With encrypt-then-MAC and AEADs nothing
//! of a forged packet but its length field is used before the tag is checked,
//! and that field is authentic once it is. With the older MACs over the
//! plaintext (RFC 4253 section 6.4) the length must be decrypted and believed
//! first; that is the protocol's. Here `length` tells nothing beyond the number
//! and `open` does the same work for every packet of a length: one decryption
//! and one MAC over all of it, padding unseen. The caller must answer a wrong
//! length and a wrong tag alike under CBC (CVE-2008-5161), as
//! `carrick-proto` does, by reading on to the largest packet first.

mod auth;
mod cbc;
pub(crate) mod chacha;
mod ctr;
pub(crate) mod gcm;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use cbc::Chain;
pub(crate) use table::Mode;
pub use table::{CIPHERS, Cipher, MACS, Mac, cipher, mac};

/// The length field at a packet's beginning.
const LENGTH: usize = 4;

/// Where a packet stands in its direction's stream.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PacketPos {
    /// The sequence number (RFC 4253 section 6.4).
    pub seq: u32,
    /// Packets before this one under the same key.
    pub index: u64,
    /// Cipher blocks before this one under the same key.
    pub block: u64,
}

/// The tag did not fit: the packet was changed, or sealed with another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadMac;

impl core::fmt::Display for BadMac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("packet failed its integrity check")
    }
}

impl core::error::Error for BadMac {}

/// Seals packets in any order.
pub trait SealKey: Send + Sync {
    /// Encrypts in place and fills in the tag.
    ///
    /// # Panics
    /// If `packet` is too short to hold a length and a tag.
    fn seal(&self, pos: PacketPos, packet: &mut [u8]);
}

/// Opens packets in any order.
pub trait OpenKey: Send + Sync {
    /// The packet's length field, from its first [`Framing::head`] bytes, which
    /// stay as they are. It is not authentic before [`OpenKey::open`] said so.
    fn length(&self, pos: PacketPos, head: &[u8]) -> u32;

    /// Checks the tag and decrypts in place, the length field included. After
    /// an error the packet's bytes mean nothing.
    fn open(&self, pos: PacketPos, packet: &mut [u8]) -> Result<(), BadMac>;
}

/// Seals packets strictly in order.
pub trait ChainedSeal: Send {
    /// As [`SealKey::seal`].
    fn seal(&mut self, pos: PacketPos, packet: &mut [u8]);
}

/// Opens packets strictly in order.
pub trait ChainedOpen: Send {
    /// The packet's length field, from its first [`Framing::head`] bytes. They
    /// may be decrypted in place: they are to be the head of the packet that
    /// [`ChainedOpen::open`] is given next.
    fn length(&mut self, pos: PacketPos, head: &mut [u8]) -> u32;

    /// As [`OpenKey::open`].
    fn open(&mut self, pos: PacketPos, packet: &mut [u8]) -> Result<(), BadMac>;
}

/// A sealing key of either sort.
pub enum Seal {
    /// Order-free, to be shared.
    Free(Arc<dyn SealKey>),
    /// In order only.
    Chained(Box<dyn ChainedSeal>),
}

/// An opening key of either sort.
pub enum Open {
    /// Order-free, to be shared.
    Free(Arc<dyn OpenKey>),
    /// In order only.
    Chained(Box<dyn ChainedOpen>),
}

/// What the transport must know to cut and pad packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Framing {
    /// What the padded packet is a multiple of, at least 8.
    pub block: usize,
    /// Whether the 4 length bytes do not count for that (AEADs and
    /// encrypt-then-MAC).
    pub length_apart: bool,
    /// Bytes of tag after the packet.
    pub tag: usize,
    /// Bytes needed to learn the length: 4, or a block.
    pub head: usize,
}

/// The first four bytes as a length; 0, which no packet may have, if there
/// are fewer.
fn plain_length(head: &[u8]) -> u32 {
    head.first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
