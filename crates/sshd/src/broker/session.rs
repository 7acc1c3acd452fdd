//! One session: its terminal, and what runs in it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use carrick_sys::process::in_new_session;
use carrick_sys::pty::{self, Pty};
use carrick_sys::termios::Modes;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::Pid;

use super::env::Surroundings;
use super::internal::Internal;
use super::launch::{self, Plan};
use crate::log::{debug, verbose};
use crate::rpc::broker::{Run, Start, Terminal};

/// What a pipe holds, if the user's share allows it.
const PIPE: usize = 256 * 1024;

/// A session.
#[derive(Default)]
pub struct Session {
    /// The program's side of the terminal, until the program has it.
    slave: Option<OwnedFd>,
    /// The terminal's name and `TERM`.
    tty: Option<(String, String)>,
    /// A program was started.
    pub started: bool,
    /// It is a subsystem.
    pub subsystem: bool,
}

impl Session {
    /// A session with a terminal: it, and the worker's side of the terminal.
    /// `ready` is one that was made before.
    pub fn with_terminal(ask: &Terminal, ready: Option<Pty>) -> io::Result<(Self, OwnedFd)> {
        let Pty {
            master,
            slave,
            name,
        } = ready.map_or_else(pty::open, Ok)?;
        let ((cols, rows), (width, height)) = (ask.chars, ask.pixels);
        pty::set_size(&slave, cols, rows, width, height)?;
        let mut modes = Modes::of(&slave)?;
        modes.decode_into(&ask.modes);
        if let Err(problem) = modes.apply_now(&slave) {
            debug!("Setting tty modes failed: {problem}");
        }
        do_not_block(&master)?;
        let session = Self {
            slave: Some(slave),
            tty: Some((name, ask.term.clone())),
            ..Self::default()
        };
        Ok((session, master))
    }

    /// Starts the program: its pid, and the worker's ends of its pipes. `around`
    /// is what all sessions of the login have.
    pub fn run(
        &mut self,
        start: &Start,
        run: &Run,
        around: Surroundings<'_>,
    ) -> io::Result<(Pid, Vec<OwnedFd>)> {
        let tty = self
            .tty
            .as_ref()
            .map(|(name, term)| (name.as_str(), term.as_str()));
        let around = Surroundings { tty, ..around };
        let plan = Plan::new(start, run, &around)?;
        let on = tty.map_or_else(String::new, |(name, _)| {
            format!(" on {}", name.trim_start_matches("/dev/"))
        });
        verbose!(
            "Starting session: {}{on} for {} from {} port {} id {}",
            plan.kind,
            start.account.name,
            start.peer.0,
            start.peer.1,
            run.session
        );
        self.subsystem = plan.subsystem;
        let (child, fds) = match self.slave.take() {
            Some(slave) => (on_terminal(&plan, slave, &around)?, Vec::new()),
            None => on_pipes(&plan, &around)?,
        };
        self.started = true;
        Ok((child, fds))
    }
}

/// Starts what runs within the daemon.
fn start_internal(
    plan: &Plan,
    internal: &Internal,
    stdio: [OwnedFd; 3],
    around: &Surroundings<'_>,
) -> io::Result<Pid> {
    let log = around
        .outside
        .and_then(|outside| outside.system_log.as_ref());
    internal.start(&plan.directory, stdio, log)
}

fn on_terminal(plan: &Plan, slave: OwnedFd, around: &Surroundings<'_>) -> io::Result<Pid> {
    if let Some(internal) = &plan.internal {
        let stdio = [slave.try_clone()?, slave.try_clone()?, slave];
        return start_internal(plan, internal, stdio, around);
    }
    let mut command = plan.command();
    command
        .stdin(Stdio::from(slave.try_clone()?))
        .stdout(Stdio::from(slave.try_clone()?))
        .stderr(Stdio::from(slave.try_clone()?));
    tell(&plan.complaint, slave);
    launch::spawn(in_new_session(&mut command, true))
}

fn on_pipes(plan: &Plan, around: &Surroundings<'_>) -> io::Result<(Pid, Vec<OwnedFd>)> {
    let (stdin, to_stdin) = io::pipe()?;
    let (from_stdout, stdout) = io::pipe()?;
    let (from_stderr, stderr) = io::pipe()?;
    for pipe in [to_stdin.as_fd(), from_stdout.as_fd()] {
        // A user with many pipes gets small ones.
        let _ = fcntl_setpipe_size(pipe, PIPE);
    }
    tell(&plan.complaint, stderr.try_clone()?.into());
    let pid = if let Some(internal) = &plan.internal {
        let stdio = [stdin.into(), stdout.into(), stderr.into()];
        start_internal(plan, internal, stdio, around)?
    } else {
        let mut command = plan.command();
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        launch::spawn(in_new_session(&mut command, false))?
    };
    let ends: [OwnedFd; 3] = [to_stdin.into(), from_stdout.into(), from_stderr.into()];
    for end in &ends {
        do_not_block(end)?;
    }
    Ok((pid, ends.into()))
}

/// Shows the user what went wrong before the program starts. It is short, so
/// it does not block.
fn tell(complaint: &str, to: OwnedFd) {
    if !complaint.is_empty() {
        // The session goes on without the message.
        let _ = File::from(to).write_all(complaint.as_bytes());
    }
}

fn do_not_block(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}
