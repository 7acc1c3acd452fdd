//! Files and trees from a server.

mod file;
mod folder;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use carrick_sftp::client::{Answer, Download, Range};
use carrick_sftp::msg::{Attrs, FileKind, Times, name};

use super::fault::Lost;
use super::jobs::{Flow, refused};
use super::local::{Sink, leads_out};
use super::queue::{self, Next, Queue};
use super::remote::Remote;
use super::verify::{Compare, Piece};
use super::{FileId, Item, Observer, Options, Outcome, Resume, as_path, shown};

impl Remote {
    /// Gets files, and with [`Options::recursive`] trees. What fails is told
    /// to the observer, and the rest goes on.
    pub(crate) fn get(
        &mut self,
        items: &[Item],
        options: Options,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Lost> {
        self.settle()?;
        let mut flow = Flow::new(self);
        let mut gets = Gets {
            queue: Queue::new(items),
            options,
            hashes: flow.remote.offers().has(name::CHECK_FILE),
            observer,
            outcome: Outcome::default(),
            files: BTreeMap::new(),
            folders: HashMap::new(),
            closes: Vec::new(),
            last_id: 0,
        };
        loop {
            gets.look_around();
            gets.drive(&mut flow);
            if gets.is_done() && flow.is_idle() {
                flow.remote.link.send(&mut flow.remote.talk)?;
                return Ok(gets.outcome);
            }
            if flow.is_idle() {
                continue;
            }
            let moved = flow.exchange().and_then(|()| {
                while let Some((step, answer)) = flow.next()? {
                    gets.answered(step, answer);
                }
                Ok(())
            });
            if let Err(why) = moved {
                gets.lost(&why);
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
    Hashes(FileId, Piece),
    Read(FileId, Range),
    Realpath(FileId),
    Opendir(FileId),
    Readdir(FileId),
}

/// A file or folder that waits for its turn.
struct Task {
    from: Vec<u8>,
    to: Vec<u8>,
    attrs: Option<Attrs>,
    parent: Option<FileId>,
    /// Where it stays on this side: the top of the tree it is in, or the folder
    /// in which the server chose its name.
    root: Option<Arc<[u8]>>,
    depth: usize,
}

impl queue::Task for Task {
    fn of(item: &Item) -> Self {
        Self {
            from: item.from.clone(),
            to: item.to.clone(),
            attrs: item.attrs,
            parent: None,
            root: item.below.clone(),
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

impl Task {
    /// Whether a link on this side would lead it out of its tree.
    fn leads_out(&self, options: Options) -> bool {
        let out = |root: &Arc<[u8]>| leads_out(as_path(root), as_path(&self.to));
        !options.leave_target && self.root.as_ref().is_some_and(out)
    }
}

struct File {
    task: Task,
    attrs: Attrs,
    handle: Vec<u8>,
    state: State,
}

enum State {
    /// To be asked what it is.
    Stat,
    /// To be opened.
    Open,
    /// A request is under way.
    Asked,
    /// What is there is compared.
    Comparing(Compare, Sink),
    /// Content moves.
    Moving(Moving),
}

struct Moving {
    download: Download,
    sink: Sink,
    /// It failed: what is under way is waited for.
    failed: bool,
}

impl Moving {
    /// Leaves what came such that it can be resumed: a beginning of the file,
    /// and nothing of what was to be replaced.
    fn leave(&mut self, resume: Resume) {
        let kept = match resume {
            Resume::No => 0,
            Resume::Verified | Resume::Blind => self.sink.original(),
        };
        // Why it is left is told; that this failed too would help nobody.
        let _ = self.sink.finish(self.download.whole_up_to().max(kept));
    }
}

struct Folder {
    task: Task,
    state: Listing,
    /// Files and folders in it that are not done.
    children: usize,
    /// Its mode at the end, if it was made with another.
    mode: Option<u32>,
    times: Option<Times>,
}

enum Listing {
    /// Its name is to be made absolute.
    Realpath,
    Open,
    Asked,
    Reading {
        handle: Vec<u8>,
        asked: u32,
        ended: bool,
    },
    Ended,
}

struct Gets<'a> {
    queue: Queue<'a, Task>,
    options: Options,
    /// The server has `check-file`.
    hashes: bool,
    observer: &'a mut dyn Observer,
    outcome: Outcome,
    /// Under way, in the order of beginning.
    files: BTreeMap<FileId, File>,
    folders: HashMap<FileId, Folder>,
    closes: Vec<Vec<u8>>,
    last_id: FileId,
}

impl Gets<'_> {
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
            if let Listing::Reading { ended, .. } = &mut folder.state {
                *ended = true;
            }
        }
        let ids: Vec<FileId> = self.files.keys().copied().collect();
        for id in ids {
            if let Some(file) = self.files.get_mut(&id)
                && let State::Moving(moving) = &mut file.state
            {
                moving.failed = true;
            }
            self.settle(id);
        }
        let ids: Vec<FileId> = self.folders.keys().copied().collect();
        for id in ids {
            self.settle_folder(id);
        }
    }

    /// Asks for what can be asked for now.
    fn drive(&mut self, flow: &mut Flow<'_, Step>) {
        while flow.has_space() && self.begin(flow) {}
        for handle in self.closes.drain(..) {
            flow.remote.close_in_passing(&handle);
        }
        for (id, file) in &mut self.files {
            file.drive(*id, flow);
        }
        let paused = self.queue.is_full() || !flow.has_space();
        for (id, folder) in &mut self.folders {
            if !paused {
                folder.drive(*id, flow);
            }
        }
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
            Some(Next::Folder(task)) => self.begin_folder(task, flow),
            Some(Next::File(task)) => self.begin_file(task, flow),
            None => return false,
        }
        true
    }

    fn begin_file(&mut self, task: Task, flow: &mut Flow<'_, Step>) {
        let id = self.next_id();
        self.queue.begun(&task.to);
        let known = task.attrs.filter(|attrs| attrs.kind().is_some());
        let file = File {
            task,
            attrs: Attrs::default(),
            handle: Vec::new(),
            state: State::Stat,
        };
        self.files.insert(id, file);
        if let Some(attrs) = known {
            self.known(id, attrs);
        }
        if let Some(file) = self.files.get_mut(&id) {
            file.drive(id, flow);
        }
    }

    /// It is known what a file is.
    fn known(&mut self, id: FileId, attrs: Attrs) {
        let Some(file) = self.files.get_mut(&id) else {
            return;
        };
        match attrs.kind() {
            Some(FileKind::Directory) if self.options.recursive => {
                if let Some(file) = self.files.remove(&id) {
                    self.queue.ended(&file.task.to);
                    let attrs = Some(attrs);
                    self.queue.push_folder(Task { attrs, ..file.task });
                }
            }
            None | Some(FileKind::Regular) => {
                if file.task.parent.is_none() {
                    self.observer.found(1, attrs.size.unwrap_or(0));
                }
                file.attrs = attrs;
                file.state = State::Open;
            }
            Some(_) if file.task.parent.is_none() => {
                let text = format!("download {}: not a regular file", shown(&file.task.from));
                self.fail(&text);
                self.forget(id);
            }
            Some(_) => {
                let text = not_regular(&file.task.from);
                self.observer.note(&text);
                self.forget(id);
            }
        }
    }

    /// Takes a file off the list.
    fn forget(&mut self, id: FileId) -> Option<File> {
        let file = self.files.remove(&id)?;
        self.queue.ended(&file.task.to);
        self.child_done(file.task.parent);
        Some(file)
    }

    /// Ends a file that could not be got.
    fn give_up(&mut self, id: FileId, text: &str) {
        self.fail(text);
        self.drop_failed(id);
    }

    fn drop_failed(&mut self, id: FileId) {
        let Some(file) = self.forget(id) else { return };
        if !file.handle.is_empty() {
            self.closes.push(file.handle);
        }
        if file.task.parent.is_some() && !self.outcome.interrupted {
            let (from, to) = (shown(&file.task.from), shown(&file.task.to));
            self.observer
                .error(&format!("Download of file {from} to {to} failed"));
        }
    }

    fn answered(&mut self, step: Step, answer: Answer<'_>) {
        match step {
            Step::Stat(id) => match answer {
                Answer::Attrs(attrs) => self.known(id, attrs),
                other => {
                    let text = format!("stat remote: {}", refused(&other));
                    self.give_up(id, &text);
                }
            },
            Step::Open(id) => self.opened(id, &answer),
            Step::Hashes(id, piece) => self.compared(id, piece, &answer),
            Step::Read(id, range) => self.read(id, range, &answer),
            Step::Realpath(id) => self.found_folder(id, &answer),
            Step::Opendir(id) => self.opened_folder(id, &answer),
            Step::Readdir(id) => self.listed(id, answer),
        }
    }

    /// The conversation is over: what came is left such that it can be resumed.
    fn lost(&mut self, why: &Lost) {
        for (id, mut file) in std::mem::take(&mut self.files) {
            let State::Moving(moving) = &mut file.state else {
                continue;
            };
            let whole = moving.download.whole_up_to();
            moving.leave(self.options.resume);
            let (from, to) = (shown(&file.task.from), shown(&file.task.to));
            let text = format!("download \"{from}\" to \"{to}\": {why} after {whole} bytes");
            self.fail(&text);
            self.observer.end(id, false);
        }
    }
}

fn not_regular(path: &[u8]) -> String {
    format!("download \"{}\": not a regular file", shown(path))
}
