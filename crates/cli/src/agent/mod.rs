//! ssh-agent: holds private keys for other programs of its user.
//!
//! What others can do: another user cannot connect (the socket's mode, and
//! the peer's uid). Root can do anything. A process of the same user can use
//! the keys, and nothing keeps it from asking for signatures; but it cannot
//! read or trace this process (not dumpable), nor find keys in core files or,
//! as far as the system lets us lock memory, in swap. What can be done over
//! the socket is in `carrick_keys::agent`.

mod args;
mod client;
mod helpers;
mod jobs;
mod place;
mod serve;

pub(crate) use place::new_folder;

use std::ffi::OsString;
use std::io::{self, PipeWriter, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use carrick_keys::agent::Agent;
use carrick_sys::{daemonize, identity, mem, process};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, setrlimit};

use crate::agent_socket::AUTH_SOCK;
use crate::log::{self, Facility, Level, debug, error, info};
use crate::ssh::SOFTWARE;
use crate::text::{err, os_error, out, outln};
use args::{Args, BadArgs, Mode, Place, Shell};
use place::Socket;
use serve::{End, Server};

const AGENT_PID: &str = "SSH_AGENT_PID";
/// The descriptor of a socket that the starter made (systemd's protocol).
const ACTIVATION_FD: i32 = 3;
/// The exit status of failures that OpenSSH calls fatal.
const FATAL: u8 = 255;
/// The exit status of an agent that was told to end.
const TOLD: u8 = 2;

/// Why the program ends before it serves.
enum Stop {
    /// Told already; this exit status.
    Status(u8),
    /// A fatal message.
    Fatal(String),
}

impl Stop {
    fn fatal(text: impl Into<String>) -> Self {
        Self::Fatal(text.into())
    }

    /// As perror(3).
    fn os(what: &str, e: &io::Error) -> Self {
        err!("{what}: {}\n", os_error(e));
        Self::Status(1)
    }
}

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let shell = std::env::var("SHELL").ok();
    let done = match args::parse(args, shell.as_deref()) {
        Ok(args) => run(&args),
        Err(BadArgs::Usage(reason)) => {
            if let Some(reason) = reason {
                err!("{reason}\n");
            }
            err!("{}", args::USAGE);
            Err(Stop::Status(1))
        }
        Err(BadArgs::Fatal(text)) => Err(Stop::Fatal(text)),
    };
    match done {
        Ok(status) | Err(Stop::Status(status)) => ExitCode::from(status),
        Err(Stop::Fatal(text)) => {
            log::log!(Fatal, "{text}");
            ExitCode::from(FATAL)
        }
    }
}

fn run(args: &Args) -> Result<u8, Stop> {
    match args.mode {
        Mode::Version => {
            err!("{SOFTWARE}, AWS-LC\n");
            Ok(0)
        }
        Mode::Kill => kill(args.shell),
        Mode::CleanUp { any_host } => {
            let home = home()?;
            place::clean_up(&home, any_host);
            outln!("Deleted stale agent sockets in ~/{}", place::FOLDER);
            Ok(0)
        }
        Mode::Background | Mode::Foreground | Mode::Debug => start(args),
    }
}

fn home() -> Result<std::path::PathBuf, Stop> {
    place::home().ok_or_else(|| Stop::fatal("Couldn't determine home directory"))
}

/// `-k`: ends the agent that the environment names.
fn kill(shell: Shell) -> Result<u8, Stop> {
    let Ok(text) = std::env::var(AGENT_PID) else {
        err!("{AGENT_PID} not set, cannot kill agent\n");
        return Err(Stop::Status(1));
    };
    let pid = match text.parse::<i64>() {
        Ok(n) if n < 2 => Err("too small"),
        Ok(n) => i32::try_from(n).map_err(|_| "too large"),
        Err(_) => Err("invalid"),
    };
    let pid = pid.map_err(|why| {
        err!("{AGENT_PID}=\"{text}\", which is not a good PID: {why}\n");
        Stop::Status(1)
    })?;
    let target = Pid::from_raw(pid).ok_or(Stop::Status(1))?;
    rustix::process::kill_process(target, Signal::TERM).map_err(|e| Stop::os("kill", &e.into()))?;
    let word = match shell {
        Shell::Bourne => "unset",
        Shell::C => "unsetenv",
    };
    outln!("{word} {AUTH_SOCK};\n{word} {AGENT_PID};\necho Agent pid {pid} killed;");
    Ok(0)
}

