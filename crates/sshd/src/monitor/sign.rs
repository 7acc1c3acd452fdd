//! Signatures of key exchanges with the host's keys.
//!
//! The worker hands over all that the exchange hash is made of, and the hash
//! is made here: so nothing but an exchange can be signed, and the hash of
//! the first one, the session identifier (RFC 4253 section 7.2), is known to
//! this process by its own reckoning. A user's signature counts only over
//! that identifier.
//!
//! A key may be in an agent (HostKeyAgent): then that signs the hash made
//! here, and an agent that signs something else breaks only the exchange.

use std::fmt;

use carrick_crypto::hash::HashAlg;
use carrick_keys::{PrivateKey, algorithm};

use super::agent;
use crate::handoff::HostKey;
use crate::rpc::preauth::{SignKex, hash_number};

/// A question that no honest worker asks. The connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub &'static str);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why an exchange was not signed.
#[derive(Debug)]
pub enum Unsigned {
    /// It is not one that is signed.
    Violation(Violation),
    /// The agent that has the key did not.
    Agent(String),
}

impl From<Violation> for Unsigned {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => write!(f, "worker: {violation}"),
            Self::Agent(problem) => write!(f, "agent sign: {problem}"),
        }
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

/// The host's keys and what was signed with them on this connection.
pub struct Signer {
    keys: Vec<HostKey>,
    agent: Option<String>,
    algorithms: Vec<String>,
    hashes: Vec<u8>,
    first: Option<FirstExchange>,
}

impl Signer {
    /// For the signature algorithms and the key exchange methods that the
    /// configuration allows.
    pub fn new(
        keys: Vec<HostKey>,
        agent: Option<String>,
        algorithms: Vec<String>,
        kex: &[String],
    ) -> Self {
        let hashes = kex
            .iter()
            .filter_map(|name| carrick_crypto::kex::kex(name))
            .map(|kex| hash_number(kex.hash))
            .collect();
        Self {
            keys,
            agent,
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
    pub fn sign(&mut self, ask: &SignKex) -> Result<Vec<u8>, Unsigned> {
        if !self.hashes.contains(&ask.hash) {
            return Err(Violation("exchange with a hash that no enabled method has").into());
        }
        let hash = match ask.hash {
            1 => HashAlg::Sha1,
            2 => HashAlg::Sha256,
            3 => HashAlg::Sha384,
            4 => HashAlg::Sha512,
            _ => return Err(Violation("exchange with an unknown hash").into()),
        };
        if !self.algorithms.contains(&ask.algorithm) {
            return Err(Violation("signature algorithm that is not enabled").into());
        }
        let shown = &ask.transcript.host_key;
        let key = self
            .keys
            .iter()
            .find(|key| key.public == *shown || key.certificate.as_ref() == Some(shown))
            .ok_or(Violation("exchange with a host key that is not ours"))?;
        let algorithm = algorithm::find(&ask.algorithm)
            .filter(|algorithm| Some(algorithm.key_type) == key_type(shown))
            .ok_or(Violation("signature algorithm of another key type"))?;
        let digest = ask.transcript.hash(hash);
        let signature = self.sign_with(key, algorithm.signature, &digest)?;
        if self.first.is_none() {
            self.first = Some(FirstExchange {
                session_id: digest,
                host_key: shown.clone(),
            });
        }
        Ok(signature)
    }

    fn sign_with(&self, key: &HostKey, algorithm: &str, data: &[u8]) -> Result<Vec<u8>, Unsigned> {
        let Some(file) = &key.file else {
            let path = self.agent.as_deref().unwrap_or_default();
            return agent::sign(path, &key.public, data, algorithm).map_err(Unsigned::Agent);
        };
        let private = PrivateKey::parse_file(file.expose(), None)
            .map_err(|_| Violation("host key that cannot be read"))?;
        let signed = private.sign(algorithm, data);
        Ok(signed.map_err(|_| Violation("signature algorithm of another key type"))?)
    }
}

/// The name in front of a key blob.
pub fn key_type(blob: &[u8]) -> Option<&str> {
    carrick_wire::Reader::new(blob).text("key type").ok()
}
