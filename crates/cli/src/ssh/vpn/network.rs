//! The networks that `--vpn` names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address, and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

/// Where names are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolver {
    /// At the server's own.
    Servers,
    /// At this one, as the server reaches it.
    At(IpAddr),
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) networks: Vec<Network>,
    pub(crate) resolver: Option<Resolver>,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Network {
    /// Of one address.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self {
            address,
            prefix: if address.is_ipv4() { 32 } else { 128 },
        }
    }

    /// Reads `10.1.0.0/16`, `fd00::/8`, an address alone, or an IPv4 network
    /// short of the bytes that do not count: `10/8`, `0/0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(number(prefix)?)),
            None => (text, None),
        };
        let short = prefix.is_some() && !address.contains(':');
        let address = if short {
            IpAddr::V4(short_v4(address)?)
        } else {
            address.parse().ok()?
        };
        let whole = Self::of(address);
        let network = Self {
            address,
            prefix: prefix.unwrap_or(whole.prefix),
        };
        (network.prefix <= whole.prefix && network.masked() == address).then_some(network)
    }

    /// The address with the bits that count.
    fn masked(&self) -> IpAddr {
        let prefix = u32::from(self.prefix);
        match self.address {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                Ipv4Addr::from(u32::from(ip) & mask).into()
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                Ipv6Addr::from(u128::from(ip) & mask).into()
            }
        }
    }

    /// Whether `address` is in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let other = Self { address, ..*self };
        self.address.is_ipv4() == address.is_ipv4() && other.masked() == self.address
    }

    /// What is routed for it. The whole internet goes as its two halves: those
    /// win over a default route, which stays as it is.
    pub(crate) fn routed(self) -> Vec<Self> {
        if self.prefix > 0 {
            return vec![self];
        }
        let upper: IpAddr = match self.address {
            IpAddr::V4(_) => Ipv4Addr::new(128, 0, 0, 0).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0).into(),
        };
        let half = |address| Self { address, prefix: 1 };
        vec![half(self.address), half(upper)]
    }
}

/// A decimal number without signs or spaces.
fn number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// An IPv4 address that may lack its last bytes.
fn short_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let parts: Vec<_> = text.split('.').collect();
    if parts.len() > octets.len() {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(parts) {
        *octet = number(part)?;
    }
    Some(octets.into())
}

/// The list after `--vpn`: networks between commas. An error is the one that is none.
pub(crate) fn list(text: &str) -> Result<Vec<Network>, String> {
    let networks = text.split(',').map(|word| Network::parse(word).ok_or(word));
    networks.collect::<Result<_, _>>().map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap()
    }

    #[test]
    fn networks_are_read() {
        for (text, shown) in [
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("10/8", "10.0.0.0/8"),
            ("0/0", "0.0.0.0/0"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("fd00::/8", "fd00::/8"),
            ("::/0", "::/0"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(network(text).to_string(), shown);
        }
        for text in [
            "",
            "/",
            "10",
            "10.1.2.3/16",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "1.2.3.4.5/8",
            "host/8",
            "10.0.0.0/",
            "fd00::1/8",
            "300/8",
        ] {
            assert_eq!(Network::parse(text), None, "{text:?}");
        }
        assert_eq!(list("10/8,fd00::/8").unwrap().len(), 2);
        assert_eq!(list("10/8,x"), Err("x".to_owned()));
    }

    #[test]
    fn an_address_is_in_its_network() {
        assert!(network("10.1.0.0/16").contains("10.1.255.1".parse().unwrap()));
        assert!(!network("10.1.0.0/16").contains("10.2.0.1".parse().unwrap()));
        assert!(!network("0/0").contains("::1".parse().unwrap()));
        assert!(network("::/0").contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn everything_is_routed_by_halves() {
        let shown = |text| {
            network(text)
                .routed()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(shown("0/0"), ["0.0.0.0/1", "128.0.0.0/1"]);
        assert_eq!(shown("::/0"), ["::/1", "8000::/1"]);
        assert_eq!(shown("10/8"), ["10.0.0.0/8"]);
    }
}
