//! Requests out, answers in.

use std::collections::HashMap;
use std::ops::Range;

use super::buffers::{Inbox, Outbox};
use super::{Error, Offers};
use crate::msg::{
    Accounts, Attrs, Code, Extended, FileHashes, Limits, Names, Reply, Request, Status, Statvfs,
    Version, encode_init, name,
};
use crate::{VERSION, frame, limits};

/// A request that was made, until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u32);

/// What a request is answered with, if it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It is done.
    Done,
    /// To OPEN and OPENDIR.
    Handle(&'a [u8]),
    /// To READ: never more than was asked for.
    Data(&'a [u8]),
    /// To READ and READDIR: there is no more.
    End,
    /// To READDIR.
    Names(Names<'a>),
    /// To REALPATH, READLINK and their like.
    Path(&'a [u8]),
    /// To STAT and its like.
    Attrs(Attrs),
    /// To `statvfs@openssh.com` and `fstatvfs@openssh.com`.
    Statvfs(Statvfs),
    /// To `users-groups-by-id@openssh.com`.
    Accounts(Accounts<'a>),
    /// To `check-file`.
    Hashes(FileHashes<'a>),
    /// It is refused, or failed.
    Refused(Status<'a>),
}

impl Answer<'_> {
    /// In a word, for errors.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done => "success",
            Self::Handle(_) => "a handle",
            Self::Data(_) => "data",
            Self::End => "the end of the file",
            Self::Names(_) => "names",
            Self::Path(_) => "a path",
            Self::Attrs(_) => "attributes",
            Self::Statvfs(_) => "figures",
            Self::Accounts(_) => "accounts",
            Self::Hashes(_) => "hashes",
            Self::Refused(_) => "a refusal",
        }
    }
}

/// Of what kind the answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Done,
    Handle,
    Data(u32),
    Names,
    Path,
    Attrs,
    Limits,
    Statvfs,
    Accounts,
    Hashes,
}

impl Kind {
    fn of(request: &Request<'_>) -> Self {
        match request {
            Request::Open { .. } | Request::Opendir { .. } => Self::Handle,
            Request::Read { len, .. } => Self::Data(*len),
            Request::Readdir { .. } => Self::Names,
            Request::Realpath { .. } | Request::Readlink { .. } => Self::Path,
            Request::Lstat { .. } | Request::Fstat { .. } | Request::Stat { .. } => Self::Attrs,
            Request::Close { .. }
            | Request::Write { .. }
            | Request::Setstat { .. }
            | Request::Fsetstat { .. }
            | Request::Remove { .. }
            | Request::Mkdir { .. }
            | Request::Rmdir { .. }
            | Request::Rename { .. }
            | Request::Symlink { .. } => Self::Done,
            Request::Extended(extended) => match extended {
                Extended::Limits => Self::Limits,
                Extended::Statvfs { .. } | Extended::Fstatvfs { .. } => Self::Statvfs,
                Extended::ExpandPath { .. } | Extended::HomeDirectory { .. } => Self::Path,
                Extended::UsersGroupsById { .. } => Self::Accounts,
                Extended::CheckFile(_) => Self::Hashes,
                Extended::PosixRename { .. }
                | Extended::Hardlink { .. }
                | Extended::Fsync { .. }
                | Extended::Lsetstat { .. }
                | Extended::CopyData { .. }
                | Extended::Unknown { .. } => Self::Done,
            },
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Done => "status",
            Self::Handle => "handle",
            Self::Data(_) => "data",
            Self::Names => "names",
            Self::Path => "one name",
            Self::Attrs => "attributes",
            Self::Limits | Self::Statvfs | Self::Accounts | Self::Hashes => "extended reply",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    request: &'static str,
    kind: Kind,
    /// Somebody waits for the answer.
    awaited: bool,
}

impl Asked {
    const fn new(request: &'static str, kind: Kind) -> Self {
        Self {
            request,
            kind,
            awaited: true,
        }
    }
}

#[derive(Debug)]
enum State {
    AwaitVersion,
    Talking,
    /// The first error, repeated ever after.
    Broken(Error),
}

/// A conversation with a server. It begins with INIT in the output.
///
/// What a caller does, over and over: writes [`Self::output`], reads into
/// [`Self::space`], and takes answers with [`Self::next`] until there are none.
#[derive(Debug)]
pub struct Conversation {
    state: State,
    last_id: u32,
    asked: HashMap<u32, Asked>,
    limits_id: Option<u32>,
    offers: Offers,
    inbox: Inbox,
    outbox: Outbox,
    /// A message being made.
    scratch: Vec<u8>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// Starts one.
    pub fn new() -> Self {
        let mut new = Self {
            state: State::AwaitVersion,
            last_id: 0,
            asked: HashMap::new(),
            limits_id: None,
            offers: Offers::default(),
            inbox: Inbox::new(),
            outbox: Outbox::new(),
            scratch: Vec::new(),
        };
        frame::append(&mut new.scratch, |w| encode_init(w, VERSION));
        new.outbox.add(&new.scratch);
        new
    }

    /// Whether the server has introduced itself: before that nothing may be
    /// asked. What it says of its limits comes with the first answer: it was
    /// asked for that before anything else.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Talking)
    }

    /// What the server offers.
    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// How many requests are unanswered.
    pub fn unanswered(&self) -> usize {
        self.asked.len()
    }

    /// Makes a request.
    pub fn ask(&mut self, request: &Request<'_>) -> RequestId {
        let id = self.register(request.name(), Kind::of(request));
        self.scratch.clear();
        frame::append(&mut self.scratch, |w| request.encode(w, id));
        self.outbox.add(&self.scratch);
        RequestId(id)
    }

    /// Makes a WRITE of up to `max` bytes, which `fill` puts straight into the
    /// output; 0 is the end of its source.
    pub fn write<E>(
        &mut self,
        handle: &[u8],
        offset: u64,
        max: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Wrote, E> {
        self.scratch.clear();
        Request::write_head(&mut self.scratch, 0, handle, offset, 0);
        let head = self.scratch.len();
        let max = usize::try_from(max).unwrap_or(usize::MAX).min(limits::DATA);
        let Some(space) = self.outbox.space(head.saturating_add(max)) else {
            return Ok(Wrote::NoRoom);
        };
        let Some((head_space, data)) = space.split_at_mut_checked(head) else {
            return Ok(Wrote::NoRoom);
        };
        let len = fill(data)?.min(max);
        let Ok(count @ 1..) = u32::try_from(len) else {
            return Ok(Wrote::Nothing);
        };
        // The identifier must be known before the head is.
        let id = next_id(&mut self.last_id, &self.asked);
        self.scratch.clear();
        Request::write_head(&mut self.scratch, id, handle, offset, count);
        head_space.copy_from_slice(&self.scratch);
        self.outbox.added(head.saturating_add(len));
        self.asked.insert(id, Asked::new("write", Kind::Done));
        Ok(Wrote::Sent(RequestId(id), count))
    }

    fn register(&mut self, request: &'static str, kind: Kind) -> u32 {
        let id = next_id(&mut self.last_id, &self.asked);
        self.asked.insert(id, Asked::new(request, kind));
        id
    }

    /// Makes a request whose answer changes nothing, so that nobody need wait
    /// for it: it is dropped when it comes.
    pub fn ask_in_passing(&mut self, request: &Request<'_>) {
        let RequestId(id) = self.ask(request);
        if let Some(asked) = self.asked.get_mut(&id) {
            asked.awaited = false;
        }
    }

    /// What is to be written to the server.
    pub fn output(&self) -> &[u8] {
        self.outbox.waiting()
    }

    /// So much of it was written.
    pub fn wrote(&mut self, len: usize) {
        self.outbox.sent(len);
    }

    /// How much output fits in what is allocated. More can be asked, but should
    /// not be.
    pub fn room(&self) -> usize {
        self.outbox.room()
    }

    /// Where what comes from the server is to be put; not empty once
    /// [`Self::next`] returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        self.inbox.space()
    }

    /// So much was put there.
    pub fn filled(&mut self, len: usize) {
        self.inbox.filled(len);
    }

    /// The next answer, if it has come. An error is for ever.
    #[expect(
        clippy::should_implement_trait,
        reason = "what it returns borrows from it"
    )]
    pub fn next(&mut self) -> Result<Option<(RequestId, Answer<'_>)>, Error> {
        let found = self.advance();
        let Self { state, inbox, .. } = self;
        let decoded = match found {
            Ok(None) => return Ok(None),
            Ok(Some((asked, at))) => answer(asked, inbox.message(at)),
            Err(why) => Err(why),
        };
        match decoded {
            Ok((id, answer)) => Ok(Some((RequestId(id), answer))),
            Err(why) => {
                *state = State::Broken(why.clone());
                Err(why)
            }
        }
    }

    /// Finds the next answer for the caller, and deals with what is not.
    fn advance(&mut self) -> Result<Option<(Asked, Range<usize>)>, Error> {
        loop {
            if let State::Broken(why) = &self.state {
                return Err(why.clone());
            }
            let Some(at) = self.inbox.take()? else {
                return Ok(None);
            };
            let message = self.inbox.message(at.clone());
            if matches!(self.state, State::AwaitVersion) {
                let hello = Version::decode(message)?;
                if hello.version != VERSION {
                    return Err(Error::Version(hello.version));
                }
                self.offers = Offers::new(&hello);
                self.state = State::Talking;
                if self.offers.has(name::LIMITS) {
                    let RequestId(id) = self.ask(&Request::Extended(Extended::Limits));
                    self.limits_id = Some(id);
                }
                continue;
            }
            let id = reply_id(message)?;
            let asked = self.asked.remove(&id).ok_or(Error::UnknownId(id))?;
            if self.limits_id == Some(id) {
                self.limits_id = None;
                if let (_, Reply::Extended(body)) = Reply::decode(message)? {
                    self.offers.set_limits(Limits::decode(body)?);
                }
                continue;
            }
            if !asked.awaited {
                // It must be one that can come, all the same.
                answer(asked, message)?;
                continue;
            }
            return Ok(Some((asked, at)));
        }
    }
}

/// What became of a WRITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// It was made, with so many bytes.
    Sent(RequestId, u32),
    /// There is nothing left to send.
    Nothing,
    /// Nothing was asked for: the output is full.
    NoRoom,
}

