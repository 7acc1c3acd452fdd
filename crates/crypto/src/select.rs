//! Name lists: what is offered by default, what is supported, and the
//! `+`, `-` and `^` edits of the configuration files.

/// Key exchange methods that a client offers, in OpenSSH 10's order.
pub const KEX_CLIENT: &[&str] = &[
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
];

/// Key exchange methods that a server offers.
pub const KEX_SERVER: &[&str] = &[
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
];

/// Ciphers offered by both sides.
pub const CIPHERS_DEFAULT: &[&str] = &[
    "chacha20-poly1305@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
];

/// MACs offered by both sides.
pub const MACS_DEFAULT: &[&str] = &[
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
];

/// Compression methods of a client that was not asked to compress.
pub const COMPRESSION_DEFAULT: &[&str] = &["none", "zlib@openssh.com"];

/// Every key exchange method that is built, in the order of `ssh -Q kex`.
pub const KEX_SUPPORTED: &[&str] = &[
    "diffie-hellman-group1-sha1",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group-exchange-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "mlkem768x25519-sha256",
    "mlkem768nistp256-sha256",
];

/// Every cipher that is built.
pub const CIPHERS_SUPPORTED: &[&str] = &[
    "3des-cbc",
    "blowfish-cbc",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
];

/// Every MAC that is built.
pub const MACS_SUPPORTED: &[&str] = &[
    "hmac-sha1",
    "hmac-sha1-96",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-md5",
    "hmac-md5-96",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha1-96-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-md5-etm@openssh.com",
    "hmac-md5-96-etm@openssh.com",
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
];

/// Every compression method that is built.
pub const COMPRESSION_SUPPORTED: &[&str] = &["none", "zlib@openssh.com", "zlib"];

/// A name or pattern in a list that stands for nothing supported, or the
/// whole list if nothing is left of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownName(pub String);

impl core::fmt::Display for UnknownName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "unknown or empty algorithm list \"{}\"", self.0)
    }
}

impl core::error::Error for UnknownName {}

/// Applies a list from a configuration file to a default one:
///
/// - `a,b`: these alone, in this order;
/// - `+a,b`: after the default ones; `^a,b`: before them;
/// - `-a,b`: the default ones without these.
///
/// Each name may hold `*` and `?`. A name that stands for nothing supported
/// is an error, except after `-`.
pub fn edit(default: &[&str], supported: &[&str], spec: &str) -> Result<Vec<String>, UnknownName> {
    let unknown = |name: &str| UnknownName(name.to_owned());
    let mut out: Vec<&str> = Vec::new();
    if let Some(removed) = spec.strip_prefix('-') {
        let gone = |name: &str| removed.split(',').any(|pattern| matches(pattern, name));
        push_new(&mut out, default.iter().copied().filter(|name| !gone(name)));
    } else if let Some(added) = spec.strip_prefix('+') {
        push_new(&mut out, default.iter().copied());
        push_new(&mut out, expand(supported, added)?.into_iter());
    } else if let Some(first) = spec.strip_prefix('^') {
        push_new(&mut out, expand(supported, first)?.into_iter());
        push_new(&mut out, default.iter().copied());
    } else {
        push_new(&mut out, expand(supported, spec)?.into_iter());
    }
    if out.is_empty() {
        return Err(unknown(spec));
    }
    Ok(out.into_iter().map(str::to_owned).collect())
}

fn push_new<'a>(out: &mut Vec<&'a str>, names: impl Iterator<Item = &'a str>) {
    for name in names {
        if !out.contains(&name) {
            out.push(name);
        }
    }
}

/// The supported names that the patterns stand for, in the patterns' order.
fn expand<'a>(supported: &[&'a str], patterns: &str) -> Result<Vec<&'a str>, UnknownName> {
    let mut out = Vec::new();
    // A comma too many, as scripts leave it at the end, is no name.
    for pattern in patterns.split(',').filter(|p| !p.is_empty()) {
        let before = out.len();
        out.extend(
            supported
                .iter()
                .copied()
                .filter(|name| matches(pattern, name)),
        );
        if out.len() == before {
            return Err(UnknownName(pattern.to_owned()));
        }
    }
    if out.is_empty() {
        return Err(UnknownName(String::new()));
    }
    Ok(out)
}

/// `*` stands for any run of characters, `?` for any one. Runs in time
/// proportional to the product of the lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == b'?' || *c == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (p, n) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kex::KEXES;
    use crate::packet::{CIPHERS, MACS};

    #[test]
    fn lists_are_the_tables() {
        assert_eq!(
            KEXES.iter().map(|k| k.name).collect::<Vec<_>>(),
            KEX_SUPPORTED
        );
        assert_eq!(
            CIPHERS.iter().map(|c| c.name).collect::<Vec<_>>(),
            CIPHERS_SUPPORTED
        );
        assert_eq!(
            MACS.iter().map(|m| m.name).collect::<Vec<_>>(),
            MACS_SUPPORTED
        );
        for (defaults, all) in [
            (KEX_CLIENT, KEX_SUPPORTED),
            (KEX_SERVER, KEX_SUPPORTED),
            (CIPHERS_DEFAULT, CIPHERS_SUPPORTED),
            (MACS_DEFAULT, MACS_SUPPORTED),
            (COMPRESSION_DEFAULT, COMPRESSION_SUPPORTED),
        ] {
            assert!(defaults.iter().all(|name| all.contains(name)));
        }
    }

    #[test]
    fn edits() {
        let (default, all) = (&["b", "c"][..], &["a1", "a2", "b", "c", "d"][..]);
        let ok = |spec| edit(default, all, spec).unwrap().join(",");
        assert_eq!(ok("d,b"), "d,b");
        assert_eq!(ok("d,d,b,?"), "d,b,c");
        assert_eq!(ok("+d"), "b,c,d");
        assert_eq!(ok("+b,a*"), "b,c,a1,a2");
        assert_eq!(ok("^c"), "c,b");
        assert_eq!(ok("^a?,c"), "a1,a2,c,b");
        assert_eq!(ok("-b"), "c");
        assert_eq!(ok("-x*"), "b,c");
        assert_eq!(ok("b,"), "b");
        assert_eq!(ok("+,d,,a1"), "b,c,d,a1");
        for (spec, name) in [
            ("x", "x"),
            ("b,x", "x"),
            ("+x", "x"),
            ("^x,b", "x"),
            ("", ""),
            ("+", ""),
            (",", ""),
            ("-*", "-*"),
            ("!b", "!b"),
            ("a", "a"),
        ] {
            assert_eq!(
                edit(default, all, spec),
                Err(UnknownName(name.to_owned())),
                "{spec}"
            );
        }
    }

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("*", "", true),
            ("*", "x", true),
            ("a*c", "abc", true),
            ("a*c", "abcb", false),
            ("*-etm@*", "umac-64-etm@openssh.com", true),
            ("**a**", "xay", true),
            ("?", "", false),
            ("a?", "ab", true),
            ("ab", "a", false),
            ("a", "ab", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
