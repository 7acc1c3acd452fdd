//! What follows a command's name: flags, paths and numbers.

use super::table::Kind;
use super::{BadCommand, Change, Command, Transfer};
use crate::sftp::ls::{self, Sort, View};
use crate::sftp::words::Word;

/// What follows a command's name.
pub(super) struct Operands {
    name: &'static str,
    words: std::vec::IntoIter<Word>,
}

impl Operands {
    pub(super) fn new(name: &'static str, words: std::vec::IntoIter<Word>) -> Self {
        Self { name, words }
    }

    /// The command that they make of `kind`. `tail` is all of them, as typed.
    pub(super) fn command(&mut self, kind: Kind, tail: &[u8]) -> Result<Command, BadCommand> {
        Ok(match kind {
            Kind::Get => Command::Get(self.transfer(false)?),
            Kind::Reget => Command::Get(self.transfer(true)?),
            Kind::Put => Command::Put(self.transfer(false)?),
            Kind::Reput => Command::Put(self.transfer(true)?),
            Kind::Ls => self.ls()?,
            Kind::Df => {
                let (mut units, mut inodes) = (false, false);
                self.flags(b"hi", |flag| match flag {
                    b'h' => units = true,
                    _ => inodes = true,
                })?;
                let path = self.words.next();
                Command::Df {
                    units,
                    inodes,
                    path,
                }
            }
            Kind::Chmod => self.change(Change::Mode)?,
            Kind::Chown => self.change(Change::Owner)?,
            Kind::Chgrp => self.change(Change::Group)?,
            Kind::Rename => {
                let mut plain = false;
                self.flags(b"l", |_| plain = true)?;
                let (from, to) = self.two_paths()?;
                Command::Rename { from, to, plain }
            }
            Kind::Link => {
                let mut symbolic = false;
                self.flags(b"s", |_| symbolic = true)?;
                let (from, to) = self.two_paths()?;
                if symbolic {
                    Command::Symlink { from, to }
                } else {
                    Command::Link { from, to }
                }
            }
            // Its words are ls(1)'s.
            Kind::LocalLs => Command::LocalLs(tail.to_vec()),
            Kind::Shell => Command::Shell(tail.trim_ascii_start().to_vec()),
            Kind::Help => Command::Help,
            _ => {
                self.flags(b"", |_| ())?;
                self.without_flags(kind)?
            }
        })
    }

    fn without_flags(&mut self, kind: Kind) -> Result<Command, BadCommand> {
        Ok(match kind {
            Kind::Chdir => Command::Chdir(self.words.next()),
            Kind::LocalChdir => Command::LocalChdir(self.words.next()),
            Kind::LocalMkdir => Command::LocalMkdir(self.path()?),
            Kind::LocalPwd => Command::LocalPwd,
            Kind::LocalUmask => Command::LocalUmask(self.number(8)?),
            Kind::Mkdir => Command::Mkdir(self.path()?),
            Kind::Progress => Command::Progress,
            Kind::Pwd => Command::Pwd,
            Kind::Quit => Command::Quit,
            Kind::Remove => Command::Remove(self.path()?),
            Kind::Rmdir => Command::Rmdir(self.path()?),
            Kind::Version => Command::Version,
            Kind::Copy => {
                let (from, to) = self.two_paths()?;
                Command::Copy { from, to }
            }
            Kind::Symlink => {
                let (from, to) = self.two_paths()?;
                Command::Symlink { from, to }
            }
            // Those with flags have been read.
            _ => return Err(BadCommand::Unknown),
        })
    }

    /// Takes flags as getopt(3) does: up to the first operand or `--`.
    fn flags(&mut self, known: &[u8], mut each: impl FnMut(u8)) -> Result<(), BadCommand> {
        while let Some([b'-', flags @ ..]) = self.words.as_slice().first().map(Word::pattern) {
            if flags.is_empty() {
                break;
            }
            let flags = flags.to_vec();
            self.words.next();
            if flags == b"-" {
                break;
            }
            for flag in flags {
                if !known.contains(&flag) {
                    return Err(BadCommand::Flag(self.name, flag));
                }
                each(flag);
            }
        }
        Ok(())
    }

