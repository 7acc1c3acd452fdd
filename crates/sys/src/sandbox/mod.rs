//! What keeps the daemon's worker in its place, in the order in which it is
//! applied: an empty root directory, another uid, no new privileges, resource
//! limits, and last the system call filter.

pub mod limits;
pub mod seccomp;

use std::io;
use std::path::Path;

/// Makes `dir` the root directory of this process (root only).
pub fn chroot(dir: &Path) -> io::Result<()> {
    rustix::process::chroot(dir)?;
    Ok(rustix::process::chdir("/")?)
}

/// No program that this process could start gains privileges any more.
pub fn no_new_privileges() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}
