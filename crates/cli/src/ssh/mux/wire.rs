//! A control connection at the master: frames and descriptors, as they come.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use carrick_sys::fdstream;
use carrick_wire::control::{self, Answer};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;

/// Read at once; frames are small.
const READ: usize = 4096;

/// Descriptors that may wait for the message that they belong to.
const DESCRIPTORS: usize = 3;

/// A control connection.
pub(super) struct Wire {
    socket: UnixStream,
    input: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

fn nonsense(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Wire {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            input: Vec::new(),
            fds: VecDeque::new(),
        }
    }

    /// The next message, without its frame; `None` at the end. Nothing is lost
    /// if the future is dropped.
    pub(super) async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let whole = control::split(&self.input).map_err(|e| nonsense(&e.to_string()))?;
            if let Some((message, len)) = whole {
                let message = message.to_vec();
                self.input.drain(..len);
                return Ok(Some(message));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The descriptors that follow a message, each with a byte; `None`: there
    /// are not so many.
    pub(super) async fn descriptors<const N: usize>(&mut self) -> io::Result<Option<[OwnedFd; N]>> {
        while self.input.len() < N {
            if !self.read().await? {
                return Ok(None);
            }
        }
        self.input.drain(..N);
        let fds: Vec<OwnedFd> = self.fds.drain(..N.min(self.fds.len())).collect();
        Ok(fds.try_into().ok())
    }

    /// Reads once; `false` at the end.
    async fn read(&mut self) -> io::Result<bool> {
        let (socket, mut came) = (&self.socket, Vec::new());
        let mut buf = [0; READ];
        let read = socket.async_io(Interest::READABLE, || {
            fdstream::receive(socket, &mut buf, &mut came)
        });
        let len = read.await?;
        self.fds.extend(came);
        if self.fds.len() > DESCRIPTORS {
            return Err(nonsense("descriptors that nobody asked for"));
        }
        self.input
            .extend_from_slice(buf.get(..len).unwrap_or_default());
        Ok(len > 0)
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, answer: &Answer<'_>) -> io::Result<()> {
        self.socket.write_all(&control::frame(answer)).await
    }

    /// The connection, and what was read of it beyond the last message.
    pub(super) fn into_inner(self) -> (UnixStream, Vec<u8>) {
        (self.socket, self.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_wire::control::Ask;

    fn pair() -> (std::os::unix::net::UnixStream, Wire) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, Wire::new(UnixStream::from_std(theirs).unwrap()))
    }

    #[tokio::test]
    async fn messages_and_descriptors_in_any_pieces() {
        use std::io::Write as _;
        let (mut peer, mut wire) = pair();
        let message = control::frame(&Ask::AliveCheck(7));
        let (first, second) = message.split_at(5);
        peer.write_all(first).unwrap();
        let waiting = tokio::spawn(async move {
            let message = wire.receive().await.unwrap().unwrap();
            assert_eq!(Ask::decode(&message), Ok(Ask::AliveCheck(7)));
            assert!(wire.descriptors::<2>().await.unwrap().is_some());
            let message = wire.receive().await.unwrap().unwrap();
            assert_eq!(Ask::decode(&message), Ok(Ask::Proxy(8)));
            assert!(wire.receive().await.unwrap().is_none());
        });
        tokio::task::yield_now().await;
        peer.write_all(second).unwrap();
        for _ in 0..2 {
            fdstream::send(&peer, rustix::stdio::stdin()).unwrap();
        }
        peer.write_all(&control::frame(&Ask::Proxy(8))).unwrap();
        drop(peer);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn bytes_without_descriptors_and_descriptors_without_end() {
        use std::io::Write as _;
        let (mut peer, mut wire) = pair();
        peer.write_all(&[0; 3]).unwrap();
        assert!(wire.descriptors::<3>().await.unwrap().is_none());
        for _ in 0..4 {
            fdstream::send(&peer, rustix::stdio::stdin()).unwrap();
        }
        assert!(wire.receive().await.is_err());
        let (mut peer, mut wire) = pair();
        peer.write_all(&[0xff; 8]).unwrap();
        assert!(wire.receive().await.is_err());
    }
}
