//! Where the agent's socket is: in `~/.ssh/agent`, in a folder of its own, at
//! a given path, or where whoever started the agent made it.
//!
//! What a local user can do: the socket is made with mode 0600 in folders
//! that only its owner can write to (0700 where we make them), and a peer's
//! uid is looked at besides. Names are random, so that a name cannot be taken
//! in advance where others may write (`$TMPDIR`): there the folder is made
//! new, or not at all.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use carrick_crypto::hash::HashAlg;
use carrick_crypto::rng::{Rng as _, SystemRng};
use rustix::fs::Mode;
use rustix::process::umask;

use crate::account;
use crate::log::{debug, debug3, error};
use crate::text::os_error;

/// Sockets of agents, under the home directory.
pub(super) const FOLDER: &str = ".ssh/agent";
/// What names are made of.
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Letters that stand for the host's name.
const HOST_LEN: usize = 10;
/// Random letters.
const RANDOM_LEN: usize = 10;
/// Random letters of a folder.
const FOLDER_RANDOM_LEN: usize = 12;
/// Names that are tried before giving up.
const TRIES: u32 = 100;
/// A socket younger than this is left alone: its agent may be about to listen.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// The agent's socket.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    /// Its path; none if somebody else made it.
    pub(super) path: Option<PathBuf>,
    /// The folder made for it alone.
    folder: Option<PathBuf>,
}

impl Socket {
    /// Takes over a socket that somebody else made.
    pub(super) fn given(listener: UnixListener) -> Self {
        Self {
            listener,
            path: None,
            folder: None,
        }
    }

    /// Listens at `path`.
    pub(super) fn at(path: PathBuf) -> io::Result<Self> {
        let listener = listen(&path).inspect_err(|e| {
            error!(
                "unix_listener: cannot bind to path {}: {}",
                path.display(),
                os_error(e)
            );
        })?;
        Ok(Self {
            listener,
            path: Some(path),
            folder: None,
        })
    }

    /// Listens in a new folder under `$TMPDIR`.
    pub(super) fn in_temporary_folder() -> io::Result<Self> {
        let folder = new_folder(&std::env::temp_dir())?;
        let path = folder.join(format!("agent.{}", std::process::id()));
        match Self::at(path) {
            Ok(socket) => Ok(Self {
                folder: Some(folder),
                ..socket
            }),
            Err(e) => {
                // It was made a moment ago and is empty.
                let _ = std::fs::remove_dir(&folder);
                Err(e)
            }
        }
    }

