//! A channel and another byte stream, joined: what comes out of one goes into
//! the other.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use carrick_proto::Side;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::channel::{Channel, Stream};
use crate::pieces::Pieces;

/// The most that is read at once; the channel has the last word.
const READ: usize = 64 * 1024;

impl<S: Side> Channel<S> {
    /// Moves bytes between the channel and `stream`, each way until its end,
    /// then closes the channel. When the other side closes it first, what it
    /// sent before is still delivered; when `stream` takes no more, that is the
    /// error.
    ///
    /// `stream` is read straight into packets, under this connection's lock: it
    /// must not be a channel of the same connection.
    pub async fn join<T>(self, stream: T) -> io::Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let mut joint = Joint {
            channel: &self,
            stream,
            pieces: Pieces::default(),
            inward: true,
            outward: true,
        };
        let outcome = poll_fn(|cx| joint.poll(cx)).await;
        self.close();
        outcome
    }
}

struct Joint<'a, S: Side, T> {
    channel: &'a Channel<S>,
    stream: T,
    /// Taken from the channel, and not written yet.
    pieces: Pieces,
    /// The channel may still have something for the stream.
    inward: bool,
    /// And the stream for the channel.
    outward: bool,
}

impl<S: Side, T: AsyncRead + AsyncWrite + Unpin> Joint<'_, S, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.inward
            && let Poll::Ready(outcome) = self.poll_inward(cx)
        {
            outcome?;
            self.inward = false;
        }
        if self.outward && self.poll_outward(cx).is_ready() {
            self.outward = false;
            // A channel that is closed needs no EOF.
            let _ = self.channel.send_eof();
        }
        let closed = pin!(self.channel.closed()).poll(cx).is_ready();
        if !self.inward && (!self.outward || closed) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// From the channel to the stream, and the end of it.
    fn poll_inward(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = &mut self.stream;
        while ready!(self.pieces.poll_gather(cx, self.channel, Stream::Data)) {
            let wrote = self.pieces.write(|slices| {
                match Pin::new(&mut *stream).poll_write_vectored(cx, slices) {
                    Poll::Ready(Ok(0)) => Err(Poll::Ready(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(len)) => Ok(len),
                    Poll::Ready(Err(problem)) => Err(Poll::Ready(problem)),
                    Poll::Pending => Err(Poll::Pending),
                }
            });
            if let Err(why) = wrote {
                return why.map(Err);
            }
        }
        // Whoever reads it may be gone already.
        let _ = ready!(Pin::new(stream).poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }

    /// From the stream to the channel until there is no more. How it ended
    /// makes no difference.
    fn poll_outward(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let stream = &mut self.stream;
            let mut waits = false;
            // Its own context: the closure runs while the channel has the other.
            let mut inner = Context::from_waker(cx.waker());
            let mut fill = |space: &mut [u8]| {
                let mut buf = ReadBuf::new(space);
                match Pin::new(&mut *stream).poll_read(&mut inner, &mut buf) {
                    Poll::Ready(outcome) => outcome.map(|()| buf.filled().len()),
                    Poll::Pending => {
                        waits = true;
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                }
            };
            match ready!(self.channel.poll_fill(cx, Stream::Data, READ, &mut fill)) {
                Ok(1..) => {}
                Err(_) if waits => return Poll::Pending,
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}
