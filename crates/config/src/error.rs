//! What is wrong with a configuration, and where.

use std::fmt;

/// Where a value was set: file name (`command-line` for `-o`) and line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file as it was named, or `command-line`.
    pub file: String,
    /// Line in the file, from 1; 0 on the command line.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)
    }
}

/// A configuration that cannot be used.
///
/// `Display` gives every line that OpenSSH would print, in its order and
/// spelling, without a final newline; scripts compare these texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// File of the first problem (empty if it belongs to no file).
    pub file: String,
    /// Line of the first problem; 0 for the command line or a whole file.
    pub line: u32,
    /// The first problem, as one complete line of text.
    pub text: String,
    /// All lines to print, the first problem among them.
    pub lines: Vec<String>,
    /// The main file could not be read at all (sshd then exits with 1, not 255).
    pub unreadable: bool,
}

impl Error {
    /// An error with one line of text that belongs to `file` and `line`.
    pub fn new(file: impl Into<String>, line: u32, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            file: file.into(),
            line,
            lines: vec![text.clone()],
            text,
            unreadable: false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Error {}

/// How a single line failed: `Bad` lines are counted and reading goes on to
/// find the others, `Fatal` ends at once.
#[derive(Debug)]
pub(crate) enum Fault {
    Bad(Vec<String>),
    Fatal(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}
