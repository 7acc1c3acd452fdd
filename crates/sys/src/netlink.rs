//! Routes and addresses of this machine's network, through the kernel's
//! rtnetlink (rtnetlink(7)).
//!
//! Not by way of the program `ip`: it need not be installed, its words are not
//! an interface, and an error here has a number.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, send,
    socket_with,
};

/// A line to the kernel.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// The next hop of a route, as the kernel puts it: the kind of the attribute,
/// and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `RTA_GATEWAY`, or `RTA_VIA` for one of the other address family.
    pub kind: u16,
    /// The address.
    pub bytes: Vec<u8>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub target: IpAddr,
    /// How much of it counts, in bits.
    pub prefix: u8,
    /// Through which interface, by its number.
    pub interface: u32,
    /// By whom, unless everybody is within reach.
    pub via: Option<Via>,
    /// From which of our addresses.
    pub source: Option<IpAddr>,
}

/// Messages (linux/rtnetlink.h).
const NEWLINK: u16 = 16;
const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const ERROR: u16 = 2;
/// Flags (linux/netlink.h).
const REQUEST: u16 = 0x01;
const ACK: u16 = 0x04;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
/// Attributes of links, addresses and routes.
const LINK_MTU: u16 = 4;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const ROUTE_TARGET: u16 = 1;
const ROUTE_INTERFACE: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;
const ROUTE_SOURCE: u16 = 7;
const ROUTE_VIA: u16 = 18;
/// Of an address: it is nobody else's, and is used at once.
const NO_DETECTION: u8 = 0x02;
const MAIN_TABLE: u8 = 254;
const BY_ADMINISTRATOR: u8 = 4;
const UNIVERSE: u8 = 0;
const ON_LINK: u8 = 253;
const NOWHERE: u8 = 255;
const UNICAST: u8 = 1;
/// Length of a message's header.
const HEADER: usize = 16;
/// And of the fixed part of a route.
const ROUTE: usize = 12;
/// Answers are short.
const ANSWER: usize = 16 * 1024;

