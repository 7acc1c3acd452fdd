//! One line of an allowed_signers file: principals, options, key.

use core::fmt;
use std::borrow::Cow;

use crate::PublicKey;
use crate::authorized_keys::{CivilTime, field_end, parse_time, words};
use crate::matching::pattern_list;
use crate::text::{chomp, numbered, skip_blanks};

/// Why a line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadLine {
    /// There is nothing behind the principals.
    NoKeyField,
    /// The options do not end.
    Options,
    /// There is nothing behind the options.
    MissingKey,
    /// What follows is no key.
    Key,
    /// The options are wrong.
    BadOptions(&'static str),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKeyField => f.write_str("invalid line"),
            Self::Options => f.write_str("invalid options"),
            Self::MissingKey => f.write_str("missing key"),
            Self::Key => f.write_str("invalid key"),
            Self::BadOptions(why) => write!(f, "bad options: {why}"),
        }
    }
}

impl core::error::Error for BadLine {}

/// What a line's options say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignerOptions {
    /// `cert-authority`: the key signs certificates, not files.
    pub cert_authority: bool,
    /// `namespaces`: a list of patterns.
    pub namespaces: Option<Vec<u8>>,
    /// `valid-after`, in seconds since 1970.
    pub valid_after: Option<u64>,
    /// `valid-before`, in seconds since 1970.
    pub valid_before: Option<u64>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Patterns of names, comma-separated.
    pub principals: Cow<'a, str>,
    /// The options.
    pub options: SignerOptions,
    /// The key.
    pub key: PublicKey,
}

/// The lines of a file that are not empty or comments and, if `principal` is
/// given, whose patterns match it; each with its number. What stands behind
/// other names is not looked at.
pub fn entries<'a, 'q>(
    text: &'a [u8],
    principal: Option<&'q str>,
    zone: &'q dyn Fn(CivilTime) -> Option<u64>,
) -> impl Iterator<Item = (usize, Result<Entry<'a>, BadLine>)> + use<'a, 'q> {
    numbered(text).filter_map(move |(number, raw)| {
        let skip = raw.iter().take_while(|b| is_space(**b)).count();
        let line = raw.get(skip..).unwrap_or_default();
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        let Some((principals, rest)) = first_word(line) else {
            return Some((number, Err(BadLine::NoKeyField)));
        };
        if principal.is_some_and(|name| !pattern_list(name, &principals).is_yes()) {
            return None;
        }
        let principals = match principals {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        };
        let entry = read_key(rest, zone).map(|(options, key)| Entry {
            principals,
            options,
            key,
        });
        Some((number, entry))
    })
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// The first word, in which quotes hold blanks together, and what follows;
/// `None` if nothing does, not even the line's end.
fn first_word(line: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = line.iter().position(|b| is_space(*b) || *b == b'"')?;
    let (head, tail) = line.split_at_checked(end)?;
    let Some(quoted) = tail.strip_prefix(b"\"") else {
        return Some((Cow::Borrowed(head), skip_blanks(chomp(tail))));
    };
    let close = quoted.iter().position(|b| *b == b'"')?;
    let (inside, after) = quoted.split_at_checked(close)?;
    let word = if head.is_empty() {
        Cow::Borrowed(inside)
    } else {
        Cow::Owned([head, inside].concat())
    };
    let after = after.get(1..).unwrap_or_default();
    Some((word, skip_blanks(chomp(after))))
}

/// A key, or options and a key.
fn read_key(
    text: &[u8],
    zone: &dyn Fn(CivilTime) -> Option<u64>,
) -> Result<(SignerOptions, PublicKey), BadLine> {
    if let Ok((key, _)) = PublicKey::from_line_bytes(text) {
        return Ok((SignerOptions::default(), key));
    }
    let end = field_end(text).ok_or(BadLine::Options)?;
    let (options, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    if rest.is_empty() {
        return Err(BadLine::MissingKey);
    }
    let (key, _) = PublicKey::from_line_bytes(rest).map_err(|_| BadLine::Key)?;
    let options = read_options(options, zone).map_err(BadLine::BadOptions)?;
    Ok((options, key))
}

fn read_options(
    field: &[u8],
    zone: &dyn Fn(CivilTime) -> Option<u64>,
) -> Result<SignerOptions, &'static str> {
    const UNKNOWN: &str = "unknown key option";
    let time = |value: &[u8]| {
        let text = core::str::from_utf8(value).ok()?;
        zone(parse_time(text)?).filter(|seconds| *seconds != 0)
    };
    let words = words(field).map_err(|e| e.words())?;
    let mut options = SignerOptions::default();
    for word in words {
        let is = |name: &str| word.name.eq_ignore_ascii_case(name.as_bytes());
        match &word.value {
            None if is("cert-authority") => options.cert_authority = true,
            Some(value) if is("namespaces") => {
                if options.namespaces.replace(value.clone()).is_some() {
                    return Err("multiple \"namespaces\" clauses");
                }
            }
            Some(value) if is("valid-after") => {
                let at = time(value).ok_or("invalid \"valid-after\" time")?;
                if options.valid_after.replace(at).is_some() {
                    return Err("multiple \"valid-after\" clauses");
                }
            }
            Some(value) if is("valid-before") => {
                let at = time(value).ok_or("invalid \"valid-before\" time")?;
                if options.valid_before.replace(at).is_some() {
                    return Err("multiple \"valid-before\" clauses");
                }
            }
            _ => return Err(UNKNOWN),
        }
    }
    match (options.valid_after, options.valid_before) {
        (Some(after), Some(before)) if before <= after => {
            Err("\"valid-before\" time is before \"valid-after\"")
        }
        _ => Ok(options),
    }
}
