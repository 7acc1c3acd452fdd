//! Going to the background (`ssh -f`, the daemon without `-D`).

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::unistd::{ForkResult, fork, setsid};

/// Forks; the parent exits with status 0 without running any destructor, the
/// child returns here in a session of its own.
///
/// # Safety of use
/// As for [`split`].
pub fn to_background() -> io::Result<()> {
    match split()? {
        // SAFETY: ends the process without destructors, which belong to the child now.
        Some(_) => unsafe { libc::_exit(0) },
        None => Ok(setsid().map(drop)?),
    }
}

/// Forks, and returns in both: the child's process id in the parent, `None`
/// in the child.
///
/// # Safety of use
/// The caller must be single-threaded: a forked child has only the calling
/// thread, and locks held by others would stay locked. This is checked where
/// the system tells, and refused otherwise. Whatever must not be done twice (a file that
/// is removed when dropped) is for one of the two to forget.
pub fn split() -> io::Result<Option<u32>> {
    if has_threads() == Some(true) {
        return Err(io::Error::other(
            "cannot go to the background with several threads",
        ));
    }
    // SAFETY: this process has one thread (checked above), so the child finds no lock held.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(Some(child.as_raw().unsigned_abs())),
        ForkResult::Child => Ok(None),
    }
}

/// Leaves the session of whoever started this process, and the folder.
pub fn detach() -> io::Result<()> {
    setsid()?;
    std::env::set_current_dir("/")
}

/// Points the standard descriptors that are named at `/dev/null`.
pub fn to_dev_null(stdin: bool, stdout: bool, stderr: bool) -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    if stdin {
        rustix::stdio::dup2_stdin(null.as_fd())?;
    }
    if stdout {
        rustix::stdio::dup2_stdout(null.as_fd())?;
    }
    if stderr {
        rustix::stdio::dup2_stderr(null.as_fd())?;
    }
    Ok(())
}

/// Whether this process has more than one thread, where the system tells:
/// then it cannot be [`split`].
pub fn has_threads() -> Option<bool> {
    // SAFETY: for a process with one thread this changes nothing, and for one
    // with more it is an error.
    if unsafe { libc::unshare(libc::CLONE_THREAD) } == 0 {
        return Some(false);
    }
    if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        return Some(true);
    }
    // Containers may forbid that call; a changed root may have no /proc.
    Some(std::fs::read_dir("/proc/self/task").ok()?.count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_counted_and_refused() {
        let (tx, rx) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || rx.recv().is_err());
        // The test harness itself runs tests on threads of their own.
        assert!(to_background().is_err());
        drop(tx);
        assert!(other.join().unwrap());
    }
}
