//! One connection: its bytes, and how far its present request has come.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use carrick_keys::agent::{Peer, Pending, Response};
use carrick_wire::Encode as _;
use rustix::event::PollFlags;
use zeroize::{Zeroize as _, Zeroizing};

use super::jobs::Ticket;

/// How much is read at once.
const READ: usize = 16 * 1024;

/// How far the present request has come. The next one is looked at when this
/// one is answered and the answer has been taken: a client that does not read
/// is not read from.
pub(super) enum State {
    /// There is none.
    Idle,
    /// It is brought again at that time.
    Held {
        until: Duration,
        message: Zeroizing<Vec<u8>>,
    },
    /// Its answer goes out at that time.
    Late { at: Duration, answer: Response },
    /// Something is done for it outside.
    Working { pending: Pending, _ticket: Ticket },
}

/// A connection.
pub(super) struct Client {
    /// Never used again for another.
    pub(super) id: u64,
    socket: UnixStream,
    pub(super) peer: Peer,
    pub(super) state: State,
    output: Vec<u8>,
    sent: usize,
}

impl Client {
    pub(super) fn new(id: u64, socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            id,
            socket,
            peer: Peer::new(),
            state: State::Idle,
            output: Vec::new(),
            sent: 0,
        })
    }

    fn has_output(&self) -> bool {
        self.sent < self.output.len()
    }

    /// Whether the next request may be taken.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.state, State::Idle) && !self.has_output()
    }

    /// What to wait for on its socket. Its end is told in any case.
    pub(super) fn interest(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        if self.is_free() && !self.peer.is_ready() {
            flags |= PollFlags::IN;
        }
        if self.has_output() {
            flags |= PollFlags::OUT;
        }
        flags
    }

    /// When something happens by itself, since boot.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.state {
            State::Held { until: at, .. } | State::Late { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Reads once. `false`: the client is gone.
    pub(super) fn read(&mut self) -> io::Result<bool> {
        let mut buf = [0; READ];
        match self.socket.read(&mut buf) {
            Ok(0) => Ok(false),
            Ok(n) => {
                let got = buf.get_mut(..n).unwrap_or_default();
                self.peer.received(got);
                got.zeroize();
                Ok(true)
            }
            Err(e) if is_transient(&e) => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Puts an answer out.
    pub(super) fn answer(&mut self, response: &Response) {
        self.state = State::Idle;
        carrick_wire::Writer::new(&mut self.output).sub(|w| response.encode(w));
    }

    /// Writes once what is to be written.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let Some(rest) = self.output.get(self.sent..).filter(|r| !r.is_empty()) else {
            return Ok(());
        };
        match self.socket.write(rest) {
            Ok(n) => self.sent += n,
            Err(e) if is_transient(&e) => {}
            Err(e) => return Err(e),
        }
        if !self.has_output() {
            self.output.clear();
            // A long list is not kept for ever.
            self.output.shrink_to(READ);
            self.sent = 0;
        }
        Ok(())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn is_transient(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
