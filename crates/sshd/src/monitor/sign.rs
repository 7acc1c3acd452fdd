//! Signatures of key exchanges with the host's keys.
//!
//! The worker hands over all that the exchange hash is made of, and the hash
//! is made here: so nothing but an exchange can be signed, and the hash of
//! the first one, the session identifier (RFC 4253 section 7.2), is known to
//! this process by its own reckoning. A user's signature counts only over
//! that identifier.

use std::fmt;

use carrick_crypto::hash::HashAlg;
use carrick_keys::PrivateKey;
use carrick_wire::Secret;

use crate::rpc::preauth::{SignKex, hash_number};

/// A question that no honest worker asks. The connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub &'static str);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The first exchange of a connection. Only [`Signer::sign`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstExchange {
    session_id: Vec<u8>,
    host_key: Vec<u8>,
}

impl FirstExchange {
    /// The session identifier.
    pub fn session_id(&self) -> &[u8] {
        &self.session_id
    }

    /// The host key that signed it.
    pub fn host_key(&self) -> &[u8] {
        &self.host_key
    }
}

/// A private key of this host, with its public blob.
pub struct HostKey {
    /// The public key's blob.
    pub blob: Vec<u8>,
    /// The private key's file: most keys sign nothing, so a key is read from
    /// it when it does.
    pub file: Secret,
}

/// The host's keys and what was signed with them on this connection.
pub struct Signer {
    keys: Vec<HostKey>,
    algorithms: Vec<String>,
    hashes: Vec<u8>,
    first: Option<FirstExchange>,
}

impl Signer {
    /// For the signature algorithms and the key exchange methods that the
    /// configuration allows.
    pub fn new(keys: Vec<HostKey>, algorithms: Vec<String>, kex: &[String]) -> Self {
        let hashes = kex
            .iter()
            .filter_map(|name| carrick_crypto::kex::kex(name))
            .map(|kex| hash_number(kex.hash))
            .collect();
        Self {
            keys,
            algorithms,
            hashes,
            first: None,
        }
    }

    /// What the connection opened with, once it did.
    pub fn first(&self) -> Option<&FirstExchange> {
        self.first.as_ref()
    }

    /// Signs an exchange.
    pub fn sign(&mut self, ask: &SignKex) -> Result<Vec<u8>, Violation> {
        if !self.hashes.contains(&ask.hash) {
            return Err(Violation("exchange with a hash that no enabled method has"));
        }
        let hash = match ask.hash {
            1 => HashAlg::Sha1,
            2 => HashAlg::Sha256,
            3 => HashAlg::Sha384,
            4 => HashAlg::Sha512,
            _ => return Err(Violation("exchange with an unknown hash")),
        };
        if !self.algorithms.contains(&ask.algorithm) {
            return Err(Violation("signature algorithm that is not enabled"));
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.blob == ask.transcript.host_key)
            .ok_or(Violation("exchange with a host key that is not ours"))?;
        let digest = ask.transcript.hash(hash);
        let private = PrivateKey::parse_file(key.file.expose(), None)
            .map_err(|_| Violation("host key that cannot be read"))?;
        let signature = private
            .sign(&ask.algorithm, &digest)
            .map_err(|_| Violation("signature algorithm of another key type"))?;
        if self.first.is_none() {
            self.first = Some(FirstExchange {
                session_id: digest,
                host_key: key.blob.clone(),
            });
        }
        Ok(signature)
    }
}
