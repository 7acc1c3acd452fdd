//! Requests on open files and folders.

use super::backend::{Answer, Backend, Change, Result};
use super::journal::{Flags, Journal, Name, note};
use super::output::Output;
use super::{Entry, Number, OpenFile, Opened, Server};
use crate::limits;
use crate::msg::{Attrs, Code, Entry as ListEntry, Open, Reply};

/// How long a list of files gets: what the draft says every client takes.
const LIST: usize = 32 * 1024;
/// What an offset in a file can be: a POSIX `off_t`.
const LAST_OFFSET: u64 = u64::MAX >> 1;

/// The mode of a new file for which none was given.
fn mode_of(attrs: &Attrs) -> u32 {
    attrs.mode.unwrap_or(0o666)
}

/// The changes that attributes ask for, in OpenSSH's order: a change of owner
/// takes set-uid bits away.
pub(super) fn changes(attrs: &Attrs) -> impl Iterator<Item = Change> + use<> {
    [
        attrs.size.map(Change::Size),
        attrs.mode.map(Change::Mode),
        attrs.times.map(Change::Times),
        attrs.owner.map(Change::Owner),
    ]
    .into_iter()
    .flatten()
}

impl<B: Backend, J: Journal> Server<B, J> {
    pub(super) fn note_open(&mut self, id: u32, path: &[u8], how: Open, attrs: &Attrs) {
        note!(
            self.journal,
            Debug3,
            "request {id}: open flags {}",
            how.0.cast_signed()
        );
        note!(
            self.journal,
            Info,
            "open \"{}\" flags {} mode 0{:o}",
            Name(path),
            Flags(how),
            mode_of(attrs)
        );
    }

