//! One line of a known_hosts file, and whether it names a host.

use base64ct::{Base64, Encoding};
use carrick_crypto::hash::{HashAlg, hmac};
use carrick_crypto::rng::Rng;

use crate::matching;
use crate::text::{is_blank, skip_blanks, split_word};

/// How a hashed name begins; salt and hash follow, `|` between them.
const HASH_MAGIC: &[u8] = b"|1|";
/// Bytes of salt and of hash: HMAC-SHA1's.
const HASH_LEN: usize = 20;

/// The marker in front of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// None: the key is the host's.
    None,
    /// `@cert-authority`: the key certifies such hosts.
    Authority,
    /// `@revoked`: the key must never be accepted for such hosts.
    Revoked,
}

/// A line, as far as its structure goes. All slices are of the line itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Empty, or a comment.
    Blank,
    /// Broken: no names, no key, or an unknown marker.
    Invalid,
    /// Names and a key (whose text has not been looked into).
    Entry {
        marker: Marker,
        hosts: &'a [u8],
        key: &'a [u8],
    },
}

impl<'a> Line<'a> {
    /// Takes a line apart; its ending must be off.
    pub(crate) fn parse(line: &'a [u8]) -> Self {
        let line = skip_blanks(line);
        if line.is_empty() || line.starts_with(b"#") {
            return Self::Blank;
        }
        let Some((marker, line)) = split_marker(line) else {
            return Self::Invalid;
        };
        let (hosts, rest) = split_word(line);
        let key = skip_blanks(rest);
        let (kind, encoded) = split_word(key);
        let encoded = skip_blanks(encoded);
        if hosts.is_empty()
            || kind.starts_with(b"#")
            || encoded.is_empty()
            || encoded.starts_with(b"#")
        {
            return Self::Invalid;
        }
        Self::Entry { marker, hosts, key }
    }
}

/// The marker and what follows; `None` for an unknown or a second one.
fn split_marker(line: &[u8]) -> Option<(Marker, &[u8])> {
    if !line.starts_with(b"@") {
        return Some((Marker::None, line));
    }
    let (word, rest) = split_word(line);
    let marker = match word {
        b"@cert-authority" => Marker::Authority,
        b"@revoked" => Marker::Revoked,
        _ => return None,
    };
    let rest = skip_blanks(rest);
    (!rest.starts_with(b"@")).then_some((marker, rest))
}

/// How a host is named in known_hosts: `host`, or `[host]:port` when the
/// port is not 22 (0 means "without a port"). Lower case.
pub fn host_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    match port {
        0 | 22 => host,
        port => format!("[{host}]:{port}"),
    }
}

/// Whether the hosts field is a hashed name.
pub(crate) fn is_hashed(hosts: &[u8]) -> bool {
    hosts.starts_with(b"|")
}

/// Whether the hosts field has patterns in it.
pub(crate) fn has_patterns(hosts: &[u8]) -> bool {
    hosts.iter().any(|b| b"*?!".contains(b))
}

/// Whether the hosts field names `name`; `None` if it is a broken hash.
pub(crate) fn names(hosts: &[u8], name: &str) -> Option<bool> {
    if !is_hashed(hosts) {
        return Some(matching::hostname(name, hosts).is_yes());
    }
    let rest = hosts.strip_prefix(HASH_MAGIC)?;
    let bar = rest.iter().position(|b| *b == b'|')?;
    let (salt, hash) = rest.split_at_checked(bar)?;
    let salt = decode_20(salt)?;
    let hash = decode_20(hash.strip_prefix(b"|")?)?;
    let lower = name.to_ascii_lowercase();
    Some(hmac(HashAlg::Sha1, &salt, lower.as_bytes()) == hash)
}

fn decode_20(text: &[u8]) -> Option<[u8; HASH_LEN]> {
    let mut out = [0; HASH_LEN];
    let decoded = Base64::decode(text, &mut out).ok()?;
    (decoded.len() == HASH_LEN).then_some(out)
}

/// Hashes a host name with a fresh salt: `|1|SALT|HASH`.
pub fn hash_host(name: &str, rng: &mut dyn Rng) -> String {
    let mut salt = [0; HASH_LEN];
    rng.fill(&mut salt);
    let hash = hmac(HashAlg::Sha1, &salt, name.to_ascii_lowercase().as_bytes());
    format!(
        "|1|{}|{}",
        Base64::encode_string(&salt),
        Base64::encode_string(&hash)
    )
}

/// Whether a name can stand in a hosts field and means itself there: a host
/// that calls itself `*` must not be written down.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let odd = |b: u8| is_blank(b) || b.is_ascii_control() || b",*?!|".contains(&b);
    !name.is_empty() && !name.starts_with(['#', '@']) && !name.bytes().any(odd)
}
