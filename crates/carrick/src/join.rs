//! A channel and another byte stream, joined: what comes out of one goes into
//! the other, and as one ends so does the other.
//!
//! | what happens on one side         | what the other side sees            |
//! |-----------------------------------|-------------------------------------|
//! | its data ends (FIN, EOF)          | the data, then the end; it may answer on |
//! | it takes no more, but still sends | what is sent to it is dropped       |
//! | a TCP connection is reset         | CLOSE without EOF; a reset          |
//!
//! A channel that is closed without EOF resets a TCP connection only if the
//! other side is a Carrick: with others it may be all the goodbye they say, and
//! a reset would throw away data that is still on its way.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use carrick_proto::Side;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::channel::{Channel, Stream};
use crate::pieces::Pieces;

/// The most that is read at once; the channel has the last word.
const READ: usize = 64 * 1024;

impl<S: Side> Channel<S> {
    /// Moves bytes between the channel and `stream`, each way until its end,
    /// then closes the channel. When the other side closes it first, what it
    /// sent before is still delivered; when `stream` takes no more, that is the
    /// error, told when all else is done.
    ///
    /// `stream` is read straight into packets, under this connection's lock: it
    /// must not be a channel of the same connection.
    pub async fn join<T>(self, stream: T) -> io::Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.join_with(stream, false).await.1
    }

    /// As [`Self::join`], with a TCP connection: a reset on one side is a reset
    /// on the other.
    pub async fn join_tcp(self, stream: TcpStream) -> io::Result<()> {
        let handle = self.clone();
        let (stream, outcome) = self.join_with(stream, true).await;
        if handle.is_reset() {
            // Where it cannot be, the connection just ends.
            let _ = stream.set_zero_linger();
        }
        outcome
    }

    /// As [`Self::join_tcp`], with another stream that knows resets: an error
    /// of it is one. It comes back with whether it is to be reset too.
    pub async fn join_resettable<T>(self, stream: T) -> (T, bool)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let handle = self.clone();
        let (stream, _) = self.join_with(stream, true).await;
        (stream, handle.is_reset())
    }

    async fn join_with<T>(self, stream: T, resets: bool) -> (T, io::Result<()>)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let mut pieces = Pieces::default();
        // What somebody has read of the channel and not used.
        pieces.push(self.left.clone());
        let mut joint = Joint {
            channel: &self,
            stream,
            resets,
            pieces,
            inward: true,
            outward: true,
            outcome: Ok(()),
        };
        poll_fn(|cx| joint.poll(cx)).await;
        let Joint {
            stream, outcome, ..
        } = joint;
        self.close();
        (stream, outcome)
    }
}

struct Joint<'a, S: Side, T> {
    channel: &'a Channel<S>,
    stream: T,
    /// An error of the stream is a reset, and the end of both directions.
    resets: bool,
    /// Taken from the channel, and not written yet.
    pieces: Pieces,
    /// The channel may still have something for the stream.
    inward: bool,
    /// And the stream for the channel.
    outward: bool,
    outcome: io::Result<()>,
}

impl<S: Side, T: AsyncRead + AsyncWrite + Unpin> Joint<'_, S, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inward
            && let Poll::Ready(outcome) = self.poll_inward(cx)
        {
            self.inward = false;
            if let Err(problem) = outcome {
                self.outcome = Err(problem);
                if self.resets {
                    return Poll::Ready(());
                }
                // It may still have something to say. What else comes for it
                // is dropped, for as long as the channel lasts.
                let _ = self.channel.discard();
            }
        }
        if self.outward
            && let Poll::Ready(outcome) = self.poll_outward(cx)
        {
            self.outward = false;
            match outcome {
                Err(problem) if self.resets => {
                    self.outcome = Err(problem);
                    return Poll::Ready(());
                }
                // A channel that is closed needs no EOF.
                Ok(()) | Err(_) => drop(self.channel.send_eof()),
            }
        }
        if !self.inward && (!self.outward || pin!(self.channel.closed()).poll(cx).is_ready()) {
            return Poll::Ready(());
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
        // A reset is no end: see to it that none is said.
        if !(self.resets && self.channel.is_reset()) {
            // Whoever reads it may be gone already.
            let _ = ready!(Pin::new(stream).poll_shutdown(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// From the stream to the channel until there is no more; an error is one
    /// of the stream's.
    fn poll_outward(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let stream = &mut self.stream;
            let mut found = Found::Data;
            // Its own context: the closure runs while the channel has the other.
            let mut inner = Context::from_waker(cx.waker());
            let mut fill = |space: &mut [u8]| {
                let mut buf = ReadBuf::new(space);
                match Pin::new(&mut *stream).poll_read(&mut inner, &mut buf) {
                    Poll::Ready(Ok(())) => Ok(buf.filled().len()),
                    Poll::Ready(Err(problem)) => {
                        let kind = problem.kind();
                        found = Found::Problem(problem);
                        Err(kind.into())
                    }
                    Poll::Pending => {
                        found = Found::Nothing;
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                }
            };
            let outcome = ready!(self.channel.poll_fill(cx, Stream::Data, READ, &mut fill));
            match (outcome, found) {
                (Ok(1..), _) => {}
                (_, Found::Nothing) => return Poll::Pending,
                (_, Found::Problem(problem)) => return Poll::Ready(Err(problem)),
                // The stream's end; or the channel's, which is no fault of it.
                (Ok(0) | Err(_), Found::Data) => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// What a look at the stream found.
enum Found {
    /// Data, or its end.
    Data,
    /// Nothing yet.
    Nothing,
    /// That it is broken.
    Problem(io::Error),
}
