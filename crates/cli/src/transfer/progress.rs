//! The progress meter: a bar per file as people know it from OpenSSH, and when
//! a job has several files, a line of the same form for all of it.
//!
//! [`Meter`] is what programs hold: it asks the clock and the terminal, and
//! writes. [`Display`] keeps the books and makes the text; it is handed the
//! time. Bytes are only counted as they move; lines are made a few times a
//! second.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::time::{Duration, Instant};

use carrick_sys::tty;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::FileId;
use crate::text::shown;

/// How long lines stand before they are made anew.
const REDRAW: Duration = Duration::from_millis(200);
/// Over how long a rate is the average.
const WINDOW: Duration = Duration::from_secs(5);
/// After how long without a byte a transfer is told to stall.
const STALL: Duration = Duration::from_secs(5);
/// What a line has beside the name.
const FIGURES: usize = 34;
/// The width of a terminal that does not tell.
const WIDTH: usize = 80;

/// What the terminal shows of a job.
pub(crate) struct Meter {
    /// `None` shows nothing.
    display: Option<Display>,
    began: Instant,
}

impl Meter {
    /// A meter that shows something if that is wanted and standard output is a
    /// terminal.
    pub(crate) fn new(wanted: bool) -> Self {
        let on = wanted && tty::is_terminal(rustix::stdio::stdout());
        let moves = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        Self {
            display: on.then(|| Display::new(moves)),
            began: Instant::now(),
        }
    }

    /// The job has so much more to do.
    pub(crate) fn found(&mut self, files: u64, bytes: u64) {
        if let Some(display) = &mut self.display {
            display.found(files, bytes);
        }
    }

    /// The content of a file begins to move, of which `already` bytes are
    /// there.
    pub(crate) fn begin(&mut self, file: FileId, name: &[u8], size: u64, already: u64) {
        let now = self.began.elapsed();
        if let Some(display) = &mut self.display {
            display.begin(now, file, name, size, already);
        }
        self.redraw();
    }

    /// So many more bytes of it have moved.
    pub(crate) fn moved(&mut self, file: FileId, bytes: u64) {
        if let Some(display) = &mut self.display {
            display.moved(file, bytes);
            self.redraw();
        }
    }

    /// It is finished, whole or not.
    pub(crate) fn end(&mut self, file: FileId, whole: bool) {
        let now = self.began.elapsed();
        if let Some(display) = &mut self.display {
            display.end(now, width(), file, whole);
            if display.is_idle() {
                self.draw();
            } else {
                self.redraw();
            }
        }
    }

    /// Time passes.
    pub(crate) fn tick(&mut self) {
        self.redraw();
    }

    /// Makes room for other output: what has been drawn is gone or stays
    /// behind as lines.
    pub(crate) fn clear(&mut self) {
        if let Some(display) = &mut self.display {
            write(&display.clear(width()));
        }
    }

    /// The job is over.
    pub(crate) fn finish(&mut self) {
        let now = self.began.elapsed();
        if let Some(display) = &mut self.display {
            write(&display.finish(now, width()));
        }
    }

    fn redraw(&mut self) {
        let now = self.began.elapsed();
        if let Some(display) = &self.display
            && display.is_due(now)
        {
            self.draw();
        }
    }

    fn draw(&mut self) {
        let now = self.began.elapsed();
        if let Some(display) = &mut self.display {
            let text = display.draw(now, width());
            if in_foreground() {
                write(&text);
            }
        }
    }
}

/// How many columns the terminal has. That may change at any time, so it is
/// asked each time.
pub(crate) fn width() -> usize {
    let cols = usize::try_from(tty::size(rustix::stdio::stdout()).cols).ok();
    cols.filter(|cols| *cols > 0).unwrap_or(WIDTH)
}

/// In the background there is nobody to look at it.
fn in_foreground() -> bool {
    let group = rustix::termios::tcgetpgrp(rustix::stdio::stdout());
    group.is_ok_and(|group| group == rustix::process::getpgrp())
}

fn write(text: &str) {
    if !text.is_empty() {
        let mut stdout = std::io::stdout().lock();
        // Who does not look misses nothing.
        let _ = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
    }
}

/// Makes the lines.
struct Display {
    /// Files under way: their names, and how far they are.
    files: BTreeMap<FileId, (String, Flow)>,
    total: Total,
    /// Lines of files that are finished, to be written with the next.
    finished: String,
    /// How many lines are drawn that will be drawn over.
    live: usize,
    drawn: Option<Duration>,
    /// Whether the terminal's cursor can move up.
    moves: bool,
}

