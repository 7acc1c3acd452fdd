//! The messages of version 3 (draft-ietf-secsh-filexfer-02), with OpenSSH's
//! extensions (its PROTOCOL, section 4).
//!
//! A message is decoded once, whole: bytes left over are an error. Paths and
//! handles are bytes, as they are to a file system.

mod attrs;
mod extended;
mod init;
mod reply;
mod request;
mod status;
#[cfg(test)]
mod tests;

pub use attrs::{Attrs, FileKind, Owner, Times};
pub use extended::{
    Accounts, CheckFile, Extended, FileHashes, HashedFile, Limits, Statvfs, ids, name,
};
pub use init::{Extension, Version, decode_init, encode_init};
pub use reply::{Entry, Names, Reply};
pub use request::{Open, Request};
pub use status::{Code, Status};

/// Message numbers (section 3).
pub(crate) mod number {
    pub(crate) const INIT: u8 = 1;
    pub(crate) const VERSION: u8 = 2;
    pub(crate) const OPEN: u8 = 3;
    pub(crate) const CLOSE: u8 = 4;
    pub(crate) const READ: u8 = 5;
    pub(crate) const WRITE: u8 = 6;
    pub(crate) const LSTAT: u8 = 7;
    pub(crate) const FSTAT: u8 = 8;
    pub(crate) const SETSTAT: u8 = 9;
    pub(crate) const FSETSTAT: u8 = 10;
    pub(crate) const OPENDIR: u8 = 11;
    pub(crate) const READDIR: u8 = 12;
    pub(crate) const REMOVE: u8 = 13;
    pub(crate) const MKDIR: u8 = 14;
    pub(crate) const RMDIR: u8 = 15;
    pub(crate) const REALPATH: u8 = 16;
    pub(crate) const STAT: u8 = 17;
    pub(crate) const RENAME: u8 = 18;
    pub(crate) const READLINK: u8 = 19;
    pub(crate) const SYMLINK: u8 = 20;
    pub(crate) const STATUS: u8 = 101;
    pub(crate) const HANDLE: u8 = 102;
    pub(crate) const DATA: u8 = 103;
    pub(crate) const NAME: u8 = 104;
    pub(crate) const ATTRS: u8 = 105;
    pub(crate) const EXTENDED: u8 = 200;
    pub(crate) const EXTENDED_REPLY: u8 = 201;
}
