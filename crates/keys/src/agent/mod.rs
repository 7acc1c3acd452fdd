//! The agent protocol (RFC 9987, OpenSSH's PROTOCOL.agent): messages, and
//! both halves of the conversation without a socket.
//!
//! [`AgentClient`] is the side that asks; [`Agent`] with a [`Peer`] for each
//! connection is the side that holds the keys.

mod binding;
mod client;
mod constraint;
mod destination;
mod frame;
mod key;
pub mod limits;
mod lock;
mod msg;
mod refusal;
mod server;
mod sign;
mod signed;
mod store;
mod task;
#[cfg(test)]
mod tests;

pub use binding::{BindError, NotPermitted};
pub use client::{AgentClient, AgentError};
pub use constraint::{ConstraintError, Constraints, TokenCertificates};
pub use destination::{Destination, Hop, HopKey};
pub use msg::{
    FLAG_RSA_SHA2_256, FLAG_RSA_SHA2_512, Identity, QUERY, Request, Response, SESSION_BIND,
    rsa_flags,
};
pub use refusal::Refusal;
pub use server::{Agent, Now, Outcome, Peer, Policy};
pub use task::{Done, FidoRequest, Pending, Task, TokenRequest};
