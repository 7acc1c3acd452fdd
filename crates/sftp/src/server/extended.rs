//! Extended requests, those on paths left out.

use carrick_wire::Writer;

use super::backend::{Answer, Backend, Failure, Place, Result};
use super::journal::{Journal, Name, note};
use super::{Number, Server};
use crate::limits;
use crate::msg::{Accounts, CheckFile, Code, FileHashes, HashedFile, Limits, Statvfs, ids};

/// A handle, and where in its file.
type In<'a> = (&'a [u8], u64);

fn body(write: impl FnOnce(&mut Writer<'_>)) -> Answer<'static> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes));
    Answer::Extended(bytes)
}

fn figures(answer: Statvfs) -> Answer<'static> {
    body(|w| answer.encode(w))
}

impl<B: Backend, J: Journal> Server<B, J> {
    pub(super) fn statvfs(&mut self, id: u32, path: &[u8]) -> Result<Answer<'static>> {
        note!(self.journal, Debug3, "request {id}: statvfs");
        note!(self.journal, Info, "statvfs \"{}\"", Name(path));
        self.backend.statvfs(path).map(figures)
    }

    pub(super) fn fstatvfs(&mut self, id: u32, handle: &[u8]) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug1,
            "request {id}: fstatvfs \"{}\" (handle {})",
            Name(self.handles.path(at)),
            Number(at)
        );
        match self.handles.file(at) {
            Some(open) => self.backend.fstatvfs(&open.file).map(figures),
            None => Err(Code::FAILURE.into()),
        }
    }

    pub(super) fn fsync(&mut self, id: u32, handle: &[u8]) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug3,
            "request {id}: fsync (handle {})",
            Number(at)
        );
        note!(
            self.journal,
            Verbose,
            "fsync \"{}\"",
            Name(self.handles.path(at))
        );
        match self.handles.file(at) {
            Some(open) => self.backend.fsync(&open.file).map(|()| Answer::Done),
            None => Err(Code::NO_SUCH_FILE.into()),
        }
    }

    pub(super) fn limits(&mut self, id: u32) -> Answer<'static> {
        note!(self.journal, Debug1, "request {id}: limits");
        let figure = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        let limits = Limits {
            packet: figure(limits::MESSAGE),
            read: figure(limits::DATA),
            write: figure(limits::DATA),
            handles: self.backend.most_open(),
        };
        body(|w| limits.encode(w))
    }

    pub(super) fn expand(&mut self, id: u32, path: &[u8]) -> Result<Answer<'static>> {
        note!(
            self.journal,
            Debug3,
            "request {id}: expand, original \"{}\"",
            Name(path)
        );
        let whole = self.backend.expand(path).inspect_err(|failure| {
            note!(self.journal, Error, "tilde_expand: {failure}");
        })?;
        note!(self.journal, Verbose, "expand \"{}\"", Name(&whole));
        self.backend.realpath(&whole).map(Answer::Path)
    }

    pub(super) fn home(&mut self, id: u32, user: &[u8]) -> Result<Answer<'static>> {
        note!(
            self.journal,
            Debug3,
            "request {id}: home-directory \"{}\"",
            Name(user)
        );
        let home = self.backend.home(user)?;
        note!(self.journal, Verbose, "home-directory \"{}\"", Name(&home));
        Ok(Answer::Path(home))
    }

    pub(super) fn copy(
        &mut self,
        (from, from_offset): In<'_>,
        len: u64,
        (to, to_offset): In<'_>,
        id: u32,
    ) -> Result<Answer<'static>> {
        let (source, target) = (self.handles.find(from), self.handles.find(to));
        note!(
            self.journal,
            Debug1,
            "request {id}: copy-data from \"{}\" (handle {}) off {from_offset} len {len} \
             to \"{}\" (handle {}) off {to_offset}",
            Name(self.handles.path(source)),
            Number(source),
            Name(self.handles.path(target)),
            Number(target)
        );
        let (Some(from), Some(to)) = (self.handles.file(source), self.handles.file(target)) else {
            return Err(Code::FAILURE.into());
        };
        if source == target {
            return Err(Code::FAILURE.into());
        }
        let from = Place {
            file: &from.file,
            offset: from_offset,
        };
        let to = Place {
            file: &to.file,
            offset: to_offset,
        };
        let copied = self.backend.copy(from, len, to).inspect_err(|failure| {
            note!(self.journal, Error, "copy-data: {failure}");
        })?;
        if let Some(open) = self.handles.file_mut(source) {
            open.read = open.read.saturating_add(copied);
        }
        if let Some(open) = self.handles.file_mut(target) {
            open.written = open.written.saturating_add(copied);
        }
        Ok(Answer::Done)
    }

    pub(super) fn accounts(&mut self, uids: &[u8], gids: &[u8]) -> Result<Answer<'static>> {
        note!(
            self.journal,
            Debug1,
            "users-groups-by-id: uids len = {}, gids len = {}",
            uids.len(),
            gids.len()
        );
        let wrong = |_| Failure::from(Code::BAD_MESSAGE);
        let (uids, gids) = (ids(uids).map_err(wrong)?, ids(gids).map_err(wrong)?);
        let users: Vec<_> = uids.iter().map(|id| self.backend.user_name(*id)).collect();
        let groups: Vec<_> = gids.iter().map(|id| self.backend.group_name(*id)).collect();
        note!(
            self.journal,
            Verbose,
            "users-groups-by-id: {} users, {} groups",
            users.len(),
            groups.len()
        );
        let accounts = Accounts {
            users: users.iter().map(String::as_bytes).collect(),
            groups: groups.iter().map(String::as_bytes).collect(),
        };
        Ok(body(|w| accounts.encode(w)))
    }

    pub(super) fn check_file<'a>(
        &mut self,
        id: u32,
        check: &CheckFile<'_>,
        values: &'a mut Vec<u8>,
    ) -> Result<Answer<'a>> {
        let CheckFile {
            hashes,
            offset,
            len,
            block,
            ..
        } = check;
        let (name, at) = match check.file {
            HashedFile::Handle(handle) => {
                let at = self.handles.find(handle);
                (self.handles.path(at).to_vec(), at)
            }
            HashedFile::Path(path) => (path.to_vec(), None),
        };
        note!(self.journal, Debug3, "request {id}: check-file");
        note!(
            self.journal,
            Verbose,
            "check-file \"{}\" by {} off {offset} len {len} block {block}",
            Name(&name),
            Name(hashes)
        );
        let hash = match check.file {
            HashedFile::Handle(_) => match self.handles.file(at) {
                Some(open) => self.backend.fhash(&open.file, check, values),
                None => Err(Code::FAILURE.into()),
            },
            HashedFile::Path(path) => self.backend.hash(path, check, values),
        }?;
        Ok(Answer::Hashes(FileHashes { hash, values }))
    }
}
