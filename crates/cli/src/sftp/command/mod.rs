//! The commands, and reading them from a line.
//!
//! - [`table`]: their names.
//! - [`operands`]: what follows a name.

mod operands;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use super::ls;
use super::words::{self, BadLine, Word};
use operands::Operands;
pub(super) use table::{Side, names, operands_of};

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// `-`: it may fail.
    pub(super) may_fail: bool,
    /// `@`: it is not repeated.
    pub(super) silent: bool,
    /// Nothing on an empty line.
    pub(super) command: Result<Option<Command>, BadCommand>,
}

/// What can be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `cd`.
    Chdir(Option<Word>),
    /// `chmod`, `chown`, `chgrp`.
    Change {
        what: Change,
        /// `-h`: a link itself.
        link: bool,
        to: u32,
        path: Word,
    },
    /// `copy`, `cp`.
    Copy { from: Word, to: Word },
    /// `df`.
    Df {
        units: bool,
        inodes: bool,
        path: Option<Word>,
    },
    /// `get`, `reget`.
    Get(Transfer),
    /// `help`, `?`.
    Help,
    /// `lcd`.
    LocalChdir(Option<Word>),
    /// `lls`: what follows, as typed.
    LocalLs(Vec<u8>),
    /// `lmkdir`.
    LocalMkdir(Word),
    /// `lpwd`.
    LocalPwd,
    /// `lumask`.
    LocalUmask(u32),
    /// `ln`.
    Link { from: Word, to: Word },
    /// `ls`.
    Ls { how: ls::How, path: Option<Word> },
    /// `mkdir`.
    Mkdir(Word),
    /// `progress`.
    Progress,
    /// `put`, `reput`.
    Put(Transfer),
    /// `pwd`.
    Pwd,
    /// `bye`, `exit`, `quit`.
    Quit,
    /// `rename`.
    Rename {
        from: Word,
        to: Word,
        /// `-l`: as the protocol itself has it, without replacing anything.
        plain: bool,
    },
    /// `rm`.
    Remove(Word),
    /// `rmdir`.
    Rmdir(Word),
    /// `!`: what follows, for the shell.
    Shell(Vec<u8>),
    /// `symlink`, `ln -s`.
    Symlink { from: Word, to: Word },
    /// `version`.
    Version,
}

impl Command {
    /// Whether it means the same wherever one stands at the server. Not all
    /// that might be are found out: it is for what is worth a round trip.
    pub(super) fn is_whole(&self) -> bool {
        let is_absolute = |word: &Word| word.pattern().starts_with(b"/");
        match self {
            Self::Get(transfer) => is_absolute(&transfer.from),
            Self::Put(transfer) => transfer.to.as_ref().is_some_and(is_absolute),
            _ => false,
        }
    }
}

/// What `chmod`, `chown` and `chgrp` change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Mode,
    Owner,
    Group,
}

/// What `get` and `put` move, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) from: Word,
    pub(super) to: Option<Word>,
    /// `-a`: go on where an earlier one ended.
    pub(super) resume: bool,
    /// `-f`: onto the disk.
    pub(super) sync: bool,
    /// `-p`: with times and modes.
    pub(super) preserve: bool,
    /// `-r`: folders too.
    pub(super) recursive: bool,
}

/// Why a line is no command, in OpenSSH's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadCommand {
    Line(BadLine),
    Unknown,
    Flag(&'static str, u8),
    NoPath(&'static str),
    NoPaths(&'static str),
    NotTwoPaths(&'static str),
    NotNumeric(&'static str),
}

impl fmt::Display for BadCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(bad) => bad.fmt(f),
            Self::Unknown => f.write_str("Invalid command."),
            Self::Flag(name, flag) => {
                write!(f, "{name}: Invalid flag -{}", flag.escape_ascii())
            }
            Self::NoPath(name) => write!(f, "You must specify a path after a {name} command."),
            Self::NoPaths(name) => {
                write!(
                    f,
                    "You must specify at least one path after a {name} command."
                )
            }
            Self::NotTwoPaths(name) => {
                write!(f, "You must specify two paths after a {name} command.")
            }
            Self::NotNumeric(name) => {
                write!(
                    f,
                    "You must supply a numeric argument to the {name} command."
                )
            }
        }
    }
}
/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Line {
    let mut rest = line.trim_ascii_start();
    let (mut may_fail, mut silent) = (false, false);
    while let Some((mark @ (b'-' | b'@'), after)) = rest.split_first() {
        *(if *mark == b'-' {
            &mut may_fail
        } else {
            &mut silent
        }) = true;
        rest = after;
    }
    Line {
        may_fail,
        silent,
        command: command(rest.trim_ascii_start()),
    }
}

fn command(line: &[u8]) -> Result<Option<Command>, BadCommand> {
    let split = words::split(line).map_err(BadCommand::Line)?;
    let mut words = split.list.into_iter();
    let Some(first) = words.next() else {
        return Ok(None);
    };
    // What the shell is given need not be apart.
    if let Some(after) = line.strip_prefix(b"!") {
        return Ok(Some(Command::Shell(after.trim_ascii_start().to_vec())));
    }
    let (name, kind, _) = table::find(first.pattern()).ok_or(BadCommand::Unknown)?;
    let tail = line.get(split.tail..).unwrap_or_default();
    Operands::new(name, words).command(*kind, tail).map(Some)
}
