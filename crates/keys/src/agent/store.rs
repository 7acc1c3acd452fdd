//! The keys that an agent holds, in the order they came.

use std::sync::Arc;
use std::time::Duration;

use super::destination::Destination;
use crate::{PrivateKey, PublicKey};

/// Where a key's private half is, and so who signs with it.
///
/// Only the first kind signs in the agent's own process. For the others a
/// signature is a [`Task`](super::Task): the agent's driver hands it to a
/// helper process and goes on serving, and the helper's answer comes back
/// through [`Agent::resume`](super::Agent::resume). A new kind of holder needs
/// a variant here, a `Task` that carries what its helper must know, and a
/// place where entries with it are made (`server.rs`).
pub(super) enum Holder {
    /// Here, in memory.
    Memory(PrivateKey),
    /// A FIDO authenticator, which the middleware at `provider` speaks to
    /// (`internal` for what is built in; none was told with older clients).
    Fido {
        /// The public half and the handle.
        key: Arc<PrivateKey>,
        /// The middleware.
        provider: Option<String>,
    },
    /// A token behind the PKCS#11 library at `provider`.
    Token {
        /// The library.
        provider: String,
    },
}

/// A key with all that is known of it.
pub(super) struct Entry {
    /// The key, or its certificate.
    pub(super) public: PublicKey,
    /// Its blob, by which it is found.
    pub(super) blob: Vec<u8>,
    pub(super) comment: Vec<u8>,
    pub(super) holder: Holder,
    /// Time since boot from which it is gone.
    pub(super) expires: Option<Duration>,
    /// The user is asked at each use.
    pub(super) confirm: bool,
    pub(super) destinations: Vec<Destination>,
}

impl Entry {
    /// The PKCS#11 library that it came from.
    fn token(&self) -> Option<&str> {
        match &self.holder {
            Holder::Token { provider } => Some(provider),
            _ => None,
        }
    }

    /// The comment as text.
    pub(super) fn name(&self) -> String {
        String::from_utf8_lossy(&self.comment).into_owned()
    }
}

#[derive(Default)]
pub(super) struct Store {
    entries: Vec<Entry>,
}

impl Store {
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(super) fn find(&self, blob: &[u8]) -> Option<&Entry> {
        self.entries.iter().find(|e| e.blob == blob)
    }

    /// Puts a key at the end, or in the place of the one it is.
    pub(super) fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|e| e.blob == entry.blob) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
    }

    pub(super) fn remove(&mut self, blob: &[u8]) {
        self.entries.retain(|e| e.blob != blob);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Removes all keys of a PKCS#11 library.
    pub(super) fn remove_token(&mut self, provider: &str) {
        self.entries.retain(|e| e.token() != Some(provider));
    }

    /// Removes the keys whose time is over, and names them.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<String> {
        let is_over = |e: &Entry| e.expires.is_some_and(|at| now >= at);
        self.entries
            .extract_if(.., |e| is_over(e))
            .map(|e| e.name())
            .collect()
    }

    /// When the next key's time is over.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.entries.iter().filter_map(|e| e.expires).min()
    }
}
