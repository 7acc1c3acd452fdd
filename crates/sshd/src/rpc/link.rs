//! One end of the line between two processes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use carrick_sys::fdpass::{self, Message};
use zeroize::Zeroize;

use super::field::{Field, from_bytes, to_bytes};

/// The longest message: what a socket's buffer holds by default, with some to
/// spare. The largest honest ones are a key exchange transcript (two KEXINITs,
/// a host key, public values) and a command with its variables.
pub const MAX_MESSAGE: usize = 192 * 1024;

/// One end of a line.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Link {
    /// A line; close-on-exec at both ends.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = fdpass::pair()?;
        Ok((Self(a), Self(b)))
    }

    /// The end that a parent process gave this one.
    pub fn inherited(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends `message` with descriptors.
    pub fn send(&self, message: &impl Field, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_by(message, |link, bytes| fdpass::send(link, bytes, fds))
    }

    /// As [`Self::send`], but waits for nothing: without room it fails with
    /// `WouldBlock`. For answers there is room, unless the other end asks and
    /// asks and does not read: so it cannot hold this process up.
    pub fn answer(&self, message: &impl Field, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_by(message, |link, bytes| fdpass::send_now(link, bytes, fds))
    }

    fn send_by(
        &self,
        message: &impl Field,
        send: impl FnOnce(&OwnedFd, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut bytes = to_bytes(message);
        let sent = send(&self.0, &bytes);
        // It may have held a password or a shared secret.
        bytes.zeroize();
        sent
    }

    /// Receives a message; `None` once the other end is closed.
    pub fn receive<T: Field>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        Self::decoded(fdpass::receive(&self.0, MAX_MESSAGE)?)
    }

    /// As [`Self::receive`], but waits for nothing: without a message it fails
    /// with `WouldBlock`.
    pub fn receive_now<T: Field>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        Self::decoded(fdpass::receive_now(&self.0, MAX_MESSAGE)?)
    }

    fn decoded<T: Field>(raw: Option<Message>) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let Some(mut raw) = raw else {
            return Ok(None);
        };
        let message = from_bytes(&raw.bytes);
        raw.bytes.zeroize();
        match message {
            Ok(message) => Ok(Some((message, raw.fds))),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// The descriptor, to give it to a process.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Link {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