    pub(super) fn open(
        &mut self,
        id: u32,
        path: &[u8],
        how: Open,
        attrs: &Attrs,
    ) -> Result<Answer<'static>> {
        self.note_open(id, path, how, attrs);
        self.check_room()?;
        let file = OpenFile {
            file: self.backend.open(path, how, mode_of(attrs))?,
            read: 0,
            written: 0,
        };
        self.add(id, path, Opened::File(file))
    }

    pub(super) fn opendir(&mut self, id: u32, path: &[u8]) -> Result<Answer<'static>> {
        note!(self.journal, Debug3, "request {id}: opendir");
        note!(self.journal, Info, "opendir \"{}\"", Name(path));
        self.check_room()?;
        let dir = self.backend.open_dir(path)?;
        self.add(id, path, Opened::Dir(dir))
    }

    /// Whether something more may be opened; asked before it is.
    fn check_room(&mut self) -> Result<()> {
        if self.handles.is_full() {
            note!(self.journal, Error, "too many open files");
            return Err(Code::FAILURE.into());
        }
        Ok(())
    }

    fn add(
        &mut self,
        id: u32,
        path: &[u8],
        opened: Opened<B::File, B::Dir>,
    ) -> Result<Answer<'static>> {
        let path = path.to_vec();
        let (at, handle) = self.handles.add(Entry { path, opened })?;
        note!(
            self.journal,
            Debug1,
            "request {id}: sent handle {}",
            at.number()
        );
        Ok(Answer::Handle(handle))
    }

    pub(super) fn close(&mut self, id: u32, handle: &[u8]) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug3,
            "request {id}: close handle {}",
            Number(at)
        );
        let entry = at.and_then(|at| self.handles.remove(at));
        let Some(Entry { path, opened }) = entry else {
            note!(self.journal, Info, "closedir \"(null)\"");
            return Err(Code::NO_SUCH_FILE.into());
        };
        match opened {
            Opened::File(open) => {
                note!(
                    self.journal,
                    Info,
                    "close \"{}\" bytes read {} written {}",
                    Name(&path),
                    open.read,
                    open.written
                );
                self.backend.close(open.file)?;
            }
            Opened::Dir(dir) => {
                note!(self.journal, Info, "closedir \"{}\"", Name(&path));
                drop(dir);
            }
        }
        Ok(Answer::Done)
    }

    pub(super) fn read(
        &mut self,
        id: u32,
        handle: &[u8],
        offset: u64,
        len: u32,
        out: &mut Output,
    ) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug1,
            "request {id}: read \"{}\" (handle {}) off {offset} len {len}",
            Name(self.handles.path(at)),
            Number(at)
        );
        let mut most = usize::try_from(len).unwrap_or(usize::MAX);
        if most > limits::DATA {
            most = limits::DATA;
            note!(self.journal, Debug2, "read change len {len} to {most}");
        }
        let Some(open) = at.and_then(|at| self.handles.get_mut(at)) else {
            return Err(Code::FAILURE.into());
        };
        let path = &open.path;
        let Opened::File(open) = &mut open.opened else {
            return Err(Code::FAILURE.into());
        };
        if offset > LAST_OFFSET {
            note!(
                self.journal,
                Error,
                "process_read: seek \"{}\": Invalid argument",
                Name(path)
            );
            return Err(Code::BAD_MESSAGE.into());
        }
        let backend = &mut self.backend;
        let read = |place: &mut [u8]| backend.read(&open.file, offset, place);
        match out.data(id, most, read, |count| count > 0 || len == 0) {
            Ok(0) if len > 0 => Err(Code::EOF.into()),
            Ok(count) => {
                open.read = open
                    .read
                    .saturating_add(u64::try_from(count).unwrap_or_default());
                note!(self.journal, Debug1, "request {id}: sent data len {count}");
                Ok(Answer::Written)
            }
            Err(failure) => {
                note!(
                    self.journal,
                    Error,
                    "process_read: read \"{}\": {failure}",
                    Name(path)
                );
                Err(failure)
            }
        }
    }

    pub(super) fn write(
        &mut self,
        id: u32,
        handle: &[u8],
        offset: u64,
        data: &[u8],
    ) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug1,
            "request {id}: write \"{}\" (handle {}) off {offset} len {}",
            Name(self.handles.path(at)),
            Number(at),
            data.len()
        );
        let Some(open) = at.and_then(|at| self.handles.get_mut(at)) else {
            return Err(Code::FAILURE.into());
        };
        let path = &open.path;
        let Opened::File(open) = &mut open.opened else {
            return Err(Code::FAILURE.into());
        };
        if offset > LAST_OFFSET {
            note!(
                self.journal,
                Error,
                "process_write: seek \"{}\": Invalid argument",
                Name(path)
            );
            return Err(Code::BAD_MESSAGE.into());
        }
        if let Err(failure) = self.backend.write(&open.file, offset, data) {
            note!(
                self.journal,
                Error,
                "process_write: write \"{}\": {failure}",
                Name(path)
            );
            return Err(failure);
        }
        open.written = open
            .written
            .saturating_add(u64::try_from(data.len()).unwrap_or_default());
        Ok(Answer::Done)
    }

    pub(super) fn fstat(&mut self, id: u32, handle: &[u8]) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug1,
            "request {id}: fstat \"{}\" (handle {})",
            Name(self.handles.path(at)),
            Number(at)
        );
        match at.and_then(|at| self.handles.get(at)) {
            Some(Entry {
                opened: Opened::File(open),
                ..
            }) => self.backend.fstat(&open.file).map(Answer::Attrs),
            _ => Err(Code::FAILURE.into()),
        }
    }

    pub(super) fn fsetstat(
        &mut self,
        id: u32,
        handle: &[u8],
        attrs: &Attrs,
    ) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug1,
            "request {id}: fsetstat handle {}",
            Number(at)
        );
        let Some(Entry {
            path,
            opened: Opened::File(open),
        }) = at.and_then(|at| self.handles.get(at))
        else {
            return Err(Code::FAILURE.into());
        };
        let mut result = Ok(Answer::Done);
        for change in changes(attrs) {
            note_change(&mut self.journal, path, change);
            // Each is tried, and the last failure counts.
            if let Err(failure) = self.backend.fset(&open.file, change) {
                result = Err(failure);
            }
        }
        result
    }

    pub(super) fn readdir(
        &mut self,
        id: u32,
        handle: &[u8],
        out: &mut Output,
    ) -> Result<Answer<'static>> {
        let at = self.handles.find(handle);
        note!(
            self.journal,
            Debug1,
            "request {id}: readdir \"{}\" (handle {})",
            Name(self.handles.path(at)),
            Number(at)
        );
        let Some(Entry {
            opened: Opened::Dir(dir),
            ..
        }) = at.and_then(|at| self.handles.get_mut(at))
        else {
            return Err(Code::FAILURE.into());
        };
        let (mut list, mut count) = (Vec::with_capacity(LIST + 1024), 0);
        let mut end = Ok(false);
        while list.len() < LIST {
            end = self.backend.next(dir, &mut self.listed);
            if !matches!(end, Ok(true)) {
                break;
            }
            let file = ListEntry {
                name: &self.listed.name,
                long: &self.listed.long,
                attrs: self.listed.attrs,
            };
            file.encode(&mut carrick_wire::Writer::new(&mut list));
            count += 1;
        }
        if count == 0 {
            return Err(match end {
                Err(failure) => failure,
                Ok(_) => Code::EOF.into(),
            });
        }
        note!(
            self.journal,
            Debug1,
            "request {id}: sent names count {count}"
        );
        out.message(|w| Reply::encode_names(w, id, count, |w| w.raw(&list)));
        Ok(Answer::Written)
    }
}

/// Says what is changed.
pub(super) fn note_change<J: Journal>(journal: &mut J, path: &[u8], change: Change) {
    let path = Name(path);
    match change {
        Change::Size(size) => note!(journal, Info, "set \"{path}\" size {size}"),
        Change::Mode(mode) => note!(journal, Info, "set \"{path}\" mode {mode:04o}"),
        Change::Times(times) => {
            let when = journal.time(times.modified);
            note!(journal, Info, "set \"{path}\" modtime {when}");
        }
        Change::Owner(owner) => note!(
            journal,
            Info,
            "set \"{path}\" owner {} group {}",
            owner.uid,
            owner.gid
        ),
    }
}

#[cfg(test)]
mod tests {
    use carrick_wire::Encode as _;

    use super::*;
    use crate::msg::{Owner, Times};

    #[test]
    fn changes_are_made_in_order() {
        let attrs = Attrs {
            size: Some(1),
            owner: Some(Owner { uid: 2, gid: 3 }),
            mode: Some(4),
            times: Some(Times {
                accessed: 5,
                modified: 6,
            }),
        };
        let order: Vec<_> = changes(&attrs).collect();
        assert!(matches!(
            order[..],
            [
                Change::Size(1),
                Change::Mode(4),
                Change::Times(_),
                Change::Owner(_)
            ]
        ));
        assert_eq!(changes(&Attrs::default()).count(), 0);
        assert_eq!(attrs.to_vec().len(), 4 + 8 + 8 + 4 + 8);
    }
}
