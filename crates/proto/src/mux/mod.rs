//! The connection layer (RFC 4254): channels, their requests, their windows.
//!
//! [`Mux`] owns all of its state and never seals or reads anything itself:
//! payloads of opened packets go in through `handle`, messages come out
//! through an `Outbox`, news through `poll_event`. There is no `Mux` without
//! the proof that the peer logged in.
//!
//! Invariants:
//! - A [`ChannelId`] is never used for a second channel.
//! - What is buffered for a channel never exceeds the window granted on it,
//!   and window is granted only for what the reader has taken.
//! - No queue is without a bound (see [`crate::limits`]).
//! - The application closes each channel once; until then it stays readable,
//!   whatever the peer does, and after that nothing of it is kept but what the
//!   wire still needs.

mod channel;
mod command;
mod data;
mod error;
mod event;
mod global;
mod inbox;
mod input;
mod open;
mod outbox;
mod request;
#[cfg(test)]
mod tests;
mod text;
mod turns;
mod typing;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use carrick_wire::Encode;
pub use carrick_wire::msg::connection::OpenFailureReason as OpenReason;

pub use self::error::{ChannelError, MuxFault};
pub use self::event::ChannelEvent;
pub use self::global::{GlobalAnswer, GlobalId, GlobalRequest};
pub use self::open::Open;
pub(crate) use self::outbox::Outbox;
pub use self::request::{PtySize, Request};

use self::channel::{Channel, Live};
use self::global::Globals;
use self::turns::Turns;
use self::typing::Typing;
use self::window::WindowBudget;
use crate::auth::Authenticated;
use crate::limits;

/// A channel, by our number for it; never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(u32);

impl From<ChannelId> for u32 {
    fn from(id: ChannelId) -> Self {
        id.0
    }
}

impl core::fmt::Display for ChannelId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// A request on a channel, ours or the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// Which of a channel's two byte streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `SSH_MSG_CHANNEL_DATA`: standard input or output.
    Data,
    /// `SSH_MSG_CHANNEL_EXTENDED_DATA` of type 1: standard error.
    Stderr,
}

/// Which side of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// We connected.
    Client,
    /// We were connected to.
    Server,
}

/// Sizes of windows and packets, and what the peer is.
#[derive(Debug, Clone)]
pub struct MuxConfig {
    /// A channel's receive window as it opens; larger on a long path.
    pub first_window: u32,
    /// What a channel's receive window may grow to.
    pub max_window: u32,
    /// What all receive windows may come to together.
    pub total_window: u64,
    /// The largest piece of data that we announce to take.
    pub max_packet: u32,
    /// The peer knows OpenSSH's extensions: it is sent `eow@openssh.com` and
    /// `no-more-sessions@openssh.com`.
    pub openssh_peer: bool,
    /// What the peer counts, for each frame of a network, beyond its bytes.
    /// OpenSSH takes the length of the string that the frame is in off the
    /// window and gives it back; whoever did not count with it would see the
    /// window grow without end.
    pub frame_extra: u32,
}

impl Default for MuxConfig {
    fn default() -> Self {
        Self {
            first_window: limits::WINDOW_FIRST,
            max_window: limits::WINDOW_MOST,
            total_window: limits::WINDOW_TOTAL,
            max_packet: limits::DATA_PACKET,
            openssh_peer: false,
            frame_extra: 0,
        }
    }
}

/// The channels and global requests of one connection.
#[derive(Debug)]
pub struct Mux {
    config: MuxConfig,
    role: Role,
    channels: BTreeMap<ChannelId, Channel>,
    next_channel: u32,
    next_request: u64,
    /// How many channels wait for `accept` or `refuse`.
    offered: usize,
    budget: WindowBudget,
    turns: Turns,
    typing: Typing,
    globals: Globals,
    events: Events,
    /// What `space` handed out last: how much, and for whom.
    reserved: Option<(ChannelId, Stream, usize)>,
    /// The interval over which readers are measured.
    interval: Duration,
    /// A channel's window as it opens.
    first_window: u32,
    _proof: Authenticated,
}

impl Mux {
    /// The connection layer of a connection whose client has logged in.
    pub(crate) fn new(proof: Authenticated, config: MuxConfig, role: Role) -> Self {
        Self {
            role,
            channels: BTreeMap::new(),
            next_channel: 0,
            next_request: 0,
            offered: 0,
            budget: WindowBudget::new(config.total_window),
            turns: Turns::new(),
            typing: Typing::default(),
            globals: Globals::new(),
            events: Events::default(),
            reserved: None,
            interval: window::interval(None),
            first_window: config.first_window,
            config,
            _proof: proof,
        }
    }

