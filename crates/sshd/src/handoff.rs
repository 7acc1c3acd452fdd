//! What the listener hands to each monitor: the configuration as it was read
//! at start, so that an edit counts only after a SIGHUP, and the host's keys,
//! so that the files are not read again for each connection.
//!
//! It lies in a sealed memory file that the monitor inherits: it costs the
//! same for one connection or a thousand, and nobody can change it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use carrick_wire::Secret;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use zeroize::Zeroizing;

use crate::rpc::field::{from_bytes, record, to_bytes};
use crate::rpc::preauth::Cell;

record! {
    /// A host key, and what goes with it.
    #[derive(Clone)]
    pub struct HostKey {
        /// The public key's blob.
        pub public: Vec<u8>,
        /// The blob of a certificate over it.
        pub certificate: Option<Vec<u8>>,
        /// The private key's file: most keys sign nothing, so a key is read
        /// from it when it does. Without one, an agent signs.
        pub file: Option<Secret>,
    }
}

record! {
    /// All of it.
    pub struct Handoff {
        /// The configuration: all files as they were read.
        pub config: Vec<u8>,
        /// The host keys.
        pub host_keys: Vec<HostKey>,
        /// The socket of the agent that has those without a file.
        pub host_key_agent: Option<String>,
        /// Whether the log goes to standard error.
        pub log_to_stderr: bool,
        /// The worker's place, if the daemon is root.
        pub cell: Option<Cell>,
        /// For the time that a refusal takes.
        pub delay_salt: u64,
    }
}

/// The memory file with `handoff` in it.
pub fn store(handoff: &Handoff) -> io::Result<OwnedFd> {
    let fd = memfd_create(
        "carrick-sshd",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?;
    let mut file = File::from(fd);
    file.write_all(&Zeroizing::new(to_bytes(handoff)))?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// What a memory file holds.
pub fn load(fd: impl AsFd) -> io::Result<Handoff> {
    let file = File::from(fd.as_fd().try_clone_to_owned()?);
    // The offset is shared with other monitors: read by position.
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; len]);
    file.read_exact_at(&mut bytes, 0)?;
    from_bytes(&bytes).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_can_be_loaded_twice_and_not_changed() {
        let handoff = Handoff {
            config: b"Port 22".to_vec(),
            host_keys: vec![HostKey {
                public: b"blob".to_vec(),
                certificate: None,
                file: Some(Secret::from("key")),
            }],
            host_key_agent: Some("/a".to_owned()),
            log_to_stderr: true,
            cell: Some(Cell {
                root: "/e".into(),
                uid: 1,
                gid: 2,
            }),
            delay_salt: 7,
        };
        let fd = store(&handoff).unwrap();
        for _ in 0..2 {
            let back = load(&fd).unwrap();
            assert_eq!(back.config, handoff.config);
            let file = back.host_keys[0].file.as_ref().unwrap();
            assert_eq!(file.expose(), b"key");
            assert_eq!(back.cell, handoff.cell);
        }
        assert!(rustix::io::write(&fd, b"x").is_err());
    }
}
