//! One entry per keyword: its names, where it may stand, how it is read,
//! how it is dumped; and the line that a reader works on.

use crate::algorithms::Algorithms;
use crate::error::{Error, Fault, Origin};
use crate::hooks::{Hooks, Level};
use crate::types::{ChannelTimeout, EnvPair, IpQos, RekeyLimit};
use crate::value;
use crate::words::{Words, client_flag, server_flag};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt::{Display, Write};
use std::time::Duration;

/// Which file a keyword belongs to; the two speak differently of their errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// ssh_config: a bad line is counted, and reading goes on.
    Client,
    /// sshd_config: most bad lines end the program.
    Server,
}

/// Where a keyword of sshd_config may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the global section only.
    Global,
    /// In a Match block as well.
    Anywhere,
}

/// What a second line with the same keyword does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing: the first value stays.
    First,
    /// Adds to the list.
    Append,
    /// Replaces the value.
    Last,
}

/// Reads the arguments of a line into the options.
pub(crate) type Parse<O> = fn(&mut Line<'_>, &mut O) -> Result<(), Fault>;

/// What a keyword is.
pub(crate) enum Kind<O: 'static> {
    /// A setting.
    Value(Repeat, Parse<O>),
    /// Host, of the client.
    Host,
    /// Match.
    Match,
    /// Include.
    Include,
    /// Accepted without a word.
    Ignored,
    /// Once meant something.
    Deprecated,
    /// Not in this program.
    Unsupported,
}

/// One keyword.
pub(crate) struct Keyword<O: 'static> {
    /// Documented spelling.
    pub(crate) name: &'static str,
    /// Older names.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) scope: Scope,
    pub(crate) kind: Kind<O>,
    /// Writes the lines of `-G` or `-T`; `None` for what is no setting.
    pub(crate) dump: Option<fn(&O, &mut Dump)>,
    /// One line for people.
    pub(crate) doc: &'static str,
}

/// A keyword as documentation and completion see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeywordInfo {
    /// Documented spelling.
    pub name: &'static str,
    /// Older names that are still read.
    pub aliases: &'static [&'static str],
    /// Where it may stand.
    pub scope: Scope,
    /// One line for people.
    pub doc: &'static str,
}

impl<O> Keyword<O> {
    pub(crate) fn info(&self) -> KeywordInfo {
        KeywordInfo {
            name: self.name,
            aliases: self.aliases,
            scope: self.scope,
            doc: self.doc,
        }
    }

    pub(crate) fn is_called(&self, word: &str) -> bool {
        self.name.eq_ignore_ascii_case(word)
            || self.aliases.iter().any(|a| a.eq_ignore_ascii_case(word))
    }
}

/// Which keywords were set, and where first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetKeywords(BTreeMap<&'static str, Origin>);

impl SetKeywords {
    /// Whether `keyword` (any case) is among them.
    pub fn contains(&self, keyword: &str) -> bool {
        self.origin(keyword).is_some()
    }

    /// Where `keyword` (any case) was set first.
    pub fn origin(&self, keyword: &str) -> Option<&Origin> {
        self.0
            .iter()
            .find(|(k, _)| k.eq_ignore_ascii_case(keyword))
            .map(|(_, o)| o)
    }

    /// All, by name in documented spelling.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Origin)> {
        self.0.iter().map(|(k, o)| (*k, o))
    }

    pub(crate) fn record(&mut self, keyword: &'static str, line: &Line<'_>) {
        self.0.entry(keyword).or_insert_with(|| line.origin());
    }

    pub(crate) fn insert(&mut self, keyword: &'static str, file: String, line: u32) {
        self.0.entry(keyword).or_insert(Origin { file, line });
    }

    pub(crate) fn extend(&mut self, over: Self) {
        self.0.extend(over.0);
    }

    pub(crate) fn has(&self, keyword: &'static str) -> bool {
        self.0.contains_key(keyword)
    }
}

