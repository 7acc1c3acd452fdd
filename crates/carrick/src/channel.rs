//! A channel as a pair of byte streams and a way to ask and be asked.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use carrick_proto::mux::{ChannelError, ChannelId, Request, RequestId};
use carrick_proto::transport::Ident;
use carrick_proto::{Channels, Client, Misuse, Side};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use carrick_proto::mux::Stream;

use crate::agent::Names;
use crate::connection::Handle;
use crate::error::Error;
use crate::shared::{ChannelState, State};

/// A channel of a connection. Clones are handles to the same channel; it is
/// closed when the last one is dropped.
///
/// As [`AsyncRead`] and [`AsyncWrite`] it is the channel's data stream; shutting
/// the writer down sends EOF.
pub struct Channel<S: Side = Client> {
    inner: Arc<Inner<S>>,
    /// What the last piece of data held beyond the reader's buffer.
    pub(crate) left: Bytes,
}

struct Inner<S: Side> {
    handle: Handle<S>,
    id: ChannelId,
}

/// A request that the other side makes on a channel.
pub struct IncomingRequest<S: Side = Client> {
    /// What is asked.
    pub request: Request,
    reply: Option<(Arc<Inner<S>>, RequestId)>,
}

impl<S: Side> Clone for Channel<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            left: Bytes::new(),
        }
    }
}

impl<S: Side> Drop for Inner<S> {
    fn drop(&mut self) {
        // Wakers are dropped outside the lock: they may own what needs it.
        let gone = self.handle.shared().with(|state| {
            let gone = state.channels.remove(&self.id);
            if let Some(mut channels) = state.conn.channels() {
                // It may be gone already, by the peer's doing.
                let _ = channels.close(self.id);
            }
            gone
        });
        drop(gone);
    }
}

impl<S: Side> Channel<S> {
    pub(crate) fn new(handle: Handle<S>, id: ChannelId) -> Self {
        Self {
            inner: Arc::new(Inner { handle, id }),
            left: Bytes::new(),
        }
    }

    /// The channel's number, for logs.
    pub fn id(&self) -> ChannelId {
        self.inner.id
    }

    fn with<T>(&self, step: impl FnOnce(&mut State<S>, ChannelId) -> T) -> T {
        self.inner
            .handle
            .shared()
            .with(|state| step(state, self.inner.id))
    }

    /// What is inside, for tests.
    #[cfg(test)]
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State<S>> {
        self.inner.handle.shared().lock()
    }

