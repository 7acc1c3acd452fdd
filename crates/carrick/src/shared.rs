//! What the handles and the driver of one connection share.
//!
//! One mutex guards the protocol machine and the wakers. It is held for the
//! length of a step, never across an `await`, and never while the socket is
//! being read or written.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use carrick_proto::mux::{
    ChannelEvent, ChannelId, GlobalId, GlobalRequest, Open, OpenReason, Request, RequestId, Stream,
};
use carrick_proto::{Connection, Event, Side};
use carrick_wire::names::ext;

use crate::agent::Names;
use crate::error::{Error, printable};
use crate::forward::remote::Listeners;

/// Told when somebody begins to type beside bulk data, and when that is over.
pub(crate) type OnTyping = Arc<dyn Fn(bool) + Send + Sync>;

/// A connection's state, behind its lock.
pub(crate) struct Shared<S: Side> {
    state: Mutex<State<S>>,
}

/// What the lock guards.
pub(crate) struct State<S: Side> {
    pub(crate) conn: Connection<S>,
    /// Wakes the driver: something was asked of the machine.
    driver: Option<Waker>,
    /// The driver is polling; what is asked of the machine meanwhile, perhaps
    /// by another thread, it must see before it sleeps.
    driving: bool,
    asked: bool,
    pub(crate) channels: HashMap<ChannelId, ChannelState>,
    /// Channels the peer asked for, and who waits for one.
    pub(crate) offers: VecDeque<(ChannelId, Open)>,
    pub(crate) offer_waiters: Waiters,
    /// Where the other side listens for us: its channels go there.
    pub(crate) listeners: Listeners,
    pub(crate) global_requests: VecDeque<(GlobalRequest, Option<GlobalId>)>,
    pub(crate) global_waiters: Waiters,
    pub(crate) global_replies: HashMap<GlobalId, Reply>,
    /// Events of the side's own kind, and of the connection as a whole.
    pub(crate) side_events: VecDeque<Event<S::Event>>,
    pub(crate) side_waiters: Waiters,
    /// By which names agent forwarding is to be asked for.
    pub(crate) agent_names: Names,
    /// Whether somebody types, as `on_typing` was told last.
    typing: bool,
    pub(crate) on_typing: Option<OnTyping>,
    pub(crate) over: Option<Error>,
    pub(crate) over_waiters: Waiters,
    /// How many handles there are besides the driver; with none left the
    /// connection ends.
    pub(crate) handles: usize,
}

/// Requests of the peer that wait for a program that may never ask for them:
/// those that want an answer are bounded by the machine, the others here, where
/// the oldest go first (a window's size, a signal nobody looked at in time).
const UNASKED: usize = carrick_proto::limits::PENDING_REQUESTS;

fn keep<R, I>(queue: &mut VecDeque<(R, Option<I>)>, request: (R, Option<I>)) {
    queue.push_back(request);
    let unanswerable = queue.iter().filter(|(_, reply)| reply.is_none());
    if queue.len() > UNASKED
        && unanswerable.count() > UNASKED
        && let Some(oldest) = queue.iter().position(|(_, reply)| reply.is_none())
    {
        queue.remove(oldest);
    }
}

/// The answer to a request, once it is there.
pub(crate) enum Reply {
    Waiting(Waiters),
    Here(bool, bytes::Bytes),
}

/// A channel as its handles see it.
#[derive(Default)]
pub(crate) struct ChannelState {
    pub(crate) opening: Option<Result<(), Error>>,
    pub(crate) requests: VecDeque<(Request, Option<RequestId>)>,
    pub(crate) replies: HashMap<RequestId, Option<bool>>,
    pub(crate) eof: bool,
    pub(crate) closed: bool,
    /// The other side closed it without saying that its data was at an end.
    pub(crate) cut: bool,
    /// Who waits for data, for standard error, for room, for requests and replies.
    pub(crate) data: Waiters,
    pub(crate) stderr: Waiters,
    pub(crate) room: Waiters,
    pub(crate) news: Waiters,
}

