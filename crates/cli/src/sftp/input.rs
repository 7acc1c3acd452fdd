//! Where the lines come from: the line editor at a terminal, else a file.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::rc::Rc;

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{CompletionType, Config, Editor};

use super::complete::Names;
use super::session::Session;
use crate::text::outln;

/// What is shown to whoever types.
pub(super) const PROMPT: &str = "sftp> ";
/// The longest line, in bytes.
const LINE: u64 = 64 * 1024;
/// How many lines can be had again.
const HISTORY: usize = 1000;

/// Gives one line after the other.
pub(super) enum Input {
    Typed(Box<Editor<Names, MemHistory>>),
    Read(Box<dyn BufRead>),
}

/// What was given.
pub(super) enum Line {
    Text(Vec<u8>),
    /// It was given up.
    Again,
    TooLong,
    End,
}

impl Input {
    /// Somebody at a terminal.
    pub(super) fn typed(session: &Rc<RefCell<Session>>) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY)?
            .history_ignore_dups(true)?
            .completion_type(CompletionType::List)
            .auto_add_history(true)
            // A paste is lines like any others, one command each.
            .bracketed_paste(false)
            .build();
        let history = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history)?;
        editor.set_helper(Some(Names(Rc::clone(session))));
        Ok(Self::Typed(Box::new(editor)))
    }

    /// Standard input.
    pub(super) fn stdin() -> Self {
        Self::Read(Box::new(BufReader::new(io::stdin())))
    }

    /// A file, with `-` for standard input.
    pub(super) fn file(name: &OsStr) -> io::Result<Self> {
        if name == "-" {
            return Ok(Self::stdin());
        }
        let file = File::open(name)?;
        Ok(Self::Read(Box::new(BufReader::new(file))))
    }

    /// Whether somebody types it.
    pub(super) fn is_typed(&self) -> bool {
        matches!(self, Self::Typed(_))
    }

    pub(super) fn next(&mut self) -> Line {
        match self {
            Self::Typed(editor) => match editor.readline(PROMPT) {
                Ok(line) => Line::Text(line.into_bytes()),
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Line::Again,
                Err(_) => {
                    outln!();
                    Line::End
                }
            },
            Self::Read(file) => read_line(file).unwrap_or(Line::End),
        }
    }
}

fn read_line(file: &mut dyn BufRead) -> io::Result<Line> {
    let mut line = Vec::new();
    let len = file.take(LINE).read_until(b'\n', &mut line)?;
    if len == 0 {
        return Ok(Line::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if u64::try_from(len).is_ok_and(|len| len == LINE) {
        return Ok(Line::TooLong);
    }
    Ok(Line::Text(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut file = text;
        let mut out = Vec::new();
        loop {
            match read_line(&mut file).unwrap() {
                Line::Text(line) => out.push(String::from_utf8(line).unwrap()),
                Line::TooLong => {
                    out.push("too long".into());
                    break;
                }
                Line::Again | Line::End => break,
            }
        }
        out
    }

    #[test]
    fn lines_of_a_file() {
        assert_eq!(lines(b"a\n\nb c"), ["a", "", "b c"]);
        assert_eq!(lines(b"a\r\n"), ["a\r"]);
        assert!(lines(b"").is_empty());
        let most = vec![b'x'; 64 * 1024];
        assert_eq!(lines(&most), ["too long"]);
        assert_eq!(lines(&most[1..]).len(), 1);
    }
}
