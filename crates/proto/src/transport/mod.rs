//! The binary packet protocol of RFC 4253 sections 4 and 6: identification,
//! framing, sealing and opening. What the packets mean is decided elsewhere.

mod compress;
pub(crate) mod frame;
pub(crate) mod ident;
pub(crate) mod open;
pub(crate) mod rekey;
pub(crate) mod seal;

pub use ident::Ident;
pub use rekey::RekeyLimit;
pub use seal::{SealBatch, SealedBatch};
