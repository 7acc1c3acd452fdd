//! Questions to the user: on the terminal, or through `SSH_ASKPASS`.
//!
//! The terminal comes back to its modes in every way out: signals are held
//! back while echo is off, and take effect once it is on again.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};

use carrick_sys::descriptors;
use carrick_sys::signals::{self, Held, Number};
use carrick_sys::termios::Modes;
use carrick_sys::tty;
use rustix::event::{PollFd, PollFlags, poll};
use zeroize::{Zeroize as _, Zeroizing};

use crate::log::{debug, error};
use crate::text::os_error;

/// Longest answer that is read; the rest of the line is dropped.
const MAX_ANSWER: usize = 1023;
/// The program that asks when no other is named.
const DEFAULT_ASKPASS: &str = "/usr/bin/ssh-askpass";

/// An answer: wiped when dropped.
pub(crate) type Answer = Zeroizing<Vec<u8>>;

/// How a question may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ask {
    /// Show what is typed.
    pub(crate) echo: bool,
    /// Without a terminal, read standard input (ssh-keygen).
    pub(crate) stdin: bool,
}

/// Where a question goes.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Terminal,
    Askpass,
    /// No way to ask.
    Nowhere,
}

/// Chooses, from `SSH_ASKPASS_REQUIRE`, whether a display is there, and
/// whether a terminal is.
fn route(require: Option<&str>, display: bool, terminal: bool) -> Route {
    match require.map(str::to_ascii_lowercase).as_deref() {
        Some("force") => Route::Askpass,
        Some("prefer") if display => Route::Askpass,
        Some("never") if terminal => Route::Terminal,
        Some("never") => Route::Nowhere,
        _ if terminal => Route::Terminal,
        _ if display => Route::Askpass,
        _ => Route::Nowhere,
    }
}

/// Whether there is a display for an askpass program's window.
pub(crate) fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()))
}

/// Asks, and returns what was typed without the line's end; `None` if nobody
/// could be asked or the input ended.
pub(crate) fn ask(prompt: &str, how: Ask) -> Option<Answer> {
    let display = has_display();
    let require = std::env::var("SSH_ASKPASS_REQUIRE").ok();
    let tty = tty::controlling().ok();
    let terminal = if how.stdin {
        tty::is_terminal(rustix::stdio::stdin()) || !display
    } else {
        tty.is_some()
    };
    let route = route(require.as_deref(), display, terminal);
    let asker = match route {
        Route::Askpass => "ssh_askpass",
        Route::Terminal | Route::Nowhere => "read_passphrase",
    };
    let answer = match (route, tty) {
        (Route::Askpass, _) => askpass(prompt, None),
        (Route::Terminal, Some(tty)) => {
            if !how.stdin {
                // Whatever stands in the line already, the question starts it.
                let _ = write_all(&tty, b"\r");
            }
            on_terminal(prompt, &tty, &tty, how.echo)
        }
        (Route::Terminal, None) if how.stdin => on_terminal(
            prompt,
            rustix::stdio::stdin(),
            rustix::stdio::stderr(),
            how.echo,
        ),
        _ => {
            debug!("read_passphrase: can't open /dev/tty: no terminal to ask on");
            Ok(None)
        }
    };
    answer
        .inspect_err(|e| error!("{asker}: {}", os_error(e)))
        .ok()
        .flatten()
}

/// As [`ask`], with the empty answer for none.
pub(crate) fn ask_or_empty(prompt: &str, how: Ask) -> Answer {
    ask(prompt, how).unwrap_or_default()
}

/// Asks for leave, by the askpass program alone: without one the answer is no.
pub(crate) fn permit(question: &str) -> bool {
    let require = std::env::var("SSH_ASKPASS_REQUIRE").ok();
    if route(require.as_deref(), has_display(), false) != Route::Askpass {
        return false;
    }
    match askpass(question, Some("confirm")) {
        Ok(Some(answer)) => answer.is_empty() || answer.eq_ignore_ascii_case(b"yes"),
        Ok(None) => false,
        Err(e) => {
            error!("ssh_askpass: {e}");
            false
        }
    }
}

/// The askpass program with a text to show. `kind` tells it what kind that
/// is, if it is not a question for a secret.
pub(crate) fn askpass_command(text: &str, kind: Option<&str>) -> Command {
    let program = std::env::var_os("SSH_ASKPASS").unwrap_or_else(|| DEFAULT_ASKPASS.into());
    let mut command = descriptors::program(program);
    if let Some(kind) = kind {
        command.env("SSH_ASKPASS_PROMPT", kind);
    }
    command.arg(text).stdin(Stdio::null());
    command
}

/// Starts the askpass program and takes the first line of its output. `kind`
/// tells it what kind of question that is, if it is not for a secret.
fn askpass(prompt: &str, kind: Option<&str>) -> io::Result<Option<Answer>> {
    let mut command = askpass_command(prompt, kind);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| io::Error::other(format!("exec({program}): {}", os_error(&e))))?;
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_ANSWER + 1));
    if let Some(out) = child.stdout.take() {
        out.take(MAX_ANSWER as u64).read_to_end(&mut text)?;
    }
    if !child.wait()?.success() {
        return Ok(None);
    }
    let end = text
        .iter()
        .position(|b| *b == b'\r' || *b == b'\n')
        .unwrap_or(text.len());
    text.truncate(end);
    Ok(Some(text))
}