/// Makes the socket, and serves it or starts who does.
fn start(args: &Args) -> Result<u8, Stop> {
    let foreground = args.mode != Mode::Background;
    if args.mode == Mode::Debug {
        log::set_level(Level::Debug3);
    }
    protect()?;
    let given = given_socket(args)?;
    let first = ACTIVATION_FD.unsigned_abs() + u32::from(given);
    // Without it, a pipe that the starter waits on would stay open.
    if let Err(e) = process::close_inherited(first) {
        debug!("close_range: {}", os_error(&e));
    }
    let socket = if given {
        let fd = process::inherited(ACTIVATION_FD)
            .map_err(|_| Stop::fatal("LISTEN_FDS set but fd 3 unavailable"))?;
        debug!("using socket activation on fd=3");
        Socket::given(UnixListener::from(fd))
    } else {
        make_socket(&args.place)?
    };
    if foreground {
        if let Some(path) = &socket.path {
            print_socket(args.shell, path.as_os_str());
            outln!("echo Agent pid {};", std::process::id());
        }
        return serve(args, socket, None, None);
    }
    let parent = rustix::process::getpid();
    // The agent is not told of before it serves: it might be ended, or asked
    // for something, when it has no handlers and no loop yet.
    let (is_ready, ready) = io::pipe().map_err(|e| Stop::os("pipe", &e))?;
    match daemonize::split() {
        Err(e) => {
            socket.remove();
            Err(Stop::os("fork", &e))
        }
        Ok(Some(child)) => {
            drop(ready);
            // Its end says enough, of the agent too.
            let _ = (&is_ready).read(&mut [0]);
            hand_over(args, &socket, child)
        }
        Ok(None) => {
            log::to_syslog("ssh-agent", Facility::Auth);
            background(args, socket, parent, ready)
        }
    }
}

/// Keeps others out of this process's memory.
fn protect() -> Result<(), Stop> {
    // A binary with the set-group-ID bit; nobody needs the group.
    identity::drop_file_group().map_err(|e| Stop::os("setgid", &e))?;
    if let Err(e) = process::hide_from_debuggers() {
        debug!("prctl: {}", os_error(&e));
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|e| Stop::os("setrlimit RLIMIT_CORE", &e.into()))?;
    mem::stay_small();
    Ok(())
}

/// Whether the starter made the socket and says that it is for this process.
fn given_socket(args: &Args) -> Result<bool, Stop> {
    let wanted = args.mode != Mode::Background && !matches!(args.place, Place::At(_));
    let (Ok(pid), Ok(count)) = (std::env::var("LISTEN_PID"), std::env::var("LISTEN_FDS")) else {
        return Ok(false);
    };
    if !wanted {
        return Ok(false);
    }
    if count != "1" {
        return Err(Stop::fatal(format!(
            "unexpected LISTEN_FDS contents (want: \"1\" got\"{count}\""
        )));
    }
    let own = std::process::id();
    match pid.parse::<u32>() {
        Ok(pid) if pid == own => Ok(true),
        Ok(pid) => Err(Stop::fatal(format!("bad LISTEN_PID: {pid} vs pid {own}"))),
        Err(_) => Err(Stop::fatal("invalid LISTEN_PID: invalid")),
    }
}

