//! SSH's bytes to values and back (RFC 4251 section 5 and the messages of
//! RFC 4250-4254, 4256, 4419, 5656, 8308, 8731 and OpenSSH's extensions).
//!
//! A message is decoded once, whole, into a type; trailing bytes are an error.
//! This crate does no I/O and knows no state: whether a message is *expected*
//! is the business of `carrick-proto`.
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

mod codec;
pub mod control;
mod field;
mod macros;
pub mod msg;
pub mod names;
mod types;

pub use codec::{Decode, DecodeError, Encode, Reader, Writer};
pub use types::{Mpint, NameList, Secret, Text};
