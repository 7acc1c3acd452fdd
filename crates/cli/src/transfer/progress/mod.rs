//! The progress meter: a bar per file as people know it from OpenSSH, and when
//! a job has several files, a line of the same form for all of it.
//!
//! [`Meter`] is what programs hold: it asks the clock and the terminal, and
//! writes. [`Display`] keeps the books and makes the text ([`flow`] its lines);
//! it is handed the time. Bytes are only counted as they move; lines are made a
//! few times a second.

mod flow;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use carrick_sys::tty;

use super::FileId;
use crate::text::shown;
use flow::Flow;

/// How long lines stand before they are made anew.
const REDRAW: Duration = Duration::from_millis(200);
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
        self.total.files = self.total.files.saturating_add(files);
        self.total.flow.size = self.total.flow.size.saturating_add(bytes);
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
        self.total.flow.moved(bytes);
        if let Some((_, flow)) = self.files.get_mut(&file) {
            flow.moved(bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

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
