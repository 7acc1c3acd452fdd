//! Tests of the channel layer: against a peer whose messages are made by hand,
//! and two of our own back to back.

mod faults;
mod halves;
mod model;
mod opens;
mod requests;
mod windows;
mod writers;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use carrick_wire::msg::connection::{self as msg, ConnectionMsg};
use carrick_wire::{Encode, Writer};

use super::*;

/// Where virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "an origin for virtual time; there is no other"
)]
pub(super) fn start() -> Instant {
    Instant::now()
}

/// An outbox that keeps the messages, and has as much room as it is told.
#[derive(Debug)]
pub(super) struct Tray {
    pub(super) messages: VecDeque<Bytes>,
    pub(super) room: usize,
    reserved: Option<(usize, Vec<u8>)>,
}

impl Tray {
    pub(super) fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            room: usize::MAX,
            reserved: None,
        }
    }

    /// Takes out all messages, as the hex-free one-word names of the tests.
    pub(super) fn names(&mut self) -> Vec<String> {
        self.messages.drain(..).map(|m| short(&m)).collect()
    }
}

/// A message in short.
pub(super) fn short(payload: &[u8]) -> String {
    match ConnectionMsg::decode(payload).unwrap() {
        ConnectionMsg::Data(m) => format!("data {} {}", m.recipient, m.data.len()),
        ConnectionMsg::ExtendedData(m) => {
            format!("extended {} {} {}", m.recipient, m.code, m.data.len())
        }
        ConnectionMsg::WindowAdjust(m) => format!("adjust {} {}", m.recipient, m.bytes),
        ConnectionMsg::Eof(m) => format!("eof {}", m.recipient),
        ConnectionMsg::Close(m) => format!("close {}", m.recipient),
        ConnectionMsg::ChannelSuccess(m) => format!("success {}", m.recipient),
        ConnectionMsg::ChannelFailure(m) => format!("failure {}", m.recipient),
        ConnectionMsg::ChannelRequest(m) => format!("request {} {}", m.recipient, m.body.name()),
        ConnectionMsg::ChannelOpen(m) => format!("open {} {}", m.sender, m.kind.name()),
        ConnectionMsg::OpenConfirmation(m) => format!("confirm {}", m.recipient),
        ConnectionMsg::OpenFailure(m) => format!("refuse {} {}", m.recipient, m.reason.0),
        ConnectionMsg::GlobalRequest(m) => format!("global {}", m.body.name()),
        ConnectionMsg::RequestSuccess(m) => format!("granted {}", m.data.len()),
        ConnectionMsg::RequestFailure(_) => "denied".to_owned(),
    }
}

impl Outbox for Tray {
    fn send(&mut self, write: &mut dyn FnMut(&mut Writer<'_>)) {
        self.reserved = None;
        let mut payload = Vec::new();
        write(&mut Writer::new(&mut payload));
        self.messages.push_back(payload.into());
    }

    fn data_space(&mut self, header_len: usize, max: usize) -> Option<&mut [u8]> {
        assert!(max > 0 && max <= self.room);
        let (_, packet) = self
            .reserved
            .insert((header_len, vec![0; header_len + max]));
        Some(&mut packet[header_len..])
    }

    fn frame_space(&mut self, header_len: usize, len: usize) -> Option<&mut [u8]> {
        self.data_space(header_len, len)
    }

    fn data_commit(&mut self, header: &[u8], len: usize) -> bool {
        let Some((header_len, mut packet)) = self.reserved.take() else {
            return false;
        };
        assert_eq!(header.len(), header_len);
        packet[..header_len].copy_from_slice(header);
        packet.truncate(header_len + len);
        if self.room != usize::MAX {
            self.room -= len;
        }
        self.messages.push_back(packet.into());
        true
    }

    fn room(&self) -> usize {
        self.room
    }
}

/// One of our muxes, its outbox and its clock.
#[derive(Debug)]
pub(super) struct End {
    pub(super) mux: Mux,
    pub(super) out: Tray,
    pub(super) now: Instant,
}

impl End {
    pub(super) fn new(role: Role, config: MuxConfig) -> Self {
        Self {
            mux: Mux::new(Authenticated::for_test(), config, role),
            out: Tray::new(),
            now: start(),
        }
    }

    pub(super) fn server() -> Self {
        Self::new(Role::Server, MuxConfig::default())
    }

    pub(super) fn client() -> Self {
        Self::new(Role::Client, MuxConfig::default())
    }

    /// A message from the peer.
    pub(super) fn hear(&mut self, message: &dyn Encode) -> Result<(), MuxFault> {
        self.mux
            .handle(message.to_vec().into(), self.now, &mut self.out)
    }

    /// As [`Self::hear`], of data.
    pub(super) fn hear_data(&mut self, id: ChannelId, data: &[u8]) -> Result<(), MuxFault> {
        self.hear(&msg::Data {
            recipient: id.0,
            data,
        })
    }

    pub(super) fn event(&mut self) -> Option<ChannelEvent> {
        self.mux.poll_event(&self.out)
    }

    pub(super) fn events(&mut self) -> Vec<ChannelEvent> {
        std::iter::from_fn(|| self.event()).collect()
    }

    /// A session that a peer with this number, window and packet size opened.
    pub(super) fn opened_by_peer(
        &mut self,
        number: u32,
        window: u32,
        max_packet: u32,
    ) -> ChannelId {
        let kind = msg::OpenKind::AuthAgent;
        self.hear(&msg::ChannelOpen {
            sender: number,
            window,
            max_packet,
            kind,
        })
        .unwrap();
        let Some(ChannelEvent::OpenRequest { id, .. }) = self.event() else {
            panic!()
        };
        self.mux.accept(&mut self.out, id).unwrap();
        self.out.messages.clear();
        id
    }

    pub(super) fn open(&mut self) -> ChannelId {
        self.opened_by_peer(77, u32::MAX, 32 * 1024)
    }

    pub(super) fn read(&mut self, id: ChannelId) -> Option<Bytes> {
        self.mux.read(&mut self.out, id, Stream::Data).unwrap()
    }

    pub(super) fn write(&mut self, id: ChannelId, data: &[u8]) -> Result<usize, ChannelError> {
        self.mux.write(&mut self.out, id, Stream::Data, data)
    }

    /// Nothing is left of anything.
    pub(super) fn assert_clean(&self) {
        assert_eq!(self.mux.channels.len(), 0);
        assert_eq!(self.mux.offered, 0);
        assert_eq!(self.mux.budget.used(), 0);
        assert!(self.mux.turns.is_idle());
        assert!(self.mux.globals.is_idle());
        assert_eq!((self.mux.events.queue.len(), self.mux.events.bytes), (0, 0));
    }
}
