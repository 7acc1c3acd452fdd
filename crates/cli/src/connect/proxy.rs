//! ProxyCommand: a command whose standard input and output are the
//! connection.

use std::io::{self, PipeReader, PipeWriter};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::log::debug;

/// A running proxy command.
pub(crate) struct Proxy(Child);

/// Starts `command` with the user's shell and returns its output and input.
/// They are two pipes, as with OpenSSH: a daemon behind one (`sshd -i`) tells
/// from that, that there is no address.
pub(crate) fn start(command: &str) -> io::Result<(PipeReader, PipeWriter, Proxy)> {
    debug!("Executing proxy command: exec {command}");
    let (its_input, our_output) = io::pipe()?;
    let (our_input, its_output) = io::pipe()?;
    let shell = shell();
    let child = Command::new(&shell)
        .arg0(&shell)
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::from(its_input))
        .stdout(Stdio::from(its_output))
        .spawn()
        .map_err(|e| io::Error::other(format!("{shell}: {}", crate::text::os_error(&e))))?;
    Ok((our_input, our_output, Proxy(child)))
}

/// The shell that runs commands for the user.
pub(crate) fn shell() -> String {
    std::env::var("SHELL")
        .ok()
        .filter(|s| !s.is_empty())
        .unwrap_or_else(|| "/bin/sh".into())
}

/// Runs `command` with the user's shell and waits for it (LocalCommand,
/// `Match exec`).
pub(crate) fn run_local(command: &str) -> io::Result<i32> {
    let shell = shell();
    debug!("Executing {shell} -c \"{command}\"");
    let status = Command::new(&shell)
        .arg0(&shell)
        .arg("-c")
        .arg(command)
        .status()?;
    Ok(status.code().unwrap_or(1))
}

impl Drop for Proxy {
    /// Hangs up the command. It is not waited for: one that takes its time
    /// must not keep the user from their prompt.
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait()
            && let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed())
        {
            // It may be gone by now.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::HUP);
        }
    }
}
