//! Completing what is being typed: commands, and names on either side.

use std::cell::RefCell;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use carrick_sftp::msg::FileKind;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::command::{self, Side};
use super::session::{Session, join};
use super::words::{self, End};

/// More links than that are not followed to see whether folders are behind
/// them.
const LINKS: usize = 8;

/// Where to complete what.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// Where the word begins that is being typed.
    start: usize,
    /// What it says so far.
    typed: String,
    /// In what quotes it is.
    quote: Option<char>,
    what: What,
}

/// What a word is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Command,
    Local,
    Remote,
}

/// What could be completed at the end of `line`.
fn wanted(line: &str) -> Option<Wanted> {
    let command = line
        .trim_start()
        .trim_start_matches(['-', '@'])
        .trim_start();
    let offset = line.len() - command.len();
    if command.starts_with('!') {
        return None;
    }
    let mut words = words::split_open(command.as_bytes()).ok()?;
    let (start, word, quote) = match words.end {
        // A comment cannot be completed, nor can what follows it.
        End::Apart if command.ends_with(|c: char| !c.is_whitespace()) => return None,
        End::Apart => (command.len(), words::Word::default(), None),
        End::Within { start, quote } => (start, words.list.pop()?, quote),
    };
    let typed = String::from_utf8(word.name()).ok()?;
    let what = match words.list.split_first() {
        None => What::Command,
        Some((name, operands)) => {
            let before = operands.iter().filter(|w| !w.pattern().starts_with(b"-"));
            match (command::operands_of(name.pattern())?, before.count()) {
                (Side::Neither, _) => return None,
                (Side::Local, _) | (Side::Up, 0) | (Side::Down, 1) => What::Local,
                (Side::Remote, _) | (Side::Down, 0) | (Side::Up, 1) => What::Remote,
                _ => return None,
            }
        }
    };
    Some(Wanted {
        start: offset + start,
        typed,
        // Quotes that do not begin the word are undone with it.
        quote: quote
            .map(char::from)
            .filter(|quote| command[start..].starts_with(*quote)),
        what,
    })
}

/// A name that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    name: String,
    folder: bool,
}

/// Those of a folder's files that may be meant: nothing that cannot be typed,
/// nor hidden files unless that is asked for.
fn matching(
    entries: impl Iterator<Item = (Vec<u8>, FileKind)>,
    prefix: &str,
) -> Vec<(String, FileKind)> {
    let mut found: Vec<_> = entries
        .filter_map(|(name, kind)| Some((String::from_utf8(name).ok()?, kind)))
        .filter(|(name, _)| {
            name.starts_with(prefix)
                && (prefix.starts_with('.') || !name.starts_with('.'))
                && name != "."
                && name != ".."
                && !name.contains('/')
                && !name.chars().any(char::is_control)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

impl Wanted {
    /// What has been typed of the folder, and of the name in it.
    fn parts(&self) -> (&str, &str) {
        let slash = self.typed.rfind('/').map_or(0, |at| at + 1);
        self.typed.split_at(slash)
    }

    fn pair(&self, candidate: &Candidate) -> Pair {
        let (folder, _) = self.parts();
        let mark: String = self.quote.into_iter().collect();
        let word = words::quoted(&format!("{folder}{}", candidate.name), self.quote);
        let (behind, end) = if candidate.folder {
            ("/", String::new())
        } else {
            ("", format!("{mark} "))
        };
        Pair {
            display: format!("{}{behind}", candidate.name),
            replacement: format!("{mark}{word}{behind}{end}"),
        }
    }
}

fn commands(prefix: &str) -> Vec<Pair> {
    let prefix = prefix.to_ascii_lowercase();
    let known = command::names().filter(|name| name.starts_with(&prefix));
    known
        .map(|name| Pair {
            display: name.into(),
            replacement: format!("{name} "),
        })
        .collect()
}

fn local(wanted: &Wanted) -> Vec<Candidate> {
    let (folder, prefix) = wanted.parts();
    let Ok(entries) = fs::read_dir(if folder.is_empty() { "." } else { folder }) else {
        return Vec::new();
    };
    let entries = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let kind = match fs::metadata(entry.path()) {
            Ok(meta) if meta.is_dir() => FileKind::Directory,
            _ => FileKind::Other,
        };
        Some((entry.file_name().into_vec(), kind))
    });
    let candidate = |(name, kind)| Candidate {
        name,
        folder: kind == FileKind::Directory,
    };
    matching(entries, prefix)
        .into_iter()
        .map(candidate)
        .collect()
}

fn remote(session: &mut Session, wanted: &Wanted) -> Vec<Candidate> {
    let (folder, prefix) = wanted.parts();
    let folder = session.absolute(folder.as_bytes());
    // What ended the last command does not end this.
    session.interrupted.store(false, Ordering::Relaxed);
    // Whatever is wrong will show when the command is run.
    let Ok(entries) = session.remote.read_dir(&folder) else {
        return Vec::new();
    };
    let kind = |attrs: carrick_sftp::msg::Attrs| attrs.kind().unwrap_or(FileKind::Other);
    let entries = entries.into_iter().map(|e| (e.name, kind(e.attrs)));
    let found = matching(entries, prefix);
    let follow = found.len() <= LINKS;
    let mut candidate = |(name, kind): (String, FileKind)| {
        let folder = match kind {
            FileKind::Symlink if follow => {
                let path = join(&folder, name.as_bytes());
                session.remote.stat(&path).is_ok_and(|attrs| attrs.is_dir())
            }
            kind => kind == FileKind::Directory,
        };
        Candidate { name, folder }
    };
    found.into_iter().map(&mut candidate).collect()
}

/// Completes for the line editor.
pub(super) struct Names(pub(super) Rc<RefCell<Session>>);

impl Completer for Names {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let Some(wanted) = line.get(..pos).and_then(wanted) else {
            return Ok((pos, Vec::new()));
        };
        let candidates = match wanted.what {
            What::Command => return Ok((wanted.start, commands(&wanted.typed))),
            What::Local => local(&wanted),
            What::Remote => match self.0.try_borrow_mut() {
                Ok(mut session) => remote(&mut session, &wanted),
                Err(_) => Vec::new(),
            },
        };
        let pairs = candidates.iter().map(|c| wanted.pair(c)).collect();
        Ok((wanted.start, pairs))
    }
}

