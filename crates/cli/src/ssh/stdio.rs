//! Standard input, output and error as poll-driven ends: whatever epoll takes
//! is waited for, regular files and `/dev/null` are read and written in place.
//! They are this program's own, or were passed to it by another one that shares
//! its connection.
//!
//! Of what was passed, the open file may be shared with anybody, and with it
//! whether it blocks: two passengers at one pipe would undo each other's
//! setting, and the master wait for whoever reads it. So a terminal or a pipe
//! that was passed is opened anew, and of a socket each call says for itself
//! that it does not wait.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use carrick::Pieces;
use carrick_sys::tty;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, unix::AsyncFdReadyGuard};

use super::terminal;

/// Most that goes to a terminal in one write, so that a key is noticed between.
const TTY_WRITE: usize = 8 * 1024;

/// A descriptor of ours, or one that was passed to us.
#[derive(Clone)]
pub(crate) enum Fd {
    /// Standard input, output or error: never closed.
    Standard(BorrowedFd<'static>),
    /// Closed with its last user.
    Passed(Arc<OwnedFd>),
}

impl Fd {
    /// One that was passed to us, as an open file that is ours alone if there
    /// can be one.
    pub(crate) fn passed(fd: OwnedFd) -> Self {
        Self::Passed(Arc::new(reopened(&fd).unwrap_or(fd)))
    }
}

/// `fd` opened once more. Where that cannot be (another user's, out of sight, a
/// pipe without a reader) or does not help (sockets, files), there is none.
fn reopened(fd: &OwnedFd) -> Option<OwnedFd> {
    if !tty::is_terminal(fd) && file_type(fd)? != FileType::Fifo {
        return None;
    }
    let mode = rustix::fs::fcntl_getfl(fd).ok()? & OFlags::RWMODE;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = mode | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

fn file_type(fd: impl AsFd) -> Option<FileType> {
    let stat = rustix::fs::fstat(fd).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Standard(fd) => *fd,
            Self::Passed(fd) => fd.as_fd(),
        }
    }
}

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// One standard descriptor.
pub(crate) struct End {
    fd: Fd,
    polled: Polled,
    terminal: bool,
    /// A socket that was passed to us.
    socket: bool,
    /// What to put back.
    was_blocking: bool,
}

/// Whether epoll watches a descriptor.
enum Polled {
    /// Not yet: an output is watched once it was full, since a terminal that
    /// is watched for room wakes us at every key.
    NotYet,
    /// It does.
    Yes(AsyncFd<Fd>),
    /// It refuses what never blocks: regular files, `/dev/null`.
    Never,
}

impl Polled {
    fn new(fd: Fd, interest: Interest) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "the replacement is unsafe; an `Fd` keeps its descriptor open"
        )]
        let registered = AsyncFd::with_interest(fd, interest);
        match registered {
            Ok(polled) => Ok(Self::Yes(polled)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(Self::Never),
            Err(e) => Err(e),
        }
    }
}

impl End {
    fn new(fd: Fd, polled: Polled) -> io::Result<Self> {
        let terminal = tty::is_terminal(&fd);
        let socket = matches!(fd, Fd::Passed(_)) && file_type(&fd) == Some(FileType::Socket);
        // A terminal stays blocking: its open file is shared with the shell
        // and everything else that runs on it. Files never block.
        let stream = matches!(polled, Polled::Yes(_)) || tty::is_stream(fd.as_fd());
        let sets = stream && !terminal && !socket;
        let was_blocking = sets && !tty::set_nonblocking(&fd, true)?;
        Ok(Self {
            fd,
            polled,
            terminal,
            socket,
            was_blocking,
        })
    }

    /// An end to read from.
    pub(crate) fn input(fd: Fd) -> io::Result<Self> {
        let polled = Polled::new(fd.clone(), Interest::READABLE)?;
        Self::new(fd, polled)
    }

    /// An end to write to.
    pub(crate) fn output(fd: Fd) -> io::Result<Self> {
        Self::new(fd, Polled::NotYet)
    }

    /// Standard input.
    pub(crate) fn stdin() -> io::Result<Self> {
        Self::input(Fd::Standard(rustix::stdio::stdin()))
    }

    /// Standard output.
    pub(crate) fn stdout() -> io::Result<Self> {
        Self::output(Fd::Standard(rustix::stdio::stdout()))
    }

    /// Standard error.
    pub(crate) fn stderr() -> io::Result<Self> {
        Self::output(Fd::Standard(rustix::stdio::stderr()))
    }

    /// Waits until a read may bring something.
    pub(crate) fn poll_readable(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<AsyncFdReadyGuard<'_, Fd>>>> {
        match &self.polled {
            Polled::Yes(polled) => Poll::Ready(Ok(Some(ready!(polled.poll_read_ready(cx))?))),
            Polled::NotYet | Polled::Never => Poll::Ready(Ok(None)),
        }
    }

