//! One run of the program `sftp-server`, or of the daemon's `internal-sftp`.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;

use carrick_sys::signals;

use super::flags::{self, Flags, Instead};
use super::{End, Home, Local, Log, Where, serve};
use crate::server::{Broken, Journal as _, Level, Name, Server};

/// A message whose length cannot be.
const EXIT_BAD_MESSAGE: u8 = 11;
/// What cannot go on.
const EXIT_FATAL: u8 = 255;

/// What a run has around it.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// What it is called in the system log.
    pub name: &'static str,
    /// Whose it is.
    pub home: Home,
    /// What `SSH_CONNECTION` says, from which the log has the client's address.
    pub connection: Option<OsString>,
    /// The way to the system log, opened before the root of the file system
    /// may have become another.
    pub system_log: Option<UnixDatagram>,
    /// Where requests come from.
    pub from: BorrowedFd<'a>,
    /// Where answers go.
    pub to: BorrowedFd<'a>,
}

/// Runs with the arguments after the program's name; the exit status.
pub fn run(args: Vec<OsString>, around: Surroundings<'_>) -> u8 {
    match flags::parse(args, &around.home) {
        Ok(flags) => session(flags, around),
        // Who does not read it is not to be told.
        Err(Instead::Show(text)) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            0
        }
        Err(Instead::Fail(text, status)) => {
            let _ = std::io::stderr().write_all(text.as_bytes());
            status
        }
    }
}

fn session(flags: Flags, around: Surroundings<'_>) -> u8 {
    let to = match flags.facility {
        None => Where::Stderr,
        Some(facility) => Where::Syslog {
            facility,
            name: around.name,
            socket: around.system_log,
        },
    };
    let mut log = Log::new(flags.level, to);
    let (client, malformed) = client(around.connection.as_deref());
    let home = around.home;
    let who = format!("local user {} from [{client}]", home.user);
    if let Some(whole) = malformed {
        log.line(
            Level::Error,
            format_args!("Malformed SSH_CONNECTION variable: \"{whole}\""),
        );
        log.line(Level::Info, format_args!("session closed for {who}"));
        return EXIT_FATAL;
    }
    // Beyond the limit of a file's length there is to be an error, and no
    // signal. Where that is not to be had, it is as it always was.
    let _ = signals::ignore(signals::Number::SIGXFSZ);
    if let Some(bits) = flags.umask {
        rustix::process::umask(super::mode(bits));
    }
    log.line(Level::Info, format_args!("session opened for {who}"));
    if let Some(start) = &flags.start
        && let Err(errno) = rustix::process::chdir(start.as_str())
    {
        let problem = super::failed(errno);
        log.line(
            Level::Error,
            format_args!("chdir to \"{start}\" failed: {problem}"),
        );
    }
    let user = home.user.clone();
    let mut server = Server::new(Local::new(home), flags.policy, log);
    let end = serve(&mut server, around.from, around.to);
    let (level, text, status) = match end {
        End::Eof => (Level::Debug1, "read eof".to_owned(), 0),
        End::Broken(Broken::Frame(_)) => {
            let text = format!("bad message from {client} local user {user}");
            (Level::Error, text, EXIT_BAD_MESSAGE)
        }
        End::Broken(problem) => (Level::Fatal, problem.to_string(), EXIT_FATAL),
        End::Read(problem) => (Level::Error, format!("read: {problem}"), 1),
        End::Write(problem) => (Level::Error, format!("write: {problem}"), 1),
    };
    server.journal().line(level, format_args!("{text}"));
    server.end();
    let closed = format_args!("session closed for {who}");
    server.journal().line(Level::Info, closed);
    status
}

/// The client's address by `SSH_CONNECTION`, and the whole of that if it is
/// not what it should be.
fn client(connection: Option<&OsStr>) -> (String, Option<String>) {
    let Some(connection) = connection else {
        return ("UNKNOWN".to_owned(), None);
    };
    let bytes = connection.as_bytes();
    let name = |bytes| Name(bytes).to_string();
    match bytes.iter().position(|byte| *byte == b' ') {
        Some(end) => (name(bytes.get(..end).unwrap_or_default()), None),
        None => (name(bytes), Some(name(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_first_word() {
        let of = |text: &str| client(Some(OsStr::new(text)));
        assert_eq!(
            of("192.0.2.1 5 192.0.2.2 22"),
            ("192.0.2.1".to_owned(), None)
        );
        assert_eq!(of("x\n"), ("x\\012".to_owned(), Some("x\\012".to_owned())));
        assert_eq!(client(None), ("UNKNOWN".to_owned(), None));
    }
}
