//! One connection that is being made: its addresses in turn.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carrick_sys::socket::{self, Connect};

use super::News;
use crate::listener::bind::strerror;
use crate::log::{debug, error};
use crate::rpc::broker::Answer;
use crate::rpc::forward::Refusal;

/// A connection that is not made yet.
pub struct Dialling {
    id: u32,
    host: String,
    port: u16,
    /// Being connected; `None` while the name is looked up.
    socket: Option<OwnedFd>,
    /// To be tried after it.
    rest: VecDeque<SocketAddr>,
}

/// How it goes on.
pub enum Next {
    /// It is still to be waited for.
    Wait(Dialling),
    /// It came to an end.
    Done(News),
}

fn failed(id: u32, why: String) -> News {
    (Answer::NotDialled((id, Refusal::Failed(why))), None)
}

/// Connects to a Unix socket: that works at once, or not at all.
pub fn unix(id: u32, path: &[u8]) -> News {
    let path = Path::new(OsStr::from_bytes(path));
    match socket::connect_unix(path) {
        Ok(socket) => (Answer::Dialled(id), Some(socket)),
        Err(problem) => {
            let why = strerror(&problem);
            error!("connect to {} port -2 failed: {why}", path.display());
            failed(id, why)
        }
    }
}

impl Dialling {
    /// One whose addresses are not known yet.
    pub fn new(id: u32, host: &str, port: u16) -> Self {
        Self {
            id,
            host: host.to_owned(),
            port,
            socket: None,
            rest: VecDeque::new(),
        }
    }

    /// The worker's number for it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Can be written to once it is connected, or has failed.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// The addresses, or why there are none.
    pub fn found(mut self, outcome: Result<Vec<SocketAddr>, String>) -> Next {
        match outcome {
            Ok(addresses) => {
                self.rest = addresses.into();
                let none = io::Error::from(io::ErrorKind::AddrNotAvailable);
                self.next_address(none)
            }
            Err(why) => {
                error!("connect_to {}: unknown host ({why})", self.host);
                Next::Done(failed(self.id, why))
            }
        }
    }

    /// The connect has come to something.
    pub fn ready(mut self) -> Next {
        let Some(socket) = self.socket.take() else {
            return Next::Wait(self);
        };
        match socket::outcome(&socket) {
            Ok(()) => self.connected(socket),
            Err(problem) => self.next_address(problem),
        }
    }

    fn connected(self, socket: OwnedFd) -> Next {
        // Better small packets than late ones.
        let _ = socket::set_nodelay(&socket);
        Next::Done((Answer::Dialled(self.id), Some(socket)))
    }

    /// Tries the next address that there is; `last` is what was wrong with the
    /// one before.
    fn next_address(mut self, mut last: io::Error) -> Next {
        while let Some(address) = self.rest.pop_front() {
            match socket::begin(address, &Connect::default()) {
                Ok((socket, true)) => return self.connected(socket),
                Ok((socket, false)) => {
                    self.socket = Some(socket);
                    return Next::Wait(self);
                }
                Err(problem) => {
                    debug!(
                        "connect_next: host {} ([{}]:{}): {}",
                        self.host,
                        address.ip(),
                        address.port(),
                        strerror(&problem)
                    );
                    last = problem;
                }
            }
        }
        error!("connect_to {} port {}: failed.", self.host, self.port);
        Next::Done(failed(self.id, strerror(&last)))
    }
}