fn make_socket(place: &Place) -> Result<Socket, Stop> {
    match place {
        Place::Home { clean_up } => {
            let home = home()?;
            if *clean_up {
                place::clean_up(&home, false);
            }
            Socket::in_home(&home).map_err(|_| Stop::fatal("main: Couldn't prepare agent socket"))
        }
        Place::Temporary => {
            Socket::in_temporary_folder().map_err(|e| Stop::os("mkdtemp: private socket dir", &e))
        }
        // Why has been told.
        Place::At(path) => Socket::at(path.clone()).map_err(|_| Stop::Status(1)),
    }
}

/// The starter's part, once the agent is a process of its own: tells the
/// shell, or becomes the command.
fn hand_over(args: &Args, socket: &Socket, agent: u32) -> Result<u8, Stop> {
    let path = socket.path.as_deref().unwrap_or_else(|| "".as_ref());
    let Some((program, rest)) = args.command.split_first() else {
        print_socket(args.shell, path.as_os_str());
        match args.shell {
            Shell::Bourne => outln!("{AGENT_PID}={agent}; export {AGENT_PID};"),
            Shell::C => outln!("setenv {AGENT_PID} {agent};"),
        }
        outln!("echo Agent pid {agent};");
        return Ok(0);
    };
    let failed = Command::new(program)
        .args(rest)
        .env(AUTH_SOCK, path)
        .env(AGENT_PID, agent.to_string())
        .exec();
    Err(Stop::os(&program.to_string_lossy(), &failed))
}

/// The agent's part in the background.
fn background(args: &Args, socket: Socket, parent: Pid, ready: PipeWriter) -> Result<u8, Stop> {
    let detached = daemonize::detach()
        .and_then(|()| daemonize::to_dev_null(true, true, true))
        .and_then(|()| {
            if args.command.is_empty() {
                return Ok(None);
            }
            // The parent becomes the command.
            Ok(Some(pidfd_open(parent, PidfdFlags::empty())?))
        });
    match detached {
        Ok(command) => serve(args, socket, command, Some(ready)),
        Err(e) => {
            error!("setsid: {}", os_error(&e));
            socket.remove();
            Err(Stop::Status(1))
        }
    }
}

/// Serves until the end. `ready` is closed once it can be told so.
fn serve(
    args: &Args,
    socket: Socket,
    command: Option<OwnedFd>,
    ready: Option<PipeWriter>,
) -> Result<u8, Stop> {
    let foreground = args.mode != Mode::Background;
    let served = socket
        .listener
        .try_clone()
        .and_then(|listener| {
            let agent = Agent::new(args.policy.clone());
            Server::new(agent, listener, foreground, command)
        })
        .and_then(|mut server| {
            drop(ready);
            server.run()
        });
    socket.remove();
    match served {
        Ok(End::Command) => Ok(TOLD),
        Ok(End::Signal(signal)) => {
            info!("exiting on signal {signal}");
            let stopped = signal_hook::consts::SIGTERM.unsigned_abs() as usize;
            // A supervisor that stops its agent has not seen it fail.
            let was_given = socket.path.is_none();
            Ok(if was_given && signal == stopped {
                0
            } else {
                TOLD
            })
        }
        Err(e) => Err(Stop::fatal(format!("poll: {}", os_error(&e)))),
    }
}

/// The command by which a shell learns of the socket.
fn print_socket(shell: Shell, path: &std::ffi::OsStr) {
    let path = quoted(&path.to_string_lossy());
    match shell {
        Shell::Bourne => out!("{AUTH_SOCK}={path}; export {AUTH_SOCK};\n"),
        Shell::C => out!("setenv {AUTH_SOCK} {path};\n"),
    }
}

/// Text that either shell takes as one word and as nothing else: as it is
/// where that is so, else in single quotes.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn paths_are_one_word_to_a_shell() {
        assert_eq!(quoted("/tmp/ssh-aB1/agent.7"), "/tmp/ssh-aB1/agent.7");
        assert_eq!(quoted("/a b"), "'/a b'");
        assert_eq!(quoted("/a'b;$(x)"), r"'/a'\''b;$(x)'");
        assert_eq!(quoted(""), "''");
    }
}
