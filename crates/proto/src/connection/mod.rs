//! The machine that both sides share. It owns no socket, reads no clock and
//! starts nothing: bytes and the time go in, events and packets come out.
//!
//! Methods come in four kinds, as in quinn:
//!
//! - **A**, looking: [`Connection::negotiated`], [`Connection::error`], ...
//! - **B**, input: [`Connection::take_recv_buf`] and [`Connection::handle_recv`],
//!   [`Connection::handle_eof`], [`Connection::handle_timeout`], and
//!   [`Connection::look`] before any of them;
//! - **C**, the application's commands and answers, in `client`, `server` and
//!   [`Channels`];
//! - **D**, output, to be drained after any of B and C: first
//!   [`Connection::poll_event`], then [`Connection::poll_transmit`], then
//!   [`Connection::poll_timeout`].

mod channels;
mod client;
mod dispatch;
mod kexing;
mod plain;
mod server;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use carrick_crypto::rng::Rng;
use carrick_wire::Encode;
use carrick_wire::msg::transport::{Disconnect, DisconnectReason};

pub use channels::Channels;
pub use client::{Client, ClientConfig};
pub use server::{Server, ServerConfig};

use crate::error::Error;
use crate::event::{Event, QuestionId};
use crate::kex::{Negotiated, Preferences, Step};
use crate::limits;
use crate::mux::{GlobalId, GlobalRequest, Mux, MuxConfig};
use crate::output::Output;
use crate::transport::RekeyLimit;
use crate::transport::ident::{Ident, IdentReader};
use crate::transport::open::Opener;
use crate::transport::seal::{SealBatch, SealedBatch, Sealer};

/// How to notice that the peer is gone (OpenSSH's `ServerAliveInterval` and
/// `ClientAliveInterval`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// After so long without a byte from the peer it is asked for one.
    pub interval: Duration,
    /// After so many questions without a byte in between it is given up.
    pub count: u32,
}

/// What both sides are configured with.
#[derive(Debug, Clone)]
pub struct CommonConfig {
    /// Software version for the identification, such as `Carrick_0.1`.
    pub software: String,
    /// A comment to go behind it (OpenSSH's `VersionAddendum`).
    pub comment: Option<String>,
    /// Algorithms.
    pub preferences: Preferences,
    /// When to renew keys, beyond what the cipher needs.
    pub rekey: RekeyLimit,
    /// Windows.
    pub mux: MuxConfig,
    /// Whether and how to notice that the peer is gone, once logged in.
    pub keep_alive: Option<KeepAlive>,
}

/// Which side of a connection: [`Client`] or [`Server`].
pub trait Side: sealed::Sealed + Sized {
    /// What only this side hears.
    type Event;
    #[doc(hidden)]
    type Step;
    #[doc(hidden)]
    const CLIENT: bool;
    #[doc(hidden)]
    fn hooks() -> dispatch::Hooks<Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Client {}
    impl Sealed for super::Server {}
}

/// A connection, from the first byte to the last.
pub struct Connection<S: Side> {
    side: S,
    config: CommonConfig,
    now: Instant,
    ours: Ident,
    peer: Option<Ident>,
    ident: IdentReader,
    opener: Opener,
    output: Output,
    kex: Step<S::Step>,
    /// The peer's guessed packet is to be ignored.
    skip_guess: bool,
    strict: bool,
    peer_ext_info: bool,
    /// The peer takes another EXT_INFO while it logs in.
    ext_info_in_auth: bool,
    session_id: Option<Vec<u8>>,
    negotiated: Option<Negotiated>,
    rekey_wanted: bool,
    /// After how many bytes the ciphers in force need new keys: client to
    /// server, and server to client.
    bounds: (u64, u64),
    kex_count: u32,
    /// Exchanges in a row that the peer asked for with nothing in between.
    rekeys_for_nothing: u32,
    idle_messages: u32,
    phase: Phase,
    /// The connection protocol alone: see `plain`.
    plain: bool,
    events: VecDeque<Event<S::Event>>,
    questions: u64,
    dead: Option<Error>,
    rtt: Rtt,
    alive: Alive,
    /// When to look whether the connection is busy no more.
    calm_at: Option<Instant>,
}

