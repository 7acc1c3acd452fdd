//! What an agent needs done outside: questions to the user, and helpers that
//! speak to tokens.
//!
//! A driver that has no helper for a task answers with an error
//! (`Done::Signature(Err(..))` and so on): the request is refused, and the
//! reason goes to the log.

use core::fmt;
use std::sync::Arc;

use carrick_wire::Secret;

use super::constraint::Constraints;
use super::key::Added;
use super::sign::SignRequest;
use crate::{PrivateKey, PublicKey};

/// Something to be done before a request can go on.
#[non_exhaustive]
pub enum Task {
    /// Ask the user for leave. Done: [`Done::Confirmed`].
    Confirm {
        /// The question.
        question: String,
    },
    /// Find the true path of a library, all links followed. Done:
    /// [`Done::Provider`].
    FindProvider {
        /// As the client gave it.
        path: String,
    },
    /// Have a FIDO authenticator sign. Done: [`Done::Signature`].
    SignFido(FidoRequest),
    /// Have a PKCS#11 token sign. Done: [`Done::Signature`].
    SignToken(TokenRequest),
    /// Have a PKCS#11 library tell its keys. Done: [`Done::Keys`].
    LoadToken {
        /// The library.
        provider: String,
        /// What opens the token.
        pin: Secret,
    },
    /// Let go of a PKCS#11 library. Done: [`Done::Unloaded`].
    UnloadToken {
        /// The library.
        provider: String,
    },
}

/// A signature by a FIDO authenticator.
#[non_exhaustive]
pub struct FidoRequest {
    /// The key's handle, and its flags.
    pub key: Arc<PrivateKey>,
    /// The middleware, or `internal`. It is on the list of those allowed.
    pub provider: String,
    /// The algorithm of the signature blob that is wanted.
    pub algorithm: &'static str,
    /// What to sign.
    pub data: Vec<u8>,
    /// What to tell the user while the authenticator waits for a touch; none
    /// if it needs none.
    pub notice: Option<String>,
    /// The question for a PIN, should the authenticator want one.
    pub pin_prompt: String,
}

/// A signature by a PKCS#11 token.
#[non_exhaustive]
pub struct TokenRequest {
    /// Which key.
    pub key: PublicKey,
    /// The library. It is on the list of those allowed.
    pub provider: String,
    /// The algorithm of the signature blob that is wanted.
    pub algorithm: &'static str,
    /// What to sign.
    pub data: Vec<u8>,
}

/// What has come of a [`Task`].
pub enum Done {
    /// Whether the user allowed it.
    Confirmed(bool),
    /// A library's true path, or why there is none.
    Provider(Result<String, String>),
    /// A signature blob, or why there is none.
    Signature(Result<Vec<u8>, String>),
    /// A token's public keys with their labels, or why there are none.
    Keys(Result<Vec<(PublicKey, String)>, String>),
    /// Whether a library is gone, or why not.
    Unloaded(Result<(), String>),
}

/// The rest of a request that waits for its [`Task`]. Dropped, the request is
/// given up.
pub struct Pending(pub(super) Stage);

pub(super) enum Stage {
    /// The user's leave to sign.
    Confirm(SignRequest),
    /// A signature from outside.
    Sign,
    /// The path of a FIDO key's middleware.
    AddFido {
        added: Box<Added>,
        constraints: Constraints,
    },
    /// The path of a PKCS#11 library.
    AddToken {
        named: String,
        pin: Secret,
        constraints: Constraints,
    },
    /// A token's keys.
    LoadToken {
        provider: String,
        constraints: Constraints,
    },
    /// The path of a PKCS#11 library.
    RemoveToken { named: String },
    /// The library's end.
    UnloadToken,
}

impl fmt::Debug for Task {
    /// The name alone: the contents may be pins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirm { .. } => "Confirm",
            Self::FindProvider { .. } => "FindProvider",
            Self::SignFido(_) => "SignFido",
            Self::SignToken(_) => "SignToken",
            Self::LoadToken { .. } => "LoadToken",
            Self::UnloadToken { .. } => "UnloadToken",
        })
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
