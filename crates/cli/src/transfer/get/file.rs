//! One file: opened, compared with what is there, read, finished.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use carrick_sftp::client::{Answer, Download, Range};
use carrick_sftp::msg::{Attrs, CheckFile, Extended, HashedFile, Open, Request, Times};

use super::{File, Gets, Moving, State, Step};
use crate::text::os_error;
use crate::transfer::jobs::{Flow, differs, refused};
use crate::transfer::local::{Keep, LEADS_OUT, Sink};
use crate::transfer::verify::{BLOCK, Compare, HASH, Piece};
use crate::transfer::{Begin, FileId, Options, Resume, as_path, shown};

impl Gets<'_> {
    pub(super) fn opened(&mut self, id: FileId, answer: &Answer<'_>) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let Answer::Handle(handle) = answer else {
            let path = shown(&file.task.from);
            let text = format!("remote open \"{path}\": {}", refused(answer));
            return self.give_up(id, &text);
        };
        file.handle = handle.to_vec();
        if self.outcome.interrupted {
            return self.drop_failed(id);
        }
        let mode = file.attrs.mode.map_or(0o666, |mode| mode & 0o777) | 0o200;
        let keep = match self.options.resume {
            Resume::No if self.options.in_place => Keep::All,
            Resume::No => Keep::Nothing,
            Resume::Blind => Keep::All,
            Resume::Verified => Keep::AllToRead,
        };
        let path = shown(&file.task.to);
        if file.task.leads_out(self.options) {
            let text = format!("open local \"{path}\": {LEADS_OUT}");
            return self.give_up(id, &text);
        }
        let mut sink = match Sink::open(as_path(&file.task.to), mode, keep) {
            Ok(sink) => sink,
            Err(why) => {
                let text = format!("open local \"{path}\": {}", os_error(&why));
                return self.give_up(id, &text);
            }
        };
        let there = sink.original();
        if self.options.resume == Resume::No || there == 0 {
            return self.begin_moving(id, sink, 0);
        }
        if file.attrs.size.is_some_and(|size| there > size) {
            let text = format!(
                "Unable to resume download of \"{path}\": local file is larger than remote"
            );
            return self.give_up(id, &text);
        }
        match self.options.resume {
            Resume::Verified if self.hashes => {
                file.state = State::Comparing(Compare::by_hash(there), sink);
            }
            Resume::Verified => {
                sink.doubt();
                self.begin_moving(id, sink, 0);
            }
            _ => self.begin_moving(id, sink, there),
        }
    }

    fn begin_moving(&mut self, id: FileId, sink: Sink, start: u64) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        self.observer.begin(
            id,
            Begin {
                from: &file.task.from,
                size: file.attrs.size.unwrap_or(0),
                already: start,
            },
        );
        file.state = State::Moving(Moving {
            // The length of requests is known when the first one is made.
            download: Download::new(start, file.attrs.size, 0),
            sink,
            failed: false,
        });
    }

    pub(super) fn compared(&mut self, id: FileId, piece: Piece, answer: &Answer<'_>) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let State::Comparing(compare, sink) = &mut file.state else {
            return;
        };
        let seen = match answer {
            Answer::Hashes(hashes) => compare.hashes(piece, sink.file(), hashes),
            _ => {
                compare.failed(piece);
                Ok(())
            }
        };
        if let Err(why) = seen {
            let text = format!(
                "read local \"{}\": {}",
                shown(&file.task.to),
                os_error(&why)
            );
            return self.give_up(id, &text);
        }
        let Some(start) = compare.same_up_to() else {
            return;
        };
        if compare.is_different() {
            let text = differs(&file.task.to, start);
            self.observer.note(&text);
        }
        if let State::Comparing(_, sink) = std::mem::replace(&mut file.state, State::Asked) {
            self.begin_moving(id, sink, start);
        }
    }

    pub(super) fn read(&mut self, id: FileId, range: Range, answer: &Answer<'_>) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        let State::Moving(moving) = &mut file.state else {
            return;
        };
        let mut trouble = None;
        match answer {
            Answer::Data(data) if !moving.failed => match moving.sink.write(range.offset, data) {
                Ok(()) => {
                    moving.download.data(range, data.len());
                    self.outcome.bytes += data.len() as u64;
                    self.observer.moved(id, data.len() as u64);
                }
                Err(why) => {
                    let path = shown(&file.task.to);
                    trouble = Some(format!("write local \"{path}\": {}", os_error(&why)));
                }
            },
            Answer::End => moving.download.end_of_file(range),
            Answer::Refused(_) if !moving.failed => {
                let path = shown(&file.task.from);
                trouble = Some(format!("read remote \"{path}\" : {}", refused(answer)));
            }
            _ => moving.download.failed(range),
        }
        if let Some(text) = trouble {
            moving.download.failed(range);
            moving.failed = true;
            self.fail(&text);
        }
        self.settle(id);
    }

    /// Ends a file of which nothing is under way any more, if it is whole or
    /// has failed.
    pub(super) fn settle(&mut self, id: FileId) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        match &mut file.state {
            State::Moving(moving) if moving.failed && moving.download.is_waiting() => {}
            State::Moving(moving) if moving.failed => {
                moving.leave(self.options.resume);
                self.observer.end(id, false);
                self.drop_failed(id);
            }
            State::Moving(moving) => {
                if let Some(size) = moving.download.size() {
                    self.finish(id, size);
                }
            }
            // Nothing was asked yet, or an answer will come.
            State::Stat | State::Open if self.outcome.interrupted => {
                self.forget(id);
            }
            State::Comparing(..) if self.outcome.interrupted => self.drop_failed(id),
            _ => {}
        }
    }

    /// All of a file came.
    fn finish(&mut self, id: FileId, size: u64) {
        let Some(mut file) = self.forget(id) else {
            return;
        };
        let State::Moving(moving) = &mut file.state else {
            return;
        };
        self.closes.push(std::mem::take(&mut file.handle));
        let path = shown(&file.task.to);
        if self.options.resume != Resume::No
            && moving.sink.original() == size
            && moving.sink.is_as_before()
        {
            self.observer
                .note(&format!("File \"{path}\" was not modified"));
        }
        if let Some(at) = moving.sink.different() {
            self.observer.note(&differs(&file.task.to, at));
        }
        let outcome = complete(&mut moving.sink, size, &file.attrs, self.options);
        let whole = outcome.is_ok();
        match outcome {
            Ok(()) => self.outcome.files += 1,
            Err((what, why)) => {
                let text = format!("local {what} \"{path}\": {}", os_error(&why));
                self.fail(&text);
            }
        }
        self.observer.end(id, whole);
    }
}

