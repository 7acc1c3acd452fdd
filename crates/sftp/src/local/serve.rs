//! A conversation over two descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, write};

use crate::server::{Backend, Broken, Input, Journal, Output, Server};

/// How a conversation ended.
#[derive(Debug)]
pub enum End {
    /// The client closed its side.
    Eof,
    /// The client broke the protocol.
    Broken(Broken),
    /// Its messages could not be read.
    Read(io::Error),
    /// Answers could not be written.
    Write(io::Error),
}

/// Answers what comes from `from` until that ends. Much is read at once, all
/// of it handled, and the answers written together; nothing is read while they
/// cannot be written.
pub fn serve<B: Backend, J: Journal>(
    server: &mut Server<B, J>,
    from: impl AsFd,
    to: impl AsFd,
) -> End {
    let (mut input, mut out) = (Input::default(), Output::default());
    loop {
        loop {
            let handled = server.handle(&mut input, &mut out);
            if let Err(problem) = write_all(to.as_fd(), out.bytes()) {
                return End::Write(problem);
            }
            match handled {
                Err(broken) => return End::Broken(broken),
                Ok(()) if out.is_empty() => break,
                Ok(()) => out.clear(),
            }
        }
        match waiting(from.as_fd(), PollFlags::IN, || {
            read(&from, &mut *input.room())
        }) {
            Ok(0) => return End::Eof,
            Ok(count) => input.filled(count),
            Err(problem) => return End::Read(problem),
        }
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = waiting(to, PollFlags::OUT, || write(to, bytes))?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// Does something until it neither is interrupted nor would have to wait:
/// whoever started this process may have made the descriptor so.
fn waiting<T>(
    fd: BorrowedFd<'_>,
    until: PollFlags,
    mut work: impl FnMut() -> rustix::io::Result<T>,
) -> io::Result<T> {
    loop {
        match work() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&fd, until)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            },
            result => return Ok(result?),
        }
    }
}
