//! The system's resolver: systemd-resolved is told of the device's, and where
//! that is not in use, `/etc/resolv.conf` is changed and put back. What it was
//! stands in it too, as a comment: a machine that loses its power, and with it
//! the journal, would have a resolver that is not there for ever.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use carrick_sys::descriptors;

use super::hex;
use crate::log::debug;
use crate::text::os_error;

/// The file.
const PATH: &str = "/etc/resolv.conf";
/// How one of ours begins.
const MARK: &str = "# Made by ssh --vpn-dns, which puts back the one before when it ends.\n";
/// What systemd-resolved has in place of the file leads here.
const RESOLVED: &str = "systemd/resolve/";

/// What was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Before {
    Nothing,
    Link(PathBuf),
    File { mode: u32, text: Vec<u8> },
}

/// A change of the file: what it was, and what we made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    before: Before,
    ours: Vec<u8>,
}

impl Before {
    /// As three words.
    fn words(&self) -> String {
        match self {
            Self::Nothing => "nothing - -".to_owned(),
            Self::Link(to) => format!("link {} -", hex::of(to.as_os_str().as_bytes())),
            Self::File { mode, text } => format!("file {} {mode}", hex::of(text)),
        }
    }

    fn parse([kind, what, mode]: [&str; 3]) -> Option<Self> {
        Some(match kind {
            "nothing" => Self::Nothing,
            "link" => Self::Link(OsString::from_vec(hex::read(what)?).into()),
            "file" => Self::File {
                mode: mode.parse().ok()?,
                text: hex::read(what)?,
            },
            _ => return None,
        })
    }
}

/// Whether systemd-resolved does the work.
pub(super) fn is_resolved() -> bool {
    std::fs::read_link(PATH).is_ok_and(|to| to.to_string_lossy().contains(RESOLVED))
}

/// Tells systemd-resolved that all names are asked for at `resolver`, through
/// `interface`. It forgets that when the interface goes.
pub(super) fn tell_resolved(interface: &str, resolver: IpAddr) -> io::Result<()> {
    let resolver = resolver.to_string();
    for words in [["dns", interface, &resolver], ["domain", interface, "~."]] {
        let status = descriptors::program("resolvectl")
            .args(words)
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!(
                "resolvectl {}: {status}",
                words.join(" ")
            )));
        }
    }
    Ok(())
}

impl Change {
    /// The change that makes `resolver` the only one; what else the file says
    /// (domains to search, options) stays.
    pub(super) fn plan(resolver: IpAddr) -> io::Result<Self> {
        Self::plan_at(Path::new(PATH), resolver)
    }

    fn plan_at(path: &Path, resolver: IpAddr) -> io::Result<Self> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(problem) => return Err(problem),
        };
        if text.starts_with(MARK.as_bytes()) {
            return Err(io::Error::other(
                "another ssh --vpn-dns has changed it already",
            ));
        }
        let before = match std::fs::symlink_metadata(path) {
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Before::Nothing,
            Err(problem) => return Err(problem),
            Ok(meta) if meta.is_symlink() => Before::Link(std::fs::read_link(path)?),
            Ok(meta) => Before::File {
                mode: meta.permissions().mode() & 0o7777,
                text: text.clone(),
            },
        };
        let mut ours = format!("{MARK}# {}\nnameserver {resolver}\n", before.words()).into_bytes();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let kept = ["search", "domain", "options"]
                .iter()
                .any(|word| line.starts_with(word.as_bytes()));
            if kept {
                ours.extend_from_slice(line.trim_ascii_end());
                ours.push(b'\n');
            }
        }
        Ok(Self { before, ours })
    }

    /// Makes it. Who could not read the file before cannot now.
    pub(super) fn make(&self) -> io::Result<()> {
        self.make_at(Path::new(PATH))
    }

    fn make_at(&self, path: &Path) -> io::Result<()> {
        let mode = match self.before {
            Before::File { mode, .. } => mode,
            Before::Nothing | Before::Link(_) => 0o644,
        };
        put(path, &self.ours, mode)
    }

    /// Puts back what was there, unless somebody else has changed the file
    /// since: then it is theirs.
    pub(super) fn undo(&self) -> io::Result<()> {
        self.undo_at(Path::new(PATH))
    }

    fn undo_at(&self, path: &Path) -> io::Result<()> {
        match std::fs::read(path) {
            Ok(text) if text == self.ours => {}
            Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
            _ => return Ok(()),
        }
        match &self.before {
            Before::Nothing => std::fs::remove_file(path),
            Before::File { mode, text } => put(path, text, *mode),
            Before::Link(to) => {
                let beside = beside(path);
                symlink(to, &beside)?;
                std::fs::rename(&beside, path).inspect_err(|_| drop(std::fs::remove_file(&beside)))
            }
        }
    }

    /// As a line of the journal.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.before.words(), hex::of(&self.ours))
    }

    /// From a line of the journal.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let [kind, what, mode, ours] =
            <[&str; 4]>::try_from(line.split(' ').collect::<Vec<_>>()).ok()?;
        Some(Self {
            before: Before::parse([kind, what, mode])?,
            ours: hex::read(ours)?,
        })
    }

    /// The change that made `text`, if it is one of ours.
    fn made(text: Vec<u8>) -> Option<Self> {
        let told = text.strip_prefix(MARK.as_bytes())?.strip_prefix(b"# ")?;
        let line = std::str::from_utf8(told.split(|byte| *byte == b'\n').next()?).ok()?;
        let words = <[&str; 3]>::try_from(line.split(' ').collect::<Vec<_>>()).ok()?;
        let before = Before::parse(words)?;
        Some(Self { before, ours: text })
    }
}

