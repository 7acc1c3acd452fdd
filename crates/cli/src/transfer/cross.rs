//! Files and trees from one server to another, through us: nothing of them is
//! kept here.
//!
//! What a hostile server at either end can do: the one that sends decides
//! names and content, as far as names are plain; both can refuse or be silent.
//! Neither is told more of the other than what is copied.

use carrick_sftp::client::{Answer, Download, Range, is_plain_name};
use carrick_sftp::msg::{Attrs, FileKind, Open, Request};

use super::fault::{Fault, Lost};
use super::jobs::{DEPTH, Flow, refused};
use super::link::exchange_both;
use super::remote::{DirEntry, Remote};
use super::{Begin, FileId, Item, Observer, Options, Outcome, join, shown};

/// What a folder needs while it is filled.
const OWNER_ALL: u32 = 0o700;

/// Copies files, and with [`Options::recursive`] trees, from one server to the
/// other. What fails is told to the observer, and the rest goes on.
pub(crate) fn cross(
    from: &mut Remote,
    to: &mut Remote,
    items: &[Item],
    options: Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, Lost> {
    let mut cross = Cross {
        from,
        to,
        options,
        observer,
        outcome: Outcome::default(),
        last_id: 0,
    };
    for (index, item) in items.iter().enumerate() {
        cross.observer.item(index);
        cross.item(item)?;
    }
    Ok(cross.outcome)
}

struct Cross<'a> {
    from: &'a mut Remote,
    to: &'a mut Remote,
    options: Options,
    observer: &'a mut dyn Observer,
    outcome: Outcome,
    last_id: FileId,
}

/// A folder that is being copied.
struct Folder {
    from: Vec<u8>,
    to: Vec<u8>,
    /// What is left of it.
    entries: std::vec::IntoIter<DirEntry>,
    /// What it gets when all of it is there.
    at_end: Option<Attrs>,
}

/// What a request is for.
#[derive(Debug, Clone, Copy)]
enum Step {
    Open,
    Read(Range),
    Write(Range),
    Set,
    Close,
}

