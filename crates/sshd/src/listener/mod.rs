//! The listener: root, one for the daemon's life. It accepts connections and
//! starts a monitor for each; it never reads a byte that a peer sent.
//!
//! What could each of these do with it?
//! - A hostile peer can connect, and thereby take one of MaxStartups' places
//!   until LoginGraceTime is over; random early drop keeps the door open for
//!   others. It reaches no code here but `accept`.
//! - A hostile worker has no descriptor that leads here.
//! - A hostile local user can send nothing but connections: the control is by
//!   signals, which the kernel lets only root send.
//!
//! A monitor talks to the listener by closing a pipe, once its user has
//! logged in, and by its exit status.

pub mod accept;
pub mod bind;
pub mod check;
pub mod hostkeys;
pub mod penalties;
pub mod startups;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use carrick_sys::{daemonize, process};
use rustix::fs::Mode;

use crate::args::{Args, Task};
use crate::handoff::{self, Handoff};
use crate::log::{self, Level, Sink, debug, error, fatal, info};
use crate::monitor;
use crate::settings::{self, Config};

/// As OpenSSH exits when it gives up.
pub const EXIT_FATAL: u8 = 255;

/// Does what the command line says; the exit status.
pub fn run(args: &Args, restarted: bool) -> u8 {
    process::close_on_exec_all();
    // What this daemon and its sessions make, others do not write to.
    let mask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(mask | Mode::WGRP | Mode::WOTH);
    if let Some(path) = &args.log_file
        && let Err(problem) = log_to_file(path)
    {
        eprintln!("Couldn't open logfile {path}: {}", bind::strerror(&problem));
        return 1;
    }
    log::start(settings::level_of_args(args), Sink::Stderr);
    debug!("sshd version {}", crate::VERSION);
    let config = match Config::load(args) {
        Ok(config) => config,
        Err(problem) => {
            tell(&problem);
            let unknown_option = problem.file == COMMAND_LINE && problem.text.contains(UNKNOWN);
            return if problem.unreadable || unknown_option {
                1
            } else {
                EXIT_FATAL
            };
        }
    };
    if args.task == Task::Parse {
        return print(&config, args);
    }
    let to_stderr =
        args.log_to_stderr || args.log_file.is_some() || args.debug > 0 || args.task != Task::Serve;
    settings::start_log(config.global(), to_stderr);
    let handoff = match check::prepare(&config, args, to_stderr) {
        Ok(handoff) => handoff,
        Err(status) => return status,
    };
    match args.task {
        Task::Check => 0,
        Task::Dump => print(&config, args),
        _ if args.inetd => match process::take_stdin_and_stdout() {
            Ok((input, output)) => monitor::run(handoff, input, output, None),
            Err(problem) => {
                fatal!("cannot take the connection from standard input: {problem}");
                EXIT_FATAL
            }
        },
        _ => serve(args, &config, handoff, restarted),
    }
}

fn log_to_file(path: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    Ok(rustix::stdio::dup2_stderr(&file)?)
}

fn print(config: &Config, args: &Args) -> u8 {
    match config.dump(args) {
        Ok(text) => {
            // A reader that went away wanted no more of it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            0
        }
        Err(problem) => {
            tell(&problem);
            // A word of -C is the command line's, the rest the file's.
            if problem.file.is_empty() {
                1
            } else {
                EXIT_FATAL
            }
        }
    }
}

/// What the configuration calls the options of the command line, and what it
/// says of one that it does not know: those are mistakes in usage.
const COMMAND_LINE: &str = "command-line";
const UNKNOWN: &str = "Bad configuration option";

/// A mistake in the configuration goes to the log, where OpenSSH has it too;
/// one on the command line, or a file that is not there, to the person.
fn tell(problem: &carrick_config::Error) {
    for line in &problem.lines {
        if problem.unreadable || problem.file.is_empty() {
            eprintln!("{line}");
        } else {
            error!("{line}");
        }
    }
}

fn serve(args: &Args, config: &Config, handoff: Handoff, restarted: bool) -> u8 {
    let foreground = args.foreground || args.debug > 0 || restarted;
    if !foreground {
        let keep_stderr = handoff.log_to_stderr;
        let background = daemonize::to_background()
            .and_then(|()| daemonize::to_dev_null(true, true, !keep_stderr));
        if let Err(problem) = background {
            fatal!("daemon() failed: {problem}");
            return EXIT_FATAL;
        }
    }
    // It holds the host's keys.
    if let Err(problem) = process::hide_from_debuggers() {
        fatal!("cannot protect the host keys: {problem}");
        return EXIT_FATAL;
    }
    let stay = args.debug > 0;
    let began_in = std::env::current_dir().ok();
    if !stay && let Err(problem) = std::env::set_current_dir("/") {
        error!("chdir(\"/\"): {problem}");
    }
    let sockets = bind::all(config.global());
    if sockets.is_empty() {
        fatal!("Cannot bind any address.");
        return EXIT_FATAL;
    }
    let pid_file = config.global().pid_file.clone().filter(|_| args.debug == 0);
    if let Some(path) = &pid_file
        && let Err(problem) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        error!(
            "Couldn't create pid file \"{path}\": {}",
            bind::strerror(&problem)
        );
    }
    let over = accept::serve(config.global(), &sockets, handoff, args.debug > 0);
    drop(sockets);
    match over {
        Ok(accept::Over::Debug(handoff, socket)) => match socket.try_clone() {
            Ok(output) => monitor::run(*handoff, socket.into(), output.into(), None),
            Err(problem) => {
                fatal!("dup: {problem}");
                EXIT_FATAL
            }
        },
        Ok(accept::Over::Terminate(signal)) => {
            info!("Received signal {signal}; terminating.");
            remove(pid_file.as_deref());
            if signal == signal_hook::consts::SIGTERM {
                0
            } else {
                EXIT_FATAL
            }
        }
        Ok(accept::Over::Restart) => {
            info!("Received SIGHUP; restarting.");
            remove(pid_file.as_deref());
            restart(began_in.as_deref())
        }
        Err(problem) => {
            fatal!("{problem}");
            remove(pid_file.as_deref());
            EXIT_FATAL
        }
    }
}

fn remove(path: Option<&str>) {
    if let Some(path) = path
        && let Err(problem) = std::fs::remove_file(Path::new(path))
    {
        log::write(
            Level::Debug1,
            format_args!("cannot remove {path}: {problem}"),
        );
    }
}

/// Becomes a new listener of whatever version is installed now, with the
/// same arguments and in the same directory, as they may name files relative
/// to it. Returns only if that fails.
fn restart(directory: Option<&Path>) -> u8 {
    let program = std::env::current_exe().unwrap_or_else(|_| process::own_executable());
    // A replaced file shows as "... (deleted)": its successor has the name.
    let name = program
        .to_string_lossy()
        .trim_end_matches(" (deleted)")
        .to_owned();
    let given: Vec<OsString> = std::env::args_os()
        .skip(1)
        .filter(|arg| arg.to_str() != Some(crate::RESTARTED))
        .collect();
    let mut command = Command::new(&name);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let problem = command.arg(crate::RESTARTED).args(given).exec();
    fatal!("RESTART FAILED: {name} failed: {problem}");
    EXIT_FATAL
}

/// The memory file for the monitors.
fn shared(handoff: &Handoff) -> std::io::Result<std::os::fd::OwnedFd> {
    let fd = handoff::store(handoff)?;
    process::leave_open(&fd)?;
    Ok(fd)
}
