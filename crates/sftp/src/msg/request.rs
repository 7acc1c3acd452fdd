//! What a client asks (draft-ietf-secsh-filexfer-02 section 6).

use carrick_wire::{Decode as _, DecodeError, Encode as _, Reader, Writer};

use super::{Attrs, Extended, number};

/// How a file is to be opened (section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Open(pub u32);

impl Open {
    /// To read.
    pub const READ: Self = Self(0x01);
    /// To write.
    pub const WRITE: Self = Self(0x02);
    /// All writing goes to the end.
    pub const APPEND: Self = Self(0x04);
    /// Made if it is not there.
    pub const CREATE: Self = Self(0x08);
    /// Emptied.
    pub const TRUNCATE: Self = Self(0x10);
    /// It must not be there yet.
    pub const EXCLUSIVE: Self = Self(0x20);

    /// Whether all of `other` is asked for.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A request, without its number in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the draft's")]
pub enum Request<'a> {
    Open {
        path: &'a [u8],
        how: Open,
        attrs: Attrs,
    },
    Close {
        handle: &'a [u8],
    },
    Read {
        handle: &'a [u8],
        offset: u64,
        len: u32,
    },
    Write {
        handle: &'a [u8],
        offset: u64,
        data: &'a [u8],
    },
    Lstat {
        path: &'a [u8],
    },
    Fstat {
        handle: &'a [u8],
    },
    Setstat {
        path: &'a [u8],
        attrs: Attrs,
    },
    Fsetstat {
        handle: &'a [u8],
        attrs: Attrs,
    },
    Opendir {
        path: &'a [u8],
    },
    Readdir {
        handle: &'a [u8],
    },
    Remove {
        path: &'a [u8],
    },
    Mkdir {
        path: &'a [u8],
        attrs: Attrs,
    },
    Rmdir {
        path: &'a [u8],
    },
    Realpath {
        path: &'a [u8],
    },
    Stat {
        path: &'a [u8],
    },
    Rename {
        from: &'a [u8],
        to: &'a [u8],
    },
    Readlink {
        path: &'a [u8],
    },
    /// In OpenSSH's order, which everybody speaks: the draft has it reversed.
    Symlink {
        target: &'a [u8],
        link: &'a [u8],
    },
    Extended(Extended<'a>),
}

impl<'a> Request<'a> {
    /// Reads a whole request: its number in the conversation, and itself.
    pub fn decode(message: &'a [u8]) -> Result<(u32, Self), DecodeError> {
        let mut r = Reader::new(message);
        let number = r.u8("message number")?;
        let id = r.u32("request id")?;
        let request = Self::read(number, &mut r)?;
        r.finish()?;
        Ok((id, request))
    }

    /// The number in the conversation of a message that may be malformed
    /// behind it: what an answer to it needs.
    pub fn id_of(message: &[u8]) -> Option<u32> {
        let mut r = Reader::new(message);
        r.u8("message number").ok()?;
        r.u32("request id").ok()
    }

    fn read(number: u8, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match number {
            number::OPEN => Self::Open {
                path: r.string("open.path")?,
                how: Open(r.u32("open.pflags")?),
                attrs: Attrs::decode(r)?,
            },
            number::CLOSE => Self::Close {
                handle: r.string("close.handle")?,
            },
            number::READ => Self::Read {
                handle: r.string("read.handle")?,
                offset: r.u64("read.offset")?,
                len: r.u32("read.len")?,
            },
            number::WRITE => Self::Write {
                handle: r.string("write.handle")?,
                offset: r.u64("write.offset")?,
                data: r.string("write.data")?,
            },
            number::LSTAT => Self::Lstat {
                path: r.string("lstat.path")?,
            },
            number::FSTAT => Self::Fstat {
                handle: r.string("fstat.handle")?,
            },
            number::SETSTAT => Self::Setstat {
                path: r.string("setstat.path")?,
                attrs: Attrs::decode(r)?,
            },
            number::FSETSTAT => Self::Fsetstat {
                handle: r.string("fsetstat.handle")?,
                attrs: Attrs::decode(r)?,
            },
            number::OPENDIR => Self::Opendir {
                path: r.string("opendir.path")?,
            },
            number::READDIR => Self::Readdir {
                handle: r.string("readdir.handle")?,
            },
            number::REMOVE => Self::Remove {
                path: r.string("remove.path")?,
            },
            number::MKDIR => Self::Mkdir {
                path: r.string("mkdir.path")?,
                attrs: Attrs::decode(r)?,
            },
            number::RMDIR => Self::Rmdir {
                path: r.string("rmdir.path")?,
            },
            number::REALPATH => Self::Realpath {
                path: r.string("realpath.path")?,
            },
            number::STAT => Self::Stat {
                path: r.string("stat.path")?,
            },
            number::RENAME => Self::Rename {
                from: r.string("rename.from")?,
                to: r.string("rename.to")?,
            },
            number::READLINK => Self::Readlink {
                path: r.string("readlink.path")?,
            },
            number::SYMLINK => Self::Symlink {
                target: r.string("symlink.target")?,
                link: r.string("symlink.link")?,
            },
            number::EXTENDED => Self::Extended(Extended::read(r)?),
            number => return Err(DecodeError::UnknownMessage { number }),
        })
    }

