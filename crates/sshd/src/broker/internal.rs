//! `internal-sftp`: the server of files inside the daemon, which needs no file
//! of the system and so works in an empty root directory.
//!
//! It runs in a copy of the broker, which is the user already. What could a
//! hostile client do with it that it could not with a program of the user's?
//! Nothing: it has the user's rights, in a session of its own that signals
//! reach as they reach a program, keeps no descriptor of the broker's, cannot
//! gain privileges, and when it ends, by a bug even, only its session does.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use carrick_sftp::local::{self, Home, Surroundings};
use carrick_sys::daemonize::split;
use carrick_sys::{process, sandbox, signals};
use rustix::process::Pid;

use crate::log::{self, Sink, error};
use crate::rpc::broker::Start;

/// Exit status where something in here is wrong.
const EXIT_BROKEN: u8 = 255;

/// What runs in a copy of the broker.
#[derive(Debug, Clone)]
pub enum Internal {
    /// The server of files.
    Sftp(Sftp),
    /// A text for the user, and the end.
    Say {
        /// To standard output, or to standard error.
        to_stderr: bool,
        /// The text.
        text: Vec<u8>,
        /// The exit status.
        status: u8,
    },
}

/// The server of files.
#[derive(Debug, Clone)]
pub struct Sftp {
    args: Vec<OsString>,
    home: Home,
    connection: OsString,
}

impl Sftp {
    /// By a command line, whose first word is the name.
    pub fn new(start: &Start, line: &str) -> Self {
        let ((peer, port), (local, local_port)) = (&start.peer, &start.local);
        let words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        Self {
            args: words.skip(1).map(OsString::from).collect(),
            home: Home {
                user: start.account.name.clone(),
                directory: start.account.home.clone(),
            },
            connection: format!("{peer} {port} {local} {local_port}").into(),
        }
    }

    /// The arguments.
    #[cfg(test)]
    pub(super) fn args(&self) -> &[OsString] {
        &self.args
    }

    fn run(self, system_log: Option<UnixDatagram>) -> u8 {
        let around = Surroundings {
            name: "internal-sftp",
            home: self.home,
            connection: Some(self.connection),
            system_log: system_log.or_else(local::system_log),
            from: rustix::stdio::stdin(),
            to: rustix::stdio::stdout(),
        };
        local::run(self.args, around)
    }
}

impl Internal {
    /// Starts it in `directory`, with these for its standard descriptors.
    pub fn start(
        &self,
        directory: &PathBuf,
        stdio: [OwnedFd; 3],
        system_log: Option<&UnixDatagram>,
    ) -> io::Result<Pid> {
        if let Some(pid) = split()? {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            return pid.ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        // The copy: it must not come back from here, to what is the original's.
        let run = || {
            let system_log = prepare(directory, stdio, system_log)?;
            io::Result::Ok(match self.clone() {
                Self::Sftp(sftp) => sftp.run(system_log),
                Self::Say {
                    to_stderr,
                    text,
                    status,
                } => say(to_stderr, &text, status),
            })
        };
        let status = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(status)) => status,
            Ok(Err(problem)) => {
                error!("internal-sftp: {problem}");
                EXIT_BROKEN
            }
            Err(_) => EXIT_BROKEN,
        };
        process::end_now(status.into())
    }
}

fn say(to_stderr: bool, text: &[u8], status: u8) -> u8 {
    use std::io::Write as _;
    // Whoever does not read it is not to be told.
    let _ = if to_stderr {
        io::stderr().write_all(text)
    } else {
        io::stdout().write_all(text)
    };
    status
}

/// Makes the copy what a program would find itself to be; the way to the
/// system log.
fn prepare(
    directory: &PathBuf,
    stdio: [OwnedFd; 3],
    system_log: Option<&UnixDatagram>,
) -> io::Result<Option<UnixDatagram>> {
    // The line to the monitor is not for this process.
    log::start(log::level(), Sink::Stderr);
    let [stdin, stdout, stderr] = stdio;
    rustix::process::setsid()?;
    rustix::stdio::dup2_stdin(&stdin)?;
    rustix::stdio::dup2_stdout(&stdout)?;
    rustix::stdio::dup2_stderr(&stderr)?;
    drop((stdin, stdout, stderr));
    let system_log = match system_log {
        Some(socket) => Some(socket.as_fd().try_clone_to_owned()?),
        None => None,
    };
    process::keep_only(system_log.as_ref())?;
    for signal in [
        signals::Number::SIGHUP,
        signals::Number::SIGINT,
        signals::Number::SIGQUIT,
        signals::Number::SIGTERM,
    ] {
        signals::set_default(signal)?;
    }
    sandbox::no_new_privileges()?;
    rustix::process::chdir(directory)?;
    Ok(system_log.map(UnixDatagram::from))
}
