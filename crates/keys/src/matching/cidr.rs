//! Lists of addresses and networks (`10.0.0.0/8`, `2001:db8::/32`).

use core::fmt;
use core::net::IpAddr;

use super::{Match, pattern};

/// An item of an address list that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressListError {
    /// Two commas in a row, or nothing at all.
    EmptyItem,
    /// Not an address or a network.
    NotANetwork {
        /// The item.
        item: String,
    },
    /// The prefix is longer than the address, or bits are set behind it.
    BadPrefix {
        /// The item.
        item: String,
    },
}

impl fmt::Display for AddressListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyItem => f.write_str("empty item in address list"),
            Self::NotANetwork { item } => write!(f, "{item:?} is not an address or network"),
            Self::BadPrefix { item } => write!(f, "prefix length does not fit network {item:?}"),
        }
    }
}

impl core::error::Error for AddressListError {}

/// An address with the number of leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

impl Network {
    /// Parses `ADDRESS` or `ADDRESS/PREFIX`.
    pub fn parse(item: &str) -> Result<Self, AddressListError> {
        let not_a_network = || AddressListError::NotANetwork {
            item: item.to_owned(),
        };
        let (address, prefix) = match item.split_once('/') {
            None => (item, None),
            Some((address, digits)) => {
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(not_a_network());
                }
                let prefix = digits.parse::<u32>().ok().filter(|p| *p <= 128);
                (address, Some(prefix.ok_or_else(not_a_network)?))
            }
        };
        let base: IpAddr = address.parse().map_err(|_| not_a_network())?;
        Self::new(base, prefix.unwrap_or(width(base))).ok_or_else(|| AddressListError::BadPrefix {
            item: item.to_owned(),
        })
    }

    /// The network of `base` with `prefix` leading bits; `None` where the
    /// prefix is too long for it, or bits are set behind it.
    pub fn new(base: IpAddr, prefix: u32) -> Option<Self> {
        let width = width(base);
        let fits = prefix <= width && bits(base) & !mask(prefix, width) == 0;
        fits.then_some(Self { base, prefix })
    }

    /// All its addresses, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (base, width) = (self.base, width(self.base));
        let first = bits(base);
        (first..=first | mask(width, width) & !mask(self.prefix, width)).map(move |bits| {
            match u32::try_from(bits) {
                Ok(v4) if base.is_ipv4() => IpAddr::V4(v4.into()),
                _ => IpAddr::V6(bits.into()),
            }
        })
    }

    /// Whether `address` is inside. IPv4 and IPv6 never match each other.
    pub fn contains(&self, address: IpAddr) -> bool {
        let width = width(self.base);
        self.base.is_ipv4() == address.is_ipv4()
            && bits(address) & mask(self.prefix, width) == bits(self.base)
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// `prefix` ones followed by zeros, `width` bits in all.
fn mask(prefix: u32, width: u32) -> u128 {
    let all = u128::MAX.checked_shr(128 - width).unwrap_or(0);
    all & u128::MAX.checked_shl(width - prefix).unwrap_or(0)
}

/// Matches an address against a list of networks, with `!` negation and, for
/// items that are not networks, wildcards over the address's text. Without
/// an address only the list itself is checked.
pub fn address_list(address: Option<&str>, list: &str) -> Result<Match, AddressListError> {
    let parsed: Option<IpAddr> = match address {
        None => None,
        Some(text) => match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(_) => return Ok(Match::No),
        },
    };
    let mut answer = Match::No;
    for item in list.split(',') {
        let (negated, item) = match item.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, item),
        };
        if item.is_empty() {
            return Err(AddressListError::EmptyItem);
        }
        let found = match Network::parse(item) {
            Ok(network) => parsed.is_some_and(|a| network.contains(a)),
            Err(bad @ AddressListError::BadPrefix { .. }) => return Err(bad),
            Err(_) => address.is_some_and(|text| pattern(text, item)),
        };
        if found && negated {
            return Ok(Match::Negated);
        }
        if found {
            answer = Match::Yes;
        }
    }
    Ok(answer)
}

/// Whether an address is in a list of plain networks (the `source-address`
/// option of certificates): no wildcards, no negation.
pub fn cidr_list(address: Option<IpAddr>, list: &str) -> Result<bool, AddressListError> {
    let mut found = false;
    for item in list.split(',') {
        if item.is_empty() {
            return Err(AddressListError::EmptyItem);
        }
        let network = Network::parse(item)?;
        found |= address.is_some_and(|a| network.contains(a));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.168.1.1", "192.168.1.1", "192.168.1.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "fe80::1", "1.2.3.4"),
        ] {
            let net = Network::parse(net).expect("a network");
            assert!(net.contains(inside.parse().expect("address")));
            assert!(!net.contains(outside.parse().expect("address")));
        }
    }

    #[test]
    fn bad_networks_are_named() {
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "::1/127"] {
            assert!(
                matches!(Network::parse(bad), Err(AddressListError::BadPrefix { .. })),
                "{bad}"
            );
        }
        for bad in [
            "",
            "host",
            "10.0.0.0/",
            "10.0.0.0/x",
            "10.0.0.0/129",
            "10.0.0.0/+8",
            "1.2.3/8",
        ] {
            assert!(
                matches!(
                    Network::parse(bad),
                    Err(AddressListError::NotANetwork { .. })
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn addresses_are_all_there_and_in_order() {
        let all = |net: &str| -> Vec<String> {
            let net = Network::parse(net).expect("a network");
            net.addresses().take(5).map(|a| a.to_string()).collect()
        };
        assert_eq!(all("192.0.2.254/31"), ["192.0.2.254", "192.0.2.255"]);
        assert_eq!(all("255.255.255.255"), ["255.255.255.255"]);
        assert_eq!(all("0.0.0.0/0").len(), 5);
        assert_eq!(all("::/0")[4], "::4");
        assert_eq!(
            all("2001:db8::fffe/127"),
            ["2001:db8::fffe", "2001:db8::ffff"]
        );
    }

    #[test]
    fn lists_prefer_networks_and_fall_back_to_wildcards() {
        let check = |list| address_list(Some("192.0.2.7"), list);
        assert_eq!(check("192.0.2.0/24"), Ok(Match::Yes));
        assert_eq!(check("192.0.2.0/24,!192.0.2.7"), Ok(Match::Negated));
        assert_eq!(check("192.0.*"), Ok(Match::Yes));
        assert_eq!(check("*.example.com"), Ok(Match::No));
        assert_eq!(check("192.0.2.0/24,"), Err(AddressListError::EmptyItem));
        assert!(check("192.0.2.7/24").is_err());
        assert_eq!(address_list(Some("UNKNOWN"), "*"), Ok(Match::No));
        assert_eq!(address_list(None, "10.0.0.0/8"), Ok(Match::No));
    }

    #[test]
    fn cidr_lists_are_strict() {
        let here = Some("192.0.2.7".parse().expect("address"));
        assert_eq!(cidr_list(here, "10.0.0.0/8,192.0.2.0/24"), Ok(true));
        assert_eq!(cidr_list(here, "10.0.0.0/8"), Ok(false));
        assert!(cidr_list(here, "192.0.2.*").is_err());
        assert!(cidr_list(None, "!10.0.0.0/8").is_err());
    }
}
