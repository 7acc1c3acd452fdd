//! Writing a key down in the user's known_hosts file.

use std::io::Write as _;
use std::path::Path;

use carrick_crypto::rng::{Rng, SystemRng};
use carrick_keys::PublicKey;
use carrick_keys::known_hosts::new_entry;

use super::HostCheck;
use crate::home;
use crate::log::debug;
use crate::text::os_error;

impl HostCheck<'_> {
    /// Whether there is a file to write to. As with OpenSSH, a host that cannot be
    /// written down stays unknown, whatever StrictHostKeyChecking says.
    pub(super) fn can_record(&self) -> bool {
        !self.options.user_known_hosts_files.is_empty()
    }

    pub(super) fn first_file(&self) -> String {
        let first = self.options.user_known_hosts_files.first();
        first.map_or_else(
            || "known_hosts".to_owned(),
            |p| home::expand(p).to_string_lossy().into_owned(),
        )
    }

    /// Appends the key to the user's file and returns the names it is there
    /// under; on failure the file's name.
    pub(super) fn record(
        &self,
        key: &PublicKey,
        name: &str,
        address: Option<&str>,
    ) -> Result<String, String> {
        let file = self.first_file();
        let mut rng = SystemRng;
        let text = |before: &[u8]| {
            let hashed = self.options.hash_known_hosts;
            let rng: Option<&mut dyn Rng> = if hashed { Some(&mut rng) } else { None };
            new_entry(before, name, address, key, rng)
        };
        append(Path::new(&file), text).map_err(|e| {
            debug!("{file}: {}", os_error(&e));
            file
        })?;
        Ok(address.map_or_else(|| name.to_owned(), |a| format!("{name},{a}")))
    }
}

/// Appends what `text` makes of the file's present end, in one write.
fn append(path: &Path, text: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> std::io::Result<()> {
    if home::ensure_ssh_directory(path)? {
        debug!(
            "Created directory '{}'.",
            home::directory().join(".ssh").display()
        );
    }
    let before = match std::fs::read(path) {
        Ok(before) => before,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    let line = text(&before)
        .ok_or_else(|| std::io::Error::other("the host's name cannot stand in known_hosts"))?;
    std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(&line)
}
