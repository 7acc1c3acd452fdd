//! The two ends of a connection, as logs and sessions name them.

use std::os::fd::AsFd;

use rustix::net::{SocketAddrAny, getpeername, getsockname};
use std::net::{IpAddr, SocketAddr};

/// What OpenSSH calls an end that has no address.
const UNKNOWN: (&str, u16) = ("UNKNOWN", 65535);

/// One end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: String,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// The far end of a socket; a pipe has none.
    pub fn far(socket: impl AsFd) -> Self {
        Self::of(getpeername(socket).ok().flatten())
    }

    /// The near end.
    pub fn near(socket: impl AsFd) -> Self {
        Self::of(getsockname(socket).ok())
    }

    fn of(address: Option<SocketAddrAny>) -> Self {
        match address.and_then(|address| SocketAddr::try_from(address).ok()) {
            Some(address) => Self {
                address: plain(address.ip()).to_string(),
                port: address.port(),
            },
            None => Self {
                address: UNKNOWN.0.to_owned(),
                port: UNKNOWN.1,
            },
        }
    }

    /// Whether it is on the internet.
    pub fn is_known(&self) -> bool {
        self.address != UNKNOWN.0
    }

    /// As messages between processes carry it.
    pub fn pair(&self) -> (String, u32) {
        (self.address.clone(), u32::from(self.port))
    }
}

/// An IPv4 address in the form of an IPv6 one counts as the former.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
