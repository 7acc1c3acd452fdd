//! A name that always leads to the agent lent last (AgentSocketLink): what
//! programs keep that outlive their connection, as those in tmux.
//!
//! The broker makes it, as the user: the name is the administrator's, and what
//! stands there is replaced only if it is a link of the user's own. Whoever may
//! write to the folder may lead the user's programs to another agent; that is
//! why the manual wants it in the user's home.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use super::agent::random_name;

/// The link, for as long as the agent is lent.
#[derive(Debug)]
pub struct AgentLink {
    path: PathBuf,
    socket: PathBuf,
    /// Where it led before: the agent of a connection that may last longer.
    before: Option<PathBuf>,
}

impl AgentLink {
    /// Leads `path` to `socket`.
    ///
    /// The configuration's path is absolute, unless it begins with a home
    /// directory that is not: that of an account somebody has spoilt.
    pub fn point(path: &Path, socket: &Path) -> io::Result<Self> {
        if !path.is_absolute() {
            let text = "not an absolute path";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let before = match fs::symlink_metadata(path) {
            Ok(there) => {
                let mine = there.uid() == rustix::process::geteuid().as_raw();
                if !(there.is_symlink() && mine) {
                    let text = "what is there is not a link of the user's";
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
                }
                Some(fs::read_link(path)?)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        lead(path, socket)?;
        Ok(Self {
            path: path.to_owned(),
            socket: socket.to_owned(),
            before,
        })
    }

    /// For `SSH_AUTH_SOCK`.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AgentLink {
    fn drop(&mut self) {
        if fs::read_link(&self.path).ok().as_deref() != Some(&*self.socket) {
            // Another connection has it.
            return;
        }
        // Nobody is there to be told; a link that leads nowhere harms nobody.
        let _ = match &self.before {
            Some(before) if is_socket(before) => lead(&self.path, before),
            _ => fs::remove_file(&self.path),
        };
    }
}

/// Makes the link, or has it lead elsewhere: at no moment is there none.
fn lead(path: &Path, to: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", random_name()));
    let fresh = PathBuf::from(name);
    symlink(to, &fresh)?;
    fs::rename(&fresh, path).inspect_err(|_| drop(fs::remove_file(&fresh)))
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn leads_to_the_one_lent_last_that_is_still_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let path = at("link");
        let listeners = ["a", "b", "c"].map(|name| UnixListener::bind(at(name)).unwrap());
        let leads = |name: &str| fs::read_link(&path).unwrap() == at(name);
        let first = AgentLink::point(&path, &at("a")).unwrap();
        let second = AgentLink::point(&path, &at("b")).unwrap();
        assert_eq!(second.path(), path);
        assert!(leads("b"));
        let third = AgentLink::point(&path, &at("c")).unwrap();
        // One that is not the last leaves it alone.
        drop(second);
        fs::remove_file(at("b")).unwrap();
        assert!(leads("c"));
        // The one before the last is gone, and so nothing is left to lead to.
        drop(third);
        assert!(fs::symlink_metadata(&path).is_err());
        let fourth = AgentLink::point(&path, &at("a")).unwrap();
        let fifth = AgentLink::point(&path, &at("c")).unwrap();
        drop(fifth);
        assert!(leads("a"));
        drop((first, fourth, listeners));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn replaces_nothing_but_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        fs::write(&path, "mine").unwrap();
        let refused = AgentLink::point(&path, Path::new("/s")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let nowhere = folder.path().join("none/agent");
        let refused = AgentLink::point(&nowhere, Path::new("/s")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::NotFound);
        let relative = AgentLink::point(Path::new("agent"), Path::new("/s")).unwrap_err();
        assert_eq!(relative.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
