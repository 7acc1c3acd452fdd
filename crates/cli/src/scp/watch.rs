//! What the user sees of copies over SFTP.

use super::args::Args;
use crate::log::{error, info};
use crate::transfer::progress::Meter;
use crate::transfer::{Begin, FileId, Observer};

/// Shows how far a job is, and what fails.
pub(super) struct Watch(Meter);

impl Watch {
    pub(super) fn new(args: &Args) -> Self {
        Self(Meter::new(!args.quiet))
    }
}

impl Observer for Watch {
    fn found(&mut self, files: u64, bytes: u64) {
        self.0.found(files, bytes);
    }

    fn begin(&mut self, file: FileId, begin: Begin<'_>) {
        let name = begin.from.rsplit(|b| *b == b'/').next();
        self.0
            .begin(file, name.unwrap_or(begin.from), begin.size, begin.already);
    }

    fn moved(&mut self, file: FileId, bytes: u64) {
        self.0.moved(file, bytes);
    }

    fn end(&mut self, file: FileId, whole: bool) {
        self.0.end(file, whole);
    }

    fn error(&mut self, text: &str) {
        self.0.clear();
        error!("{text}");
    }

    fn note(&mut self, text: &str) {
        self.0.clear();
        info!("{text}");
    }

    fn tick(&mut self) {
        self.0.tick();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.finish();
    }
}
