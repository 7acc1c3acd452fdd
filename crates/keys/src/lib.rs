//! Public and private keys, their file formats, signatures, `known_hosts`,
//! `authorized_keys`, the moduli file, the agent protocol, and the pattern
//! and address lists that OpenSSH's files are written with.
//!
//! Nothing here reads a file, a clock or the environment: texts, times and
//! randomness come in as arguments, and results go out as values.
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

pub mod agent;
pub mod algorithm;
pub mod allowed_signers;
pub mod authorized_keys;
mod base64;
mod bubblebabble;
mod cert;
mod fingerprint;
mod format;
pub mod helper;
pub mod host_list;
pub mod keysign;
pub mod known_hosts;
pub mod krl;
pub mod matching;
pub mod moduli;
mod private;
mod public;
mod randomart;
mod revoked;
pub mod rhosts;
mod signature;
pub mod sshfp;
pub mod sshsig;
mod text;

pub use bubblebabble::bubblebabble;
pub use carrick_crypto::sign::Curve;
pub use cert::{
    CertDemand, CertError, CertFields, CertKind, CertName, CertOptions, Certificate, IssueError,
    JudgedCert, OptionFault, UnsignedCert, VALID_FOREVER,
};
pub use fingerprint::{Fingerprint, FingerprintHash};
pub use format::{
    FILE_MAX, FileForm, KeyFileError, PublicForm, PuttyVersion, WriteOptions, parse_public_file,
    parse_ssh_com, public_of_private_file,
};
pub use private::{PrivateKey, RSA_BITS_DEFAULT, SignError, SkHandle};
pub use public::{KeyError, KeyType, PublicKey, RSA_BITS_MAX, RSA_BITS_MIN};
pub use randomart::randomart;
pub use revoked::{RevokedError, RevokedKeys};
pub use signature::{SK_USER_PRESENT, SK_USER_VERIFIED, SignatureError, SkDetails, Verified};
