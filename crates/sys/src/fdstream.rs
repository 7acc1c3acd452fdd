//! Descriptors in a stream of bytes between programs that are not ours alone:
//! each travels with one byte of an `AF_UNIX` stream (control sockets, proxy
//! commands). Between processes of one program use [`crate::fdpass`].
//!
//! Invariant: a descriptor that arrives is close-on-exec from its first
//! moment, and is closed if the caller does not take it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// The most descriptors that one read takes; a sender that attaches more to
/// one byte is refused.
const MAX_FDS: usize = 4;

/// Sends one zero byte with `fd` attached.
pub fn send(socket: impl AsFd, fd: impl AsFd) -> io::Result<()> {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = retry_on_intr(|| {
        let byte = [IoSlice::new(&[0])];
        rustix::net::sendmsg(socket.as_fd(), &byte, &mut control, SendFlags::NOSIGNAL)
    })?;
    if sent == 1 {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Reads once, and adds the descriptors that came to `fds`: how many bytes, 0
/// at the end.
pub fn receive(socket: impl AsFd, buf: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = retry_on_intr(|| {
        rustix::net::recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(&mut *buf)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut came = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            came.extend(rights);
        }
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        let why = "more descriptors than anybody asked for";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    fds.append(&mut came);
    Ok(got.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fdpass::tests::flood;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    #[test]
    fn descriptors_come_between_bytes() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        a.write_all(b"one").unwrap();
        send(&a, &writer).unwrap();
        send(&a, &writer).unwrap();
        a.write_all(b"two").unwrap();
        drop((a, writer));
        let (mut bytes, mut fds) = (Vec::new(), Vec::new());
        let mut buf = [0; 64];
        loop {
            match receive(&b, &mut buf, &mut fds).unwrap() {
                0 => break,
                n => bytes.extend_from_slice(&buf[..n]),
            }
        }
        assert_eq!((bytes.as_slice(), fds.len()), (&b"one\0\0two"[..], 2));
        let flags = rustix::io::fcntl_getfd(&fds[0]).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        drop(fds);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_flood_of_descriptors_is_an_error_and_leaves_none_open() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut copied = flood(&a);
        assert!(receive(&b, &mut [0; 16], &mut Vec::new()).is_err());
        assert_eq!(copied.read(&mut [0]).unwrap(), 0);
    }
}
