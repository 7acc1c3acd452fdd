//! The SSH protocol as a machine without I/O: transport, key exchange, user
//! authentication and channels (RFC 4251-4254 and their successors).
//!
//! A [`Connection`] owns no socket and no clock. Bytes that arrived and the
//! present time go in, events and packets come out, so that the same machine
//! runs under tokio, in a test in virtual time, and under a fuzzer.
//!
//! What the application decides (is this the server's key? may this user log
//! in? sign this) comes out as a question with a [`QuestionId`] and is answered
//! when the answer is there. Unanswered means refused.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless
)]

pub mod auth;
mod connection;
mod error;
mod event;
pub mod kex;
pub mod limits;
pub mod mux;
mod output;
pub mod socks;
pub mod transport;
pub mod x11;

pub use connection::{
    Channels, Client, ClientConfig, CommonConfig, Connection, KeepAlive, Server, ServerConfig, Side,
};
pub use error::{Error, Misuse, NoCommon, PeerFault};
pub use event::{
    ClientEvent, Event, HostKeyQuestion, QuestionId, ServerEvent, SignQuestion, Trace,
};