    /// Appends the request under its number in the conversation.
    pub fn encode(&self, w: &mut Writer<'_>, id: u32) {
        w.u8(self.number());
        w.u32(id);
        match self {
            Self::Open { path, how, attrs } => {
                w.string(path);
                w.u32(how.0);
                attrs.encode(w);
            }
            Self::Close { handle } | Self::Fstat { handle } | Self::Readdir { handle } => {
                w.string(handle);
            }
            Self::Read {
                handle,
                offset,
                len,
            } => {
                w.string(handle);
                w.u64(*offset);
                w.u32(*len);
            }
            Self::Write {
                handle,
                offset,
                data,
            } => {
                w.string(handle);
                w.u64(*offset);
                w.string(data);
            }
            Self::Setstat { path: name, attrs }
            | Self::Fsetstat {
                handle: name,
                attrs,
            }
            | Self::Mkdir { path: name, attrs } => {
                w.string(name);
                attrs.encode(w);
            }
            Self::Lstat { path }
            | Self::Opendir { path }
            | Self::Remove { path }
            | Self::Rmdir { path }
            | Self::Realpath { path }
            | Self::Stat { path }
            | Self::Readlink { path } => w.string(path),
            Self::Rename {
                from: first,
                to: second,
            }
            | Self::Symlink {
                target: first,
                link: second,
            } => {
                w.string(first);
                w.string(second);
            }
            Self::Extended(extended) => extended.write(w),
        }
    }

    /// Appends what a WRITE of `len` bytes has before its data, which the
    /// caller puts behind it: no copy of the data is made. It is a whole
    /// message, its length field included.
    pub fn write_head(out: &mut Vec<u8>, id: u32, handle: &[u8], offset: u64, len: u32) {
        let handle_len = u32::try_from(handle.len()).unwrap_or(u32::MAX);
        let fixed = 1 + 4 + 4 + 8 + 4;
        let mut w = Writer::new(out);
        w.u32(handle_len.saturating_add(fixed).saturating_add(len));
        w.u8(number::WRITE);
        w.u32(id);
        w.string(handle);
        w.u64(offset);
        w.u32(len);
    }

    const fn number(&self) -> u8 {
        match self {
            Self::Open { .. } => number::OPEN,
            Self::Close { .. } => number::CLOSE,
            Self::Read { .. } => number::READ,
            Self::Write { .. } => number::WRITE,
            Self::Lstat { .. } => number::LSTAT,
            Self::Fstat { .. } => number::FSTAT,
            Self::Setstat { .. } => number::SETSTAT,
            Self::Fsetstat { .. } => number::FSETSTAT,
            Self::Opendir { .. } => number::OPENDIR,
            Self::Readdir { .. } => number::READDIR,
            Self::Remove { .. } => number::REMOVE,
            Self::Mkdir { .. } => number::MKDIR,
            Self::Rmdir { .. } => number::RMDIR,
            Self::Realpath { .. } => number::REALPATH,
            Self::Stat { .. } => number::STAT,
            Self::Rename { .. } => number::RENAME,
            Self::Readlink { .. } => number::READLINK,
            Self::Symlink { .. } => number::SYMLINK,
            Self::Extended(_) => number::EXTENDED,
        }
    }

    /// The name that OpenSSH's `sftp-server -Q requests` and its allow and
    /// deny lists have for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Close { .. } => "close",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Lstat { .. } => "lstat",
            Self::Fstat { .. } => "fstat",
            Self::Setstat { .. } => "setstat",
            Self::Fsetstat { .. } => "fsetstat",
            Self::Opendir { .. } => "opendir",
            Self::Readdir { .. } => "readdir",
            Self::Remove { .. } => "remove",
            Self::Mkdir { .. } => "mkdir",
            Self::Rmdir { .. } => "rmdir",
            Self::Realpath { .. } => "realpath",
            Self::Stat { .. } => "stat",
            Self::Rename { .. } => "rename",
            Self::Readlink { .. } => "readlink",
            Self::Symlink { .. } => "symlink",
            Self::Extended(extended) => extended.list_name(),
        }
    }
}
