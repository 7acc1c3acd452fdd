//! The way out: packets that wait for the end of a key exchange, and those
//! that go straight to the sealer.

use std::collections::VecDeque;

use carrick_crypto::rng::Rng;
use carrick_wire::Writer;
use zeroize::Zeroizing;

use crate::limits;
use crate::mux::Outbox;
use crate::transport::seal::Sealer;

/// Everything between a message and the driver.
pub(crate) struct Output {
    pub(crate) sealer: Sealer,
    pub(crate) rng: Box<dyn Rng>,
    /// From our KEXINIT to our NEWKEYS nothing but key exchange messages may
    /// be sent (RFC 4253 section 7.1): the rest waits here.
    blocked: bool,
    /// After so many bytes under one key no more bulk data is taken: a key
    /// exchange is due.
    key_bytes: u64,
    deferred: VecDeque<Deferred>,
    deferred_bytes: usize,
    scratch: Vec<u8>,
    /// Somebody types: bulk data is to keep its queue short.
    typing: bool,
}

/// A message that waits for the end of an exchange. It may hold a password.
struct Deferred {
    payload: Zeroizing<Vec<u8>>,
    /// Its packet is to hide its length.
    secret: bool,
}

/// What one waiting message costs beyond its bytes: small ones count too.
const DEFERRED_COST: usize = 64;

impl Output {
    pub(crate) fn new(sealer: Sealer, rng: Box<dyn Rng>) -> Self {
        Self {
            sealer,
            rng,
            blocked: false,
            key_bytes: u64::MAX,
            deferred: VecDeque::new(),
            deferred_bytes: 0,
            scratch: Vec::new(),
            typing: false,
        }
    }

    /// Sends a message of the key exchange, or one that may pass it by.
    pub(crate) fn transport(&mut self, payload: &[u8]) {
        self.sealer.packet(payload, &mut *self.rng);
    }

    /// Sends any other message, now or after the exchange.
    pub(crate) fn message(&mut self, payload: &[u8]) {
        if self.blocked {
            self.defer(payload, false);
        } else {
            self.transport(payload);
        }
    }

    fn defer(&mut self, payload: &[u8], secret: bool) {
        self.deferred_bytes += payload.len() + DEFERRED_COST;
        self.deferred.push_back(Deferred {
            payload: Zeroizing::new(payload.to_vec()),
            secret,
        });
    }

    /// How much waits for the end of the exchange.
    pub(crate) fn deferred(&self) -> usize {
        self.deferred_bytes
    }

    /// As [`Self::message`], in a packet whose length does not tell the
    /// length of the secret in it.
    pub(crate) fn secret_message(&mut self, payload: &[u8]) {
        if self.blocked {
            self.defer(payload, true);
        } else {
            self.sealer.padded_packet(payload, &mut *self.rng);
        }
    }

    /// How much may be sent under the present key.
    pub(crate) fn limit_key(&mut self, bytes: u64) {
        self.key_bytes = bytes;
    }

    /// A key exchange begins.
    pub(crate) fn block(&mut self) {
        self.blocked = true;
    }

    /// Our NEWKEYS is out.
    pub(crate) fn unblock(&mut self) {
        self.blocked = false;
        self.deferred_bytes = 0;
        for message in core::mem::take(&mut self.deferred) {
            if message.secret {
                self.secret_message(&message.payload);
            } else {
                self.transport(&message.payload);
            }
        }
    }

    /// Whether somebody types beside the bulk data.
    pub(crate) fn set_typing(&mut self, typing: bool) {
        self.typing = typing;
    }

    /// How much waits to be written, in whatever form.
    pub(crate) fn backlog(&self) -> usize {
        self.sealer.pending() + self.deferred_bytes
    }
}

impl Outbox for Output {
    fn send(&mut self, write: &mut dyn FnMut(&mut Writer<'_>)) {
        let mut payload = core::mem::take(&mut self.scratch);
        payload.clear();
        write(&mut Writer::new(&mut payload));
        self.message(&payload);
        self.scratch = payload;
    }

    fn data_space(&mut self, header_len: usize, max: usize) -> Option<&mut [u8]> {
        if self.room() == 0 || max == 0 {
            return None;
        }
        Some(self.sealer.space(header_len, max))
    }

    fn frame_space(&mut self, header_len: usize, len: usize) -> Option<&mut [u8]> {
        if self.room() == 0 || len == 0 {
            return None;
        }
        Some(self.sealer.frame_space(header_len, len))
    }

    fn data_commit(&mut self, header: &[u8], len: usize) -> bool {
        self.sealer.commit(len, header, &mut *self.rng)
    }

    fn room(&self) -> usize {
        let usage = self.sealer.usage();
        if self.blocked || (usage.packets() > 0 && usage.bytes() >= self.key_bytes) {
            return 0;
        }
        let most = if self.typing {
            limits::BACKLOG_TYPING
        } else {
            limits::BACKLOG
        };
        most.saturating_sub(self.backlog())
    }
}