    /// Waits until the channel we asked for is open or refused.
    pub(crate) async fn opened(&self) -> Result<(), Error> {
        poll_fn(|cx| {
            let mut state = self.inner.handle.shared().lock();
            let over = state.check();
            let Some(channel) = state.channels.get_mut(&self.inner.id) else {
                return Poll::Ready(Err(Error::ChannelClosed));
            };
            match channel.opening.take() {
                Some(outcome) => Poll::Ready(outcome),
                None if over.is_err() => Poll::Ready(over),
                None => {
                    channel.news.add(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Takes the next piece of data, as it lies in the receive buffer; `None`
    /// at the end. Taking data is what lets the other side send more.
    pub fn poll_take(&self, cx: &Context<'_>, stream: Stream) -> Poll<Option<Bytes>> {
        let mut state = self.inner.handle.shared().lock();
        let id = self.inner.id;
        let over = state.over.is_some();
        let Some(mut channels) = state.conn.leftovers() else {
            return Poll::Ready(None);
        };
        match channels.read(id, stream) {
            Ok(Some(data)) => {
                // Mostly there is nothing to send for it: the driver sleeps on.
                if state.conn.wants_write() {
                    state.settle();
                }
                return Poll::Ready(Some(data));
            }
            Ok(None) if !channels.at_eof(id, stream) => {}
            _ => return Poll::Ready(None),
        }
        match state.channels.get_mut(&id) {
            Some(channel) if !over && !channel.closed => {
                match stream {
                    Stream::Data => channel.data.add(cx),
                    Stream::Stderr => channel.stderr.add(cx),
                }
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }

    /// As [`Self::poll_take`], to await.
    pub async fn chunk(&self, stream: Stream) -> Option<Bytes> {
        poll_fn(|cx| self.poll_take(cx, stream)).await
    }

    /// Lets `fill` put up to `max` bytes straight into the packet that goes
    /// out. The outcome is what `fill` returned: 0 is the end of its source,
    /// and nothing is sent. Pending: there is no room now, `fill` was not called.
    ///
    /// `fill` runs under the connection's lock: it must not use this connection.
    pub fn poll_fill(
        &self,
        cx: &Context<'_>,
        stream: Stream,
        max: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.inner.handle.shared().lock();
        let id = self.inner.id;
        if let Err(error) = state.check() {
            return Poll::Ready(Err(error.into()));
        }
        let Some(mut channels) = state.conn.channels() else {
            return Poll::Ready(Err(Error::ChannelClosed.into()));
        };
        match channels.space(id, stream, max) {
            Ok(Some(space)) => {
                let outcome = fill(space);
                if let Ok(len @ 1..) = outcome {
                    channels.commit(id, stream, len).map_err(Error::from)?;
                    state.settle();
                } else {
                    // Asking alone may have made it the turn of others.
                    state.dispatch();
                }
                Poll::Ready(outcome)
            }
            Ok(None) => {
                if let Some(channel) = state.channels.get_mut(&id) {
                    channel.room.add(cx);
                }
                state.dispatch();
                Poll::Pending
            }
            Err(ChannelError::Closed | ChannelError::Unknown) => {
                Poll::Ready(Err(Error::ChannelClosed.into()))
            }
            Err(error) => Poll::Ready(Err(Error::from(error).into())),
        }
    }

    /// Sends all of `data`, waiting for room as needed.
    pub async fn send(&self, stream: Stream, data: &[u8]) -> Result<(), Error> {
        let mut rest = data;
        while !rest.is_empty() {
            let took = poll_fn(|cx| {
                self.poll_fill(cx, stream, rest.len(), &mut |space| Ok(copy(space, rest)))
            });
            let took = took.await?;
            rest = rest.get(took..).unwrap_or_default();
        }
        Ok(())
    }

    /// Says that no more data comes from us.
    pub fn send_eof(&self) -> Result<(), Error> {
        self.command(|channels, id| channels.eof(id))
    }

    /// Nobody reads the channel any more: what comes is dropped, and an OpenSSH
    /// peer is told so.
    pub fn discard(&self) -> Result<(), Error> {
        self.command(|channels, id| channels.discard(id))
    }

    /// Closes the channel; what was received before can no longer be read.
    pub fn close(&self) {
        // Closing what is closed is no error.
        let _ = self.command(|channels, id| channels.close(id));
    }

    /// Whether the other side has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.with(|state, id| {
            state.over.is_some() || state.channels.get(&id).is_none_or(|channel| channel.closed)
        })
    }

    /// Whether the other side has closed the channel without saying that its
    /// data was at an end. From our own kind that means that what it read from
    /// was reset, and did not end; others may close every channel so.
    pub fn is_cut(&self) -> bool {
        let state = self.inner.handle.shared().lock();
        state
            .channels
            .get(&self.inner.id)
            .is_some_and(|channel| channel.cut)
    }

    /// Whether what the other side of this channel stands for was reset.
    pub(crate) fn is_reset(&self) -> bool {
        let state = self.inner.handle.shared().lock();
        let cut = |channel: &ChannelState| channel.cut;
        state.channels.get(&self.inner.id).is_some_and(cut)
            && state.conn.peer_ident().is_some_and(Ident::is_carrick)
    }

    /// By which names the other side is to be asked for agent forwarding.
    pub(crate) fn agent_names(&self) -> Names {
        self.with(|state, _| state.agent_names)
    }

    /// Why the connection ended, if it did before the other side closed the
    /// channel: what was received, an exit status included, may not be all.
    pub fn lost(&self) -> Option<Error> {
        self.with(|state, id| {
            let closed = state.channels.get(&id).is_none_or(|channel| channel.closed);
            if closed { None } else { state.over.clone() }
        })
    }

    fn command(
        &self,
        what: impl FnOnce(&mut Channels<'_>, ChannelId) -> Result<(), ChannelError>,
    ) -> Result<(), Error> {
        self.with(|state, id| {
            state.check()?;
            let mut channels = state
                .conn
                .channels()
                .ok_or(Error::Misuse(Misuse::WrongPhase))?;
            Ok(what(&mut channels, id)?)
        })
    }

    /// Makes a request that wants no reply.
    pub fn notify(&self, request: Request) -> Result<(), Error> {
        self.command(|channels, id| channels.request(id, &request, false).map(|_| ()))
    }

    /// Makes a request, and waits for the reply: was it granted?
    pub async fn request(&self, request: Request) -> Result<bool, Error> {
        let asked = self.request_later(request)?;
        asked.granted().await
    }

    /// Makes a request whose reply is waited for later: several can be under
    /// way at once.
    pub fn request_later(&self, request: Request) -> Result<Asked<S>, Error> {
        let request = self.with(|state, id| {
            state.check()?;
            let mut channels = state
                .conn
                .channels()
                .ok_or(Error::Misuse(Misuse::WrongPhase))?;
            let asked = channels.request(id, &request, true)?;
            if let Some(channel) = state.channels.get_mut(&id) {
                channel.replies.insert(asked, None);
            }
            Ok::<_, Error>(asked)
        })?;
        Ok(Asked {
            channel: self.clone(),
            request,
        })
    }

    /// The next request of the other side; `None` once the channel is closed.
    pub async fn next_request(&self) -> Option<IncomingRequest<S>> {
        poll_fn(|cx| self.poll_request(cx)).await
    }

    /// As [`Self::next_request`], to poll.
    pub fn poll_request(&self, cx: &Context<'_>) -> Poll<Option<IncomingRequest<S>>> {
        let mut state = self.inner.handle.shared().lock();
        let over = state.over.is_some();
        let Some(channel) = state.channels.get_mut(&self.inner.id) else {
            return Poll::Ready(None);
        };
        if let Some((request, reply)) = channel.requests.pop_front() {
            let reply = reply.map(|reply| (Arc::clone(&self.inner), reply));
            return Poll::Ready(Some(IncomingRequest { request, reply }));
        }
        if channel.closed || over {
            return Poll::Ready(None);
        }
        channel.news.add(cx);
        Poll::Pending
    }

    /// Waits until the other side closed the channel.
    pub async fn closed(&self) {
        poll_fn(|cx| {
            let mut state = self.inner.handle.shared().lock();
            let over = state.over.is_some();
            match state.channels.get_mut(&self.inner.id) {
                Some(channel) if !channel.closed && !over => {
                    channel.news.add(cx);
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
        .await;
    }

    /// A reader of the channel's standard error stream.
    pub fn stderr(&self) -> StderrReader<S> {
        StderrReader {
            channel: self.clone(),
        }
    }

    fn poll_copy(
        &mut self,
        cx: &Context<'_>,
        stream: Stream,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left.is_empty() {
            match ready!(self.poll_take(cx, stream)) {
                Some(data) => self.left = data,
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.left.len().min(buf.remaining());
        buf.put_slice(self.left.get(..len).unwrap_or_default());
        self.left.advance(len);
        Poll::Ready(Ok(()))
    }
}

fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let len = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
        to.copy_from_slice(from);
    }
    len
}

/// A request of ours that waits for its reply.
pub struct Asked<S: Side = Client> {
    channel: Channel<S>,
    request: RequestId,
}

impl<S: Side> Asked<S> {
    /// Waits for the reply. A channel that closes without one is an error.
    pub async fn granted(self) -> Result<bool, Error> {
        poll_fn(|cx| {
            let mut state = self.channel.inner.handle.shared().lock();
            let over = state.check();
            let Some(channel) = state.channels.get_mut(&self.channel.inner.id) else {
                return Poll::Ready(Err(Error::ChannelClosed));
            };
            match channel.replies.get(&self.request) {
                Some(Some(ok)) => Poll::Ready(Ok(*ok)),
                _ if over.is_err() => Poll::Ready(over.map(|()| false)),
                _ if channel.closed => Poll::Ready(Err(Error::ChannelClosed)),
                _ => {
                    channel.news.add(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl<S: Side> Drop for Asked<S> {
    fn drop(&mut self) {
        self.channel.with(|state, id| {
            if let Some(channel) = state.channels.get_mut(&id) {
                channel.replies.remove(&self.request);
            }
        });
    }
}

impl<S: Side> IncomingRequest<S> {
    /// Whether a reply is wanted.
    pub fn wants_reply(&self) -> bool {
        self.reply.is_some()
    }

    /// Grants or refuses the request. Dropping it refuses.
    pub fn reply(mut self, ok: bool) {
        self.answer(ok);
    }

    fn answer(&mut self, ok: bool) {
        if let Some((inner, reply)) = self.reply.take() {
            inner.handle.shared().with(|state| {
                if let Some(mut channels) = state.conn.channels() {
                    // The channel may have been closed meanwhile.
                    let _ = channels.answer(inner.id, reply, ok);
                }
            });
        }
    }
}

impl<S: Side> Drop for IncomingRequest<S> {
    fn drop(&mut self) {
        self.answer(false);
    }
}

impl<S: Side> AsyncRead for Channel<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_copy(cx, Stream::Data, buf)
    }
}

impl<S: Side> AsyncWrite for Channel<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_fill(cx, Stream::Data, buf.len(), &mut |space| {
            Ok(copy(space, buf))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The driver writes what was taken as soon as the socket lets it.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.send_eof() {
            Ok(()) | Err(Error::Misuse(Misuse::Channel(ChannelError::AfterEof))) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

/// Reads a channel's standard error stream.
pub struct StderrReader<S: Side = Client> {
    channel: Channel<S>,
}

impl<S: Side> AsyncRead for StderrReader<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().channel.poll_copy(cx, Stream::Stderr, buf)
    }
}

/// Registers a channel that a handle is made for.
pub(crate) fn register<S: Side>(state: &mut State<S>, id: ChannelId) {
    state.channels.insert(id, ChannelState::default());
}
