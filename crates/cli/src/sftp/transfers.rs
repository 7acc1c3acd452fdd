//! `get` and `put`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carrick_sftp::msg::FileKind;

use super::command::Transfer;
use super::session::{Done, NotFound, Session, Stop, failed, join, last_part};
use crate::log::{error, info};
use crate::text::{err, logged, os_error, outln, shown};
use crate::transfer::glob::{Failed, Found, Local, glob};
use crate::transfer::progress::Meter;
use crate::transfer::{Begin, FileId, Item, Observer, Options, Outcome, Resume};

impl Session {
    pub(super) fn get(&mut self, transfer: &Transfer) -> Done {
        let pattern = self.pattern(&transfer.from);
        let found = match self.find(&pattern) {
            Ok(found) if found.is_empty() => {
                return Err(failed(format_args!(
                    "File \"{}\" not found.",
                    logged(&pattern)
                )));
            }
            Ok(found) => found,
            Err(NotFound::TooMany) => return Err(too_many(&pattern)),
            Err(NotFound::Lost(lost)) => return Err(lost.into()),
        };
        let target = match transfer.to.as_ref().map(|word| word.name()) {
            Some(to) if Path::new(OsStr::from_bytes(&to)).is_dir() => Target::Folder(to),
            Some(to) if found.len() > 1 => {
                return Err(failed(format_args!(
                    "Multiple source paths, but destination \"{}\" is not a directory",
                    logged(&to)
                )));
            }
            Some(to) => Target::File(to),
            None => Target::Here,
        };
        let options = self.options(transfer);
        let going = if options.resume == Resume::No {
            "Fetching"
        } else {
            "Resuming"
        };
        let named_here = self.path(&transfer.from);
        let folder = target.folder();
        let items: Vec<_> = found
            .iter()
            .map(|found| Item {
                from: found.marked(),
                to: target.of(&found.path),
                // A link that leads nowhere is for the server to tell of.
                attrs: Some(found.attrs).filter(|a| a.kind() != Some(FileKind::Symlink)),
                below: folder.clone().filter(|_| found.path != named_here),
            })
            .collect();
        let titles = self.titles(going, &items);
        let mut watch = self.watch(titles, "Retrieving");
        let outcome = self.remote.get(&items, options, &mut watch);
        watch.came_to(outcome?)
    }

    pub(super) fn put(&mut self, transfer: &Transfer) -> Done {
        let pattern = transfer.from.pattern();
        let found = match glob(&mut Local, pattern) {
            Ok(found) => found,
            Err(Failed::TooMany) => return Err(too_many(pattern)),
            Err(Failed::Tree(never)) => match never {},
        };
        let target = match &transfer.to {
            Some(word) => {
                let to = self.path(word);
                if self.is_folder(&to)? {
                    Target::Folder(to)
                } else if found.len() > 1 {
                    return Err(failed(format_args!(
                        "Multiple paths match, but destination \"{}\" is not a directory",
                        logged(&to)
                    )));
                } else {
                    Target::File(to)
                }
            }
            None => Target::Folder(self.folder.clone()),
        };
        let (found, mut outcome) = readable(found, &transfer.from.name());
        let options = self.options(transfer);
        let going = if options.resume == Resume::No {
            "Uploading"
        } else {
            "Resuming upload of"
        };
        let items: Vec<_> = found
            .iter()
            .map(|found| Item {
                from: found.marked(),
                to: target.of(&found.path),
                attrs: None,
                below: None,
            })
            .collect();
        if !items.is_empty() {
            let titles = self.titles(going, &items);
            let mut watch = self.watch(titles, "Entering");
            let sent = self.remote.put(&items, options, &mut watch)?;
            outcome = outcome.and(watch.came_to(sent));
        }
        outcome
    }

    fn options(&self, transfer: &Transfer) -> Options {
        let settings = &self.settings;
        Options {
            recursive: transfer.recursive || settings.recursive,
            preserve: transfer.preserve || settings.preserve,
            resume: if transfer.resume || settings.resume {
                settings.resumed
            } else {
                Resume::No
            },
            fsync: transfer.sync || settings.sync,
            ..Options::default()
        }
    }

