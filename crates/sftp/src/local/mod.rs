//! This machine's files behind a server, with the rights of the process.
//!
//! Links, permissions and mount points are left to the system: there is no
//! path that is looked at first and used later, other than where the protocol
//! wants it (REALPATH). Nothing here waits for a fifo's other end: files are
//! opened without blocking, which makes no difference to plain ones.

mod accounts;
mod copy;
mod flags;
mod folder;
mod hashes;
mod log;
mod longname;
mod program;
mod resolve;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;

use carrick_sys::files;
use rustix::fs::{
    self, AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Stat, StatVfs, StatVfsMountFlags, Timespec,
    Timestamps, Uid,
};
use rustix::io::{Errno, retry_on_intr};

use crate::limits;
use crate::msg::{Attrs, CheckFile, Code, Open, Owner, Statvfs, Times};
use crate::server::{Backend, Change, Failure, Links, Listed, Place, Result};

pub use accounts::Home;
pub use log::{Log, Where, system_log};
pub use program::{Surroundings, run};
pub use serve::{End, serve};

use accounts::Accounts;
use folder::Folder;

/// Descriptors that are not for handles.
const OWN_DESCRIPTORS: u64 = 5;
/// The most handles, however many descriptors there may be.
const MOST_HANDLES: u64 = 65_536;

/// The files of this machine.
pub struct Local {
    accounts: Accounts,
    most_open: u64,
}

/// An open file.
pub struct File {
    fd: OwnedFd,
    /// Writing goes to the end.
    append: bool,
}

impl Local {
    /// For a user.
    pub fn new(home: Home) -> Self {
        use rustix::process::{Resource, getrlimit};
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            accounts: Accounts::new(home),
            most_open: descriptors
                .saturating_sub(OWN_DESCRIPTORS)
                .clamp(1, MOST_HANDLES),
        }
    }
}

/// What a client is told of an error, as OpenSSH has it.
fn failed(errno: Errno) -> Failure {
    let code = match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::BADF | Errno::LOOP => Code::NO_SUCH_FILE,
        Errno::PERM | Errno::ACCESS | Errno::FAULT => Code::PERMISSION_DENIED,
        Errno::NAMETOOLONG | Errno::INVAL => Code::BAD_MESSAGE,
        Errno::NOSYS => Code::OP_UNSUPPORTED,
        _ => Code::FAILURE,
    };
    let words = match errno {
        Errno::NOSPC => Some("Failure: No space left on device"),
        Errno::DQUOT => Some("Failure: Disk quota exceeded"),
        Errno::FBIG => Some("Failure: File too large"),
        Errno::ROFS => Some("Failure: Read-only file system"),
        Errno::IO => Some("Failure: Input/output error"),
        _ => None,
    };
    Failure {
        words,
        ..Failure::because(code, errno.into())
    }
}

/// Likewise, of one that std has wrapped.
fn failed_io(problem: io::Error) -> Failure {
    match problem.raw_os_error() {
        Some(number) => failed(Errno::from_raw_os_error(number)),
        None => Failure::because(Code::FAILURE, problem),
    }
}

fn no_space_for(offset: u64, len: usize) -> bool {
    let end = offset.checked_add(u64::try_from(len).unwrap_or(u64::MAX));
    end.is_none_or(|end| i64::try_from(end).is_err())
}

/// Only the part of a mode that can be set.
fn mode(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}

/// Seconds as the protocol has them.
fn seconds(time: impl TryInto<i64>) -> u32 {
    let time = time.try_into().unwrap_or(0).max(0);
    u32::try_from(time).unwrap_or(u32::MAX)
}

fn attrs(stat: &Stat) -> Attrs {
    Attrs {
        size: Some(u64::try_from(stat.st_size).unwrap_or(0)),
        owner: Some(Owner {
            uid: stat.st_uid,
            gid: stat.st_gid,
        }),
        mode: Some(stat.st_mode),
        times: Some(Times {
            accessed: seconds(stat.st_atime),
            modified: seconds(stat.st_mtime),
        }),
    }
}

fn figures(figures: &StatVfs) -> Statvfs {
    let flag = |mount, flag| {
        if figures.f_flag.contains(mount) {
            flag
        } else {
            0
        }
    };
    Statvfs {
        block_size: figures.f_bsize,
        fragment_size: figures.f_frsize,
        blocks: figures.f_blocks,
        blocks_free: figures.f_bfree,
        blocks_available: figures.f_bavail,
        files: figures.f_files,
        files_free: figures.f_ffree,
        files_available: figures.f_favail,
        id: figures.f_fsid,
        flags: flag(StatVfsMountFlags::RDONLY, Statvfs::READ_ONLY)
            | flag(StatVfsMountFlags::NOSUID, Statvfs::NO_SETUID),
        name_max: figures.f_namemax,
    }
}

