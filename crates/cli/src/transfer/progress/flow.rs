//! How far a file is, or all of a job, and that as a line.

use std::collections::VecDeque;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Over how long a rate is the average.
const WINDOW: Duration = Duration::from_secs(5);
/// After how long without a byte a transfer is told to stall.
const STALL: Duration = Duration::from_secs(5);
/// What a line has beside the name.
const FIGURES: usize = 34;

/// How far something is, and how fast.
pub(super) struct Flow {
    began: Duration,
    /// What was there before, and took no time.
    already: u64,
    pub(super) done: u64,
    pub(super) size: u64,
    /// When how much was done, over the last [`WINDOW`].
    samples: VecDeque<(Duration, u64)>,
    /// When it last went on.
    went_on: Duration,
}

impl Flow {
    pub(super) fn new(now: Duration, size: u64, already: u64) -> Self {
        let mut flow = Self {
            began: now,
            already: 0,
            done: 0,
            size,
            samples: VecDeque::new(),
            went_on: now,
        };
        flow.skip(already);
        flow
    }

    pub(super) fn start(&mut self, now: Duration) {
        (self.began, self.went_on) = (now, now);
    }

    /// So much is there without having moved.
    pub(super) fn skip(&mut self, bytes: u64) {
        self.already = self.already.saturating_add(bytes);
        self.done = self.done.saturating_add(bytes);
        for (_, done) in &mut self.samples {
            *done = done.saturating_add(bytes);
        }
    }

    /// So much more is there.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
    }

    /// `name  43% 1275KB 721.0KB/s   00:02 ETA`, to the terminal's last
    /// column but one.
    pub(super) fn line(&mut self, name: &str, now: Duration, width: usize, over: bool) -> String {
        let rate = if over {
            per_second(self.done - self.already, now.saturating_sub(self.began))
        } else {
            self.rate(now)
        };
        let percent = match self.size {
            0 => 100,
            size => u128::from(self.done) * 100 / u128::from(size),
        };
        let time = self.time(now, rate, over);
        let line = width.saturating_sub(1);
        let name = fit(name, line.saturating_sub(FIGURES));
        let (percent, amount, rate) = (percent.min(100), amount(self.done), rate_text(rate));
        fit(
            &format!("{name} {percent:>3}% {amount} {rate}/s {time}"),
            line,
        )
    }

    /// Bytes a second of late.
    fn rate(&mut self, now: Duration) -> u64 {
        if self
            .samples
            .back()
            .is_some_and(|(_, done)| *done != self.done)
        {
            self.went_on = now;
        }
        while self.samples.len() > 1 && self.samples[1].0 + WINDOW < now {
            self.samples.pop_front();
        }
        let (since, done) = *self.samples.front().unwrap_or(&(self.began, self.already));
        self.samples.push_back((now, self.done));
        per_second(self.done - done, now.saturating_sub(since))
    }

    /// Eleven columns: how long it will take, or how long it took.
    fn time(&self, now: Duration, rate: u64, over: bool) -> String {
        let left = self.size.saturating_sub(self.done);
        let seconds = if over {
            now.saturating_sub(self.began).as_secs()
        } else if now >= self.went_on + STALL {
            return "- stalled -".into();
        } else if left > 0 && rate == 0 {
            return "  --:-- ETA".into();
        } else {
            left.checked_div(rate).unwrap_or(0)
        };
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let clock = match hours {
            0 => format!("  {minutes:02}:{seconds:02}"),
            1..=9 => format!("{hours}:{minutes:02}:{seconds:02}"),
            _ => format!("{hours:>5}h "),
        };
        clock + if over { "    " } else { " ETA" }
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    let per = u128::from(bytes) * 1_000_000 / time.as_micros().max(1);
    u64::try_from(per).unwrap_or(u64::MAX)
}

const UNITS: [&str; 7] = ["  ", "KB", "MB", "GB", "TB", "PB", "EB"];

/// Six columns: bytes in at most four digits.
fn amount(bytes: u64) -> String {
    let (mut bytes, mut unit) = (bytes, 0);
    while bytes >= 10_000 {
        bytes = (bytes + 512) / 1024;
        unit += 1;
    }
    format!("{bytes:>4}{}", UNITS[unit])
}

