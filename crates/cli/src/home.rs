//! Where the user lives, and which files are theirs by default.

use std::path::{Path, PathBuf};

/// The home directory: the account's, as OpenSSH takes it, not `$HOME`.
pub(crate) fn directory() -> PathBuf {
    crate::account::me().map_or_else(|| PathBuf::from("/"), |a| a.home.clone())
}

/// Puts the home directory in place of a leading `~`.
pub(crate) fn expand(path: &str) -> PathBuf {
    if path == "~" {
        return directory();
    }
    match path.strip_prefix("~/") {
        Some(rest) => directory().join(rest),
        None => PathBuf::from(path),
    }
}

/// `~/.ssh/name`.
pub(crate) fn ssh_file(name: &str) -> PathBuf {
    directory().join(".ssh").join(name)
}

/// Makes `~/.ssh` (mode 0700) if the file at `path` is to live there and it
/// is missing.
pub(crate) fn ensure_ssh_directory(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::DirBuilderExt as _;
    let dir = directory().join(".ssh");
    if !path.starts_with(&dir) || dir.exists() {
        return Ok(false);
    }
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(true)
}
