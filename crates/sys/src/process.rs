//! Starting processes.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

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

/// Keeps other processes of the same user from reading or tracing this one,
/// and leaves no core file.
pub fn hide_from_debuggers() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
