//! The socket at which the user's programs reach the agent that the client
//! lends (agent forwarding).
//!
//! It lies in a fresh folder that only the user may enter, and both are
//! removed with the value, however the broker ends short of SIGKILL.
//!
//! What could a hostile worker do with it? Ask for it, once a connection, if
//! the rules permit; it chooses neither name nor place. It is handed the
//! connections that programs of the user make there, and can answer them as
//! the client could, who holds the agent. It cannot connect itself. Programs
//! of other users cannot come near the socket; those of the same user could
//! reach the agent through the program that was meant to use it.

use std::fs::{DirBuilder, remove_dir, remove_file};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carrick_crypto::rng::{Rng as _, SystemRng};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::agent_link::AgentLink;
use crate::log::error;

/// How many names are tried.
const ATTEMPTS: usize = 100;
/// How long no connection is taken after one could not be, for want of
/// descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);

/// The listening socket.
#[derive(Debug)]
pub struct AgentSocket {
    // Given back before the socket that it leads to is gone.
    link: Option<AgentLink>,
    listener: UnixListener,
    path: PathBuf,
    resume: Option<Instant>,
    // Removed after the socket in it.
    _folder: Folder,
}

/// A folder that goes away with the value.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Somebody may have put something else there: that is theirs to remove.
        let _ = remove_dir(&self.0);
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        // The user may have removed it.
        let _ = remove_file(&self.path);
    }
}

impl AgentSocket {
    /// A socket that listens, at a path that nobody could guess or take before,
    /// and a link to it. It is lent without the link if that cannot be.
    pub fn make(link: Option<&Path>) -> io::Result<Self> {
        let folder = Folder::make()?;
        let path = folder.0.join(format!("agent.{}", std::process::id()));
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        let link = link.and_then(|link| {
            AgentLink::point(link, &path)
                .inspect_err(|e| error!("AgentSocketLink {}: {e}", link.display()))
                .ok()
        });
        Ok(Self {
            link,
            listener,
            path,
            resume: None,
            _folder: folder,
        })
    }

    /// For `SSH_AUTH_SOCK`.
    pub fn path(&self) -> &Path {
        self.link.as_ref().map_or(&self.path, AgentLink::path)
    }

    /// How long nothing is to be accepted yet.
    pub fn pause(&self) -> Option<Duration> {
        let left = self.resume?.checked_duration_since(Instant::now())?;
        (!left.is_zero()).then_some(left)
    }

    /// A program that has connected; `None` when it is gone again, or when
    /// there is no room for it now.
    pub fn accept(&mut self) -> io::Result<Option<OwnedFd>> {
        self.resume = None;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match accept_with(&self.listener, flags) {
            Ok(program) => Ok(Some(program)),
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                self.resume = Instant::now().checked_add(PAUSE);
                Ok(None)
            }
            Err(problem) => Err(problem.into()),
        }
    }
}

impl AsFd for AgentSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Folder {
    fn make() -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let path = Path::new(super::TMP).join(format!("ssh-{}", random_name()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {}
                Err(problem) => return Err(problem),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// Twelve random characters.
pub(super) fn random_name() -> String {
    const CHARACTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 12];
    SystemRng.fill(&mut bytes);
    let character = |byte: u8| char::from(CHARACTERS[usize::from(byte % 32)]);
    bytes.into_iter().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn only_the_user_comes_near_and_nothing_is_left() {
        let mut socket = AgentSocket::make(None).unwrap();
        let path = socket.path().to_owned();
        let folder = path.parent().unwrap().to_owned();
        let mode = folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        assert!(socket.accept().unwrap().is_none());
        let _program = UnixStream::connect(&path).unwrap();
        assert!(socket.accept().unwrap().is_some());
        drop(socket);
        assert!(!folder.exists());
    }

    #[test]
    fn what_somebody_else_put_there_stays() {
        let socket = AgentSocket::make(None).unwrap();
        let folder = socket.path().parent().unwrap().to_owned();
        std::fs::write(folder.join("mine"), "x").unwrap();
        remove_file(socket.path()).unwrap();
        drop(socket);
        assert!(folder.join("mine").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
