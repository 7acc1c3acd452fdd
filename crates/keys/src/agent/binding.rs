//! Which sessions a connection to the agent belongs to:
//! `session-bind@openssh.com` (OpenSSH's PROTOCOL.agent, section 1).
//!
//! An ssh client tells the agent of each session that a connection is used
//! in or carried through, with the host key's signature as proof. The list
//! only grows, hop by hop, and a session that was bound for a login ends it:
//! so whoever sits at the far end of a forwarded connection can add hops
//! (which restricts) but never take one back. A client that says nothing
//! about its sessions is taken for a local one. That is as in OpenSSH: the
//! protection is against hosts further on, with an ssh client that plays by
//! the rules in between.

use carrick_wire::{DecodeError, Reader};

use super::destination::{self, Destination};
use super::limits::{SESSION_ID_MAX, SESSIONS_MAX};
use crate::{KeyError, PublicKey, SignatureError};

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    host_key: PublicKey,
    id: Vec<u8>,
    /// The agent is carried through it, rather than used for a login in it.
    forwarded: bool,
}

/// The sessions that one connection belongs to, in order from here.
#[derive(Debug, Clone, Default)]
pub(super) struct Bindings {
    sessions: Vec<Session>,
    /// A binding was tried, with or without success.
    attempted: bool,
}

/// Why a session is not bound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// The request's structure is wrong.
    Decode(DecodeError),
    /// The host key is none.
    HostKey(KeyError),
    /// The session identifier is too long.
    LongSessionId,
    /// The host did not sign the session.
    Signature(SignatureError),
    /// The connection is bound for a login, which nothing can follow.
    AfterLogin,
    /// That session is bound with another host key.
    OtherKey,
    /// There are too many sessions already.
    TooMany,
}

impl core::fmt::Display for BindError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "{e}"),
            Self::HostKey(e) => write!(f, "{e}"),
            Self::LongSessionId => f.write_str("session ID too long"),
            Self::Signature(e) => write!(f, "host key's signature: {e}"),
            Self::AfterLogin => f.write_str(
                "attempt to bind session ID to socket previously bound for authentication attempt",
            ),
            Self::OtherKey => f.write_str("session ID recorded against different key"),
            Self::TooMany => f.write_str("too many session IDs recorded"),
        }
    }
}

impl core::error::Error for BindError {}

impl From<DecodeError> for BindError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

/// Why a key with destinations may not be used on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPermitted {
    /// The connection tried to bind a session, and failed.
    BindFailed,
    /// It was carried on from a session that was bound for a login.
    ThroughLogin,
    /// It signs in a session that was bound to carry it on.
    SignInForward,
    /// No destination of the key allows one of the steps.
    Destination,
    /// It could get to this host, but lead nowhere from here.
    NoWayOn,
}

impl core::fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BindFailed => "previous session bind failed on socket",
            Self::ThroughLogin => "tried to forward though signing bind",
            Self::SignInForward => "tried to sign on forwarding hop",
            Self::Destination => "not permitted for this destination",
            Self::NoWayOn => "key permitted at host but not after",
        })
    }
}

impl Bindings {
    /// Binds a session, from the contents of the extension.
    pub(super) fn bind(&mut self, contents: &[u8]) -> Result<(), BindError> {
        self.attempted = true;
        let mut r = Reader::new(contents);
        let host_key = PublicKey::from_blob(r.string("host key")?).map_err(BindError::HostKey)?;
        let id = r.string("session identifier")?;
        let signature = r.string("signature")?;
        let forwarded = r.bool("is_forwarding")?;
        r.finish()?;
        if id.len() > SESSION_ID_MAX {
            return Err(BindError::LongSessionId);
        }
        host_key
            .plain()
            .verify_with_details(id, signature, None)
            .map_err(BindError::Signature)?;
        for known in &self.sessions {
            if !known.forwarded {
                return Err(BindError::AfterLogin);
            }
            if known.id == id {
                return if known.host_key == host_key {
                    Ok(())
                } else {
                    Err(BindError::OtherKey)
                };
            }
        }
        if self.sessions.len() == SESSIONS_MAX {
            return Err(BindError::TooMany);
        }
        self.sessions.push(Session {
            host_key,
            id: id.to_vec(),
            forwarded,
        });
        Ok(())
    }

    /// Whether the other end may be another host's.
    pub(super) fn is_remote(&self) -> bool {
        self.attempted
    }

    /// The last session: the identifier and the host key.
    pub(super) fn last(&self) -> Option<(&[u8], &PublicKey)> {
        self.sessions.last().map(|s| (s.id.as_slice(), &s.host_key))
    }

    /// Whether there was more than one hop.
    pub(super) fn is_beyond_first(&self) -> bool {
        self.sessions.len() > 1
    }

    /// Whether a key with these destinations may be seen here, or used to log
    /// in as `user`. `unix` is the time that host certificates are judged by.
    pub(super) fn permit(
        &self,
        allowed: &[Destination],
        user: Option<&str>,
        unix: u64,
    ) -> Result<(), NotPermitted> {
        if allowed.is_empty() {
            return Ok(());
        }
        let Some((last, before)) = self.sessions.split_last() else {
            return if self.attempted {
                Err(NotPermitted::BindFailed)
            } else {
                Ok(())
            };
        };
        let step = |from, to: &Session, user| {
            if destination::allow(allowed, from, Some(&to.host_key), user, unix) {
                Ok(())
            } else {
                Err(NotPermitted::Destination)
            }
        };
        let mut from: Option<&PublicKey> = None;
        for hop in before {
            if !hop.forwarded {
                return Err(NotPermitted::ThroughLogin);
            }
            step(from, hop, None)?;
            from = Some(&hop.host_key);
        }
        if last.forwarded && user.is_some() {
            return Err(NotPermitted::SignInForward);
        }
        step(from, last, user)?;
        // A key that is good for logging in to this host, and for nothing
        // beyond it, is not shown to the host.
        if last.forwarded && !destination::allow(allowed, Some(&last.host_key), None, None, unix) {
            return Err(NotPermitted::NoWayOn);
        }
        Ok(())
    }
}
