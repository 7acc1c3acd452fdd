//! What the daemon's processes say to each other: one enum per direction and
//! phase, one message per datagram. What a phase does not permit has no
//! variant there, so it cannot be named, let alone asked for.
//!
//! | from -> to         | before login         | after login           |
//! |--------------------|----------------------|-----------------------|
//! | worker -> monitor  | [`preauth::Ask`]     | [`postauth::Ask`]     |
//! | monitor -> worker  | [`preauth::Answer`]  | [`postauth::Answer`]  |
//! | worker -> broker   | -                    | [`broker::Ask`]       |
//! | broker -> worker   | -                    | [`broker::Answer`]    |
//! | monitor -> broker  | -                    | [`broker::Start`]     |
//! | broker -> monitor  | -                    | [`broker::Report`]    |
//!
//! Every message is untrusted input to its reader: decoding never panics,
//! leaves no trailing bytes, and allocates no more than a small multiple of
//! what came.

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

pub mod broker;
pub mod field;
pub mod forward;
pub mod link;
pub mod permissions;
pub mod postauth;
pub mod preauth;
pub mod x11;

pub use link::Link;
