//! Listening sockets, non-blocking and close-on-exec, as forwarding has them.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::Mode;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, sockopt,
};
use rustix::process::umask;

/// How many connections may wait to be accepted; the system's own bound
/// (`net.core.somaxconn`) holds as well. More than OpenSSH's, as connections
/// that find no room here wait for a second.
const BACKLOG: i32 = 1024;

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Making a socket: the system has none of that family.
    Socket,
    /// Removing what was in the way.
    Unlink,
    /// Giving it its address.
    Bind,
    /// Listening.
    Listen,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socket => "socket",
            Self::Unlink => "unlink",
            Self::Bind => "bind",
            Self::Listen => "listen",
        })
    }
}

/// Why nothing listens.
pub type Failure = (Step, io::Error);

fn at<T>(step: Step, outcome: rustix::io::Result<T>) -> Result<T, Failure> {
    outcome.map_err(|problem| (step, problem.into()))
}

/// Listens at `address`, of that family alone.
pub fn tcp(address: SocketAddr) -> Result<TcpListener, Failure> {
    tcp_at(address, true)
}

/// As [`tcp`], where no connection of one that listened there before may be
/// left, and nobody may listen beside us: for all addresses of a port that any
/// user can have.
pub fn tcp_alone(address: SocketAddr) -> Result<TcpListener, Failure> {
    tcp_at(address, false)
}

fn tcp_at(address: SocketAddr, reuse: bool) -> Result<TcpListener, Failure> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = at(
        Step::Socket,
        socket_with(family, SocketType::STREAM, flags, None),
    )?;
    // What fails here shows when the address is taken.
    let _ = sockopt::set_socket_reuseaddr(&socket, reuse);
    if address.is_ipv6() {
        let _ = sockopt::set_ipv6_v6only(&socket, true);
    }
    at(Step::Bind, bind(&socket, &address))?;
    at(Step::Listen, listen(&socket, BACKLOG))?;
    Ok(TcpListener::from(socket))
}

/// Listens at a Unix socket whose mode is 0777 without the bits of `mask`. With
/// `unlink` a file that is in the way is removed first.
///
/// The mask is set for the whole process meanwhile: no other thread should make
/// files.
pub fn unix(path: &Path, mask: u32, unlink: bool) -> Result<UnixListener, Failure> {
    if unlink
        && let Err(problem) = std::fs::remove_file(path)
        && problem.kind() != io::ErrorKind::NotFound
    {
        return Err((Step::Unlink, problem));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = at(
        Step::Socket,
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None),
    )?;
    let address = at(Step::Bind, SocketAddrUnix::new(path))?;
    let before = umask(Mode::from_bits_truncate(mask));
    let bound = bind(&socket, &address);
    umask(before);
    at(Step::Bind, bound)?;
    at(Step::Listen, listen(&socket, BACKLOG))?;
    Ok(UnixListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_port_is_taken_once() {
        let first = tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        TcpStream::connect(address).unwrap();
        let (step, problem) = tcp(address).unwrap_err();
        assert_eq!(
            (step, problem.kind()),
            (Step::Bind, io::ErrorKind::AddrInUse)
        );
        // Nobody waits: it does not block.
        first.accept().unwrap();
        assert_eq!(
            first.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }

    #[test]
    fn a_socket_has_its_mode_and_takes_a_place_only_if_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let first = unix(&path, 0o177, false).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (step, problem) = unix(&path, 0o177, false).unwrap_err();
        assert_eq!(
            (step, problem.kind()),
            (Step::Bind, io::ErrorKind::AddrInUse)
        );
        let second = unix(&path, 0o111, true).unwrap();
        UnixStream::connect(&path).unwrap();
        second.accept().unwrap();
        assert_eq!(
            first.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        let long = dir.path().join("x".repeat(200));
        assert_eq!(unix(&long, 0o177, true).unwrap_err().0, Step::Bind);
    }
}
