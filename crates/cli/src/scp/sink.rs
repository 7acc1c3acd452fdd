//! The receiving half of the legacy protocol.
//!
//! Files are written in place, as rcp did and as scripts expect: one that is
//! there keeps its identity, and is cut to the new length at the end.
//!
//! A hostile sender decides the order of records, names, modes, sizes and
//! times. It gets no further than this:
//! - A name is that of one file ([`super::record`]), and one that was asked
//!   for ([`super::asked`]): all it can name otherwise lies below the target.
//! - A link that lies below the target and leads out of it is not followed
//!   where the sender chose its name.
//! - Set-uid and set-gid are taken from it only with `-p` and where it is
//!   trusted: with `-T`, and at the far end, where it speaks for the account.
//! - A folder in a folder costs it a record each and us a path, whose length
//!   the system bounds; nothing here recurses.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use rustix::io::Errno;

use super::asked::Asked;
use super::peer::{Ended, about};
use super::record::{self, Bad, Entry, Record, Stamp, Times};
use super::talk::{Talk, is_folder};
use crate::text::{err, os_error, printable_bytes};
use crate::transfer::{LEADS_OUT, leads_out};

/// The owner can write: what a file or folder needs while it is filled.
const OWNER_WRITES: u32 = 0o200;
const OWNER_ALL: u32 = 0o700;
/// What a mode may have that was not asked to be kept.
const PLAIN_MODE: u32 = 0o777;

/// What a mode may have that is kept of what a server sent: with set-uid it
/// could leave a program that makes any local user the one who ran scp. (Over
/// SFTP there is no such mode either.)
const KEPT_MODE: u32 = 0o1777;

/// A folder that is being filled.
struct Folder {
    path: PathBuf,
    /// Set when it is full.
    times: Option<Times>,
    /// Likewise.
    mode: Option<u32>,
}

/// Where things go, and what the sender has said so far.
struct Sink<'a> {
    talk: &'a mut Talk,
    asked: &'a Asked,
    target: &'a Path,
    /// Whether it was a folder from the start, so that names go into it.
    into_folder: bool,
    umask: u32,
    /// Those under way, outermost first.
    folders: Vec<Folder>,
    /// For what comes next.
    times: Option<Times>,
}

impl Talk {
    /// Receives what was `asked` for into `target`.
    pub(super) fn receive(&mut self, target: &Path, asked: &Asked) -> Result<(), Ended> {
        if self.how.to_folder
            && let Err(why) = is_folder(target)
        {
            self.peer.complain_of(bytes(target), &os_error(&why));
            return Err(Ended);
        }
        self.peer.agree();
        Sink {
            into_folder: target.is_dir(),
            umask: umask(),
            talk: self,
            asked,
            target,
            folders: Vec::new(),
            times: None,
        }
        .run()
    }
}