    fn transfer(&mut self, resume: bool) -> Result<Transfer, BadCommand> {
        let (mut all, mut sync, mut preserve, mut recursive) = (resume, false, false, false);
        self.flags(b"afpPrR", |flag| match flag {
            b'a' => all = true,
            b'f' => sync = true,
            b'p' | b'P' => preserve = true,
            _ => recursive = true,
        })?;
        let from = self.words.next().ok_or(BadCommand::NoPaths(self.name))?;
        Ok(Transfer {
            from,
            to: self.words.next(),
            resume: all,
            sync,
            preserve,
            recursive,
        })
    }

    fn ls(&mut self) -> Result<Command, BadCommand> {
        let mut how = ls::How::default();
        self.flags(b"1afhlnrSt", |flag| match flag {
            b'1' => how.view = View::Column,
            b'l' => how.view = View::Long { numeric: false },
            b'n' => how.view = View::Long { numeric: true },
            b'a' => how.all = true,
            b'h' => how.units = true,
            b'r' => how.reverse = true,
            b'f' => how.sort = Sort::None,
            b'S' => how.sort = Sort::Size,
            _ => how.sort = Sort::Time,
        })?;
        let path = self.words.next();
        Ok(Command::Ls { how, path })
    }

    fn change(&mut self, what: Change) -> Result<Command, BadCommand> {
        let mut link = false;
        self.flags(b"h", |_| link = true)?;
        let base = if what == Change::Mode { 8 } else { 0 };
        let to = self.number(base)?;
        let path = self.path()?;
        Ok(Command::Change {
            what,
            link,
            to,
            path,
        })
    }

    fn path(&mut self) -> Result<Word, BadCommand> {
        self.words.next().ok_or(BadCommand::NoPath(self.name))
    }

    fn two_paths(&mut self) -> Result<(Word, Word), BadCommand> {
        match (self.words.next(), self.words.next()) {
            (Some(from), Some(to)) => Ok((from, to)),
            _ => Err(BadCommand::NotTwoPaths(self.name)),
        }
    }

    /// A number as strtol(3) reads it, that the protocol has room for.
    fn number(&mut self, base: u32) -> Result<u32, BadCommand> {
        let word = self.words.next();
        word.and_then(|word| number(word.pattern(), base))
            .ok_or(BadCommand::NotNumeric(self.name))
    }
}

/// A number, not negative; of base 0, the base is told by a leading `0` or
/// `0x`.
fn number(text: &[u8], base: u32) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let digits = text.strip_prefix('+').unwrap_or(text);
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (digits, base) = match (base, hex) {
        (0, Some(hex)) => (hex, 16),
        (0, None) if digits.starts_with('0') => (digits, 8),
        (0, None) => (digits, 10),
        (base, _) => (digits, base),
    };
    // Rust would take a second sign.
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    u32::from_str_radix(digits, base).ok()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_as_strtol_reads_them() {
        for (text, base, want) in [
            ("644", 8, Some(0o644)),
            ("0644", 8, Some(0o644)),
            (" +644", 8, Some(0o644)),
            ("77777", 8, Some(0o77777)),
            ("0x10", 0, Some(16)),
            ("010", 0, Some(8)),
            ("0", 0, Some(0)),
            ("4294967295", 0, Some(u32::MAX)),
            ("4294967296", 0, None),
            ("", 0, None),
            ("0x", 0, None),
            ("+-1", 0, None),
            ("-1", 0, None),
            ("8", 8, None),
            ("0x1", 8, None),
            ("1 ", 0, None),
        ] {
            assert_eq!(number(text.as_bytes(), base), want, "{text}");
        }
    }
}
