//! SSH's cryptography behind tables: ciphers and MACs over packets, key
//! exchange, key derivation, hashes and signatures, all by their SSH names.
//!
//! Primitives come from AWS-LC (through `aws-lc-rs` and `carrick-lc`), plus
//! `sntrup761` and `bcrypt-pbkdf`; what is built here are SSH's own
//! constructions around them, UMAC included. There is no I/O, no clock and no
//! thread; randomness comes in as an [`rng::Rng`].
//!
//! - [`packet`]: sealing and opening binary packets, pure and order-free
//! - [`kex`]: key agreement methods; [`kdf`]: the keys that follow from them
//! - [`sign`]: raw signature keys; [`hash`]: digests, HMAC, comparison
//! - [`select`]: default and supported name lists and their `+ - ^` edits
//! - [`raw`]: ciphers over private key files; [`prime`]: primality
//!
//! Secrets are wiped when dropped and have no `Debug`.

#![forbid(unsafe_code)]

pub mod hash;
pub mod kdf;
pub mod kex;
pub mod packet;
pub mod prime;
pub mod raw;
pub mod rng;
pub mod select;
pub mod sign;
pub mod umac;
