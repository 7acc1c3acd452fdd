//! A local file that a remote one is written to.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Whether writing to `place` would lead out of `root` by a link that is there:
/// not to be done where only the other side chose the name. One that leads
/// nowhere yet counts: who knows where that will be.
pub(crate) fn leads_out(root: &Path, place: &Path) -> bool {
    if !fs::symlink_metadata(place).is_ok_and(|about| about.is_symlink()) {
        return false;
    }
    match (root.canonicalize(), place.canonicalize()) {
        (Ok(root), Ok(to)) => !to.starts_with(root),
        _ => true,
    }
}

/// What is told of a path that [`leads_out`].
pub(crate) const LEADS_OUT: &str = "symbolic link that leads out of the target";

/// A file being written, in any order.
#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    /// Not a device or pipe.
    regular: bool,
    /// How long it was when it was opened: beyond that there is nothing yet,
    /// and zeros need not be written.
    original: u64,
    /// How long it is now.
    len: u64,
    /// The content up to here may be right already.
    doubtful: u64,
    /// The first byte of it that was not.
    different: Option<u64>,
    /// Something was written.
    changed: bool,
}

/// How a file that may be there already is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is emptied.
    Nothing,
    /// It is not.
    All,
    /// It is not, and is also read.
    AllToRead,
}

impl Sink {
    /// Opens a file, or makes it with `mode`.
    pub(super) fn open(path: &Path, mode: u32, keep: Keep) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .read(keep == Keep::AllToRead)
            .create(true)
            .truncate(keep == Keep::Nothing)
            .mode(mode)
            .open(path)?;
        let meta = file.metadata()?;
        let len = if meta.is_file() { meta.len() } else { 0 };
        Ok(Self {
            regular: meta.is_file(),
            file,
            original: len,
            len,
            doubtful: 0,
            different: None,
            changed: false,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether it is a file, and not a device or pipe.
    pub(super) fn is_regular(&self) -> bool {
        self.regular
    }

    /// How long it was when it was opened.
    pub(super) fn original(&self) -> u64 {
        self.original
    }

    /// What was there when it was opened is compared with what is written over
    /// it: only what differs is written.
    pub(super) fn doubt(&mut self) {
        self.doubtful = self.original;
    }

    /// Where the content that was there first differed from what was written.
    pub(super) fn different(&self) -> Option<u64> {
        self.different
    }

    /// Whether all that was written, down to the length, was there already.
    pub(super) fn is_as_before(&self) -> bool {
        !self.changed && self.len == self.original
    }

    /// Writes a piece.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset.saturating_add(data.len() as u64);
        if offset < self.doubtful && self.is_same(offset, data)? {
            return Ok(());
        }
        // A hole reads as zeros. The length is set at the end.
        if self.regular && offset >= self.original && is_zero(data) {
            return Ok(());
        }
        self.changed = true;
        self.file.write_all_at(data, offset)?;
        self.len = self.len.max(end);
        Ok(())
    }

    fn is_same(&mut self, offset: u64, data: &[u8]) -> io::Result<bool> {
        let mut there = vec![0; data.len()];
        let len = read_full(&self.file, offset, &mut there)?;
        let common = there.iter().zip(data).take(len);
        let same = common.take_while(|(a, b)| a == b).count();
        if same == data.len() {
            return Ok(true);
        }
        if same < len {
            let at = offset.saturating_add(same as u64);
            self.different = Some(self.different.map_or(at, |first| first.min(at)));
        }
        Ok(false)
    }

    /// Gives it its length: all of it was written, or all up to there.
    pub(super) fn finish(&mut self, len: u64) -> io::Result<()> {
        if self.regular && self.len != len {
            self.file.set_len(len)?;
            self.len = len;
        }
        Ok(())
    }
}

fn is_zero(data: &[u8]) -> bool {
    // Most data is seen not to be at its first bytes.
    let (head, rest) = data.split_at(data.len().min(16));
    head.iter().all(|b| *b == 0) && rest.iter().all(|b| *b == 0)
}

/// Reads as much as there is, up to the length of `buf`.
pub(super) fn read_full(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(space) = buf.get_mut(len..).filter(|space| !space.is_empty()) {
        match file.read_at(space, offset.saturating_add(len as u64)) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_holes_only_where_nothing_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, b"abcdef").unwrap();
        let mut sink = Sink::open(&path, 0o600, Keep::All).unwrap();
        sink.write(2, &[0, 0]).unwrap();
        sink.write(8, b"x").unwrap();
        sink.write(9, &[0; 3]).unwrap();
        sink.finish(12).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ab\0\0ef\0\0x\0\0\0");
        let mut sink = Sink::open(&path, 0o600, Keep::Nothing).unwrap();
        sink.write(0, &[0; 100]).unwrap();
        sink.finish(100).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [0; 100]);
    }

    #[test]
    fn what_differs_is_noticed_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, b"abcXef").unwrap();
        let mut sink = Sink::open(&path, 0o600, Keep::AllToRead).unwrap();
        sink.doubt();
        sink.write(4, b"efgh").unwrap();
        assert_eq!(sink.different(), None);
        let mut other = Sink::open(&path, 0o600, Keep::AllToRead).unwrap();
        other.doubt();
        other.write(0, b"abc").unwrap();
        assert!(other.is_as_before() && !sink.is_as_before());
        sink.write(0, b"abcd").unwrap();
        assert_eq!(sink.different(), Some(3));
        sink.finish(8).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcdefgh");
    }
}
