//! What worker and broker say of forwarding: where the peer wants to go, and
//! where it wants to be reached.

use super::field::{choice, record};

/// The most connections that are being made at a time, name lookups included.
/// A worker waits with more.
pub const DIALS: usize = 512;

/// The most listeners of one connection.
pub const LISTENERS: usize = 128;

choice! {
    /// Where to.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Place {
        /// A host as the peer named it, and a port.
        0 = Tcp((String, u32)),
        /// The path of a Unix socket.
        1 = Unix(Vec<u8>),
    }
}

record! {
    /// Connect there.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Dial {
        /// The worker's number for it, unused so far.
        pub id: u32,
        /// Where to.
        pub to: Place,
        /// Where the peer says that it came from, for the log.
        pub from: (String, u32),
    }
}

record! {
    /// Open a network device for a tunnel.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Tunnel {
        /// As of a [`Dial`], of which it is one more.
        pub id: u32,
        /// 1 for IP packets, 2 for Ethernet frames.
        pub mode: u32,
        /// The device's number.
        pub unit: u32,
    }
}

record! {
    /// Listen there.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Listen {
        /// The worker's number for it, unused so far.
        pub id: u32,
        /// Where.
        pub at: Place,
    }
}

choice! {
    /// Why not.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Refusal {
        /// It is not allowed.
        0 = Prohibited,
        /// It did not work, for this reason.
        1 = Failed(String),
        /// There are too many.
        2 = TooMany,
    }
}

record! {
    /// A connection to a listener; its descriptor comes with this.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Visitor {
        /// The listener.
        pub listener: u32,
        /// Where it came from; of a Unix socket nothing is known.
        pub from: Option<(String, u32)>,
    }
}

choice! {
    /// GatewayPorts.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Gateway {
        /// Loopback addresses only.
        0 = No,
        /// All addresses, always.
        1 = Yes,
        /// As the client says.
        2 = ClientSpecified,
    }
}

record! {
    /// What the configuration says on forwarding, DisableForwarding included.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rules {
        /// Connections to TCP ports.
        pub tcp_local: bool,
        /// Listening at TCP ports.
        pub tcp_remote: bool,
        /// Connections to Unix sockets.
        pub unix_local: bool,
        /// Listening at Unix sockets.
        pub unix_remote: bool,
        /// Tunnels of IP packets (PermitTunnel).
        pub tunnel_ip: bool,
        /// Tunnels of Ethernet frames.
        pub tunnel_ethernet: bool,
        /// Where connections may go: host and port, of which `*` and 0 stand
        /// for any (PermitOpen); `None`: anywhere.
        pub permit_open: Option<Vec<(String, u32)>>,
        /// The same for where may be listened (PermitListen).
        pub permit_listen: Option<Vec<(String, u32)>>,
        /// Who chooses the addresses.
        pub gateway: Gateway,
        /// IPv4 only, or IPv6 only (AddressFamily).
        pub ipv4: Option<bool>,
        /// Bits that the modes of Unix sockets do not get.
        pub bind_mask: u32,
        /// Whether a file in the way of a Unix socket is removed.
        pub bind_unlink: bool,
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::round_trip;
    use super::*;

    #[test]
    fn messages_survive_the_line() {
        for to in [Place::Tcp(("h".into(), 80)), Place::Unix(b"/s".to_vec())] {
            let dial = Dial {
                id: 1,
                to: to.clone(),
                from: ("127.0.0.1".into(), 2),
            };
            assert_eq!(round_trip(&dial), dial);
            let listen = Listen { id: 3, at: to };
            assert_eq!(round_trip(&listen), listen);
        }
        let tunnel = Tunnel {
            id: 1,
            mode: 2,
            unit: 3,
        };
        assert_eq!(round_trip(&tunnel), tunnel);
        for refusal in [
            Refusal::Prohibited,
            Refusal::Failed("x".into()),
            Refusal::TooMany,
        ] {
            assert_eq!(round_trip(&refusal), refusal);
        }
        for from in [None, Some(("::1".to_owned(), 7))] {
            let visitor = Visitor { listener: 4, from };
            assert_eq!(round_trip(&visitor), visitor);
        }
        let rules = Rules {
            tcp_local: true,
            tcp_remote: false,
            unix_local: true,
            unix_remote: false,
            tunnel_ip: true,
            tunnel_ethernet: false,
            permit_open: Some(vec![("*".into(), 80)]),
            permit_listen: None,
            gateway: Gateway::ClientSpecified,
            ipv4: Some(true),
            bind_mask: 0o177,
            bind_unlink: true,
        };
        assert_eq!(round_trip(&rules), rules);
    }
}
