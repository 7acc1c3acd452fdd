//! A server: requests in, answers out.
//!
//! It touches no descriptor. Bytes that came are in an [`Input`], answers go
//! to an [`Output`]; both have room that never grows. Files are behind a
//! [`Backend`] (such as `local`), log lines go to a [`Journal`].
//!
//! What can a hostile client do?
//! - Send anything. A message is decoded whole before any of it counts; one
//!   that is malformed is answered, and ends the conversation only where it is
//!   not clear what it would be an answer to.
//! - Ask for what the [`Policy`] does not permit: that is one place, which
//!   every request passes before anything else is looked at.
//! - Make up handles, or use old ones: they lead nowhere.
//! - Ask for much: the number of handles, the length of an answer and all that
//!   waits to be sent are bounded, and no more is handled while answers wait.
//!   Hashes and copies of long files keep the server busy, with nothing but
//!   this client's own requests waiting.
//! - Name any path: what the user of this process may do decides the system.

mod backend;
mod extended;
mod files;
mod handles;
mod input;
mod journal;
mod output;
mod paths;
mod policy;
#[cfg(test)]
mod tests;

use core::fmt;

use carrick_wire::{DecodeError, Encode as _};

pub use backend::{Backend, Change, Failure, Links, Listed, Place, Result};
pub use handles::LEN as HANDLE_LEN;
pub use input::Input;
pub use journal::{Journal, Level};
pub use output::Output;
pub use policy::{Policy, REQUESTS, Verdict};

use backend::Answer;
use handles::{At, Entry, Handles, OpenFile, Opened};
pub(crate) use journal::Name;
use journal::note;

use crate::frame;
use crate::msg::{self, Code, Extended, Extension, Reply, Request, Status, Version};

/// Why a conversation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The length of a message is out of bounds.
    Frame(DecodeError),
    /// The first message was another.
    NoInit(u8),
    /// A message has not even a number.
    Message(DecodeError),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(problem) | Self::Message(problem) => problem.fmt(f),
            Self::NoInit(number) => write!(f, "Received {number} request before init"),
        }
    }
}

/// One client's conversation.
pub struct Server<B: Backend, J> {
    backend: B,
    journal: J,
    policy: Policy,
    handles: Handles<B::File, B::Dir>,
    /// The first message has come.
    begun: bool,
    /// A file of a list, its room used again.
    listed: Listed,
}

impl<B: Backend, J: Journal> Server<B, J> {
    /// Nothing has come yet.
    pub fn new(backend: B, policy: Policy, journal: J) -> Self {
        Self {
            handles: Handles::new(backend.most_open()),
            backend,
            journal,
            policy,
            begun: false,
            listed: Listed::default(),
        }
    }

    /// The log, for lines on the conversation itself.
    pub fn journal(&mut self) -> &mut J {
        &mut self.journal
    }

    /// Handles the whole messages in `input`, as long as there is room for
    /// their answers: call it until there is nothing to send.
    pub fn handle(
        &mut self,
        input: &mut Input,
        out: &mut Output,
    ) -> core::result::Result<(), Broken> {
        let mut used = 0;
        let result = loop {
            let bytes = input.bytes().get(used..).unwrap_or_default();
            if !out.has_room() {
                break Ok(());
            }
            let range = match frame::first(bytes) {
                Ok(Some(range)) => range,
                Ok(None) => break Ok(()),
                Err(problem) => break Err(Broken::Frame(problem)),
            };
            used += range.end;
            if let Err(problem) = self.message(bytes.get(range).unwrap_or_default(), out) {
                break Err(problem);
            }
        };
        input.consume(used);
        result
    }

    /// The conversation is over: closes what the client left open.
    pub fn end(&mut self) {
        for Entry { path, opened } in self.handles.drain() {
            match opened {
                Opened::File(open) => {
                    let OpenFile { read, written, .. } = open;
                    note!(
                        self.journal,
                        Info,
                        "forced close \"{}\" bytes read {read} written {written}",
                        Name(&path)
                    );
                }
                Opened::Dir(_) => {
                    note!(self.journal, Info, "forced closedir \"{}\"", Name(&path));
                }
            }
        }
    }

