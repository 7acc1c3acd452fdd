//! The hosts that `ssh-keyscan` is told to ask, one argument or line each:
//! `HOST[,HOST...] [NAME[,NAME...]]`, or a network.

use core::net::{IpAddr, Ipv4Addr};

use crate::matching::Network;
use crate::text::{skip_blanks, split_word};

/// What one argument or line means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'a> {
    /// One host.
    Host(Host<'a>),
    /// Every address of a network; a lone address is one too.
    Network(Network),
}

/// One host under several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// Where it can be reached, comma-separated: tried in turn.
    pub places: &'a [u8],
    /// What it is called in what is written, comma-separated.
    pub names: &'a [u8],
}

/// A line of a file without its comment and what is blank around it.
pub fn without_comment(line: &[u8]) -> &[u8] {
    let line = line.split(|b| *b == b'#').next().unwrap_or_default();
    line.trim_ascii()
}

/// Reads an argument, or a line [`without_comment`]. `None` where it is blank.
pub fn entry(text: &[u8]) -> Option<Entry<'_>> {
    let text = skip_blanks(text);
    if let Some(network) = network(text) {
        return Some(Entry::Network(network));
    }
    let (places, rest) = split_word(text);
    if places.is_empty() {
        return None;
    }
    let rest = skip_blanks(rest);
    let names = if rest.is_empty() { places } else { rest };
    Some(Entry::Host(Host { places, names }))
}

/// `ADDRESS` or `ADDRESS/PREFIX`, with nothing set behind the prefix.
fn network(text: &[u8]) -> Option<Network> {
    let text = core::str::from_utf8(text).ok()?;
    let (base, prefix) = match text.split_once('/') {
        Some((base, prefix)) => (address(base)?, Some(prefix)),
        None => (address(text)?, None),
    };
    let prefix = match prefix {
        None if base.is_ipv4() => 32,
        None => 128,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    Network::new(base, prefix)
}

/// An address in any form that the system's resolver knows.
fn address(text: &str) -> Option<IpAddr> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => short_v4(text).map(IpAddr::V4),
    }
}

/// IPv4 as inet_aton(3) has it: one to four numbers, decimal, octal (`0...`)
/// or hexadecimal (`0x...`); the last fills all bytes that are left.
fn short_v4(text: &str) -> Option<Ipv4Addr> {
    let mut value: u32 = 0;
    let mut parts = text.split('.').peekable();
    let mut free = 32_u32;
    while let Some(part) = parts.next() {
        let number = c_number(part)?;
        let width = if parts.peek().is_some() { 8 } else { free };
        if width == 0 || number.checked_shr(width).unwrap_or(0) != 0 {
            return None;
        }
        free = free.checked_sub(width)?;
        value |= number << free;
    }
    Some(value.into())
}

/// A number as C writes it.
fn c_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host<'a>(places: &'a str, names: &'a str) -> Entry<'a> {
        Entry::Host(Host {
            places: places.as_bytes(),
            names: names.as_bytes(),
        })
    }

    /// The first addresses of a network, with what follows them.
    fn addresses(text: &str) -> Vec<String> {
        match entry(text.as_bytes()) {
            Some(Entry::Network(network)) => {
                network.addresses().take(4).map(|a| a.to_string()).collect()
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn hosts_and_their_names() {
        assert_eq!(
            entry(b"happy.example.org"),
            Some(host("happy.example.org", "happy.example.org"))
        );
        assert_eq!(
            entry(b"10.0.0.1,sad"),
            Some(host("10.0.0.1,sad", "10.0.0.1,sad"))
        );
        assert_eq!(entry(b" \ta,b \t c,d e"), Some(host("a,b", "c,d e")));
        assert_eq!(entry(b"::1 x"), Some(host("::1", "x")));
        assert_eq!(
            entry(b"fe80::1%eth0"),
            Some(host("fe80::1%eth0", "fe80::1%eth0"))
        );
        assert_eq!(entry(b""), None);
        assert_eq!(entry(b" \t"), None);
    }

    #[test]
    fn networks_as_the_resolver_reads_them() {
        assert_eq!(addresses("192.0.2.1"), ["192.0.2.1"]);
        assert_eq!(addresses("0:0::1"), ["::1"]);
        assert_eq!(addresses("192.168.16/28").len(), 4);
        assert_eq!(addresses("192.168.16/28")[0], "192.168.0.16");
        assert_eq!(addresses("127.1"), ["127.0.0.1"]);
        assert_eq!(addresses("0x7f.1"), ["127.0.0.1"]);
        assert_eq!(addresses("0177.0.0.01"), ["127.0.0.1"]);
        assert_eq!(addresses("2130726145"), ["127.0.77.1"]);
        assert_eq!(addresses("192.0.2.254/31"), ["192.0.2.254", "192.0.2.255"]);
    }

    #[test]
    fn what_is_no_network_is_a_name() {
        for text in [
            "192.0.2.1/30",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "1.2.3.4.5",
            "256.0.0.1",
            "1.2.3.256",
            "1..2",
            "0x",
            "08.0.0.1",
            "4294967296",
            ".",
            "1.",
            "::/129",
            "/8",
        ] {
            assert_eq!(entry(text.as_bytes()), Some(host(text, text)), "{text}");
        }
    }

    #[test]
    fn comments_and_line_ends_go() {
        assert_eq!(without_comment(b"  host name # home\r\n"), b"host name");
        assert_eq!(without_comment(b"host\r\n"), b"host");
        assert_eq!(without_comment(b"# all"), b"");
    }

    #[test]
    fn every_cut_and_every_flip_is_something_else() {
        for valid in [
            &b"10.0.0.0/8"[..],
            b"a.example,10.1 b,c",
            b"2001:db8::/32",
            b"0x7f.0.0.1",
        ] {
            for end in 0..=valid.len() {
                assert_eq!(entry(&valid[..end]).is_none(), end == 0);
            }
            for at in 0..valid.len() {
                for bit in 0..8 {
                    let mut flipped = valid.to_vec();
                    flipped[at] ^= 1 << bit;
                    // The case of a hexadecimal digit means nothing.
                    let same = entry(&flipped) == entry(valid);
                    assert!(!same || bit == 5, "{at} {bit}");
                }
            }
        }
    }
}
