//! The listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use carrick_config::sshd::Options;
use carrick_config::words::AddressFamily;
use rustix::net::{SocketFlags, SocketType, bind, ipproto, listen, socket_with, sockopt};

use crate::log::{debug, error, info};

/// Connections that the kernel keeps until they are taken.
const BACKLOG: i32 = 128;

/// A socket with the address it listens on.
pub struct Listening {
    /// The socket, non-blocking.
    pub socket: OwnedFd,
    /// Its address.
    pub address: SocketAddr,
}

/// Listens on every address of the configuration that can be had.
pub fn all(options: &Options) -> Vec<Listening> {
    let mut out = Vec::new();
    for address in addresses(options) {
        match open(address) {
            Ok(socket) => {
                info!(
                    "Server listening on {} port {}.",
                    address.ip(),
                    address.port()
                );
                out.push(Listening { socket, address });
            }
            Err(problem) if problem.raw_os_error() == Some(NO_SUCH_FAMILY) => {
                debug!("cannot make a socket for {address}: {problem}");
            }
            Err(problem) => {
                let (port, ip) = (address.port(), address.ip());
                error!(
                    "Bind to port {port} on {ip} failed: {}.",
                    strerror(&problem)
                );
            }
        }
    }
    out
}

/// EAFNOSUPPORT.
const NO_SUCH_FAMILY: i32 = 97;

/// The text of an error without Rust's number behind it.
pub fn strerror(problem: &io::Error) -> String {
    let text = problem.to_string();
    text.split_once(" (os error")
        .map_or(text.clone(), |(text, _)| text.to_owned())
}

fn addresses(options: &Options) -> Vec<SocketAddr> {
    let wanted = |address: &SocketAddr| match options.address_family {
        AddressFamily::Inet => address.is_ipv4(),
        AddressFamily::Inet6 => address.is_ipv6(),
        AddressFamily::Any => true,
    };
    let mut out: Vec<SocketAddr> = Vec::new();
    for (address, port) in options.listeners() {
        let found: Vec<SocketAddr> = match address {
            None => [
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ]
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect(),
            Some(address) => match (address.host.as_str(), port).to_socket_addrs() {
                Ok(found) => found.collect(),
                Err(problem) => {
                    error!("bad addr or host: {} ({problem})", address.host);
                    Vec::new()
                }
            },
        };
        for address in found.into_iter().filter(wanted) {
            if !out.contains(&address) {
                out.push(address);
            }
        }
    }
    out
}

fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = rustix::net::SocketAddrAny::from(address).address_family();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}
