//! ssh_config and sshd_config: text to typed options.
//!
//! A keyword is one entry of a table (`ssh/keywords`, `sshd/keywords`): its
//! names, where it may stand, how it is read and how `-G` or `-T` prints it.
//! Reading goes through [`hooks::Hooks`]; this crate opens no file and starts
//! no program of its own accord. Errors have the texts that OpenSSH prints,
//! because scripts look for them.
//!
//! Invariant: no keyword is silently ignored. What is known is in
//! [`ssh::Options`] or [`sshd::Options`] with the place where it was set, so
//! that a program can refuse what it does not do.

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

pub mod algorithms;
pub mod command_line;
mod error;
pub mod forward;
pub mod getopt;
pub mod glob;
pub mod hooks;
mod keyword;
mod lex;
pub mod ssh;
pub mod sshd;
pub mod tokens;
pub mod types;
mod value;
pub mod words;

pub use error::{Error, Origin};
pub use keyword::{KeywordInfo, Repeat, Scope, SetKeywords};
pub use value::{scaled, time};
