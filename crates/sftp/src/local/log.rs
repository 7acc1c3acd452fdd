//! The log of a server: standard error, or the system log.

use std::fmt;
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;

use carrick_sys::localtime::LocalTime;

use crate::server::{Journal, Level};

/// Where the lines go.
#[derive(Debug)]
pub enum Where {
    /// Standard error.
    Stderr,
    /// The system log.
    Syslog {
        /// By number (RFC 5424 section 6.2.1).
        facility: u8,
        /// The program's name.
        name: &'static str,
        /// The way there. Without one there is no other place for lines.
        socket: Option<UnixDatagram>,
    },
}

/// A way to the system log, if there is one.
pub fn system_log() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect("/dev/log").ok()?;
    Some(socket)
}

/// A log.
#[derive(Debug)]
pub struct Log {
    level: Level,
    to: Where,
}

impl Log {
    /// That takes lines up to a level.
    pub fn new(level: Level, to: Where) -> Self {
        Self { level, to }
    }
}

/// The longest line, as in OpenSSH.
const LONGEST: usize = 1021;

/// The word in front of a line in the system log, and its severity.
fn mark(level: Level) -> (&'static str, u8) {
    match level {
        Level::Quiet | Level::Fatal => ("fatal: ", 2),
        Level::Error => ("error: ", 3),
        Level::Info | Level::Verbose => ("", 6),
        Level::Debug1 => ("debug1: ", 7),
        Level::Debug2 => ("debug2: ", 7),
        Level::Debug3 => ("debug3: ", 7),
    }
}

impl Journal for Log {
    fn level(&self) -> Level {
        self.level
    }

    fn time(&self, seconds: u32) -> String {
        match LocalTime::at(seconds.into()) {
            None => seconds.to_string(),
            Some(time) => format!(
                "{:04}{:02}{:02}-{:02}:{:02}:{:02}",
                time.year, time.month, time.day, time.hour, time.minute, time.second
            ),
        }
    }

    fn line(&mut self, level: Level, text: fmt::Arguments<'_>) {
        if level > self.level || level == Level::Quiet {
            return;
        }
        let (mark, severity) = mark(level);
        let to_stderr = matches!(self.to, Where::Stderr);
        let mark = if to_stderr && level <= Level::Error {
            ""
        } else {
            mark
        };
        // Plain ASCII: names in it are escaped.
        let line = format!("{mark}{text}");
        let line = line.get(..LONGEST).unwrap_or(&line);
        // A log that cannot be written must not end the session.
        let _ = match &self.to {
            Where::Stderr => std::io::stderr().write_all(format!("{line}\r\n").as_bytes()),
            Where::Syslog {
                facility,
                name,
                socket: Some(socket),
            } => {
                let priority = facility.saturating_mul(8).saturating_add(severity);
                let id = std::process::id();
                let line = format!("<{priority}>{name}[{id}]: {line}");
                socket.send(line.as_bytes()).map(drop)
            }
            Where::Syslog { socket: None, .. } => Ok(()),
        };
    }
}
