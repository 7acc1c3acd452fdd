//! Files and trees to a server.

mod file;
mod folder;

use std::collections::BTreeMap;
use std::fs::{Metadata, OpenOptions, ReadDir};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

use carrick_sftp::client::{Answer, Range, Upload};
use carrick_sftp::msg::{Attrs, Times, name};

use super::fault::Lost;
use super::jobs::{Flow, refused};
use super::queue::{self, Next, Queue};
use super::remote::Remote;
use super::verify::{Compare, Piece};
use super::{FileId, Item, Observer, Options, Outcome, Resume, as_path, shown};
use crate::text::os_error;

impl Remote {
    /// Puts files, and with [`Options::recursive`] trees. What fails is told to
    /// the observer, and the rest goes on.
    pub(crate) fn put(
        &mut self,
        items: &[Item],
        options: Options,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Lost> {
        self.settle()?;
        let mut flow = Flow::new(self);
        let mut puts = Puts {
            queue: Queue::new(items),
            options,
            hashes: flow.remote.offers().has(name::CHECK_FILE),
            syncs: options.fsync && flow.remote.offers().has(name::FSYNC),
            block: flow.remote.read_len(),
            observer,
            outcome: Outcome::default(),
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            last_id: 0,
        };
        loop {
            puts.look_around();
            puts.drive(&mut flow);
            if puts.is_done() && flow.is_idle() {
                return Ok(puts.outcome);
            }
            if flow.is_idle() {
                continue;
            }
            let moved = flow.exchange().and_then(|()| {
                while let Some((step, answer)) = flow.next()? {
                    puts.answered(step, &answer);
                }
                Ok(())
            });
            if let Err(why) = moved {
                puts.lost(&why);
                return Err(why);
            }
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy)]
enum Step {
    Stat(FileId),
    Open(FileId),
    Fstat(FileId),
    Compare(FileId, Piece),
    Write(FileId, Range),
    Finish(FileId, Finish),
    Realpath(FileId),
    Mkdir(FileId),
    StatFolder(FileId),
    SetFolder,
}

/// The requests at the end of a file.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Fsetstat,
    Fsync,
    Close,
}

/// A file or folder that waits for its turn.
struct Task {
    from: Vec<u8>,
    to: Vec<u8>,
    parent: Option<FileId>,
    depth: usize,
}

impl queue::Task for Task {
    fn of(item: &Item) -> Self {
        Self {
            from: item.from.clone(),
            to: item.to.clone(),
            parent: None,
            depth: 0,
        }
    }

    fn to(&self) -> &[u8] {
        &self.to
    }

    fn parent(&self) -> Option<FileId> {
        self.parent
    }
}

struct File {
    task: Task,
    source: std::fs::File,
    meta: Metadata,
    handle: Vec<u8>,
    state: State,
    /// How much of it the server has already, for a transfer that goes on.
    there: u64,
    /// How long it is there, as far as is known.
    remote_len: u64,
    /// How long it is now.
    size: u64,
    /// The observer was told that it began.
    begun: bool,
    /// What went wrong was told.
    failed: bool,
}

enum State {
    /// The server is to be asked what it has of it.
    Stat,
    /// To be opened there.
    Open,
    /// A request is under way.
    Asked,
    /// What is there is compared.
    Comparing(Compare),
    /// Content moves, once it is known how long it is there.
    Measure,
    /// Content moves.
    Moving(Upload),
    /// All was written; the requests at the end are to be made.
    Finish,
}

/// What was found while asking.
enum News {
    /// All of a file was sent and answered.
    Ended,
    /// It cannot be read.
    Unreadable(String),
}

struct Folder {
    task: Task,
    meta: Metadata,
    state: Listing,
    /// It was not there before.
    made: bool,
    /// Files and folders in it that are not done.
    children: usize,
}

enum Listing {
    Realpath,
    Mkdir,
    Stat,
    Asked,
    Reading(ReadDir),
    Ended,
    /// To be given its mode and times.
    Leave,
}

struct Puts<'a> {
    queue: Queue<'a, Task>,
    options: Options,
    hashes: bool,
    syncs: bool,
    /// The length of requests that read back.
    block: u32,
    observer: &'a mut dyn Observer,
    outcome: Outcome,
    files: BTreeMap<FileId, File>,
    folders: BTreeMap<FileId, Folder>,
    last_id: FileId,
}

