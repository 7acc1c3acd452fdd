//! Copies over SFTP.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carrick_sftp::msg::{Attrs, FileKind, name};

use super::args::Args;
use super::source::without_slashes;
use super::watch::Watch;
use super::{Fatal, Stop, carrier, children};
use crate::log::{debug, error};
use crate::place::Remote as Host;
use crate::text::{logged, os_error};
use crate::transfer::connect;
use crate::transfer::glob::{self, Failed, Found};
use crate::transfer::option::FATAL;
use crate::transfer::{Fault, Item, Lost, Options, Remote, cross, join};

/// A conversation with a server.
pub(super) struct Session<'a> {
    remote: Remote,
    args: &'a Args,
}

impl<'a> Session<'a> {
    /// Begins one.
    pub(super) fn start(args: &'a Args, host: &Host) -> Result<Self, Fatal> {
        let mut command = carrier::to_server(args, host);
        let link = connect::start(&mut command).map_err(|e| {
            carrier::complain(&command, &e);
            Fatal("Connection closed".into())
        })?;
        link.child_id().into_iter().for_each(children::began);
        let mut remote = Remote::start(link).map_err(lost)?;
        if let Some(kbits) = args.limit {
            remote.limit_rate(kbits);
        }
        remote.set_options(&args.sftp);
        Ok(Self { remote, args })
    }

    /// Ends it and waits for ssh; whether all went well.
    pub(super) fn end(self) -> bool {
        self.remote
            .child_id()
            .into_iter()
            .for_each(children::forget);
        self.remote.finish().is_ok_and(|status| status.success())
    }

    /// A path as this server takes it: `~` is where one arrives, `~user` needs
    /// the server's help.
    fn path(&mut self, path: &[u8]) -> Result<Option<Vec<u8>>, Fatal> {
        match path {
            b"" | b"~" => return Ok(Some(b".".into())),
            [b'~', b'/', rest @ ..] => {
                let start = rest.iter().position(|b| *b != b'/');
                let rest = start.map_or(&b"."[..], |start| &rest[start..]);
                return Ok(Some(rest.into()));
            }
            [b'~', ..] => {}
            _ => return Ok(Some(path.into())),
        }
        if !self.remote.offers().has(name::EXPAND_PATH) {
            error!("server expand-path extension is required for ~user paths in SFTP mode");
            return Ok(None);
        }
        match self.remote.expand_path(path) {
            Ok(path) => Ok(Some(path)),
            Err(Fault::Lost(why)) => Err(lost(why)),
            Err(Fault::Refused(why)) if !why.message.is_empty() => {
                let (path, why) = (logged(path), logged(&why.message));
                error!("expand {path}: {why}");
                Ok(None)
            }
            Err(why) => {
                error!("expand {}: {why}", logged(path));
                Ok(None)
            }
        }
    }

    /// [`Self::path`] for a target, without which nothing can be done.
    fn target(&mut self, path: &[u8]) -> Result<Vec<u8>, Stop> {
        self.path(path)?.ok_or(Stop::Ended(FATAL))
    }

    /// What is known of a file; nothing if it is not there.
    fn stat(&mut self, path: &[u8]) -> Result<Option<Attrs>, Fatal> {
        match self.remote.stat(path) {
            Ok(attrs) => Ok(Some(attrs)),
            Err(Fault::Lost(why)) => Err(lost(why)),
            Err(_) => Ok(None),
        }
    }

    fn is_folder(&mut self, path: &[u8]) -> Result<bool, Fatal> {
        self.remote.is_folder(path).map_err(lost)
    }

    /// The files that the path of a source stands for; `None` if that is
    /// nothing, which is told. A pattern that finds none may be a name.
    fn find(&mut self, source: &[u8], path: &[u8]) -> Result<Option<Vec<Found>>, Fatal> {
        let found = match glob::glob(&mut self.remote, &without_braces(path)) {
            Ok(found) => found,
            Err(Failed::TooMany) => {
                error!("{}: too many glob matches", logged(source));
                return Ok(None);
            }
            Err(Failed::Tree(why)) => return Err(lost(why)),
        };
        if !found.is_empty() {
            return Ok(Some(found));
        }
        let path = path.to_vec();
        let named = self.stat(&path)?.map(|attrs| vec![Found { path, attrs }]);
        if named.is_none() {
            error!("{}: No such file or directory", logged(source));
        }
        Ok(named)
    }