    /// The shortest round trip measured: windows begin and grow by it.
    pub(crate) fn set_rtt(&mut self, rtt: Duration) {
        self.interval = window::interval(Some(rtt));
        self.first_window = window::first(self.config.first_window, rtt);
    }

    /// Whether the application has taken enough of the events for another
    /// packet to be handled.
    pub(crate) fn wants_input(&self) -> bool {
        self.events.queue.len() < limits::EVENTS && self.events.bytes < limits::EVENT_BYTES
    }

    /// The next piece of news. To be asked for after each command and each
    /// packet, and whenever `out` may have got room: that is what makes
    /// writers writable again.
    pub(crate) fn poll_event(&mut self, out: &dyn Outbox) -> Option<ChannelEvent> {
        self.begin_turns(out.room());
        self.events.pop()
    }

    /// See [`crate::Connection::look`].
    pub(crate) fn look(&mut self, now: Instant) {
        self.turns.look(now);
        self.typing.look(now, self.channels.len() > 1);
    }

    /// See [`crate::Connection::is_ahead_of_reader`].
    pub(crate) fn is_ahead_of_reader(&self) -> bool {
        let mut channels = self.channels.values();
        match (channels.next(), channels.next()) {
            (Some(Channel::Live(only)), None) => only.receive.window.unread() > limits::AHEAD,
            _ => false,
        }
    }

    /// See [`crate::Connection::is_typed_on`].
    pub(crate) fn is_typed_on(&self) -> bool {
        self.typing.is_on()
    }

    /// See [`crate::Connection::wants_look`].
    pub(crate) fn wants_look(&self) -> bool {
        self.turns.is_news()
    }

    /// When [`Self::look`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.turns.deadline(), self.typing.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Tells the channels that wait for room, if there is some and the
    /// application has taken all other news.
    fn begin_turns(&mut self, room: usize) {
        if !self.events.queue.is_empty() {
            return;
        }
        for id in self.turns.begin(room) {
            if let Some(Channel::Live(live)) = self.channels.get_mut(&id) {
                live.send.turn.told();
                self.events.push(ChannelEvent::Writable(id), 0);
            }
        }
    }

    /// How many channels there are, in whatever state.
    #[cfg(test)]
    fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// A channel that is or was open.
    fn live(&mut self, id: ChannelId) -> Result<&mut Live, ChannelError> {
        match self.channels.get_mut(&id) {
            Some(Channel::Live(live)) if !live.released => Ok(live),
            Some(Channel::Opening { .. } | Channel::Offered { .. }) => Err(ChannelError::NotOpen),
            _ => Err(ChannelError::Unknown),
        }
    }

    /// A number for a new channel.
    fn new_id(&mut self) -> Result<ChannelId, ChannelError> {
        if self.channels.len() >= limits::CHANNELS {
            return Err(ChannelError::TooManyChannels);
        }
        // 2^32 channels on one connection are not seen in practice; should it
        // come to that, numbers still in use are passed over.
        loop {
            let id = ChannelId(self.next_channel);
            self.next_channel = self.next_channel.wrapping_add(1);
            if !self.channels.contains_key(&id) {
                return Ok(id);
            }
        }
    }

    fn new_request(&mut self) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.wrapping_add(1);
        id
    }

    /// Forgets an open channel for which neither side has any more use.
    fn forget(&mut self, id: ChannelId) {
        if let Some(Channel::Live(live)) = self.channels.remove(&id) {
            self.budget.give_back(&live.receive.window);
            self.turns.leave(id);
        }
    }
}

/// Events that wait for the application, and the room they take.
#[derive(Debug, Default)]
struct Events {
    queue: VecDeque<(ChannelEvent, usize)>,
    bytes: usize,
}

impl Events {
    /// `bytes` is what the event owns, beyond itself.
    fn push(&mut self, event: ChannelEvent, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.queue.push_back((event, bytes));
    }

    fn pop(&mut self) -> Option<ChannelEvent> {
        let (event, bytes) = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(event)
    }
}

/// Sends one message.
fn emit(out: &mut dyn Outbox, message: &dyn Encode) {
    out.send(&mut |w| message.encode(w));
}
