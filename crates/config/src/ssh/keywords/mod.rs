//! The keywords of ssh_config, by theme; how they are dumped stands in
//! [`super::dump`].

mod auth;
mod connection;
mod crypto;
mod forward;
mod session;

use super::options::Options;
use crate::error::Fault;
use crate::keyword::{Keyword, KeywordInfo, Kind, Line, Scope};

/// What parsers of single keywords return.
pub(super) type Done = Result<(), Fault>;

macro_rules! keyword {
    ($repeat:ident $name:literal $([$($alias:literal),*])?, $doc:literal, $parse:expr, $dump:expr) => {
        crate::keyword::Keyword {
            name: $name,
            aliases: &[$($($alias),*)?],
            scope: crate::keyword::Scope::Anywhere,
            kind: crate::keyword::Kind::Value(crate::keyword::Repeat::$repeat, $parse),
            dump: Some($dump),
            doc: $doc,
        }
    };
}
macro_rules! flag {
    ($name:literal $([$($alias:literal),*])?, $field:ident, $doc:literal) => {
        keyword!(First $name $([$($alias),*])?, $doc,
            |l, o| { o.$field = l.flag()?; Ok(()) },
            |o, d| d.line($name, crate::words::yes_no(o.$field)))
    };
}
macro_rules! choice {
    ($name:literal $([$($alias:literal),*])?, $field:ident, $doc:literal) => {
        keyword!(First $name $([$($alias),*])?, $doc,
            |l, o| { o.$field = l.choice()?; Ok(()) },
            |o, d| d.line($name, crate::words::Words::word(o.$field)))
    };
}
macro_rules! integer {
    ($name:literal, $field:ident, $doc:literal) => {
        keyword!(First $name, $doc,
            |l, o| { o.$field = l.integer()?; Ok(()) },
            |o, d| d.line($name, o.$field))
    };
}
macro_rules! seconds {
    ($name:literal, $field:ident, $doc:literal) => {
        keyword!(First $name, $doc,
            |l, o| { o.$field = l.time()?; Ok(()) },
            |o, d| d.line($name, o.$field.as_secs()))
    };
}
macro_rules! text {
    ($name:literal, $field:ident, $doc:literal) => {
        keyword!(First $name, $doc,
            |l, o| { o.$field = Some(l.word()?); Ok(()) },
            |o, d| d.maybe($name, o.$field.as_deref()))
    };
}
macro_rules! text_or_none {
    ($name:literal $([$($alias:literal),*])?, $field:ident, $doc:literal) => {
        keyword!(First $name $([$($alias),*])?, $doc,
            |l, o| { o.$field = l.optional()?; Ok(()) },
            |o, d| d.maybe($name, o.$field.as_deref()))
    };
}
macro_rules! command {
    ($name:literal, $field:ident, $doc:literal) => {
        keyword!(First $name, $doc,
            |l, o| {
                o.$field = crate::keyword::none(l.raw().to_owned());
                l.consume();
                Ok(())
            },
            |o, d| d.maybe($name, o.$field.as_deref()))
    };
}
macro_rules! algorithms {
    ($name:literal $([$($alias:literal),*])?, $field:ident, $list:ident, $what:literal, $doc:literal) => {
        keyword!(First $name $([$($alias),*])?, $doc,
            |l, o| { o.$field = l.algorithms(&crate::algorithms::$list, $what)?; Ok(()) },
            |o, d| d.line($name, o.$field.join(",")))
    };
}
use {algorithms, choice, command, flag, integer, keyword, seconds, text, text_or_none};

/// A keyword that is read and has no effect.
const fn bare(name: &'static str, kind: Kind<Options>, doc: &'static str) -> Keyword<Options> {
    Keyword {
        name,
        aliases: &[],
        scope: Scope::Anywhere,
        kind,
        dump: None,
        doc,
    }
}

static STRUCTURE: &[Keyword<Options>] = &[
    bare(
        "Host",
        Kind::Host,
        "begins a block for hosts that match patterns",
    ),
    bare(
        "Match",
        Kind::Match,
        "begins a block for connections that meet conditions",
    ),
    bare("Include", Kind::Include, "reads other files at this place"),
    bare("Protocol", Kind::Ignored, "there is only protocol 2"),
    bare("Cipher", Kind::Deprecated, "the cipher of protocol 1"),
    bare("FallBackToRsh", Kind::Deprecated, "no longer exists"),
    bare(
        "GlobalKnownHostsFile2",
        Kind::Deprecated,
        "see GlobalKnownHostsFile",
    ),
    bare("RhostsAuthentication", Kind::Deprecated, "no longer exists"),
    bare(
        "UserKnownHostsFile2",
        Kind::Deprecated,
        "see UserKnownHostsFile",
    ),
    bare("UseRoaming", Kind::Deprecated, "no longer exists"),
    bare("UseRsh", Kind::Deprecated, "no longer exists"),
    bare("UsePrivilegedPort", Kind::Deprecated, "no longer exists"),
    bare("AFSTokenPassing", Kind::Unsupported, "protocol 1"),
    bare("KerberosAuthentication", Kind::Unsupported, "protocol 1"),
    bare("KerberosTgtPassing", Kind::Unsupported, "protocol 1"),
    bare("RSAAuthentication", Kind::Unsupported, "protocol 1"),
    bare("RhostsRSAAuthentication", Kind::Unsupported, "protocol 1"),
    bare("CompressionLevel", Kind::Unsupported, "protocol 1"),
];

/// All keywords.
pub(super) fn all() -> impl Iterator<Item = &'static Keyword<Options>> {
    [
        STRUCTURE,
        connection::KEYWORDS,
        auth::KEYWORDS,
        crypto::KEYWORDS,
        forward::KEYWORDS,
        session::KEYWORDS,
    ]
    .into_iter()
    .flatten()
}

/// The keyword that `word` names.
pub(super) fn find(word: &str) -> Option<&'static Keyword<Options>> {
    all().find(|k| k.is_called(word))
}

/// The keywords of ssh_config, for documentation and completion.
pub fn keywords() -> impl Iterator<Item = KeywordInfo> {
    all().map(Keyword::info)
}

/// A list of files or the like: replaces the defaults, at most `max` entries.
fn bounded_list(line: &mut Line<'_>, max: usize) -> Result<Vec<String>, Fault> {
    let mut list = Vec::new();
    while let Some(word) = line.next() {
        if word.is_empty() {
            return Err(line.empty_argument());
        }
        line.none_alone(&word, list.len())?;
        if list.len() >= max {
            return Err(line.bad(format!("too many {} entries.", line.keyword)));
        }
        list.push(word);
    }
    Ok(list)
}