impl Cross<'_> {
    fn fail(&mut self, text: &str) {
        self.observer.error(text);
        self.outcome.failures += 1;
    }

    fn is_interrupted(&mut self) -> bool {
        self.outcome.interrupted |= self.observer.interrupted();
        self.outcome.interrupted
    }

    fn item(&mut self, item: &Item) -> Result<(), Lost> {
        if self.is_interrupted() {
            return Ok(());
        }
        let known = item
            .attrs
            .filter(|attrs| attrs.kind().is_some_and(|kind| kind != FileKind::Symlink));
        let attrs = match known.map_or_else(|| self.from.stat(&item.from), Ok) {
            Ok(attrs) => attrs,
            Err(why) => return self.refuse("stat remote", why),
        };
        match attrs.kind() {
            Some(FileKind::Directory) if self.options.recursive => self.tree(item, attrs),
            None | Some(FileKind::Regular) => {
                self.observer.found(1, attrs.size.unwrap_or(0));
                self.file(&item.from, &item.to, attrs).map(drop)
            }
            Some(_) => {
                let from = shown(&item.from);
                self.fail(&format!("download \"{from}\": not a regular file"));
                Ok(())
            }
        }
    }

    /// Tells of a refusal; what ends the conversation is passed on.
    fn refuse(&mut self, what: &str, why: Fault) -> Result<(), Lost> {
        match why {
            Fault::Lost(lost) => Err(lost),
            why => {
                self.fail(&format!("{what}: {why}"));
                Ok(())
            }
        }
    }

    fn tree(&mut self, item: &Item, attrs: Attrs) -> Result<(), Lost> {
        let from = match self.from.realpath(&item.from) {
            Ok(from) => from,
            Err(why) => return self.refuse("realpath", why),
        };
        let mut folders = Vec::new();
        folders.extend(self.enter(from, item.to.clone(), attrs)?);
        while let Some(folder) = folders.last_mut() {
            let next = folder.entries.next();
            if self.is_interrupted() {
                return Ok(());
            }
            let Some(entry) = next else {
                if let Some(Folder {
                    to,
                    at_end: Some(attrs),
                    ..
                }) = folders.pop()
                    && let Err(why) = self.to.set_attrs(&to, attrs, false)
                {
                    self.refuse(&format!("remote setstat \"{}\"", shown(&to)), why)?;
                }
                continue;
            };
            if matches!(entry.name.as_slice(), b"." | b"..") {
                continue;
            }
            let depth = folders.len();
            let inner = self.entry(&folders[depth - 1], &entry, depth)?;
            folders.extend(inner);
        }
        Ok(())
    }

    /// Copies what a folder has; what is to be entered next if it is a folder.
    fn entry(
        &mut self,
        folder: &Folder,
        entry: &DirEntry,
        depth: usize,
    ) -> Result<Option<Folder>, Lost> {
        if !is_plain_name(&entry.name) {
            let name = shown(&entry.name);
            self.fail(&format!("remote: suspicious name \"{name}\" refused"));
            return Ok(None);
        }
        let (from, to) = (
            join(&folder.from, &entry.name),
            join(&folder.to, &entry.name),
        );
        let mut attrs = entry.attrs;
        if matches!(attrs.kind(), None | Some(FileKind::Symlink)) {
            attrs = match self.from.stat(&from) {
                Ok(attrs) => attrs,
                Err(Fault::Lost(lost)) => return Err(lost),
                Err(_) => {
                    self.fail(&format!("remote stat \"{}\" failed", shown(&from)));
                    return Ok(None);
                }
            };
        }
        match attrs.kind() {
            Some(FileKind::Directory) if depth >= DEPTH => {
                self.fail(&format!("Maximum directory depth exceeded: {DEPTH} levels"));
            }
            Some(FileKind::Directory) => {
                self.observer.folder(&from);
                return self.enter(from, to, attrs);
            }
            None | Some(FileKind::Regular) => {
                self.observer.found(1, attrs.size.unwrap_or(0));
                if !self.file(&from, &to, attrs)? {
                    let (from, to) = (shown(&from), shown(&to));
                    self.observer
                        .error(&format!("crossload {from} to {to} failed"));
                }
            }
            Some(_) => {
                let text = format!("origin \"{}\": not a regular file", shown(&from));
                self.observer.note(&text);
            }
        }
        Ok(None)
    }

    /// Makes a folder and looks what is to go into it.
    fn enter(&mut self, from: Vec<u8>, to: Vec<u8>, attrs: Attrs) -> Result<Option<Folder>, Lost> {
        let mode = attrs.mode.map_or(0o777, |mode| mode & 0o777);
        let made = match self.to.mkdir(&to, mode | OWNER_ALL) {
            Ok(()) => true,
            Err(Fault::Lost(lost)) => return Err(lost),
            Err(why) => {
                let path = shown(&to);
                match self.to.stat(&to) {
                    Ok(there) if there.is_dir() => false,
                    Ok(_) => {
                        self.fail(&format!("\"{path}\" exists but is not a directory"));
                        return Ok(None);
                    }
                    Err(_) => {
                        self.refuse(&format!("remote mkdir \"{path}\""), why)?;
                        return Ok(None);
                    }
                }
            }
        };
        let entries = match self.from.read_dir(&from) {
            Ok(entries) => entries.into_iter(),
            Err(Fault::Lost(lost)) => return Err(lost),
            Err(_) => {
                self.fail(&format!("origin readdir \"{}\" failed", shown(&from)));
                return Ok(None);
            }
        };
        let at_end = if self.options.preserve {
            Some(Attrs {
                mode: Some(mode),
                times: attrs.times,
                ..Attrs::default()
            })
        } else {
            (made && mode & OWNER_ALL != OWNER_ALL).then(|| Attrs::with_mode(mode))
        };
        Ok(Some(Folder {
            from,
            to,
            entries,
            at_end,
        }))
    }

    /// Copies one file; whether it is there whole.
    fn file(&mut self, from: &[u8], to: &[u8], attrs: Attrs) -> Result<bool, Lost> {
        let read = Request::Open {
            path: from,
            how: Open::READ,
            attrs: Attrs::default(),
        };
        let Some(source) = open(self.from, &read, "origin", from, self.observer)? else {
            self.outcome.failures += 1;
            return Ok(false);
        };
        let mode = attrs.mode.map_or(0o666, |mode| mode & 0o777);
        // Not emptied: the two may be one file. It is cut at the end.
        let write = Request::Open {
            path: to,
            how: Open::WRITE.and(Open::CREATE),
            attrs: Attrs::with_mode(mode),
        };
        let Some(target) = open(self.to, &write, "dest", to, self.observer)? else {
            self.outcome.failures += 1;
            self.from.close_in_passing(&source);
            return Ok(false);
        };
        let id = self.last_id;
        self.last_id += 1;
        let size = attrs.size.unwrap_or(0);
        let begin = Begin {
            from,
            size,
            already: 0,
        };
        self.observer.begin(id, begin);
        let mut pump = Pump {
            download: Download::new(0, attrs.size, self.from.read_len().min(self.to.write_len())),
            failed: None,
            written: 0,
        };
        let handles = (source.as_slice(), target.as_slice());
        pump.run(self.from, self.to, handles, |bytes| {
            self.observer.moved(id, bytes);
            self.observer.tick();
            self.observer.interrupted()
        })?;
        self.outcome.bytes += pump.written;
        let mut last = Attrs {
            size: Some(pump.download.whole_up_to()),
            ..Attrs::default()
        };
        if self.options.preserve && pump.failed.is_none() {
            last.mode = Some(mode);
            last.times = attrs.times;
        }
        let set = end(self.to, &target, last)?;
        self.from.close_in_passing(&source);
        let failed = pump.failed.is_some();
        match pump.failed {
            Some(Failed::Read(why)) => {
                self.fail(&format!("read origin \"{}\": {why}", shown(from)));
            }
            Some(Failed::Write(why)) => {
                self.fail(&format!("write dest \"{}\": {why}", shown(to)));
            }
            Some(Failed::Stopped) => self.outcome.interrupted = true,
            None => {}
        }
        // A device, say, has no length to be set.
        let mut whole = !failed;
        match set {
            (Some(why), _) => self.observer.error(&format!("remote fsetstat: {why}")),
            (None, Some(why)) => {
                self.fail(&format!("close dest \"{}\": {why}", shown(to)));
                whole = false;
            }
            (None, None) => {}
        }
        self.observer.end(id, whole);
        self.outcome.files += u64::from(whole);
        Ok(whole)
    }
}

