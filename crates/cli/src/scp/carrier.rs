//! What runs beside us: the ssh that carries a conversation, and programs
//! that do all the work themselves.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};

use rustix::pipe::fcntl_setpipe_size;

use super::args::Args;
use super::children;
use crate::place::Remote;
use crate::sister;
use crate::text::{err, os_error, printable_bytes};

/// What every ssh that carries files is told.
const CARRIER: [&str; 6] = [
    "-x",
    "-oPermitLocalCommand=no",
    "-oClearAllForwardings=yes",
    "-oRemoteCommand=none",
    "-oRequestTTY=no",
    "-oControlMaster=no",
];
/// What a pipe to or from it holds, if the system lets us: fewer turns.
const PIPE: usize = 1024 * 1024;

/// An ssh that carries a conversation.
pub(super) struct Carrier(Child);

impl Carrier {
    /// Has ssh run `command` at `host`: what it says, and what hears us.
    pub(super) fn start(
        args: &Args,
        host: &Remote,
        command: &[u8],
        batch: bool,
    ) -> Option<(Self, OwnedFd, OwnedFd)> {
        let mut ssh = carrying(args, host, command, batch);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn(&mut ssh)?;
        let input: OwnedFd = child.stdout.take()?.into();
        let output: OwnedFd = child.stdin.take()?.into();
        widen(&input);
        widen(&output);
        Some((Self(child), input, output))
    }

    /// Has ssh run `command` at `host`, in conversation with somebody else.
    pub(super) fn between(
        args: &Args,
        host: &Remote,
        command: &[u8],
        (input, output): (OwnedFd, OwnedFd),
    ) -> Option<Self> {
        let mut ssh = carrying(args, host, command, true);
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
pub(super) fn far_command(args: &Args, role: &str, path: &[u8]) -> Vec<u8> {
    let mut command = base_command(args);
    command.push_str(role);
    command.push(' ');
    if path.first() == Some(&b'-') {
        command.push_str("-- ");
    }
    [command.as_bytes(), path].concat()
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

fn carrying(args: &Args, host: &Remote, command: &[u8], batch: bool) -> Command {
    let mut ssh = ssh(args);
    if args.verbose.is_some() {
        let user = host.user.as_deref().unwrap_or("(unspecified)".as_ref());
        err!(
            "Executing: program {} host {}, user {}, command {}\n",
            shown(ssh.get_program()),
            shown(&host.host),
            shown(user),
            printable_bytes(command)
        );
    }
    ssh.args(CARRIER).args(&args.ssh_flags);
    ssh.arg("-oForwardAgent=no");
    if batch {
        ssh.arg("-oBatchMode=yes");
    }
    if let Some(port) = host.port.or(args.port) {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &host.user {
        ssh.arg("-l").arg(user);
    }
    ssh.arg("--")
        .arg(&host.host)
        .arg(OsStr::from_bytes(command));
    ssh
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
            err!("{}: {}\n", shown(command.get_program()), os_error(&e));
            None
        }
    }
}

fn shown(word: &OsStr) -> String {
    printable_bytes(word.as_bytes())
}

fn widen(pipe: impl AsFd) {
    // Beyond what the system lets us it stays as it is.
    let _ = fcntl_setpipe_size(pipe, PIPE);
}
