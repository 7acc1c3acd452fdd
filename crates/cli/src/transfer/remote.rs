//! A server, asked one thing after the other.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use carrick_sftp::client::{Answer, Conversation, Offers, Refusal, Window};
use carrick_sftp::msg::{Attrs, Extended, Names, Open, Request, Statvfs, name};

use super::ask::{Ahead, stray};
use super::fault::{Fault, Lost};
use super::link::Link;
use super::option::SftpOptions;
use super::pace::Pace;

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirEntry {
    /// Its name; as the server sent it, which may be no plain name.
    pub name: Vec<u8>,
    /// What is known of it.
    pub attrs: Attrs,
}

/// Names of users and groups, in the order of the numbers that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AccountNames {
    /// Of users.
    pub users: Vec<Vec<u8>>,
    /// Of groups.
    pub groups: Vec<Vec<u8>>,
}

/// How many READDIRs are under way: a server answers each with a hundred names
/// or so, and the way to it may be long.
const LISTING: usize = 16;

/// What is kept of a list that a hostile server may never end.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    files: usize,
    bytes: usize,
}

impl Kept {
    /// The most files that a list may have that is kept.
    pub(crate) const FILES: usize = 2_000_000;
    /// The most bytes that their names may have together.
    const BYTES: usize = 256 * 1024 * 1024;

    /// One more, with a name (and what else is kept) of this length.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Fault> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.files > Self::FILES || self.bytes > Self::BYTES {
            return Err(Fault::TooMany);
        }
        Ok(())
    }
}

/// A conversation with a server.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(super) talk: Conversation,
    pub(super) link: Link,
    pub(super) window: Window,
    /// The least and the most data in a request (`-B`).
    pub(super) block: Option<u32>,
    /// The most requests that move data under way (`-R`).
    pub(super) requests: Option<usize>,
    /// Set when the user has had enough of what may take long.
    interrupted: Option<Arc<AtomicBool>>,
    pub(super) ahead: Ahead,
    pub(super) began: Instant,
}

impl Remote {
    /// Begins a conversation; returns when the server has introduced itself.
    pub(crate) fn start(link: Link) -> Result<Self, Lost> {
        let mut remote = Self {
            talk: Conversation::new(),
            link,
            window: Window::new(),
            block: None,
            requests: None,
            interrupted: None,
            ahead: Ahead::Nothing,
            began: Instant::now(),
        };
        while !remote.talk.is_ready() {
            remote.link.exchange(&mut remote.talk)?;
            if let Some((id, _)) = remote.talk.next()? {
                return Err(stray(id).into());
            }
        }
        Ok(remote)
    }

    /// Bounds the traffic, in Kbit/s (`-l`).
    pub(crate) fn limit_rate(&mut self, kbits: u64) {
        let pace = Pace::new(kbits);
        // What is under way is what a cancelled transfer waits for.
        self.window = Window::bounded(32 * 1024, pace.rate());
        self.link.set_pace(pace);
    }