impl Puts<'_> {
    fn is_done(&self) -> bool {
        self.queue.is_empty() && self.files.is_empty() && self.folders.is_empty()
    }

    fn next_id(&mut self) -> FileId {
        self.last_id += 1;
        self.last_id - 1
    }

    /// Tells of a failure.
    fn fail(&mut self, text: &str) {
        self.observer.error(text);
        self.outcome.failures += 1;
    }

    fn look_around(&mut self) {
        self.observer.tick();
        if self.outcome.interrupted || !self.observer.interrupted() {
            return;
        }
        self.outcome.interrupted = true;
        for parent in self.queue.give_up() {
            if let Some(folder) = self.folders.get_mut(&parent) {
                folder.children -= 1;
            }
        }
        for folder in self.folders.values_mut() {
            if matches!(folder.state, Listing::Reading(_)) {
                folder.state = Listing::Ended;
            }
        }
        let ids: Vec<FileId> = self.files.keys().copied().collect();
        for id in ids {
            let Some(file) = self.files.get_mut(&id) else {
                continue;
            };
            file.failed = true;
            match &mut file.state {
                State::Moving(upload) => upload.stop(),
                State::Comparing(_) => file.state = State::Finish,
                State::Stat | State::Open => {
                    self.forget(id);
                    continue;
                }
                State::Measure => file.state = State::Finish,
                State::Asked | State::Finish => {}
            }
            self.settle(id);
        }
        let ids: Vec<FileId> = self.folders.keys().copied().collect();
        for id in ids {
            self.settle_folder(id);
        }
    }

    fn drive(&mut self, flow: &mut Flow<'_, Step>) {
        self.list();
        while flow.has_space() && self.begin(flow) {}
        let mut news = Vec::new();
        for (id, file) in &mut self.files {
            if let Some(what) = file.drive(*id, flow, self.options, self.syncs) {
                news.push((*id, what));
            }
        }
        for (id, what) in news {
            match what {
                News::Ended => self.settle(id),
                News::Unreadable(text) => self.spoil(id, &text),
            }
            if let Some(file) = self.files.get_mut(&id) {
                // What comes at its end waits for nothing.
                file.drive(id, flow, self.options, self.syncs);
            }
        }
        // Those that were found last are in the others.
        for (id, folder) in self.folders.iter_mut().rev() {
            folder.drive(*id, flow, self.options);
        }
        self.folders
            .retain(|_, folder| !matches!(folder.state, Listing::Leave));
    }

    /// Begins what comes next: whether there was something, and room for it.
    fn begin(&mut self, flow: &mut Flow<'_, Step>) -> bool {
        let listing = self
            .folders
            .values()
            .filter(|f| !matches!(f.state, Listing::Ended))
            .count();
        let room = self.files.len() < flow.files();
        match self.queue.next(listing, room, self.observer) {
            Some(Next::Folder(task)) => self.begin_folder(task),
            Some(Next::File(task)) => self.begin_file(task, flow),
            None => return false,
        }
        true
    }

    fn begin_file(&mut self, task: Task, flow: &mut Flow<'_, Step>) {
        let path = shown(&task.from);
        // Opening a fifo must not wait for somebody to write to it.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(as_path(&task.from))
            .map_err(|why| format!("open local \"{path}\": {}", os_error(&why)));
        let known = opened.and_then(|source| match source.metadata() {
            Ok(meta) => Ok((source, meta)),
            Err(why) => Err(format!("fstat local \"{path}\": {}", os_error(&why))),
        });
        let (source, meta) = match known {
            Ok(known) => known,
            Err(text) => return self.not_begun(&task, &text),
        };
        if meta.is_dir() && self.options.recursive {
            return self.queue.push_folder(task);
        }
        if !meta.is_file() {
            return self.not_begun(&task, &format!("local \"{path}\" is not a regular file"));
        }
        if task.parent.is_none() {
            self.observer.found(1, meta.len());
        }
        let id = self.next_id();
        self.queue.begun(&task.to);
        let mut file = File {
            task,
            source,
            meta,
            handle: Vec::new(),
            state: match self.options.resume {
                Resume::No => State::Open,
                Resume::Verified | Resume::Blind => State::Stat,
            },
            there: 0,
            remote_len: 0,
            size: 0,
            begun: false,
            failed: false,
        };
        file.drive(id, flow, self.options, self.syncs);
        self.files.insert(id, file);
    }

    fn not_begun(&mut self, task: &Task, text: &str) {
        self.fail(text);
        self.tell_of_tree(task);
        self.child_done(task.parent);
    }

    /// In trees it is said of what file an error is.
    fn tell_of_tree(&mut self, task: &Task) {
        if task.parent.is_some() && !self.outcome.interrupted {
            let (from, to) = (shown(&task.from), shown(&task.to));
            self.observer
                .error(&format!("upload \"{from}\" to \"{to}\" failed"));
        }
    }

    /// Takes a file off the list.
    fn forget(&mut self, id: FileId) {
        if let Some(file) = self.files.remove(&id) {
            self.queue.ended(&file.task.to);
            if file.failed {
                self.tell_of_tree(&file.task);
            }
            self.child_done(file.task.parent);
        }
    }

    /// Something went wrong with a file: it ends as soon as nothing of it is
    /// under way.
    fn spoil(&mut self, id: FileId, text: &str) {
        self.fail(text);
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        file.failed = true;
        match &mut file.state {
            State::Moving(upload) => upload.stop(),
            _ if file.handle.is_empty() => return self.forget(id),
            _ => file.state = State::Finish,
        }
        self.settle(id);
    }

    fn answered(&mut self, step: Step, answer: &Answer<'_>) {
        match step {
            Step::Stat(id) => self.compared_sizes(id, answer),
            Step::Open(id) => self.opened(id, answer),
            Step::Fstat(id) => {
                if let (Some(file), Answer::Attrs(attrs)) = (self.files.get_mut(&id), answer) {
                    file.remote_len = attrs.size.unwrap_or(0);
                }
            }
            Step::Compare(id, piece) => self.compared(id, piece, answer),
            Step::Write(id, range) => self.written(id, range, answer),
            Step::Finish(id, what) => self.finished(id, what, answer),
            Step::Realpath(id) => self.found_folder(id, answer),
            Step::Mkdir(id) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.made = matches!(answer, Answer::Done);
                    if folder.made {
                        self.enter(id);
                    } else {
                        // No status says that it is there already.
                        folder.state = Listing::Stat;
                    }
                }
            }
            Step::StatFolder(id) => self.is_folder(id, answer),
            Step::SetFolder => {
                if let Answer::Refused(_) = answer {
                    self.fail(&format!("remote setstat: {}", refused(answer)));
                }
            }
        }
    }

    /// The conversation is over.
    fn lost(&mut self, why: &Lost) {
        for (id, file) in std::mem::take(&mut self.files) {
            let State::Moving(upload) = &file.state else {
                continue;
            };
            let whole = upload.whole_up_to();
            let (from, to) = (shown(&file.task.from), shown(&file.task.to));
            let text = format!("upload \"{from}\" to \"{to}\": {why} after {whole} bytes");
            self.fail(&text);
            self.observer.end(id, false);
        }
    }
}

/// What is kept of a file: its mode and times.
fn attrs_of(meta: &Metadata) -> Attrs {
    let seconds = |seconds: i64| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
    Attrs {
        mode: Some(meta.mode() & 0o777),
        times: Some(Times {
            accessed: seconds(meta.atime()),
            modified: seconds(meta.mtime()),
        }),
        ..Attrs::default()
    }
}
