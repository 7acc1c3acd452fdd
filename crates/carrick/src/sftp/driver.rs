//! The task that moves the bytes, and what it shares with the handles.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use carrick_sftp::client::{Answer, Conversation, Refusal, RequestId, Stamp, Window};
use carrick_sftp::msg::{Attrs, Request, Statvfs};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, oneshot};

use super::{DirEntry, Error};

/// So many pieces are moved before other tasks have their turn.
const TURN: usize = 32;

/// An answer that is kept.
#[derive(Debug)]
pub(super) enum Reply {
    Done,
    Handle(Vec<u8>),
    Data(Vec<u8>),
    End,
    Names(Vec<DirEntry>),
    Path(Vec<u8>),
    Attrs(Attrs),
    Statvfs(Statvfs),
    /// Nobody asks for such.
    Other(&'static str),
}

impl Reply {
    /// An answer to another kind of request than was made; the engine lets none
    /// pass, but for those that say that there is no more.
    pub(super) fn unfit(&self) -> Error {
        let got = match self {
            Self::Other(name) => name,
            _ => "another answer",
        };
        Error::Protocol(carrick_sftp::client::Error::WrongAnswer {
            request: "request",
            expected: "its own answer",
            got,
        })
    }

    fn keep(answer: Answer<'_>) -> Result<Self, Error> {
        Ok(match answer {
            Answer::Done => Self::Done,
            Answer::Handle(handle) => Self::Handle(handle.to_vec()),
            Answer::Data(data) => Self::Data(data.to_vec()),
            Answer::End => Self::End,
            Answer::Names(names) => Self::Names(
                names
                    .iter()
                    .map(|entry| DirEntry {
                        name: entry.name.to_vec(),
                        long: entry.long.to_vec(),
                        attrs: entry.attrs,
                    })
                    .collect(),
            ),
            Answer::Path(path) => Self::Path(path.to_vec()),
            Answer::Attrs(attrs) => Self::Attrs(attrs),
            Answer::Statvfs(figures) => Self::Statvfs(figures),
            Answer::Refused(status) => return Err(Error::Refused(Refusal::from(status))),
            Answer::Accounts(_) | Answer::Hashes(_) => Self::Other(answer.name()),
        })
    }
}

/// Answers to many requests, each with the tag that it was asked with.
pub(super) type Answers = UnboundedSender<(u64, Result<Reply, Error>)>;

enum Waiter {
    One(oneshot::Sender<Result<Reply, Error>>),
    Many(u64, Answers),
    Nobody,
}

struct Pending {
    waiter: Waiter,
    stamp: Stamp,
    bytes: u32,
}

/// All of a conversation.
pub(super) struct State {
    pub(super) talk: Conversation,
    pub(super) window: Window,
    began: Instant,
    pending: HashMap<RequestId, Pending>,
    driver: Option<Waker>,
    /// No handle is left.
    abandoned: bool,
    over: Option<Error>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Something was read or written: there may be room.
    pub(super) moved: Notify,
}

/// What the handles hold together.
pub(super) struct Inner {
    shared: Arc<Shared>,
}

/// Starts the task of a conversation.
pub(super) fn start<T>(stream: T) -> Inner
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            talk: Conversation::new(),
            window: Window::new(),
            began: Instant::now(),
            pending: HashMap::new(),
            driver: None,
            abandoned: false,
            over: None,
        }),
        moved: Notify::new(),
    });
    let inner = Inner {
        shared: Arc::clone(&shared),
    };
    tokio::spawn(drive(stream, shared));
    inner
}

