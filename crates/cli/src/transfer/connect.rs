//! Starting `ssh`, or a local server, for a file transfer.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use carrick_sys::process::{ignoring_interrupts, own_executable};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use super::Link;

/// Enough that neither side waits for the other with each piece, and little
/// enough to stay in a processor's cache: more has cost a quarter of the speed.
const PIPE: usize = 256 * 1024;

/// Which program asks: they differ in what they pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// `sftp`.
    Sftp,
    /// `scp`.
    Scp,
}

/// What runs at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Service {
    /// A subsystem.
    Subsystem(OsString),
    /// A command.
    Command(OsString),
}

/// Where to.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// The host, as it was given.
    pub host: OsString,
    /// The user, if one was given.
    pub user: Option<OsString>,
    /// The port, if one was given.
    pub port: Option<u16>,
    /// What to run there.
    pub service: Service,
}

/// The arguments of `ssh`, in OpenSSH's order: what is always passed, `flags`
/// as they were given to the program, and the destination.
pub(crate) fn ssh_args(caller: Caller, flags: &[OsString], to: &Destination) -> Vec<OsString> {
    let first: &[&str] = match caller {
        Caller::Sftp => &[
            "-oForwardX11 no",
            "-oPermitLocalCommand no",
            "-oClearAllForwardings yes",
            "-oControlMaster no",
        ],
        Caller::Scp => &[
            "-x",
            "-oPermitLocalCommand=no",
            "-oClearAllForwardings=yes",
            "-oRemoteCommand=none",
            "-oRequestTTY=no",
            "-oControlMaster=no",
        ],
    };
    let mut args: Vec<OsString> = first.iter().map(OsString::from).collect();
    args.extend_from_slice(flags);
    match caller {
        Caller::Sftp => {
            args.push("-oForwardAgent no".into());
            args.extend(to.port.map(|port| format!("-oPort {port}").into()));
        }
        Caller::Scp => {
            args.push("-oForwardAgent=no".into());
            if let Some(port) = to.port {
                args.extend(["-p".into(), port.to_string().into()]);
            }
        }
    }
    if let Some(user) = &to.user {
        args.extend(["-l".into(), user.clone()]);
    }
    let service = match &to.service {
        Service::Subsystem(name) => {
            args.push("-s".into());
            name
        }
        Service::Command(command) => command,
    };
    args.extend(["--".into(), to.host.clone(), service.clone()]);
    args
}

/// Starts `ssh`: `program` (`-S`), or else this very program in that role.
///
/// It stays in our process group, for its prompts. `sftp` has it ignore
/// interruptions, which are for the command that `sftp` runs.
pub(crate) fn ssh(caller: Caller, program: Option<&OsStr>, args: &[OsString]) -> io::Result<Link> {
    let mut command = match program {
        Some(program) => Command::new(program),
        None => {
            let mut command = Command::new(own_executable());
            command.arg0("ssh");
            command
        }
    };
    if caller == Caller::Sftp {
        ignoring_interrupts(&mut command);
    }
    start(command.args(args))
}

/// Starts a server on this machine (`-D`): the program and its arguments.
pub(crate) fn local_server(caller: Caller, words: &[OsString]) -> io::Result<Link> {
    let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    if caller == Caller::Sftp {
        ignoring_interrupts(&mut command);
    }
    start(command.args(args))
}

/// Starts a command with pipes for its input and output.
pub(crate) fn start(command: &mut Command) -> io::Result<Link> {
    let (their_input, to) = pipe()?;
    let (from, their_output) = pipe()?;
    let child = command
        .stdin(Stdio::from(their_input))
        .stdout(Stdio::from(their_output))
        .spawn()?;
    // The command keeps the child's ends until it goes.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Link::new(child, to, from)
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    // A user may have used up what is allowed; a small pipe works as well.
    let _ = fcntl_setpipe_size(&writer, PIPE);
    Ok((reader, writer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(caller: Caller, flags: &[&str], port: Option<u16>, service: Service) -> String {
        let flags: Vec<OsString> = flags.iter().map(OsString::from).collect();
        let to = Destination {
            host: "h".into(),
            user: port.map(|_| "u".into()),
            port,
            service,
        };
        let words = ssh_args(caller, &flags, &to);
        words.iter().fold(String::new(), |all, word| {
            all + "[" + &word.to_string_lossy() + "]"
        })
    }

    /// As OpenSSH 10.0's programs start it.
    #[test]
    fn arguments_are_in_the_usual_order() {
        assert_eq!(
            args(
                Caller::Sftp,
                &["-v", "-C"],
                Some(99),
                Service::Subsystem("sftp".into())
            ),
            "[-oForwardX11 no][-oPermitLocalCommand no][-oClearAllForwardings yes]\
             [-oControlMaster no][-v][-C][-oForwardAgent no][-oPort 99][-l][u][-s][--][h][sftp]"
        );
        assert_eq!(
            args(Caller::Sftp, &[], None, Service::Command("/foo".into())),
            "[-oForwardX11 no][-oPermitLocalCommand no][-oClearAllForwardings yes]\
             [-oControlMaster no][-oForwardAgent no][--][h][/foo]"
        );
        assert_eq!(
            args(
                Caller::Scp,
                &["-q", "-v"],
                Some(3),
                Service::Subsystem("sftp".into())
            ),
            "[-x][-oPermitLocalCommand=no][-oClearAllForwardings=yes][-oRemoteCommand=none]\
             [-oRequestTTY=no][-oControlMaster=no][-q][-v][-oForwardAgent=no][-p][3][-l][u]\
             [-s][--][h][sftp]"
        );
    }
}
