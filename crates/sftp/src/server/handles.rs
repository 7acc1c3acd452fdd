//! Handles: what a client calls its open files and folders.
//!
//! A handle is a place in a table and how often that place has been used
//! before, so that one that was closed never means what was opened later.

use super::backend::{Failure, Result};
use crate::msg::Code;

/// The length of a handle.
pub const LEN: usize = 8;

/// What is open.
pub(crate) enum Opened<F, D> {
    /// A file.
    File(OpenFile<F>),
    /// A folder.
    Dir(D),
}

/// An open file.
pub(crate) struct OpenFile<F> {
    /// The backend's.
    pub(crate) file: F,
    /// Bytes read.
    pub(crate) read: u64,
    /// Bytes written.
    pub(crate) written: u64,
}

/// Something open, and by what path.
pub(crate) struct Entry<F, D> {
    /// As the client named it.
    pub(crate) path: Vec<u8>,
    /// What it is.
    pub(crate) opened: Opened<F, D>,
}

struct Place<F, D> {
    /// How often it has been used.
    generation: u32,
    entry: Option<Entry<F, D>>,
}

/// All that is open.
pub(crate) struct Handles<F, D> {
    places: Vec<Place<F, D>>,
    /// Places that are free.
    free: Vec<u32>,
    most: usize,
}

/// A place in the table, by a handle that holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(u32);

impl At {
    /// For the log.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<F, D> Handles<F, D> {
    /// None open, and never more than `most`.
    pub(crate) fn new(most: u64) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    /// Whether no more can be opened.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.places.len() >= self.most
    }

    /// Takes something in: where it is, and its handle.
    pub(crate) fn add(&mut self, entry: Entry<F, D>) -> Result<(At, [u8; LEN])> {
        if self.is_full() {
            return Err(Code::FAILURE.into());
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None => u32::try_from(self.places.len()).map_err(|_| Failure::from(Code::FAILURE))?,
        };
        let at = At(number);
        if at.index() >= self.places.len() {
            self.places.push(Place {
                generation: 0,
                entry: None,
            });
        }
        let place = self.places.get_mut(at.index());
        let place = place.ok_or_else(|| Failure::from(Code::FAILURE))?;
        place.entry = Some(entry);
        let mut handle = [0; LEN];
        let (first, second) = handle.split_at_mut(LEN / 2);
        first.copy_from_slice(&number.to_be_bytes());
        second.copy_from_slice(&place.generation.to_be_bytes());
        Ok((at, handle))
    }

    /// Where a handle leads; nowhere if it was never given or is closed.
    pub(crate) fn find(&self, handle: &[u8]) -> Option<At> {
        let (number, generation) = handle.split_first_chunk::<4>()?;
        let generation = <[u8; 4]>::try_from(generation).ok()?;
        let at = At(u32::from_be_bytes(*number));
        let place = self.places.get(at.index())?;
        let holds = place.generation == u32::from_be_bytes(generation) && place.entry.is_some();
        holds.then_some(at)
    }

    /// What is there.
    pub(crate) fn get(&self, at: At) -> Option<&Entry<F, D>> {
        self.places.get(at.index())?.entry.as_ref()
    }

    /// What is there, to be changed.
    pub(crate) fn get_mut(&mut self, at: At) -> Option<&mut Entry<F, D>> {
        self.places.get_mut(at.index())?.entry.as_mut()
    }

    /// An open file.
    pub(crate) fn file(&self, at: Option<At>) -> Option<&OpenFile<F>> {
        match &self.get(at?)?.opened {
            Opened::File(file) => Some(file),
            Opened::Dir(_) => None,
        }
    }

    /// An open file, to be changed.
    pub(crate) fn file_mut(&mut self, at: Option<At>) -> Option<&mut OpenFile<F>> {
        match &mut self.get_mut(at?)?.opened {
            Opened::File(file) => Some(file),
            Opened::Dir(_) => None,
        }
    }

    /// The path of what is there, for log lines.
    pub(crate) fn path(&self, at: Option<At>) -> &[u8] {
        let entry = at.and_then(|at| self.get(at));
        entry.map_or(b"(null)", |entry| &entry.path)
    }

    /// Takes it out: its handle holds no more.
    pub(crate) fn remove(&mut self, at: At) -> Option<Entry<F, D>> {
        let place = self.places.get_mut(at.index())?;
        let entry = place.entry.take()?;
        // A place that has been used as often as can be counted is not used again.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.free.push(at.0);
        }
        Some(entry)
    }

    /// Takes out all that is open, in order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry<F, D>> {
        self.free.clear();
        self.places.drain(..).filter_map(|place| place.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(n: u64) -> Entry<u64, ()> {
        let file = OpenFile {
            file: n,
            read: 0,
            written: 0,
        };
        Entry {
            path: Vec::new(),
            opened: Opened::File(file),
        }
    }

    fn content(handles: &Handles<u64, ()>, handle: &[u8]) -> Option<u64> {
        match handles.get(handles.find(handle)?)?.opened {
            Opened::File(OpenFile { file, .. }) => Some(file),
            Opened::Dir(()) => None,
        }
    }

    #[test]
    fn there_are_never_more_than_may_be() {
        let mut handles = Handles::new(2);
        let (first, _) = handles.add(entry(1)).unwrap();
        handles.add(entry(2)).unwrap();
        assert!(handles.is_full() && handles.add(entry(3)).is_err());
        handles.remove(first).unwrap();
        assert!(!handles.is_full());
        handles.add(entry(4)).unwrap();
        assert!(handles.is_full());
    }

    proptest! {
        #[test]
        fn a_handle_means_one_thing_as_long_as_it_is_open(steps: Vec<(bool, prop::sample::Index)>) {
            let mut handles = Handles::new(5);
            // Every handle ever given, and what it stands for while it is open.
            let mut given: Vec<([u8; LEN], Option<u64>)> = Vec::new();
            for (n, (open, which)) in steps.into_iter().enumerate() {
                let n = u64::try_from(n).unwrap();
                if open {
                    let held = given.iter().filter(|(_, content)| content.is_some()).count();
                    match handles.add(entry(n)) {
                        Ok((_, handle)) => given.push((handle, Some(n))),
                        Err(_) => prop_assert_eq!(held, 5),
                    }
                } else if !given.is_empty() {
                    let (handle, content) = which.get(&given);
                    let at = handles.find(handle);
                    prop_assert_eq!(at.is_some(), content.is_some());
                    let closed = *handle;
                    at.and_then(|at| handles.remove(at));
                    given.iter_mut().filter(|(known, _)| *known == closed).for_each(|(_, c)| *c = None);
                }
                for (handle, expected) in &given {
                    prop_assert_eq!(content(&handles, handle), *expected);
                }
            }
            let open = given.iter().filter(|(_, content)| content.is_some()).count();
            prop_assert_eq!(handles.drain().count(), open);
        }

        #[test]
        fn what_is_no_handle_leads_nowhere(bytes: Vec<u8>) {
            let mut handles = Handles::new(5);
            let (_, handle) = handles.add(entry(1)).unwrap();
            prop_assert_eq!(handles.find(&bytes).is_some(), bytes == handle);
        }
    }
}
