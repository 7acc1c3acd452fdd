//! How far a file is: what the user sees of a legacy conversation.

use crate::transfer::progress;

/// The one file that is under way.
const FILE: u64 = 0;

/// Shows one file after the other.
pub(super) struct Meter(progress::Meter);

impl Meter {
    /// One that shows something if that is wanted and there is a terminal.
    pub(super) fn new(wanted: bool) -> Self {
        Self(progress::Meter::new(wanted))
    }

    pub(super) fn begin(&mut self, name: &[u8], size: u64) {
        self.0.begin(FILE, name, size, 0);
    }

    pub(super) fn moved(&mut self, bytes: u64) {
        self.0.moved(FILE, bytes);
    }

    pub(super) fn end(&mut self) {
        self.0.end(FILE, true);
        self.0.finish();
    }
}
