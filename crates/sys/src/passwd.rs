//! Accounts and groups, through the C library so that every name service the
//! system is set up for answers.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt as _;
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
        Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: user.dir,
            shell: shell_or_default(user.shell),
            password: user.passwd.into_bytes(),
        }
    }
}

fn shell_or_default(shell: PathBuf) -> PathBuf {
    if shell.as_os_str().is_empty() {
        "/bin/sh".into()
    } else {
        shell
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

/// The account with number `uid` for a program that is in a hurry: by
/// `/etc/passwd` where it is there, and only else by the name services, which
/// cost a short program a tenth of its time.
pub fn by_uid_local_first(uid: u32) -> io::Result<Option<Account>> {
    let local = File::open("/etc/passwd").and_then(|file| in_passwd(BufReader::new(file), uid));
    match local {
        Ok(Some(account)) => Ok(Some(account)),
        // The name services may know more, or why it cannot be read.
        Ok(None) | Err(_) => by_uid(uid),
    }
}

/// The first account with number `uid` in a file of the form of
/// `/etc/passwd`.
fn in_passwd(mut file: impl BufRead, uid: u32) -> io::Result<Option<Account>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let account = passwd_line(line.strip_suffix(b"\n").unwrap_or(&line));
        if account.as_ref().is_some_and(|account| account.uid == uid) {
            return Ok(account);
        }
    }
}

/// What a line of `/etc/passwd` says; `None` where it is none, or has `+` or
/// `-` for other sources of names before it.
fn passwd_line(line: &[u8]) -> Option<Account> {
    let mut fields = line.split(|byte| *byte == b':');
    let mut field = || fields.next();
    let (name, password, uid, gid) = (field()?, field()?, field()?, field()?);
    let (_real_name, home, shell) = (field()?, field()?, field()?);
    if field().is_some() || matches!(name, [] | [b'+' | b'-' | b'#' | b' ' | b'\t', ..]) {
        return None;
    }
    let number = |digits: &[u8]| match digits {
        [b'0'..=b'9', ..] => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    };
    let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
    Some(Account {
        name: std::str::from_utf8(name).ok()?.to_owned(),
        uid: number(uid)?,
        gid: number(gid)?,
        home: path(home),
        shell: shell_or_default(path(shell)),
        password: password.to_owned(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"# comment\n\
        \n\
        root:x:0:0:root:/root:/bin/bash\n\
        +nis:x:7:7::/nis:/bin/sh\n\
        short:x:7:7::/short\n\
        odd:x:+7:7::/odd:/bin/sh\n\
        far:x:4294967303:7::/far:/bin/sh\n\
        \xff:x:7:7::/latin:/bin/sh\n\
        long:x:7:7::/long:/bin/sh:\n\
        :x:7:7::/nameless:/bin/sh\n\
        seven:x:7:70:a,b:/home/\xfc:\n\
        again:x:7:71::/again:/bin/sh\n\
        last:*:8:80::/last:/bin/false";

    #[test]
    fn accounts_of_a_file() {
        let found = |uid| in_passwd(FILE, uid).unwrap();
        let seven = found(7).unwrap();
        assert_eq!((seven.name.as_str(), seven.gid), ("seven", 70));
        assert_eq!(seven.home.as_os_str().as_bytes(), b"/home/\xfc");
        assert_eq!(seven.shell, PathBuf::from("/bin/sh"));
        let last = found(8).unwrap();
        assert_eq!(
            (last.name.as_str(), &last.password[..]),
            ("last", &b"*"[..])
        );
        assert_eq!(last.shell, PathBuf::from("/bin/false"));
        assert_eq!(found(9), None);
    }

    #[test]
    fn the_file_and_the_name_services_agree() {
        let uid = crate::identity::effective_uid();
        let quick = by_uid_local_first(uid).unwrap();
        assert_eq!(quick, by_uid(uid).unwrap());
        assert_eq!(by_uid_local_first(u32::MAX - 7).unwrap(), None);
    }
}
