//! The known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which keys a
//! host is known by.

mod edit;
mod line;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use edit::{Edited, Found, find, hash_names, new_entry, remove};
pub use line::{Marker, hash_host, host_name};

use crate::text::{chomp, numbered};
use crate::{PublicKey, algorithm};
use line::Line;

/// The texts of the known_hosts files that are consulted, in order.
///
/// Lines are looked into only when they name the host in question: files may
/// have tens of thousands of them.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    files: Vec<(Arc<str>, Vec<u8>)>,
}

/// A key that a line gives for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file, as it was named to [`KnownHosts::add`].
    pub file: Arc<str>,
    /// The line's number, from 1.
    pub line: usize,
    /// The marker in front of it.
    pub marker: Marker,
    /// The key.
    pub key: PublicKey,
}

/// A line that names the host but cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file, as it was named to [`KnownHosts::add`].
    pub file: Arc<str>,
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// What the files say about a host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The key is listed for the host here.
    Match(&'a Entry),
    /// Other keys are listed for the host, and this one is not. `offending`
    /// is the entry to show: one of the key's own type if there is one.
    Changed {
        /// The entry in the way.
        offending: &'a Entry,
        /// All plain keys listed.
        known: Vec<&'a Entry>,
    },
    /// Nothing is listed for the host.
    Unknown,
    /// The key is revoked for the host here.
    Revoked(&'a Entry),
}

/// The entries that name one host.
#[derive(Debug, Clone, Default)]
pub struct HostKeys {
    entries: Vec<Entry>,
    bad: Vec<BadLine>,
}

impl KnownHosts {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// One file.
    pub fn parse(text: &[u8], file: &str) -> Self {
        let mut hosts = Self::new();
        hosts.add(text, file);
        hosts
    }

    /// Adds a file's text behind the others.
    pub fn add(&mut self, text: &[u8], file: &str) {
        self.files.push((Arc::from(file), text.to_vec()));
    }

    /// The entries that name a host, which is as [`host_name`] gives it, an
    /// alias, or an address. A host reached on a port other than 22 may also
    /// be known without it: ask twice.
    pub fn for_host(&self, name: &str) -> HostKeys {
        let mut found = HostKeys::default();
        for (file, text) in &self.files {
            for (number, raw) in numbered(text) {
                let Line::Entry { marker, hosts, key } = Line::parse(chomp(raw)) else {
                    continue;
                };
                let (file, line) = (file.clone(), number);
                let reason = match line::names(hosts, name) {
                    Some(false) => continue,
                    None => "invalid hashed host name".to_owned(),
                    Some(true) => match PublicKey::from_line_bytes(key) {
                        Ok((key, _)) => {
                            found.entries.push(Entry {
                                file,
                                line,
                                marker,
                                key,
                            });
                            continue;
                        }
                        Err(e) => e.to_string(),
                    },
                };
                found.bad.push(BadLine { file, line, reason });
            }
        }
        found
    }

    /// Where else a key is listed: file, line and the names there, hashed
    /// ones as they stand. Lines with markers do not count.
    pub fn other_names(&self, key: &PublicKey) -> Vec<(Arc<str>, usize, String)> {
        let mut found = Vec::new();
        for (file, text) in &self.files {
            for (number, raw) in numbered(text) {
                let Line::Entry {
                    marker: Marker::None,
                    hosts,
                    key: text,
                } = Line::parse(chomp(raw))
                else {
                    continue;
                };
                if PublicKey::from_line_bytes(text).is_ok_and(|(k, _)| k == *key) {
                    let hosts = String::from_utf8_lossy(hosts).into_owned();
                    found.push((file.clone(), number, hosts));
                }
            }
        }
        found
    }
}

impl HostKeys {
    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The lines that name the host but cannot be used.
    pub fn bad_lines(&self) -> &[BadLine] {
        &self.bad
    }

    fn with(&self, marker: Marker) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |e| e.marker == marker)
    }

    /// What they say about `key`. Revocation comes before everything. A
    /// certificate is looked up by its authority.
    pub fn lookup(&self, key: &PublicKey) -> Lookup<'_> {
        let authority = match key {
            PublicKey::Certificate(cert) => Some(&cert.authority),
            _ => None,
        };
        let is_it = |e: &&Entry| {
            e.key == *key || e.key == *key.plain() || authority.is_some_and(|ca| *ca == e.key)
        };
        if let Some(revoked) = self.with(Marker::Revoked).find(is_it) {
            return Lookup::Revoked(revoked);
        }
        if let Some(ca) = authority {
            let found = self.with(Marker::Authority).find(|e| e.key == *ca);
            return found.map_or(Lookup::Unknown, Lookup::Match);
        }
        let known: Vec<&Entry> = self.with(Marker::None).collect();
        if let Some(found) = known.iter().find(|e| e.key == *key) {
            return Lookup::Match(found);
        }
        let same_type = known.iter().find(|e| e.key.key_type() == key.key_type());
        match same_type.or(known.last()) {
            Some(offending) => Lookup::Changed { offending, known },
            None => Lookup::Unknown,
        }
    }

    /// Whether an authority is listed, so that certificates are of use.
    pub fn has_authority(&self) -> bool {
        self.with(Marker::Authority).next().is_some()
    }

    /// Puts the host key algorithms that the known keys can answer first,
    /// keeping the order otherwise, so that a known host is asked for the
    /// key it is known by. If the first choice is among them, nothing moves.
    pub fn order_algorithms(&self, configured: &[impl AsRef<str>]) -> Vec<String> {
        let known = |name: &str| {
            let plain = algorithm::find(name).and_then(|a| algorithm::find(a.signature));
            plain.is_some_and(|a| {
                self.with(Marker::None)
                    .any(|e| e.key.key_type() == a.key_type)
            })
        };
        let wanted = |name: &str| {
            let cert = algorithm::find(name).is_some_and(|a| a.certificate);
            (cert && self.has_authority()) || known(name)
        };
        let names = configured.iter().map(AsRef::as_ref);
        if configured.first().is_some_and(|best| known(best.as_ref())) {
            return names.map(str::to_owned).collect();
        }
        let (mut first, last): (Vec<String>, Vec<String>) =
            names.map(str::to_owned).partition(|name| wanted(name));
        first.extend(last);
        first
    }
}