/// Why a file is not there whole.
enum Failed {
    Read(String),
    Write(String),
    /// The user has had enough.
    Stopped,
}

/// The content of one file on its way.
struct Pump {
    download: Download,
    failed: Option<Failed>,
    written: u64,
}

impl Pump {
    /// Moves all of it. `moved` is told of bytes that are written, and says
    /// whether to stop.
    fn run(
        &mut self,
        from: &mut Remote,
        to: &mut Remote,
        (source, target): (&[u8], &[u8]),
        mut moved: impl FnMut(u64) -> bool,
    ) -> Result<(), Lost> {
        let (mut reads, mut writes) = (Flow::new(from), Flow::new(to));
        // What was asked for must have room in the other conversation.
        let mut coming = 0_usize;
        loop {
            while self.failed.is_none() && reads.may_move() && writes.may_move() {
                let space = writes.remote.talk.room();
                if space < coming.saturating_add(2 * BLOCK_AND_HEAD) {
                    break;
                }
                let Some(range) = self.download.ask() else {
                    break;
                };
                coming += length(range.len);
                let request = Request::Read {
                    handle: source,
                    offset: range.offset,
                    len: range.len,
                };
                reads.ask(&request, range.len, Step::Read(range));
            }
            if reads.is_idle() && writes.is_idle() {
                return Ok(());
            }
            exchange_both(reads.remote, writes.remote)?;
            while let Some((step, answer)) = reads.next()? {
                let Step::Read(range) = step else { continue };
                coming -= length(range.len);
                match answer {
                    Answer::Data(data) => {
                        self.download.data(range, data.len());
                        write(&mut writes, target, range.offset, data);
                    }
                    Answer::End => self.download.end_of_file(range),
                    other => {
                        self.download.failed(range);
                        self.failed.get_or_insert(Failed::Read(refused(&other)));
                    }
                }
            }
            let mut bytes = 0;
            while let Some((step, answer)) = writes.next()? {
                match (step, answer) {
                    (Step::Write(range), Answer::Done) => bytes += u64::from(range.len),
                    (_, other) => {
                        self.failed.get_or_insert(Failed::Write(refused(&other)));
                    }
                }
            }
            self.written += bytes;
            if moved(bytes) {
                self.failed.get_or_insert(Failed::Stopped);
            }
        }
    }
}

/// The most that one request takes of a conversation's output.
const BLOCK_AND_HEAD: usize = 256 * 1024;

fn length(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// Asks for data to be written, in as many pieces as the server wants.
fn write(writes: &mut Flow<'_, Step>, handle: &[u8], mut offset: u64, data: &[u8]) {
    let most = length(writes.remote.write_len()).max(1);
    for piece in data.chunks(most) {
        let len = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let request = Request::Write {
            handle,
            offset,
            data: piece,
        };
        writes.ask(&request, len, Step::Write(Range { offset, len }));
        offset += u64::from(len);
    }
}

/// Opens a file; `None` if the server refuses, which is told.
fn open(
    remote: &mut Remote,
    request: &Request<'_>,
    whose: &str,
    path: &[u8],
    observer: &mut dyn Observer,
) -> Result<Option<Vec<u8>>, Lost> {
    let mut flow = Flow::new(remote);
    flow.ask(request, 0, Step::Open);
    loop {
        if let Some((_, answer)) = flow.next()? {
            return Ok(match answer {
                Answer::Handle(handle) => Some(handle.to_vec()),
                other => {
                    let why = refused(&other);
                    observer.error(&format!("{whose} open \"{}\": {why}", shown(path)));
                    None
                }
            });
        }
        flow.exchange()?;
    }
}

/// Gives a file its last attributes and closes it: why either was refused.
fn end(
    remote: &mut Remote,
    handle: &[u8],
    attrs: Attrs,
) -> Result<(Option<String>, Option<String>), Lost> {
    let mut flow = Flow::new(remote);
    flow.ask(&Request::Fsetstat { handle, attrs }, 0, Step::Set);
    flow.ask(&Request::Close { handle }, 0, Step::Close);
    let (mut set, mut closed) = (None, None);
    while !flow.is_idle() {
        while let Some((step, answer)) = flow.next()? {
            let why = (!matches!(answer, Answer::Done)).then(|| refused(&answer));
            match step {
                Step::Set => set = why,
                _ => closed = why,
            }
        }
        if !flow.is_idle() {
            flow.exchange()?;
        }
    }
    Ok((set, closed))
}
