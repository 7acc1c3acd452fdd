//! The task that moves bytes between the socket and the machine.
//!
//! It reads while the machine wants input, hands out the events, seals and
//! writes what is planned, and sleeps until the socket, a timer or a handle
//! wakes it. The lock is not held while packets are sealed or the socket is
//! touched.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use carrick_proto::Side;
use carrick_proto::transport::SealedBatch;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::Sleep;

use crate::error::Error;
use crate::shared::Shared;

/// A peer that does not read is not waited for longer than this.
const LINGER: Duration = Duration::from_secs(3);

/// How many turns in a row: one busy connection starves nobody else on the
/// thread.
const TURNS: usize = 3;

/// A reader who is far behind is given this long before more is read. What it
/// has not taken fills memory and is in no cache when it comes to it: over a
/// long path a transfer is faster for waiting.
const PAUSE: Duration = Duration::from_millis(2);

/// After so many bytes at once readers get what was read while it is warm, and
/// a keystroke among bulk data is not held up.
const MUCH: usize = 64 * 1024;

/// Drives one connection over `io` until it is over.
pub(crate) struct Driver<S: Side, T> {
    shared: Arc<Shared<S>>,
    io: T,
    /// The last read brought [`MUCH`].
    busy: bool,
    /// What is being written, and how much of it is.
    writing: Option<(SealedBatch, usize)>,
    timer: Option<Pin<Box<Sleep>>>,
    /// See [`PAUSE`].
    pause: Option<Pin<Box<Sleep>>>,
    read_eof: bool,
    /// Why nothing can be written any more.
    broken: Option<Error>,
    /// How long a peer may take to hear that the connection is over.
    linger: Option<Pin<Box<Sleep>>>,
}

/// What a stretch of work came to.
#[derive(PartialEq, Eq)]
enum Progress {
    Some,
    None,
}

impl<S: Side, T: AsyncRead + AsyncWrite + Unpin> Driver<S, T> {
    pub(crate) fn new(shared: Arc<Shared<S>>, io: T) -> Self {
        Self {
            shared,
            io,
            busy: false,
            writing: None,
            timer: None,
            pause: None,
            read_eof: false,
            broken: None,
            linger: None,
        }
    }

