//! File attributes (draft-ietf-secsh-filexfer-02 section 5).

use carrick_wire::{Decode, DecodeError, Encode, Reader, Writer};

const SIZE: u32 = 0x0000_0001;
const OWNER: u32 = 0x0000_0002;
const MODE: u32 = 0x0000_0004;
const TIMES: u32 = 0x0000_0008;
const EXTENDED: u32 = 0x8000_0000;

/// The bits of a mode that say what a file is (POSIX `S_IFMT`).
const KIND: u32 = 0o170_000;

/// What is known of a file, or is to be set. Extended attributes are passed
/// over: no implementation in use has any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attrs {
    /// In bytes.
    pub size: Option<u64>,
    /// Who owns it.
    pub owner: Option<Owner>,
    /// Permissions, and what it is, as in `st_mode`.
    pub mode: Option<u32>,
    /// When it was used.
    pub times: Option<Times>,
}

/// A user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// In seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Last access.
    pub accessed: u32,
    /// Last change of the content.
    pub modified: u32,
}

/// What a file is, by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A plain file.
    Regular,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A fifo, a socket or a device.
    Other,
}

impl Attrs {
    /// Only a mode.
    pub fn with_mode(mode: u32) -> Self {
        Self {
            mode: Some(mode),
            ..Self::default()
        }
    }

    /// Only a size.
    pub fn with_size(size: u64) -> Self {
        Self {
            size: Some(size),
            ..Self::default()
        }
    }

    /// The permission bits, set-uid and its like included.
    pub fn permissions(&self) -> Option<u32> {
        self.mode.map(|mode| mode & 0o7777)
    }

    /// What the file is, if the mode was given and says so.
    pub fn kind(&self) -> Option<FileKind> {
        match self.mode? & KIND {
            0 => None,
            0o100_000 => Some(FileKind::Regular),
            0o040_000 => Some(FileKind::Directory),
            0o120_000 => Some(FileKind::Symlink),
            _ => Some(FileKind::Other),
        }
    }

    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.kind() == Some(FileKind::Directory)
    }
}

impl Decode<'_> for Attrs {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let flags = r.u32("attrs.flags")?;
        if flags & !(SIZE | OWNER | MODE | TIMES | EXTENDED) != 0 {
            // Without knowing them there is no telling what follows.
            return Err(DecodeError::Invalid {
                field: "attrs.flags",
            });
        }
        let has = |flag: u32| flags & flag != 0;
        let mut attrs = Self::default();
        if has(SIZE) {
            attrs.size = Some(r.u64("attrs.size")?);
        }
        if has(OWNER) {
            let (uid, gid) = (r.u32("attrs.uid")?, r.u32("attrs.gid")?);
            attrs.owner = Some(Owner { uid, gid });
        }
        if has(MODE) {
            attrs.mode = Some(r.u32("attrs.permissions")?);
        }
        if has(TIMES) {
            let (accessed, modified) = (r.u32("attrs.atime")?, r.u32("attrs.mtime")?);
            attrs.times = Some(Times { accessed, modified });
        }
        if has(EXTENDED) {
            // Each pair takes eight bytes at least, so the count cannot run away.
            for _ in 0..r.u32("attrs.extended_count")? {
                r.string("attrs.extended_type")?;
                r.string("attrs.extended_data")?;
            }
        }
        Ok(attrs)
    }
}

impl Encode for Attrs {
    fn encode(&self, w: &mut Writer<'_>) {
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        w.u32(
            flag(self.size.is_some(), SIZE)
                | flag(self.owner.is_some(), OWNER)
                | flag(self.mode.is_some(), MODE)
                | flag(self.times.is_some(), TIMES),
        );
        if let Some(size) = self.size {
            w.u64(size);
        }
        if let Some(Owner { uid, gid }) = self.owner {
            w.u32(uid);
            w.u32(gid);
        }
        if let Some(mode) = self.mode {
            w.u32(mode);
        }
        if let Some(Times { accessed, modified }) = self.times {
            w.u32(accessed);
            w.u32(modified);
        }
    }
}
