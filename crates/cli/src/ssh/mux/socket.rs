//! The control socket: how it comes to be at its place, and goes.
//!
//! It is bound to a temporary name and linked to its place when it listens, so
//! that nobody finds it half made, and an older master's is not replaced.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_sys::peercred;

use crate::account;
use crate::log::{debug, debug3, error, log};
use crate::text::os_error;

/// The longest path that a socket's address holds.
const PATH: usize = 107;

/// A listening socket at its place, removed when dropped.
pub(super) struct ControlSocket {
    path: PathBuf,
    /// Which file it is: another one of that name is not ours to remove, and
    /// `None` is nobody's.
    file: Option<(u64, u64)>,
}

/// Why there is none.
pub(super) enum Unshared {
    /// The place is taken: the connection is not shared.
    Taken,
    /// It cannot be made, which is the end; told.
    Failed,
}

/// Listens at `path`.
pub(super) fn listen(path: &str) -> Result<(UnixListener, ControlSocket), Unshared> {
    debug!("setting up multiplex master socket");
    let temporary = format!("{path}.{}", suffix());
    debug3!("temporary control path {temporary}");
    if temporary.len() > PATH {
        error!("unix_listener: path \"{temporary}\" too long for Unix domain socket");
        return Err(Unshared::Failed);
    }
    let listener = match bind_private(Path::new(&temporary)) {
        Ok(listener) => listener,
        Err(e) => {
            error!(
                "unix_listener: cannot bind to path {temporary}: {}",
                os_error(&e)
            );
            return Err(Unshared::Failed);
        }
    };
    let linked = std::fs::hard_link(&temporary, path);
    let file = std::fs::symlink_metadata(&temporary).map(|m| (m.dev(), m.ino()));
    // What is left of it is a name that nobody knows.
    let _ = std::fs::remove_file(&temporary);
    match (linked, file) {
        (Ok(()), Ok(file)) => {
            let path = PathBuf::from(path);
            let file = Some(file);
            Ok((listener, ControlSocket { path, file }))
        }
        (Err(e), _) if e.kind() == io::ErrorKind::AlreadyExists => {
            error!("ControlSocket {path} already exists, disabling multiplexing");
            Err(Unshared::Taken)
        }
        (Err(e), _) | (_, Err(e)) => {
            log!(
                Fatal,
                "muxserver_listen: link mux listener {temporary} => {path}: {}",
                os_error(&e)
            );
            Err(Unshared::Failed)
        }
    }
}

/// Binds and listens at `path`, which nobody else may connect to at any time:
/// the mask is the process's, which has no other thread here.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let old = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(old);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Sixteen letters and digits that nobody guesses.
fn suffix() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut bytes = [0; 16];
    SystemRng.fill(&mut bytes);
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len());
    bytes
        .iter()
        .filter_map(letter)
        .map(|b| char::from(*b))
        .collect()
}

impl ControlSocket {
    /// Leaves it where it is.
    pub(super) fn keep(&mut self) {
        self.file = None;
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let now = std::fs::symlink_metadata(&self.path).ok();
        let now = now.map(|meta| (meta.dev(), meta.ino()));
        if now.is_some() && now == self.file {
            // It may be gone meanwhile.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether whoever connected may use the connection: its user, and root.
pub(super) fn is_ours(peer: &impl std::os::fd::AsFd) -> bool {
    match peercred::of(peer) {
        Ok(peer) if peer.uid == 0 || peer.uid == account::uid() => true,
        Ok(peer) => {
            error!(
                "multiplex uid mismatch: peer euid {} != uid {}",
                peer.uid,
                account::uid()
            );
            false
        }
        Err(e) => {
            error!(
                "channel_post_mux_listener getpeereid failed: {}",
                os_error(&e)
            );
            false
        }
    }
}

/// Whether `path` can be a socket's at all.
pub(super) fn fits(path: &str) -> bool {
    if path.len() > PATH {
        log!(
            Fatal,
            "ControlPath too long ('{path}' >= {} bytes)",
            PATH + 1
        );
    }
    path.len() <= PATH
}

/// Connects to a master's.
pub(super) fn connect(path: &str) -> io::Result<UnixStream> {
    UnixStream::connect(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_private_and_takes_no_place_that_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ctl");
        let name = path.to_str().unwrap();
        let Ok((_first, socket)) = listen(name) else {
            panic!("not listening");
        };
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(is_ours(&connect(name).unwrap()));
        assert!(matches!(listen(name), Err(Unshared::Taken)));
        // No temporary name is left.
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
        drop(socket);
        assert!(!path.exists());
        assert!(fits(&"x".repeat(107)) && !fits(&"x".repeat(108)));
    }

    #[test]
    fn a_successor_s_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ctl");
        let Ok((_listener, socket)) = listen(path.to_str().unwrap()) else {
            panic!("not listening");
        };
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another").unwrap();
        drop(socket);
        assert!(path.exists());
    }
}