/// Puts back what was there before a change of ours of which nothing else is
/// known any more. Nobody may live who made it.
pub(super) fn recover() {
    recover_at(Path::new(PATH));
}

fn recover_at(path: &Path) {
    if let Some(change) = std::fs::read(path).ok().and_then(Change::made)
        && let Err(problem) = change.undo_at(path)
    {
        debug!("vpn: {}: {}", path.display(), os_error(&problem));
    }
}

/// A name for a file beside `path`.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".resolv.conf.carrick-{}", std::process::id()))
}

/// Writes the file anew. Where it cannot be replaced, as one file mounted over
/// another, it is written in place.
fn put(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let beside = beside(path);
    let write = || {
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    let Err(problem) = write() else {
        return Ok(());
    };
    // It may not have come to be.
    let _ = std::fs::remove_file(&beside);
    if problem.kind() != io::ErrorKind::ResourceBusy {
        return Err(problem);
    }
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str =
        "domain example\nnameserver 192.0.2.1\nsearch a b\nnameserver 192.0.2.2\noptions edns0";
    const NEW: &str = "nameserver 10.1.0.53\ndomain example\nsearch a b\noptions edns0\n";

    fn check(path: &Path) -> Change {
        let change = Change::plan_at(path, "10.1.0.53".parse().unwrap()).unwrap();
        assert_eq!(Change::parse(&change.line()), Some(change.clone()));
        change.make_at(path).unwrap();
        change
    }

    #[test]
    fn a_file_is_put_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        std::fs::write(&path, OLD).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let change = check(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let (comments, rest) = text.split_at(text.len() - NEW.len());
        assert!(comments.starts_with(MARK) && comments.lines().count() == 2);
        assert_eq!(rest, NEW);
        let again = Change::plan_at(&path, "10.1.0.53".parse().unwrap());
        assert!(again.is_err(), "{again:?}");
        change.undo_at(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), OLD);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_put_back_and_what_it_led_to_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        std::fs::write(folder.path().join("real"), OLD).unwrap();
        symlink("real", &path).unwrap();
        let change = check(&path);
        assert!(!path.is_symlink());
        assert_eq!(
            std::fs::read_to_string(folder.path().join("real")).unwrap(),
            OLD
        );
        change.undo_at(&path).unwrap();
        assert_eq!(std::fs::read_link(&path).unwrap(), Path::new("real"));
    }

    #[test]
    fn the_file_itself_tells_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        std::fs::write(&path, OLD).unwrap();
        recover_at(&path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), OLD);
        check(&path);
        recover_at(&path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), OLD);
        std::fs::remove_file(&path).unwrap();
        check(&path);
        recover_at(&path);
        assert!(!path.exists());
        // The mark alone tells nothing.
        std::fs::write(&path, format!("{MARK}nameserver 192.0.2.1\n")).unwrap();
        recover_at(&path);
        assert!(path.exists());
    }

    #[test]
    fn what_others_wrote_since_is_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let change = check(&path);
        std::fs::write(&path, "nameserver 198.51.100.1\n").unwrap();
        change.undo_at(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "nameserver 198.51.100.1\n"
        );
        std::fs::write(&path, &change.ours).unwrap();
        change.undo_at(&path).unwrap();
        assert!(!path.exists());
    }
}
