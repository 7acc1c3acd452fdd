//! The keywords of sshd_config, by theme; the order in which they are dumped
//! stands in [`super::dump`].

mod access;
mod auth;
mod crypto;
mod listen;
mod session;

use super::options::Options;
use crate::error::Fault;
use crate::glob::expand_tilde;
use crate::keyword::{Keyword, KeywordInfo, Kind, Line, Scope};

/// What parsers of single keywords return.
pub(super) type Done = Result<(), Fault>;

macro_rules! keyword {
    ($scope:ident $repeat:ident $name:literal $([$($alias:literal),*])?, $doc:literal, $parse:expr, $dump:expr) => {
        crate::keyword::Keyword {
            name: $name,
            aliases: &[$($($alias),*)?],
            scope: crate::keyword::Scope::$scope,
            kind: crate::keyword::Kind::Value(crate::keyword::Repeat::$repeat, $parse),
            dump: Some($dump),
            doc: $doc,
        }
    };
}
macro_rules! flag {
    ($scope:ident $name:literal $([$($alias:literal),*])?, $field:ident, $doc:literal) => {
        keyword!($scope First $name $([$($alias),*])?, $doc,
            |l, o| { o.$field = l.flag()?; Ok(()) },
            |o, d| d.line($name, crate::words::yes_no(o.$field)))
    };
}
macro_rules! choice {
    ($scope:ident $name:literal, $field:ident, $doc:literal) => {
        keyword!($scope First $name, $doc,
            |l, o| { o.$field = l.choice()?; Ok(()) },
            |o, d| d.line($name, crate::words::Words::word(o.$field)))
    };
}
macro_rules! integer {
    ($scope:ident $name:literal, $field:ident, $doc:literal) => {
        keyword!($scope First $name, $doc,
            |l, o| { o.$field = l.integer()?; Ok(()) },
            |o, d| d.line($name, o.$field))
    };
}
macro_rules! seconds {
    ($scope:ident $name:literal, $field:ident, $doc:literal) => {
        keyword!($scope First $name, $doc,
            |l, o| { o.$field = l.time()?; Ok(()) },
            |o, d| d.line($name, o.$field.as_secs()))
    };
}
/// A word that may be `none`.
macro_rules! optional {
    ($scope:ident $name:literal, $field:ident, $doc:literal) => {
        keyword!($scope First $name, $doc,
            |l, o| { o.$field = l.optional()?; Ok(()) },
            |o, d| d.line($name, o.$field.as_deref().unwrap_or("none")))
    };
}
/// A path that is made absolute, or `none`.
macro_rules! file {
    ($scope:ident $name:literal, $field:ident, $doc:literal) => {
        keyword!($scope First $name, $doc,
            |l, o| { o.$field = super::file_name(l)?; Ok(()) },
            |o, d| d.line($name, o.$field.as_deref().unwrap_or("none")))
    };
}
macro_rules! algorithms {
    ($scope:ident $name:literal $([$($alias:literal),*])?, $field:ident, $list:ident, $what:literal, $doc:literal) => {
        keyword!($scope First $name $([$($alias),*])?, $doc,
            |l, o| { o.$field = l.algorithms(&crate::algorithms::$list, $what)?; Ok(()) },
            |o, d| d.line($name, o.$field.join(",")))
    };
}
use {algorithms, choice, file, flag, integer, keyword, optional, seconds};

/// A keyword that is read and has no effect.
const fn bare(
    name: &'static str,
    scope: Scope,
    kind: Kind<Options>,
    doc: &'static str,
) -> Keyword<Options> {
    Keyword {
        name,
        aliases: &[],
        scope,
        kind,
        dump: None,
        doc,
    }
}

use Scope::{Anywhere, Global};