/// After so long without a byte a connection is not busy.
const CALM: Duration = Duration::from_secs(1);

/// Between login and the end there are channels; before, there are none.
enum Phase {
    Login,
    Open(Box<Mux>),
}

/// The shortest round trip seen. Handshakes give it for free.
#[derive(Debug, Default)]
struct Rtt {
    best: Option<Duration>,
    mark: Option<Instant>,
}

impl Rtt {
    /// A message went out that the peer answers at once.
    fn start(&mut self, now: Instant) {
        self.mark = Some(now);
    }

    /// The answer came.
    fn stop(&mut self, now: Instant) {
        if let Some(mark) = self.mark.take() {
            let trip = now.saturating_duration_since(mark);
            self.best = Some(self.best.map_or(trip, |best| best.min(trip)));
        }
    }
}

/// Whether the peer is still there.
struct Alive {
    heard: Instant,
    asked: u32,
    next: Option<Instant>,
    /// Our questions on their way: their answers are for nobody else.
    ids: VecDeque<GlobalId>,
}

impl<S: Side> Connection<S> {
    fn start(side: S, config: CommonConfig, rng: Box<dyn Rng>, now: Instant) -> Self {
        let mut connection = Self::silent(side, config, rng, now);
        let mut line = connection.ours.as_str().as_bytes().to_vec();
        line.extend_from_slice(b"\r\n");
        connection.output.sealer.plain(&line);
        connection
    }

    /// Before anything is said.
    fn silent(side: S, config: CommonConfig, rng: Box<dyn Rng>, now: Instant) -> Self {
        let ours = Ident::ours(&config.software, config.comment.as_deref());
        let output = Output::new(Sealer::new(now), rng);
        Self {
            side,
            config,
            now,
            ours,
            peer: None,
            ident: IdentReader::new(S::CLIENT),
            opener: Opener::new(now),
            output,
            kex: Step::Idle,
            skip_guess: false,
            strict: false,
            peer_ext_info: false,
            ext_info_in_auth: false,
            session_id: None,
            negotiated: None,
            rekey_wanted: false,
            bounds: (u64::MAX, u64::MAX),
            kex_count: 0,
            rekeys_for_nothing: 0,
            idle_messages: 0,
            phase: Phase::Login,
            plain: false,
            events: VecDeque::new(),
            questions: 0,
            dead: None,
            rtt: Rtt::default(),
            calm_at: None,
            alive: Alive {
                heard: now,
                asked: 0,
                next: None,
                ids: VecDeque::new(),
            },
        }
    }

    /// Why the connection is over, if it is.
    pub fn error(&self) -> Option<&Error> {
        self.dead.as_ref()
    }

    /// Our identification.
    pub fn our_ident(&self) -> &Ident {
        &self.ours
    }

    /// The peer's identification, once it came.
    pub fn peer_ident(&self) -> Option<&Ident> {
        self.peer.as_ref()
    }

    /// What the exchange in force, or else the one under way, agreed on.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    /// The session identifier (RFC 4253 section 7.2), after the first exchange.
    pub fn session_id(&self) -> Option<&[u8]> {
        self.session_id.as_deref()
    }

    /// Whether the user is logged in.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Bytes on the wire so far: sent, and received.
    pub fn transferred(&self) -> (u64, u64) {
        (self.output.sealer.total(), self.opener.total())
    }

