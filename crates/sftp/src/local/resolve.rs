//! Paths from the root: REALPATH and `expand-path`.

use std::ffi::CString;

use rustix::fs::{FileType, lstat, readlink};
use rustix::io::Errno;
use rustix::process::getcwd;

use super::accounts::home_of;
use crate::limits;
use crate::msg::Code;
use crate::server::{Failure, Name, Result};

/// The most links that are followed on the way.
const MOST_LINKS: u32 = 32;

/// The path from the root to `path`, without links, dots and double slashes.
/// The last name need not be there, unless a slash is behind it.
pub(super) fn realpath(path: &[u8]) -> core::result::Result<Vec<u8>, Errno> {
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    if path.len() >= limits::PATH {
        return Err(Errno::NAMETOOLONG);
    }
    // Without a slash at its end, and so empty for the root.
    let mut done = Vec::new();
    if !path.starts_with(b"/") {
        done = current()?;
    }
    let mut left = path.to_vec();
    let mut links = 0;
    while !left.is_empty() {
        let slash = left.iter().position(|byte| *byte == b'/');
        let name: Vec<u8> = left.drain(..slash.unwrap_or(left.len())).collect();
        if slash.is_some() {
            left.remove(0);
        }
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                pop(&mut done);
                continue;
            }
            name => {
                done.push(b'/');
                done.extend_from_slice(name);
            }
        }
        if done.len() >= limits::PATH || left.len() >= limits::PATH {
            return Err(Errno::NAMETOOLONG);
        }
        let stat = match lstat(done.as_slice()) {
            Err(Errno::NOENT) if slash.is_none() => break,
            result => result?,
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP);
            }
            let mut target = readlink(done.as_slice(), Vec::new())?.into_bytes();
            if target.starts_with(b"/") {
                done.clear();
            } else {
                pop(&mut done);
            }
            if slash.is_some() {
                target.push(b'/');
                target.append(&mut left);
            }
            left = target;
        }
    }
    if done.is_empty() {
        done.push(b'/');
    }
    Ok(done)
}

/// The current folder, the root being empty.
fn current() -> core::result::Result<Vec<u8>, Errno> {
    let mut path = getcwd(Vec::new()).map(CString::into_bytes)?;
    if path == b"/" {
        path.clear();
    }
    Ok(path)
}

/// Takes the last name off.
fn pop(path: &mut Vec<u8>) {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    path.truncate(slash.unwrap_or(0));
}

/// Puts a folder in place of a `~` in front, and the current one before a
/// relative path. As in OpenSSH, `~` alone is the current folder, which is
/// where the session began, and only `~user` asks the system.
pub(super) fn expand(path: &[u8]) -> Result<Vec<u8>> {
    let from_here = |rest: &[u8]| -> Result<Vec<u8>> {
        let mut whole = current().map_err(super::failed)?;
        whole.extend_from_slice(rest);
        Ok(whole)
    };
    match path {
        [] => Ok(b".".to_vec()),
        b"~" => from_here(b""),
        [b'~', b'/', ..] => from_here(path.strip_prefix(b"~").unwrap_or_default()),
        [b'~', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b'/');
            let (user, below) = rest
                .split_at_checked(end.unwrap_or(rest.len()))
                .unwrap_or_default();
            let mut whole = home_of(user).ok_or_else(|| Failure {
                words: Some("no such user"),
                ..Failure::because(
                    Code::NO_SUCH_FILE,
                    std::io::Error::other(format!("No such user {}", Name(user))),
                )
            })?;
            whole.extend_from_slice(if below.is_empty() { b"/" } else { below });
            Ok(whole)
        }
        [b'/', ..] => Ok(path.to_vec()),
        _ => from_here(&[b"/", path].concat()),
    }
}
