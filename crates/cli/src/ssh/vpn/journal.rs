//! What is to be undone when the network behind a connection goes away: each
//! step is written down before it is taken, in a file that is locked while this
//! process lives. Whatever is left of a process that was killed is undone by
//! the next one that starts.
//!
//! The folder is gone when the machine starts anew, and routes are too; what the
//! resolver's file was stands in the file itself ([`resolv`]).
//!
//! The device needs no such care: it goes away with its process, and with it
//! its addresses, its routes, and what systemd-resolved knows of it.
//!
//! Who can write there? The folder is the user's own, and nobody else's: what
//! stands in a file is what this program wrote.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use carrick_sys::netlink::{Netlink, Route, Via};
use rustix::fs::OFlags;

use super::hex;
use super::resolv::{self, Change};
use crate::account;
use crate::log::debug;
use crate::text::os_error;

/// Where root's are.
const SYSTEM: &str = "/run";
/// What the files are called, before the network namespace and the process.
const PREFIX: &str = "vpn-";
/// The line that takes back the one before.
const TAKEN_BACK: &str = "taken back\n";
/// The longest file that is read back.
const LONGEST: u64 = 1024 * 1024;

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A route was added, on a device that is not ours.
    Route(Route),
    /// The resolver's configuration was changed.
    Resolver(Change),
}

/// The steps taken so far. They are undone when this is dropped.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    steps: Vec<Step>,
}

impl Step {
    fn line(&self) -> String {
        match self {
            Self::Route(route) => {
                let via = route.via.as_ref();
                let via = via.map_or("-".to_owned(), |via| {
                    format!("{}:{}", via.kind, hex::of(&via.bytes))
                });
                let Route {
                    target,
                    prefix,
                    interface,
                    ..
                } = route;
                format!("route {target} {prefix} {interface} {via}\n")
            }
            Self::Resolver(change) => format!("resolver {}\n", change.line()),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "route" => {
                let [target, prefix, interface, via] =
                    <[&str; 4]>::try_from(rest.split(' ').collect::<Vec<_>>()).ok()?;
                let via = match via.split_once(':') {
                    None => None,
                    Some((kind, bytes)) => Some(Via {
                        kind: kind.parse().ok()?,
                        bytes: hex::read(bytes)?,
                    }),
                };
                Some(Self::Route(Route {
                    target: target.parse().ok()?,
                    prefix: prefix.parse().ok()?,
                    interface: interface.parse().ok()?,
                    via,
                    source: None,
                }))
            }
            "resolver" => Change::parse(rest).map(Self::Resolver),
            _ => None,
        }
    }

    fn undo(&self) {
        let (what, outcome) = match self {
            Self::Route(route) => {
                let outcome = Netlink::open().and_then(|mut line| line.remove_route(route));
                (format!("route to {}", route.target), outcome)
            }
            Self::Resolver(change) => ("resolver".to_owned(), change.undo()),
        };
        // Somebody else may have undone it.
        if let Err(problem) = outcome {
            debug!("vpn: {what}: {}", os_error(&problem));
        }
    }
}

/// The folder of this user's journals.
fn folder() -> io::Result<PathBuf> {
    if account::uid() == 0 {
        return Ok(Path::new(SYSTEM).join("carrick"));
    }
    let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    let folder = folder.ok_or_else(|| io::Error::other("XDG_RUNTIME_DIR is not set"))?;
    Ok(Path::new(&folder).join("carrick"))
}

/// Makes the folder. One that is not ours alone is refused.
fn own_folder() -> io::Result<PathBuf> {
    let folder = folder()?;
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(problem) if problem.kind() != io::ErrorKind::AlreadyExists => return Err(problem),
        _ => {}
    }
    let meta = std::fs::symlink_metadata(&folder)?;
    if !meta.is_dir() || meta.uid() != account::uid() || meta.mode() & 0o022 != 0 {
        let text = format!("{} is not ours alone", folder.display());
        return Err(io::Error::other(text));
    }
    Ok(folder)
}

/// The name that journals of this network namespace begin with: routes mean
/// nothing in another.
fn prefix() -> io::Result<String> {
    let space = std::fs::metadata("/proc/self/ns/net")?;
    Ok(format!("{PREFIX}{}-", space.ino()))
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    let no_links = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = File::options();
    options.read(true).append(true).mode(0o600);
    options.custom_flags(no_links).create_new(create).open(path)
}

