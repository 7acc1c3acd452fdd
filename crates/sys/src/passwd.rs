//! Accounts and groups, through the C library so that every name service the
//! system is set up for answers.

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// An entry of the password database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The uid.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
    /// The login shell; empty in the database means `/bin/sh`.
    pub shell: PathBuf,
    /// The password field: `x` when the hash is in the shadow file.
    pub password: Vec<u8>,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let shell = if user.shell.as_os_str().is_empty() {
            "/bin/sh".into()
        } else {
            user.shell
        };
        Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: user.dir,
            shell,
            password: user.passwd.into_bytes(),
        }
    }
}

/// The account called `name`.
pub fn by_name(name: &str) -> io::Result<Option<Account>> {
    if name.is_empty() || name.contains('\0') {
        return Ok(None);
    }
    Ok(User::from_name(name)?.map(Account::from))
}

/// The account with number `uid`.
pub fn by_uid(uid: u32) -> io::Result<Option<Account>> {
    Ok(User::from_uid(Uid::from_raw(uid))?.map(Account::from))
}

/// The groups that `account` is in, its primary one first.
pub fn groups_of(account: &Account) -> io::Result<Vec<u32>> {
    let name = CString::new(account.name.as_bytes())?;
    Ok(getgrouplist(&name, Gid::from_raw(account.gid))?
        .into_iter()
        .map(Gid::as_raw)
        .collect())
}

/// The names of `gids`; numbers without a name are left out.
pub fn group_names(gids: &[u32]) -> Vec<String> {
    gids.iter()
        .filter_map(|gid| Group::from_gid(Gid::from_raw(*gid)).ok().flatten())
        .map(|group| group.name)
        .collect()
}
