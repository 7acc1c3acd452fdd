//! Which local addresses a forwarding listens at, by OpenSSH's rules: for a
//! client's `-L`, and for a server on behalf of a client's `-R`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Who may choose other than the loopback addresses (GatewayPorts).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// Nobody: loopback addresses only.
    Loopback,
    /// Whoever asks, and all addresses where nothing is asked for.
    All,
    /// Whoever asks, and loopback addresses where nothing is asked for.
    Asked,
    /// All addresses, whatever is asked for.
    Always,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// At the loopback addresses.
    Loopback,
    /// At all addresses.
    Any,
    /// At the addresses that this name or number stands for.
    Named(String),
}

impl At {
    /// What `asked` (`None`: no address was given) comes to.
    pub fn new(asked: Option<&str>, gateway: Gateway) -> Self {
        let Some(asked) = asked else {
            return match gateway {
                Gateway::All | Gateway::Always => Self::Any,
                Gateway::Loopback | Gateway::Asked => Self::Loopback,
            };
        };
        match (gateway, asked) {
            (Gateway::Always, _) => Self::Any,
            // Allowed to everybody, so that one family can be chosen.
            (_, "127.0.0.1" | "::1") => Self::Named(asked.to_owned()),
            (Gateway::Loopback, _) => Self::Loopback,
            (_, "" | "*") => Self::Any,
            // Not looked up: it stands for both families.
            (_, "localhost") => Self::Loopback,
            _ => Self::Named(asked.to_owned()),
        }
    }

    /// The addresses, in the order in which they are tried; `None` for a name
    /// that is no number and has to be looked up. `ipv4` keeps one family.
    pub fn addresses(&self, port: u16, ipv4: Option<bool>) -> Option<Vec<SocketAddr>> {
        let all: Vec<IpAddr> = match self {
            Self::Loopback => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
            Self::Any => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            Self::Named(name) => vec![name.parse().ok()?],
        };
        let wanted = |ip: &IpAddr| ipv4.is_none_or(|ipv4| ip.is_ipv4() == ipv4);
        let addresses = all.into_iter().filter(wanted);
        Some(addresses.map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_listen_where() {
        use Gateway::{All, Always, Asked, Loopback};
        let named = |name: &str| At::Named(name.to_owned());
        for (asked, gateway, at) in [
            (None, Loopback, At::Loopback),
            (None, Asked, At::Loopback),
            (None, All, At::Any),
            (Some(""), Loopback, At::Loopback),
            (Some("*"), Asked, At::Any),
            (Some(""), All, At::Any),
            (Some("192.0.2.1"), Loopback, At::Loopback),
            (Some("192.0.2.1"), Asked, named("192.0.2.1")),
            (Some("192.0.2.1"), Always, At::Any),
            (Some("127.0.0.1"), Loopback, named("127.0.0.1")),
            (Some("::1"), Asked, named("::1")),
            (Some("::1"), Always, At::Any),
            (Some("localhost"), All, At::Loopback),
        ] {
            assert_eq!(At::new(asked, gateway), at, "{asked:?} {gateway:?}");
        }
    }

    #[test]
    fn families() {
        let text = |at: At, ipv4| {
            let all = at.addresses(7, ipv4).unwrap();
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(text(At::Loopback, None), ["[::1]:7", "127.0.0.1:7"]);
        assert_eq!(text(At::Any, None), ["0.0.0.0:7", "[::]:7"]);
        assert_eq!(text(At::Loopback, Some(true)), ["127.0.0.1:7"]);
        assert_eq!(text(At::Any, Some(false)), ["[::]:7"]);
        assert_eq!(text(At::Named("192.0.2.1".into()), None), ["192.0.2.1:7"]);
        assert_eq!(At::Named("example.org".into()).addresses(7, None), None);
    }
}
