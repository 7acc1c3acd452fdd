//! Bytes between a channel and the descriptors of a session: read straight
//! into the packet that goes out, written straight from the packet that came.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use carrick::{Channel, Pieces, Request, Server, Stream};
use tokio::io::unix::AsyncFd;

/// A descriptor of a session. A terminal's is used in both directions.
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
        let mut fill = |space: &mut [u8]| Ok(rustix::io::read(fd.get_ref(), space)?);
        match ready!(channel.poll_fill(cx, stream, READ, &mut fill)) {
            Ok(0) => return Poll::Ready(Ok(())),
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

/// From the channel to `fd` until the peer sends no more. A program that does
/// not read is no reason to stop: what comes is thrown away then, so that the
/// channel goes on.
pub async fn inward(fd: Fd, channel: Channel<Server>) {
    let mut pieces = Pieces::default();
    let mut open = true;
    while poll_fn(|cx| pieces.poll_gather(cx, &channel, Stream::Data)).await {
        if open
            && poll_fn(|cx| poll_write(cx, &fd, &mut pieces))
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

/// Writes some of `pieces`. The descriptor is tried first and waited for only
/// when it is full: a terminal that is read at once is written at once.
fn poll_write(
    cx: &mut Context<'_>,
    fd: &AsyncFd<OwnedFd>,
    pieces: &mut Pieces,
) -> Poll<io::Result<()>> {
    loop {
        match pieces.write(|slices| rustix::io::writev(fd.get_ref(), slices)) {
            Ok(_) => return Poll::Ready(Ok(())),
            Err(rustix::io::Errno::AGAIN) => ready!(fd.poll_write_ready(cx))?.clear_ready(),
            Err(rustix::io::Errno::INTR) => {}
            Err(problem) => return Poll::Ready(Err(problem.into())),
        }
    }
}