/// All of a job.
struct Total {
    files: u64,
    ended: u64,
    flow: Flow,
}

impl Total {
    fn new() -> Self {
        Self {
            files: 0,
            ended: 0,
            flow: Flow::new(Duration::ZERO, 0, 0),
        }
    }

    /// One file is told of by its own line.
    fn is_shown(&self) -> bool {
        self.files > 1
    }

    fn line(&mut self, now: Duration, width: usize, over: bool) -> String {
        let name = format!("{} of {} files", self.ended, self.files);
        self.flow.line(&name, now, width, over)
    }
}

impl Display {
    fn new(moves: bool) -> Self {
        Self {
            files: BTreeMap::new(),
            total: Total::new(),
            finished: String::new(),
            live: 0,
            drawn: None,
            moves,
        }
    }

    fn found(&mut self, files: u64, bytes: u64) {
        self.total.files += files;
        self.total.flow.size += bytes;
    }

    fn begin(&mut self, now: Duration, file: FileId, name: &[u8], size: u64, already: u64) {
        if self.drawn.is_none() && self.files.is_empty() && self.total.ended == 0 {
            self.total.flow.start(now);
        }
        self.total.flow.skip(already);
        let flow = Flow::new(now, size, already);
        self.files.insert(file, (shown(name), flow));
    }

    fn moved(&mut self, file: FileId, bytes: u64) {
        self.total.flow.done += bytes;
        if let Some((_, flow)) = self.files.get_mut(&file) {
            flow.done += bytes;
        }
    }

    fn end(&mut self, now: Duration, width: usize, file: FileId, whole: bool) {
        let Some((name, mut flow)) = self.files.remove(&file) else {
            return;
        };
        self.total.ended += 1;
        if whole {
            // It may have been larger or smaller than was said.
            flow.size = flow.done;
        }
        self.finished.push_str(&flow.line(&name, now, width, whole));
        self.finished.push('\n');
    }

    fn is_idle(&self) -> bool {
        self.files.is_empty()
    }

    fn is_due(&self, now: Duration) -> bool {
        self.drawn.is_none_or(|drawn| now >= drawn + REDRAW)
    }

    fn draw(&mut self, now: Duration, width: usize) -> String {
        self.drawn = Some(now);
        let mut out = self.over();
        out.push_str(&std::mem::take(&mut self.finished));
        let bar = self
            .files
            .values_mut()
            .next()
            .map(|(name, flow)| flow.line(name, now, width, false));
        // Without a way back up there is but one line to draw over.
        let total =
            (self.moves && self.total.is_shown()).then(|| self.total.line(now, width, false));
        let lines: Vec<String> = bar.into_iter().chain(total).collect();
        out.push_str(&lines.join("\n"));
        self.live = lines.len();
        out
    }

    /// Goes back to where the last drawing began, so that it is drawn over.
    fn over(&mut self) -> String {
        let up = self.live.saturating_sub(1);
        match std::mem::take(&mut self.live) {
            0 => String::new(),
            1 => "\r".into(),
            _ => "\x1b[A".repeat(up) + "\r\x1b[J",
        }
    }

    fn clear(&mut self, width: usize) -> String {
        let single = self.live == 1;
        let mut out = self.over();
        if single {
            out.push_str(&" ".repeat(width.saturating_sub(1)));
            out.push('\r');
        }
        out.push_str(&std::mem::take(&mut self.finished));
        out
    }

    fn finish(&mut self, now: Duration, width: usize) -> String {
        // What has not ended stays as far as it came.
        let left: Vec<_> = self.files.keys().copied().collect();
        for file in left {
            self.end(now, width, file, false);
            self.total.ended -= 1;
        }
        let mut out = self.clear(width);
        if self.total.is_shown() {
            let over = self.total.ended == self.total.files;
            if over {
                self.total.flow.size = self.total.flow.done;
            }
            out.push_str(&self.total.line(now, width, over));
            out.push('\n');
        }
        *self = Self::new(self.moves);
        out
    }
}

/// How far something is, and how fast.
struct Flow {
    began: Duration,
    /// What was there before, and took no time.
    already: u64,
    done: u64,
    size: u64,
    /// When how much was done, over the last [`WINDOW`].
    samples: VecDeque<(Duration, u64)>,
    /// When it last went on.
    went_on: Duration,
}

