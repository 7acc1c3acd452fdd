//! What stands behind a server: files, by path and by handle.

use std::fmt;
use std::io;

use crate::msg::{Attrs, CheckFile, Code, FileHashes, Open, Owner, Statvfs, Times};

/// Why something was not done: what the client is told, and what the log is.
#[derive(Debug)]
pub struct Failure {
    /// For the client.
    pub code: Code,
    /// For the log, where there is more to say.
    pub cause: Option<io::Error>,
    /// For the client, in place of the code's usual words.
    pub words: Option<&'static str>,
}

impl Failure {
    /// With the cause.
    pub fn because(code: Code, cause: io::Error) -> Self {
        Self {
            cause: Some(cause),
            ..Self::from(code)
        }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self {
            code,
            cause: None,
            words: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cause) = &self.cause else {
            return f.write_str(self.code.text());
        };
        // As strerror(3) words it, without Rust's number.
        let text = cause.to_string();
        f.write_str(text.split(" (os error ").next().unwrap_or_default())
    }
}

/// What comes of a request.
pub type Result<T> = core::result::Result<T, Failure>;

/// A file in a folder; its parts are overwritten, their room used again.
#[derive(Debug, Default)]
pub struct Listed {
    /// Its name.
    pub name: Vec<u8>,
    /// A line as `ls -l` has it.
    pub long: Vec<u8>,
    /// What is known of it.
    pub attrs: Attrs,
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The file it leads to is meant.
    Follow,
    /// The link itself is.
    Keep,
}

/// A change of one attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Cut, or filled with zeros.
    Size(u64),
    /// Permissions; other bits do not count.
    Mode(u32),
    /// When it was used.
    Times(Times),
    /// Whose it is.
    Owner(Owner),
}

/// Where `copy-data` copies from, or to.
#[derive(Debug)]
pub struct Place<'a, F> {
    /// The open file.
    pub file: &'a F,
    /// Where in it.
    pub offset: u64,
}

/// A file system, or what looks like one. Each call may wait for a disk, and
/// must not wait for a person or another program. Paths are bytes as the
/// client sent them, relative ones included.
pub trait Backend {
    /// An open file.
    type File;
    /// An open folder.
    type Dir;

    /// The most files and folders that may be open.
    fn most_open(&self) -> u64;

    /// Opens a file. `mode` is for one that is made.
    fn open(&mut self, path: &[u8], how: Open, mode: u32) -> Result<Self::File>;
    /// Reads as much as there is, up to the length of `into`; 0 is the end.
    fn read(&mut self, file: &Self::File, offset: u64, into: &mut [u8]) -> Result<usize>;
    /// Writes all of `data`.
    fn write(&mut self, file: &Self::File, offset: u64, data: &[u8]) -> Result<()>;
    /// Closes a file; says if what was written may be lost.
    fn close(&mut self, file: Self::File) -> Result<()>;
    /// What is known of an open file.
    fn fstat(&mut self, file: &Self::File) -> Result<Attrs>;
    /// Changes an open file.
    fn fset(&mut self, file: &Self::File, change: Change) -> Result<()>;
    /// Has the disk hold what was written.
    fn fsync(&mut self, file: &Self::File) -> Result<()>;
    /// The figures of the file system that an open file is on.
    fn fstatvfs(&mut self, file: &Self::File) -> Result<Statvfs>;
    /// Copies `len` bytes, or up to the end where that is 0: as many as there are.
    fn copy(
        &mut self,
        from: Place<'_, Self::File>,
        len: u64,
        to: Place<'_, Self::File>,
    ) -> Result<u64>;
    /// Hashes of the content of an open file, appended to `values`; the hash's name.
    fn fhash(
        &mut self,
        file: &Self::File,
        what: &CheckFile<'_>,
        values: &mut Vec<u8>,
    ) -> Result<&'static [u8]>;
    /// Likewise by path.
    fn hash(
        &mut self,
        path: &[u8],
        what: &CheckFile<'_>,
        values: &mut Vec<u8>,
    ) -> Result<&'static [u8]>;

    /// Opens a folder.
    fn open_dir(&mut self, path: &[u8]) -> Result<Self::Dir>;
    /// The next file in it; false at the end.
    fn next(&mut self, dir: &mut Self::Dir, into: &mut Listed) -> Result<bool>;

    /// What is known of a file.
    fn stat(&mut self, path: &[u8], links: Links) -> Result<Attrs>;
    /// Changes a file.
    fn set(&mut self, path: &[u8], links: Links, change: Change) -> Result<()>;
    /// Removes a file that is no folder.
    fn remove(&mut self, path: &[u8]) -> Result<()>;
    /// Makes a folder.
    fn mkdir(&mut self, path: &[u8], mode: u32) -> Result<()>;
    /// Removes an empty folder.
    fn rmdir(&mut self, path: &[u8]) -> Result<()>;
    /// Renames; what is at `to` already stays, and that is a failure.
    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()>;
    /// Renames, in place of what is at `to`.
    fn replace(&mut self, from: &[u8], to: &[u8]) -> Result<()>;
    /// Makes a hard link.
    fn hardlink(&mut self, from: &[u8], to: &[u8]) -> Result<()>;
    /// Makes a symbolic link.
    fn symlink(&mut self, target: &[u8], link: &[u8]) -> Result<()>;
    /// Where a symbolic link leads.
    fn readlink(&mut self, path: &[u8]) -> Result<Vec<u8>>;
    /// The path from the root, without links and dots. The last name need not
    /// be there.
    fn realpath(&mut self, path: &[u8]) -> Result<Vec<u8>>;
    /// Puts a folder in place of a `~` or `~user` in front, and the current
    /// one before a relative path.
    fn expand(&mut self, path: &[u8]) -> Result<Vec<u8>>;
    /// Where a user is at home; an empty name means who is logged in.
    fn home(&mut self, user: &[u8]) -> Result<Vec<u8>>;
    /// The name of a user; empty if it has none.
    fn user_name(&mut self, uid: u32) -> String;
    /// The name of a group; empty if it has none.
    fn group_name(&mut self, gid: u32) -> String;
    /// The figures of a file system.
    fn statvfs(&mut self, path: &[u8]) -> Result<Statvfs>;
}

/// An answer that a handler made, without its number.
pub(super) enum Answer<'a> {
    /// It went well.
    Done,
    /// A handle.
    Handle([u8; super::handles::LEN]),
    /// Attributes.
    Attrs(Attrs),
    /// One path.
    Path(Vec<u8>),
    /// The body of an extended answer.
    Extended(Vec<u8>),
    /// Hashes.
    Hashes(FileHashes<'a>),
    /// It is in the output already.
    Written,
}