/// A line at work: its place, and the arguments not yet taken.
pub(crate) struct Line<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) file: &'a str,
    pub(crate) number: u32,
    /// As messages show it: the client in lower case, the server as written.
    pub(crate) keyword: String,
    /// All after the keyword, quotes and comment included.
    pub(crate) rest: &'a str,
    pub(crate) args: VecDeque<String>,
    /// The block that the line stands in applies.
    pub(crate) active: bool,
    /// The first line of this keyword in this pass: a list starts anew.
    pub(crate) first: bool,
    /// From the command line or the user's own file.
    pub(crate) user_provided: bool,
    pub(crate) hooks: &'a dyn Hooks,
}

/// The result of taking a value.
pub(crate) type Taken<T> = Result<T, Fault>;

impl Line<'_> {
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            file: self.file.to_owned(),
            line: self.number,
        }
    }

    /// `file line N: text`.
    pub(crate) fn at(&self, text: impl Display) -> String {
        format!("{} line {}: {text}", self.file, self.number)
    }

    /// A line that is counted as bad; reading goes on.
    pub(crate) fn bad(&self, text: impl Display) -> Fault {
        Fault::Bad(vec![self.at(text)])
    }

    /// A line that ends the program.
    pub(crate) fn fatal(&self, text: impl Display) -> Fault {
        Fault::Fatal(Error::new(self.file, self.number, self.at(text)))
    }

    /// As bad as the dialect takes it.
    pub(crate) fn fail(&self, text: impl Display) -> Fault {
        match self.dialect {
            Dialect::Client => self.bad(text),
            Dialect::Server => self.fatal(text),
        }
    }

    pub(crate) fn note(&self, level: Level, text: impl Display) {
        self.hooks.note(level, &self.at(text));
    }

    pub(crate) fn next(&mut self) -> Option<String> {
        self.args.pop_front()
    }

    /// The rest of the line is somebody's own business.
    pub(crate) fn consume(&mut self) {
        self.args.clear();
    }

    /// The text after the keyword for commands: one `=` more and blanks skipped.
    pub(crate) fn raw(&self) -> &str {
        self.rest.trim_start_matches([' ', '\t', '\r', '\n', '='])
    }

    /// A word that must be there and not be empty.
    pub(crate) fn word(&mut self) -> Taken<String> {
        match self.next() {
            Some(word) if !word.is_empty() => Ok(word),
            _ => Err(match self.dialect {
                Dialect::Client => self.bad("Missing argument."),
                Dialect::Server => self.fatal(format!("{} missing argument.", self.keyword)),
            }),
        }
    }

    fn chosen<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Taken<T> {
        let word = self.next();
        let Some(word) = word.filter(|w| !w.is_empty()) else {
            let mut lines = vec![self.at("missing argument.")];
            if self.dialect == Dialect::Server {
                return Err(self.fatal("missing argument."));
            }
            lines.push(self.at("unsupported option \"\"."));
            return Err(Fault::Bad(lines));
        };
        find(&word).ok_or_else(|| self.fail(format!("unsupported option \"{word}\".")))
    }

    pub(crate) fn flag(&mut self) -> Taken<bool> {
        match self.dialect {
            Dialect::Client => self.chosen(client_flag),
            Dialect::Server => self.chosen(server_flag),
        }
    }

    pub(crate) fn choice<T: Words>(&mut self) -> Taken<T> {
        self.chosen(T::find)
    }

    pub(crate) fn integer(&mut self) -> Taken<u32> {
        let word = self.next();
        value::integer(word.as_deref()).map_err(|what| match self.dialect {
            Dialect::Client => self.bad(format!("integer value {what}.")),
            Dialect::Server => self.fatal(format!("{} integer value {what}.", self.keyword)),
        })
    }

    /// A time that must be there; the client's `none` is `None`.
    pub(crate) fn time_or_none(&mut self) -> Taken<Option<Duration>> {
        let word = self.next().filter(|w| !w.is_empty());
        let word = word.ok_or_else(|| self.fail("missing time value."))?;
        if self.dialect == Dialect::Client && word == "none" {
            return Ok(None);
        }
        match value::time(&word) {
            Some(time) => Ok(Some(time)),
            None => Err(self.fail("invalid time value.")),
        }
    }

    /// A time, where `none` means zero.
    pub(crate) fn time(&mut self) -> Taken<Duration> {
        self.time_or_none().map(Option::unwrap_or_default)
    }

    /// A path, name or the like, where `none` means there is none.
    pub(crate) fn optional(&mut self) -> Taken<Option<String>> {
        self.word().map(none)
    }

    /// An algorithm list; `what` is how messages name it.
    pub(crate) fn algorithms(&mut self, list: &Algorithms, what: &str) -> Taken<Vec<String>> {
        let spec = self.word()?;
        list.edit(&spec).map_err(|name| {
            let text = self.at(format!("{what} '{spec}'."));
            // Of key exchanges alone the unknown name is told as well.
            let mut lines = Vec::new();
            if what.contains("KexAlgorithms") && !name.is_empty() {
                lines.push(format!("Unsupported KEX algorithm \"{name}\""));
            }
            lines.push(text.clone());
            match self.dialect {
                Dialect::Client => Fault::Bad(lines),
                Dialect::Server => {
                    let error = Error::new(self.file, self.number, text);
                    Fault::Fatal(Error { lines, ..error })
                }
            }
        })
    }

    /// All remaining words, at least one, none empty, `none` alone; the list
    /// is empty for `none`.
    pub(crate) fn list_or_none(&mut self) -> Taken<Vec<String>> {
        let mut list = Vec::new();
        while let Some(word) = self.next() {
            if word.is_empty() {
                return Err(self.empty_argument());
            }
            self.none_alone(&word, list.len())?;
            list.push(word);
        }
        if list.is_empty() {
            return Err(self.fatal(format!("no {} specified", self.keyword)));
        }
        if list.len() == 1 && list.iter().all(|w| w.eq_ignore_ascii_case("none")) {
            list.clear();
        }
        Ok(list)
    }

    pub(crate) fn empty_argument(&self) -> Fault {
        self.bad(format!("keyword {} empty argument", self.keyword))
    }

    /// `none` must be the only word.
    pub(crate) fn none_alone(&self, word: &str, before: usize) -> Taken<()> {
        if word.eq_ignore_ascii_case("none") && (before > 0 || !self.args.is_empty()) {
            let text = format!(
                "keyword {} \"none\" argument must appear alone.",
                self.keyword
            );
            return Err(self.bad(text));
        }
        Ok(())
    }

    pub(crate) fn channel_timeouts(&mut self) -> Taken<Vec<ChannelTimeout>> {
        let mut all = Vec::new();
        let mut seen = 0;
        while let Some(text) = self.next() {
            self.none_alone(&text, seen)?;
            seen += 1;
            if text.eq_ignore_ascii_case("none") {
                continue;
            }
            let parts = text
                .split_once('=')
                .filter(|(pattern, _)| !pattern.is_empty());
            let Some((pattern, timeout)) =
                parts.and_then(|(p, t)| value::time(t).map(|t| (p.to_owned(), t)))
            else {
                return Err(self.fatal(format!("invalid channel timeout {text}")));
            };
            all.push(ChannelTimeout {
                text,
                pattern,
                timeout,
            });
        }
        if seen == 0 {
            return Err(self.fatal(format!("no {} specified", self.keyword)));
        }
        Ok(all)
    }

    pub(crate) fn ip_qos(&mut self) -> Taken<IpQos> {
        let what = match self.dialect {
            Dialect::Client => "IPQoS".to_owned(),
            Dialect::Server => self.keyword.clone(),
        };
        let first = match self.dialect {
            Dialect::Client => self.next().unwrap_or_default(),
            Dialect::Server => self.word()?,
        };
        let read = |word: &str, line: &Self| {
            value::qos(word).ok_or_else(|| line.fail(format!("Bad {what} value: {word}")))
        };
        let interactive = read(&first, self)?;
        let bulk = match self.next() {
            Some(word) => read(&word, self)?,
            None => interactive,
        };
        Ok(IpQos { interactive, bulk })
    }

    pub(crate) fn rekey_limit(&mut self) -> Taken<RekeyLimit> {
        let name = match self.dialect {
            Dialect::Client => "RekeyLimit".to_owned(),
            Dialect::Server => self.keyword.clone(),
        };
        let word = self.word()?;
        let bytes = if word == "default" {
            0
        } else {
            let shown = if self.dialect == Dialect::Client {
                ""
            } else {
                &format!("{name} ")
            };
            value::scaled(&word)
                .map_err(|why| self.fail(format!("Bad {shown}number '{word}': {why}")))?
        };
        let bytes = u64::try_from(bytes)
            .ok()
            .filter(|b| *b == 0 || *b >= 16)
            .ok_or_else(|| self.fail(format!("{name} too small")))?;
        let time = match self.args.front().map(String::as_str) {
            None => Duration::ZERO,
            Some("none") => {
                self.next();
                Duration::ZERO
            }
            Some(_) => self.time()?,
        };
        Ok(RekeyLimit { bytes, time })
    }

    /// `NAME=value` words; of one name the first counts.
    pub(crate) fn set_env(&mut self) -> Taken<Vec<EnvPair>> {
        let mut all: Vec<EnvPair> = Vec::new();
        while let Some(word) = self.next() {
            let Some((name, value)) = word.split_once('=') else {
                return Err(match self.dialect {
                    Dialect::Client => self.bad("Invalid SetEnv."),
                    Dialect::Server => self.fatal("Invalid environment."),
                });
            };
            if all.iter().any(|p| p.name == name) {
                let text = format!("ignoring duplicate env name \"{name}\"");
                self.note(Level::Debug2, text);
                continue;
            }
            all.push(EnvPair {
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
        if all.is_empty() {
            return Err(self.fatal(format!("no {} specified", self.keyword)));
        }
        Ok(all)
    }

    /// VersionAddendum: the whole text; `none` is empty. A comment is not cut
    /// off, as OpenSSH does not either.
    pub(crate) fn version_addendum(&mut self) -> Taken<String> {
        let text = self.rest.trim_start_matches(crate::lex::BLANKS);
        if text.contains('\r') {
            return Err(self.fatal(format!("Invalid {} argument", self.keyword)));
        }
        let text = if text.eq_ignore_ascii_case("none") {
            ""
        } else {
            text
        }
        .to_owned();
        self.consume();
        Ok(text)
    }
}

/// `None` for the word `none`.
pub(crate) fn none(word: String) -> Option<String> {
    (!word.eq_ignore_ascii_case("none")).then_some(word)
}

/// The text of a dump.
#[derive(Default)]
pub(crate) struct Dump {
    out: String,
}

impl Dump {
    /// One line.
    pub(crate) fn line(&mut self, name: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{} {value}", name.to_ascii_lowercase());
    }

    /// A line that is not in lower case.
    pub(crate) fn verbatim(&mut self, line: impl Display) {
        let _ = writeln!(self.out, "{line}");
    }

    /// A line unless there is no value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.line(name, value);
        }
    }

    /// A line for each value.
    pub(crate) fn each<T: Display>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.line(name, value);
        }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}

/// The words of a list, or `empty` if there are none.
pub(crate) fn words_or(values: &[String], empty: &str) -> String {
    if values.is_empty() {
        empty.to_owned()
    } else {
        values.join(" ")
    }
}
