//! A legacy conversation with all that both halves of it need.

use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::meter::Meter;
use super::peer::Peer;
use crate::transfer::pace::Pace;

/// That `path` is a folder, or what is wrong.
pub(super) fn is_folder(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(Errno::NOTDIR.into())
    }
}

/// What is wanted of a copy.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    pub(super) recursive: bool,
    /// Times and modes are kept.
    pub(super) preserve: bool,
    /// The target must be a folder.
    pub(super) to_folder: bool,
    /// Names that come need not be those asked for.
    pub(super) trusting: bool,
    pub(super) verbose: bool,
}

/// A conversation about files.
pub(super) struct Talk {
    pub(super) peer: Peer,
    pub(super) how: How,
    pub(super) meter: Meter,
    pub(super) pace: Option<Pace>,
}

impl Talk {
    /// So much of a file was moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.meter.moved(bytes as u64);
        if let Some(pace) = &mut self.pace {
            pace.passed(bytes);
        }
    }
}