fn timestamps(times: Times) -> Timestamps {
    let at = |seconds: u32| Timespec {
        tv_sec: seconds.into(),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: at(times.accessed),
        last_modification: at(times.modified),
    }
}

/// A number of all ones means that nothing changes, to chown(2) too.
fn owner(owner: Owner) -> (Option<Uid>, Option<Gid>) {
    let some = |id: u32| Some(id).filter(|id| *id != u32::MAX);
    (
        some(owner.uid).map(Uid::from_raw),
        some(owner.gid).map(Gid::from_raw),
    )
}

fn at_flags(links: Links) -> AtFlags {
    match links {
        Links::Follow => AtFlags::empty(),
        Links::Keep => AtFlags::SYMLINK_NOFOLLOW,
    }
}

/// How the system is to open a file.
fn open_flags(how: Open) -> OFlags {
    let mut flags = match (how.has(Open::READ), how.has(Open::WRITE)) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    };
    for (asked, flag) in [
        (Open::APPEND, OFlags::APPEND),
        (Open::CREATE, OFlags::CREATE),
        (Open::TRUNCATE, OFlags::TRUNC),
        (Open::EXCLUSIVE, OFlags::EXCL),
    ] {
        if how.has(asked) {
            flags |= flag;
        }
    }
    flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK
}

fn open(path: &[u8], how: OFlags, with: Mode) -> core::result::Result<OwnedFd, Errno> {
    match retry_on_intr(|| fs::open(path, how, with)) {
        // Another program has a lease on the file and is asked to give it up,
        // which is a matter of seconds.
        Err(Errno::AGAIN) if is_plain(path) => {
            retry_on_intr(|| fs::open(path, how - OFlags::NONBLOCK, with))
        }
        result => result,
    }
}

fn is_plain(path: &[u8]) -> bool {
    fs::stat(path).is_ok_and(|stat| is_regular(&stat))
}

fn is_regular(stat: &Stat) -> bool {
    fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::RegularFile
}

impl Backend for Local {
    type File = File;
    type Dir = Folder;

    fn most_open(&self) -> u64 {
        self.most_open
    }

    fn open(&mut self, path: &[u8], how: Open, with: u32) -> Result<File> {
        let fd = open(path, open_flags(how), mode(with)).map_err(failed)?;
        let append = how.has(Open::APPEND);
        Ok(File { fd, append })
    }

    fn read(&mut self, file: &File, offset: u64, into: &mut [u8]) -> Result<usize> {
        retry_on_intr(|| rustix::io::pread(&file.fd, &mut *into, offset)).map_err(failed)
    }

    fn write(&mut self, file: &File, offset: u64, data: &[u8]) -> Result<()> {
        if no_space_for(offset, data.len()) && !file.append {
            return Err(failed(Errno::FBIG));
        }
        write_all(file, offset, data).map_err(failed)
    }

    fn close(&mut self, file: File) -> Result<()> {
        files::close(file.fd).map_err(failed_io)
    }

    fn fstat(&mut self, file: &File) -> Result<Attrs> {
        fs::fstat(&file.fd).map(|stat| attrs(&stat)).map_err(failed)
    }

    fn fset(&mut self, file: &File, change: Change) -> Result<()> {
        match change {
            Change::Size(size) if i64::try_from(size).is_err() => Err(Errno::INVAL),
            Change::Size(size) => retry_on_intr(|| fs::ftruncate(&file.fd, size)),
            Change::Mode(bits) => fs::fchmod(&file.fd, mode(bits)),
            Change::Times(times) => fs::futimens(&file.fd, &timestamps(times)),
            Change::Owner(to) => {
                let (uid, gid) = owner(to);
                fs::fchown(&file.fd, uid, gid)
            }
        }
        .map_err(failed)
    }

    fn fsync(&mut self, file: &File) -> Result<()> {
        retry_on_intr(|| fs::fsync(&file.fd)).map_err(failed)
    }

    fn fstatvfs(&mut self, file: &File) -> Result<Statvfs> {
        fs::fstatvfs(&file.fd)
            .map(|answer| figures(&answer))
            .map_err(failed)
    }

    fn copy(&mut self, from: Place<'_, File>, len: u64, to: Place<'_, File>) -> Result<u64> {
        copy::copy(&from, len, &to)
    }