/// Signals that end or stop a program at a terminal.
const HELD: [Number; 5] = [
    Number::SIGINT,
    Number::SIGTERM,
    Number::SIGHUP,
    Number::SIGQUIT,
    Number::SIGTSTP,
];

/// One line read, or why not.
enum Line {
    Text(Answer),
    End,
    Interrupted(Number),
}

/// Asks on a terminal (or on whatever `input` is). A stop signal takes
/// effect and the question is put again on return; any other is raised once
/// the terminal is as it was.
fn on_terminal(
    prompt: &str,
    input: impl AsFd + Copy,
    output: impl AsFd + Copy,
    echo: bool,
) -> io::Result<Option<Answer>> {
    loop {
        let held = Held::new(&HELD)?;
        let before = Modes::of(input).ok();
        if let (Some(modes), false) = (&before, echo) {
            modes.silent().apply_flush(input)?;
        }
        write_all(output, prompt.as_bytes())?;
        let line = read_line(input.as_fd(), &held);
        if let (Some(modes), false) = (&before, echo) {
            // The Enter that ended the answer was not echoed.
            if modes.echoes() {
                let _ = write_all(output, b"\n");
            }
            modes.apply(input)?;
        }
        drop(held);
        match line? {
            Line::Text(text) => return Ok(Some(text)),
            Line::End => return Ok(None),
            Line::Interrupted(signal) => {
                if signal != Number::SIGTSTP {
                    // Whoever set a handler is called; without one this ends us.
                    signals::raise(signal)?;
                    return Ok(None);
                }
                signals::raise(signal)?;
            }
        }
    }
}

fn write_all(fd: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    File::from(fd.as_fd().try_clone_to_owned()?).write_all(bytes)
}

/// Reads one line, waking up for held signals.
fn read_line(input: BorrowedFd<'_>, held: &Held) -> io::Result<Line> {
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_ANSWER + 1));
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(input, PollFlags::IN),
            PollFd::new(held, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        if let Some(signal) = held.take() {
            return Ok(Line::Interrupted(signal));
        }
        let mut byte = [0];
        match rustix::io::read(input, &mut byte) {
            Ok(0) if text.is_empty() => return Ok(Line::End),
            Ok(0) => return Ok(Line::Text(text)),
            Ok(_) if byte == [b'\n'] || byte == [b'\r'] => return Ok(Line::Text(text)),
            Ok(_) if text.len() < MAX_ANSWER => text.push(byte[0]),
            Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(e) => return Err(e.into()),
        }
        byte.zeroize();
    }
}

/// What a yes/no question accepts beside yes and no.
pub(crate) fn confirm(prompt: &str, fingerprint: Option<&str>) -> bool {
    let again = if fingerprint.is_some() {
        "Please type 'yes', 'no' or the fingerprint: "
    } else {
        "Please type 'yes' or 'no': "
    };
    let mut text = prompt;
    loop {
        let Some(answer) = ask(
            text,
            Ask {
                echo: true,
                stdin: false,
            },
        ) else {
            return false;
        };
        if let Some(decision) = decide(&answer, fingerprint) {
            return decision;
        }
        text = again;
    }
}

/// Understands an answer to a yes/no question; `None` asks again.
fn decide(answer: &[u8], fingerprint: Option<&str>) -> Option<bool> {
    let answer = String::from_utf8_lossy(answer);
    let answer = answer.trim_start_matches([' ', '\t']);
    let answer = answer.split([' ', '\t', '\n']).next().unwrap_or_default();
    if answer.is_empty() || answer.eq_ignore_ascii_case("no") {
        Some(false)
    } else if answer.eq_ignore_ascii_case("yes") || Some(answer) == fingerprint {
        Some(true)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        assert_eq!(route(None, false, true), Route::Terminal);
        assert_eq!(route(None, true, true), Route::Terminal);
        assert_eq!(route(None, true, false), Route::Askpass);
        assert_eq!(route(None, false, false), Route::Nowhere);
        assert_eq!(route(Some("FORCE"), false, true), Route::Askpass);
        assert_eq!(route(Some("prefer"), true, true), Route::Askpass);
        assert_eq!(route(Some("prefer"), false, true), Route::Terminal);
        assert_eq!(route(Some("never"), true, false), Route::Nowhere);
        assert_eq!(route(Some("never"), true, true), Route::Terminal);
    }

    #[test]
    fn yes_no_or_the_fingerprint() {
        let fp = Some("SHA256:abc");
        for (answer, want) in [
            ("yes", Some(true)),
            (" YES  ", Some(true)),
            ("no", Some(false)),
            ("", Some(false)),
            ("SHA256:abc", Some(true)),
            ("sha256:abc", None),
            ("y", None),
        ] {
            assert_eq!(decide(answer.as_bytes(), fp), want, "{answer}");
        }
        assert_eq!(decide(b"SHA256:abc", None), None);
    }

    #[test]
    fn a_line_is_read_up_to_its_end_or_the_limit() {
        let held = Held::new(&[]).unwrap();
        let (r, mut w) = io::pipe().unwrap();
        w.write_all(b"secret\n").unwrap();
        w.write_all(&[b'x'; 2000]).unwrap();
        drop(w);
        let mut lines = Vec::new();
        while let Line::Text(text) = read_line(r.as_fd(), &held).unwrap() {
            lines.push(text);
        }
        assert_eq!(*lines[0], b"secret");
        assert_eq!(lines[1].len(), MAX_ANSWER);
        assert_eq!(lines.len(), 2);
    }
}
