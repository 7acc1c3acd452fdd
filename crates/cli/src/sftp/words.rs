//! A line of commands cut into words.
//!
//! A word is kept as a pattern: what its quotes and backslashes protected has
//! a backslash before it if it would be a wildcard otherwise. Whether that is
//! a pattern in the end, or a name to be taken as it is, is for the command to
//! say.

use std::fmt;

/// How many words a line may have.
const MOST: usize = 128;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word(Vec<u8>);

impl Word {
    /// A word that means just this name.
    pub(super) fn literal(name: &[u8]) -> Self {
        let mut word = Self::default();
        for byte in name {
            word.push_protected(*byte);
        }
        word
    }

    /// As a pattern for [`crate::transfer::glob`].
    pub(super) fn pattern(&self) -> &[u8] {
        &self.0
    }

    /// As a name: the backslashes before wildcards are gone.
    pub(super) fn name(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_slice();
        while let Some((first, after)) = rest.split_first() {
            match after.split_first() {
                Some((escaped, after)) if *first == b'\\' && is_wildcard(*escaped) => {
                    out.push(*escaped);
                    rest = after;
                }
                _ => {
                    out.push(*first);
                    rest = after;
                }
            }
        }
        out
    }

    fn push_protected(&mut self, byte: u8) {
        if is_wildcard(byte) {
            self.0.push(b'\\');
        }
        self.0.push(byte);
    }
}

/// Whether a pattern takes it for something else than itself.
fn is_wildcard(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\' | b'{')
}

/// A line's words, and where the first of them ends.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Words {
    pub(super) list: Vec<Word>,
    /// The offset in the line of what follows the first word.
    pub(super) tail: usize,
    /// How the line ends, for whoever completes it.
    pub(super) end: End,
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    /// Behind a word, or before the first.
    #[default]
    Apart,
    /// Within its last word, which begins at this offset; in these quotes.
    Within { start: usize, quote: Option<u8> },
}

/// Why a line cannot be cut into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadLine {
    /// A quote has no partner.
    Unterminated,
    /// More than [`MOST`] words.
    TooMany,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unterminated => "Unterminated quoted argument",
            Self::TooMany => "Too many arguments.",
        })
    }
}

/// Cuts a line into words.
pub(super) fn split(line: &[u8]) -> Result<Words, BadLine> {
    let words = split_open(line)?;
    match words.end {
        End::Within { quote: Some(_), .. } => Err(BadLine::Unterminated),
        _ => Ok(words),
    }
}

/// Cuts a line into words that may end within quotes.
pub(super) fn split_open(line: &[u8]) -> Result<Words, BadLine> {
    let mut out = Words::default();
    let mut word: Option<Word> = None;
    let (mut start, mut quote) = (0, None);
    let mut bytes = line.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, next)| *next);
        match (quote, byte) {
            (None, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c) => out.finish(&mut word, at)?,
            // A comment, even behind a word.
            (None, b'#') => {
                out.finish(&mut word, at)?;
                return Ok(out);
            }
            (None, byte) => {
                let word = word.get_or_insert_with(|| {
                    start = at;
                    Word::default()
                });
                match (byte, next) {
                    (b'"' | b'\'', _) => quote = Some(byte),
                    (b'\\', None) => {}
                    (b'\\', Some(escaped)) => {
                        word.push_protected(escaped);
                        bytes.next();
                    }
                    // A brace is no wildcard for names that have one, so it
                    // is left to the pattern.
                    _ => word.0.push(byte),
                }
            }
            (Some(open), byte) if byte == open => quote = None,
            (Some(open), byte) => {
                let word = word.get_or_insert_with(Word::default);
                match (byte, next) {
                    (b'\\', Some(b'\\')) => {
                        word.push_protected(b'\\');
                        bytes.next();
                    }
                    (b'\\', Some(escaped)) if escaped == open => {
                        word.push_protected(open);
                        bytes.next();
                    }
                    // A wildcard behind a backslash is a name of two
                    // characters here; any other character is left for the
                    // pattern to take it for itself.
                    (b'\\', Some(escaped)) if is_wildcard(escaped) => word.push_protected(b'\\'),
                    (b'\\', _) => word.0.push(b'\\'),
                    _ => word.push_protected(byte),
                }
            }
        }
    }
    if word.is_some() {
        out.end = End::Within { start, quote };
    }
    let end = out.end;
    out.finish(&mut word, line.len())?;
    out.end = end;
    Ok(out)
}

impl Words {
    fn finish(&mut self, word: &mut Option<Word>, at: usize) -> Result<(), BadLine> {
        if let Some(word) = word.take() {
            if self.list.len() == MOST {
                return Err(BadLine::TooMany);
            }
            if self.list.is_empty() {
                self.tail = at;
            }
            self.list.push(word);
        }
        Ok(())
    }
}

