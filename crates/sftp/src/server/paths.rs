//! Requests on files by path.

use super::Server;
use super::backend::{Answer, Backend, Links, Result};
use super::files::{changes, note_change};
use super::journal::{Journal, Name, note};
use crate::msg::{Attrs, Code};

/// The mode of a new folder for which none was given.
const FOLDER: u32 = 0o777;

impl<B: Backend, J: Journal> Server<B, J> {
    pub(super) fn stat(&mut self, id: u32, path: &[u8], links: Links) -> Result<Answer<'static>> {
        let name = match links {
            Links::Follow => "stat",
            Links::Keep => "lstat",
        };
        note!(self.journal, Debug3, "request {id}: {name}");
        note!(self.journal, Verbose, "{name} name \"{}\"", Name(path));
        self.backend.stat(path, links).map(Answer::Attrs)
    }

    pub(super) fn setstat(
        &mut self,
        id: u32,
        path: &[u8],
        attrs: &Attrs,
    ) -> Result<Answer<'static>> {
        note!(
            self.journal,
            Debug1,
            "request {id}: setstat name \"{}\"",
            Name(path)
        );
        self.set(path, Links::Follow, attrs)
    }

    pub(super) fn lsetstat(
        &mut self,
        id: u32,
        path: &[u8],
        attrs: &Attrs,
    ) -> Result<Answer<'static>> {
        note!(
            self.journal,
            Debug1,
            "request {id}: lsetstat name \"{}\"",
            Name(path)
        );
        if attrs.size.is_some() {
            // A link has none that could be set.
            return Err(Code::BAD_MESSAGE.into());
        }
        self.set(path, Links::Keep, attrs)
    }

    fn set(&mut self, path: &[u8], links: Links, attrs: &Attrs) -> Result<Answer<'static>> {
        let mut result = Ok(Answer::Done);
        for change in changes(attrs) {
            note_change(&mut self.journal, path, change);
            // Each is tried, and the last failure counts.
            if let Err(failure) = self.backend.set(path, links, change) {
                result = Err(failure);
            }
        }
        result
    }

    pub(super) fn remove(&mut self, id: u32, path: &[u8]) -> Result<Answer<'static>> {
        note!(self.journal, Debug3, "request {id}: remove");
        note!(self.journal, Info, "remove name \"{}\"", Name(path));
        self.backend.remove(path).map(done)
    }

    pub(super) fn mkdir(&mut self, id: u32, path: &[u8], attrs: &Attrs) -> Result<Answer<'static>> {
        let mode = attrs.permissions().unwrap_or(FOLDER);
        note!(self.journal, Debug3, "request {id}: mkdir");
        note!(
            self.journal,
            Info,
            "mkdir name \"{}\" mode 0{mode:o}",
            Name(path)
        );
        self.backend.mkdir(path, mode).map(done)
    }

    pub(super) fn rmdir(&mut self, id: u32, path: &[u8]) -> Result<Answer<'static>> {
        note!(self.journal, Debug3, "request {id}: rmdir");
        note!(self.journal, Info, "rmdir name \"{}\"", Name(path));
        self.backend.rmdir(path).map(done)
    }

    pub(super) fn realpath(&mut self, id: u32, path: &[u8]) -> Result<Answer<'static>> {
        let path = if path.is_empty() { b"." } else { path };
        note!(self.journal, Debug3, "request {id}: realpath");
        note!(self.journal, Verbose, "realpath \"{}\"", Name(path));
        self.backend.realpath(path).map(Answer::Path)
    }

    pub(super) fn rename(&mut self, id: u32, from: &[u8], to: &[u8]) -> Result<Answer<'static>> {
        self.note_two(id, "rename", from, to);
        self.backend.rename(from, to).map(done)
    }

    pub(super) fn posix_rename(
        &mut self,
        id: u32,
        from: &[u8],
        to: &[u8],
    ) -> Result<Answer<'static>> {
        self.note_two(id, "posix-rename", from, to);
        self.backend.replace(from, to).map(done)
    }

    pub(super) fn hardlink(&mut self, id: u32, from: &[u8], to: &[u8]) -> Result<Answer<'static>> {
        self.note_two(id, "hardlink", from, to);
        self.backend.hardlink(from, to).map(done)
    }

    pub(super) fn symlink(
        &mut self,
        id: u32,
        target: &[u8],
        link: &[u8],
    ) -> Result<Answer<'static>> {
        self.note_two(id, "symlink", target, link);
        self.backend.symlink(target, link).map(done)
    }

    fn note_two(&mut self, id: u32, what: &str, old: &[u8], new: &[u8]) {
        note!(self.journal, Debug3, "request {id}: {what}");
        note!(
            self.journal,
            Info,
            "{what} old \"{}\" new \"{}\"",
            Name(old),
            Name(new)
        );
    }

    pub(super) fn readlink(&mut self, id: u32, path: &[u8]) -> Result<Answer<'static>> {
        note!(self.journal, Debug3, "request {id}: readlink");
        note!(self.journal, Verbose, "readlink \"{}\"", Name(path));
        self.backend.readlink(path).map(Answer::Path)
    }
}

fn done((): ()) -> Answer<'static> {
    Answer::Done
}
