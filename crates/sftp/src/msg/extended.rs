//! Extended requests and what they are answered with: OpenSSH's (its PROTOCOL,
//! section 4), and `check-file` (draft-ietf-secsh-filexfer-extensions-00
//! section 3).

use carrick_wire::{Decode as _, DecodeError, Encode as _, Reader, Writer};

use super::Attrs;

/// The names of the extensions, and with what version they are announced.
pub mod name {
    /// RENAME that replaces what is there.
    pub const POSIX_RENAME: &[u8] = b"posix-rename@openssh.com";
    /// The figures of a file system, by path.
    pub const STATVFS: &[u8] = b"statvfs@openssh.com";
    /// The figures of a file system, by handle.
    pub const FSTATVFS: &[u8] = b"fstatvfs@openssh.com";
    /// Hard links.
    pub const HARDLINK: &[u8] = b"hardlink@openssh.com";
    /// Flushing a file to its disk.
    pub const FSYNC: &[u8] = b"fsync@openssh.com";
    /// SETSTAT that does not follow links.
    pub const LSETSTAT: &[u8] = b"lsetstat@openssh.com";
    /// What the server takes.
    pub const LIMITS: &[u8] = b"limits@openssh.com";
    /// REALPATH that knows `~`.
    pub const EXPAND_PATH: &[u8] = b"expand-path@openssh.com";
    /// Copies within the server.
    pub const COPY_DATA: &[u8] = b"copy-data";
    /// Where a user is at home.
    pub const HOME_DIRECTORY: &[u8] = b"home-directory";
    /// Names of users and groups.
    pub const USERS_GROUPS_BY_ID: &[u8] = b"users-groups-by-id@openssh.com";
    /// Hashes of a file's content: as announced, and as some clients ask.
    pub const CHECK_FILE: &[u8] = b"check-file";
    /// Hashes of an open file's content.
    pub const CHECK_FILE_HANDLE: &[u8] = b"check-file-handle";
    /// Hashes of a file's content, by path.
    pub const CHECK_FILE_NAME: &[u8] = b"check-file-name";
}

/// An extended request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the protocol's")]
pub enum Extended<'a> {
    PosixRename {
        from: &'a [u8],
        to: &'a [u8],
    },
    Statvfs {
        path: &'a [u8],
    },
    Fstatvfs {
        handle: &'a [u8],
    },
    Hardlink {
        from: &'a [u8],
        to: &'a [u8],
    },
    Fsync {
        handle: &'a [u8],
    },
    Lsetstat {
        path: &'a [u8],
        attrs: Attrs,
    },
    Limits,
    ExpandPath {
        path: &'a [u8],
    },
    /// A `len` of 0 means up to the end.
    CopyData {
        from: &'a [u8],
        from_offset: u64,
        len: u64,
        to: &'a [u8],
        to_offset: u64,
    },
    /// An empty name means the user who is logged in.
    HomeDirectory {
        user: &'a [u8],
    },
    /// Lists of `uint32`.
    UsersGroupsById {
        uids: &'a [u8],
        gids: &'a [u8],
    },
    CheckFile(CheckFile<'a>),
    /// A name that is not known, with all that follows it.
    Unknown {
        name: &'a [u8],
        body: &'a [u8],
    },
}

/// Asks for hashes of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckFile<'a> {
    /// The file.
    pub file: HashedFile<'a>,
    /// Names of hashes, by preference, with commas between.
    pub hashes: &'a [u8],
    /// Where it starts.
    pub offset: u64,
    /// How much; 0 means up to the end.
    pub len: u64,
    /// A hash for each so many bytes; 0 means one for all.
    pub block: u32,
}

