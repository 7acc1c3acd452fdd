//! Keys that are not in this process: FIDO authenticators and PKCS#11 tokens.
//! Their libraries are loaded by helper processes (ssh-sk-helper,
//! ssh-pkcs11-helper), so that a crash in one, or a hostile one, reaches no
//! key in memory here.
//!
//! Each kind has a thread of its own (`jobs.rs`), which owns the value below
//! and may wait: the agent goes on serving. What these functions are given
//! has been judged already (constraints, the list of allowed libraries, web
//! origins, the user's leave); a signature that they return is verified.

use std::collections::HashMap;
use std::time::Duration;

use carrick_keys::PublicKey;
use carrick_keys::agent::{FidoRequest, TokenRequest};
use carrick_wire::Secret;

use crate::pkcs11::Provider;
use crate::sk::{self, Notice};

/// How long a token may take: with a library that hangs, the next request
/// of its kind has to wait no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A signature by a FIDO authenticator: the user is told to touch it, and
/// asked for its PIN if it wants one.
pub(super) fn sign_fido(request: &FidoRequest) -> Result<Vec<u8>, String> {
    sk::sign_with_user(
        &request.provider,
        &request.key,
        &request.data,
        || sk::ask_pin(&request.pin_prompt, false),
        || Notice::start(request.notice.as_deref().unwrap_or_default(), true),
        Some(PATIENCE),
    )
    .map_err(|e| format!("security key: {e}"))
}

/// PKCS#11 tokens, by the path of their libraries.
#[derive(Default)]
pub(super) struct Tokens {
    loaded: HashMap<String, Provider>,
}

impl Tokens {
    /// A signature blob of `request.algorithm`.
    pub(super) fn sign(&mut self, request: &TokenRequest) -> Result<Vec<u8>, String> {
        self.loaded
            .get_mut(&request.provider)
            .ok_or_else(|| not_loaded(&request.provider))?
            .sign(&request.key, request.algorithm, &request.data)
    }

    /// The keys of the token behind `provider`, with their labels. Its helper
    /// is started anew if there is one.
    pub(super) fn load(
        &mut self,
        provider: &str,
        pin: &Secret,
    ) -> Result<Vec<(PublicKey, String)>, String> {
        let loaded = Provider::load_unlocked(provider, pin, PATIENCE)?;
        let keys = loaded.keys().iter();
        let keys = keys.map(|k| (k.key.clone(), k.label.clone())).collect();
        self.loaded.insert(provider.to_owned(), loaded);
        Ok(keys)
    }

    /// Lets go of `provider`.
    pub(super) fn unload(&mut self, provider: &str) -> Result<(), String> {
        match self.loaded.remove(provider) {
            Some(_) => Ok(()),
            None => Err(not_loaded(provider)),
        }
    }
}

fn not_loaded(provider: &str) -> String {
    format!("provider {provider:?} is not loaded")
}
