//! The commands, from a line's words.

use std::fmt;

use super::ls::{self, Sort, View};
use super::words::{self, BadLine, Word};

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

/// How a command is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chdir,
    Chgrp,
    Chmod,
    Chown,
    Copy,
    Df,
    Get,
    Help,
    LocalChdir,
    LocalLs,
    LocalMkdir,
    LocalPwd,
    LocalUmask,
    Link,
    Ls,
    Mkdir,
    Progress,
    Put,
    Pwd,
    Quit,
    Reget,
    Rename,
    Reput,
    Remove,
    Rmdir,
    Shell,
    Symlink,
    Version,
}

/// Of what a command's operands are names, for completing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Files at the server.
    Remote,
    /// Files here.
    Local,
    /// First a file here, then one at the server.
    Up,
    /// First a file at the server, then one here.
    Down,
    /// Nothing.
    Neither,
}

/// The commands by name.
const TABLE: &[(&str, Kind, Side)] = &[
    ("!", Kind::Shell, Side::Neither),
    ("?", Kind::Help, Side::Neither),
    ("bye", Kind::Quit, Side::Neither),
    ("cd", Kind::Chdir, Side::Remote),
    ("chdir", Kind::Chdir, Side::Remote),
    ("chgrp", Kind::Chgrp, Side::Remote),
    ("chmod", Kind::Chmod, Side::Remote),
    ("chown", Kind::Chown, Side::Remote),
    ("copy", Kind::Copy, Side::Remote),
    ("cp", Kind::Copy, Side::Remote),
    ("df", Kind::Df, Side::Remote),
    ("dir", Kind::Ls, Side::Remote),
    ("exit", Kind::Quit, Side::Neither),
    ("get", Kind::Get, Side::Down),
    ("help", Kind::Help, Side::Neither),
    ("lcd", Kind::LocalChdir, Side::Local),
    ("lchdir", Kind::LocalChdir, Side::Local),
    ("lls", Kind::LocalLs, Side::Local),
    ("lmkdir", Kind::LocalMkdir, Side::Local),
    ("ln", Kind::Link, Side::Remote),
    ("lpwd", Kind::LocalPwd, Side::Neither),
    ("ls", Kind::Ls, Side::Remote),
    ("lumask", Kind::LocalUmask, Side::Neither),
    ("mget", Kind::Get, Side::Down),
    ("mkdir", Kind::Mkdir, Side::Remote),
    ("mput", Kind::Put, Side::Up),
    ("progress", Kind::Progress, Side::Neither),
    ("put", Kind::Put, Side::Up),
    ("pwd", Kind::Pwd, Side::Neither),
    ("quit", Kind::Quit, Side::Neither),
    ("reget", Kind::Reget, Side::Down),
    ("rename", Kind::Rename, Side::Remote),
    ("reput", Kind::Reput, Side::Up),
    ("rm", Kind::Remove, Side::Remote),
    ("rmdir", Kind::Rmdir, Side::Remote),
    ("symlink", Kind::Symlink, Side::Remote),
    ("version", Kind::Version, Side::Neither),
];

/// The names of the commands, sorted.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, ..)| *name)
}

/// Of what the operands of the command called `name` are names.
pub(super) fn operands_of(name: &[u8]) -> Option<Side> {
    let entry = TABLE
        .iter()
        .find(|(known, ..)| known.as_bytes().eq_ignore_ascii_case(name));
    entry.map(|(.., side)| *side)
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
    let known = TABLE
        .iter()
        .find(|(name, ..)| name.as_bytes().eq_ignore_ascii_case(first.pattern()));
    let (name, kind, _) = known.ok_or(BadCommand::Unknown)?;
    let mut operands = Operands { name, words };
    let tail = line.get(split.tail..).unwrap_or_default();
    operands.command(*kind, tail).map(Some)
}

/// What follows a command's name.
struct Operands {
    name: &'static str,
    words: std::vec::IntoIter<Word>,
}

