//! One file: opened there, compared with what is there, written, finished.

use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use carrick_sftp::client::{Answer, Range, Upload};
use carrick_sftp::msg::{Attrs, CheckFile, Code, Extended, HashedFile, Open, Request};

use super::{File, Finish, News, Puts, State, Step, attrs_of};
use crate::text::os_error;
use crate::transfer::jobs::{Flow, differs, refused};
use crate::transfer::verify::{BLOCK, Compare, HASH, Piece};
use crate::transfer::{Begin, FileId, Options, Resume, shown};

impl Puts<'_> {
    /// It is known how much the server has of a file that is to be resumed.
    pub(super) fn compared_sizes(&mut self, id: FileId, answer: &Answer<'_>) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let size = match answer {
            Answer::Attrs(attrs) => attrs.size.unwrap_or(0),
            // Then there is nothing to resume.
            Answer::Refused(status) if status.code == Code::NO_SUCH_FILE => 0,
            _ => {
                let text = format!("stat remote: {}", refused(answer));
                return self.spoil(id, &text);
            }
        };
        let len = file.meta.len();
        let verified = self.options.resume == Resume::Verified;
        if size > len || (size == len && size > 0 && !verified) {
            let text = larger(&file.task.from);
            return self.spoil(id, &text);
        }
        file.there = size;
        file.remote_len = size;
        file.state = State::Open;
    }

    pub(super) fn opened(&mut self, id: FileId, answer: &Answer<'_>) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let Answer::Handle(handle) = answer else {
            let path = shown(&file.task.to);
            let text = format!("dest open \"{path}\": {}", refused(answer));
            return self.spoil(id, &text);
        };
        file.handle = handle.to_vec();
        if self.outcome.interrupted {
            file.state = State::Finish;
            return self.settle(id);
        }
        match self.options.resume {
            _ if file.there == 0 => self.begin_moving(id, 0),
            Resume::No => self.begin_moving(id, 0),
            Resume::Blind => {
                let there = file.there;
                self.begin_moving(id, there);
            }
            Resume::Verified => {
                file.state = State::Comparing(if self.hashes {
                    Compare::by_hash(file.there)
                } else {
                    Compare::by_content(file.there, self.block)
                });
            }
        }
    }

    fn begin_moving(&mut self, id: FileId, start: u64) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        self.observer.begin(
            id,
            Begin {
                from: &file.task.from,
                size: file.meta.len(),
                already: start,
            },
        );
        file.begun = true;
        file.state = if self.options.in_place && start == 0 {
            State::Measure
        } else {
            State::Moving(Upload::new(start))
        };
    }

    pub(super) fn compared(&mut self, id: FileId, piece: Piece, answer: &Answer<'_>) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let State::Comparing(compare) = &mut file.state else {
            return;
        };
        let seen = match answer {
            Answer::Hashes(hashes) => compare.hashes(piece, &file.source, hashes),
            Answer::Data(data) => compare.content(piece, &file.source, data),
            _ => {
                compare.failed(piece);
                Ok(())
            }
        };
        if let Err(why) = seen {
            let path = shown(&file.task.from);
            let text = format!("read local \"{path}\": {}", os_error(&why));
            return self.spoil(id, &text);
        }
        let Some(start) = compare.same_up_to() else {
            return;
        };
        if compare.is_different() {
            let text = differs(&file.task.to, start);
            self.observer.note(&text);
        } else if start == file.meta.len() {
            let text = larger(&file.task.from);
            return self.spoil(id, &text);
        }
        self.begin_moving(id, start);
    }

    pub(super) fn written(&mut self, id: FileId, range: Range, answer: &Answer<'_>) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let State::Moving(upload) = &mut file.state else {
            return;
        };
        if let Answer::Done = answer {
            upload.written(range);
            self.outcome.bytes += u64::from(range.len);
            self.observer.moved(id, range.len.into());
            return self.settle(id);
        }
        upload.failed(range);
        if file.failed {
            return self.settle(id);
        }
        let path = shown(&file.task.to);
        let text = format!("write remote \"{path}\": {}", refused(answer));
        self.spoil(id, &text);
    }

    /// Goes on with a file of which all was sent and answered.
    pub(super) fn settle(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(&id)
            && let State::Moving(upload) = &file.state
            && upload.size().is_some()
        {
            file.size = upload.whole_up_to();
            file.state = State::Finish;
        }
    }

    pub(super) fn finished(&mut self, id: FileId, what: Finish, answer: &Answer<'_>) {
        let refusal = match answer {
            Answer::Done => None,
            other => Some(refused(other)),
        };
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        if let Some(why) = refusal {
            let text = match what {
                Finish::Fsetstat => format!("remote fsetstat: {why}"),
                Finish::Fsync => format!("remote fsync: {why}"),
                Finish::Close => format!("close remote: {why}"),
            };
            file.failed = true;
            self.fail(&text);
        }
        if let Finish::Close = what
            && let Some(file) = self.files.get(&id)
        {
            let (whole, begun) = (!file.failed, file.begun);
            self.outcome.files += u64::from(whole);
            if begun {
                self.observer.end(id, whole);
            }
            self.forget(id);
        }
    }
}

