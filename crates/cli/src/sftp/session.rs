//! A conversation with a server, as the commands see it: where one stands, and
//! what happens to their errors.

use std::fmt::Display;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carrick_sftp::msg::Attrs;

use super::ls::Accounts;
use super::words::Word;
use crate::log::error;
use crate::text::logged;
use crate::transfer::glob::{self, Failed, Found};
use crate::transfer::{Fault, Lost, Remote, Resume};

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Stop {
    /// It failed, and that has been told.
    Failed,
    /// There is no server any more.
    Lost(Lost),
}

/// What a command comes to.
pub(super) type Done = Result<(), Stop>;

impl From<Lost> for Stop {
    fn from(why: Lost) -> Self {
        Self::Lost(why)
    }
}

/// What the user wants of all commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Only what was asked for is told.
    pub(super) quiet: bool,
    /// With a meter.
    pub(super) progress: bool,
    /// A command for several files ends with the first that fails.
    pub(super) abort: bool,
    pub(super) resume: bool,
    /// How what is there is treated if a transfer is to be resumed.
    pub(super) resumed: Resume,
    pub(super) sync: bool,
    pub(super) preserve: bool,
    pub(super) recursive: bool,
}

/// A conversation with a server.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) remote: Remote,
    /// Where one stands, once it is settled.
    pub(super) folder: Vec<u8>,
    /// Where one arrived, likewise.
    pub(super) start: Vec<u8>,
    pub(super) settings: Settings,
    pub(super) accounts: Accounts,
    /// Set when the user wants the running command to end.
    pub(super) interrupted: Arc<AtomicBool>,
}

impl Session {
    /// Waits to be told where one arrived; nothing but a command that
    /// [is whole](super::command::Command::is_whole) may be carried out before.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        if let Some(answer) = self.remote.awaited_path() {
            self.start = answer.map_err(|fault| format!("Need cwd: {fault}"))?;
            self.folder.clone_from(&self.start);
        }
        Ok(())
    }

    /// A path at the server, as the commands name it: from where one stands.
    pub(super) fn absolute(&self, path: &[u8]) -> Vec<u8> {
        join(&self.folder, path)
    }

    /// The path that a word means.
    pub(super) fn path(&self, word: &Word) -> Vec<u8> {
        self.absolute(&word.name())
    }

    /// The pattern that a word means.
    pub(super) fn pattern(&self, word: &Word) -> Vec<u8> {
        if word.pattern().starts_with(b"/") {
            word.pattern().to_vec()
        } else {
            join(&glob::escaped(&self.folder), word.pattern())
        }
    }

    /// The files at the server that a word means.
    pub(super) fn find(&mut self, pattern: &[u8]) -> Result<Vec<Found>, NotFound> {
        let found = glob::glob(&mut self.remote, pattern);
        found.map_err(|why| match why {
            Failed::TooMany => NotFound::TooMany,
            Failed::Tree(lost) => NotFound::Lost(lost),
        })
    }

    /// The paths that a word means: those of the files that match, or if there
    /// are none, what it says.
    pub(super) fn paths(&mut self, word: &Word) -> Result<Vec<Vec<u8>>, Stop> {
        let pattern = self.pattern(word);
        match self.find(&pattern) {
            Ok(found) if found.is_empty() => Ok(vec![self.path(word)]),
            Ok(found) => Ok(found.into_iter().map(|found| found.path).collect()),
            Err(NotFound::TooMany) => Err(failed(format_args!(
                "Too many matches for \"{}\".",
                logged(&pattern)
            ))),
            Err(NotFound::Lost(lost)) => Err(lost.into()),
        }
    }

    /// Whether a path leads to a folder at the server.
    pub(super) fn is_folder(&mut self, path: &[u8]) -> Result<bool, Stop> {
        Ok(self.remote.is_folder(path)?)
    }

    /// What is known of the file that a path leads to, or of a link itself.
    pub(super) fn stat(&mut self, path: &[u8], link: bool) -> Result<Attrs, Stop> {
        let attrs = if link {
            self.remote.lstat(path)
        } else {
            self.remote.stat(path)
        };
        attrs.map_err(|fault| refused(fault, "stat remote"))
    }

    /// Takes note that the user's wish to end a command has been heard.
    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// Why a pattern found nothing.
pub(super) enum NotFound {
    TooMany,
    Lost(Lost),
}

/// Tells that a command failed.
pub(super) fn failed(text: impl Display) -> Stop {
    error!("{text}");
    Stop::Failed
}

/// Tells that a request came to nothing: `what` was to be done.
pub(super) fn refused(fault: Fault, what: impl Display) -> Stop {
    match fault {
        Fault::Lost(lost) => lost.into(),
        Fault::Refused(_) | Fault::TooMany | Fault::Interrupted => {
            failed(format_args!("{what}: {fault}"))
        }
        // Nothing was asked.
        Fault::Unsupported(_) => failed(fault),
    }
}

/// `path` from `folder`.
pub(super) fn join(folder: &[u8], path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    let mut out = folder.to_vec();
    if !out.ends_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(path);
    out
}

/// The last part of a path, without slashes behind it. What has none, such as
/// `/`, is the folder where one stands.
pub(super) fn last_part(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let path = path.get(..end).unwrap_or_default();
    match path.rsplit(|b| *b == b'/').next() {
        Some(name) if !name.is_empty() => name,
        _ => b".",
    }
}

/// The home directory in place of `~` or `~user` at a path's start; the user,
/// if there is none of that name.
pub(super) fn expand_home(path: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    let Some(rest) = path.strip_prefix(b"~") else {
        return Ok(path.to_vec());
    };
    let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (user, rest) = rest.split_at(end);
    let home = if user.is_empty() {
        crate::home::directory()
    } else {
        let name = std::str::from_utf8(user).map_err(|_| user.to_vec())?;
        match carrick_sys::passwd::by_name(name) {
            Ok(Some(account)) => account.home,
            _ => return Err(user.to_vec()),
        }
    };
    Ok([home.as_os_str().as_bytes(), rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_from_where_one_stands() {
        assert_eq!(join(b"/a", b"b"), b"/a/b");
        assert_eq!(join(b"/a", b"../b/"), b"/a/../b/");
        assert_eq!(join(b"/", b"b"), b"/b");
        assert_eq!(join(b"/a", b"/b"), b"/b");
        assert_eq!(join(b"/a", b""), b"/a/");
    }

    #[test]
    fn last_parts() {
        for (path, want) in [
            ("/a/b", "b"),
            ("/a/b/", "b"),
            ("b//", "b"),
            ("b", "b"),
            ("/", "."),
            ("", "."),
            ("/a/..", ".."),
        ] {
            assert_eq!(last_part(path.as_bytes()), want.as_bytes(), "{path}");
        }
    }

    #[test]
    fn homes() {
        assert_eq!(expand_home(b"a/~"), Ok(b"a/~".to_vec()));
        let home = expand_home(b"~").unwrap();
        assert_eq!(expand_home(b"~/x"), Ok([&home[..], b"/x"].concat()));
        assert_eq!(expand_home(b"~nosuch-user/x"), Err(b"nosuch-user".to_vec()));
    }
}
