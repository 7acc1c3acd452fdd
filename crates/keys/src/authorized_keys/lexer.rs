//! The words of an options field: `name`, or `name="value"`, with commas
//! between and nothing else (sshd(8), AUTHORIZED_KEYS FILE FORMAT).

use crate::text::is_blank;

/// Why an options field cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LexError {
    UnclosedQuote,
    /// A value does not begin with a quote.
    MissingQuote,
    /// Something other than a comma follows an option.
    Junk,
    /// A comma ends the field.
    TrailingComma,
}

impl LexError {
    /// OpenSSH's words for it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::UnclosedQuote => "missing end quote",
            Self::MissingQuote => "missing start quote",
            Self::Junk => "unknown key option",
            Self::TrailingComma => "unexpected end-of-options",
        }
    }
}

/// Where the options field at the start of `line` ends: at the first blank
/// outside quotes. `None` if a quote is not closed.
pub(crate) fn field_end(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' if line.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => quoted = !quoted,
            b if is_blank(*b) && !quoted => return Some(at),
            _ => {}
        }
        at += 1;
    }
    (!quoted).then_some(line.len())
}

/// One option of a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: Option<Vec<u8>>,
}

/// Takes an options field apart.
pub(crate) fn words(field: &[u8]) -> Result<Vec<Word<'_>>, LexError> {
    let mut words = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|b| *b == b',' || *b == b'=')
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let (value, after) = match after.strip_prefix(b"=") {
            Some(quoted) => {
                let (value, after) = dequote(quoted)?;
                (Some(value), after)
            }
            None => (None, after),
        };
        if !name.is_empty() || value.is_some() {
            words.push(Word { name, value });
        }
        rest = match after {
            [] => return Ok(words),
            [b','] => return Err(LexError::TrailingComma),
            [b',', next @ ..] => next,
            _ => return Err(LexError::Junk),
        };
    }
    Ok(words)
}

/// A quoted value, and what follows it. `\"` stands for a quote; a
/// backslash in front of anything else is itself.
fn dequote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), LexError> {
    let mut rest = text.strip_prefix(b"\"").ok_or(LexError::MissingQuote)?;
    let mut value = Vec::new();
    loop {
        match rest {
            [] => return Err(LexError::UnclosedQuote),
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', b'"', after @ ..] => {
                value.push(b'"');
                rest = after;
            }
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_at_blanks_outside_quotes() {
        assert_eq!(field_end(br#"command="a b",no-pty ssh-rsa"#), Some(20));
        assert_eq!(field_end(br#"command="a \" b" x"#), Some(16));
        assert_eq!(field_end(br#"command="a b"#), None);
        assert_eq!(field_end(b"no-pty"), Some(6));
    }

    #[test]
    fn words_and_values() {
        let all = words(br#"no-pty,command="say \"hi\" \n",,restrict"#).expect("words");
        let names: Vec<_> = all.iter().map(|w| w.name).collect();
        assert_eq!(names, [&b"no-pty"[..], b"command", b"restrict"]);
        assert_eq!(all[1].value.as_deref(), Some(&br#"say "hi" \n"#[..]));
    }

    #[test]
    fn bad_fields() {
        assert_eq!(words(b"command=ls"), Err(LexError::MissingQuote));
        assert_eq!(words(br#"command="ls"#), Err(LexError::UnclosedQuote));
        assert_eq!(words(br#"command="ls"x"#), Err(LexError::Junk));
        assert_eq!(words(b"no-pty,"), Err(LexError::TrailingComma));
    }
}