impl File {
    /// Asks for what can be asked for now, and says what was found by it.
    pub(super) fn drive(
        &mut self,
        id: FileId,
        flow: &mut Flow<'_, Step>,
        options: Options,
        syncs: bool,
    ) -> Option<News> {
        match &mut self.state {
            State::Stat => {
                let path = &self.task.to;
                flow.ask(&Request::Stat { path }, 0, Step::Stat(id));
                self.state = State::Asked;
            }
            State::Open => {
                self.open(id, flow, options);
                self.state = State::Asked;
            }
            State::Asked => {}
            State::Comparing(compare) => {
                while flow.has_space()
                    && let Some(piece) = compare.ask()
                {
                    ask_for_piece(id, piece, &self.handle, compare.is_by_hash(), flow);
                }
            }
            State::Moving(_) => return self.send(id, flow),
            State::Measure => {
                let handle = &self.handle;
                flow.ask(&Request::Fstat { handle }, 0, Step::Fstat(id));
                self.state = State::Moving(Upload::new(0));
                return self.send(id, flow);
            }
            State::Finish => {
                self.finish(id, flow, options, syncs);
                self.state = State::Asked;
            }
        }
        None
    }

    fn open(&self, id: FileId, flow: &mut Flow<'_, Step>, options: Options) {
        let mut how = Open::WRITE.and(Open::CREATE);
        if self.there > 0 && options.resume == Resume::Verified {
            how = how.and(Open::READ);
        } else if self.there == 0 && !options.in_place {
            how = how.and(Open::TRUNCATE);
        }
        let request = Request::Open {
            path: &self.task.to,
            how,
            attrs: Attrs::with_mode(self.meta.mode() & 0o777),
        };
        flow.ask(&request, 0, Step::Open(id));
    }

    /// Sends content, as much as may be under way.
    fn send(&mut self, id: FileId, flow: &mut Flow<'_, Step>) -> Option<News> {
        let State::Moving(upload) = &mut self.state else {
            return None;
        };
        while flow.may_move()
            && let Some(offset) = upload.offset()
        {
            let step = |len| Step::Write(id, Range { offset, len });
            let wrote = flow.write(&self.handle, offset, step, |space| {
                self.source.read_at(space, offset)
            });
            match wrote {
                Ok(None) => return None,
                Ok(Some(len)) => {
                    upload.sent(len);
                }
                Err(why) => {
                    let path = shown(&self.task.from);
                    let text = format!("read local \"{path}\": {}", os_error(&why));
                    return Some(News::Unreadable(text));
                }
            }
        }
        upload.size().map(|_| News::Ended)
    }

    fn finish(&self, id: FileId, flow: &mut Flow<'_, Step>, options: Options, syncs: bool) {
        let handle = &self.handle;
        let attrs = self.last_attrs(options);
        if !self.failed && attrs != Attrs::default() {
            let step = Step::Finish(id, Finish::Fsetstat);
            flow.ask(&Request::Fsetstat { handle, attrs }, 0, step);
        }
        if !self.failed && syncs {
            let request = Request::Extended(Extended::Fsync { handle });
            flow.ask(&request, 0, Step::Finish(id, Finish::Fsync));
        }
        let step = Step::Finish(id, Finish::Close);
        flow.ask(&Request::Close { handle }, 0, step);
    }

    fn last_attrs(&self, options: Options) -> Attrs {
        let mut attrs = Attrs::default();
        if options.preserve {
            attrs = attrs_of(&self.meta);
        }
        if self.remote_len > self.size {
            attrs.size = Some(self.size);
        }
        attrs
    }
}

fn ask_for_piece(
    id: FileId,
    piece: Piece,
    handle: &[u8],
    by_hash: bool,
    flow: &mut Flow<'_, Step>,
) {
    let Piece { offset, len } = piece;
    if by_hash {
        let request = Request::Extended(Extended::CheckFile(CheckFile {
            file: HashedFile::Handle(handle),
            hashes: HASH,
            offset,
            len,
            block: BLOCK,
        }));
        return flow.ask(&request, 0, Step::Compare(id, piece));
    }
    let request = Request::Read {
        handle,
        offset,
        // A piece is as long as a request may be.
        len: u32::try_from(len).unwrap_or(u32::MAX),
    };
    flow.ask(&request, 0, Step::Compare(id, piece));
}
fn larger(path: &[u8]) -> String {
    format!(
        "resume \"{}\": destination file same size or larger",
        shown(path)
    )
}
