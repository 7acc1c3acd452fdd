//! A logged-in connection, and the handles that keep it alive.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use carrick_proto::kex::Negotiated;
use carrick_proto::mux::{ChannelId, GlobalAnswer, GlobalId, GlobalRequest, Open, OpenReason};
use carrick_proto::{Client, Event, KeepAlive, Misuse, Side};
use carrick_wire::msg::transport::DisconnectReason;

use crate::channel::{self, Channel};
use crate::error::Error;
use crate::shared::{Reply, Shared, State, Waiters};

/// Counts the users of a connection; when the last one goes, so does it.
pub(crate) struct Handle<S: Side> {
    shared: Arc<Shared<S>>,
}

impl<S: Side> Handle<S> {
    pub(crate) fn new(shared: Arc<Shared<S>>) -> Self {
        shared.lock().handles += 1;
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<S>> {
        &self.shared
    }

    /// The next event of the side's own kind.
    pub(crate) async fn side_event(&self) -> Result<Event<S::Event>, Error> {
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            if let Some(event) = state.side_events.pop_front() {
                return Poll::Ready(Ok(event));
            }
            if let Err(error) = state.check() {
                return Poll::Ready(Err(error));
            }
            state.side_waiters.add(cx);
            Poll::Pending
        })
        .await
    }
}

impl<S: Side> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<S: Side> Drop for Handle<S> {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.handles -= 1;
            if state.handles == 0 {
                let reason = DisconnectReason::BY_APPLICATION;
                state.conn.disconnect(reason, "disconnected by user");
            }
        });
    }
}

/// A connection whose user is logged in. Clones are handles to the same
/// connection; it ends with the last of them and of its channels.
pub struct Connection<S: Side = Client> {
    handle: Handle<S>,
}

impl<S: Side> Clone for Connection<S> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
        }
    }
}

