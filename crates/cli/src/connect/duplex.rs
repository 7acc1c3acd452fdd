//! Two descriptors as one byte stream, whatever they are: ProxyCommand `-`
//! takes standard input and output.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use carrick_sys::tty;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// The stream.
pub(crate) struct Duplex {
    input: AsyncFd<OwnedFd>,
    output: AsyncFd<OwnedFd>,
}

impl Duplex {
    /// Reads from `input` and writes to `output`.
    pub(crate) fn new(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        for fd in [&input, &output] {
            tty::set_nonblocking(fd, true)?;
        }
        #[expect(
            deprecated,
            reason = "the replacement is unsafe; the descriptors are owned"
        )]
        let both = (
            AsyncFd::with_interest(input, Interest::READABLE)?,
            AsyncFd::with_interest(output, Interest::WRITABLE)?,
        );
        Ok(Self {
            input: both.0,
            output: both.1,
        })
    }
}

fn done(outcome: rustix::io::Result<usize>) -> io::Result<usize> {
    outcome.map_err(io::Error::from)
}

impl AsyncRead for Duplex {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.input.poll_read_ready(cx))?;
            let space = buf.initialize_unfilled();
            let read = guard.try_io(|fd| done(rustix::io::read(fd.get_ref(), space)));
            match read {
                Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(read) => return Poll::Ready(read.map(|len| buf.advance(len))),
                Err(_) => {}
            }
        }
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.output.poll_write_ready(cx))?;
            match guard.try_io(|fd| done(rustix::io::write(fd.get_ref(), bytes))) {
                Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(wrote) => return Poll::Ready(wrote),
                Err(_) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Its end is that of the program.
        Poll::Ready(Ok(()))
    }
}