/// The tasks to wake at some event: mostly none or one.
#[derive(Default)]
pub(crate) struct Waiters(Vec<Waker>);

impl Waiters {
    /// Adds the task of `cx`, once.
    pub(crate) fn add(&mut self, cx: &Context<'_>) {
        if !self.0.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.0.push(cx.waker().clone());
        }
    }

    /// Wakes all, and forgets them.
    pub(crate) fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl ChannelState {
    fn wake_all(&mut self) {
        for waiters in [
            &mut self.data,
            &mut self.stderr,
            &mut self.room,
            &mut self.news,
        ] {
            waiters.wake();
        }
    }
}

impl<S: Side> Shared<S> {
    pub(crate) fn new(conn: Connection<S>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                conn,
                driver: None,
                driving: false,
                asked: false,
                channels: HashMap::new(),
                offers: VecDeque::new(),
                offer_waiters: Waiters::default(),
                listeners: Listeners::default(),
                global_requests: VecDeque::new(),
                global_waiters: Waiters::default(),
                global_replies: HashMap::new(),
                side_events: VecDeque::new(),
                side_waiters: Waiters::default(),
                agent_names: Names::OpenSsh,
                typing: false,
                on_typing: None,
                over: None,
                over_waiters: Waiters::default(),
                handles: 0,
            }),
        })
    }

    /// The state. A panic of another task while it held the lock leaves the
    /// machine in a state that it checks itself: there is no point in spreading
    /// the panic.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `step` on the state, then lets the driver know.
    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut State<S>) -> T) -> T {
        let mut state = self.lock();
        let out = step(&mut state);
        state.settle();
        out
    }
}