    fn message(&mut self, message: &[u8], out: &mut Output) -> core::result::Result<(), Broken> {
        let number = message.first().copied().unwrap_or_default();
        if number == msg::number::INIT {
            return self.init(message, out);
        }
        if !self.begun {
            return Err(Broken::NoInit(number));
        }
        match Request::decode(message) {
            Ok((id, request)) => self.request(id, &request, out),
            Err(problem) => {
                let Some(id) = Request::id_of(message) else {
                    return Err(Broken::Message(problem));
                };
                let code = if let DecodeError::UnknownMessage { number } = problem {
                    note!(self.journal, Error, "Unknown message {number}");
                    Code::OP_UNSUPPORTED
                } else {
                    note!(self.journal, Error, "request {id}: {problem}");
                    Code::BAD_MESSAGE
                };
                self.answer(id, Err(code.into()), out);
            }
        }
        Ok(())
    }

    fn init(&mut self, message: &[u8], out: &mut Output) -> core::result::Result<(), Broken> {
        let init = msg::decode_init(message).map_err(Broken::Message)?;
        self.begun = true;
        note!(
            self.journal,
            Verbose,
            "received client version {}",
            init.version
        );
        let mut extensions = Vec::with_capacity(policy::EXTENSIONS.len());
        for (name, data, list_name) in policy::EXTENSIONS {
            let verdict = self.policy.judge_extension(list_name);
            self.tell(verdict, list_name);
            if verdict.permits() {
                extensions.push(Extension { name, data });
            } else {
                note!(
                    self.journal,
                    Debug2,
                    "compose_extension: refusing to advertise disallowed extension {}",
                    Name(name)
                );
            }
        }
        let version = Version {
            version: crate::VERSION,
            extensions,
        };
        out.message(|w| version.encode(w));
        Ok(())
    }

    /// Says what the rules say, where that is not the usual.
    fn tell(&mut self, verdict: Verdict, name: &str) {
        match verdict {
            Verdict::Permitted => {}
            Verdict::Listed => note!(
                self.journal,
                Debug2,
                "Permitting allowlisted {name} request"
            ),
            Verdict::Denied => note!(self.journal, Verbose, "Refusing denylisted {name} request"),
            Verdict::Unlisted => {
                note!(
                    self.journal,
                    Verbose,
                    "Refusing non-allowlisted {name} request"
                );
            }
            Verdict::ReadOnly => {
                note!(
                    self.journal,
                    Verbose,
                    "Refusing {name} request in read-only mode"
                );
            }
        }
    }

    fn request(&mut self, id: u32, request: &Request<'_>, out: &mut Output) {
        let (verdict, name) = self.policy.judge(request);
        if verdict == Verdict::ReadOnly
            && let Request::Open { path, how, attrs } = request
        {
            self.note_open(id, path, *how, attrs);
        }
        self.tell(verdict, name);
        if !verdict.permits() {
            return self.answer(id, Err(Code::PERMISSION_DENIED.into()), out);
        }
        let result = match *request {
            Request::Open { path, how, attrs } => self.open(id, path, how, &attrs),
            Request::Close { handle } => self.close(id, handle),
            Request::Read {
                handle,
                offset,
                len,
            } => self.read(id, handle, offset, len, out),
            Request::Write {
                handle,
                offset,
                data,
            } => self.write(id, handle, offset, data),
            Request::Lstat { path } => self.stat(id, path, Links::Keep),
            Request::Stat { path } => self.stat(id, path, Links::Follow),
            Request::Fstat { handle } => self.fstat(id, handle),
            Request::Setstat { path, attrs } => self.setstat(id, path, &attrs),
            Request::Fsetstat { handle, attrs } => self.fsetstat(id, handle, &attrs),
            Request::Opendir { path } => self.opendir(id, path),
            Request::Readdir { handle } => self.readdir(id, handle, out),
            Request::Remove { path } => self.remove(id, path),
            Request::Mkdir { path, attrs } => self.mkdir(id, path, &attrs),
            Request::Rmdir { path } => self.rmdir(id, path),
            Request::Realpath { path } => self.realpath(id, path),
            Request::Rename { from, to } => self.rename(id, from, to),
            Request::Readlink { path } => self.readlink(id, path),
            Request::Symlink { target, link } => self.symlink(id, target, link),
            Request::Extended(ref extended) => return self.extended(id, extended, out),
        };
        self.answer(id, result, out);
    }

