//! User authentication: RFC 4252, RFC 4256, and OpenSSH's host-bound requests.

pub(crate) mod client;
pub(crate) mod server;

pub use client::{AuthRequest, ClientAuthEvent, InfoRequest, Prompt};
pub use server::{AuthAnswer, AuthAttempt, Method};

use carrick_wire::msg::auth::{MethodBody, Request};
use carrick_wire::{Decode, Encode, Reader, Writer, names};

use crate::error::{Error, PeerFault};

/// Proof that the user is who they claim to be. The two machines below make
/// one: the client's when SUCCESS comes, the server's when the application
/// answers an attempt with success. So does a conversation over a socket whose
/// other end the operating system vouches for. There are no channels without
/// it.
#[derive(Debug)]
pub struct Authenticated(());

impl Authenticated {
    /// The operating system says who is at the other end of a local socket, and
    /// whoever has it open has checked.
    pub(crate) fn by_the_system() -> Self {
        Self(())
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self(())
    }
}

/// What a public key signature of RFC 4252 section 7 covers. With `host_key`
/// (the server's, as a blob) it is OpenSSH's `publickey-hostbound-v00`, which
/// cannot be replayed to another server.
pub fn publickey_signed_data(
    session_id: &[u8],
    user: &str,
    algorithm: &str,
    key: &[u8],
    host_key: Option<&[u8]>,
) -> Vec<u8> {
    let method = match host_key {
        Some(host_key) => MethodBody::PublicKeyHostBound {
            algorithm,
            key,
            host_key,
            signature: None,
        },
        None => MethodBody::PublicKey {
            algorithm,
            key,
            signature: None,
        },
    };
    let request = Request {
        user,
        service: names::service::CONNECTION,
        method,
    };
    // Both methods can be signed: there always is data.
    request.signed_data(session_id).unwrap_or_default()
}

/// What a signature of RFC 4252 section 9 covers: that the host `host`, whose
/// key signs, vouches for its user `local_user`, who wants to be `user` here.
pub fn hostbased_signed_data(
    session_id: &[u8],
    user: &str,
    algorithm: &str,
    key: &[u8],
    host: &str,
    local_user: &str,
) -> Vec<u8> {
    let request = Request {
        user,
        service: names::service::CONNECTION,
        method: MethodBody::HostBased {
            algorithm,
            key,
            host,
            local_user,
            signature: &[],
        },
    };
    // As above.
    request.signed_data(session_id).unwrap_or_default()
}

/// A message of user authentication, or the fault that it is not one.
fn decode<'a, T: Decode<'a>>(payload: &'a [u8], message: &'static str) -> Result<T, Error> {
    Reader::all(payload).map_err(|error| PeerFault::Malformed { message, error }.into())
}

/// A request for the connection service, as a payload.
fn request(user: &str, method: MethodBody<'_>) -> Vec<u8> {
    let request = Request {
        user,
        service: names::service::CONNECTION,
        method,
    };
    let mut out = Vec::with_capacity(ROOM);
    request.encode(&mut Writer::new(&mut out));
    out
}

/// Room for any sensible request: memory that grows leaves copies behind of
/// the password in it.
const ROOM: usize = 8 * 1024;