    /// Listens under the home directory, at a name of its own.
    pub(super) fn in_home(home: &Path) -> io::Result<Self> {
        for part in [home.join(".ssh"), home.join(FOLDER)] {
            make_private(&part).inspect_err(|e| {
                error!("ensure_mkdir: mkdir {}: {}", part.display(), os_error(e));
            })?;
        }
        let prefix = format!("s.{}.agent.", host_letters());
        for _ in 0..TRIES {
            let path = home
                .join(FOLDER)
                .join(format!("{prefix}{}", random_letters(RANDOM_LEN)));
            debug!(
                "unix_listener_tmp: trying path {:?}",
                path.display().to_string()
            );
            match listen(&path) {
                Ok(listener) => {
                    return Ok(Self {
                        listener,
                        path: Some(path),
                        folder: None,
                    });
                }
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {}
                Err(e) => {
                    error!(
                        "unix_listener_tmp: bind \"{}\": {}",
                        path.display(),
                        os_error(&e)
                    );
                    return Err(e);
                }
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Removes the socket, and its folder if it has one of its own.
    pub(super) fn remove(&self) {
        // Whoever removed them before us has done what we want.
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

fn make_private(path: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => debug!("created directory {}", path.display()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    Ok(())
}

/// A new folder that only the user may enter, of a name that nobody could take
/// before.
pub(crate) fn new_folder(parent: &Path) -> io::Result<PathBuf> {
    for _ in 0..TRIES {
        let path = parent.join(format!("ssh-{}", random_letters(FOLDER_RANDOM_LEN)));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The home directory, by the environment first.
pub(super) fn home() -> Option<PathBuf> {
    match std::env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) => Some(home.into()),
        None => account::me().map(|a| a.home.clone()),
    }
}

/// Letters that tell hosts with the same home directory apart.
fn host_letters() -> String {
    let digest = HashAlg::Sha512.digest(&[account::host_name().as_bytes()]);
    digest
        .iter()
        .take(HOST_LEN)
        .map(|byte| letter(usize::from(*byte) % LETTERS.len()))
        .collect()
}

fn letter(at: usize) -> char {
    LETTERS.get(at).copied().map_or('x', char::from)
}

fn random_letters(count: usize) -> String {
    // Above this the letters at the front would come up more often.
    let even = 256 / LETTERS.len() * LETTERS.len();
    let mut out = String::new();
    while out.len() < count {
        let mut byte = [0];
        SystemRng.fill(&mut byte);
        let at = usize::from(byte[0]);
        if at < even {
            out.push(letter(at % LETTERS.len()));
        }
    }
    out
}

/// Removes the sockets in `~/.ssh/agent` that nobody listens on: those of this
/// host, or of any.
pub(super) fn clean_up(home: &Path, any_host: bool) {
    let folder = home.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) => {
            if e.kind() != io::ErrorKind::NotFound {
                error!(
                    "agent_cleanup_stale: opendir \"{}\": {}",
                    folder.display(),
                    os_error(&e)
                );
            }
            return;
        }
    };
    let prefix = format!("s.{}.", host_letters());
    for entry in entries.flatten() {
        let path = entry.path();
        // Not through a link: what it leads to is not ours to judge.
        let Ok(meta) = entry.metadata() else { continue };
        if !meta.file_type().is_socket() {
            continue;
        }
        if is_young(&meta) {
            debug3!("Ignoring recent socket \"{}\"", path.display());
        } else if !any_host && !entry.file_name().to_string_lossy().starts_with(&prefix) {
            debug3!("Ignoring socket \"{}\" from different host", path.display());
        } else if is_stale(&path) {
            debug!("cleanup stale socket {}", path.display());
            // It may be gone already.
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn is_young(meta: &std::fs::Metadata) -> bool {
    let changed = u64::try_from(meta.mtime()).unwrap_or(0);
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
    SystemTime::now()
        .duration_since(changed)
        .map_or(true, |age| age < YOUNG)
}

/// Whether connecting says that nobody listens. An agent that is too busy to
/// take a connection is there; it is not waited for.
fn is_stale(path: &Path) -> bool {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let Ok(address) = SocketAddrUnix::new(path) else {
        return false;
    };
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else {
        return false;
    };
    connect(&socket, &address) == Err(rustix::io::Errno::CONNREFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn sockets_are_private_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let socket = Socket::in_home(home.path()).unwrap();
        let path = socket.path.clone().unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let name = path.file_name().unwrap().to_str().unwrap();
        let parts: Vec<_> = name.split('.').collect();
        assert_eq!(
            (parts[0], parts[1].len(), parts[2], parts[3].len()),
            ("s", 10, "agent", 10)
        );
        let other = Socket::in_home(home.path()).unwrap();
        assert_ne!(other.path, socket.path);
        assert!(Socket::at(path.clone()).is_err());
        socket.remove();
        assert!(!path.exists() && other.path.unwrap().exists());
    }

    #[test]
    fn a_folder_of_its_own_goes_too() {
        let socket = Socket::in_temporary_folder().unwrap();
        let path = socket.path.clone().unwrap();
        let folder = path.parent().unwrap();
        assert_eq!((mode(&path), mode(folder)), (0o600, 0o700));
        socket.remove();
        assert!(!folder.exists());
    }

    #[test]
    fn only_old_sockets_without_an_agent_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - YOUNG - Duration::from_secs(1);
        let folder = home.path().join(FOLDER);
        let make = |name: &str, alive: bool, age: SystemTime| {
            let path = folder.join(name);
            let listener = listen(&path).unwrap();
            set_age(&path, age);
            (path, alive.then_some(listener))
        };
        clean_up(home.path(), true);
        std::fs::create_dir_all(&folder).unwrap();
        let ours = format!("s.{}.agent.", host_letters());
        let stale = make(&format!("{ours}a"), false, old);
        let young = make(&format!("{ours}b"), false, SystemTime::now());
        let alive = make(&format!("{ours}c"), true, old);
        let foreign = make("s.elsewhere0.agent.d", false, old);
        let file = folder.join(format!("{ours}e"));
        std::fs::write(&file, b"").unwrap();
        set_age(&file, old);
        clean_up(home.path(), false);
        assert!(!stale.0.exists());
        for kept in [&young.0, &alive.0, &foreign.0, &file] {
            assert!(kept.exists(), "{}", kept.display());
        }
        clean_up(home.path(), true);
        assert!(!foreign.0.exists() && young.0.exists());
    }

    fn set_age(path: &Path, time: SystemTime) {
        use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
        let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let stamp = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap(),
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: stamp,
            last_modification: stamp,
        };
        utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
    }
}