    /// Input and timers first: what they lead to is written in the same turn.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Progress, Error> {
        let read = self.read(cx)?;
        if let (Some(error), Progress::None) = (&self.broken, &read) {
            return Err(error.clone());
        }
        let time = self.time(cx);
        if self.broken.is_none() {
            match self.write(cx) {
                Ok(Progress::Some) => return Ok(Progress::Some),
                Ok(Progress::None) => {}
                // The peer may have said why it went: that is read first.
                Err(error) => {
                    self.broken = Some(error);
                    return Ok(Progress::Some);
                }
            }
        }
        let some = read == Progress::Some || time == Progress::Some;
        Ok(if some { Progress::Some } else { Progress::None })
    }

    /// Reads once; not at once where a reader is far behind.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Progress, Error> {
        self.busy = false;
        if self.read_eof {
            return Ok(Progress::None);
        }
        // The buffer is taken out of the machine for the read, so that the
        // lock is free meanwhile: nobody else touches it.
        let mut buf = {
            let mut state = self.shared.lock();
            // What the machine left in its buffer, as there was too much
            // news, it takes up when the news is handed out.
            loop {
                state.conn.resume(Instant::now());
                if !state.dispatch() {
                    break;
                }
            }
            if !state.conn.wants_read() {
                return Ok(Progress::None);
            }
            // Once nothing can be written, what is left to read is read at once.
            if self.broken.is_none() && state.conn.is_ahead_of_reader() {
                let pause = self
                    .pause
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
                if pause.as_mut().poll(cx).is_pending() {
                    return Ok(Progress::None);
                }
            }
            self.pause = None;
            state.conn.take_recv_buf()
        };
        let before = buf.len();
        let outcome = poll_read(&mut self.io, cx, &mut buf);
        self.busy = buf.len() >= before + MUCH;
        let mut state = self.shared.lock();
        state.conn.handle_recv(buf, Instant::now());
        match outcome {
            Poll::Pending => return Ok(Progress::None),
            Poll::Ready(Ok(0)) => {
                self.read_eof = true;
                state.conn.handle_eof(Instant::now());
            }
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Err(error.into()),
        }
        state.dispatch();
        Ok(Progress::Some)
    }

    /// Seals and writes what is planned.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<Progress, Error> {
        let mut progress = Progress::None;
        loop {
            if self.writing.is_none() {
                let batch = self.shared.lock().conn.poll_transmit();
                self.writing = batch.map(|batch| (batch.seal(), 0));
            }
            let Some((batch, done)) = &mut self.writing else {
                break;
            };
            let rest = batch.bytes().get(*done..).unwrap_or_default();
            let wrote = match Pin::new(&mut self.io).poll_write_vectored(cx, &[IoSlice::new(rest)])
            {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Poll::Ready(Ok(wrote)) => wrote,
                Poll::Ready(Err(error)) => return Err(error.into()),
            };
            *done += wrote;
            progress = Progress::Some;
            if *done == batch.bytes().len()
                && let Some((batch, _)) = self.writing.take()
            {
                let mut state = self.shared.lock();
                state.conn.recycle(batch);
                state.dispatch();
            }
        }
        Ok(progress)
    }

    /// Lets the machine know when a time has come that it waits for.
    fn time(&mut self, cx: &mut Context<'_>) -> Progress {
        let Some(at) = self.shared.lock().conn.poll_timeout() else {
            self.timer = None;
            return Progress::None;
        };
        let at = tokio::time::Instant::from_std(at);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Progress::None;
        }
        self.timer = None;
        let mut state = self.shared.lock();
        state.conn.handle_timeout(Instant::now());
        state.dispatch();
        Progress::Some
    }

    /// Whether the connection is over, and the peer has had the time to hear it.
    fn lingered(&mut self, cx: &mut Context<'_>) -> bool {
        if self.shared.lock().over.is_none() {
            return false;
        }
        let linger = self
            .linger
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        linger.as_mut().poll(cx).is_ready()
    }

    /// Whether the connection is over and all that can be written is.
    fn finished(&self) -> bool {
        if self.writing.is_some() && self.broken.is_none() {
            return false;
        }
        let state = self.shared.lock();
        state.over.is_some() && (self.broken.is_some() || !state.conn.wants_write())
    }
}

impl<S: Side, T: AsyncRead + AsyncWrite + Unpin> Future for Driver<S, T>
where
    S: Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let news = this.shared.lock().drive();
        if let Some((tell, typing)) = news {
            tell(typing);
        }
        for _ in 0..TURNS {
            match this.turn(cx) {
                Ok(Progress::Some) if !this.finished() => {
                    if this.busy {
                        break;
                    }
                }
                Ok(Progress::Some | Progress::None) => {
                    if this.finished() {
                        if this.close(cx).is_pending() && !this.lingered(cx) {
                            return Poll::Pending;
                        }
                        return Poll::Ready(());
                    }
                    if this.lingered(cx) {
                        return Poll::Ready(());
                    }
                    if this.shared.lock().rest(cx) {
                        return Poll::Pending;
                    }
                }
                Err(error) => {
                    this.shared.lock().end(error);
                    return Poll::Ready(());
                }
            }
        }
        this.shared.lock().rest(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: Side, T: AsyncRead + AsyncWrite + Unpin> Driver<S, T> {
    fn close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The connection is over whatever comes of this.
        let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        Poll::Ready(())
    }
}

impl<S: Side, T> Drop for Driver<S, T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.over.is_none() {
            state.end(Error::Protocol(carrick_proto::Error::Ended));
        }
    }
}

/// One read into the spare room of `buf`.
fn poll_read<T: AsyncRead + Unpin>(
    io: &mut T,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    pin!(io.read_buf(buf)).poll(cx)
}