/// A number that no unanswered request has.
fn next_id(last: &mut u32, asked: &HashMap<u32, Asked>) -> u32 {
    loop {
        *last = last.wrapping_add(1);
        if !asked.contains_key(last) {
            return *last;
        }
    }
}

fn reply_id(message: &[u8]) -> Result<u32, Error> {
    // All answers have it in the same place; what they are is seen later.
    let mut r = carrick_wire::Reader::new(message);
    r.u8("message number")?;
    Ok(r.u32("request id")?)
}

/// Decodes an answer, which must be of the kind that was asked for.
fn answer(asked: Asked, message: &[u8]) -> Result<(u32, Answer<'_>), Error> {
    let (id, reply) = Reply::decode(message)?;
    let wrong = |got| Error::WrongAnswer {
        request: asked.request,
        expected: asked.kind.name(),
        got,
    };
    let answer = match (asked.kind, reply) {
        (Kind::Done, Reply::Status(status)) if status.code == Code::OK => Answer::Done,
        (Kind::Data(_) | Kind::Names, Reply::Status(status)) if status.code == Code::EOF => {
            Answer::End
        }
        (_, Reply::Status(status)) if status.code == Code::OK => return Err(wrong("success")),
        (_, Reply::Status(status)) => Answer::Refused(status),
        (Kind::Handle, Reply::Handle(handle)) => {
            if handle.is_empty() || handle.len() > limits::HANDLE {
                return Err(Error::EmptyHandle);
            }
            Answer::Handle(handle)
        }
        (Kind::Data(asked), Reply::Data(data)) => {
            let got = data.len();
            if u32::try_from(got).map_or(true, |got| got > asked) {
                return Err(Error::TooMuch { asked, got });
            }
            Answer::Data(data)
        }
        (Kind::Names, Reply::Names(names)) => Answer::Names(names),
        (Kind::Path, Reply::Names(names)) => match (names.count(), names.iter().next()) {
            (1, Some(entry)) if entry.name.len() > limits::PATH => {
                return Err(Error::LongPath(entry.name.len()));
            }
            (1, Some(entry)) => Answer::Path(entry.name),
            _ => return Err(wrong("names")),
        },
        (Kind::Attrs, Reply::Attrs(attrs)) => Answer::Attrs(attrs),
        (Kind::Statvfs, Reply::Extended(body)) => Answer::Statvfs(Statvfs::decode(body)?),
        (Kind::Accounts, Reply::Extended(body)) => Answer::Accounts(Accounts::decode(body)?),
        (Kind::Hashes, Reply::Extended(body)) => Answer::Hashes(FileHashes::decode(body)?),
        (_, reply) => return Err(wrong(reply.name())),
    };
    Ok((id, answer))
}