    fn fhash(
        &mut self,
        file: &File,
        what: &CheckFile<'_>,
        values: &mut Vec<u8>,
    ) -> Result<&'static [u8]> {
        hashes::hash(&file.fd, what, values)
    }

    fn hash(
        &mut self,
        path: &[u8],
        what: &CheckFile<'_>,
        values: &mut Vec<u8>,
    ) -> Result<&'static [u8]> {
        let file = open(path, open_flags(Open::READ), Mode::empty()).map_err(failed)?;
        hashes::hash(&file, what, values)
    }

    fn open_dir(&mut self, path: &[u8]) -> Result<Folder> {
        Folder::open(path).map_err(failed)
    }

    fn next(&mut self, dir: &mut Folder, into: &mut Listed) -> Result<bool> {
        dir.next(&mut self.accounts, into).map_err(failed)
    }

    fn stat(&mut self, path: &[u8], links: Links) -> Result<Attrs> {
        fs::statat(CWD, path, at_flags(links))
            .map(|stat| attrs(&stat))
            .map_err(failed)
    }

    fn set(&mut self, path: &[u8], links: Links, change: Change) -> Result<()> {
        match change {
            Change::Size(size) => return files::truncate(path, size).map_err(failed_io),
            Change::Mode(bits) if links == Links::Keep => {
                return files::chmod_no_follow(path, bits & 0o7777).map_err(failed_io);
            }
            Change::Mode(bits) => fs::chmod(path, mode(bits)),
            Change::Times(times) => fs::utimensat(CWD, path, &timestamps(times), at_flags(links)),
            Change::Owner(to) => {
                let (uid, gid) = owner(to);
                fs::chownat(CWD, path, uid, gid, at_flags(links))
            }
        }
        .map_err(failed)
    }

    fn remove(&mut self, path: &[u8]) -> Result<()> {
        fs::unlink(path).map_err(failed)
    }

    fn mkdir(&mut self, path: &[u8], with: u32) -> Result<()> {
        fs::mkdir(path, mode(with)).map_err(failed)
    }

    fn rmdir(&mut self, path: &[u8]) -> Result<()> {
        fs::rmdir(path).map_err(failed)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        rename_to_nothing(from, to).map_err(failed)
    }

    fn replace(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        fs::rename(from, to).map_err(failed)
    }

    fn hardlink(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        fs::linkat(CWD, from, CWD, to, AtFlags::empty()).map_err(failed)
    }

    fn symlink(&mut self, target: &[u8], link: &[u8]) -> Result<()> {
        fs::symlink(target, link).map_err(failed)
    }

    fn readlink(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        fs::readlink(path, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(failed)
    }

    fn realpath(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        resolve::realpath(path).map_err(failed)
    }

    fn expand(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        resolve::expand(path)
    }

    fn home(&mut self, user: &[u8]) -> Result<Vec<u8>> {
        self.accounts.home(user).ok_or(Code::FAILURE.into())
    }

    fn user_name(&mut self, uid: u32) -> String {
        self.accounts.user(uid).unwrap_or_default().to_owned()
    }

    fn group_name(&mut self, gid: u32) -> String {
        self.accounts.group(gid).unwrap_or_default().to_owned()
    }

    fn statvfs(&mut self, path: &[u8]) -> Result<Statvfs> {
        fs::statvfs(path)
            .map(|answer| figures(&answer))
            .map_err(failed)
    }
}

/// Writes all, at an offset or at the end.
fn write_all(file: &File, mut offset: u64, mut data: &[u8]) -> core::result::Result<(), Errno> {
    loop {
        // An empty piece too, so that a file that cannot be written says so.
        let count = retry_on_intr(|| {
            if file.append {
                rustix::io::write(&file.fd, data)
            } else {
                rustix::io::pwrite(&file.fd, data, offset)
            }
        })?;
        data = data.get(count..).unwrap_or_default();
        if data.is_empty() {
            return Ok(());
        }
        if count == 0 {
            return Err(Errno::IO);
        }
        offset = offset.saturating_add(u64::try_from(count).unwrap_or(0));
    }
}

/// Renames where nothing is at `to`, without ever replacing anything.
fn rename_to_nothing(from: &[u8], to: &[u8]) -> core::result::Result<(), Errno> {
    match fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system or a kernel without that flag, or something else
        // that is wrong, which will show again.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        result => return result,
    }
    if is_regular(&fs::lstat(from)?) {
        // A link is never made in place of something.
        match fs::linkat(CWD, from, CWD, to, AtFlags::empty()) {
            Ok(()) => {
                return fs::unlink(from).inspect_err(|_| {
                    // Both names are there: the new one was not asked for alone.
                    let _ = fs::unlink(to);
                });
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::MLINK | Errno::XDEV) => {}
            Err(errno) => return Err(errno),
        }
    }
    match fs::lstat(to) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => fs::rename(from, to),
        Err(errno) => Err(errno),
    }
}

/// Bytes for a hash or a copy at a time.
const PIECE: usize = limits::MESSAGE;