impl Journal {
    /// Begins one, after what is left of those of others was undone.
    pub(super) fn begin() -> io::Result<Self> {
        let folder = own_folder()?;
        // One begins at a time: a journal that is not locked yet looks like one
        // that was left behind, and the resolver is put back only where nobody
        // is about to change it.
        let alone = File::open(&folder)?;
        alone.lock()?;
        let prefix = prefix()?;
        if !recover(&folder, &prefix)? {
            resolv::recover();
        }
        let path = folder.join(format!("{prefix}{:016x}", super::seed()));
        let file = open(&path, true)?;
        file.lock()?;
        Ok(Self {
            path,
            file,
            steps: Vec::new(),
        })
    }

    /// Writes down a step that is about to be taken.
    pub(super) fn write(&mut self, step: Step) -> io::Result<()> {
        self.file.write_all(step.line().as_bytes())?;
        self.steps.push(step);
        Ok(())
    }

    /// The step was not taken after all.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        self.file.write_all(TAKEN_BACK.as_bytes())?;
        self.steps.pop();
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        undo(&self.steps);
        // Nothing is left in it that is to be undone.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn undo(steps: &[Step]) {
    steps.iter().rev().for_each(Step::undo);
}

/// The steps that a journal's lines tell of.
fn read(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for line in text.lines() {
        if line == TAKEN_BACK.trim_end() {
            steps.pop();
        } else {
            steps.extend(Step::parse(line));
        }
    }
    steps
}

/// Undoes what others have left behind that live no more. Whether there are
/// some that live, here or in another network namespace.
fn recover(folder: &Path, prefix: &str) -> io::Result<bool> {
    let mut living = false;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(PREFIX) {
            continue;
        }
        let Ok(file) = open(&entry.path(), false) else {
            continue;
        };
        // Held until all is undone: nobody else undoes it too.
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                living = true;
                continue;
            }
            Err(TryLockError::Error(problem)) => return Err(problem),
        }
        if !name.starts_with(prefix) {
            continue;
        }
        let mut text = String::new();
        // A line that was not finished was not followed by its step.
        if (&file).take(LONGEST).read_to_string(&mut text).is_ok() {
            let whole = text.rfind('\n').and_then(|end| text.get(..end));
            let steps = read(whole.unwrap_or_default());
            debug!(
                "vpn: {} steps of a process that was killed are undone",
                steps.len()
            );
            undo(&steps);
        }
        match std::fs::remove_file(entry.path()) {
            Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
            _ => {}
        }
    }
    Ok(living)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_as_it_was_written() {
        let route = |via| Route {
            target: "192.0.2.1".parse().unwrap(),
            prefix: 32,
            interface: 3,
            via,
            source: None,
        };
        let via = Via {
            kind: 5,
            bytes: vec![10, 0, 0, 1],
        };
        for step in [Step::Route(route(None)), Step::Route(route(Some(via)))] {
            let line = step.line();
            assert_eq!(Step::parse(line.trim_end()), Some(step));
        }
        let lines = format!("{}{TAKEN_BACK}", Step::Route(route(None)).line());
        assert_eq!(read(&lines), []);
        for line in [
            "",
            "route",
            "route x 32 3 -",
            "route 192.0.2.1 32 3 5:0",
            "else 1",
        ] {
            assert_eq!(Step::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_living_one_has_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [dead, living, other] =
            ["vpn-1-10", "vpn-1-11", "vpn-2-12"].map(|n| folder.path().join(n));
        for path in [&dead, &living, &other] {
            std::fs::write(path, "route 203.0.113.1 32 4000000 -\nresolver fi").unwrap();
        }
        let held = open(&living, false).unwrap();
        held.lock().unwrap();
        assert!(recover(folder.path(), "vpn-1-").unwrap());
        assert_eq!(
            [&dead, &living, &other].map(|path| path.exists()),
            [false, true, true]
        );
        drop(held);
        assert!(!recover(folder.path(), "vpn-1-").unwrap());
        assert_eq!([&living, &other].map(|path| path.exists()), [false, true]);
    }
}