    /// Reads once, without waiting.
    pub(crate) fn read_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        if self.terminal && !tty::readable_now(self.fd.as_fd()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        loop {
            let read = if self.socket {
                rustix::net::recv(&self.fd, &mut *buf, RecvFlags::DONTWAIT).map(|(len, _)| len)
            } else {
                rustix::io::read(&self.fd, &mut *buf)
            };
            match read {
                Err(rustix::io::Errno::INTR) => {}
                // The far end of a pseudo-terminal is gone: the end of input.
                Err(rustix::io::Errno::IO) if self.terminal => return Ok(0),
                other => return Ok(other?),
            }
        }
    }

    /// Whether a read that gave `len` bytes of `asked` has left nothing behind,
    /// so that no second one has to say so. What comes meanwhile wakes us
    /// again. A terminal in its line mode gives a line at a time, however many
    /// it has.
    pub(crate) fn is_drained(&self, len: usize, asked: usize) -> bool {
        // Of another program's terminal we do not know its mode.
        let raw = || matches!(self.fd, Fd::Standard(_)) && terminal::is_raw();
        len < asked && (!self.terminal || raw())
    }

    /// Writes what of `text` goes without waiting: a remark for people, of
    /// which nobody misses the rest.
    pub(crate) fn remark(&self, text: &str) {
        if tty::writable_now(self.fd.as_fd()) {
            // Without a reader there is nobody to tell.
            let _ = rustix::io::write(&self.fd, text.as_bytes());
        }
    }

    /// Writes some of `pieces`.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &mut Pieces,
    ) -> Poll<io::Result<()>> {
        loop {
            let full = match pieces.write(|slices| self.write_now(slices)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => e,
                other => return Poll::Ready(other.map(drop)),
            };
            if matches!(self.polled, Polled::NotYet) {
                self.polled = Polled::new(self.fd.clone(), Interest::WRITABLE)?;
            }
            match &self.polled {
                Polled::Yes(polled) => ready!(polled.poll_write_ready(cx))?.clear_ready(),
                // Never for a file; do not spin if a device says so.
                Polled::NotYet | Polled::Never => return Poll::Ready(Err(full)),
            }
        }
    }

    fn write_now(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.terminal && !tty::writable_now(self.fd.as_fd()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        loop {
            let wrote = if self.terminal {
                let first = slices.first().map_or(&[][..], |slice| slice);
                rustix::io::write(&self.fd, first.get(..TTY_WRITE).unwrap_or(first))
            } else if self.socket {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                let mut nothing = SendAncillaryBuffer::default();
                rustix::net::sendmsg(&self.fd, slices, &mut nothing, flags)
            } else {
                rustix::io::writev(&self.fd, slices)
            };
            match wrote {
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
            let _ = tty::set_nonblocking(&self.fd, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, pipe};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn blocks(fd: impl AsFd) -> bool {
        let flags = rustix::fs::fcntl_getfl(fd).unwrap();
        !flags.contains(OFlags::NONBLOCK)
    }

    /// Writes until nothing more goes; panics if that is never.
    fn fill(end: &End) {
        let piece = [IoSlice::new(&[7; 4096])];
        let full = (0..10_000).find_map(|_| end.write_now(&piece).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn a_passed_pipe_or_socket_never_blocks_us_nor_its_owner_less() {
        let (mut reader, writer) = pipe().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let (ours, theirs): (OwnedFd, OwnedFd) = (writer.into(), near.into());
        for owner in [ours, theirs] {
            let passed = || Fd::passed(owner.try_clone().unwrap());
            let (end, other) = (End::output(passed()), End::output(passed()));
            let end = end.unwrap();
            // Another session at the same file ends, and its owner sees to it
            // that the file blocks.
            drop(other.unwrap());
            assert!(blocks(&owner));
            fill(&end);
            assert!(blocks(&owner));
        }
        // The copies are closed: the reader sees the end.
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all.iter().all(|byte| *byte == 7) && !all.is_empty());
    }

    #[tokio::test]
    async fn what_is_passed_is_read_without_waiting() {
        let (reader, writer) = pipe().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let pairs: [(OwnedFd, OwnedFd); 2] =
            [(reader.into(), writer.into()), (near.into(), far.into())];
        for (from, to) in pairs {
            let end = End::input(Fd::passed(from.try_clone().unwrap())).unwrap();
            let mut buf = [0; 8];
            let nothing = end.read_now(&mut buf).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            rustix::io::write(&to, b"abc").unwrap();
            assert_eq!(end.read_now(&mut buf).unwrap(), 3);
            assert!(blocks(&from));
            drop(to);
            assert_eq!(end.read_now(&mut buf).unwrap(), 0);
        }
    }
}
