//! The SSH file transfer protocol, version 3 (draft-ietf-secsh-filexfer-02),
//! with OpenSSH's extensions and the `check-file` extension
//! (draft-ietf-secsh-filexfer-extensions-00).
//!
//! - [`msg`]: what is on the wire.
//! - [`client`]: the client's side of a conversation.
//! - [`frame`]: messages cut out of a byte stream.
//! - [`server`]: the engine of a server.
//!
//! - `local` (a feature): this machine's files behind a server, and the
//!   program `sftp-server`.
//!
//! Everything but `local` runs over any byte stream and neither reads nor
//! writes one itself: the caller moves the bytes.
//!
//! Invariant: no function here panics on any input, and none allocates more
//! than a small multiple of its input.

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

pub mod client;
pub mod frame;
pub mod limits;
#[cfg(feature = "local")]
pub mod local;
pub mod msg;
pub mod server;

/// The protocol version that is spoken.
pub const VERSION: u32 = 3;
