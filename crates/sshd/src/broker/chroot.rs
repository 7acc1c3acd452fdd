//! ChrootDirectory: another root directory for all that a user runs, entered
//! by the broker while it is still root, before anything of the user's counts.
//!
//! What could each of these do?
//! - The user owns nothing on the path: every folder of it belongs to root and
//!   can be written by root alone, or the login ends here. So nobody else can
//!   put another folder, or a link out of it, in its place.
//! - A hostile worker or client reaches only the broker, which has no
//!   descriptor of a folder outside: what it needs from there is taken before
//!   ([`Outside`]), and is two ends of sockets, a terminal and a text.
//! - Root inside is not held by it, as with OpenSSH.
//! - Name services may load libraries from inside, with the user's rights:
//!   they are in folders that only root can make.

use std::fs::{File, metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use carrick_sftp::local;
use carrick_sys::identity::{Identity, with_effective};
use carrick_sys::pty::{self, Pty};
use carrick_sys::sandbox;

use super::launch::NOLOGIN;
use crate::log::verbose;
use crate::rpc::broker::Start;

/// The longest text that says why nobody may log in.
const LONGEST_TEXT: u64 = 64 * 1024;

/// What sessions need from outside of a changed root directory.
#[derive(Debug, Default)]
pub struct Outside {
    /// Why nobody but root may log in.
    pub nologin: Option<Vec<u8>>,
    /// The way to the system log.
    pub system_log: Option<UnixDatagram>,
    /// A terminal, for the first session that wants one: there may be none
    /// to be had inside.
    pub terminal: Option<Pty>,
}

impl Outside {
    /// Taken while the root directory is still the machine's.
    pub fn take(start: &Start, user: &Identity) -> io::Result<Self> {
        let wants_terminal = start.rules.permit_tty && !start.forces_internal_sftp();
        // It belongs to whoever opens it.
        let terminal = wants_terminal.then(|| with_effective(user, pty::open));
        Ok(Self {
            nologin: File::open(NOLOGIN).ok().map(text),
            system_log: local::system_log(),
            terminal: terminal.transpose()?.and_then(Result::ok),
        })
    }
}

fn text(file: File) -> Vec<u8> {
    let mut text = Vec::new();
    // That it is there is what counts.
    let _ = file.take(LONGEST_TEXT).read_to_end(&mut text);
    text
}

/// Makes `path` the root directory, if nobody but root could have had a hand
/// in it.
pub fn enter(path: &[u8]) -> io::Result<()> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    check(path).map_err(io::Error::other)?;
    sandbox::chroot(path).map_err(|problem| {
        io::Error::other(format!("chroot(\"{}\"): {problem}", path.display()))
    })?;
    verbose!("Changed root directory to \"{}\"", path.display());
    Ok(())
}

/// Whether every folder on the way belongs to root and is only root's to
/// write; if not, why, in OpenSSH's words.
fn check(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("chroot path does not begin at root".to_owned());
    }
    // From the root on: what is checked cannot be changed by others after that.
    let mut folders: Vec<_> = path.ancestors().collect();
    folders.reverse();
    for folder in folders {
        let name = folder.display();
        let part = if folder == path { "" } else { "component " };
        let found =
            metadata(folder).map_err(|problem| format!("stat({part}\"{name}\"): {problem}"))?;
        if found.uid() != 0 || found.mode() & 0o022 != 0 {
            return Err(format!(
                "bad ownership or modes for chroot directory {part}\"{name}\""
            ));
        }
        if !found.is_dir() {
            return Err(format!("chroot path {part}\"{name}\" is not a directory"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_folder_must_be_roots_alone() {
        assert_eq!(check(Path::new("/")), Ok(()));
        assert_eq!(check(Path::new("/proc")), Ok(()));
        let said = |path: &Path| check(path).unwrap_err();
        assert_eq!(said(Path::new("x")), "chroot path does not begin at root");
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("below");
        std::fs::create_dir(&below).unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
        // Somewhere on the way there is one that others can write.
        let words = said(&below);
        assert!(words.starts_with("bad ownership or modes for chroot directory component \"/"));
        let words = said(Path::new("/proc/version"));
        assert_eq!(words, "chroot path \"/proc/version\" is not a directory");
        assert!(said(Path::new("/nowhere")).starts_with("stat(\"/nowhere\"): No such"));
    }
}
