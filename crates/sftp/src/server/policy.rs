//! What a client may ask: decided here, for each request, by what it is.
//!
//! Hashes of a file tell what is in it, so whoever may not read may not have
//! them either, nor by path whoever may not open.

use crate::msg::{Extended, HashedFile, Open, Request, name};

/// Every request by its name in lists, in OpenSSH's order.
pub const REQUESTS: [&str; 30] = [
    "open",
    "close",
    "read",
    "write",
    "lstat",
    "fstat",
    "setstat",
    "fsetstat",
    "opendir",
    "readdir",
    "remove",
    "mkdir",
    "rmdir",
    "realpath",
    "stat",
    "rename",
    "readlink",
    "symlink",
    "posix-rename",
    "statvfs",
    "fstatvfs",
    "hardlink",
    "fsync",
    "lsetstat",
    "limits",
    "expand-path",
    "copy-data",
    "home-directory",
    "users-groups-by-id",
    "check-file",
];

/// What an extended request that is not known is called.
const UNKNOWN: &str = "extended";

/// Extensions as they are announced, with their names in lists.
pub(super) const EXTENSIONS: [(&[u8], &[u8], &str); 12] = [
    (name::POSIX_RENAME, b"1", "posix-rename"),
    (name::STATVFS, b"2", "statvfs"),
    (name::FSTATVFS, b"2", "fstatvfs"),
    (name::HARDLINK, b"1", "hardlink"),
    (name::FSYNC, b"1", "fsync"),
    (name::LSETSTAT, b"1", "lsetstat"),
    (name::LIMITS, b"1", "limits"),
    (name::EXPAND_PATH, b"1", "expand-path"),
    (name::COPY_DATA, b"1", "copy-data"),
    (name::HOME_DIRECTORY, b"1", "home-directory"),
    (name::USERS_GROUPS_BY_ID, b"1", "users-groups-by-id"),
    (name::CHECK_FILE, b"1", "check-file"),
];

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Nothing may be changed.
    pub read_only: bool,
    /// Names of requests that are refused.
    pub denied: Vec<String>,
    /// If there is such a list, the names of the only ones that are not.
    pub allowed: Option<Vec<String>>,
}

/// What the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is against it.
    Permitted,
    /// A list names it.
    Listed,
    /// A list names it as refused.
    Denied,
    /// A list does not name it.
    Unlisted,
    /// It changes something.
    ReadOnly,
}

impl Verdict {
    /// Whether it may be done.
    pub fn permits(self) -> bool {
        matches!(self, Self::Permitted | Self::Listed)
    }
}

impl Policy {
    /// Whether this may be done; if not, by what name it was refused.
    pub fn judge(&self, request: &Request<'_>) -> (Verdict, &'static str) {
        let name = request.name();
        let changes = self.read_only && changes(request);
        // As in OpenSSH, which looks at how a file is opened last.
        let is_open = matches!(request, Request::Open { .. });
        if changes && !is_open {
            return (Verdict::ReadOnly, name);
        }
        let also: &[&'static str] = match request {
            Request::Extended(Extended::CheckFile(check)) => match check.file {
                HashedFile::Handle(_) => &["read"],
                HashedFile::Path(_) => &["open", "read"],
            },
            _ => &[],
        };
        let mut verdict = self.judge_name(name);
        for name in also {
            if verdict.permits() {
                verdict = self.judge_name(name);
            }
        }
        if changes && verdict.permits() {
            verdict = Verdict::ReadOnly;
        }
        (verdict, name)
    }

    /// Whether an extension is announced: it may be used, by its name alone.
    pub(super) fn judge_extension(&self, list_name: &str) -> Verdict {
        if self.read_only && CHANGING.contains(&list_name) {
            return Verdict::ReadOnly;
        }
        match list_name {
            "check-file" if !self.judge_name("read").permits() => Verdict::Denied,
            _ => self.judge_name(list_name),
        }
    }

    fn judge_name(&self, name: &str) -> Verdict {
        let is_in = |list: &[String]| list.iter().any(|listed| listed == name);
        if name == UNKNOWN {
            // It is refused as not known, whatever the rules.
            return Verdict::Permitted;
        }
        if is_in(&self.denied) {
            return Verdict::Denied;
        }
        match &self.allowed {
            None => Verdict::Permitted,
            Some(list) if is_in(list) => Verdict::Listed,
            Some(_) => Verdict::Unlisted,
        }
    }
}

/// Extensions that change something.
const CHANGING: [&str; 5] = ["posix-rename", "hardlink", "fsync", "lsetstat", "copy-data"];

/// Whether a request could change anything.
fn changes(request: &Request<'_>) -> bool {
    match request {
        // A new kind of request does not compile until it is thought of here.
        Request::Open { how, .. } => [Open::WRITE, Open::CREATE, Open::TRUNCATE]
            .into_iter()
            .any(|flag| how.has(flag)),
        Request::Write { .. }
        | Request::Setstat { .. }
        | Request::Fsetstat { .. }
        | Request::Remove { .. }
        | Request::Mkdir { .. }
        | Request::Rmdir { .. }
        | Request::Rename { .. }
        | Request::Symlink { .. } => true,
        Request::Close { .. }
        | Request::Read { .. }
        | Request::Lstat { .. }
        | Request::Fstat { .. }
        | Request::Opendir { .. }
        | Request::Readdir { .. }
        | Request::Realpath { .. }
        | Request::Stat { .. }
        | Request::Readlink { .. } => false,
        Request::Extended(extended) => match extended {
            Extended::PosixRename { .. }
            | Extended::Hardlink { .. }
            | Extended::Fsync { .. }
            | Extended::Lsetstat { .. }
            | Extended::CopyData { .. } => true,
            Extended::Statvfs { .. }
            | Extended::Fstatvfs { .. }
            | Extended::Limits
            | Extended::ExpandPath { .. }
            | Extended::HomeDirectory { .. }
            | Extended::UsersGroupsById { .. }
            | Extended::CheckFile(_)
            | Extended::Unknown { .. } => false,
        },
    }
}
