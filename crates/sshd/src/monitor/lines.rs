//! Log lines of processes that are not trusted: escaped, cut, and bounded in
//! number, so that they can neither forge nor flood the log.

use std::time::{Duration, Instant};

use crate::log::{self, Level};
use crate::rpc::preauth::Line;

/// Lines at once, and per second after that.
const BURST: u32 = 2000;
const PER_SECOND: u32 = 200;

/// The lines of one process.
#[derive(Debug)]
pub struct Lines {
    burst: u32,
    per_second: u32,
    left: u32,
    since: Instant,
    dropped: u64,
}

impl Lines {
    /// None written yet.
    pub fn new(now: Instant) -> Self {
        Self::bounded(now, BURST, PER_SECOND)
    }

    /// With bounds of their own.
    pub fn bounded(now: Instant, burst: u32, per_second: u32) -> Self {
        Self {
            burst,
            per_second,
            left: burst,
            since: now,
            dropped: 0,
        }
    }

    /// Writes a line, with `mark` behind it, unless there were too many.
    pub fn write(&mut self, line: &Line, mark: &str, now: Instant) {
        if !self.admit(now) {
            self.dropped += 1;
            return;
        }
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            log::write(
                Level::Info,
                format_args!("{dropped} log lines dropped{mark}"),
            );
        }
        // What ends this process is not for another to say.
        let level = Level::from_number(line.level).max(Level::Error);
        log::write(level, format_args!("{}{mark}", line.text));
    }

    fn admit(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        if passed >= Duration::from_secs(1) {
            let seconds = u32::try_from(passed.as_secs()).unwrap_or(u32::MAX);
            self.left = self
                .left
                .saturating_add(seconds.saturating_mul(self.per_second))
                .min(self.burst);
            self.since = now;
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_time_lets_lines_through_again() {
        let start = Instant::now();
        let mut lines = Lines::new(start);
        assert_eq!(
            (0..BURST * 3).filter(|_| lines.admit(start)).count(),
            BURST as usize
        );
        let later = start + Duration::from_secs(2);
        assert_eq!(
            (0..BURST * 3).filter(|_| lines.admit(later)).count(),
            2 * PER_SECOND as usize
        );
    }
}
