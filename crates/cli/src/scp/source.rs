//! The sending half of the legacy protocol.
//!
//! Symbolic links are followed, as rcp did. What cannot be read is told of
//! and left out; a file that fails in the middle is filled up with zeros, so
//! that both ends still agree where the next record begins, and then reported.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::peer::{BLOCK, Ended};
use super::record;
use super::talk::Talk;
use crate::text::{err, os_error, printable_bytes};

/// The bits of a mode that are told.
const MODE_BITS: u32 = 0o6777;
/// The longest path that is looked at (`PATH_MAX`).
const MAX_PATH: usize = 4096;

impl Talk {
    /// Sends files, and folders if those are wanted too. What fails is told.
    pub(super) fn send_all<'a>(
        &mut self,
        paths: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<(), Ended> {
        for path in paths {
            self.send_one(path.as_bytes())?;
        }
        Ok(())
    }

    fn send_one(&mut self, path: &[u8]) -> Result<(), Ended> {
        let path = without_slashes(path);
        // Not to wait for whoever might open the other end of a fifo.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(OsStr::from_bytes(path))
            .and_then(|file| file.metadata().map(|about| (file, about)));
        let (file, about) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                self.peer.complain_of(path, &os_error(&e));
                return Ok(());
            }
        };
        let mut shown = Vec::new();
        record::push_name(&mut shown, path);
        if about.is_file() {
            self.send_file(&shown, file, &about)
        } else if about.is_dir() && self.how.recursive {
            drop(file);
            self.send_folder(path, &shown, &about)
        } else {
            self.peer.complain_of(&shown, "not a regular file");
            Ok(())
        }
    }

    fn send_file(&mut self, path: &[u8], file: File, about: &Metadata) -> Result<(), Ended> {
        let name = last_of(path);
        if self.how.preserve && !self.send_times(about)? {
            return Ok(());
        }
        let line = record::entry_line(false, about.mode() & MODE_BITS, about.len(), name);
        self.tell("Sending file modes: ", &line);
        self.peer.send(&line)?;
        if !self.peer.agrees()? {
            return Ok(());
        }
        self.meter.begin(name, about.len());
        let read = self.send_content(file, about.len());
        let read = read.inspect_err(|_| self.meter.end())?;
        match read {
            Ok(()) => self.peer.agree(),
            Err(e) => self.peer.complain_of(path, &os_error(&e)),
        }
        let taken = self.peer.agrees();
        self.meter.end();
        taken.map(drop)
    }

    /// Sends `size` bytes, whatever the file has: how reading them went.
    fn send_content(&mut self, mut file: File, size: u64) -> Result<io::Result<()>, Ended> {
        let mut outcome = Ok(());
        let mut buffer = vec![
            0;
            self.piece()
                .min(usize::try_from(size).unwrap_or(usize::MAX))
        ];
        let mut left = size;
        while left > 0 {
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut got = most;
            if outcome.is_ok() {
                match file.read(&mut buffer[..most]) {
                    Ok(0) => outcome = Err(io::Error::other("file became shorter")),
                    Ok(n) => got = n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => outcome = Err(e),
                }
                if outcome.is_err() {
                    buffer.fill(0);
                }
            }
            self.peer.send(&buffer[..got])?;
            left -= got as u64;
            self.moved(got);
        }
        Ok(outcome)
    }

    fn send_folder(&mut self, path: &[u8], shown: &[u8], about: &Metadata) -> Result<(), Ended> {
        // All names first: not a descriptor for each level of a deep tree.
        let names: io::Result<Vec<_>> = fs::read_dir(OsStr::from_bytes(path))
            .and_then(|entries| entries.map(|e| Ok(e?.file_name())).collect());
        let names = match names {
            Ok(names) => names,
            Err(e) => {
                self.peer.complain_of(shown, &os_error(&e));
                return Ok(());
            }
        };
        if self.how.preserve && !self.send_times(about)? {
            return Ok(());
        }
        let line = record::entry_line(true, about.mode() & MODE_BITS, 0, last_of(shown));
        self.tell("Entering directory: ", &line);
        self.peer.send(&line)?;
        if !self.peer.agrees()? {
            return Ok(());
        }
        for name in names {
            let inner = Path::new(OsStr::from_bytes(path)).join(&name);
            if inner.as_os_str().len() >= MAX_PATH {
                let inner = inner.as_os_str().as_bytes();
                self.peer.complain_of(inner, "name too long");
                continue;
            }
            self.send_one(inner.as_os_str().as_bytes())?;
        }
        self.peer.send(b"E\n")?;
        self.peer.agrees().map(drop)
    }

    /// Tells when a file was changed and read; whether the other end agrees.
    fn send_times(&mut self, about: &Metadata) -> Result<bool, Ended> {
        if self.how.verbose {
            let (changed, read) = (about.mtime(), about.atime());
            err!("File mtime {changed} atime {read}\n");
        }
        let line = record::times_line(about.mtime(), about.atime());
        self.tell("Sending file timestamps: ", &line);
        self.peer.send(&line)?;
        self.peer.agrees()
    }

    /// How much of a file is moved at once.
    fn piece(&self) -> usize {
        if self.pace.is_some() {
            crate::transfer::pace::PIECE
        } else {
            BLOCK
        }
    }

    /// Shows a record that is sent, with `-v`.
    fn tell(&self, what: &str, line: &[u8]) {
        if self.how.verbose {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            err!("{what}{}\n", printable_bytes(line));
        }
    }
}

/// A path without the slashes at its end.
pub(super) fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(1, |at| at + 1);
    path.get(..end).unwrap_or(path)
}

/// The last part of a path.
fn last_of(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/').next().unwrap_or(path)
}
