//! What runs beside us: the ssh that carries a conversation, and programs
//! that do all the work themselves.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use rustix::pipe::fcntl_setpipe_size;

use super::args::Args;
use super::children;
use crate::place::Remote;
use crate::sister;
use crate::text::{err, os_error, printable_bytes};
use crate::transfer::connect::{self, Caller, Destination, Service};

/// What a pipe to or from it holds, if the system lets us: fewer turns.
const PIPE: usize = 1024 * 1024;

/// An ssh that carries a conversation.
pub(super) struct Carrier(Child);

impl Carrier {
    /// Has ssh run `command` at `host`: what it says, and what hears us.
    pub(super) fn start(
        args: &Args,
        host: &Remote,
        command: OsString,
    ) -> Option<(Self, OwnedFd, OwnedFd)> {
        let mut ssh = carrying(args, host, Service::Command(command), false);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn(&mut ssh)?;
        let input: OwnedFd = child.stdout.take()?.into();
        let output: OwnedFd = child.stdin.take()?.into();
        widen(&input);
        widen(&output);
        Some((Self(child), input, output))
    }

    /// Has ssh run `command` at `host`, in conversation with somebody else who
    /// may ask for passwords: so this one may not.
    pub(super) fn between(
        args: &Args,
        host: &Remote,
        command: OsString,
        (input, output): (OwnedFd, OwnedFd),
    ) -> Option<Self> {
        let mut ssh = carrying(args, host, Service::Command(command), true);
        ssh.stdin(input).stdout(output);
        spawn(&mut ssh).map(Self)
    }

    /// Waits for its end; whether all went well. Nobody may hold the pipes to
    /// it any more.
    pub(super) fn end(mut self) -> bool {
        children::wait(&mut self.0).is_ok_and(|status| status.success())
    }
}

/// The far end's command line.
pub(super) fn far_command(args: &Args, role: &str, path: &[u8]) -> OsString {
    let mut command = base_command(args);
    command.push_str(role);
    command.push(' ');
    if path.first() == Some(&b'-') {
        command.push_str("-- ");
    }
    let mut command = OsString::from(command);
    command.push(OsStr::from_bytes(path));
    command
}

/// `scp` with the flags that both ends have in common.
fn base_command(args: &Args) -> String {
    let mut command = String::from("scp");
    for (flag, set) in [
        (" -v", args.verbose.is_some()),
        (" -r", args.recursive),
        (" -p", args.preserve),
        (" -d", args.to_folder),
    ] {
        if set {
            command.push_str(flag);
        }
    }
    command
}

fn ssh(args: &Args) -> Command {
    args.ssh
        .as_ref()
        .map_or_else(|| sister::program("ssh"), Command::new)
}

/// An ssh that carries a conversation with what `service` says; with `silent`
/// it asks for no passwords.
fn carrying(args: &Args, host: &Remote, service: Service, silent: bool) -> Command {
    let mut ssh = ssh(args);
    let (Service::Subsystem(what) | Service::Command(what)) = &service;
    tell(args, &ssh, host, what);
    let to = Destination {
        host: host.host.clone(),
        user: host.user.clone(),
        port: host.port.or(args.port),
        service,
    };
    let mut words = connect::ssh_args(Caller::Scp, &args.ssh_flags, &to);
    if silent && let Some(end) = words.iter().rposition(|word| word == "--") {
        words.insert(end, "-oBatchMode=yes".into());
    }
    ssh.args(words);
    ssh
}

/// What is to be started for a conversation over SFTP.
pub(super) fn to_server(args: &Args, host: &Remote) -> Command {
    let Some(server) = &args.server else {
        return carrying(args, host, Service::Subsystem("sftp".into()), false);
    };
    let mut command = Command::new(server);
    tell(args, &command, host, "sftp".as_ref());
    command.arg0("sftp-server");
    command.arg("--").arg(&host.host).arg("sftp");
    command
}

/// Shows what is started, with `-v`.
fn tell(args: &Args, command: &Command, host: &Remote, what: &OsStr) {
    if args.verbose.is_some() {
        let unknown = OsStr::new("(unspecified)");
        let user = host.user.as_deref().filter(|_| args.server.is_none());
        err!(
            "Executing: program {} host {}, user {}, command {}\n",
            shown(command.get_program()),
            shown(&host.host),
            shown(user.unwrap_or(unknown)),
            shown(what)
        );
    }
}

/// Has the host of `from` copy to `to` by itself; whether all went well.
pub(super) fn copy_directly(args: &Args, from: &Remote, to: &Remote) -> bool {
    let mut ssh = ssh(args);
    ssh.args(["-x", "-oClearAllForwardings=yes", "-n"]);
    ssh.args(&args.direct_flags);
    if let Some(port) = from.port {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &from.user {
        ssh.arg("-l").arg(user);
    }
    let mut target = OsString::new();
    if let Some(user) = &to.user {
        target.push(user);
        target.push("@");
    }
    target.push(&to.host);
    target.push(":");
    target.push(OsStr::from_bytes(&to.path));
    ssh.arg("--").arg(&from.host).arg(base_command(args));
    ssh.arg(OsStr::from_bytes(&from.path)).arg(target);
    run(args, &mut ssh)
}

/// Copies from here to here; whether all went well.
pub(super) fn copy_locally(args: &Args, from: &OsStr, to: &OsStr) -> bool {
    let mut cp = Command::new("cp");
    if args.recursive {
        cp.arg("-r");
    }
    if args.preserve {
        cp.arg("-p");
    }
    cp.arg("--").arg(from).arg(to);
    run(args, &mut cp)
}

/// Runs a command to its end; whether all went well.
fn run(args: &Args, command: &mut Command) -> bool {
    if args.verbose.is_some() {
        let words = command.get_args().map(|word| format!(" '{}'", shown(word)));
        let words: String = words.collect();
        err!("Executing: {}{words}\n", shown(command.get_program()));
    }
    spawn(command)
        .and_then(|mut child| children::wait(&mut child).ok())
        .is_some_and(|status| status.success())
}

fn spawn(command: &mut Command) -> Option<Child> {
    match command.spawn() {
        Ok(child) => {
            children::began(child.id());
            Some(child)
        }
        Err(e) => {
            complain(command, &e);
            None
        }
    }
}

/// Tells why a command cannot be started.
pub(super) fn complain(command: &Command, why: &io::Error) {
    err!("{}: {}\n", shown(command.get_program()), os_error(why));
}

fn shown(word: &OsStr) -> String {
    printable_bytes(word.as_bytes())
}

fn widen(pipe: impl AsFd) {
    // Beyond what the system lets us it stays as it is.
    let _ = fcntl_setpipe_size(pipe, PIPE);
}