impl Flow {
    fn new(now: Duration, size: u64, already: u64) -> Self {
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

    fn start(&mut self, now: Duration) {
        (self.began, self.went_on) = (now, now);
    }

    /// So much is there without having moved.
    fn skip(&mut self, bytes: u64) {
        self.already += bytes;
        self.done += bytes;
        for (_, done) in &mut self.samples {
            *done += bytes;
        }
    }

    /// `name  43% 1275KB 721.0KB/s   00:02 ETA`, to the terminal's last
    /// column but one.
    fn line(&mut self, name: &str, now: Duration, width: usize, over: bool) -> String {
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

    /// What a terminal shows of `text`, line by line.
    fn screen(text: &str) -> Vec<String> {
        let (mut lines, mut row, mut col) = (vec![Vec::new()], 0_usize, 0);
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\r' => col = 0,
                '\n' => (row, col) = (row + 1, 0),
                '\x1b' if rest.starts_with("[A") => {
                    (row, rest) = (row - 1, &rest[2..]);
                }
                '\x1b' if rest.starts_with("[J") => {
                    lines.truncate(row + 1);
                    lines[row].truncate(col);
                    rest = &rest[2..];
                }
                c => {
                    let line: &mut Vec<char> = &mut lines[row];
                    line.resize(line.len().max(col + 1), ' ');
                    line[col] = c;
                    col += 1;
                }
            }
            lines.resize(lines.len().max(row + 1), Vec::new());
        }
        let text = |line: Vec<char>| line.into_iter().collect::<String>().trim_end().to_owned();
        let mut lines: Vec<_> = lines.into_iter().map(text).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    #[test]
    fn one_file_has_one_line() {
        for moves in [false, true] {
            let mut d = Display::new(moves);
            d.found(1, 10);
            d.begin(Duration::ZERO, 0, b"a\x1b", 10, 0);
            let mut out = d.draw(Duration::ZERO, 60);
            d.moved(0, 5);
            out += &d.draw(SECOND, 60);
            assert_eq!(screen(&out).len(), 1);
            d.moved(0, 5);
            d.end(SECOND, 60, 0, true);
            out += &d.finish(SECOND, 60);
            assert_eq!(
                screen(&out),
                ["a\\033                     100%   10     0.0KB/s   00:01"]
            );
            assert!(out.ends_with('\n') && !out.contains('\x1b'));
        }
    }

    #[test]
    fn several_files_have_a_line_for_all() {
        let mut d = Display::new(true);
        d.found(3, 30);
        d.begin(Duration::ZERO, 0, b"a", 10, 0);
        d.begin(Duration::ZERO, 1, b"b", 10, 0);
        let mut out = d.draw(Duration::ZERO, 60);
        let lines = screen(&out);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("a  ") && lines[1].starts_with("0 of 3 files  "));
        d.moved(1, 10);
        d.end(SECOND, 60, 1, true);
        out += &d.draw(SECOND, 60);
        let lines = screen(&out);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("b ") && lines[0].contains("100%"));
        assert!(lines[1].starts_with("a ") && lines[1].contains("  0%"));
        assert!(lines[2].starts_with("1 of 3 files ") && lines[2].contains(" 33%"));
        out += &d.clear(60);
        out += "Fetching c\n";
        d.begin(SECOND, 2, b"c", 10, 4);
        for file in [0, 2] {
            d.moved(file, if file == 0 { 10 } else { 6 });
            d.end(2 * SECOND, 60, file, true);
        }
        out += &d.draw(2 * SECOND, 60);
        out += &d.finish(2 * SECOND, 60);
        let names: Vec<_> = screen(&out)
            .iter()
            .map(|line| line.split("  ").next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, ["b", "Fetching c", "a", "c", "3 of 3 files"]);
    }

    #[test]
    fn what_breaks_off_stays_as_it_was() {
        let mut d = Display::new(true);
        d.found(2, 20);
        d.begin(Duration::ZERO, 0, b"a", 10, 0);
        d.moved(0, 5);
        let mut out = d.draw(SECOND, 60);
        out += &d.finish(SECOND, 60);
        let lines = screen(&out);
        assert!(
            lines[0].starts_with("a ") && lines[0].contains(" 50% "),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("0 of 2 files ") && lines[1].contains(" 25% "));
    }

    #[test]
    fn drawing_is_seldom() {
        let mut d = Display::new(true);
        assert!(d.is_due(Duration::ZERO));
        d.draw(Duration::ZERO, 80);
        assert!(!d.is_due(199 * MS));
        assert!(d.is_due(200 * MS));
    }
}
