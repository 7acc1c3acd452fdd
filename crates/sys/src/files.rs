//! Calls on files that std and rustix do not offer.

use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};

/// Closes `fd`, and says if that was what showed that something written is
/// lost, as over a network.
pub fn close(fd: OwnedFd) -> io::Result<()> {
    Ok(nix::unistd::close(fd)?)
}

/// Cuts a file, or fills it with zeros, without opening it.
pub fn truncate(path: &[u8], size: u64) -> io::Result<()> {
    let size =
        libc::off_t::try_from(size).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok(nix::unistd::truncate(path, size)?)
}

/// Sets the permissions of a file; a symbolic link has none that could be set,
/// and is not followed.
pub fn chmod_no_follow(path: &[u8], mode: u32) -> io::Result<()> {
    let mode = Mode::from_bits_truncate(mode);
    Ok(fchmodat(
        AT_FDCWD,
        path,
        mode,
        FchmodatFlags::NoFollowSymlink,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "text").unwrap();
        symlink(&file, &link).unwrap();
        let bytes = |path: &std::path::Path| path.as_os_str().as_bytes().to_vec();
        let mode = || file.metadata().unwrap().permissions().mode() & 0o7777;
        chmod_no_follow(&bytes(&file), 0o640).unwrap();
        assert_eq!(mode(), 0o640);
        assert!(chmod_no_follow(&bytes(&link), 0o600).is_err());
        assert_eq!(mode(), 0o640);
        truncate(&bytes(&file), 2).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"te");
        assert!(truncate(&bytes(&file), u64::MAX).is_err());
        close(std::fs::File::open(&file).unwrap().into()).unwrap();
    }
}