impl File {
    pub(super) fn drive(&mut self, id: FileId, flow: &mut Flow<'_, Step>) {
        match &mut self.state {
            State::Stat => {
                let path = &self.task.from;
                flow.ask(&Request::Stat { path }, 0, Step::Stat(id));
                self.state = State::Asked;
            }
            State::Open => {
                let request = Request::Open {
                    path: &self.task.from,
                    how: Open::READ,
                    attrs: Attrs::default(),
                };
                flow.ask(&request, 0, Step::Open(id));
                self.state = State::Asked;
            }
            State::Asked => {}
            State::Comparing(compare, _) => {
                while let Some(piece) = compare.ask() {
                    let request = Request::Extended(Extended::CheckFile(CheckFile {
                        file: HashedFile::Handle(&self.handle),
                        hashes: HASH,
                        offset: piece.offset,
                        len: piece.len,
                        block: BLOCK,
                    }));
                    flow.ask(&request, 0, Step::Hashes(id, piece));
                }
            }
            State::Moving(moving) => {
                moving.download.set_block(flow.remote.read_len());
                while !moving.failed
                    && flow.may_move()
                    && let Some(range) = moving.download.ask()
                {
                    let request = Request::Read {
                        handle: &self.handle,
                        offset: range.offset,
                        len: range.len,
                    };
                    flow.ask(&request, range.len, Step::Read(id, range));
                }
            }
        }
    }
}
/// What is left to do once all content is there; else what failed.
fn complete(
    sink: &mut Sink,
    size: u64,
    attrs: &Attrs,
    options: Options,
) -> Result<(), (&'static str, io::Error)> {
    sink.finish(size).map_err(|why| ("ftruncate", why))?;
    // The mode of a device is the system's: as root, `get -p x /dev/null` would
    // close it to everybody else.
    if options.preserve && sink.is_regular() {
        if let Some(mode) = attrs.mode {
            let mode = std::fs::Permissions::from_mode(mode & 0o777);
            let set = sink.file().set_permissions(mode);
            set.map_err(|why| ("chmod", why))?;
        }
        if let Some(times) = attrs.times {
            set_times(sink.file(), times).map_err(|why| ("set times", why))?;
        }
    }
    if options.fsync {
        sink.file().sync_all().map_err(|why| ("sync", why))?;
    }
    Ok(())
}

pub(super) fn set_times(file: &std::fs::File, times: Times) -> io::Result<()> {
    let at = |seconds: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into());
    let times = std::fs::FileTimes::new()
        .set_accessed(at(times.accessed))
        .set_modified(at(times.modified));
    file.set_times(times)
}