/// A name as a word that means just it, for a line that is being written:
/// within quotes that are open, if any, else bare where it can be.
pub(super) fn quoted(name: &str, quote: Option<char>) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    for c in name.chars() {
        let protect = match quote {
            Some(quote) => c == quote || c == '\\',
            None => " \t\r\n\"'\\#*?[{".contains(c),
        };
        if protect {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OpenSSH 10.0's sftp makes of these, seen in its messages.
    const SEEN: &[(&str, &[&str])] = &[
        ("ls a b", &["ls", "a", "b"]),
        ("  ls\ta\t ", &["ls", "a"]),
        ("ls a#b", &["ls", "a"]),
        ("ls # a b", &["ls"]),
        ("ls x\"#\"y", &["ls", "x#y"]),
        ("ls x\\#y", &["ls", "x#y"]),
        ("ls \"\"x", &["ls", "x"]),
        ("''", &[""]),
        ("l's' -1'a' d", &["ls", "-1a", "d"]),
        ("ls b\\ c", &["ls", "b c"]),
        ("ls b' 'c\"d\"\\e", &["ls", "b cde"]),
        ("ls a\"'\"b", &["ls", "a'b"]),
        ("ls a'\"'b", &["ls", "a\"b"]),
        (r#"ls "a\"b""#, &["ls", "a\"b"]),
        (r"ls 'a\'b'", &["ls", "a'b"]),
        (r#"ls "x\'y""#, &["ls", r"x\'y"]),
        (r"ls a*b", &["ls", r"a*b"]),
        (r"ls a\*b", &["ls", r"a\*b"]),
        (r"ls 'a*b?[c]'", &["ls", r"a\*b\?\[c]"]),
        (r"ls 'a\*b'", &["ls", r"a\\\*b"]),
        (r"ls a\\*", &["ls", r"a\\*"]),
        (r"ls 'a\\*'", &["ls", r"a\\\*"]),
        (r"ls a\xb", &["ls", "axb"]),
        (r"ls 'a\xb'", &["ls", r"a\xb"]),
        (r"ls \\ '\\'", &["ls", r"\\", r"\\"]),
        (r"ls 'my\ file'", &["ls", r"my\ file"]),
        ("ls x\\", &["ls", "x"]),
        ("\\", &[""]),
        ("", &[]),
        ("   # c", &[]),
    ];

    #[test]
    fn words_as_openssh_has_them() {
        for (line, want) in SEEN {
            let words = split(line.as_bytes()).unwrap().list;
            let got: Vec<_> = words
                .iter()
                .map(|w| String::from_utf8_lossy(w.pattern()).into_owned())
                .collect();
            assert_eq!(got, *want, "{line}");
        }
    }

    #[test]
    fn braces_stand_for_themselves_in_quotes() {
        let words = split(br"ls 'a{b,c}' a\{b,c} {a,b}").unwrap().list;
        let patterns: Vec<_> = words.iter().map(|w| w.pattern()).collect();
        assert_eq!(patterns, [&b"ls"[..], br"a\{b,c}", br"a\{b,c}", b"{a,b}"]);
        assert_eq!(words[1].name(), b"a{b,c}");
    }

    #[test]
    fn names_lose_the_backslashes_before_wildcards_only() {
        for (line, want) in [
            (r"'m\*x'", r"m\*x"),
            (r#""m\xb""#, r"m\xb"),
            (r"'m[b]'", "m[b]"),
            (r"m\?", "m?"),
            (r"'m\\n'", r"m\n"),
            (r"m\\o", r"m\o"),
            ("m*", "m*"),
            (r"'m\ p'", r"m\ p"),
        ] {
            let words = split(line.as_bytes()).unwrap().list;
            assert_eq!(words[0].name(), want.as_bytes(), "{line}");
        }
    }

    #[test]
    fn bad_lines() {
        for line in [
            "ls \"a", "ls 'a", "ls a\"b", r"ls 'x\'", "ls \"x\\", "ls 'a' '",
        ] {
            assert_eq!(split(line.as_bytes()), Err(BadLine::Unterminated), "{line}");
        }
        let many = |n: usize| split("a ".repeat(n).as_bytes()).map(|w| w.list.len());
        assert_eq!(many(MOST), Ok(MOST));
        assert_eq!(many(MOST + 1), Err(BadLine::TooMany));
    }

    #[test]
    fn the_tail_is_as_typed() {
        for (line, tail) in [
            ("lls  'a b' \\*", "  'a b' \\*"),
            ("!", ""),
            ("  lls", ""),
            ("l\"ls\" x", " x"),
        ] {
            let words = split(line.as_bytes()).unwrap();
            assert_eq!(&line[words.tail..], tail);
        }
    }

    #[test]
    fn how_a_line_ends() {
        let end = |line: &str| split_open(line.as_bytes()).unwrap().end;
        assert_eq!(end(""), End::Apart);
        assert_eq!(end("get "), End::Apart);
        assert_eq!(end("get #a"), End::Apart);
        let within = |start, quote| End::Within { start, quote };
        assert_eq!(end("get a"), within(4, None));
        assert_eq!(end("get a\\ "), within(4, None));
        assert_eq!(end("get 'a b"), within(4, Some(b'\'')));
        assert_eq!(end("get a 'b' x\"y "), within(10, Some(b'"')));
    }

    #[test]
    fn a_quoted_name_is_that_name_again() {
        let names = [
            "a",
            "a b",
            "a'b",
            "a\"b",
            "a\\b",
            "a*",
            "a\\*",
            "[x]",
            "{a,b}",
            "#",
            "a\\ b",
            "\u{e4} \u{1}",
            "x\\",
            "-",
            "'\"\\",
        ];
        for name in names {
            for quote in [None, Some('"'), Some('\'')] {
                let mark = quote.map(String::from).unwrap_or_default();
                let line = format!("{mark}{}{mark}", quoted(name, quote));
                let words = split(line.as_bytes()).unwrap().list;
                assert_eq!(words.len(), 1, "{line}");
                assert_eq!(words[0].name(), name.as_bytes(), "{line}");
            }
        }
    }

    #[test]
    fn every_prefix_and_change_of_a_line_ends_well() {
        for (line, _) in SEEN {
            for len in 0..=line.len() {
                let _ = split_open(&line.as_bytes()[..len]);
                for byte in 0..=255 {
                    let mut other = line.as_bytes().to_vec();
                    if let Some(at) = other.get_mut(len) {
                        *at = byte;
                        let _ = split(&other);
                    }
                }
            }
        }
    }
}