    /// Sends a file or a folder; whether all went well.
    pub(super) fn upload(&mut self, source: &OsStr, target: &[u8]) -> Result<bool, Stop> {
        let place = self.target(target)?;
        let mut into = self.is_folder(&place)?;
        if self.args.to_folder && !into {
            let shown = logged(&place);
            debug!("target directory \"{shown}\" does not exist");
            match self.remote.mkdir(&place, 0o777) {
                Ok(()) => into = true,
                Err(Fault::Lost(why)) => return Err(lost(why).into()),
                Err(why) => {
                    error!("remote mkdir \"{shown}\": {why}");
                    return Err(Stop::Ended(FATAL));
                }
            }
        }
        let source = without_slashes(source.as_bytes());
        let item = Item {
            from: source.into(),
            to: if into {
                join(&place, last_name(source))
            } else {
                place
            },
            attrs: None,
            below: None,
        };
        let options = self.options();
        let outcome = self
            .remote
            .put(&[item], options, &mut Watch::new(self.args));
        if outcome.map_err(lost)?.is_success() {
            return Ok(true);
        }
        let folder = self.args.recursive && Path::new(OsStr::from_bytes(source)).is_dir();
        let what = if folder { "directory" } else { "file" };
        let (source, target) = (logged(source), logged(target));
        error!("failed to upload {what} {source} to {target}");
        Ok(false)
    }

    /// Fetches what a source stands for; whether all went well.
    pub(super) fn download(&mut self, source: &[u8], target: &OsStr) -> Result<bool, Fatal> {
        let Some(path) = self.path(source)? else {
            return Ok(false);
        };
        let Some(found) = self.find(source, &path)? else {
            return Ok(false);
        };
        let target_bytes = target.as_bytes();
        let there = fs::metadata(target);
        let mut into = there.as_ref().is_ok_and(|about| about.is_dir());
        if found.len() > 1 && !into {
            if there.is_ok() {
                return Ok(not_a_folder(target_bytes));
            }
            if let Err(e) = fs::create_dir(target) {
                let target = logged(target_bytes);
                error!("local mkdir \"{target}\": {}", os_error(&e));
                return Ok(false);
            }
            into = true;
        }
        let mut items = items(&found, target_bytes, into);
        if into && found.iter().any(|found| found.path != glob::literal(&path)) {
            for item in &mut items {
                item.below = Some(target_bytes.into());
            }
        }
        for item in &items {
            let (from, to) = (logged(&item.from), logged(&item.to));
            debug!("Fetching {from} to {to}\n");
        }
        let options = self.options();
        let outcome = self.remote.get(&items, options, &mut Watch::new(self.args));
        Ok(outcome.map_err(lost)?.is_success())
    }

    /// Copies what a source here stands for to another server; whether all
    /// went well.
    pub(super) fn copy_to(
        &mut self,
        to: &mut Session<'_>,
        source: &[u8],
        target: &[u8],
    ) -> Result<bool, Stop> {
        let path = self.target(source)?;
        let place = to.target(target)?;
        let into = to.is_folder(&place)?;
        if self.args.to_folder && !into {
            let target = logged(target);
            error!("{target}: destination is not a directory");
            return Ok(false);
        }
        let Some(found) = self.find(source, &path)? else {
            return Ok(false);
        };
        if found.len() > 1 && !into {
            return Ok(not_a_folder(target));
        }
        let options = self.options();
        let outcome = cross(
            &mut self.remote,
            &mut to.remote,
            &items(&found, &place, into),
            options,
            &mut Watch::new(self.args),
        );
        Ok(outcome.map_err(lost)?.is_success())
    }

    fn options(&self) -> Options {
        Options {
            recursive: self.args.recursive,
            preserve: self.args.preserve,
            follow_links: true,
            in_place: true,
            leave_target: self.args.trusting,
            ..Options::default()
        }
    }
}

/// Tells that several files cannot become one.
fn not_a_folder(target: &[u8]) -> bool {
    let target = logged(target);
    error!("Multiple files match pattern, but destination \"{target}\" is not a directory");
    false
}

fn lost(why: Lost) -> Fatal {
    Fatal(why.to_string())
}

/// What is to be copied where: to `target`, or into it.
fn items(found: &[Found], target: &[u8], into: bool) -> Vec<Item> {
    let item = |found: &Found| {
        let from = found.marked();
        Item {
            to: if into {
                join(target, last_name(&from))
            } else {
                target.into()
            },
            from,
            // Of a link it is to be asked where it leads.
            attrs: Some(found.attrs).filter(|attrs| attrs.kind() != Some(FileKind::Symlink)),
            below: None,
        }
    };
    found.iter().map(item).collect()
}

/// The name that a path has in a folder that it is copied into. `..` is none:
/// then its content goes there.
fn last_name(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    match path[..end].rsplit(|b| *b == b'/').next() {
        None | Some(b"" | b"..") => b".",
        Some(name) => name,
    }
}

/// Braces stand for themselves here, as in OpenSSH's scp over SFTP.
fn without_braces(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend([Some(byte), bytes.next()].into_iter().flatten()),
            b'{' => out.extend(b"\\{"),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_target() {
        for (path, name) in [
            ("a", "a"),
            ("a/b", "b"),
            ("a/b//", "b"),
            ("/", "."),
            ("..", "."),
            ("a/..", "."),
            ("a/.", "."),
            ("", "."),
        ] {
            assert_eq!(last_name(path.as_bytes()), name.as_bytes(), "{path}");
        }
    }

    #[test]
    fn braces_are_names() {
        assert_eq!(without_braces(br"g{1,2}\{[{]\"), br"g\{1,2}\{[\{]\");
    }
}
