//! How much waits in a connection's socket: what has come and is not read, and
//! what is to go and has not left.
//!
//! More than a little of either does not speed up bulk data, and a keystroke's
//! echo would wait behind all of it.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt;

#[cfg(target_os = "linux")]
use crate::socket::set_option;

/// Bytes that a connection's socket holds beyond what is on its way.
const UNSENT: u32 = 128 * 1024;

/// As [`UNSENT`], while somebody types: bulk data gets slower by it.
const UNSENT_TYPING: u32 = 64 * 1024;

/// Bytes that have come and wait to be read: what a local path needs.
const UNREAD: usize = 128 * 1024;

/// A path with a longer round trip needs more than [`UNREAD`], and the system
/// finds out how much.
const SHORT: Duration = Duration::from_millis(2);

/// Keeps short what is to go (TCP_NOTSENT_LOWAT). Nothing happens where the
/// system has no such option.
pub fn keep_unsent_low(socket: impl AsFd) -> io::Result<()> {
    limit_unsent(socket, UNSENT)
}

fn limit_unsent(socket: impl AsFd, most: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    set_option(
        socket,
        libc::IPPROTO_TCP,
        libc::TCP_NOTSENT_LOWAT,
        &most.to_ne_bytes(),
    )?;
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, most);
    Ok(())
}

/// The queues of a connection on which somebody may type beside bulk data.
#[derive(Debug)]
pub struct Queues {
    socket: OwnedFd,
    short_path: bool,
}

impl Queues {
    /// Of a TCP connection that has nothing to do yet: how long its path is can
    /// be measured only now.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            short_path: round_trip(&socket)?.is_some_and(|trip| trip < SHORT),
            socket,
        })
    }

    /// Somebody begins to type, or has stopped.
    ///
    /// On a path so short that this does not leave the line empty what has come
    /// is kept short too, and stays so: the system cannot be asked to find out
    /// for itself again. It takes a tenth or so of a single stream's speed.
    pub fn set_typing(&self, typing: bool) -> io::Result<()> {
        limit_unsent(&self.socket, if typing { UNSENT_TYPING } else { UNSENT })?;
        if typing && self.short_path {
            // The kernel doubles it.
            sockopt::set_socket_recv_buffer_size(&self.socket, UNREAD)?;
        }
        Ok(())
    }
}

/// The round trip of a TCP connection, as the system measures it; `None` where
/// it does not tell.
#[cfg(target_os = "linux")]
fn round_trip(socket: impl AsFd) -> io::Result<Option<Duration>> {
    // SAFETY: it is made of numbers, for which zeros will do.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = libc::socklen_t::try_from(size_of_val(&info)).map_err(io::Error::other)?;
    let socket = socket.as_fd().as_raw_fd();
    let (at, len) = ((&raw mut info).cast(), &raw mut len);
    // SAFETY: the kernel writes `len` bytes at most, which is what `info` has
    // room for, and numbers again.
    let r = unsafe { libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, at, len) };
    if r != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(Duration::from_micros(info.tcpi_rtt.into())))
}

/// Nobody is asked here yet.
#[cfg(not(target_os = "linux"))]
fn round_trip(_: impl AsFd) -> io::Result<Option<Duration>> {
    Ok(None)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn unsent(socket: impl AsFd) -> u32 {
        let mut value = 0_u32;
        let mut len = libc::socklen_t::try_from(size_of_val(&value)).unwrap();
        let socket = socket.as_fd().as_raw_fd();
        let (at, len) = ((&raw mut value).cast(), &raw mut len);
        // SAFETY: the kernel writes the number that there is room for.
        let r = unsafe {
            libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, at, len)
        };
        assert_eq!(r, 0);
        value
    }

    #[test]
    fn they_are_short_while_somebody_types() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(round_trip(&stream).unwrap().unwrap() > Duration::ZERO);
        keep_unsent_low(&stream).unwrap();
        assert_eq!(unsent(&stream), UNSENT);
        for short_path in [false, true] {
            let queues = Queues {
                socket: stream.as_fd().try_clone_to_owned().unwrap(),
                short_path,
            };
            let before = sockopt::socket_recv_buffer_size(&stream).unwrap();
            queues.set_typing(true).unwrap();
            assert_eq!(unsent(&stream), UNSENT_TYPING);
            let bound = if short_path { 2 * UNREAD } else { before };
            assert_eq!(sockopt::socket_recv_buffer_size(&stream).unwrap(), bound);
            queues.set_typing(false).unwrap();
            assert_eq!(unsent(&stream), UNSENT);
        }
    }

    #[test]
    fn what_is_no_tcp_connection_has_none() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        Queues::new(one.into()).unwrap_err();
    }
}
