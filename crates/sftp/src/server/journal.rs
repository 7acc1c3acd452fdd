//! What a server tells its log, in OpenSSH's words and at its levels.

use core::fmt;

use crate::msg::Open;

/// How important a line is. A log has a last level that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is written at this level.
    Quiet,
    /// The conversation cannot go on.
    Fatal,
    /// Something is wrong.
    Error,
    /// What was done to files.
    Info,
    /// What was looked at.
    Verbose,
    /// For finding faults.
    Debug1,
    /// More of it.
    Debug2,
    /// All.
    Debug3,
}

/// Where the lines go.
pub trait Journal {
    /// The last level that is wanted.
    fn level(&self) -> Level;
    /// A time, in seconds since 1970, as the log writes it.
    fn time(&self, seconds: u32) -> String;
    /// Takes a line.
    fn line(&mut self, level: Level, text: fmt::Arguments<'_>);
}

/// Writes a line if its level is wanted: `note!(journal, Info, "text {}", x)`.
macro_rules! note {
    ($journal:expr, $level:ident, $($text:tt)*) => {
        if $crate::server::Level::$level <= $journal.level() {
            $journal.line($crate::server::Level::$level, format_args!($($text)*));
        }
    };
}
pub(crate) use note;

/// A client's path in a line: bytes beyond plain ASCII as `\ooo`, so that it
/// neither starts a line of its own nor talks to a terminal.
pub(crate) struct Name<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for byte in self.0 {
            match byte {
                b'\\' => f.write_str("\\\\")?,
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                _ => write!(f, "\\{byte:03o}")?,
            }
        }
        Ok(())
    }
}

/// How a file is opened, in words.
pub(crate) struct Flags(pub(crate) Open);

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (flag, word) in [
            (Open::READ, "READ"),
            (Open::WRITE, "WRITE"),
            (Open::APPEND, "APPEND"),
            (Open::CREATE, "CREATE"),
            (Open::TRUNCATE, "TRUNCATE"),
            (Open::EXCLUSIVE, "EXCL"),
        ] {
            if self.0.has(flag) {
                write!(f, "{between}{word}")?;
                between = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_line() {
        let name = Name(b"a\nb\x1b[2J\\\xff \xc3\xa4");
        assert_eq!(name.to_string(), "a\\012b\\033[2J\\\\\\377 \\303\\244");
    }

    #[test]
    fn flags_are_listed() {
        assert_eq!(Flags(Open(0)).to_string(), "");
        assert_eq!(
            Flags(Open(0x3f)).to_string(),
            "READ,WRITE,APPEND,CREATE,TRUNCATE,EXCL"
        );
    }
}
