//! Safe functions over the AWS-LC calls that aws-lc-rs does not hand out.
//!
//! This crate and `sys` are the only ones of the workspace that hold `unsafe`.
//! Each module wraps one family of C functions: it owns what it allocates,
//! checks every length before a pointer leaves Rust, and hands out values
//! that are `Send + Sync` only where AWS-LC documents that they may be.
//!
//! - [`aes`], [`des`], [`blowfish`]: block ciphers, CTR by position, CBC in place
//! - [`chacha`]: ChaCha20 and Poly1305 apart
//! - [`dh`]: modular exponentiation in constant time, RFC 3526 primes
//! - [`prime`]: primality of public numbers
//! - [`hmac`], [`md5`]: HMAC with a precomputed key over any digest, MD5
//! - [`mlkem`]: ML-KEM-768 with the randomness given by the caller
//! - [`mldsa`]: ML-DSA-44 with a context string
//! - [`rsa`], [`dsa`]: signatures outside aws-lc-rs's limits
//! - [`nh`]: UMAC's inner product, compiled for the vector units at hand

pub mod aes;
pub mod blowfish;
mod bn;
pub mod chacha;
pub mod des;
pub mod dh;
pub mod dsa;
pub mod hmac;
pub mod md5;
pub mod mldsa;
pub mod mlkem;
pub mod nh;
mod pkey;
pub mod prime;
pub mod rsa;

/// A call into AWS-LC failed, or refused its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

impl core::fmt::Display for Failed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("cryptographic operation failed")
    }
}

impl core::error::Error for Failed {}

/// Whether a cipher runs forwards or backwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Plaintext to ciphertext.
    Encrypt,
    /// Ciphertext to plaintext.
    Decrypt,
}

impl Direction {
    /// The `enc` argument of OpenSSL's low-level functions.
    fn flag(self) -> core::ffi::c_int {
        match self {
            Self::Encrypt => 1,
            Self::Decrypt => 0,
        }
    }
}

/// AWS-LC keeps an error queue per thread. Nobody reads it here, so it is
/// emptied after a failed call lest it grow stale.
fn failed() -> Failed {
    // SAFETY: no arguments; touches only this thread's own queue.
    unsafe { aws_lc_sys::ERR_clear_error() };
    Failed
}

/// One of C's "1 is success" results.
fn check(result: core::ffi::c_int) -> Result<(), Failed> {
    if result == 1 { Ok(()) } else { Err(failed()) }
}
