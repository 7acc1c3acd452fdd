//! Standard input, output and error as poll-driven ends: whatever epoll takes
//! is waited for, regular files and `/dev/null` are read and written in place.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use carrick_sys::tty;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, unix::AsyncFdReadyGuard};

/// Most that goes to a terminal in one write, so that a key is noticed between.
const TTY_WRITE: usize = 8 * 1024;

/// One standard descriptor.
pub(crate) struct End {
    fd: BorrowedFd<'static>,
    /// `None`: never blocks (regular file, `/dev/null`).
    polled: Option<AsyncFd<BorrowedFd<'static>>>,
    terminal: bool,
    /// What to put back.
    was_blocking: bool,
}

impl End {
    fn new(fd: BorrowedFd<'static>, interest: Interest) -> io::Result<Self> {
        let terminal = tty::is_terminal(fd);
        #[expect(
            deprecated,
            reason = "the replacement is unsafe; a standard descriptor outlives its `End`"
        )]
        let registered = AsyncFd::with_interest(fd, interest);
        let polled = match registered {
            Ok(polled) => Some(polled),
            // epoll refuses what is always ready.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => None,
            Err(e) => return Err(e),
        };
        // A terminal stays blocking: its open file is shared with the shell
        // and everything else that runs on it.
        let was_blocking = polled.is_some() && !terminal && !tty::set_nonblocking(fd, true)?;
        Ok(Self {
            fd,
            polled,
            terminal,
            was_blocking,
        })
    }

    /// Standard input.
    pub(crate) fn stdin() -> io::Result<Self> {
        Self::new(rustix::stdio::stdin(), Interest::READABLE)
    }

    /// Standard output.
    pub(crate) fn stdout() -> io::Result<Self> {
        Self::new(rustix::stdio::stdout(), Interest::WRITABLE)
    }

    /// Standard error.
    pub(crate) fn stderr() -> io::Result<Self> {
        Self::new(rustix::stdio::stderr(), Interest::WRITABLE)
    }

    /// Waits until a read may bring something.
    pub(crate) fn poll_readable(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<AsyncFdReadyGuard<'_, BorrowedFd<'static>>>>> {
        match &self.polled {
            None => Poll::Ready(Ok(None)),
            Some(polled) => Poll::Ready(Ok(Some(ready!(polled.poll_read_ready(cx))?))),
        }
    }

    /// Reads once, without waiting.
    pub(crate) fn read_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        if self.terminal && !tty::readable_now(self.fd) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        loop {
            match rustix::io::read(self.fd, &mut *buf) {
                Err(rustix::io::Errno::INTR) => {}
                // The far end of a pseudo-terminal is gone: the end of input.
                Err(rustix::io::Errno::IO) if self.terminal => return Ok(0),
                other => return Ok(other?),
            }
        }
    }

    /// Writes some of `data`.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let guard = match &self.polled {
                None => None,
                Some(polled) => Some(ready!(polled.poll_write_ready(cx))?),
            };
            match self.write_now(data) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => match guard {
                    Some(mut guard) => guard.clear_ready(),
                    // Never for a file; do not spin if a device says so.
                    None => return Poll::Ready(Err(e)),
                },
                other => return Poll::Ready(other),
            }
        }
    }

    fn write_now(&self, data: &[u8]) -> io::Result<usize> {
        let data = if self.terminal {
            if !tty::writable_now(self.fd) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            data.get(..TTY_WRITE).unwrap_or(data)
        } else {
            data
        };
        loop {
            match rustix::io::write(self.fd, data) {
                Err(rustix::io::Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.was_blocking {
            // The descriptor may be closed on the other side; nothing to do then.
            let _ = tty::set_nonblocking(self.fd, false);
        }
    }
}
