//! Files of principals (sshd_config(5), AuthorizedPrincipalsFile): one name a
//! line, with a key's options in front of it if there are any.

use super::lexer;
use super::{OptionError, Options};
use crate::text::{chomp, is_blank, numbered, skip_blanks};

/// A line with a name on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal<'a> {
    /// The line's number, from 1.
    pub line: usize,
    /// The options field, as it stands; empty if there is none.
    pub options: &'a [u8],
    /// The name.
    pub name: &'a [u8],
}

impl Principal<'_> {
    /// Reads the options.
    pub fn parse_options(&self) -> Result<Options, OptionError> {
        Options::parse(self.options)
    }
}

/// The lines that name somebody. What follows a `#` is a comment, wherever it
/// stands; the last word is the name, and options end at their first blank
/// outside quotes, as OpenSSH has it.
pub fn principals(text: &[u8]) -> impl Iterator<Item = Principal<'_>> {
    numbered(text).filter_map(|(line, raw)| {
        let raw = chomp(raw);
        let end = raw.iter().position(|b| *b == b'#').unwrap_or(raw.len());
        let words = trim_end(skip_blanks(raw.get(..end).unwrap_or_default()));
        if words.is_empty() {
            return None;
        }
        let Some(last) = words.iter().rposition(|b| is_blank(*b)) else {
            return Some(Principal {
                line,
                options: &[],
                name: words,
            });
        };
        let (before, name) = words.split_at_checked(last + 1)?;
        // A quote that stays open is for the options' parser to refuse.
        let end = lexer::field_end(before).unwrap_or(before.len());
        let options = before.get(..end).unwrap_or(before);
        Some(Principal {
            line,
            options,
            name,
        })
    })
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is_blank(*last) {
            break;
        }
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(usize, &str, &str)> {
        let show = |bytes| core::str::from_utf8(bytes).expect("text");
        principals(text.as_bytes())
            .map(|p| (p.line, show(p.options), show(p.name)))
            .collect()
    }

    #[test]
    fn names_with_and_without_options() {
        let text = "# all\n\n  ann \t\nno-pty,command=\"a b\"  bob # x\r\n \t\nzoe#x\nblah eve";
        assert_eq!(
            all(text),
            [
                (3, "", "ann"),
                (4, "no-pty,command=\"a b\"", "bob"),
                (6, "", "zoe"),
                (7, "blah", "eve")
            ]
        );
    }

    #[test]
    fn odd_lines_refuse_rather_than_permit() {
        // Of three words the middle one is nobody's.
        assert_eq!(all("no-pty ann bob"), [(1, "no-pty", "bob")]);
        let open = principals(b"command=\"x ann").next().expect("a line");
        assert!(open.parse_options().is_err());
        // A comment sign in quotes ends the line as well.
        let cut = principals(b"command=\"a # b\" ann").next().expect("a line");
        assert_eq!((cut.name, cut.options), (&b"command=\"a"[..], &b""[..]));
    }

    #[test]
    fn noise_is_no_panic() {
        let good = b"no-pty,command=\"x y\" ann\n";
        for at in 0..good.len() {
            for flip in [1, 0x20, 0x80] {
                let mut noise = good.to_vec();
                noise[at] ^= flip;
                for p in principals(&noise) {
                    let _ = p.parse_options();
                }
            }
            for p in principals(&good[..at]) {
                let _ = p.parse_options();
            }
        }
    }
}
