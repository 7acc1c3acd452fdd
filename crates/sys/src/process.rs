//! Starting processes.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::unistd::{Gid, Uid};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::identity::{self, Identity};

/// The file of the program that is running, such that executing it runs the
/// same version even when the file on disk was replaced meanwhile.
pub fn own_executable() -> PathBuf {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() {
        return link;
    }
    std::env::current_exe()
        .unwrap_or_else(|_| std::env::args_os().next().map_or(link, PathBuf::from))
}

/// Makes the command lead a session of its own, with its standard input as
/// the controlling terminal if `terminal` is set.
pub fn in_new_session(command: &mut Command, terminal: bool) -> &mut Command {
    let enter = move || {
        rustix::process::setsid()?;
        if terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls, both
    // async-signal-safe; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(enter) }
}

/// Has the command ignore interruptions (SIGINT), which are meant for who
/// starts it, and end when it is told to (SIGTERM).
pub fn ignoring_interrupts(command: &mut Command) -> &mut Command {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let enter = || {
        for (signal, handler) in [
            (Signal::SIGINT, SigHandler::SigIgn),
            (Signal::SIGTERM, SigHandler::SigDfl),
        ] {
            let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
            // SAFETY: no code of ours runs in a handler.
            unsafe { sigaction(signal, &action) }?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls, both
    // async-signal-safe; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(enter) }
}

/// Has the command run as `user`, if this process is root, and killed as soon
/// as this process ends, whatever it is doing.
pub fn as_user_until_we_end<'a>(command: &'a mut Command, user: &Identity) -> &'a mut Command {
    use nix::unistd::{setgroups, setresgid, setresuid};
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let us = rustix::process::getpid();
    let root = identity::is_root();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    let enter = move || {
        if root {
            setgroups(&groups)?;
            setresgid(gid, gid, gid)?;
            setresuid(uid, uid, uid)?;
        }
        // After the change of identity, which would undo it.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() == Some(us) {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    };
    // SAFETY: between fork and exec, in a process with one thread, the closure
    // makes system calls, allocates nothing and takes no lock.
    unsafe { command.pre_exec(enter) }
}

/// Takes over the descriptor `number` that the parent process left open for
/// this one, and makes it close-on-exec. To be called at the start of the
/// program, before it has opened anything of its own; a second call fails.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    // The condition that makes this sound, held to: one call, and so one owner.
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if number <= 2 || TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not an inherited descriptor",
        ));
    }
    // SAFETY: only asks whether the number is open.
    fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open, and nobody owns it: nothing of this program's own is
    // open yet, and this is the only call.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// Makes every descriptor but the standard ones close-on-exec: what the
/// starter of this program left open is not for the programs it starts.
pub fn close_on_exec_all() {
    // SAFETY: the call closes nothing; it only sets a flag on descriptors,
    // and a system without it changes nothing.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
}

/// Closes every descriptor from `first` on: what the starter of this program
/// left open and nobody here knows of. To be called at the start of the
/// program, before it has opened anything of its own; a second call fails.
pub fn close_inherited(first: u32) -> io::Result<()> {
    // The condition that makes this sound, held to: one call, at the start.
    static CLOSED: AtomicBool = AtomicBool::new(false);
    if first <= 2 || CLOSED.swap(true, Ordering::Relaxed) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not inherited descriptors",
        ));
    }
    // SAFETY: nothing of this program's own is open yet, so that no owner is
    // left with a number that is not its any more.
    match unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0_u32) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Closes every descriptor but the standard ones and `keep`: for a copy of a
/// process (see [`crate::daemonize::split`]) that does something else than its
/// original, and ends with [`end_now`]. A second call fails.
///
/// # Safety of use
/// What the original owned must not be used any more: the copy only leaves it
/// behind, in values that nobody touches or drops.
pub fn keep_only(keep: Option<&OwnedFd>) -> io::Result<()> {
    // The condition that makes this sound, held to: one call, in a copy.
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "descriptors of this process are in use",
        ));
    }
    let keep = keep.and_then(|fd| u32::try_from(fd.as_raw_fd()).ok());
    let ranges = match keep {
        Some(keep) if keep > 2 => [(3, keep - 1), (keep + 1, u32::MAX)],
        _ => [(3, u32::MAX); 2],
    };
    for (first, last) in ranges {
        if first > last {
            continue;
        }
        // SAFETY: see above: nobody who owns one of them uses it any more.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Leaves `fd` open in the programs that this process starts.
pub fn leave_open(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfd(fd, FdFlags::empty())?)
}

/// Takes standard input and output, and puts `/dev/null` in their places.
pub fn take_stdin_and_stdout() -> io::Result<(OwnedFd, OwnedFd)> {
    let take = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
    let pair = (
        take(rustix::stdio::stdin())?,
        take(rustix::stdio::stdout())?,
    );
    crate::daemonize::to_dev_null(true, true, false)?;
    Ok(pair)
}

/// Keeps other processes of the same user from reading or tracing this one,
/// and leaves no core file. What this process starts is not touched by it.
pub fn hide_from_debuggers() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Ends this process now: nothing of its own or of a library's is run any
/// more, which could wait or fail.
pub fn end_now(status: i32) -> ! {
    // SAFETY: the call ends the process and touches nothing.
    unsafe { libc::_exit(status) }
}

/// Has this process killed as soon as its parent ends, whatever it is doing.
/// A later change of identity would undo it.
pub fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(io::Error::other("the parent process has ended"))
    }
}

/// Has SIGALRM sent to this process after `time`, in whole seconds; `None`
/// takes that back.
pub fn alarm(time: Option<Duration>) {
    use nix::unistd::alarm;
    match time {
        None => alarm::cancel(),
        // Nought would be no alarm at all.
        Some(time) => alarm::set(u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_runs_as_the_user_it_is_for() {
        // Whoever runs the tests can at least be itself.
        let mut user = Identity::current().unwrap();
        if identity::is_root() {
            user = Identity {
                uid: 65534,
                gid: 65534,
                groups: vec![65534],
            };
        }
        let mut command = Command::new("/usr/bin/id");
        let output = as_user_until_we_end(command.arg("-u"), &user).output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert_eq!(said.trim(), user.uid.to_string());
    }

    #[test]
    fn a_copy_keeps_one_descriptor() {
        use std::io::Read as _;
        let (mut from_copy, to_us) = io::pipe().unwrap();
        let other = std::fs::File::open("/").unwrap();
        let (kept, closed) = (OwnedFd::from(to_us), other.as_raw_fd());
        // SAFETY: the copy makes system calls and ends; it takes no lock, and
        // allocates nothing.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                let done = keep_only(Some(&kept)).is_ok() && keep_only(None).is_err();
                // SAFETY: only asks whether the number is open.
                let gone = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(closed) }).is_err();
                let byte = if done && gone { b"y" } else { b"n" };
                let _ = rustix::io::write(&kept, byte);
                end_now(0);
            }
            nix::unistd::ForkResult::Parent { child } => {
                drop(kept);
                let mut answer = String::new();
                from_copy.read_to_string(&mut answer).unwrap();
                nix::sys::wait::waitpid(child, None).unwrap();
                assert_eq!(answer, "y");
            }
        }
    }

    #[test]
    fn a_new_session_is_led_by_its_command() {
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            "read -r pid comm state ppid pgrp sid rest < /proc/$$/stat; test $pid = $sid",
        ]);
        assert!(
            in_new_session(&mut command, false)
                .status()
                .unwrap()
                .success()
        );
    }
}