/// By what a file is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashedFile<'a> {
    /// It is open.
    Handle(&'a [u8]),
    /// Where it lies.
    Path(&'a [u8]),
}

impl<'a> Extended<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let name = r.string("extended.name")?;
        Ok(match name {
            name::POSIX_RENAME => Self::PosixRename {
                from: r.string("posix-rename.from")?,
                to: r.string("posix-rename.to")?,
            },
            name::STATVFS => Self::Statvfs {
                path: r.string("statvfs.path")?,
            },
            name::FSTATVFS => Self::Fstatvfs {
                handle: r.string("fstatvfs.handle")?,
            },
            name::HARDLINK => Self::Hardlink {
                from: r.string("hardlink.from")?,
                to: r.string("hardlink.to")?,
            },
            name::FSYNC => Self::Fsync {
                handle: r.string("fsync.handle")?,
            },
            name::LSETSTAT => Self::Lsetstat {
                path: r.string("lsetstat.path")?,
                attrs: Attrs::decode(r)?,
            },
            name::LIMITS => Self::Limits,
            name::EXPAND_PATH => Self::ExpandPath {
                path: r.string("expand-path.path")?,
            },
            name::COPY_DATA => Self::CopyData {
                from: r.string("copy-data.from")?,
                from_offset: r.u64("copy-data.from-offset")?,
                len: r.u64("copy-data.length")?,
                to: r.string("copy-data.to")?,
                to_offset: r.u64("copy-data.to-offset")?,
            },
            name::HOME_DIRECTORY => Self::HomeDirectory {
                user: r.string("home-directory.user")?,
            },
            name::USERS_GROUPS_BY_ID => Self::UsersGroupsById {
                uids: r.string("users-groups-by-id.uids")?,
                gids: r.string("users-groups-by-id.gids")?,
            },
            name::CHECK_FILE | name::CHECK_FILE_HANDLE => {
                let handle = r.string("check-file.handle")?;
                Self::CheckFile(CheckFile::read(HashedFile::Handle(handle), r)?)
            }
            name::CHECK_FILE_NAME => {
                let path = r.string("check-file.name")?;
                Self::CheckFile(CheckFile::read(HashedFile::Path(path), r)?)
            }
            name => Self::Unknown {
                name,
                body: r.take_rest(),
            },
        })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.string(self.name());
        match self {
            Self::PosixRename { from, to } | Self::Hardlink { from, to } => {
                w.string(from);
                w.string(to);
            }
            Self::Statvfs { path: only }
            | Self::Fstatvfs { handle: only }
            | Self::Fsync { handle: only }
            | Self::ExpandPath { path: only }
            | Self::HomeDirectory { user: only } => w.string(only),
            Self::Lsetstat { path, attrs } => {
                w.string(path);
                attrs.encode(w);
            }
            Self::Limits => {}
            Self::CopyData {
                from,
                from_offset,
                len,
                to,
                to_offset,
            } => {
                w.string(from);
                w.u64(*from_offset);
                w.u64(*len);
                w.string(to);
                w.u64(*to_offset);
            }
            Self::UsersGroupsById { uids, gids } => {
                w.string(uids);
                w.string(gids);
            }
            Self::CheckFile(check) => check.write(w),
            Self::Unknown { body, .. } => w.raw(body),
        }
    }

    /// The name in the message.
    pub const fn name(&self) -> &'a [u8] {
        match self {
            Self::PosixRename { .. } => name::POSIX_RENAME,
            Self::Statvfs { .. } => name::STATVFS,
            Self::Fstatvfs { .. } => name::FSTATVFS,
            Self::Hardlink { .. } => name::HARDLINK,
            Self::Fsync { .. } => name::FSYNC,
            Self::Lsetstat { .. } => name::LSETSTAT,
            Self::Limits => name::LIMITS,
            Self::ExpandPath { .. } => name::EXPAND_PATH,
            Self::CopyData { .. } => name::COPY_DATA,
            Self::HomeDirectory { .. } => name::HOME_DIRECTORY,
            Self::UsersGroupsById { .. } => name::USERS_GROUPS_BY_ID,
            Self::CheckFile(check) => match check.file {
                HashedFile::Handle(_) => name::CHECK_FILE_HANDLE,
                HashedFile::Path(_) => name::CHECK_FILE_NAME,
            },
            Self::Unknown { name, .. } => name,
        }
    }

    /// The name in allow and deny lists.
    pub const fn list_name(&self) -> &'static str {
        match self {
            Self::PosixRename { .. } => "posix-rename",
            Self::Statvfs { .. } => "statvfs",
            Self::Fstatvfs { .. } => "fstatvfs",
            Self::Hardlink { .. } => "hardlink",
            Self::Fsync { .. } => "fsync",
            Self::Lsetstat { .. } => "lsetstat",
            Self::Limits => "limits",
            Self::ExpandPath { .. } => "expand-path",
            Self::CopyData { .. } => "copy-data",
            Self::HomeDirectory { .. } => "home-directory",
            Self::UsersGroupsById { .. } => "users-groups-by-id",
            Self::CheckFile(_) => "check-file",
            Self::Unknown { .. } => "extended",
        }
    }
}

impl<'a> CheckFile<'a> {
    fn read(file: HashedFile<'a>, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            file,
            hashes: r.string("check-file.hash-algorithm-list")?,
            offset: r.u64("check-file.start-offset")?,
            len: r.u64("check-file.length")?,
            block: r.u32("check-file.block-size")?,
        })
    }

    fn write(&self, w: &mut Writer<'_>) {
        let (HashedFile::Handle(file) | HashedFile::Path(file)) = self.file;
        w.string(file);
        w.string(self.hashes);
        w.u64(self.offset);
        w.u64(self.len);
        w.u32(self.block);
    }
}

/// The answer to `check-file`: the hash that was used, and the hashes of the
/// blocks, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHashes<'a> {
    /// The name of the hash.
    pub hash: &'a [u8],
    /// The hashes.
    pub values: &'a [u8],
}

