//! Datagrams with descriptors between processes of one program: a pair of
//! `AF_UNIX` `SOCK_SEQPACKET` sockets, one message a datagram, so that a
//! reader never has to find the end of a message in a stream of bytes.
//!
//! Invariant: a descriptor that arrives is close-on-exec from its first
//! moment, and is closed if the caller does not take it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// The most descriptors one message carries.
pub const MAX_FDS: usize = 4;

/// A connected pair of sockets, close-on-exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one message with up to [`MAX_FDS`] descriptors, waiting for room.
/// Nothing is ever sent in part.
pub fn send(socket: impl AsFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(socket, message, fds, SendFlags::empty())
}

/// As [`send()`], to a reader that cannot make this process wait: where there
/// is no room, it fails with `WouldBlock`.
pub fn send_now(socket: impl AsFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(socket, message, fds, SendFlags::DONTWAIT)
}

fn send_with(
    socket: impl AsFd,
    message: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    if message.is_empty() || fds.len() > MAX_FDS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = retry_on_intr(|| {
        rustix::net::sendmsg(
            socket.as_fd(),
            &[IoSlice::new(message)],
            &mut control,
            SendFlags::NOSIGNAL | flags,
        )
    })?;
    if sent == message.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// One received message.
#[derive(Debug, Default)]
pub struct Message {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The descriptors that came with it.
    pub fds: Vec<OwnedFd>,
}

/// Receives one message of at most `limit` bytes, in a buffer of just its
/// size; `None` when the other end is closed. A longer one is an error.
pub fn receive(socket: impl AsFd, limit: usize) -> io::Result<Option<Message>> {
    receive_with(socket, limit, RecvFlags::empty())
}

/// As [`receive`], but waits for nothing: without a message it fails with
/// `WouldBlock`.
pub fn receive_now(socket: impl AsFd, limit: usize) -> io::Result<Option<Message>> {
    receive_with(socket, limit, RecvFlags::DONTWAIT)
}

fn receive_with(socket: impl AsFd, limit: usize, wait: RecvFlags) -> io::Result<Option<Message>> {
    let peek = RecvFlags::PEEK | RecvFlags::TRUNC | wait;
    let mut probe = [0_u8; 1];
    let (_, len) = match retry_on_intr(|| rustix::net::recv(socket.as_fd(), &mut probe, peek)) {
        Err(rustix::io::Errno::CONNRESET) => return Ok(None),
        other => other?,
    };
    if len == 0 {
        return Ok(None);
    }
    if len > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {len} bytes, more than {limit}"),
        ));
    }
    let mut bytes = vec![0; len];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = retry_on_intr(|| {
        rustix::net::recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC | wait,
        )
    })?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if got.bytes != len
        || got
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message was cut short",
        ));
    }
    Ok(Some(Message { bytes, fds }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::{PipeReader, Read, Write};
    use std::os::fd::AsFd;

    /// Sends more descriptors with one byte than anybody takes. They are
    /// copies of one end of a pipe, whose other end is returned: it comes to
    /// its end only when all of them are closed.
    pub(crate) fn flood(socket: impl AsFd) -> PipeReader {
        let (reader, writer) = io::pipe().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let many = [writer.as_fd(); 64];
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        let message = [IoSlice::new(b"x")];
        rustix::net::sendmsg(socket, &message, &mut control, SendFlags::empty()).unwrap();
        reader
    }

    #[test]
    fn messages_keep_their_bounds_and_carry_descriptors() {
        let (a, b) = pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        send(&a, b"one", &[]).unwrap();
        send(&a, b"two!", &[writer.as_fd()]).unwrap();
        drop(writer);
        assert_eq!(receive(&b, 16).unwrap().unwrap().bytes, b"one");
        let two = receive(&b, 16).unwrap().unwrap();
        assert_eq!((two.bytes.as_slice(), two.fds.len()), (&b"two!"[..], 1));
        let flags = rustix::io::fcntl_getfd(&two.fds[0]).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        std::fs::File::from(two.fds.into_iter().next().unwrap())
            .write_all(b"x")
            .unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        drop(a);
        assert!(receive(&b, 16).unwrap().is_none());
    }

    #[test]
    fn a_flood_of_descriptors_is_an_error_and_leaves_none_open() {
        let (a, b) = pair().unwrap();
        let mut copied = flood(&a);
        assert!(receive(&b, 16).is_err());
        assert_eq!(copied.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_reader_that_does_not_read_makes_nobody_wait() {
        let (a, _b) = pair().unwrap();
        let full = (0..10_000).find_map(|_| send_now(&a, &[0; 4096], &[]).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn nobody_waits_for_a_message_who_does_not_want_to() {
        let (a, b) = pair().unwrap();
        let none = receive_now(&b, 16).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        send(&a, b"one", &[]).unwrap();
        assert_eq!(receive_now(&b, 16).unwrap().unwrap().bytes, b"one");
        drop(a);
        assert!(receive_now(&b, 16).unwrap().is_none());
    }

    #[test]
    fn a_message_over_the_limit_is_an_error() {
        let (a, b) = pair().unwrap();
        send(&a, &[0; 17], &[]).unwrap();
        assert_eq!(
            receive(&b, 16).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
