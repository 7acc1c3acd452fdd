//! The connection as a byte stream: a socket, or two descriptors as inetd
//! and ProxyCommand may give them.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, getsockname};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

/// Has the runtime watch `fd`.
#[expect(
    deprecated,
    reason = "the owner of a descriptor closes it after the runtime let go of it"
)]
pub fn watch<T: AsRawFd>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(fd, interest)
}

/// Whether `fd` has something to read, or has been closed at the other end, now.
pub fn is_readable(fd: impl AsFd) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)).is_ok_and(|fired| fired > 0)
}

/// The connection. Dropping it tells whoever holds the other end of `done`.
pub struct Stream {
    kind: Kind,
    _done: oneshot::Sender<()>,
}

enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
    Pipes {
        input: AsyncFd<OwnedFd>,
        output: Option<AsyncFd<OwnedFd>>,
    },
}

impl Stream {
    /// Over these descriptors, which may be one socket twice.
    pub fn new(input: OwnedFd, output: OwnedFd, done: oneshot::Sender<()>) -> io::Result<Self> {
        for fd in [&input, &output] {
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        let family = |fd: &OwnedFd| getsockname(fd).ok().map(|address| address.address_family());
        let kind = match family(&input) {
            Some(AddressFamily::INET | AddressFamily::INET6) => {
                Kind::Tcp(TcpStream::from_std(input.into())?)
            }
            Some(AddressFamily::UNIX) if family(&output) == Some(AddressFamily::UNIX) => {
                Kind::Unix(UnixStream::from_std(input.into())?)
            }
            _ => Kind::Pipes {
                input: watch(input, Interest::READABLE)?,
                output: Some(watch(output, Interest::WRITABLE)?),
            },
        };
        Ok(Self { kind, _done: done })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Pipes { input, .. } => loop {
                let mut ready = ready!(input.poll_read_ready(cx))?;
                let space = buf.initialize_unfilled();
                let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), space)?));
                if let Ok(outcome) = read {
                    return Poll::Ready(outcome.map(|len| buf.advance(len)));
                }
            },
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Pipes { output: None, .. } => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Kind::Pipes {
                output: Some(output),
                ..
            } => loop {
                let mut ready = ready!(output.poll_write_ready(cx))?;
                let wrote = ready.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?));
                if let Ok(outcome) = wrote {
                    return Poll::Ready(outcome);
                }
            },
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Kind::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Kind::Pipes { .. } => {
                let first = slices.iter().find(|slice| !slice.is_empty());
                self.poll_write(cx, first.map_or(&[][..], |slice| slice))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        !matches!(self.kind, Kind::Pipes { .. })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Pipes { output, .. } => {
                *output = None;
                Poll::Ready(Ok(()))
            }
        }
    }
}
