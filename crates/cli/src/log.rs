//! Messages to the user: OpenSSH's levels and line format, on stderr, in a
//! file (`-E`) or in syslog (`-y`), and the library's `tracing` events in
//! the same stream.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicI8, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::text::visible;

/// How much is told (`LogLevel`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(i8)]
pub(crate) enum Level {
    /// Nothing at all.
    Quiet = 0,
    /// Only why the program ends.
    Fatal = 1,
    /// Errors.
    Error = 2,
    /// The default.
    Info = 3,
    /// A little more.
    Verbose = 4,
    /// `-v`.
    Debug1 = 5,
    /// `-vv`.
    Debug2 = 6,
    /// `-vvv`.
    Debug3 = 7,
}

const ALL: [Level; 8] = [
    Level::Quiet,
    Level::Fatal,
    Level::Error,
    Level::Info,
    Level::Verbose,
    Level::Debug1,
    Level::Debug2,
    Level::Debug3,
];

impl Level {
    /// By its number, from 0 for quiet, cut to the range.
    pub(crate) fn from_number(n: i8) -> Self {
        ALL.get(usize::try_from(n).unwrap_or(0))
            .copied()
            .unwrap_or(Self::Debug3)
    }

    /// As in `LogLevel`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quiet => "QUIET",
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Info => "INFO",
            Self::Verbose => "VERBOSE",
            Self::Debug1 => "DEBUG1",
            Self::Debug2 => "DEBUG2",
            Self::Debug3 => "DEBUG3",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Debug1 => "debug1: ",
            Self::Debug2 => "debug2: ",
            Self::Debug3 => "debug3: ",
            _ => "",
        }
    }

    /// syslog(3)'s priority.
    fn priority(self) -> u8 {
        match self {
            Self::Quiet | Self::Fatal => 2,
            Self::Error => 3,
            Self::Info | Self::Verbose => 6,
            _ => 7,
        }
    }
}

/// syslog(3)'s facilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Facility {
    /// What users run.
    User = 1,
    /// What has to do with logins.
    Auth = 4,
}

enum Sink {
    Stderr,
    File(File),
    Syslog {
        socket: UnixDatagram,
        program: &'static str,
        facility: Facility,
    },
    Nowhere,
}

static LEVEL: AtomicI8 = AtomicI8::new(Level::Info as i8);
static SINK: Mutex<Sink> = Mutex::new(Sink::Stderr);
static PROGRAM: OnceLock<String> = OnceLock::new();

/// Puts a program's name before each message on stderr from now on. A second
/// name is not taken.
pub(crate) fn begin_lines_with(program: &str) {
    let _ = PROGRAM.set(format!("{program}: "));
}

/// What is told now.
pub(crate) fn level() -> Level {
    Level::from_number(LEVEL.load(Ordering::Relaxed))
}

/// Tells this much from now on.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as i8, Ordering::Relaxed);
    if level >= Level::Debug1 {
        install_tracing();
    }
}

fn set_sink(sink: Sink) {
    if let Ok(mut s) = SINK.lock() {
        *s = sink;
    }
}

/// Appends messages to the file `path` from now on.
pub(crate) fn to_file(path: &str) -> std::io::Result<()> {
    set_sink(Sink::File(
        File::options().append(true).create(true).open(path)?,
    ));
    Ok(())
}

/// Sends messages to syslog from now on.
pub(crate) fn to_syslog(program: &'static str, facility: Facility) {
    let socket = UnixDatagram::unbound().and_then(|s| s.connect("/dev/log").map(|()| s));
    set_sink(socket.map_or(Sink::Nowhere, |socket| Sink::Syslog {
        socket,
        program,
        facility,
    }));
}

/// Whether messages go to stderr.
pub(crate) fn is_on_stderr() -> bool {
    SINK.lock().is_ok_and(|s| matches!(*s, Sink::Stderr))
}

/// Writes one message. Control characters in it (they may come from the peer)
/// are made visible, so that no terminal obeys them.
pub(crate) fn write(level: Level, message: fmt::Arguments<'_>) {
    if level as i8 > LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let mut line = String::with_capacity(120);
    line.push_str(level.prefix());
    let text = message.to_string();
    line.extend(visible(&text).chars().filter(|c| *c != '\r'));
    let Ok(mut sink) = SINK.lock() else { return };
    // A log that cannot be written must not end the session.
    let _ = match &mut *sink {
        Sink::Stderr => {
            line.insert_str(0, PROGRAM.get().map_or("", String::as_str));
            line.push_str("\r\n");
            std::io::stderr().write_all(line.as_bytes())
        }
        Sink::File(file) => {
            line.push_str("\r\n");
            file.write_all(line.as_bytes())
        }
        Sink::Syslog {
            socket,
            program,
            facility,
        } => {
            let priority = (*facility as u8) << 3 | level.priority();
            let text = format!("<{priority}>{program}[{}]: {line}", std::process::id());
            socket.send(text.as_bytes()).map(drop)
        }
        Sink::Nowhere => Ok(()),
    };
}

/// Logs at a level: `log!(Info, "text {}", x)`.
macro_rules! log {
    ($level:ident, $($arg:tt)*) => {
        $crate::log::write($crate::log::Level::$level, format_args!($($arg)*))
    };
}
/// Logs an error.
macro_rules! error { ($($arg:tt)*) => { $crate::log::log!(Error, $($arg)*) }; }
/// Logs what everybody should see.
macro_rules! info { ($($arg:tt)*) => { $crate::log::log!(Info, $($arg)*) }; }
/// Logs for `LogLevel VERBOSE`.
macro_rules! verbose { ($($arg:tt)*) => { $crate::log::log!(Verbose, $($arg)*) }; }
/// Logs for `-v`.
macro_rules! debug { ($($arg:tt)*) => { $crate::log::log!(Debug1, $($arg)*) }; }
/// Logs for `-vv`.
macro_rules! debug2 { ($($arg:tt)*) => { $crate::log::log!(Debug2, $($arg)*) }; }
/// Logs for `-vvv`.
macro_rules! debug3 { ($($arg:tt)*) => { $crate::log::log!(Debug3, $($arg)*) }; }
pub(crate) use {debug, debug2, debug3, error, info, log, verbose};

/// Takes the library's `tracing` events into this log. Nothing is paid for
/// this below `-v`.
fn install_tracing() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // Failing means another subscriber is in place, which then tells the story.
    ONCE.call_once(|| drop(tracing::subscriber::set_global_default(Events)));
}

/// The `tracing` subscriber: events only, spans are accepted and ignored.
struct Events;

fn from_tracing(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Info,
        tracing::Level::INFO => Level::Verbose,
        tracing::Level::DEBUG => Level::Debug1,
        _ => Level::Debug2,
    }
}

impl tracing::Subscriber for Events {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with("carrick")
            && from_tracing(*metadata.level()) <= level()
    }

    fn register_callsite(
        &self,
        metadata: &'static tracing::Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        // The level may change (~v), so an event of ours is asked about each time.
        if metadata.is_event() && metadata.target().starts_with("carrick") {
            tracing::subscriber::Interest::sometimes()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = EventText(String::new());
        event.record(&mut text);
        write(
            from_tracing(*event.metadata().level()),
            format_args!("{}", text.0),
        );
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

struct EventText(String);

impl tracing::field::Visit for EventText {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, "{}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_named() {
        assert!(Level::Quiet < Level::Info && Level::Debug2 < Level::Debug3);
        assert_eq!(Level::from_number(5), Level::Debug1);
        assert_eq!(Level::from_number(99), Level::Debug3);
        assert_eq!(Level::from_number(-1).name(), "QUIET");
    }
}