impl<S: Side> Connection<S> {
    pub(crate) fn new(handle: Handle<S>) -> Self {
        Self { handle }
    }

    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut State<S>) -> T) -> T {
        self.handle.shared().with(step)
    }

    pub(crate) fn handle(&self) -> &Handle<S> {
        &self.handle
    }

    /// What is inside, for tests.
    #[cfg(test)]
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State<S>> {
        self.handle.shared().lock()
    }

    /// Opens a channel, and waits for the other side to agree.
    pub async fn open(&self, kind: Open) -> Result<Channel<S>, Error> {
        let channel = self.begin_open(&kind)?;
        channel.opened().await?;
        Ok(channel)
    }

    /// Asks for a channel at once; [`Channel::opened`] waits for the answer.
    pub(crate) fn begin_open(&self, kind: &Open) -> Result<Channel<S>, Error> {
        let id = self.with(|state| {
            state.check()?;
            let mut channels = state
                .conn
                .channels()
                .ok_or(Error::Misuse(Misuse::WrongPhase))?;
            let id = channels.open(kind)?;
            channel::register(state, id);
            Ok::<_, Error>(id)
        })?;
        Ok(Channel::new(self.handle.clone(), id))
    }

    /// The next channel that the other side asks for; `None` at the end of the
    /// connection.
    pub async fn accept_open(&self) -> Option<Incoming<S>> {
        let shared = self.handle.shared();
        let (id, kind) = poll_fn(|cx| shared.lock().poll_offer(cx)).await?;
        Some(Incoming::new(self.handle.clone(), id, kind))
    }

    /// Makes a global request that wants no reply.
    pub fn global_notify(&self, request: GlobalRequest) -> Result<(), Error> {
        self.with(|state| {
            state.check()?;
            let mut channels = state
                .conn
                .channels()
                .ok_or(Error::Misuse(Misuse::WrongPhase))?;
            channels.global_request(&request, false)?;
            Ok(())
        })
    }

    /// Makes a global request: the reply's data if it was granted.
    pub async fn global_request(&self, request: GlobalRequest) -> Result<Option<Bytes>, Error> {
        self.ask(&request, |_, _| ())?.reply().await
    }

    /// Makes a global request whose reply is waited for later. `register` is
    /// run before anything can come of it.
    pub(crate) fn ask(
        &self,
        request: &GlobalRequest,
        register: impl FnOnce(&mut State<S>, GlobalId),
    ) -> Result<AskedGlobal<S>, Error> {
        let id = self.with(|state| {
            state.check()?;
            let mut channels = state
                .conn
                .channels()
                .ok_or(Error::Misuse(Misuse::WrongPhase))?;
            let id = channels.global_request(request, true)?;
            state
                .global_replies
                .insert(id, Reply::Waiting(Waiters::default()));
            register(state, id);
            Ok::<_, Error>(id)
        })?;
        Ok(AskedGlobal {
            handle: self.handle.clone(),
            id,
        })
    }

    /// The next global request of the other side; `None` at the end of the
    /// connection.
    pub async fn next_global_request(&self) -> Option<IncomingGlobal<S>> {
        poll_fn(|cx| {
            let mut state = self.handle.shared().lock();
            if let Some((request, reply)) = state.global_requests.pop_front() {
                let reply = reply.map(|id| (self.handle.clone_locked(&mut state), id));
                return Poll::Ready(Some(IncomingGlobal { request, reply }));
            }
            if state.over.is_some() {
                return Poll::Ready(None);
            }
            state.global_waiters.add(cx);
            Poll::Pending
        })
        .await
    }

    /// Ends the connection, with a word to the other side.
    pub fn disconnect(&self, description: &str) {
        let reason = DisconnectReason::BY_APPLICATION;
        self.with(|state| state.conn.disconnect(reason, description));
    }

    /// Changes how it is noticed that the other side is gone.
    pub fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) {
        self.with(|state| state.conn.set_keep_alive(keep_alive));
    }

    /// Has `tell` called, with `true`, when somebody begins to type on a
    /// terminal while the connection has other channels too, and with `false`
    /// some time after the last key. It is to keep short, meanwhile, what queues
    /// bulk data below this crate (a socket), and must not wait for anything.
    pub fn on_typing(&self, tell: impl Fn(bool) + Send + Sync + 'static) {
        self.with(|state| state.on_typing = Some(Arc::new(tell)));
    }

    /// Asks for new keys now.
    pub fn rekey(&self) {
        self.with(|state| state.conn.rekey());
    }

    /// What the last key exchange agreed on.
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.with(|state| state.conn.negotiated().cloned())
    }

    /// The session identifier.
    pub fn session_id(&self) -> Vec<u8> {
        self.with(|state| state.conn.session_id().unwrap_or_default().to_vec())
    }

    /// The other side's identification line.
    pub fn peer_ident(&self) -> String {
        self.with(|state| state.conn.peer_ident().map(|i| i.as_str().to_owned()))
            .unwrap_or_default()
    }

    /// Bytes on the wire so far: sent, and received.
    pub fn transferred(&self) -> (u64, u64) {
        self.with(|state| state.conn.transferred())
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.handle.shared().lock().over.is_some()
    }

    /// Waits for the end of the connection: why it ended.
    pub async fn closed(&self) -> Error {
        poll_fn(|cx| {
            let mut state = self.handle.shared().lock();
            match &state.over {
                Some(error) => Poll::Ready(error.clone()),
                None => {
                    state.over_waiters.add(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Why the connection ended, if it did.
    pub fn error(&self) -> Option<Error> {
        self.handle.shared().lock().over.clone()
    }
}

/// A global request of ours that waits for its reply. Dropping it forgets the
/// reply.
pub(crate) struct AskedGlobal<S: Side> {
    handle: Handle<S>,
    id: GlobalId,
}

impl<S: Side> AskedGlobal<S> {
    /// Waits for the reply: its data if the request was granted.
    pub(crate) async fn reply(&self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| {
            let mut state = self.handle.shared().lock();
            let over = state.check();
            match state.global_replies.get_mut(&self.id) {
                Some(Reply::Waiting(waiters)) if over.is_ok() => {
                    waiters.add(cx);
                    Poll::Pending
                }
                Some(Reply::Here(ok, data)) => Poll::Ready(Ok(ok.then(|| data.clone()))),
                _ => Poll::Ready(over.and(Err(Error::ChannelClosed))),
            }
        })
        .await
    }
}

impl<S: Side> Drop for AskedGlobal<S> {
    fn drop(&mut self) {
        // Wakers are dropped outside the lock: they may own what needs it.
        let reply = self.handle.shared().lock().global_replies.remove(&self.id);
        drop(reply);
    }
}

impl<S: Side> Handle<S> {
    /// A clone, by somebody who holds the lock.
    fn clone_locked(&self, state: &mut State<S>) -> Self {
        state.handles += 1;
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// A channel that the other side asks for. Dropping it refuses.
pub struct Incoming<S: Side = Client> {
    /// What it is for.
    pub kind: Open,
    offer: Option<(Handle<S>, ChannelId)>,
}

impl<S: Side> Incoming<S> {
    pub(crate) fn new(handle: Handle<S>, id: ChannelId, kind: Open) -> Self {
        Self {
            kind,
            offer: Some((handle, id)),
        }
    }

    /// Opens the channel.
    pub fn accept(mut self) -> Result<Channel<S>, Error> {
        let (handle, id) = self.offer.take().ok_or(Error::ChannelClosed)?;
        handle.shared().with(|state| {
            state.check()?;
            let mut channels = state
                .conn
                .channels()
                .ok_or(Error::Misuse(Misuse::WrongPhase))?;
            channels.accept(id)?;
            channel::register(state, id);
            Ok::<_, Error>(())
        })?;
        Ok(Channel::new(handle, id))
    }

    /// Refuses it, and says why.
    pub fn refuse(mut self, reason: OpenReason, text: &str) {
        self.answer(reason, text);
    }

    fn answer(&mut self, reason: OpenReason, text: &str) {
        if let Some((handle, id)) = self.offer.take() {
            handle.shared().with(|state| state.refuse(id, reason, text));
        }
    }
}

impl<S: Side> Drop for Incoming<S> {
    fn drop(&mut self) {
        self.answer(OpenReason::ADMINISTRATIVELY_PROHIBITED, "open failed");
    }
}

/// A global request of the other side. Dropping it refuses.
pub struct IncomingGlobal<S: Side = Client> {
    /// What is asked.
    pub request: GlobalRequest,
    reply: Option<(Handle<S>, GlobalId)>,
}

impl<S: Side> IncomingGlobal<S> {
    /// Whether an answer is wanted.
    pub fn wants_reply(&self) -> bool {
        self.reply.is_some()
    }

    /// Answers it.
    pub fn reply(mut self, answer: GlobalAnswer) {
        self.answer(answer);
    }

    fn answer(&mut self, answer: GlobalAnswer) {
        if let Some((handle, id)) = self.reply.take() {
            handle.shared().with(|state| {
                if let Some(mut channels) = state.conn.channels() {
                    // The connection may have ended meanwhile.
                    let _ = channels.answer_global(id, answer);
                }
            });
        }
    }
}

impl<S: Side> Drop for IncomingGlobal<S> {
    fn drop(&mut self) {
        self.answer(GlobalAnswer::Failure);
    }
}
