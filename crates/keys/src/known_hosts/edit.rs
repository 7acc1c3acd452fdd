//! Changing a known_hosts file the way `ssh-keygen -R`, `-F` and `-H` do.
//! Every byte of a line that is not meant stays as it is.

use carrick_crypto::rng::Rng;

use super::line::{self, Line, Marker, hash_host};
use crate::PublicKey;
use crate::public::is_key_type;
use crate::text::{chomp, numbered, split_word};

/// A file's new text and what happened to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The new text.
    pub text: Vec<u8>,
    /// Numbers (from 1, in the old text) of the lines removed or rewritten.
    pub changed: Vec<usize>,
    /// Lines that are broken. They are kept, but OpenSSH refuses to replace
    /// a file that has any.
    pub invalid: Vec<usize>,
    /// Lines with patterns that were asked to be hashed and cannot be.
    pub patterns: Vec<usize>,
}

/// A line that names the host that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its number, from 1.
    pub line: usize,
    /// Its marker.
    pub marker: Marker,
    /// The whole line, without its ending.
    pub text: &'a [u8],
    /// Its hosts field.
    pub hosts: &'a [u8],
    /// What follows the hosts field: type, key and comment.
    pub key: &'a [u8],
}

impl Found<'_> {
    /// The key and its comment.
    pub fn parse_key(&self) -> Result<(PublicKey, String), crate::KeyError> {
        let (key, comment) = PublicKey::from_line_bytes(self.key)?;
        Ok((key, String::from_utf8_lossy(comment).into_owned()))
    }

    /// The line with its names hashed, one line for each, as `-H -F` prints
    /// it; the line itself where hashing does not apply.
    pub fn hashed(&self, rng: &mut dyn Rng) -> Vec<u8> {
        let entry = Line::Entry {
            marker: self.marker,
            hosts: self.hosts,
            key: self.key,
        };
        match hash_line(entry, rng) {
            Hashing::Done(text) => text,
            Hashing::Kept | Hashing::Patterns => [self.text, b"\n"].concat(),
        }
    }
}

/// The lines that name `name`, which is matched against patterns and hashes
/// as it stands (`host` or `[host]:port`).
pub fn find<'a>(text: &'a [u8], name: &str) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for (number, raw) in numbered(text) {
        let text = chomp(raw);
        if let Line::Entry { marker, hosts, key } = Line::parse(text)
            && line::names(hosts, name) == Some(true)
        {
            found.push(Found {
                line: number,
                marker,
                text,
                hosts,
                key,
            });
        }
    }
    found
}

/// Removes the lines that name `name`. Authorities and revocations stay.
pub fn remove(text: &[u8], name: &str) -> Edited {
    let mut edited = Edited::default();
    for (number, raw) in numbered(text) {
        match parse(raw) {
            Line::Entry {
                marker: Marker::None,
                hosts,
                ..
            } if line::names(hosts, name) == Some(true) => {
                edited.changed.push(number);
                continue;
            }
            Line::Entry { hosts, .. } if line::names(hosts, name).is_none() => {
                edited.invalid.push(number);
            }
            Line::Invalid => edited.invalid.push(number),
            Line::Entry { .. } | Line::Blank => {}
        }
        edited.text.extend_from_slice(raw);
    }
    edited
}

/// Hashes all plain names. A line with several becomes several lines; lines
/// with patterns or markers, and hashed ones, stay.
pub fn hash_names(text: &[u8], rng: &mut dyn Rng) -> Edited {
    let mut edited = Edited::default();
    for (number, raw) in numbered(text) {
        let parsed = parse(raw);
        if parsed == Line::Invalid {
            edited.invalid.push(number);
        }
        match hash_line(parsed, rng) {
            Hashing::Done(lines) => {
                edited.changed.push(number);
                edited.text.extend_from_slice(&lines);
                continue;
            }
            Hashing::Patterns => edited.patterns.push(number),
            Hashing::Kept => {}
        }
        edited.text.extend_from_slice(raw);
    }
    edited
}

/// A line for editing: as OpenSSH, one whose key is of a type we do not know
/// counts as broken, and so keeps the file from being replaced.
fn parse(raw: &[u8]) -> Line<'_> {
    match Line::parse(chomp(raw)) {
        Line::Entry { key, .. }
            if !core::str::from_utf8(split_word(key).0).is_ok_and(is_key_type) =>
        {
            Line::Invalid
        }
        line => line,
    }
}

enum Hashing {
    Done(Vec<u8>),
    Patterns,
    Kept,
}

fn hash_line(line: Line<'_>, rng: &mut dyn Rng) -> Hashing {
    let Line::Entry { marker, hosts, key } = line else {
        return Hashing::Kept;
    };
    if !line::is_hashed(hosts) && line::has_patterns(hosts) {
        return Hashing::Patterns;
    }
    let names = match core::str::from_utf8(hosts) {
        Ok(names) if marker == Marker::None && !line::is_hashed(hosts) => names,
        _ => return Hashing::Kept,
    };
    let mut out = Vec::new();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        out.extend_from_slice(hash_host(name, rng).as_bytes());
        out.push(b' ');
        out.extend_from_slice(key);
        out.push(b'\n');
    }
    Hashing::Done(out)
}

/// The text to append for a new host: one line, or two when names are hashed
/// and the address is listed too. `name` and `address` are as
/// [`super::host_name`] gives them. `None` if a name cannot stand in a line.
///
/// `before` is the file's text so far: when it lacks its last newline, one
/// is put in front.
pub fn new_entry(
    before: &[u8],
    name: &str,
    address: Option<&str>,
    key: &PublicKey,
    hashed: Option<&mut dyn Rng>,
) -> Option<Vec<u8>> {
    if !core::iter::once(name)
        .chain(address)
        .all(line::is_plain_name)
    {
        return None;
    }
    let mut out = Vec::new();
    if before.last().is_some_and(|b| *b != b'\n') {
        out.push(b'\n');
    }
    let key = key.to_line("");
    let name = name.to_ascii_lowercase();
    let mut push = |hosts: &str| out.extend_from_slice(format!("{hosts} {key}\n").as_bytes());
    match (hashed, address) {
        (None, None) => push(&name),
        (None, Some(address)) => push(&format!("{name},{address}")),
        (Some(rng), address) => {
            push(&hash_host(&name, rng));
            if let Some(address) = address {
                push(&hash_host(address, rng));
            }
        }
    }
    Some(out)
}