impl<S: Side> State<S> {
    /// Hands out the events that a command may have led to, and wakes the
    /// driver for the packets.
    pub(crate) fn settle(&mut self) {
        self.dispatch();
        if self.driving {
            self.asked = true;
        } else if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// The driver starts a turn. Who is to be told, without the lock, that
    /// somebody types or has stopped.
    pub(crate) fn drive(&mut self) -> Option<(OnTyping, bool)> {
        self.driving = true;
        self.conn.look(Instant::now());
        let typing = self.conn.is_typed_on();
        let before = std::mem::replace(&mut self.typing, typing);
        let tell = self.on_typing.as_ref().filter(|_| typing != before)?;
        Some((Arc::clone(tell), typing))
    }

    /// The driver means to sleep until it is woken; `false`: something was
    /// asked while it worked, it must look again.
    pub(crate) fn rest(&mut self, cx: &Context<'_>) -> bool {
        if std::mem::take(&mut self.asked) {
            return false;
        }
        self.driving = false;
        self.driver = Some(cx.waker().clone());
        if self.conn.wants_look() {
            cx.waker().wake_by_ref();
        }
        true
    }

    /// Hands the machine's events to whom they are for; says whether there
    /// were any.
    pub(crate) fn dispatch(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.conn.poll_event() {
            any = true;
            crate::log::event(&self.conn, &event);
            match event {
                Event::Channel(event) => self.channel_event(event),
                Event::Side(_) => self.side_event(event),
                // After the login nobody asks for these any more.
                Event::ExtInfo(_) | Event::Preamble(_) if !self.conn.is_open() => {
                    if let Event::ExtInfo(list) = &event
                        && list.iter().any(|(name, _)| name == ext::AGENT_FORWARD)
                    {
                        self.agent_names = Names::Rfc;
                    }
                    self.side_event(event);
                }
                _ => {}
            }
        }
        if self.over.is_none()
            && let Some(error) = self.conn.error()
        {
            let error = Error::Protocol(error.clone());
            self.end(error);
        }
        if self.conn.wants_look()
            && !self.driving
            && let Some(driver) = self.driver.take()
        {
            driver.wake();
        }
        any
    }

    fn side_event(&mut self, event: Event<S::Event>) {
        self.side_events.push_back(event);
        self.side_waiters.wake();
    }

    /// The connection is over: everybody who waits for it is told.
    pub(crate) fn end(&mut self, error: Error) {
        self.over.get_or_insert(error);
        // It may hold the socket open.
        self.on_typing = None;
        for channel in self.channels.values_mut() {
            channel.wake_all();
        }
        for reply in self.global_replies.values_mut() {
            if let Reply::Waiting(waiters) = reply {
                waiters.wake();
            }
        }
        let waiters = [
            &mut self.offer_waiters,
            &mut self.global_waiters,
            &mut self.side_waiters,
            &mut self.over_waiters,
        ];
        waiters.into_iter().for_each(Waiters::wake);
        self.listeners.wake_all();
    }

    /// Why nothing more can come, if so.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.over {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn channel_event(&mut self, event: ChannelEvent) {
        match event {
            ChannelEvent::Opened(id) => self.opened(id, Ok(())),
            ChannelEvent::OpenRefused { id, reason, text } => {
                self.opened(
                    id,
                    Err(Error::OpenRefused {
                        id,
                        reason,
                        text: printable(&text),
                    }),
                );
            }
            ChannelEvent::OpenRequest { id, kind } => {
                if let Some(kind) = self.listeners.take(id, kind) {
                    self.offers.push_back((id, kind));
                    self.offer_waiters.wake();
                }
            }
            ChannelEvent::Request { id, request, reply } => {
                self.at(id, |channel| {
                    keep(&mut channel.requests, (request, reply));
                    channel.news.wake();
                });
            }
            ChannelEvent::Reply { id, request, ok } => self.at(id, |channel| {
                if let Some(slot) = channel.replies.get_mut(&request) {
                    *slot = Some(ok);
                }
                channel.news.wake();
            }),
            ChannelEvent::Readable(id, stream) => self.at(id, |channel| match stream {
                Stream::Data => channel.data.wake(),
                Stream::Stderr => channel.stderr.wake(),
            }),
            ChannelEvent::Writable(id) => self.at(id, |channel| channel.room.wake()),
            ChannelEvent::Eof(id) => self.at(id, |channel| {
                channel.eof = true;
                channel.data.wake();
                channel.stderr.wake();
                channel.news.wake();
            }),
            ChannelEvent::Closed(id) => self.at(id, |channel| {
                channel.cut = !channel.eof;
                channel.eof = true;
                channel.closed = true;
                channel.wake_all();
            }),
            ChannelEvent::GlobalRequest { request, reply } => {
                keep(&mut self.global_requests, (request, reply));
                self.global_waiters.wake();
            }
            ChannelEvent::GlobalReply { id, ok, data } => {
                self.listeners.replied(id, ok, &data);
                if let Some(slot) = self.global_replies.get_mut(&id)
                    && let Reply::Waiting(mut waiters) =
                        std::mem::replace(slot, Reply::Here(ok, data))
                {
                    waiters.wake();
                }
            }
            _ => {}
        }
    }

    fn opened(&mut self, id: ChannelId, outcome: Result<(), Error>) {
        self.at(id, |channel| {
            channel.opening = Some(outcome);
            channel.news.wake();
        });
    }

    /// Does `what` to a channel that some handle still has.
    fn at(&mut self, id: ChannelId, what: impl FnOnce(&mut ChannelState)) {
        if let Some(channel) = self.channels.get_mut(&id) {
            what(channel);
        }
    }

    /// The next offered channel; `None` at the end of the connection.
    pub(crate) fn poll_offer(&mut self, cx: &Context<'_>) -> Poll<Option<(ChannelId, Open)>> {
        if let Some(offer) = self.offers.pop_front() {
            return Poll::Ready(Some(offer));
        }
        if self.over.is_some() {
            return Poll::Ready(None);
        }
        self.offer_waiters.add(cx);
        Poll::Pending
    }

    /// Refuses what was offered and nobody took.
    pub(crate) fn refuse(&mut self, id: ChannelId, reason: OpenReason, text: &str) {
        if let Some(mut channels) = self.conn.channels() {
            // The offer may be gone with its connection.
            let _ = channels.refuse(id, reason, text);
        }
    }
}
