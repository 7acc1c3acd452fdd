//! Client sockets: connecting with a time limit, source address and
//! interface, and the options a connection wants.

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with, sockopt,
};

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct Connect {
    /// Source address.
    pub bind: Option<IpAddr>,
    /// Interface to go out by (SO_BINDTODEVICE).
    pub interface: Option<String>,
    /// Time allowed for this one address.
    pub timeout: Option<Duration>,
    /// Type of service, set before the handshake so that it counts for it too.
    pub tos: Option<u8>,
}

/// Connects to `address`. The stream is non-blocking, and the connect itself
/// is waited for with poll, so a time limit holds to the millisecond.
pub fn connect_to(address: SocketAddr, how: &Connect) -> io::Result<TcpStream> {
    let (socket, connected) = begin(address, how)?;
    if !connected {
        wait_connected(&socket, how.timeout)?;
    }
    Ok(TcpStream::from(socket))
}

/// Begins to connect to `address`: the non-blocking socket, and whether it is
/// connected already. Otherwise it can be written to once it is, or has failed:
/// [`outcome`] tells.
pub fn begin(address: SocketAddr, how: &Connect) -> io::Result<(OwnedFd, bool)> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    if let Some(interface) = &how.interface {
        bind_to_interface(&socket, interface)?;
    }
    if let Some(source) = how.bind {
        bind(&socket, &SocketAddr::new(source, 0))?;
    }
    if let Some(tos) = how.tos {
        // As with OpenSSH, a kernel that refuses the value is no reason to fail.
        let _ = set_tos(&socket, address.is_ipv4(), tos);
    }
    match connect(&socket, &address) {
        Ok(()) => Ok((socket, true)),
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, false)),
        Err(e) => Err(e.into()),
    }
}

/// How a connect that [`begin`] began came out.
pub fn outcome(socket: impl AsFd) -> io::Result<()> {
    Ok(sockopt::socket_error(socket)??)
}

/// A non-blocking stream to a Unix socket. Connecting to one never waits: where
/// it would have to, it fails.
pub fn connect_unix(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Waits until a non-blocking connect has succeeded or failed.
fn wait_connected(socket: &OwnedFd, timeout: Option<Duration>) -> io::Result<()> {
    let deadline = timeout.map(|t| Instant::now() + t);
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let mut fds = [PollFd::new(socket, PollFlags::OUT)];
        match poll(
            &mut fds,
            left.and_then(|d| Timespec::try_from(d).ok()).as_ref(),
        ) {
            Ok(0) => return Err(Errno::TIMEDOUT.into()),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    outcome(socket)
}

/// SO_BINDTODEVICE.
fn bind_to_interface(socket: &OwnedFd, interface: &str) -> io::Result<()> {
    let name = CString::new(interface)?;
    set_option(
        socket,
        libc::SOL_SOCKET,
        libc::SO_BINDTODEVICE,
        name.as_bytes_with_nul(),
    )
}

/// An option that rustix does not have.
pub(crate) fn set_option(
    socket: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let r = unsafe { libc::setsockopt(socket, level, name, value.as_ptr().cast(), len) };
    if r == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Small writes go out at once.
pub fn set_nodelay(socket: impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(socket, true)?)
}

/// TCP keepalives.
pub fn set_keepalive(socket: impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_socket_keepalive(socket, true)?)
}

/// The type of service (IPv4) or traffic class (IPv6).
pub fn set_tos(socket: impl AsFd, ipv4: bool, tos: u8) -> io::Result<()> {
    if ipv4 {
        Ok(sockopt::set_ip_tos(socket, tos)?)
    } else {
        Ok(sockopt::set_ipv6_tclass(socket, u32::from(tos))?)
    }
}

/// The addresses of interface `name` (BindInterface).
pub fn interface_addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    addresses(|this, _| this == name.as_bytes())
}

/// The addresses of all interfaces that are up, loopback excepted
/// (`Match localnetwork`).
pub fn all_addresses() -> io::Result<Vec<IpAddr>> {
    let up = libc::IFF_UP.cast_unsigned();
    let loopback = libc::IFF_LOOPBACK.cast_unsigned();
    addresses(|_, flags| flags & up != 0 && flags & loopback == 0)
}

/// The addresses of the interfaces that `wanted` (name, flags) takes.
fn addresses(wanted: impl Fn(&[u8], u32) -> bool) -> io::Result<Vec<IpAddr>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `list` is a valid out pointer; the result is freed below.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut at = list;
    while !at.is_null() {
        // SAFETY: `at` is a node of the list getifaddrs made, not freed yet.
        let node = unsafe { &*at };
        // SAFETY: ifa_name is a NUL-terminated string owned by the list.
        let this = unsafe { std::ffi::CStr::from_ptr(node.ifa_name) };
        if !node.ifa_addr.is_null() && wanted(this.to_bytes(), node.ifa_flags) {
            // SAFETY: a non-null ifa_addr is a sockaddr of the family it names.
            if let Some(ip) = unsafe { ip_of(node.ifa_addr) } {
                found.push(ip);
            }
        }
        at = node.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs and is freed once; nothing borrows from it.
    unsafe { libc::freeifaddrs(list) };
    Ok(found)
}

/// The IP address in a sockaddr.
///
/// # Safety
/// `sa` points to a sockaddr of the size its family has.
unsafe fn ip_of(sa: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: every sockaddr starts with its family.
    match i32::from(unsafe { (*sa).sa_family }) {
        libc::AF_INET => {
            // SAFETY: AF_INET means sockaddr_in; unaligned reads are allowed here.
            let sin = unsafe { sa.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::from(sin.sin_addr.s_addr.to_ne_bytes()))
        }
        libc::AF_INET6 => {
            // SAFETY: AF_INET6 means sockaddr_in6.
            let sin6 = unsafe { sa.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::from(sin6.sin6_addr.s6_addr))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn connects_with_options() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let how = Connect {
            bind: Some("127.0.0.1".parse().unwrap()),
            timeout: Some(Duration::from_secs(5)),
            tos: Some(0xb8),
            interface: None,
        };
        let stream = connect_to(listener.local_addr().unwrap(), &how).unwrap();
        set_nodelay(&stream).unwrap();
        set_keepalive(&stream).unwrap();
        assert_eq!(sockopt::ip_tos(&stream).unwrap(), 0xb8);
        assert!(stream.local_addr().unwrap().ip().is_loopback());
    }

    #[test]
    fn a_closed_port_refuses() {
        // Bound so that nobody else takes the port, and listening to nobody:
        // a closed listener may live on in a child that another test forks.
        let flags = SocketFlags::CLOEXEC;
        let bound = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        bind(&bound, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let port = rustix::net::getsockname(&bound).unwrap();
        let port = SocketAddr::try_from(port).unwrap();
        let error = connect_to(port, &Connect::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn loopback_has_its_address() {
        let all = interface_addresses("lo").unwrap();
        assert!(all.contains(&"127.0.0.1".parse().unwrap()));
        assert!(interface_addresses("no-such-interface").unwrap().is_empty());
        assert!(all_addresses().unwrap().iter().all(|ip| !ip.is_loopback()));
    }
}
