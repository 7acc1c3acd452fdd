//! The key that signs, wherever it is: in a file, in an agent, in a security
//! key or in a PKCS#11 token.

use std::path::Path;

use carrick_keys::{PrivateKey, PublicKey};

use super::args::Args;
use super::{Outcome, Stop, files, security_key, token};
use crate::agent_socket::{AUTH_SOCK, AgentSocket};
use crate::log::debug;
use crate::pkcs11::Provider;
use crate::text::os_error;

/// Whoever signs.
pub(super) enum Signer {
    /// A private key that was read.
    File(PrivateKey),
    /// An agent that has the key.
    Agent(AgentSocket, PublicKey),
    /// A security key that has the key.
    SecurityKey {
        /// What the file says of it.
        key: PrivateKey,
        /// The middleware.
        provider: String,
        /// What it signs.
        role: Role,
    },
    /// A token that has the key.
    Token(Provider, PublicKey),
}

/// What a key signs: a security key's user is asked accordingly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Certificates.
    Authority,
    /// Files.
    Sender,
}

impl Signer {
    /// A private key file, its passphrase asked for if it has one.
    pub(super) fn from_file(args: &Args, path: &Path, role: Role) -> Outcome<Self> {
        let what = format!("Load key \"{}\"", path.display());
        let prompt = format!("Enter passphrase for \"{}\": ", path.display());
        let key = files::load(args, path, &what, &prompt)?.key;
        if key.security_key().is_none() {
            return Ok(Self::File(key));
        }
        Ok(Self::SecurityKey {
            key,
            provider: security_key::provider(args),
            role,
        })
    }

    /// The token of a PKCS#11 library that has the key; `None` if none has.
    pub(super) fn from_token(library: &str, key: &PublicKey) -> Outcome<Option<Self>> {
        let provider = token::load(library)?;
        let has = provider.keys().iter().any(|found| found.key == *key);
        Ok(has.then(|| Self::Token(provider, key.clone())))
    }

    /// The user's agent, if it has the key.
    pub(super) fn from_agent(key: &PublicKey) -> Result<Self, NoAgentKey> {
        let path = std::env::var_os(AUTH_SOCK).filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| NoAgentKey::NoAgent("agent not present".into()))?;
        let mut agent =
            AgentSocket::connect(path).map_err(|e| NoAgentKey::NoAgent(os_error(&e)))?;
        let held = agent.identities().map_err(NoAgentKey::NoList)?;
        let blob = key.to_blob();
        if held.iter().any(|identity| identity.blob == blob) {
            Ok(Self::Agent(agent, key.clone()))
        } else {
            Err(NoAgentKey::NotThere)
        }
    }

    /// The key's public half.
    pub(super) fn public(&self) -> &PublicKey {
        match self {
            Self::File(key) | Self::SecurityKey { key, .. } => key.public(),
            Self::Agent(_, key) | Self::Token(_, key) => key,
        }
    }

    /// Signs with the algorithm of that name. The error is in OpenSSH's words.
    pub(super) fn sign(&mut self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, String> {
        debug!("signing with {algorithm}");
        match self {
            Self::File(key) => key.sign(algorithm, message).map_err(|e| e.to_string()),
            Self::Agent(agent, key) => agent.sign(&key.to_blob(), message, algorithm),
            Self::SecurityKey {
                key,
                provider,
                role,
            } => security_key::sign(provider, key, message, *role),
            Self::Token(provider, key) => provider.sign(key, algorithm, message),
        }
    }
}

/// Why the agent does not sign.
pub(super) enum NoAgentKey {
    /// There is none to be had.
    NoAgent(String),
    /// It does not tell its keys.
    NoList(String),
    /// It does not have this one.
    NotThere,
}

/// A public key file that must be there, in the words of `what`.
pub(super) fn load_public(path: &Path, what: &str) -> Outcome<(PublicKey, String)> {
    match files::load_public(path) {
        Some((key, comment)) => Ok((key, comment.unwrap_or_default())),
        None => Err(Stop::fatal(format!("{what}: No such file or directory"))),
    }
}
