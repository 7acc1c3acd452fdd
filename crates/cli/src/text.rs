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

#[cfg(test)]
mod tests {
    #[test]
    fn the_number_goes() {
        let e = std::io::Error::from_raw_os_error(2);
        assert_eq!(super::os_error(&e), "No such file or directory");
        assert_eq!(super::os_error(&std::io::Error::other("x")), "x");
    }
}