    /// Moves so much with a request, as far as the server takes it, and has no
    /// more requests under way (`-X`, `-B`, `-R`).
    pub(crate) fn set_options(&mut self, options: &SftpOptions) {
        self.block = options.buffer.map(|bytes| bytes.max(1));
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX).max(1);
        self.requests = options.requests.map(count);
    }

    /// Lists of folders end when this is set.
    pub(crate) fn end_lists_on(&mut self, interrupted: Arc<AtomicBool>) {
        self.interrupted = Some(interrupted);
    }

    /// What the server offers.
    pub(crate) fn offers(&self) -> &Offers {
        self.talk.offers()
    }

    /// The `ssh` child's process id.
    pub(crate) fn child_id(&self) -> Option<u32> {
        self.link.child_id()
    }

    /// Ends the conversation and waits for the child.
    pub(crate) fn finish(self) -> io::Result<ExitStatus> {
        self.link.finish()
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn read_len(&self) -> u32 {
        let most = self.talk.offers().read_len();
        self.block.map_or(most, |block| block.min(most))
    }

    pub(super) fn write_len(&self) -> u32 {
        let most = self.talk.offers().write_len();
        self.block.map_or(most, |block| block.min(most))
    }

    /// Closes what was only read: nothing depends on how that goes.
    pub(super) fn close_in_passing(&mut self, handle: &[u8]) {
        self.talk.ask_in_passing(&Request::Close { handle });
    }

    /// An extended request, if the server announced it.
    fn extended<'a>(
        &self,
        extended: Extended<'a>,
        name: &'static str,
    ) -> Result<Request<'a>, Fault> {
        if self.offers().takes(&extended) {
            Ok(Request::Extended(extended))
        } else {
            Err(Fault::Unsupported(name))
        }
    }

    /// What is known of a file; of what a link points to.
    pub(crate) fn stat(&mut self, path: &[u8]) -> Result<Attrs, Fault> {
        self.attrs(&Request::Stat { path })
    }

    /// Whether a path leads to a folder.
    pub(crate) fn is_folder(&mut self, path: &[u8]) -> Result<bool, Lost> {
        match self.stat(path) {
            Ok(attrs) => Ok(attrs.is_dir()),
            Err(Fault::Lost(lost)) => Err(lost),
            Err(_) => Ok(false),
        }
    }

    /// What is known of a file, or of a link itself.
    pub(crate) fn lstat(&mut self, path: &[u8]) -> Result<Attrs, Fault> {
        self.attrs(&Request::Lstat { path })
    }

    /// The absolute path of what is there.
    pub(crate) fn realpath(&mut self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        self.path(&Request::Realpath { path })
    }

    /// The same with `~` understood, where the server has the extension; else
    /// as [`Self::realpath`].
    pub(crate) fn expand_path(&mut self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        match self.extended(Extended::ExpandPath { path }, "expand-path") {
            Ok(request) => self.path(&request),
            Err(_) => self.realpath(path),
        }
    }

    /// All files in a folder, `.` and `..` too if the server sends them, in its
    /// order. More than [`Kept`] takes are an error.
    pub(crate) fn read_dir(&mut self, path: &[u8]) -> Result<Vec<DirEntry>, Fault> {
        let (mut entries, mut kept) = (Vec::new(), Kept::default());
        self.each_names(path, |names| {
            for entry in names.iter() {
                kept.add(entry.name.len())?;
                entries.push(DirEntry {
                    name: entry.name.to_vec(),
                    attrs: entry.attrs,
                });
            }
            Ok(())
        })?;
        Ok(entries)
    }

    /// Hands on the files in a folder as they come, many at a time; a fault of
    /// `each` ends it.
    pub(crate) fn each_names(
        &mut self,
        path: &[u8],
        mut each: impl FnMut(&Names<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let handle = self.handle(&Request::Opendir { path })?;
        let mut asked = 0;
        let mut outcome = Ok(());
        let mut ended = false;
        while !ended || asked > 0 {
            if !ended && self.is_interrupted() {
                outcome = Err(Fault::Interrupted);
                ended = true;
            }
            while !ended && asked < LISTING {
                self.talk.ask(&Request::Readdir { handle: &handle });
                asked += 1;
            }
            while let Some((_, answer)) = self.talk.next()? {
                asked -= 1;
                let more = match answer {
                    // The rest of what was asked may fail as well.
                    _ if outcome.is_err() => Ok(false),
                    Answer::Names(names) if names.count() > 0 => each(&names).map(|()| true),
                    Answer::Refused(status) => Err(Refusal::from(status).into()),
                    _ => Ok(false),
                };
                ended |= !matches!(more, Ok(true));
                outcome = outcome.and(more.map(drop));
            }
            if asked > 0 {
                self.link.exchange(&mut self.talk)?;
            }
        }
        self.close_in_passing(&handle);
        self.link.send(&mut self.talk)?;
        outcome
    }

    fn is_interrupted(&self) -> bool {
        let flag = self.interrupted.as_ref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Makes a folder.
    pub(crate) fn mkdir(&mut self, path: &[u8], mode: u32) -> Result<(), Fault> {
        let attrs = Attrs::with_mode(mode);
        self.done(&Request::Mkdir { path, attrs })
    }

    /// Removes an empty folder.
    pub(crate) fn rmdir(&mut self, path: &[u8]) -> Result<(), Fault> {
        self.done(&Request::Rmdir { path })
    }

    /// Removes a file.
    pub(crate) fn remove(&mut self, path: &[u8]) -> Result<(), Fault> {
        self.done(&Request::Remove { path })
    }

    /// Renames a file, over what is there if the server can; `legacy` asks as
    /// the draft has it.
    pub(crate) fn rename(&mut self, from: &[u8], to: &[u8], legacy: bool) -> Result<(), Fault> {
        let posix = self.extended(Extended::PosixRename { from, to }, "posix-rename");
        match posix {
            Ok(request) if !legacy => self.done(&request),
            _ => self.done(&Request::Rename { from, to }),
        }
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&mut self, target: &[u8], link: &[u8]) -> Result<(), Fault> {
        self.done(&Request::Symlink { target, link })
    }

    /// Makes a hard link.
    pub(crate) fn hardlink(&mut self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        let request = self.extended(Extended::Hardlink { from, to }, "hardlink@openssh.com")?;
        self.done(&request)
    }

    /// Sets what is given of a file's attributes; with `link`, of a link
    /// itself.
    pub(crate) fn set_attrs(&mut self, path: &[u8], attrs: Attrs, link: bool) -> Result<(), Fault> {
        if link {
            let request =
                self.extended(Extended::Lsetstat { path, attrs }, "lsetstat@openssh.com")?;
            return self.done(&request);
        }
        self.done(&Request::Setstat { path, attrs })
    }

    /// The figures of the file system that a file is in.
    pub(crate) fn statvfs(&mut self, path: &[u8]) -> Result<Statvfs, Fault> {
        let request = self.extended(Extended::Statvfs { path }, "statvfs@openssh.com")?;
        self.ask(&request, |answer| match answer {
            Answer::Statvfs(figures) => Some(figures),
            _ => None,
        })
    }

    /// The names of users and groups; empty for those that have none.
    pub(crate) fn users_groups(
        &mut self,
        uids: &[u32],
        gids: &[u32],
    ) -> Result<AccountNames, Fault> {
        let list = |ids: &[u32]| ids.iter().flat_map(|id| id.to_be_bytes()).collect();
        let (uids, gids): (Vec<u8>, Vec<u8>) = (list(uids), list(gids));
        let extended = Extended::UsersGroupsById {
            uids: &uids,
            gids: &gids,
        };
        let request = self.extended(extended, "users-groups-by-id@openssh.com")?;
        self.ask(&request, |answer| match answer {
            Answer::Accounts(accounts) => {
                let owned = |names: &[&[u8]]| names.iter().map(|name| name.to_vec()).collect();
                Some(AccountNames {
                    users: owned(&accounts.users),
                    groups: owned(&accounts.groups),
                })
            }
            _ => None,
        })
    }

    /// Whether the server copies files by itself.
    pub(crate) fn can_copy(&self) -> bool {
        self.offers().has(name::COPY_DATA)
    }

    /// Copies a file on the server.
    pub(crate) fn copy(&mut self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        if !self.can_copy() {
            return Err(Fault::Unsupported("copy-data"));
        }
        let attrs = Attrs::with_mode(self.stat(from)?.mode.unwrap_or(0o666) & 0o777);
        let source = self.handle(&Request::Open {
            path: from,
            how: Open::READ,
            attrs: Attrs::default(),
        })?;
        let target = self.handle(&Request::Open {
            path: to,
            how: Open::WRITE.and(Open::CREATE).and(Open::TRUNCATE),
            attrs,
        });
        let outcome = match &target {
            Ok(target) => self.done(&Request::Extended(Extended::CopyData {
                from: &source,
                from_offset: 0,
                len: 0,
                to: target,
                to_offset: 0,
            })),
            Err(_) => Ok(()),
        };
        self.close_in_passing(&source);
        let written = self.done(&Request::Close { handle: &target? });
        outcome.and(written)
    }
}
