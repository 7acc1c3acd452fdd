//! Small matters of wording.

use std::io;

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

/// Text of others, for a terminal: control characters are shown as `\\ooo`.
pub(crate) fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    use std::fmt::Write as _;
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\{:03o}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
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
    }
}
