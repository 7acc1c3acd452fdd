//! The authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT): which
//! keys log in, and what their options say; and the file of principals
//! (AuthorizedPrincipalsFile), whose lines have the same options.

mod lexer;
mod options;
mod principals;
#[cfg(test)]
mod tests;
mod time;

pub use options::{OptionError, Options, Permit, Tunnel};
pub use principals::{Principal, principals};
pub use time::{CivilTime, parse_time};

pub(crate) use lexer::{field_end, words};

use crate::text::{chomp, numbered, skip_blanks};
use crate::{KeyError, PublicKey};

/// A line with a key on it. Its options have not been judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The line's number, from 1.
    pub line: usize,
    /// The options field, as it stands; empty if there is none.
    pub options: &'a [u8],
    /// The key.
    pub key: PublicKey,
    /// What follows the key.
    pub comment: &'a [u8],
}

impl Entry<'_> {
    /// Reads the options: see [`Options::parse`].
    pub fn parse_options(&self) -> Result<Options, OptionError> {
        Options::parse(self.options)
    }
}

/// Why a line has no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// The options field does not end.
    UnclosedQuote,
    /// What follows the options is no key.
    Key(KeyError),
}

impl core::fmt::Display for LineError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnclosedQuote => f.write_str("missing end quote in key options"),
            Self::Key(e) => write!(f, "{e}"),
        }
    }
}

impl core::error::Error for LineError {}

/// The lines of a file that are not empty or comments, each with its number
/// and the entry on it or what is wrong with it.
pub fn entries(text: &[u8]) -> impl Iterator<Item = (usize, Result<Entry<'_>, LineError>)> {
    numbered(text).filter_map(|(number, raw)| {
        let line = skip_blanks(chomp(raw));
        let blank = line.is_empty() || line.starts_with(b"#");
        (!blank).then(|| (number, parse_entry(number, line)))
    })
}

/// The entries for `key`. For a certificate: the entries with its authority's
/// key, which count only with the option `cert-authority`, as the others
/// count only without it; that is for the caller to see to, by
/// [`Options::cert_authority`].
pub fn entries_for<'a>(text: &'a [u8], key: &PublicKey) -> impl Iterator<Item = Entry<'a>> {
    let wanted = match key {
        PublicKey::Certificate(cert) => cert.authority.clone(),
        plain => plain.clone(),
    };
    entries(text)
        .filter_map(|(_, entry)| entry.ok())
        .filter(move |entry| entry.key == wanted)
}

fn parse_entry(number: usize, line: &[u8]) -> Result<Entry<'_>, LineError> {
    // A line begins with a key type or with options, and an option is never
    // a key type.
    let entry = |options, (key, comment)| Entry {
        line: number,
        options,
        key,
        comment,
    };
    let without_options = PublicKey::from_line_bytes(line);
    if let Ok(found) = without_options {
        return Ok(entry(&[], found));
    }
    let end = field_end(line).ok_or(LineError::UnclosedQuote)?;
    let (options, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    match (PublicKey::from_line_bytes(rest), without_options) {
        (Ok(found), _) => Ok(entry(options, found)),
        // Of the two readings, tell the error of the one that found a type:
        // base64, which follows a type, has no hyphen.
        (Err(KeyError::UnsupportedType { name }), Err(first)) if !name.contains('-') => {
            Err(LineError::Key(first))
        }
        (Err(KeyError::NoKey), Err(first)) => Err(LineError::Key(first)),
        (Err(second), _) => Err(LineError::Key(second)),
    }
}
