//! Carrying out commands, those for other than whole files.

use super::command::{Change, Command};
use super::session::{Done, NotFound, Session, Stop, failed, refused};
use super::words::Word;
use super::{df, help, local};
use crate::log::error;
use crate::text::{logged, out, outln, shown};
use crate::transfer::Fault;
use carrick_sftp::msg::{Attrs, FileKind, Owner};

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Quit,
}

impl Session {
    /// Carries out a command.
    pub(super) fn run(&mut self, command: Command) -> Result<Next, Stop> {
        match command {
            Command::Quit => return Ok(Next::Quit),
            Command::Help => out!("{}", help::TEXT),
            Command::Version => outln!("SFTP protocol version {}", self.remote.offers().version()),
            Command::Progress => {
                let on = !self.settings.progress;
                self.settings.progress = on;
                outln!("Progress meter {}", if on { "enabled" } else { "disabled" });
            }
            Command::Get(transfer) => self.get(&transfer)?,
            Command::Put(transfer) => self.put(&transfer)?,
            Command::Ls { how, path } => self.ls(how, path.as_ref())?,
            Command::Df {
                units,
                inodes,
                path,
            } => self.df(units, inodes, path.as_ref())?,
            Command::LocalChdir(path) => local::chdir(path.as_ref())?,
            Command::LocalLs(words) => local::ls(&words)?,
            Command::LocalMkdir(path) => local::mkdir(&path)?,
            Command::LocalPwd => local::pwd()?,
            Command::LocalUmask(mask) => local::umask(mask),
            Command::Shell(text) => local::shell(&text)?,
            other => self.change_files(other)?,
        }
        Ok(Next::GoOn)
    }

    fn change_files(&mut self, command: Command) -> Done {
        match command {
            Command::Chdir(path) => self.chdir(path.as_ref()),
            Command::Pwd => {
                outln!("Remote working directory: {}", shown(&self.folder));
                Ok(())
            }
            Command::Mkdir(path) => {
                let path = self.path(&path);
                let made = self.remote.mkdir(&path, 0o777);
                let what = format_args!("remote mkdir \"{}\"", logged(&path));
                made.map_err(|fault| refused(fault, what))
            }
            Command::Rmdir(path) => {
                let path = self.path(&path);
                let removed = self.remote.rmdir(&path);
                let what = format_args!("remote rmdir \"{}\"", logged(&path));
                removed.map_err(|fault| refused(fault, what))
            }
            Command::Remove(path) => self.each(&path, Self::remove),
            Command::Change {
                what,
                link,
                to,
                path,
            } => self.each(&path, |session, path| session.change(what, link, to, path)),
            Command::Rename { from, to, plain } => {
                let (from, to) = (self.path(&from), self.path(&to));
                let renamed = self.remote.rename(&from, &to, plain);
                renamed.map_err(|fault| refused(fault, pair("remote rename", &from, &to)))
            }
            Command::Link { from, to } => {
                let (from, to) = (self.path(&from), self.path(&to));
                let linked = self.remote.hardlink(&from, &to);
                linked.map_err(|fault| refused(fault, pair("remote link", &from, &to)))
            }
            Command::Symlink { from, to } => {
                // Its target is read from where the link is.
                let (from, to) = (from.name(), self.path(&to));
                let linked = self.remote.symlink(&from, &to);
                linked.map_err(|fault| refused(fault, pair("remote symlink file", &from, &to)))
            }
            Command::Copy { from, to } => self.copy(&from, &to),
            _ => Ok(()),
        }
    }

    /// Does something with each file that a word means.
    fn each(&mut self, word: &Word, mut act: impl FnMut(&mut Self, &[u8]) -> Done) -> Done {
        let mut outcome = Ok(());
        for path in self.paths(word)? {
            if self.was_interrupted() {
                return Err(Stop::Failed);
            }
            match act(self, &path) {
                Err(Stop::Failed) if !self.settings.abort => outcome = Err(Stop::Failed),
                other => other?,
            }
        }
        outcome
    }

    fn remove(&mut self, path: &[u8]) -> Done {
        self.tell("Removing", path);
        let removed = self.remote.remove(path);
        let what = format_args!("remote delete {}", logged(path));
        removed.map_err(|fault| refused(fault, what))
    }