    /// The shortest round trip seen so far.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt.best
    }

    /// Whether the driver should read from the socket: not while an answer of
    /// the application is due, nor while the peer does not take our answers.
    pub fn wants_read(&self) -> bool {
        self.dead.is_none() && !self.waits() && self.output.sealer.pending() < limits::REPLIES
    }

    /// Whether a packet is waiting for the application to take events or
    /// answer a question.
    fn waits(&self) -> bool {
        let mux_full = match &self.phase {
            Phase::Open(mux) => !mux.wants_input(),
            Phase::Login => false,
        };
        mux_full || self.events.len() >= limits::EVENTS || (S::hooks().waits)(self)
    }

    /// The receive buffer, to append received bytes to and to give back with
    /// [`Self::handle_recv`].
    pub fn take_recv_buf(&mut self) -> BytesMut {
        self.opener.take_buf()
    }

    /// The receive buffer is back, with what was received in the meantime.
    pub fn handle_recv(&mut self, buf: BytesMut, now: Instant) {
        self.now = now;
        if self.opener.put_buf(buf) > 0 {
            self.alive.heard = now;
            self.alive.asked = 0;
            let bulky = self.opener.is_bulky() || self.output.sealer.is_bulky();
            if self.calm_at.is_none() && bulky {
                self.calm_at = now.checked_add(CALM);
            }
        }
        self.process();
    }

    /// The peer closed its end of the connection.
    pub fn handle_eof(&mut self, now: Instant) {
        self.now = now;
        self.process();
        self.fail(Error::Closed);
    }

    /// A time that [`Self::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.maybe_rekey();
        self.keep_alive();
        self.calm_down();
        self.look(now);
    }

    /// Ends the connection with a goodbye.
    pub fn disconnect(&mut self, reason: DisconnectReason, description: &str) {
        self.fail_saying(Error::Ended, Some(reason), description);
    }

    /// Changes how it is noticed that the peer is gone.
    pub fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) {
        self.config.keep_alive = keep_alive;
    }

    /// Whether there are packets to write.
    pub fn wants_write(&self) -> bool {
        self.output.sealer.has_output()
    }

    /// Asks for new keys now.
    pub fn rekey(&mut self) {
        self.rekey_wanted = true;
        self.maybe_rekey();
    }

    /// The next piece of news.
    pub fn poll_event(&mut self) -> Option<Event<S::Event>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let Phase::Open(mux) = &mut self.phase else {
                return None;
            };
            let event = mux.poll_event(&self.output)?;
            if !self.alive.swallows(&event) {
                return Some(Event::Channel(event));
            }
        }
    }

    /// Packets to seal and write, in this order.
    pub fn poll_transmit(&mut self) -> Option<SealBatch> {
        self.maybe_rekey();
        self.output.sealer.poll()
    }

    /// Takes back the memory of what was written; only then there is room for
    /// more bulk data. Input that waited for the peer to take our answers is
    /// processed.
    pub fn recycle(&mut self, batch: SealedBatch) {
        self.output.sealer.recycle(batch);
    }

    /// Processes what was received while the application owed an answer or had
    /// events to take; to be called when [`Self::wants_read`] turns true again.
    pub fn resume(&mut self, now: Instant) {
        self.now = now;
        self.process();
    }

    /// To be called whenever the driver begins to look after the connection:
    /// room is kept only for a moment for writers that were told of it
    /// (`Writable`) and do not come.
    pub fn look(&mut self, now: Instant) {
        if let Phase::Open(mux) = &mut self.phase {
            mux.look(now);
            self.output.set_typing(mux.is_typed_on());
        }
    }

    /// Whether somebody types on a terminal of this connection while it has
    /// other channels too: then whatever queues bulk data below us is to keep
    /// little of it, and an echo does not wait behind it.
    pub fn is_typed_on(&self) -> bool {
        matches!(&self.phase, Phase::Open(mux) if mux.is_typed_on())
    }

    /// Whether much ([`limits::AHEAD`]) was read that the only channel's reader
    /// has not taken: then the driver is to give it time before it reads more.
    /// It must read on even so, if slowly, since not everything that comes is
    /// for that reader: the answer to a keep-alive, for one.
    pub fn is_ahead_of_reader(&self) -> bool {
        matches!(&self.phase, Phase::Open(mux) if mux.is_ahead_of_reader())
    }

    /// A writer was told, and [`Self::look`] does not know yet: the driver is
    /// to be woken, though it may have nothing else to do.
    pub fn wants_look(&self) -> bool {
        matches!(&self.phase, Phase::Open(mux) if mux.wants_look())
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.dead.is_some() || !self.is_open() {
            return None;
        }
        let rekey = match self.kex {
            Step::Idle => [self.output.sealer.usage(), self.opener.usage()]
                .into_iter()
                .filter_map(|usage| self.config.rekey.deadline(usage))
                .min(),
            _ => None,
        };
        let turns = match &self.phase {
            Phase::Open(mux) => mux.deadline(),
            Phase::Login => None,
        };
        let others = [self.alive_deadline(), self.calm_at, turns];
        rekey.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Gives back memory that only a busy connection needs, once it is not.
    fn calm_down(&mut self) {
        let Some(calm_at) = self.calm_at else { return };
        if self.now < calm_at {
            return;
        }
        let quiet = self.alive.heard.checked_add(CALM);
        self.calm_at = quiet.filter(|at| *at > self.now);
        if self.calm_at.is_none() {
            self.opener.release();
            self.output.sealer.release();
        }
    }

    fn alive_deadline(&self) -> Option<Instant> {
        let keep = self.config.keep_alive?;
        let since = self
            .alive
            .next
            .map_or(self.alive.heard, |at| at.max(self.alive.heard));
        since.checked_add(keep.interval)
    }

    /// Asks a silent peer whether it is there, or gives it up.
    fn keep_alive(&mut self) {
        let (Some(keep), Some(due)) = (self.config.keep_alive, self.alive_deadline()) else {
            return;
        };
        if self.now < due || self.dead.is_some() {
            return;
        }
        if self.alive.asked >= keep.count {
            self.fail(Error::Silent);
            return;
        }
        let Phase::Open(mux) = &mut self.phase else {
            return;
        };
        self.alive.asked += 1;
        self.alive.next = Some(self.now);
        let asked = mux.global_request(&mut self.output, &GlobalRequest::Keepalive, true);
        if let Ok(id) = asked {
            self.alive.ids.push_back(id);
        }
    }

    /// Ends the connection.
    fn fail(&mut self, error: Error) {
        let (reason, description) = (error.disconnect_reason(), error.to_string());
        self.fail_saying(error, reason, &description);
    }

    fn fail_saying(&mut self, error: Error, reason: Option<DisconnectReason>, description: &str) {
        if self.dead.is_some() {
            return;
        }
        if self.plain {
            // See `plain`: the end of the stream is the goodbye.
        } else if self.peer.is_none() {
            if let Some(line) = error.plain_line() {
                self.output.sealer.plain(line.as_bytes());
            }
        } else if let Some(reason) = reason {
            let goodbye = Disconnect {
                reason,
                description: description.into(),
                language: "",
            };
            self.output.transport(&goodbye.to_vec());
        }
        self.dead = Some(error);
    }

    /// Sends any payload, allowed or not: for tests of the other side.
    #[cfg(feature = "rule-breaker")]
    pub fn send_anything(&mut self, payload: &[u8]) {
        self.output.transport(payload);
    }

    /// Begins a key exchange at any time: for tests of the other side.
    #[cfg(feature = "rule-breaker")]
    pub fn exchange_now(&mut self) {
        self.open_kex();
    }

    fn question(&mut self) -> QuestionId {
        self.questions += 1;
        QuestionId(self.questions)
    }
}

impl Alive {
    /// Whether `event` answers a question of ours.
    fn swallows(&mut self, event: &crate::mux::ChannelEvent) -> bool {
        match event {
            crate::mux::ChannelEvent::GlobalReply { id, .. } => {
                let known = self.ids.iter().position(|asked| asked == id);
                known.and_then(|at| self.ids.remove(at)).is_some()
            }
            _ => false,
        }
    }
}