impl Operands {
    fn command(&mut self, kind: Kind, tail: &[u8]) -> Result<Command, BadCommand> {
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
    use super::*;

    fn command_of(line: &str) -> Result<Option<Command>, BadCommand> {
        parse(line.as_bytes()).command
    }

    fn word(name: &str) -> Word {
        Word::literal(name.as_bytes())
    }

    #[test]
    fn marks_before_a_command() {
        for (line, may_fail, silent) in [
            ("pwd", false, false),
            (" -pwd", true, false),
            ("@pwd", false, true),
            ("-@ pwd", true, true),
            ("@-  pwd", true, true),
            ("--pwd", true, false),
        ] {
            let got = parse(line.as_bytes());
            assert_eq!((got.may_fail, got.silent), (may_fail, silent), "{line}");
            assert_eq!(got.command, Ok(Some(Command::Pwd)), "{line}");
        }
        assert_eq!(command_of("@ - pwd"), Err(BadCommand::Unknown));
    }

    #[test]
    fn lines_without_a_command() {
        for line in ["", "  ", "# pwd", "  # x", "-", "@", "-# x"] {
            assert_eq!(command_of(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn names_in_any_case_and_quotes() {
        for line in ["pwd", "PWD x", "\"pwd\"", "p'w'd", "p\\wd", "pwd#x"] {
            assert_eq!(command_of(line), Ok(Some(Command::Pwd)), "{line}");
        }
        for line in ["pw", "pwdx", "\"pwd\"x", "''", "\\", "?x", "mls"] {
            assert_eq!(command_of(line), Err(BadCommand::Unknown), "{line}");
        }
    }

    #[test]
    fn what_is_for_the_shell_is_left_as_it_is() {
        let shell = |text: &str| Ok(Some(Command::Shell(text.into())));
        assert_eq!(command_of("!"), shell(""));
        assert_eq!(command_of("! echo  'a  b' # c"), shell("echo  'a  b' # c"));
        assert_eq!(command_of("-!false"), shell("false"));
        let ls = |text: &str| Ok(Some(Command::LocalLs(text.into())));
        assert_eq!(command_of("lls"), ls(""));
        assert_eq!(command_of("lls  -l 'a b' *"), ls("  -l 'a b' *"));
        assert_eq!(
            command_of("!echo \"x"),
            Err(BadCommand::Line(BadLine::Unterminated))
        );
    }

    #[test]
    fn transfers() {
        let transfer = |line: &str| match command_of(line) {
            Ok(Some(Command::Get(t) | Command::Put(t))) => t,
            other => panic!("{line}: {other:?}"),
        };
        let t = transfer("get -apf a b c");
        assert_eq!((t.from, t.to), (word("a"), Some(word("b"))));
        assert!(t.resume && t.preserve && t.sync && !t.recursive);
        assert!(transfer("put -R a").recursive && transfer("mget -r a").recursive);
        assert!(transfer("reget a").resume && transfer("reput -P a").preserve);
        assert_eq!(transfer("get a -p").to, Some(word("-p")));
        assert_eq!(transfer("get -- -p").from, word("-p"));
        assert_eq!(transfer("get -").from, word("-"));
    }

    #[test]
    fn listings() {
        let how = |line: &str| match command_of(line) {
            Ok(Some(Command::Ls { how, .. })) => how,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(how("ls"), ls::How::default());
        assert_eq!(how("ls -l -1").view, View::Column);
        assert_eq!(how("dir -1l").view, View::Long { numeric: false });
        assert_eq!(how("ls -ln").view, View::Long { numeric: true });
        assert_eq!(how("ls -St").sort, Sort::Time);
        assert_eq!(how("ls -tSf").sort, Sort::None);
        assert!(how("ls -ahr").all && how("ls -ahr").units && how("ls -ahr").reverse);
    }

    /// As OpenSSH 10.0's sftp tells of them.
    #[test]
    fn what_is_wrong() {
        for (line, want) in [
            ("foo", "Invalid command."),
            ("ls \"x", "Unterminated quoted argument"),
            (
                "get",
                "You must specify at least one path after a get command.",
            ),
            (
                "reput -p",
                "You must specify at least one path after a reput command.",
            ),
            (
                "rename a",
                "You must specify two paths after a rename command.",
            ),
            ("ln -s", "You must specify two paths after a ln command."),
            ("cp a", "You must specify two paths after a cp command."),
            ("rm", "You must specify a path after a rm command."),
            ("lmkdir", "You must specify a path after a lmkdir command."),
            (
                "chmod",
                "You must supply a numeric argument to the chmod command.",
            ),
            (
                "chmod 644",
                "You must specify a path after a chmod command.",
            ),
            (
                "chmod 9 a",
                "You must supply a numeric argument to the chmod command.",
            ),
            (
                "chmod -- -5 a",
                "You must supply a numeric argument to the chmod command.",
            ),
            (
                "chown 1x a",
                "You must supply a numeric argument to the chown command.",
            ),
            (
                "lumask 0x22",
                "You must supply a numeric argument to the lumask command.",
            ),
            ("chmod -644 a", "chmod: Invalid flag -6"),
            ("ls -lz", "ls: Invalid flag -z"),
            ("REGET -z", "reget: Invalid flag -z"),
            ("cd -x", "cd: Invalid flag -x"),
            ("get -ar- a", "get: Invalid flag --"),
        ] {
            assert_eq!(command_of(line).unwrap_err().to_string(), want, "{line}");
        }
    }

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

    #[test]
    fn the_table_is_sorted_and_has_each_name_once() {
        assert!(TABLE.windows(2).all(|two| two[0].0 < two[1].0));
    }

    #[test]
    fn any_line_ends_well() {
        for line in [
            "get -r 'a b' c",
            "-@chmod 644 x",
            "!ls",
            "lls a",
            "ls -l \"x\\\"y\" # z",
        ] {
            for at in 0..line.len() {
                let _ = parse(&line.as_bytes()[..at]);
                for byte in [0, b'\'', b'\\', b'-', b' ', 0xff] {
                    let mut other = line.as_bytes().to_vec();
                    other[at] = byte;
                    let _ = parse(&other);
                }
            }
        }
    }
}
