//! The conversation with a master: blocking, as there is nothing else to do.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use carrick_sys::fdstream;
use carrick_sys::signals::{Held, Number};
use carrick_wire::control::{self, Answer, Ask, Hello, VERSION};
use rustix::event::{PollFd, PollFlags, poll};

use crate::log::{debug, debug2, error};
use crate::text::os_error;

/// A control connection.
pub(super) struct Link {
    socket: UnixStream,
    input: Vec<u8>,
    next_id: u32,
    /// The master answers questions.
    pub(super) has_info: bool,
}

/// What came of waiting.
pub(super) enum Came {
    /// A message, without its frame.
    Message(Vec<u8>),
    /// The master has closed the connection.
    End,
    /// A signal that was held back.
    Signal(Number),
}

/// Something that is no answer.
pub(super) fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Link {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            input: Vec::new(),
            next_id: 0,
            has_info: false,
        }
    }

    /// The id of the next request.
    pub(super) fn id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Sends messages.
    pub(super) fn send(&mut self, asks: &[Ask<'_>]) -> io::Result<()> {
        let bytes: Vec<u8> = asks.iter().flat_map(control::frame).collect();
        self.socket.write_all(&bytes)
    }

    /// Hands over descriptors.
    pub(super) fn pass(&self, fds: &[&dyn AsFd]) -> io::Result<()> {
        fds.iter()
            .try_for_each(|fd| fdstream::send(&self.socket, fd.as_fd()))
    }

    /// Our HELLO is out: takes the master's, which may take no longer than
    /// `limit`. `None`: it is none that we can speak with, which was told.
    pub(super) fn greeted(&mut self, limit: Option<Duration>) -> Option<()> {
        // Where the time cannot be limited, it is not.
        let _ = self.socket.set_read_timeout(limit.filter(|t| !t.is_zero()));
        let message = self.receive();
        let _ = self.socket.set_read_timeout(None);
        let message = match message {
            Ok(message) => message,
            Err(e) => {
                debug!(
                    "mux_client_hello_exchange: read packet failed: {}",
                    os_error(&e)
                );
                return None;
            }
        };
        match Answer::decode(&message) {
            Ok(Answer::Hello(hello)) => self.hello(&hello),
            other => {
                error!("mux_client_hello_exchange: expected HELLO, got {other:?}");
                None
            }
        }
    }

    fn hello(&mut self, hello: &Hello<'_>) -> Option<()> {
        if hello.version != VERSION {
            error!(
                "Unsupported multiplexing protocol version {} (expected {VERSION})",
                hello.version
            );
            return None;
        }
        debug2!(
            "mux_client_hello_exchange: master version {}",
            hello.version
        );
        self.has_info = hello.has_info();
        Some(())
    }

    /// Waits for the next message. The end of the connection is an error.
    pub(super) fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(message);
            }
            if self.read()? == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
    }

    /// Waits for the next message, the end, or a signal.
    pub(super) fn wait(&mut self, signals: &Held) -> io::Result<Came> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(Came::Message(message));
            }
            let mut fds = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::new(signals, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            if let Some(signal) = signals.take() {
                return Ok(Came::Signal(signal));
            }
            let [socket, _] = fds;
            if !socket.revents().is_empty() && self.read()? == 0 {
                return Ok(Came::End);
            }
        }
    }

    fn whole(&mut self) -> io::Result<Option<Vec<u8>>> {
        let whole = control::split(&self.input).map_err(|e| nonsense(&e.to_string()))?;
        Ok(whole
            .map(|(message, len)| (message.to_vec(), len))
            .map(|(message, len)| {
                self.input.drain(..len);
                message
            }))
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut buf = [0; 4096];
        loop {
            match self.socket.read(&mut buf) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The master was killed with something of ours unread.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(0),
                other => {
                    let len = other?;
                    self.input
                        .extend_from_slice(buf.get(..len).unwrap_or_default());
                    return Ok(len);
                }
            }
        }
    }

    /// The connection, to be used for something else; nothing was read beyond
    /// the last message.
    pub(super) fn into_socket(self) -> Option<UnixStream> {
        self.input.is_empty().then_some(self.socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_greeted_or_left_alone() {
        let with = |bytes: &[u8]| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(bytes).unwrap();
            let mut link = Link::new(ours);
            let greeted = link.greeted(Some(Duration::from_millis(20)));
            (greeted.is_some(), link.has_info)
        };
        let hello =
            |extensions: &[(&str, &str)]| control::frame(&Answer::Hello(Hello::ours(extensions)));
        assert_eq!(with(&hello(&[])), (true, false));
        assert_eq!(with(&hello(&[control::INFO])), (true, true));
        let mut old = hello(&[]);
        old[11] = 3;
        for bad in [&old[..], &hello(&[])[..7], b"", b"SSH-2.0-x\r\n", &[0; 4]] {
            assert_eq!(with(bad), (false, false), "{bad:?}");
        }
    }
}
