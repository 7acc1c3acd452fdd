//! One session of the program `sftp-server`, or of the daemon's `internal-sftp`.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;

use super::{End, Home, Local, Log, serve};
use crate::server::{Broken, Journal, Level, Policy, Server};

/// A message whose length cannot be.
const EXIT_BAD_MESSAGE: u8 = 11;
/// What cannot go on.
const EXIT_FATAL: u8 = 255;

/// What the program was told.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What clients may ask.
    pub policy: Policy,
    /// The umask, if not the one that is in force.
    pub umask: Option<u32>,
    /// Where it starts, if not in the current folder.
    pub start: Option<String>,
}

/// Serves one client; the exit status. `connection` is what `SSH_CONNECTION`
/// says, from which the log has the client's address.
pub fn run(
    settings: Settings,
    home: Home,
    connection: Option<&OsStr>,
    mut log: Log,
    from: impl AsFd,
    to: impl AsFd,
) -> u8 {
    let (client, malformed) = client(connection);
    let who = format!("local user {} from [{client}]", home.user);
    if let Some(whole) = malformed {
        log.line(
            Level::Error,
            format_args!("Malformed SSH_CONNECTION variable: \"{whole}\""),
        );
        log.line(Level::Info, format_args!("session closed for {who}"));
        return EXIT_FATAL;
    }
    // Over the limit of a file's length there is to be an error, and no signal.
    let _ = carrick_sys::signals::ignore(carrick_sys::signals::Number::SIGXFSZ);
    if let Some(bits) = settings.umask {
        rustix::process::umask(super::mode(bits));
    }
    log.line(Level::Info, format_args!("session opened for {who}"));
    if let Some(start) = &settings.start
        && let Err(errno) = rustix::process::chdir(start.as_str())
    {
        let problem = super::failed(errno);
        log.line(
            Level::Error,
            format_args!("chdir to \"{start}\" failed: {problem}"),
        );
    }
    let user = home.user.clone();
    let mut server = Server::new(Local::new(home), settings.policy, log);
    let end = serve(&mut server, from, to);
    let log = server.journal();
    let status = match end {
        End::Eof => {
            log.line(Level::Debug1, format_args!("read eof"));
            0
        }
        End::Broken(Broken::Frame(_)) => {
            log.line(
                Level::Error,
                format_args!("bad message from {client} local user {user}"),
            );
            EXIT_BAD_MESSAGE
        }
        End::Broken(problem) => {
            log.line(Level::Fatal, format_args!("{problem}"));
            EXIT_FATAL
        }
        End::Read(problem) => {
            log.line(Level::Error, format_args!("read: {problem}"));
            1
        }
        End::Write(problem) => {
            log.line(Level::Error, format_args!("write: {problem}"));
            1
        }
    };
    server.end();
    let log = server.journal();
    log.line(Level::Info, format_args!("session closed for {who}"));
    status
}

/// The client's address by `SSH_CONNECTION`, and the whole of that if it is
/// not what it should be.
fn client(connection: Option<&OsStr>) -> (String, Option<String>) {
    let Some(connection) = connection else {
        return ("UNKNOWN".to_owned(), None);
    };
    let bytes = connection.as_bytes();
    let name = |bytes| crate::server::Name(bytes).to_string();
    match bytes.iter().position(|byte| *byte == b' ') {
        Some(end) => (name(bytes.get(..end).unwrap_or_default()), None),
        None => (name(bytes), Some(name(bytes))),
    }
}