fn family(ip: IpAddr) -> u8 {
    let family = if ip.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    family.as_raw().to_le_bytes()[0]
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// A message that is being written.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        Self(bytes)
    }

    /// Adds an attribute: at most an address or a number.
    fn attribute(&mut self, kind: u16, bytes: &[u8]) {
        let len = u16::try_from(bytes.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(len.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0
    }
}

/// The attributes in `bytes`.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = bytes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

impl Netlink {
    /// Opens it.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        // The protocol for routes has the number 0.
        Ok(Self {
            socket: socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?,
            sequence: 0,
        })
    }

    /// Sends a message and takes the one answer: its kind and what follows the
    /// header. An error is what the kernel says.
    fn ask(&mut self, message: Vec<u8>) -> io::Result<(u16, Vec<u8>)> {
        send(&self.socket, &message, SendFlags::empty())?;
        let mut answer = vec![0; ANSWER];
        let bad = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "unexpected answer of the kernel",
            )
        };
        loop {
            let (len, _) = match recv(&self.socket, answer.as_mut_slice(), RecvFlags::empty()) {
                Ok(received) => received,
                Err(Errno::INTR) => continue,
                Err(problem) => return Err(problem.into()),
            };
            let got = answer.get(..len).ok_or_else(bad)?;
            let (header, _) = got.split_first_chunk::<HEADER>().ok_or_else(bad)?;
            let number = |at: usize| {
                u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
            };
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            if number(8) != self.sequence {
                continue;
            }
            let end = usize::try_from(number(0)).map_err(|_| bad())?;
            let body = got.get(HEADER..end).ok_or_else(bad)?;
            if kind == ERROR {
                let code = body.first_chunk::<4>().ok_or_else(bad)?;
                match i32::from_ne_bytes(*code) {
                    0 => {}
                    code => return Err(io::Error::from_raw_os_error(code.saturating_neg())),
                }
            }
            return Ok((kind, body.to_vec()));
        }
    }

    fn message(&mut self, kind: u16, flags: u16, body: &[u8]) -> Message {
        self.sequence = self.sequence.wrapping_add(1);
        Message::new(kind, REQUEST | flags, self.sequence, body)
    }

    /// The number of the interface `name`.
    pub fn interface(&self, name: &str) -> io::Result<u32> {
        Ok(netdevice::name_to_index(&self.socket, name)?)
    }

    /// Switches an interface on, for packets of up to `mtu` bytes.
    pub fn set_up(&mut self, interface: u32, mtu: u32) -> io::Result<()> {
        let up = libc::IFF_UP.cast_unsigned();
        let mut body = vec![0; 4];
        for number in [interface, up, up] {
            body.extend(number.to_ne_bytes());
        }
        let mut message = self.message(NEWLINK, ACK, &body);
        message.attribute(LINK_MTU, &mtu.to_ne_bytes());
        self.ask(message.finish()).map(drop)
    }

    /// Gives an interface an address, of nothing but itself.
    pub fn add_address(&mut self, interface: u32, address: IpAddr) -> io::Result<()> {
        let (bits, flags) = match address {
            IpAddr::V4(_) => (32, 0),
            IpAddr::V6(_) => (128, NO_DETECTION),
        };
        let mut body = vec![family(address), bits, flags, UNIVERSE];
        body.extend(interface.to_ne_bytes());
        let mut message = self.message(NEWADDR, ACK | CREATE | EXCLUSIVE, &body);
        message.attribute(LOCAL, &octets(address));
        message.attribute(ADDRESS, &octets(address));
        self.ask(message.finish()).map(drop)
    }

    fn route(&mut self, kind: u16, flags: u16, scope: u8, route: &Route) -> io::Result<()> {
        let body = [
            family(route.target),
            route.prefix,
            0,
            0,
            MAIN_TABLE,
            BY_ADMINISTRATOR,
            scope,
            UNICAST,
            0,
            0,
            0,
            0,
        ];
        let mut message = self.message(kind, ACK | flags, &body);
        message.attribute(ROUTE_TARGET, &octets(route.target));
        message.attribute(ROUTE_INTERFACE, &route.interface.to_ne_bytes());
        if let Some(via) = &route.via {
            message.attribute(via.kind, &via.bytes);
        }
        if let Some(source) = route.source {
            message.attribute(ROUTE_SOURCE, &octets(source));
        }
        self.ask(message.finish()).map(drop)
    }

    /// Adds a route. One that is there already is an error.
    pub fn add_route(&mut self, route: &Route) -> io::Result<()> {
        let scope = if route.via.is_some() || route.target.is_ipv6() {
            UNIVERSE
        } else {
            ON_LINK
        };
        self.route(NEWROUTE, CREATE | EXCLUSIVE, scope, route)
    }

    /// Removes a route.
    pub fn remove_route(&mut self, route: &Route) -> io::Result<()> {
        self.route(DELROUTE, 0, NOWHERE, route)
    }

    /// The way that a packet to `target` goes now, as a route to it alone.
    /// `None`: it stays in this machine.
    pub fn way_to(&mut self, target: IpAddr) -> io::Result<Option<Route>> {
        let bits = if target.is_ipv4() { 32 } else { 128 };
        let mut body = vec![0; ROUTE];
        body[..2].copy_from_slice(&[family(target), bits]);
        let mut message = self.message(GETROUTE, 0, &body);
        message.attribute(ROUTE_TARGET, &octets(target));
        let (_, answer) = self.ask(message.finish())?;
        if answer.get(7) != Some(&UNICAST) {
            return Ok(None);
        }
        let mut route = Route {
            target,
            prefix: bits,
            interface: 0,
            via: None,
            source: None,
        };
        for (kind, bytes) in attributes(answer.get(ROUTE..).unwrap_or_default()) {
            match kind {
                ROUTE_INTERFACE => {
                    let number = bytes.first_chunk().copied().unwrap_or_default();
                    route.interface = u32::from_ne_bytes(number);
                }
                ROUTE_GATEWAY | ROUTE_VIA => {
                    let bytes = bytes.to_vec();
                    route.via = Some(Via { kind, bytes });
                }
                _ => {}
            }
        }
        Ok((route.interface != 0).then_some(route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_stays_in_this_machine() {
        let mut line = Netlink::open().unwrap();
        assert!(line.interface("lo").unwrap() > 0);
        assert_eq!(line.way_to("127.0.0.1".parse().unwrap()).unwrap(), None);
        let absent = line.interface("no-such-interface").unwrap_err();
        assert_eq!(absent.raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn attributes_are_cut_off_where_they_are_cut() {
        let mut message = Message::new(NEWROUTE, 0, 1, &[]);
        message.attribute(ROUTE_GATEWAY, &[1, 2, 3, 4]);
        message.attribute(ROUTE_INTERFACE, &[5]);
        let bytes = message.finish();
        let bytes = &bytes[HEADER..];
        let all: Vec<_> = attributes(bytes).collect();
        assert_eq!(
            all,
            [(ROUTE_GATEWAY, &[1, 2, 3, 4][..]), (ROUTE_INTERFACE, &[5])]
        );
        for len in 0..bytes.len() {
            assert!(attributes(&bytes[..len]).count() <= 2);
        }
        assert_eq!(attributes(&[0, 0, 1, 0, 9, 9]).count(), 0);
    }
}