impl<'a> FileHashes<'a> {
    /// Reads the body of the answer.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        if r.string("check-file.name")? != name::CHECK_FILE {
            return Err(DecodeError::Invalid {
                field: "check-file.name",
            });
        }
        let hash = r.string("check-file.hash-algorithm-used")?;
        let values = r.take_rest();
        Ok(Self { hash, values })
    }

    /// Appends the body of the answer.
    pub fn encode(&self, w: &mut Writer<'_>) {
        w.string(name::CHECK_FILE);
        w.string(self.hash);
        w.raw(self.values);
    }
}

/// The answer to `limits@openssh.com`; 0 means that the server names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The longest message, without its length field.
    pub packet: u64,
    /// The most that one READ returns.
    pub read: u64,
    /// The most that one WRITE may carry.
    pub write: u64,
    /// How many handles may be open.
    pub handles: u64,
}

impl Limits {
    /// Reads the body of the answer.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let limits = Self {
            packet: r.u64("limits.max-packet-length")?,
            read: r.u64("limits.max-read-length")?,
            write: r.u64("limits.max-write-length")?,
            handles: r.u64("limits.max-open-handles")?,
        };
        r.finish()?;
        Ok(limits)
    }

    /// Appends the body of the answer.
    pub fn encode(&self, w: &mut Writer<'_>) {
        for value in [self.packet, self.read, self.write, self.handles] {
            w.u64(value);
        }
    }
}

/// The answer to `statvfs@openssh.com`: the fields of POSIX' `struct statvfs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the fields are POSIX' own")]
pub struct Statvfs {
    pub block_size: u64,
    pub fragment_size: u64,
    pub blocks: u64,
    pub blocks_free: u64,
    pub blocks_available: u64,
    pub files: u64,
    pub files_free: u64,
    pub files_available: u64,
    pub id: u64,
    /// [`Self::READ_ONLY`] and [`Self::NO_SETUID`].
    pub flags: u64,
    pub name_max: u64,
}

impl Statvfs {
    /// Nothing can be written.
    pub const READ_ONLY: u64 = 1;
    /// Set-uid bits do not count.
    pub const NO_SETUID: u64 = 2;

    /// Reads the body of the answer.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let answer = Self {
            block_size: r.u64("statvfs.f_bsize")?,
            fragment_size: r.u64("statvfs.f_frsize")?,
            blocks: r.u64("statvfs.f_blocks")?,
            blocks_free: r.u64("statvfs.f_bfree")?,
            blocks_available: r.u64("statvfs.f_bavail")?,
            files: r.u64("statvfs.f_files")?,
            files_free: r.u64("statvfs.f_ffree")?,
            files_available: r.u64("statvfs.f_favail")?,
            id: r.u64("statvfs.f_fsid")?,
            flags: r.u64("statvfs.f_flag")?,
            name_max: r.u64("statvfs.f_namemax")?,
        };
        r.finish()?;
        Ok(answer)
    }

    /// Appends the body of the answer.
    pub fn encode(&self, w: &mut Writer<'_>) {
        for value in [
            self.block_size,
            self.fragment_size,
            self.blocks,
            self.blocks_free,
            self.blocks_available,
            self.files,
            self.files_free,
            self.files_available,
            self.id,
            self.flags,
            self.name_max,
        ] {
            w.u64(value);
        }
    }
}

/// The answer to `users-groups-by-id@openssh.com`: a name for each number
/// that was asked for, empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts<'a> {
    /// Of users.
    pub users: Vec<&'a [u8]>,
    /// Of groups.
    pub groups: Vec<&'a [u8]>,
}

impl<'a> Accounts<'a> {
    /// Reads the body of the answer.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let users = strings(r.sub("users-groups-by-id.users")?)?;
        let groups = strings(r.sub("users-groups-by-id.groups")?)?;
        r.finish()?;
        Ok(Self { users, groups })
    }

    /// Appends the body of the answer.
    pub fn encode(&self, w: &mut Writer<'_>) {
        for names in [&self.users, &self.groups] {
            w.sub(|w| names.iter().for_each(|name| w.string(name)));
        }
    }
}

fn strings(mut r: Reader<'_>) -> Result<Vec<&[u8]>, DecodeError> {
    let mut all = Vec::new();
    while !r.is_empty() {
        all.push(r.string("name")?);
    }
    Ok(all)
}

/// The numbers in a list of `users-groups-by-id@openssh.com`.
pub fn ids(list: &[u8]) -> Result<Vec<u32>, DecodeError> {
    let mut r = Reader::new(list);
    let mut all = Vec::with_capacity(list.len() / 4);
    while !r.is_empty() {
        all.push(r.u32("id")?);
    }
    Ok(all)
}
