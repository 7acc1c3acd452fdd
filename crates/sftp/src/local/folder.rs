//! Reading a folder.

use rustix::fs::{AtFlags, Dir, Mode, OFlags, statat};
use rustix::io::Errno;

use super::accounts::Accounts;
use super::{attrs, longname, open};
use crate::server::Listed;

/// An open folder.
pub struct Folder(Dir);

impl Folder {
    pub(super) fn open(path: &[u8]) -> Result<Self, Errno> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(Self(Dir::new(open(path, how, Mode::empty())?)?))
    }

    /// The next file; false at the end. One that is gone by now is passed over.
    pub(super) fn next(
        &mut self,
        accounts: &mut Accounts,
        into: &mut Listed,
    ) -> Result<bool, Errno> {
        loop {
            let Some(entry) = self.0.read() else {
                return Ok(false);
            };
            let entry = entry?;
            let name = entry.file_name();
            // By the folder itself, wherever it has been moved to meanwhile.
            let Ok(stat) = statat(self.0.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            into.name.clear();
            into.name.extend_from_slice(name.to_bytes());
            into.attrs = attrs(&stat);
            longname::write(&mut into.long, &into.name, &stat, accounts);
            return Ok(true);
        }
    }
}
