//! ProxyCommand: a command whose standard input and output are the
//! connection.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::log::debug;

/// A running proxy command.
pub(crate) struct Proxy(Child);

/// Starts `command` with the user's shell. The stream returned is one end of
/// a socket pair, the command has the other as its standard input and output.
pub(crate) fn start(command: &str) -> io::Result<(UnixStream, Proxy)> {
    debug!("Executing proxy command: exec {command}");
    let (ours, theirs) = UnixStream::pair()?;
    let shell = shell();
    let child = Command::new(&shell)
        .arg0(&shell)
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .map_err(|e| io::Error::other(format!("{shell}: {}", crate::text::os_error(&e))))?;
    ours.set_nonblocking(true)?;
    Ok((ours, Proxy(child)))
}

/// The shell that runs commands for the user.
pub(crate) fn shell() -> String {
    std::env::var("SHELL").ok().filter(|s| !s.is_empty()).unwrap_or_else(|| "/bin/sh".into())
}

/// Runs `command` with the user's shell and waits for it (LocalCommand,
/// `Match exec`).
pub(crate) fn run_local(command: &str) -> io::Result<i32> {
    let shell = shell();
    debug!("Executing {shell} -c \"{command}\"");
    let status = Command::new(&shell).arg0(&shell).arg("-c").arg(command).status()?;
    Ok(status.code().unwrap_or(1))
}

impl Drop for Proxy {
    /// Hangs up the command. It is not waited for: one that takes its time
    /// must not keep the user from their prompt.
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
                // It may be gone by now.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::HUP);
            }
        }
    }
}