    /// What is said when an item's turn comes.
    fn titles(&self, going: &str, items: &[Item]) -> Vec<String> {
        if self.settings.quiet {
            return Vec::new();
        }
        let title = |item: &Item| format!("{going} {} to {}", shown(&item.from), shown(&item.to));
        items.iter().map(title).collect()
    }

    fn watch(&self, titles: Vec<String>, entering: &'static str) -> Watch {
        Watch {
            meter: Meter::new(self.settings.progress),
            titles,
            entering,
            interrupted: Arc::clone(&self.interrupted),
        }
    }
}

/// Where files go.
enum Target {
    /// By their own names, to where one stands on this side.
    Here,
    /// By their own names.
    Folder(Vec<u8>),
    /// Just there.
    File(Vec<u8>),
}

impl Target {
    /// The folder that files go into by their own names.
    fn folder(&self) -> Option<Arc<[u8]>> {
        match self {
            Self::Here => Some(b".".as_slice().into()),
            Self::Folder(folder) => Some(folder.as_slice().into()),
            Self::File(_) => None,
        }
    }

    fn of(&self, path: &[u8]) -> Vec<u8> {
        let name = last_part(path);
        match self {
            Self::Here => name.to_vec(),
            Self::Folder(folder) => join(folder, name),
            Self::File(path) => path.clone(),
        }
    }
}

/// The files of those that can be looked at; the others are told of. Without
/// any, `name` is looked at.
fn readable(mut found: Vec<Found>, name: &[u8]) -> (Vec<Found>, Done) {
    let mut outcome = Ok(());
    let mut tell = |path: &[u8], e: &std::io::Error| {
        outcome = Err(failed(format_args!(
            "stat {}: {}",
            logged(path),
            os_error(e)
        )));
    };
    if found.is_empty() {
        let gone = fs::metadata(OsStr::from_bytes(name)).err();
        tell(
            name,
            &gone.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()),
        );
    }
    found.retain(|found| match fs::metadata(OsStr::from_bytes(&found.path)) {
        Ok(_) => true,
        Err(e) => {
            tell(&found.path, &e);
            false
        }
    });
    (found, outcome)
}

fn too_many(pattern: &[u8]) -> Stop {
    failed(format_args!(
        "Too many matches for \"{}\".",
        logged(pattern)
    ))
}

/// Shows the user how a job goes, and the job whether to go on.
struct Watch {
    meter: Meter,
    titles: Vec<String>,
    /// What is said of a folder.
    entering: &'static str,
    interrupted: Arc<AtomicBool>,
}

impl Watch {
    /// Tells how it went.
    fn came_to(mut self, outcome: Outcome) -> Done {
        self.meter.finish();
        if outcome.interrupted {
            err!("\rInterrupt  \n");
        }
        if outcome.is_success() {
            Ok(())
        } else {
            Err(Stop::Failed)
        }
    }
}

impl Observer for Watch {
    fn item(&mut self, index: usize) {
        if let Some(title) = self.titles.get(index) {
            self.meter.clear();
            outln!("{title}");
        }
    }

    fn folder(&mut self, from: &[u8]) {
        self.meter.clear();
        outln!("{} {}", self.entering, shown(from));
    }

    fn found(&mut self, files: u64, bytes: u64) {
        self.meter.found(files, bytes);
    }

    fn begin(&mut self, file: FileId, begin: Begin<'_>) {
        let name = last_part(begin.from);
        self.meter.begin(file, name, begin.size, begin.already);
    }

    fn moved(&mut self, file: FileId, bytes: u64) {
        self.meter.moved(file, bytes);
    }

    fn end(&mut self, file: FileId, whole: bool) {
        self.meter.end(file, whole);
    }

    fn error(&mut self, text: &str) {
        self.meter.clear();
        error!("{text}");
    }

    fn note(&mut self, text: &str) {
        self.meter.clear();
        info!("{text}");
    }

    fn interrupted(&mut self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn tick(&mut self) {
        self.meter.tick();
    }
}
