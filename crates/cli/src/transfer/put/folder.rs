//! One folder: made there, listed here, and given its mode and times at the end.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use carrick_sftp::client::Answer;
use carrick_sftp::msg::{Attrs, Request};

use super::{Folder, Listing, Puts, Step, Task, attrs_of};
use crate::text::os_error;
use crate::transfer::jobs::{DEPTH, Flow, refused};
use crate::transfer::{FileId, Options, as_path, join, shown};

impl Puts<'_> {
    pub(super) fn begin_folder(&mut self, task: Task) {
        let path = shown(&task.from);
        let meta = match std::fs::metadata(as_path(&task.from)) {
            Ok(meta) => meta,
            Err(why) => {
                self.fail(&format!("stat local \"{path}\": {}", os_error(&why)));
                return self.child_done(task.parent);
            }
        };
        if task.depth >= DEPTH {
            self.fail(&format!("Maximum directory depth exceeded: {DEPTH} levels"));
            return self.child_done(task.parent);
        }
        let id = self.next_id();
        let top = task.parent.is_none();
        let folder = Folder {
            task,
            meta,
            state: if top {
                Listing::Realpath
            } else {
                Listing::Mkdir
            },
            made: false,
            children: 0,
        };
        self.folders.insert(id, folder);
        if !top {
            self.tell_of_folder(id);
        }
    }

    fn tell_of_folder(&mut self, id: FileId) {
        if let Some(folder) = self.folders.get(&id) {
            self.observer.folder(&folder.task.from);
        }
    }

    pub(super) fn found_folder(&mut self, id: FileId, answer: &Answer<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        if let Answer::Path(path) = answer {
            folder.task.to = path.to_vec();
            folder.state = Listing::Mkdir;
            return self.tell_of_folder(id);
        }
        let path = shown(&folder.task.to);
        self.fail(&format!("realpath {path}: {}", refused(answer)));
        self.observer
            .error(&format!("upload \"{path}\": path canonicalization failed"));
        self.abandon(id);
    }

    pub(super) fn is_folder(&mut self, id: FileId, answer: &Answer<'_>) {
        let Some(folder) = self.folders.get(&id) else {
            return;
        };
        let path = shown(&folder.task.to);
        match answer {
            Answer::Attrs(attrs) if attrs.is_dir() => return self.enter(id),
            Answer::Attrs(_) => {
                self.fail(&format!("\"{path}\" exists but is not a directory"));
            }
            other => {
                self.fail(&format!("remote mkdir \"{path}\": {}", refused(other)));
            }
        }
        self.abandon(id);
    }

    /// The folder is there: what is in ours?
    pub(super) fn enter(&mut self, id: FileId) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        if self.outcome.interrupted {
            folder.state = Listing::Ended;
            return self.settle_folder(id);
        }
        match std::fs::read_dir(as_path(&folder.task.from)) {
            Ok(entries) => folder.state = Listing::Reading(entries),
            Err(why) => {
                folder.state = Listing::Ended;
                let path = shown(&folder.task.from);
                self.fail(&format!("local opendir \"{path}\": {}", os_error(&why)));
                self.settle_folder(id);
            }
        }
    }

    /// Reads on in folders, as long as not too many files wait.
    pub(super) fn list(&mut self) {
        let reading = |folder: &Folder| matches!(folder.state, Listing::Reading(_));
        while !self.queue.is_full() {
            let found = self.folders.iter().find(|(_, folder)| reading(folder));
            let Some(id) = found.map(|(id, _)| *id) else {
                return;
            };
            self.list_one(id);
        }
    }

    fn list_one(&mut self, id: FileId) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        let Listing::Reading(entries) = &mut folder.state else {
            return;
        };
        let entry = match entries.next() {
            Some(Ok(entry)) => entry,
            None => {
                folder.state = Listing::Ended;
                return self.settle_folder(id);
            }
            Some(Err(why)) => {
                folder.state = Listing::Ended;
                let path = shown(&folder.task.from);
                self.fail(&format!("local opendir \"{path}\": {}", os_error(&why)));
                return self.settle_folder(id);
            }
        };
        let name = entry.file_name();
        let name = name.as_bytes();
        let from = join(&folder.task.from, name);
        let known = match entry.metadata() {
            Ok(meta) if meta.is_symlink() && self.options.follow_links => {
                std::fs::metadata(entry.path()).map_err(|why| ("stat", why))
            }
            other => other.map_err(|why| ("lstat", why)),
        };
        let meta = match known {
            Ok(meta) => meta,
            Err((what, why)) => {
                let text = format!("local {what} \"{}\": {}", shown(&from), os_error(&why));
                return self.fail(&text);
            }
        };
        let task = Task {
            from,
            to: join(&folder.task.to, name),
            parent: Some(id),
            depth: folder.task.depth + 1,
        };
        if meta.is_dir() {
            folder.children += 1;
            self.queue.push_folder(task);
        } else if meta.is_file() {
            folder.children += 1;
            self.observer.found(1, meta.len());
            self.queue.push_file(task);
        } else {
            let text = format!("{}: not a regular file", shown(name));
            self.observer.note(&text);
        }
    }

    /// Ends a folder when all in it is done.
    pub(super) fn settle_folder(&mut self, id: FileId) {
        if let Some(folder) = self.folders.get_mut(&id)
            && matches!(folder.state, Listing::Ended)
            && folder.children == 0
        {
            let parent = folder.task.parent;
            if folder.made || self.options.preserve {
                folder.state = Listing::Leave;
            } else {
                self.folders.remove(&id);
            }
            self.child_done(parent);
        }
    }

    fn abandon(&mut self, id: FileId) {
        if let Some(folder) = self.folders.remove(&id) {
            self.child_done(folder.task.parent);
        }
    }

    pub(super) fn child_done(&mut self, parent: Option<FileId>) {
        if let Some(id) = parent
            && let Some(folder) = self.folders.get_mut(&id)
        {
            folder.children -= 1;
            self.settle_folder(id);
        }
    }
}
impl Folder {
    pub(super) fn drive(&mut self, id: FileId, flow: &mut Flow<'_, Step>, options: Options) {
        let path = &self.task.to;
        let mode = self.meta.mode() & 0o1777;
        match &self.state {
            Listing::Realpath => {
                flow.ask(&Request::Realpath { path }, 0, Step::Realpath(id));
            }
            Listing::Mkdir => {
                // Files must be made in it, whatever it is to be at the end.
                let attrs = Attrs::with_mode(mode | 0o300);
                flow.ask(&Request::Mkdir { path, attrs }, 0, Step::Mkdir(id));
            }
            Listing::Stat => {
                flow.ask(&Request::Stat { path }, 0, Step::StatFolder(id));
            }
            Listing::Leave => {
                let mut attrs = Attrs::with_mode(mode);
                if options.preserve {
                    attrs.times = attrs_of(&self.meta).times;
                }
                flow.ask(&Request::Setstat { path, attrs }, 0, Step::SetFolder);
                return;
            }
            Listing::Asked | Listing::Reading(_) | Listing::Ended => return,
        }
        self.state = Listing::Asked;
    }
}