impl Hinter for Names {
    type Hint = String;
}
impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> Option<(usize, String, Option<char>, What)> {
        wanted(line).map(|w| (w.start, w.typed, w.quote, w.what))
    }

    #[test]
    fn what_is_completed() {
        use What::{Command, Local, Remote};
        for (line, start, typed, quote, what) in [
            ("", 0, "", None, Command),
            ("  g", 2, "g", None, Command),
            ("-@ re", 3, "re", None, Command),
            ("get ", 4, "", None, Remote),
            ("get a\\ b", 4, "a b", None, Remote),
            ("get 'a b", 4, "a b", Some('\''), Remote),
            ("get a'b c", 4, "ab c", None, Remote),
            ("get -r a", 7, "a", None, Remote),
            ("get a b", 6, "b", None, Local),
            ("put a", 4, "a", None, Local),
            ("reput -p a b/", 11, "b/", None, Remote),
            ("LCD \"x", 4, "x", Some('"'), Local),
            ("lls -l x", 7, "x", None, Local),
            ("rename a b", 9, "b", None, Remote),
        ] {
            assert_eq!(
                seen(line),
                Some((start, typed.into(), quote, what)),
                "{line}"
            );
        }
        for line in ["!ls a", "get a b c", "help a", "nosuch a", "get #a", "pwd "] {
            assert_eq!(seen(line), None, "{line}");
        }
    }

    #[test]
    fn names_are_quoted_as_they_were_begun() {
        for (line, name, folder, want) in [
            ("get a", "a b", false, "a\\ b "),
            ("get 'a", "a b", false, "'a b' "),
            ("get \"a", "a\"b", false, "\"a\\\"b\" "),
            ("get d/a", "a*", false, "d/a\\* "),
            ("get d/s", "s x", true, "d/s\\ x/"),
            ("get 'd/s", "s x", true, "'d/s x/"),
        ] {
            let wanted = wanted(line).unwrap();
            let candidate = Candidate {
                name: name.into(),
                folder,
            };
            assert_eq!(wanted.pair(&candidate).replacement, want, "{line}");
        }
    }

    #[test]
    fn a_servers_names_are_taken_if_they_can_be_typed() {
        let names: [&[u8]; 8] = [b"ab", b"a\x1b", b"a\xff", b"a/b", b"..", b"aa", b".a", b"b"];
        let entries = names.iter().map(|n| (n.to_vec(), FileKind::Regular));
        let found: Vec<_> = matching(entries.clone(), "a")
            .into_iter()
            .map(|m| m.0)
            .collect();
        assert_eq!(found, ["aa", "ab"]);
        let found: Vec<_> = matching(entries, ".").into_iter().map(|m| m.0).collect();
        assert_eq!(found, [".a"]);
    }

    #[test]
    fn commands_whatever_their_case() {
        let all: Vec<_> = commands("LC").into_iter().map(|p| p.replacement).collect();
        assert_eq!(all, ["lcd ", "lchdir "]);
    }
}
