//! What a get or a put has yet to begin: what was asked for, in that order, and
//! before it what was found in folders.

use std::collections::{HashSet, VecDeque};
use std::iter::Enumerate;
use std::slice::Iter;

use super::jobs::{AHEAD, FOLDERS};
use super::{FileId, Item, Observer};

/// A file or folder that waits for its turn.
pub(super) trait Task {
    /// What was asked for.
    fn of(item: &Item) -> Self;
    /// Where it goes.
    fn to(&self) -> &[u8];
    /// The folder that it was found in.
    fn parent(&self) -> Option<FileId>;
}

/// Whose turn it is.
pub(super) enum Next<T> {
    Folder(T),
    /// What it is may not be known yet.
    File(T),
}

/// All that waits.
pub(super) struct Queue<'a, T> {
    items: Enumerate<Iter<'a, Item>>,
    /// Files that were found.
    files: VecDeque<T>,
    /// Folders that were found; the last one comes first.
    folders: Vec<T>,
    /// What is written now: no two files may go to the same place at once.
    targets: HashSet<Vec<u8>>,
}

impl<'a, T: Task> Queue<'a, T> {
    pub(super) fn new(items: &'a [Item]) -> Self {
        Self {
            items: items.iter().enumerate(),
            files: VecDeque::new(),
            folders: Vec::new(),
            targets: HashSet::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty() && self.items.len() == 0
    }

    /// Whether so much waits that nothing more is to be looked for.
    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= AHEAD
    }

    /// How many folders wait.
    pub(super) fn folders(&self) -> usize {
        self.folders.len()
    }

    pub(super) fn push_file(&mut self, task: T) {
        self.files.push_back(task);
    }

    pub(super) fn push_folder(&mut self, task: T) {
        self.folders.push(task);
    }

    /// What comes next, while `listing` folders are looked into, and if there
    /// is `room` for a file, or only for a folder.
    pub(super) fn next(
        &mut self,
        listing: usize,
        room: bool,
        observer: &mut dyn Observer,
    ) -> Option<Next<T>> {
        if listing < FOLDERS
            && self.files.len() < AHEAD / 4
            && let Some(task) = self.folders.pop()
        {
            return Some(Next::Folder(task));
        }
        if !room {
            return None;
        }
        let task = match self.files.pop_front() {
            Some(task) => task,
            None if listing > 0 || !self.folders.is_empty() => return None,
            None => {
                let (index, item) = self.items.next()?;
                observer.item(index);
                T::of(item)
            }
        };
        if self.targets.contains(task.to()) {
            // The one that comes last stays, as if one came after the other.
            self.files.push_front(task);
            return None;
        }
        Some(Next::File(task))
    }

    /// A file is written at this place from now on.
    pub(super) fn begun(&mut self, to: &[u8]) {
        self.targets.insert(to.to_vec());
    }

    /// And no more.
    pub(super) fn ended(&mut self, to: &[u8]) {
        self.targets.remove(to);
    }

    /// Gives up all that waits: of each that was found in a folder, which.
    pub(super) fn give_up(&mut self) -> Vec<FileId> {
        self.items = [].iter().enumerate();
        let waiting = self.files.drain(..).chain(self.folders.drain(..));
        waiting.filter_map(|task| task.parent()).collect()
    }
}
