//! Packets on their way to the device.

use std::collections::VecDeque;

/// With so many waiting, connections wait too.
const ENOUGH: usize = 128;
/// How many buffers are kept for the next packets.
const SPARE: usize = 64;

/// The queue, and buffers that are used again.
#[derive(Debug, Default)]
pub(crate) struct Output {
    queue: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Output {
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < ENOUGH
    }

    /// Adds a packet of this length, as `write` fills it.
    pub(crate) fn write<R>(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut packet = self.spare.pop().unwrap_or_default();
        packet.clear();
        packet.resize(len, 0);
        let done = write(&mut packet);
        self.queue.push_back(packet);
        done
    }

    /// Adds a packet. One that answers another is dropped when there is no
    /// room: whoever sends and does not listen misses answers.
    pub(crate) fn answer(&mut self, packet: Option<Vec<u8>>) {
        if let Some(packet) = packet
            && self.queue.len() < ENOUGH * 2
        {
            self.queue.push_back(packet);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        self.queue.pop_front()
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&mut self, packet: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(packet);
        }
    }
}