static STRUCTURE: &[Keyword<Options>] = &[
    bare(
        "Match",
        Anywhere,
        Kind::Match,
        "begins a block for connections that meet conditions",
    ),
    bare(
        "Include",
        Anywhere,
        Kind::Include,
        "reads other files at this place",
    ),
    bare(
        "Protocol",
        Global,
        Kind::Ignored,
        "there is only protocol 2",
    ),
    bare(
        "PAMAuthenticationViaKbdInt",
        Global,
        Kind::Deprecated,
        "see UsePAM",
    ),
    bare("ServerKeyBits", Global, Kind::Deprecated, "protocol 1"),
    bare(
        "KeyRegenerationInterval",
        Global,
        Kind::Deprecated,
        "protocol 1",
    ),
    bare(
        "RhostsAuthentication",
        Global,
        Kind::Deprecated,
        "protocol 1",
    ),
    bare(
        "RhostsRSAAuthentication",
        Anywhere,
        Kind::Deprecated,
        "protocol 1",
    ),
    bare(
        "RSAAuthentication",
        Anywhere,
        Kind::Deprecated,
        "protocol 1",
    ),
    bare(
        "KerberosTgtPassing",
        Global,
        Kind::Unsupported,
        "protocol 1",
    ),
    bare("AFSTokenPassing", Global, Kind::Unsupported, "protocol 1"),
    bare("CheckMail", Global, Kind::Deprecated, "no longer exists"),
    bare("UseLogin", Global, Kind::Deprecated, "no longer exists"),
    bare(
        "VerifyReverseMapping",
        Global,
        Kind::Deprecated,
        "see UseDNS",
    ),
    bare(
        "ReverseMappingCheck",
        Global,
        Kind::Deprecated,
        "see UseDNS",
    ),
    bare(
        "AuthorizedKeysFile2",
        Anywhere,
        Kind::Deprecated,
        "see AuthorizedKeysFile",
    ),
    bare("UsePrivilegeSeparation", Global, Kind::Deprecated, "always"),
];

/// All keywords.
pub(super) fn all() -> impl Iterator<Item = &'static Keyword<Options>> {
    [
        STRUCTURE,
        listen::KEYWORDS,
        auth::KEYWORDS,
        access::KEYWORDS,
        crypto::KEYWORDS,
        session::KEYWORDS,
    ]
    .into_iter()
    .flatten()
}

/// The keyword that `word` names.
pub(super) fn find(word: &str) -> Option<&'static Keyword<Options>> {
    all().find(|k| k.is_called(word))
}

/// The keywords of sshd_config, for documentation and completion.
pub fn keywords() -> impl Iterator<Item = KeywordInfo> {
    all().map(Keyword::info)
}

/// A file name, made absolute; `none` = no file.
fn file_name(line: &mut Line<'_>) -> Result<Option<String>, Fault> {
    let word = line.next().filter(|w| !w.is_empty());
    let word = word.ok_or_else(|| line.fatal("missing file name."))?;
    if word.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    absolute(line, &word).map(Some)
}

/// `~` and paths relative to the working directory.
fn absolute(line: &Line<'_>, path: &str) -> Result<String, Fault> {
    let path = tilde(line, path)?;
    if path.starts_with('/') {
        return Ok(path);
    }
    match line.hooks.current_dir() {
        Some(dir) => Ok(format!("{dir}/{path}")),
        None => Err(line.fatal(format!("no working directory for {path}"))),
    }
}

fn tilde(line: &Line<'_>, path: &str) -> Result<String, Fault> {
    if !path.starts_with('~') {
        return Ok(path.to_owned());
    }
    expand_tilde(path, line.hooks)
        .ok_or_else(|| line.fatal(format!("no home directory for {path}")))
}

/// All remaining words are patterns; a list that grows with each line, and in
/// a Match block replaces that of the global section.
fn patterns(
    line: &mut Line<'_>,
    list: &mut Vec<String>,
    check: impl Fn(&Line<'_>, &str) -> Done,
) -> Done {
    let mut words = Vec::new();
    while let Some(word) = line.next() {
        check(line, &word)?;
        words.push(word);
    }
    if words.is_empty() {
        return Err(line.fatal(format!("no {} specified", line.keyword)));
    }
    if line.first {
        list.clear();
    }
    list.extend(words);
    Ok(())
}