async fn drive<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, shared: Arc<Shared>) {
    let why = poll_fn(|cx| {
        let mut state = shared.lock();
        let outcome = state.poll(cx, &mut stream);
        drop(state);
        shared.moved.notify_waiters();
        outcome
    })
    .await;
    let mut state = shared.lock();
    state.over = Some(why.clone());
    let pending = std::mem::take(&mut state.pending);
    drop(state);
    for one in pending.into_values() {
        one.waiter.answer(Err(why.clone()));
    }
    shared.moved.notify_waiters();
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves nothing half done that matters more
        // than to go on telling the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Why nothing can be asked any more.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.over.clone().map_or(Ok(()), Err)
    }

    fn remember(&mut self, id: RequestId, bytes: u32, waiter: Waiter) {
        let stamp = self.window.asked(self.now(), bytes.into());
        let pending = Pending {
            waiter,
            stamp,
            bytes,
        };
        self.pending.insert(id, pending);
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// A write was made that is answered to `to`.
    pub(super) fn wrote(&mut self, id: RequestId, bytes: u32, tag: u64, to: &Answers) {
        self.remember(id, bytes, Waiter::Many(tag, to.clone()));
    }

    /// Moves what can be moved; ready with the reason when it is over.
    fn poll<T>(&mut self, cx: &mut Context<'_>, stream: &mut T) -> Poll<Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        for _ in 0..TURN {
            let wrote = match self.poll_write(cx, stream) {
                Ok(wrote) => wrote,
                Err(why) => return Poll::Ready(why),
            };
            if self.abandoned && self.talk.output().is_empty() {
                return Poll::Ready(Error::Closed);
            }
            let read = match self.poll_read(cx, stream) {
                Ok(read) => read,
                Err(why) => return Poll::Ready(why),
            };
            if !wrote && !read {
                self.driver = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_write<T>(&mut self, cx: &mut Context<'_>, stream: &mut T) -> Result<bool, Error>
    where
        T: AsyncWrite + Unpin,
    {
        let out = self.talk.output();
        if out.is_empty() {
            // What is buffered in the stream goes on its way meanwhile.
            if let Poll::Ready(outcome) = Pin::new(stream).poll_flush(cx) {
                outcome?;
            }
            return Ok(false);
        }
        match Pin::new(stream).poll_write(cx, out) {
            Poll::Ready(Ok(0)) => Err(Error::Closed),
            Poll::Ready(outcome) => {
                self.talk.wrote(outcome?);
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    fn poll_read<T>(&mut self, cx: &mut Context<'_>, stream: &mut T) -> Result<bool, Error>
    where
        T: AsyncRead + Unpin,
    {
        let mut buf = ReadBuf::new(self.talk.space());
        match Pin::new(stream).poll_read(cx, &mut buf) {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => return Ok(false),
        }
        let len = buf.filled().len();
        if len == 0 {
            return Err(Error::Closed);
        }
        self.talk.filled(len);
        self.answers()?;
        Ok(true)
    }

    /// Hands out the answers that came.
    fn answers(&mut self) -> Result<(), Error> {
        let now = self.now();
        while let Some((id, answer)) = self.talk.next()? {
            let unawaited = carrick_sftp::client::Error::Unawaited(id);
            let one = self.pending.remove(&id).ok_or(unawaited)?;
            let reply = Reply::keep(answer);
            let moved = match &reply {
                Ok(Reply::Data(data)) => u64::try_from(data.len()).unwrap_or(u64::MAX),
                Ok(Reply::Done) => one.bytes.into(),
                _ => 0,
            };
            self.window
                .answered(now, one.stamp, one.bytes.into(), moved);
            if let Some(Ok(Reply::Handle(handle))) = one.waiter.answer(reply) {
                // Whoever asked for it has gone away.
                let close = Request::Close { handle: &handle };
                let id = self.talk.ask(&close);
                self.remember(id, 0, Waiter::Nobody);
            }
        }
        Ok(())
    }
}

impl Waiter {
    /// Hands an answer over, or back if nobody waits for it.
    fn answer(self, reply: Result<Reply, Error>) -> Option<Result<Reply, Error>> {
        match self {
            Self::One(to) => to.send(reply).err(),
            Self::Many(tag, to) => to.send((tag, reply)).err().map(|unsent| unsent.0.1),
            Self::Nobody => None,
        }
    }
}

impl Inner {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Waits until the server has introduced itself.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        loop {
            let moved = self.shared.moved.notified();
            let mut moved = std::pin::pin!(moved);
            moved.as_mut().enable();
            {
                let state = self.shared.lock();
                state.check()?;
                if state.talk.is_ready() {
                    return Ok(());
                }
            }
            moved.await;
        }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<Reply, Error> {
        let (sender, answer) = oneshot::channel();
        {
            let mut state = self.shared.lock();
            state.check()?;
            let id = state.talk.ask(request);
            state.remember(id, 0, Waiter::One(sender));
        }
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Asks; the answer comes to `to`.
    pub(super) fn ask_for(
        &self,
        request: &Request<'_>,
        bytes: u32,
        tag: u64,
        to: &Answers,
    ) -> Result<(), Error> {
        let mut state = self.shared.lock();
        state.check()?;
        let id = state.talk.ask(request);
        state.remember(id, bytes, Waiter::Many(tag, to.clone()));
        Ok(())
    }

    /// Asks for what nobody waits for.
    pub(super) fn tell(&self, request: &Request<'_>) {
        let mut state = self.shared.lock();
        if state.check().is_ok() {
            let id = state.talk.ask(request);
            state.remember(id, 0, Waiter::Nobody);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.abandoned = true;
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