    fn change(&mut self, what: Change, link: bool, to: u32, path: &[u8]) -> Done {
        let attrs = match what {
            Change::Mode => {
                self.tell("Changing mode on", path);
                Attrs::with_mode(to)
            }
            Change::Owner => self.other_owner("owner", path, link, |o| Owner { uid: to, ..o })?,
            Change::Group => self.other_owner("group", path, link, |o| Owner { gid: to, ..o })?,
        };
        let done = self.remote.set_attrs(path, attrs, link);
        let request = if link { "lsetstat" } else { "setstat" };
        let what = format_args!("remote {request} \"{}\"", logged(path));
        done.map_err(|fault| refused(fault, what))
    }

    /// The protocol has one request for user and group.
    fn other_owner(
        &mut self,
        what: &str,
        path: &[u8],
        link: bool,
        other: impl FnOnce(Owner) -> Owner,
    ) -> Result<Attrs, Stop> {
        let Some(owner) = self.stat(path, link)?.owner else {
            return Err(failed(format_args!(
                "Can't get current ownership of remote file \"{}\"",
                logged(path)
            )));
        };
        self.tell(&format!("Changing {what} on"), path);
        Ok(Attrs {
            owner: Some(other(owner)),
            ..Attrs::default()
        })
    }

    fn tell(&self, what: &str, path: &[u8]) {
        if !self.settings.quiet {
            outln!("{what} {}", shown(path));
        }
    }

    pub(super) fn chdir(&mut self, word: Option<&Word>) -> Done {
        let path = match word {
            Some(word) if !word.name().is_empty() => self.path(word),
            _ => self.start.clone(),
        };
        let real = self.remote.realpath(&path);
        let what = format_args!("realpath {}", logged(&path));
        let real = real.map_err(|fault| match fault {
            // In the server's own words, as OpenSSH has it here alone.
            Fault::Refused(refusal) if !refusal.message.is_empty() => {
                failed(format_args!("{what}: {}", logged(&refusal.message)))
            }
            fault => refused(fault, what),
        })?;
        let attrs = self.stat(&real, false)?;
        if attrs.mode.is_none() {
            return Err(failed("Can't change directory: Can't check target"));
        }
        if !attrs.is_dir() {
            return Err(failed(format_args!(
                "Can't change directory: \"{}\" is not a directory",
                logged(&real)
            )));
        }
        self.folder = real;
        Ok(())
    }

    fn copy(&mut self, from: &Word, to: &Word) -> Done {
        let (from, to) = (self.path(from), self.path(to));
        if !self.remote.can_copy() {
            return Err(failed("Server does not support copy-data extension"));
        }
        let attrs = self.stat(&from, false)?;
        if !matches!(attrs.kind(), None | Some(FileKind::Regular)) {
            return Err(failed(format_args!(
                "Cannot copy non-regular file: {}",
                logged(&from)
            )));
        }
        let copied = self.remote.copy(&from, &to);
        copied.map_err(|fault| refused(fault, pair("Couldn't copy file", &from, &to)))
    }

    fn df(&mut self, units: bool, inodes: bool, path: Option<&Word>) -> Done {
        let path = path.map_or_else(|| self.folder.clone(), |word| self.path(word));
        let figures = self.remote.statvfs(&path);
        let what = format_args!("remote statvfs \"{}\"", logged(&path));
        let figures = figures.map_err(|fault| refused(fault, what))?;
        out!("{}", df::table(&figures, units, inodes));
        Ok(())
    }

    /// The files that `ls` is for; an error if there are none.
    pub(super) fn find_to_list(
        &mut self,
        pattern: &[u8],
    ) -> Result<Vec<crate::transfer::glob::Found>, Stop> {
        let shown_pattern = logged(pattern);
        match self.find(pattern) {
            Ok(found) if found.is_empty() => {
                error!("Can't ls: \"{shown_pattern}\" not found");
                Err(Stop::Failed)
            }
            Ok(found) => Ok(found),
            Err(NotFound::TooMany) => Err(failed(format_args!(
                "Can't ls: Too many matches for \"{shown_pattern}\""
            ))),
            Err(NotFound::Lost(lost)) => Err(lost.into()),
        }
    }
}

/// What was to be done with two files.
fn pair(what: &str, from: &[u8], to: &[u8]) -> String {
    format!("{what} \"{}\" to \"{}\"", logged(from), logged(to))
}
