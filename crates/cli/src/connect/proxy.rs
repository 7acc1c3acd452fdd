//! ProxyCommand: a command whose standard input and output are the
//! connection, or which makes it and passes it back (ProxyUseFdpass).

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};

use carrick_sys::{descriptors, fdstream};

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
    let child = spawn(command, its_input.into(), its_output.into())?;
    Ok((our_input, our_output, Proxy(child)))
}

fn spawn(command: &str, stdin: Stdio, stdout: Stdio) -> io::Result<Child> {
    let shell = shell();
    descriptors::program(&shell)
        .arg0(&shell)
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(stdin)
        .stdout(stdout)
        .spawn()
        .map_err(|e| io::Error::other(format!("{shell}: {}", crate::text::os_error(&e))))
}

/// Has `command` make the connection: a socket that it passes over its standard
/// output, and then ends.
pub(crate) fn dial(command: &str) -> io::Result<OwnedFd> {
    debug!("Executing proxy dialer command: exec {command}");
    let (ours, its) = UnixStream::pair()?;
    let its_output = its.try_clone()?;
    let mut child = spawn(
        command,
        OwnedFd::from(its).into(),
        OwnedFd::from(its_output).into(),
    )?;
    let mut fds = Vec::new();
    let got = fdstream::receive(&ours, &mut [0], &mut fds);
    drop(ours);
    let passed = match (got, fds.pop()) {
        (Ok(1), Some(fd)) => Ok(fd),
        (Err(e), _) => Err(e),
        _ => Err(io::Error::other(
            "proxy dialer did not pass back a connection",
        )),
    };
    // How it ended does not matter: what it passed does.
    child.wait()?;
    passed
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
    let status = descriptors::program(&shell)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialer_that_passes_nothing_is_an_error() {
        let why = dial("true").unwrap_err();
        assert!(why.to_string().contains("did not pass back"), "{why}");
        let why = dial("echo no").unwrap_err();
        assert!(why.to_string().contains("did not pass back"), "{why}");
    }
}
