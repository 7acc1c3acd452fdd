//! One folder: made, listed, and given its mode and times at the end.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::sync::Arc;

use carrick_sftp::client::{Answer, is_plain_name};
use carrick_sftp::msg::{FileKind, Names, Request};

use super::file::set_times;
use super::{Folder, Gets, Listing, Step, Task, not_regular};
use crate::text::os_error;
use crate::transfer::jobs::{DEPTH, Flow, LISTING, TREES, refused};
use crate::transfer::local::LEADS_OUT;
use crate::transfer::{FileId, as_path, join, shown};

impl Gets<'_> {
    pub(super) fn begin_folder(&mut self, task: Task, flow: &mut Flow<'_, Step>) {
        let id = self.next_id();
        let top = task.parent.is_none();
        let folder = Folder {
            task,
            state: if top {
                Listing::Realpath
            } else {
                Listing::Open
            },
            children: 0,
            mode: None,
            times: None,
        };
        self.folders.insert(id, folder);
        if !top {
            self.enter(id);
        }
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.drive(id, flow);
        }
    }

    pub(super) fn found_folder(&mut self, id: FileId, answer: &Answer<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        if let Answer::Path(path) = answer {
            folder.task.from = path.to_vec();
            folder.state = Listing::Open;
            return self.enter(id);
        }
        let path = shown(&folder.task.from);
        self.fail(&format!("realpath {path}: {}", refused(answer)));
        self.observer.error(&format!(
            "download \"{path}\": path canonicalization failed"
        ));
        self.leave(id);
    }

    /// Makes the folder on this side.
    fn enter(&mut self, id: FileId) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        if folder.task.depth >= DEPTH {
            let text = format!("Maximum directory depth exceeded: {DEPTH} levels");
            self.fail(&text);
            return self.leave(id);
        }
        if folder.task.leads_out(self.options) {
            let path = shown(&folder.task.to);
            self.fail(&format!("mkdir {path}: {LEADS_OUT}"));
            return self.leave(id);
        }
        self.observer.folder(&folder.task.from);
        let attrs = folder.task.attrs.unwrap_or_default();
        let mode = attrs.mode.map_or(0o777, |mode| mode & 0o1777);
        // Files must be made in it, whatever it is to be at the end.
        let first = mode | 0o300;
        let path = as_path(&folder.task.to);
        match DirBuilder::new().mode(first).create(path) {
            Ok(()) => folder.mode = (first != mode).then_some(mode),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => {
                let text = format!("mkdir {}: {}", shown(&folder.task.to), os_error(&why));
                self.fail(&text);
                return self.leave(id);
            }
        }
        folder.times = attrs.times.filter(|_| self.options.preserve);
    }

    pub(super) fn opened_folder(&mut self, id: FileId, answer: &Answer<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        if let Answer::Handle(handle) = answer {
            folder.state = Listing::Reading {
                handle: handle.to_vec(),
                asked: 0,
                ended: self.outcome.interrupted,
            };
            return self.settle_folder(id);
        }
        let path = shown(&folder.task.from);
        folder.state = Listing::Ended;
        self.fail(&format!("remote readdir(\"{path}\"): {}", refused(answer)));
        self.observer
            .error(&format!("remote readdir \"{path}\" failed"));
        self.settle_folder(id);
    }

    pub(super) fn listed(&mut self, id: FileId, answer: Answer<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        let Listing::Reading { asked, ended, .. } = &mut folder.state else {
            return;
        };
        *asked -= 1;
        match answer {
            Answer::Names(names) if names.count() > 0 => {
                if !self.outcome.interrupted {
                    self.entries(id, &names);
                }
            }
            Answer::Refused(_) if !*ended => {
                *ended = true;
                let path = shown(&folder.task.from);
                self.fail(&format!("Couldn't read directory: {}", refused(&answer)));
                self.observer
                    .error(&format!("remote readdir \"{path}\" failed"));
            }
            _ => *ended = true,
        }
        self.settle_folder(id);
    }

    /// Files in a folder.
    fn entries(&mut self, id: FileId, names: &Names<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        let is_top = folder.task.parent.is_none();
        let inner = folder.task.root.clone().filter(|_| !is_top);
        let root = inner.unwrap_or_else(|| folder.task.to.as_slice().into());
        let (mut files, mut bytes) = (0, 0_u64);
        for entry in names.iter() {
            if matches!(entry.name, b"." | b"..") {
                continue;
            }
            if !is_plain_name(entry.name) {
                let (bad, path) = (shown(entry.name), shown(&folder.task.from));
                self.observer.error(&format!(
                    "Server sent suspect path \"{bad}\" during readdir of \"{path}\""
                ));
                self.outcome.failures += 1;
                continue;
            }
            let from = join(&folder.task.from, entry.name);
            let kind = entry.attrs.kind();
            let is_link = kind == Some(FileKind::Symlink);
            let wanted = match kind {
                None | Some(FileKind::Directory | FileKind::Regular) => true,
                Some(FileKind::Symlink) => self.options.follow_links,
                Some(FileKind::Other) => false,
            };
            if !wanted {
                self.observer.note(&not_regular(&from));
                continue;
            }
            let task = Task {
                from,
                to: join(&folder.task.to, entry.name),
                // Of a link, what it points to counts.
                attrs: (!is_link).then_some(entry.attrs),
                parent: Some(id),
                root: Some(Arc::clone(&root)),
                depth: folder.task.depth + 1,
            };
            if kind == Some(FileKind::Directory) {
                if self.queue.folders() == TREES {
                    return self.too_many(id);
                }
                folder.children += 1;
                self.queue.push_folder(task);
            } else {
                folder.children += 1;
                files += 1;
                let size = entry.attrs.size.filter(|_| !is_link).unwrap_or(0);
                bytes = size.saturating_add(bytes);
                self.queue.push_file(task);
            }
        }
        self.observer.found(files, bytes);
    }

    /// More folders than we keep in mind: no more of this one is listed.
    fn too_many(&mut self, id: FileId) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        if let Listing::Reading { ended, .. } = &mut folder.state {
            *ended = true;
        }
        let path = shown(&folder.task.from);
        self.fail(&format!(
            "remote readdir(\"{path}\"): more than {TREES} folders wait"
        ));
    }

    /// Closes a folder whose list has ended, and ends it when all in it is done.
    pub(super) fn settle_folder(&mut self, id: FileId) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        if let Listing::Reading {
            handle,
            asked: 0,
            ended: true,
        } = &mut folder.state
        {
            self.closes.push(std::mem::take(handle));
            folder.state = Listing::Ended;
        }
        if matches!(folder.state, Listing::Ended) && folder.children == 0 {
            self.leave(id);
        }
    }

    /// Gives a folder its mode and times, and ends it.
    fn leave(&mut self, id: FileId) {
        let Some(folder) = self.folders.remove(&id) else {
            return;
        };
        let path = as_path(&folder.task.to);
        if let Some(times) = folder.times
            && let Err(why) = std::fs::File::open(path).and_then(|dir| set_times(&dir, times))
        {
            let (path, why) = (shown(&folder.task.to), os_error(&why));
            self.fail(&format!("local set times on \"{path}\": {why}"));
        }
        if let Some(mode) = folder.mode {
            let mode = std::fs::Permissions::from_mode(mode);
            if let Err(why) = std::fs::set_permissions(path, mode) {
                let (path, why) = (shown(&folder.task.to), os_error(&why));
                self.fail(&format!("local chmod directory \"{path}\": {why}"));
            }
        }
        self.child_done(folder.task.parent);
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
    pub(super) fn drive(&mut self, id: FileId, flow: &mut Flow<'_, Step>) {
        let path = &self.task.from;
        match &mut self.state {
            Listing::Realpath => {
                flow.ask(&Request::Realpath { path }, 0, Step::Realpath(id));
                self.state = Listing::Asked;
            }
            Listing::Open => {
                flow.ask(&Request::Opendir { path }, 0, Step::Opendir(id));
                self.state = Listing::Asked;
            }
            Listing::Reading {
                handle,
                asked,
                ended: false,
            } => {
                while *asked < LISTING {
                    flow.ask(&Request::Readdir { handle }, 0, Step::Readdir(id));
                    *asked += 1;
                }
            }
            Listing::Asked | Listing::Reading { .. } | Listing::Ended => {}
        }
    }
}