impl Sink<'_> {
    fn run(&mut self) -> Result<(), Ended> {
        let mut first = true;
        while let Some(line) = self.talk.peer.record()? {
            if self.talk.how.verbose {
                err!("Sink: {}\n", printable_bytes(&line));
            }
            match record::parse(&line) {
                Ok(Record::Warning(text)) => self.talk.peer.heard(text),
                Ok(Record::Fatal(text)) => {
                    self.talk.peer.heard(text);
                    return Err(Ended);
                }
                Ok(Record::End) => match self.folders.pop() {
                    Some(folder) => self.finish(folder),
                    None => {
                        self.talk.peer.agree();
                        return Ok(());
                    }
                },
                Ok(Record::Times(times)) => {
                    self.times = times;
                    self.talk.peer.agree();
                }
                Ok(Record::File(entry)) => {
                    let place = self.place(&entry)?;
                    self.file(&place, &entry)?;
                }
                Ok(Record::Folder(entry)) => {
                    let place = self.place(&entry)?;
                    self.folder(place, &entry)?;
                }
                // A shell's words, before the program there could run.
                Err(Bad::NoRecord) if first => {
                    self.talk.peer.complain(&line);
                    return Err(Ended);
                }
                Err(Bad::NoRecord) => return Err(self.protocol_error("expected control record")),
                Err(Bad::Malformed(why)) => return Err(self.protocol_error(why)),
                Err(Bad::Name(name)) => {
                    let text = [b"error: unexpected filename: ", name].concat();
                    self.talk.peer.complain(&text);
                    return Err(Ended);
                }
            }
            first = false;
        }
        // What was begun stays, with the modes and times it was to have.
        while let Some(folder) = self.folders.pop() {
            self.finish(folder);
        }
        Ok(())
    }

    fn protocol_error(&mut self, why: &str) -> Ended {
        self.talk.peer.protocol_error(why)
    }

    /// Where something is to be put.
    fn place(&mut self, entry: &Entry<'_>) -> Result<PathBuf, Ended> {
        if self.folders.is_empty() && !self.asked.for_name(entry.name) {
            return Err(self.protocol_error("filename does not match request"));
        }
        let name = OsStr::from_bytes(entry.name);
        Ok(match self.folders.last() {
            Some(folder) => folder.path.join(name),
            None if self.into_folder => self.target.join(name),
            None => self.target.to_owned(),
        })
    }

    /// Whether writing to `place` would lead out of the target by a link that
    /// only the sender named. One that the user named is the user's wish.
    fn leads_out(&self, place: &Path) -> bool {
        if self.talk.how.trusting {
            return false;
        }
        let named = self.asked.is_literal() || !self.into_folder;
        let root = match self.folders.first() {
            Some(top) if named => &top.path,
            None if named => return false,
            _ => self.target,
        };
        leads_out(root, place)
    }

    /// Says no to a link that leads out of the target.
    fn refuse(&mut self, place: &Path) {
        self.talk.peer.complain_of(bytes(place), LEADS_OUT);
        self.times = None;
    }

    /// The mode that something gets.
    fn mode(&self, entry: &Entry<'_>) -> u32 {
        let how = &self.talk.how;
        match (how.preserve, how.trusting) {
            (true, true) => entry.mode,
            (true, false) => entry.mode & KEPT_MODE,
            (false, _) => entry.mode & PLAIN_MODE & !self.umask,
        }
    }

    fn folder(&mut self, path: PathBuf, entry: &Entry<'_>) -> Result<(), Ended> {
        if !self.talk.how.recursive {
            return Err(self.protocol_error("received directory without -r"));
        }
        if self.leads_out(&path) {
            self.refuse(&path);
            return Ok(());
        }
        let mode = self.mode(entry);
        let there = fs::metadata(&path).ok();
        let made = match &there {
            Some(about) if about.is_dir() => Ok(()),
            Some(_) => Err(Errno::NOTDIR.into()),
            None => DirBuilder::new().mode(mode | OWNER_ALL).create(&path),
        };
        if let Err(e) = made {
            self.talk.peer.complain_of(bytes(&path), &os_error(&e));
            self.times = None;
            return Ok(());
        }
        let keep = there.is_some() && !self.talk.how.preserve;
        self.folders.push(Folder {
            path,
            times: self.times.take(),
            mode: (!keep).then_some(mode),
        });
        self.talk.peer.agree();
        Ok(())
    }

    /// A folder is full: the answer to its end.
    fn finish(&mut self, folder: Folder) {
        let path = folder.path;
        let timed = folder.times.map_or(Ok(()), |times| {
            Ok(rustix::fs::utimensat(
                CWD,
                &path,
                &times.into(),
                AtFlags::empty(),
            )?)
        });
        // No word of modes that cannot be set, as ever.
        if let Some(mode) = folder.mode {
            let _ = fs::set_permissions(&path, Permissions::from_mode(mode));
        }
        match timed {
            Ok(()) => self.talk.peer.agree(),
            Err(e) => {
                let why = format!("set times: {}", os_error(&e));
                self.talk.peer.complain_of(bytes(&path), &why);
            }
        }
    }

    fn file(&mut self, path: &Path, entry: &Entry<'_>) -> Result<(), Ended> {
        let times = self.times.take();
        if self.leads_out(path) {
            self.refuse(path);
            return Ok(());
        }
        let mode = self.mode(entry);
        let there = fs::metadata(path).ok();
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(mode | OWNER_WRITES)
            .open(path);
        let mut file = match opened {
            Ok(file) => file,
            Err(e) => {
                self.talk.peer.complain_of(bytes(path), &os_error(&e));
                return Ok(());
            }
        };
        self.talk.peer.agree();
        let cut = there.as_ref().is_none_or(|about| about.is_file());
        self.talk.meter.begin(entry.name, entry.size);
        let written = self.content(path, &mut file, entry.size, cut);
        let written = written.inspect_err(|_| self.talk.meter.end())?;
        // Of several failures the first is told, and all is tried.
        let trouble =
            |what: &str, e: io::Error| about(bytes(path), &format!("{what}{}", os_error(&e)));
        let mut failed = written.map_err(|e| trouble("", e));
        let intact = failed.is_ok();
        if intact && cut {
            failed = file
                .set_len(entry.size)
                .map_err(|e| trouble("truncate: ", e));
        }
        // Nor is the mode of a device anything that a copy may change.
        let keep = there.is_some() && !(self.talk.how.preserve && cut);
        if !keep {
            let set = file.set_permissions(Permissions::from_mode(mode));
            failed = failed.and(set.map_err(|e| trouble("set mode: ", e)));
        }
        let answered = self.talk.peer.agrees();
        self.talk.meter.end();
        answered?;
        if let (true, Some(times)) = (intact && cut, times) {
            let set = rustix::fs::futimens(&file, &times.into());
            failed = failed.and(set.map_err(|e| trouble("set times: ", e.into())));
        }
        match failed {
            Ok(()) => self.talk.peer.agree(),
            Err(message) => self.talk.peer.complain(&message),
        }
        Ok(())
    }

    /// Takes the bytes of a file: how writing them went. They are taken to the
    /// end either way, so that both sides agree where the next record begins.
    fn content(
        &mut self,
        path: &Path,
        file: &mut File,
        size: u64,
        cut: bool,
    ) -> Result<io::Result<()>, Ended> {
        let mut written = Ok(());
        let mut left = size;
        while left > 0 {
            let piece = match self.talk.peer.take(left) {
                Ok(piece) if !piece.is_empty() => piece,
                ended => {
                    let why = ended.map_or_else(|e| os_error(&e), |_| "dropped connection".into());
                    // What came is a beginning that can be added to.
                    if cut && written.is_ok() {
                        let _ = file.set_len(size - left);
                    }
                    self.talk.peer.complain_of(bytes(path), &why);
                    return Err(Ended);
                }
            };
            if written.is_ok() {
                written = file.write_all(piece);
            }
            let got = piece.len();
            left -= got as u64;
            self.talk.moved(got);
        }
        Ok(written)
    }
}

impl From<Times> for Timestamps {
    fn from(times: Times) -> Self {
        let stamp = |stamp: Stamp| Timespec {
            tv_sec: stamp.seconds,
            tv_nsec: i64::from(stamp.micros) * 1000,
        };
        Self {
            last_access: stamp(times.accessed),
            last_modification: stamp(times.modified),
        }
    }
}

/// The process's mask of permissions, which can only be read by setting it.
fn umask() -> u32 {
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
