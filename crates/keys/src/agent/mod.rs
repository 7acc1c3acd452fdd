//! The agent protocol (draft-ietf-sshm-ssh-agent): messages, and the client's
//! half of the conversation without a socket.

mod client;
mod msg;

pub use client::{AgentClient, AgentError};
pub use msg::{
    Constraints, FLAG_RSA_SHA2_256, FLAG_RSA_SHA2_512, Identity, MESSAGE_MAX, Request, Response,
    SESSION_BIND, rsa_flags,
};
