//! Small matters of wording.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;
use std::sync::OnceLock;

/// `println!` that does not mind a reader who has gone away.
macro_rules! outln {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}
/// `print!` likewise, and shown at once.
macro_rules! out {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let mut stdout = std::io::stdout();
        let _ = write!(stdout, $($arg)*).and_then(|()| stdout.flush());
    }};
}
/// `eprint!` likewise.
macro_rules! err {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($arg)*);
    }};
}
pub(crate) use {err, out, outln};

/// An operating system error as strerror(3) words it, without Rust's number.
pub(crate) fn os_error(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// One line of others' text, for a terminal: control characters are shown as
/// `\\ooo`.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Others' text that may have several lines: tabs and line ends stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t' | '\r'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let plain = |c: char| !c.is_control() || stays(c);
    if text.chars().all(plain) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if plain(c) {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\{:03o}", u32::from(c));
        }
    }
    out.into()
}

/// [`printable`] for bytes: those that are not UTF-8 are shown as `\\ooo` too.
pub(crate) fn printable_bytes(bytes: &[u8]) -> String {
    shown_in(bytes, true)
}

/// A name of others', of any bytes, for a terminal: control characters, what
/// is no text, and what the locale has no characters for, is shown as `\\ooo`,
/// byte by byte.
pub(crate) fn shown(name: &[u8]) -> String {
    static UTF8: OnceLock<bool> = OnceLock::new();
    let utf8 = *UTF8.get_or_init(|| {
        let set = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
        let locale = set("LC_ALL")
            .or_else(|| set("LC_CTYPE"))
            .or_else(|| set("LANG"));
        locale.is_some_and(|l| {
            let l = l.to_ascii_lowercase();
            l.contains("utf-8") || l.contains("utf8")
        })
    });
    shown_in(name, utf8)
}

fn shown_in(name: &[u8], utf8: bool) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || !(utf8 || c.is_ascii()) {
                octal(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.push(c);
            }
        }
        octal(&mut out, chunk.invalid());
    }
    out
}

/// A name of others' for the log, which is ASCII whatever the locale, and in
/// which a backslash is doubled.
pub(crate) fn logged(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => octal(&mut out, &[*byte]),
        }
    }
    out
}

fn octal(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\{byte:03o}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_shown_as_far_as_the_locale_goes() {
        let name = b"a\xc3\xa9\xff\xc2\x9b\n\\";
        assert_eq!(super::shown_in(name, true), "a\u{e9}\\377\\302\\233\\012\\");
        assert_eq!(
            super::shown_in(name, false),
            "a\\303\\251\\377\\302\\233\\012\\"
        );
        assert_eq!(
            super::logged(b"a \xc3\xa9\t\\*\x7f"),
            "a \\303\\251\\011\\\\*\\177"
        );
    }

    #[test]
    fn the_number_goes() {
        let e = std::io::Error::from_raw_os_error(2);
        assert_eq!(super::os_error(&e), "No such file or directory");
        assert_eq!(super::os_error(&std::io::Error::other("x")), "x");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(super::printable("a b\u{e4}"), "a b\u{e4}");
        assert_eq!(super::printable("\x1b[2J\n\u{9b}"), "\\033[2J\\012\\233");
        assert_eq!(super::visible("a\x1b[0m\tb\r\n"), "a\\033[0m\tb\r\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown() {
        assert_eq!(
            super::printable_bytes(b"a\xc3\xa4 \xff\x1b"),
            "a\u{e4} \\377\\033"
        );
    }
}
