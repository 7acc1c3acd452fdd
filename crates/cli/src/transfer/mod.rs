//! Files over SFTP, for the programs: a conversation with a server over the
//! pipes of an `ssh` child, and jobs that move files and trees.
//!
//! - [`connect`]: the `ssh` child, or a local server.
//! - [`link`]: its pipes.
//! - [`cross()`]: from one server to another.
//! - [`glob`]: names from patterns, here and there.
//! - [`option`]: the flags that the programs share, and [`pace`] what `-l` does.
//! - [`progress`]: what the user sees of a job.
//! - [`Remote`]: one question after the other ([`ask`]).
//! - [`Remote::get`] and [`Remote::put`]: many files at once, told of by an
//!   [`Observer`].
//!
//! What a hostile server can do is to send wrong content, refuse, or be silent.
//! A name in a folder listing that is not a plain name is refused, so nothing
//! is written outside of the folder that was named as the target; gets make no
//! symbolic links, and follow none out of it; what it says is shown with control
//! characters made visible.

mod ask;
pub(crate) mod connect;
mod cross;
mod fault;
mod get;
pub(crate) mod glob;
mod jobs;
mod link;
mod local;
pub(crate) mod option;
pub(crate) mod pace;
pub(crate) mod progress;
mod put;
mod queue;
mod remote;
mod verify;

pub(crate) use cross::cross;
pub(crate) use fault::{Fault, Lost};
pub(crate) use link::Link;
pub(crate) use local::{LEADS_OUT, leads_out};
pub(crate) use remote::{Kept, Remote};

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use carrick_sftp::msg::Attrs;

use crate::log::{error, info};

/// A file or tree that is to be moved.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Where it is: a remote path for a get, a local one for a put.
    pub from: Vec<u8>,
    /// Where it goes: exactly there, not into a folder of that name.
    pub to: Vec<u8>,
    /// What is known of the remote file; a get asks if that is nothing.
    pub attrs: Option<Attrs>,
    /// Of a get whose name the server chose: the folder on this side that it
    /// must not leave by a link that is there.
    pub below: Option<Arc<[u8]>>,
}

/// How the content that is already there is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Resume {
    /// It is replaced.
    #[default]
    No,
    /// It is compared with what it should be: by its hashes if the server has
    /// `check-file`, else by reading it. From the first difference on it is
    /// moved again.
    Verified,
    /// It is believed.
    Blind,
}

/// How files are moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Folders with all that is in them (`-r`).
    pub recursive: bool,
    /// With times and modes (`-p`).
    pub preserve: bool,
    /// Goes on where an earlier transfer ended (`-a`).
    pub resume: Resume,
    /// Flushed to the disk before it counts as done (`-f`).
    pub fsync: bool,
    /// In trees, links to files are taken as files: `scp`, but not `sftp`.
    pub follow_links: bool,
    /// Files that are there are overwritten in place and cut at the end, not
    /// emptied first: `scp`, whose source may be its target.
    pub in_place: bool,
    /// Links on this side are followed wherever they lead, and not only to where
    /// the target is.
    pub leave_target: bool,
}

/// What a job came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Files that arrived whole.
    pub files: u64,
    /// Bytes that were moved.
    pub bytes: u64,
    /// What failed; each was told to the observer.
    pub failures: u64,
    /// It was stopped by [`Observer::interrupted`].
    pub interrupted: bool,
}

impl Outcome {
    /// Whether all went well.
    pub(crate) fn is_success(&self) -> bool {
        self.failures == 0 && !self.interrupted
    }
}

/// Which file of a job is meant: counted from 0, in the order of beginning.
pub(crate) type FileId = u64;

/// A file whose content begins to move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begin<'a> {
    /// Its path at the source.
    pub from: &'a [u8],
    /// Its size, as far as is known.
    pub size: u64,
    /// So much of it is there already and does not move.
    pub already: u64,
}

/// Who is told how a job goes. Small files move many at a time, so files begin
/// and end between each other.
pub(crate) trait Observer {
    /// The item with this index in the list comes next.
    fn item(&mut self, _index: usize) {}
    /// A folder of a tree is entered: its path at the source.
    fn folder(&mut self, _from: &[u8]) {}
    /// So much more is there to do than was known.
    fn found(&mut self, _files: u64, _bytes: u64) {}
    /// The content of a file begins to move.
    fn begin(&mut self, _file: FileId, _begin: Begin<'_>) {}
    /// So many more bytes of it are at the target.
    fn moved(&mut self, _file: FileId, _bytes: u64) {}
    /// It is finished, whole or not.
    fn end(&mut self, _file: FileId, _whole: bool) {}
    /// Something failed, in words for people; the job goes on.
    fn error(&mut self, text: &str) {
        error!("{text}");
    }
    /// Something that people may want to know.
    fn note(&mut self, text: &str) {
        info!("{text}");
    }
    /// Whether to stop: what has begun is left such that it can be resumed.
    /// Asked often.
    fn interrupted(&mut self) -> bool {
        false
    }
    /// Called at least once a second.
    fn tick(&mut self) {}
}

/// A path in what is told of it.
pub(crate) fn shown(path: &[u8]) -> String {
    crate::text::logged(path)
}

/// A path as the system takes it.
pub(crate) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A name in a folder, as a path.
pub(crate) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = folder.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

#[cfg(test)]
mod tests;
