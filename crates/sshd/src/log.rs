//! The daemon's log: OpenSSH's levels, lines and places.
//!
//! A line goes to the system log, to standard error, or, in the worker and
//! the broker, which have neither, to the monitor.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

/// How important a line is; LogLevel names the last level that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Nothing is written at this level.
    Quiet,
    /// The process cannot go on.
    Fatal,
    /// Something is wrong.
    Error,
    /// What an administrator wants to see.
    Info,
    /// More of it.
    Verbose,
    /// For finding faults.
    Debug1,
    /// More of it.
    Debug2,
    /// All.
    Debug3,
}

impl Level {
    /// The level with this number; a greater one counts as the last.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Quiet,
            1 => Self::Fatal,
            2 => Self::Error,
            3 => Self::Info,
            4 => Self::Verbose,
            5 => Self::Debug1,
            6 => Self::Debug2,
            _ => Self::Debug3,
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Quiet => 0,
            Self::Fatal => 1,
            Self::Error => 2,
            Self::Info => 3,
            Self::Verbose => 4,
            Self::Debug1 => 5,
            Self::Debug2 => 6,
            Self::Debug3 => 7,
        }
    }

    /// The word in front of a line, and the system log's severity.
    fn mark(self) -> (&'static str, u8) {
        match self {
            Self::Fatal => ("fatal: ", 2),
            Self::Error => ("error: ", 3),
            Self::Debug1 => ("debug1: ", 7),
            Self::Debug2 => ("debug2: ", 7),
            Self::Debug3 => ("debug3: ", 7),
            Self::Quiet | Self::Info | Self::Verbose => ("", 6),
        }
    }
}

/// Takes a line to another process.
pub type Carrier = Box<dyn Fn(Level, &str) + Send>;

/// Where lines go.
pub enum Sink {
    /// Standard error, which may be a file (`-E`) .
    Stderr,
    /// The system log, with a facility's number and a program's name.
    Syslog(u8, &'static str),
    /// Another process.
    Process(Carrier),
}

static LEVEL: AtomicU8 = AtomicU8::new(3);
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// The longest line, as in OpenSSH.
const LONGEST: usize = 1024;

/// Sets level and sink.
pub fn start(level: Level, sink: Sink) {
    LEVEL.store(level.number(), Ordering::Relaxed);
    if let Ok(mut place) = SINK.lock() {
        *place = Some(sink);
    }
}

/// Lets go of standard error, which may be somebody's terminal or the log's
/// file, in a process that has another way to the log: what would be written
/// there goes that way.
pub fn instead_of_stderr() -> std::io::Result<()> {
    std::panic::set_hook(Box::new(|panic| {
        // The lock is taken where the panic happened while writing a line.
        if let Ok(sink) = SINK.try_lock() {
            drop(sink);
            write(Level::Fatal, format_args!("{panic}"));
        }
    }));
    carrick_sys::daemonize::to_dev_null(false, false, true)
}

/// The level.
pub fn level() -> Level {
    Level::from_number(LEVEL.load(Ordering::Relaxed))
}

/// Sets the level alone.
pub fn set_level(level: Level) {
    LEVEL.store(level.number(), Ordering::Relaxed);
}

/// Writes a line.
pub fn write(level: Level, text: fmt::Arguments<'_>) {
    if level > self::level() || level == Level::Quiet {
        return;
    }
    let mut line = text.to_string();
    if line.len() > LONGEST {
        let end = (0..=LONGEST)
            .rev()
            .find(|at| line.is_char_boundary(*at))
            .unwrap_or(0);
        line.truncate(end);
    }
    let Ok(mut sink) = SINK.lock() else { return };
    match sink.get_or_insert(Sink::Stderr) {
        Sink::Stderr => {
            let (mark, _) = level.mark();
            let mark = if level <= Level::Error { "" } else { mark };
            let line = format!("{mark}{}\r\n", printable(&line));
            // There is no place to report a failure to write the log.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        Sink::Syslog(facility, name) => {
            let (mark, severity) = level.mark();
            let line = printable(&line);
            let priority = *facility * 8 + severity;
            let id = std::process::id();
            to_syslog(format!("<{priority}>{name}[{id}]: {mark}{line}").as_bytes());
        }
        Sink::Process(carry) => carry(level, &line),
    }
}

fn to_syslog(datagram: &[u8]) {
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(datagram, "/dev/log"));
    // Without a system log there is no other place in a daemon.
    drop(sent);
}

/// Control characters and bytes beyond ASCII as `\ooo`, so that a peer's text
/// can neither start a line of its own nor talk to a terminal.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "\\{byte:03o}")),
        }
    }
    out
}

macro_rules! fatal { ($($t:tt)*) => { $crate::log::write($crate::log::Level::Fatal, format_args!($($t)*)) }; }
macro_rules! error { ($($t:tt)*) => { $crate::log::write($crate::log::Level::Error, format_args!($($t)*)) }; }
macro_rules! info { ($($t:tt)*) => { $crate::log::write($crate::log::Level::Info, format_args!($($t)*)) }; }
macro_rules! verbose { ($($t:tt)*) => { $crate::log::write($crate::log::Level::Verbose, format_args!($($t)*)) }; }
macro_rules! debug { ($($t:tt)*) => { $crate::log::write($crate::log::Level::Debug1, format_args!($($t)*)) }; }
pub(crate) use {debug, error, fatal, info, verbose};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_stays_in_its_line() {
        assert_eq!(printable("a\nb\x1b[2J\\ü"), "a\\012b\\033[2J\\\\\\303\\274");
    }

    #[test]
    fn levels_keep_their_numbers() {
        for number in 0..8 {
            assert_eq!(Level::from_number(number).number(), number);
        }
        assert_eq!(Level::from_number(200), Level::Debug3);
    }
}
