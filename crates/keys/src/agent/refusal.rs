//! Why an agent does not do what it is asked.

use core::fmt;

use carrick_wire::DecodeError;

use super::binding::{BindError, NotPermitted};
use super::constraint::ConstraintError;
use super::msg::Response;
use crate::{KeyFileError, SignError};

/// Why a request is refused: for the agent's log. The client learns no more
/// than that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request's structure is wrong, or its number unknown.
    Malformed(DecodeError),
    /// The agent is locked.
    Locked,
    /// The wrong passphrase to unlock it with, or it is not locked.
    NotUnlocked,
    /// It is locked already, or the passphrase is empty.
    NotLocked,
    /// It does not have that key.
    UnknownKey,
    /// A key that is added is not sound.
    Key(KeyFileError),
    /// A constraint that cannot be kept.
    Constraint(ConstraintError),
    /// The key is not for this connection.
    NotPermitted(NotPermitted),
    /// A session was not bound.
    Bind(BindError),
    /// An extension that is not known.
    UnknownExtension {
        /// Its name.
        name: String,
    },
    /// A key with destinations was to sign on a connection without sessions.
    Unbound,
    /// A key with destinations was to sign what is no login.
    NotALogin,
    /// The login is in another session than the last one bound.
    OtherSession,
    /// The login, over several hops, does not name the host's key.
    NoHostKey,
    /// The login is to another host than the last session.
    OtherHostKey,
    /// A FIDO key for the web was to sign something that is not SSH's.
    WebOrigin,
    /// The user said no, or could not be asked.
    UserRefused,
    /// A provider for a key that is in no security key.
    NotASecurityKey,
    /// A FIDO key without a provider.
    NoProvider,
    /// A library may not be named by a host further on.
    RemoteProvider {
        /// The library.
        provider: String,
    },
    /// The library's path leads nowhere.
    ProviderPath {
        /// The library.
        provider: String,
        /// Why.
        why: String,
    },
    /// The library is not on the list.
    ProviderNotAllowed {
        /// The library.
        provider: String,
    },
    /// A token has no keys that were wanted.
    NoTokenKeys,
    /// Signing failed.
    Sign(SignError),
    /// A helper failed.
    Helper {
        /// What it said.
        why: String,
    },
    /// The driver brought an answer to something it was not asked.
    Mixup,
}

impl Refusal {
    /// What the client is told.
    pub fn response(&self) -> Response {
        match self {
            Self::Bind(_) => Response::ExtensionFailure,
            _ => Response::Failure,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DESTINATION: &str = "refusing use of destination-constrained key";
        match self {
            Self::Malformed(e) => write!(f, "parse: {e}"),
            Self::Locked => f.write_str("agent is locked"),
            Self::NotUnlocked => f.write_str("unlock failed"),
            Self::NotLocked => f.write_str("lock failed"),
            Self::UnknownKey => f.write_str("key not found"),
            Self::Key(e) => write!(f, "parse key: {e}"),
            Self::Constraint(e) => write!(f, "failed to parse constraints: {e}"),
            Self::NotPermitted(e) => write!(f, "{e}"),
            Self::Bind(e) => write!(f, "session bind: {e}"),
            Self::UnknownExtension { name } => write!(f, "unsupported extension {name:?}"),
            Self::Unbound => write!(f, "{DESTINATION} to sign on unbound connection"),
            Self::NotALogin => write!(f, "{DESTINATION} to sign an unidentified signature"),
            Self::OtherSession => write!(f, "{DESTINATION}: unexpected session ID"),
            Self::NoHostKey => write!(
                f,
                "{DESTINATION}: no hostkey recorded in signature for forwarded connection"
            ),
            Self::OtherHostKey => write!(
                f,
                "{DESTINATION}: mismatch between hostkey in request and most recently bound session"
            ),
            Self::WebOrigin => f.write_str("web-origin key attempting to sign non-SSH message"),
            Self::UserRefused => f.write_str("user refused key"),
            Self::NotASecurityKey => {
                f.write_str("cannot add provider: not an authenticator-hosted key")
            }
            Self::NoProvider => f.write_str("no provider for authenticator-hosted key"),
            Self::RemoteProvider { provider } => write!(
                f,
                "failed add of provider {provider:?}: remote addition of providers is disabled"
            ),
            Self::ProviderPath { provider, why } => {
                write!(f, "failed provider {provider:?}: realpath: {why}")
            }
            Self::ProviderNotAllowed { provider } => {
                write!(f, "refusing add: provider {provider:?} not allowed")
            }
            Self::NoTokenKeys => f.write_str("no keys were added"),
            Self::Sign(e) => write!(f, "{e}"),
            Self::Helper { why } => f.write_str(why),
            Self::Mixup => f.write_str("internal error: an answer to no question"),
        }
    }
}

impl core::error::Error for Refusal {}

macro_rules! from {
    ($($what:ty => $variant:ident),*) => { $(
        impl From<$what> for Refusal {
            fn from(e: $what) -> Self {
                Self::$variant(e)
            }
        }
    )* };
}
from!(
    DecodeError => Malformed,
    KeyFileError => Key,
    ConstraintError => Constraint,
    NotPermitted => NotPermitted,
    BindError => Bind,
    SignError => Sign
);