    fn extended(&mut self, id: u32, request: &Extended<'_>, out: &mut Output) {
        let mut values = Vec::new();
        let result = match *request {
            Extended::PosixRename { from, to } => self.posix_rename(id, from, to),
            Extended::Statvfs { path } => self.statvfs(id, path),
            Extended::Fstatvfs { handle } => self.fstatvfs(id, handle),
            Extended::Hardlink { from, to } => self.hardlink(id, from, to),
            Extended::Fsync { handle } => self.fsync(id, handle),
            Extended::Lsetstat { path, attrs } => self.lsetstat(id, path, &attrs),
            Extended::Limits => Ok(self.limits(id)),
            Extended::ExpandPath { path } => self.expand(id, path),
            Extended::CopyData {
                from,
                from_offset,
                len,
                to,
                to_offset,
            } => self.copy((from, from_offset), len, (to, to_offset), id),
            Extended::HomeDirectory { user } => self.home(id, user),
            Extended::UsersGroupsById { uids, gids } => self.accounts(uids, gids),
            Extended::CheckFile(ref check) => self.check_file(id, check, &mut values),
            Extended::Unknown { name, .. } => {
                note!(
                    self.journal,
                    Error,
                    "Unknown extended request \"{}\"",
                    Name(name)
                );
                Err(Code::OP_UNSUPPORTED.into())
            }
        };
        self.answer(id, result, out);
    }

    /// Answers a request.
    fn answer(&mut self, id: u32, result: Result<Answer<'_>>, out: &mut Output) {
        let fits = match result {
            Ok(Answer::Written) => true,
            Ok(Answer::Done) => return self.status(id, &Code::OK.into(), out),
            Err(failure) => return self.status(id, &failure, out),
            Ok(Answer::Handle(handle)) => out.message(|w| Reply::Handle(&handle).encode(w, id)),
            Ok(Answer::Attrs(attrs)) => {
                note!(self.journal, Debug1, "request {id}: sent attrib have 0xf");
                out.message(|w| Reply::Attrs(attrs).encode(w, id))
            }
            Ok(Answer::Path(path)) => {
                note!(self.journal, Debug1, "request {id}: sent names count 1");
                out.message(|w| {
                    Reply::encode_names(w, id, 1, |w| {
                        w.string(&path);
                        w.string(&path);
                        msg::Attrs::default().encode(w);
                    });
                })
            }
            Ok(Answer::Extended(body)) => out.message(|w| Reply::Extended(&body).encode(w, id)),
            Ok(Answer::Hashes(hashes)) => {
                let body = |w: &mut carrick_wire::Writer<'_>| {
                    Reply::Extended(b"").encode(w, id);
                    hashes.encode(w);
                };
                out.message(body)
            }
        };
        if !fits {
            self.status(id, &Code::FAILURE.into(), out);
        }
    }

    fn status(&mut self, id: u32, failure: &Failure, out: &mut Output) {
        let code = failure.code;
        let words = words(code);
        note!(self.journal, Debug3, "request {id}: sent status {}", code.0);
        if self.journal.level() > Level::Verbose || (code != Code::OK && code != Code::EOF) {
            note!(self.journal, Info, "sent status {words}");
        }
        let message = failure.words.unwrap_or(words).as_bytes();
        out.message(|w| Reply::Status(Status { code, message }).encode(w, id));
    }
}

/// A handle's number in log lines.
struct Number(Option<At>);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => at.number().fmt(f),
            None => f.write_str("-1"),
        }
    }
}

/// The words of a server, which are not quite those of a client.
fn words(code: Code) -> &'static str {
    match code {
        Code::NO_SUCH_FILE => "No such file",
        code => code.text(),
    }
}