/// Seven columns: bytes a second, in KB at least.
fn rate_text(rate: u64) -> String {
    let (mut hundredths, mut unit) = (u128::from(rate) * 100, 0);
    while hundredths >= 100_000 || unit == 0 {
        hundredths = (hundredths + 512) / 1024;
        unit += 1;
    }
    let tenths = (hundredths + 5) / 10;
    format!("{:>3}.{}{}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A text in just so many columns: cut, or with blanks behind it.
fn fit(text: &str, width: usize) -> String {
    let mut out = text.to_owned();
    let mut have = text.width();
    while have > width {
        have -= out.pop().and_then(|c| c.width()).unwrap_or(0);
    }
    out.push_str(&" ".repeat(width - have));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    /// Lines of OpenSSH 10.0's sftp.
    #[test]
    fn lines_as_people_know_them() {
        let mut flow = Flow::new(Duration::ZERO, 6, 0);
        assert_eq!(
            flow.line("a", Duration::ZERO, 60, false),
            "a                           0%    0     0.0KB/s   --:-- ETA"
        );
        flow.done = 6;
        assert_eq!(
            flow.line("a", 279 * MS, 60, true),
            "a                         100%    6     0.0KB/s   00:00    "
        );
        let mut flow = Flow::new(Duration::ZERO, 3_000_000, 0);
        flow.done = 1_305_600;
        assert_eq!(
            flow.line("big", 1_768_000 * MS / 1000, 60, false),
            "big                        43% 1275KB 721.2KB/s   00:02 ETA"
        );
        flow.done = 3_000_000;
        assert_eq!(
            flow.line("big", 5_150 * MS, 60, true),
            "big                       100% 2930KB 568.9KB/s   00:05    "
        );
    }

    #[test]
    fn amounts_and_rates() {
        for (bytes, want) in [
            (0, "   0  "),
            (9999, "9999  "),
            (10_000, "  10KB"),
            (10_239_487, "9999KB"),
            (10_239_488, "  10MB"),
            (u64::MAX - 600, "  16EB"),
        ] {
            assert_eq!(amount(bytes), want);
        }
        for (rate, want) in [
            (0, "  0.0KB"),
            (100, "  0.1KB"),
            (1024, "  1.0KB"),
            (763_494, "745.6KB"),
            (1_023_000, "999.0KB"),
            (1_024_000, "  1.0MB"),
            (104_543_027, " 99.7MB"),
            (u64::MAX, " 16.0EB"),
        ] {
            assert_eq!(rate_text(rate), want, "{rate}");
        }
    }

    #[test]
    fn names_are_cut_and_filled_by_columns() {
        assert_eq!(fit("abc", 2), "ab");
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("\u{65e5}\u{672c}", 3), "\u{65e5} ");
        assert_eq!(fit("e\u{301}x", 1), "e\u{301}");
        let mut flow = Flow::new(Duration::ZERO, 6, 0);
        for width in 0..200 {
            let line = flow.line("\u{65e5}\u{672c} name", Duration::ZERO, width, false);
            assert_eq!(line.width(), width.saturating_sub(1));
        }
    }

    #[test]
    fn the_rate_is_that_of_late() {
        let mut flow = Flow::new(Duration::ZERO, 1 << 40, 0);
        for second in 1..=20_u32 {
            flow.done += if second <= 10 { 1 << 20 } else { 2 << 20 };
            flow.rate(second * SECOND);
        }
        flow.done += 2 << 20;
        assert_eq!(flow.rate(21 * SECOND), 2 << 20);
    }

    #[test]
    fn what_does_not_move_stalls() {
        let mut flow = Flow::new(Duration::ZERO, 100, 0);
        let stalls = |flow: &mut Flow, at| flow.line("a", at, 80, false).contains("stalled");
        flow.done = 10;
        assert!(!stalls(&mut flow, SECOND));
        assert!(!stalls(&mut flow, 4 * SECOND));
        assert!(stalls(&mut flow, 6 * SECOND));
        flow.done = 11;
        assert!(!stalls(&mut flow, 7 * SECOND));
        assert!(stalls(&mut flow, 12 * SECOND));
    }

    #[test]
    fn what_was_there_before_makes_nothing_faster() {
        let mut flow = Flow::new(Duration::ZERO, 2000, 1000);
        flow.done += 500;
        assert_eq!(flow.rate(SECOND), 500);
        assert!(flow.line("a", SECOND, 80, false).contains(" 75% "));
    }

    #[test]
    fn long_times_keep_the_line() {
        for (seconds, want) in [
            (59, "  00:59 ETA"),
            (3599, "  59:59 ETA"),
            (35_999, "9:59:59 ETA"),
            (36_000, "   10h  ETA"),
            (360_000_000, "100000h  ETA"),
        ] {
            let flow = Flow::new(Duration::ZERO, seconds, 0);
            assert_eq!(flow.time(Duration::ZERO, 1, false), want);
        }
    }
}
