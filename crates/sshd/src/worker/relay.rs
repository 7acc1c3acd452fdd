//! Bytes between a channel and the descriptors of a session: read straight
//! into the packet that goes out, written straight from the packet that came.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use carrick::{Channel, Pieces, Request, Server, Stream};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::stream::watch;

/// A descriptor that output comes from.
pub type Fd = Arc<AsyncFd<OwnedFd>>;

/// The most that is read at once; the channel has the last word.
const READ: usize = 64 * 1024;

/// From `fd` to the channel until there is no more.
pub async fn outward(fd: Fd, channel: Channel<Server>, stream: Stream) {
    // How it ended makes no difference: there is no more.
    let _ = poll_fn(|cx| poll_outward(cx, &fd, &channel, stream)).await;
}

fn poll_outward(
    cx: &mut Context<'_>,
    fd: &AsyncFd<OwnedFd>,
    channel: &Channel<Server>,
    stream: Stream,
) -> Poll<io::Result<()>> {
    loop {
        let mut ready = ready!(fd.poll_read_ready(cx))?;
        let mut offered = 0;
        let mut fill = |space: &mut [u8]| {
            offered = space.len();
            Ok(rustix::io::read(fd.get_ref(), space)?)
        };
        match ready!(channel.poll_fill(cx, stream, READ, &mut fill)) {
            Ok(0) => return Poll::Ready(Ok(())),
            // A pipe or a terminal's master that gave less than was asked for
            // is empty: no second read has to say so. What comes meanwhile
            // makes it ready again, and an end that came is not forgotten.
            Ok(len) if len < offered => ready.clear_ready(),
            Ok(_) => {}
            Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
            Err(problem) => return Poll::Ready(Err(problem)),
        }
    }
}

/// What is left in a terminal whose program has ended: to the channel, but
/// without waiting for what others might still write to it.
pub async fn rest(fd: &AsyncFd<OwnedFd>, channel: &Channel<Server>) {
    let mut more = true;
    while more {
        let mut fill = |space: &mut [u8]| Ok(rustix::io::read(fd.get_ref(), space)?);
        let outcome = poll_fn(|cx| channel.poll_fill(cx, Stream::Data, READ, &mut fill)).await;
        more = match outcome {
            Ok(len) => len > 0,
            Err(problem) => problem.kind() == io::ErrorKind::Interrupted,
        };
    }
}

/// Where input goes. It is written to without asking, and watched only once it
/// was full: a terminal that is watched for room wakes us at every key.
pub enum Sink {
    /// Never was full.
    Free(OwnedFd),
    /// Was full once.
    Watched(AsyncFd<OwnedFd>),
    /// Nobody reads it any more.
    Gone,
}

impl Sink {
    /// Writes some of `pieces`.
    fn poll_write(&mut self, cx: &mut Context<'_>, pieces: &mut Pieces) -> Poll<io::Result<()>> {
        loop {
            let wrote = match self {
                Self::Free(fd) => pieces.write(|slices| rustix::io::writev(&*fd, slices)),
                Self::Watched(fd) => {
                    pieces.write(|slices| rustix::io::writev(fd.get_ref(), slices))
                }
                Self::Gone => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
            match wrote {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(rustix::io::Errno::AGAIN) => ready!(self.poll_room(cx))?,
                Err(rustix::io::Errno::INTR) => {}
                Err(problem) => return Poll::Ready(Err(problem.into())),
            }
        }
    }

    /// Waits until there may be room.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self = match std::mem::replace(self, Self::Gone) {
            Self::Free(fd) => Self::Watched(watch(fd, Interest::WRITABLE)?),
            other => other,
        };
        if let Self::Watched(fd) = self {
            ready!(fd.poll_write_ready(cx))?.clear_ready();
        }
        Poll::Ready(Ok(()))
    }
}

/// From the channel to `sink` until the peer sends no more. A program that does
/// not read is no reason to stop: what comes is thrown away then, so that the
/// channel goes on.
pub async fn inward(mut sink: Sink, channel: Channel<Server>) {
    let mut pieces = Pieces::default();
    let mut open = true;
    while poll_fn(|cx| pieces.poll_gather(cx, &channel, Stream::Data)).await {
        if open
            && poll_fn(|cx| sink.poll_write(cx, &mut pieces))
                .await
                .is_err()
        {
            open = false;
            // The peer may like to know; nothing depends on it.
            let _ = channel.notify(Request::EndOfWrite);
        }
        if !open {
            pieces.clear();
        }
    }
}
