use core::fmt;

use proptest::prelude::*;

use super::*;
use crate::limits;
use crate::msg::{Attrs, CheckFile, HashedFile, Open, Statvfs};

/// One file that is always there, another that can be made; folders are empty.
#[derive(Default)]
struct Memory {
    content: Vec<u8>,
    /// Calls that would change something.
    changed: u32,
}

fn no<T>() -> Result<T> {
    Err(Code::FAILURE.into())
}

impl Backend for Memory {
    type File = ();
    type Dir = ();

    fn most_open(&self) -> u64 {
        4
    }
    fn open(&mut self, path: &[u8], how: Open, _: u32) -> Result<()> {
        self.changed += u32::from(how.0 & !Open::READ.0 != 0);
        if path == b"file" {
            return Ok(());
        }
        Err(Code::NO_SUCH_FILE.into())
    }
    fn read(&mut self, (): &(), offset: u64, into: &mut [u8]) -> Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.content.get(start..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn write(&mut self, (): &(), _: u64, data: &[u8]) -> Result<()> {
        self.changed += 1;
        self.content.extend_from_slice(data);
        Ok(())
    }
    fn close(&mut self, (): ()) -> Result<()> {
        Ok(())
    }
    fn fstat(&mut self, (): &()) -> Result<Attrs> {
        Ok(Attrs::with_mode(0o100_644))
    }
    fn fset(&mut self, (): &(), _: Change) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn fsync(&mut self, (): &()) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn fstatvfs(&mut self, (): &()) -> Result<Statvfs> {
        Ok(Statvfs::default())
    }
    fn copy(&mut self, _: Place<'_, ()>, len: u64, _: Place<'_, ()>) -> Result<u64> {
        self.changed += 1;
        Ok(len)
    }
    fn fhash(&mut self, (): &(), _: &CheckFile<'_>, v: &mut Vec<u8>) -> Result<&'static [u8]> {
        v.push(1);
        Ok(b"sum")
    }
    fn hash(&mut self, _: &[u8], _: &CheckFile<'_>, v: &mut Vec<u8>) -> Result<&'static [u8]> {
        // Longer than any answer.
        v.resize(limits::MESSAGE, 0);
        Ok(b"sum")
    }
    fn open_dir(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn next(&mut self, (): &mut (), _: &mut Listed) -> Result<bool> {
        Ok(false)
    }
    fn stat(&mut self, _: &[u8], _: Links) -> Result<Attrs> {
        Ok(Attrs::with_mode(0o100_644))
    }
    fn set(&mut self, _: &[u8], _: Links, _: Change) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn remove(&mut self, _: &[u8]) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn mkdir(&mut self, _: &[u8], _: u32) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn rmdir(&mut self, _: &[u8]) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn rename(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn replace(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn hardlink(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn symlink(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        self.changed += 1;
        Ok(())
    }
    fn readlink(&mut self, _: &[u8]) -> Result<Vec<u8>> {
        no()
    }
    fn realpath(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        Ok(path.to_vec())
    }
    fn expand(&mut self, path: &[u8]) -> Result<Vec<u8>> {
        Ok(path.to_vec())
    }
    fn home(&mut self, _: &[u8]) -> Result<Vec<u8>> {
        Ok(b"/".to_vec())
    }
    fn user_name(&mut self, _: u32) -> String {
        "a rather long name".to_owned()
    }
    fn group_name(&mut self, _: u32) -> String {
        String::new()
    }
    fn statvfs(&mut self, _: &[u8]) -> Result<Statvfs> {
        Ok(Statvfs::default())
    }
}

/// Keeps the lines.
struct Lines(Level, Vec<String>);

impl Journal for Lines {
    fn level(&self) -> Level {
        self.0
    }
    fn time(&self, seconds: u32) -> String {
        seconds.to_string()
    }
    fn line(&mut self, _: Level, text: fmt::Arguments<'_>) {
        self.1.push(text.to_string());
    }
}

struct Pair {
    server: Server<Memory, Lines>,
    input: Input,
    out: Output,
}

impl Pair {
    fn new(policy: Policy) -> Self {
        Self {
            server: Server::new(Memory::default(), policy, Lines(Level::Debug3, Vec::new())),
            input: Input::default(),
            out: Output::default(),
        }
    }

    /// One that has begun.
    fn begun(policy: Policy) -> Self {
        let mut pair = Self::new(policy);
        pair.put(|w| msg::encode_init(w, 3));
        pair.server.handle(&mut pair.input, &mut pair.out).unwrap();
        pair.out.clear();
        pair
    }

    fn put(&mut self, write: impl FnOnce(&mut carrick_wire::Writer<'_>)) {
        let mut bytes = Vec::new();
        frame::append(&mut bytes, write);
        self.input.room()[..bytes.len()].copy_from_slice(&bytes);
        self.input.filled(bytes.len());
    }

    /// The one answer to a request.
    fn ask<T>(&mut self, request: &Request<'_>, look: impl FnOnce(Reply<'_>) -> T) -> T {
        self.put(|w| request.encode(w, 77));
        self.server.handle(&mut self.input, &mut self.out).unwrap();
        let range = frame::first(self.out.bytes()).unwrap().unwrap();
        assert_eq!(range.end, self.out.bytes().len());
        let (id, reply) = Reply::decode(&self.out.bytes()[range]).unwrap();
        assert_eq!(id, 77);
        let result = look(reply);
        self.out.clear();
        result
    }

    fn code(&mut self, request: &Request<'_>) -> Option<Code> {
        self.ask(request, |reply| match reply {
            Reply::Status(status) => Some(status.code),
            _ => None,
        })
    }

    fn open(&mut self) -> Vec<u8> {
        let request = Request::Open {
            path: b"file",
            how: Open::READ,
            attrs: Attrs::default(),
        };
        self.ask(&request, |reply| match reply {
            Reply::Handle(handle) => handle.to_vec(),
            other => panic!("{other:?}"),
        })
    }
}

/// Each request that could change something, on an open file.
fn changing(handle: &[u8]) -> Vec<Request<'_>> {
    let attrs = Attrs::with_mode(0o600);
    let (path, from, to) = (b"file".as_slice(), b"a".as_slice(), b"b".as_slice());
    let open = |how| Request::Open { path, how, attrs };
    vec![
        open(Open::WRITE),
        open(Open::READ.and(Open::CREATE)),
        open(Open::READ.and(Open::TRUNCATE)),
        Request::Write {
            handle,
            offset: 0,
            data: b"x",
        },
        Request::Setstat { path, attrs },
        Request::Fsetstat { handle, attrs },
        Request::Remove { path },
        Request::Mkdir { path, attrs },
        Request::Rmdir { path },
        Request::Rename { from, to },
        Request::Symlink {
            target: from,
            link: to,
        },
        Request::Extended(Extended::PosixRename { from, to }),
        Request::Extended(Extended::Hardlink { from, to }),
        Request::Extended(Extended::Fsync { handle }),
        Request::Extended(Extended::Lsetstat { path, attrs }),
        Request::Extended(Extended::CopyData {
            from: handle,
            from_offset: 0,
            len: 1,
            to: handle,
            to_offset: 0,
        }),
    ]
}

#[test]
fn nothing_is_changed_read_only() {
    // A list that permits a request permits no change.
    let all = REQUESTS.map(str::to_owned).to_vec();
    for allowed in [None, Some(all)] {
        let mut pair = Pair::begun(Policy {
            read_only: true,
            allowed,
            ..Policy::default()
        });
        let handle = pair.open();
        for request in changing(&handle) {
            let code = pair.code(&request);
            assert_eq!(code, Some(Code::PERMISSION_DENIED), "{request:?}");
        }
        assert_eq!(pair.server.backend.changed, 0);
    }
    // Every one of them would be without that rule, but for a copy onto itself.
    let mut pair = Pair::begun(Policy::default());
    let handle = pair.open();
    for request in changing(&handle) {
        pair.code(&request);
    }
    assert_eq!(pair.server.backend.changed, 15);
}

#[test]
fn lists_decide_by_name() {
    let stat = Request::Stat { path: b"file" };
    let lstat = Request::Lstat { path: b"file" };
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut pair = Pair::begun(Policy {
        denied: list(&["stat"]),
        ..Policy::default()
    });
    assert_eq!(pair.code(&stat), Some(Code::PERMISSION_DENIED));
    assert_eq!(pair.code(&lstat), None);
    let mut pair = Pair::begun(Policy {
        denied: list(&["stat"]),
        allowed: Some(list(&["stat", "open"])),
        ..Policy::default()
    });
    assert_eq!(pair.code(&stat), Some(Code::PERMISSION_DENIED));
    assert_eq!(pair.code(&lstat), Some(Code::PERMISSION_DENIED));
    let unknown = Extended::Unknown {
        name: b"x",
        body: b"",
    };
    let code = pair.code(&Request::Extended(unknown));
    assert_eq!(code, Some(Code::OP_UNSUPPORTED));
    pair.open();
}

#[test]
fn who_may_not_read_gets_no_hashes() {
    let check = |file| {
        Request::Extended(Extended::CheckFile(CheckFile {
            file,
            hashes: b"sha256",
            offset: 0,
            len: 0,
            block: 0,
        }))
    };
    let denied = |name: &str, file| {
        let mut pair = Pair::begun(Policy {
            denied: vec![name.to_owned()],
            ..Policy::default()
        });
        pair.code(&check(file)) == Some(Code::PERMISSION_DENIED)
    };
    for name in ["check-file", "read"] {
        assert!(denied(name, HashedFile::Handle(b"x")));
        assert!(denied(name, HashedFile::Path(b"file")));
    }
    assert!(denied("open", HashedFile::Path(b"file")));
    assert!(!denied("open", HashedFile::Handle(b"x")));
    let mut pair = Pair::begun(Policy::default());
    let handle = pair.open();
    let sum = pair.ask(&check(HashedFile::Handle(&handle)), |reply| match reply {
        Reply::Extended(body) => msg::FileHashes::decode(body).unwrap().values.to_vec(),
        other => panic!("{other:?}"),
    });
    assert_eq!(sum, [1]);
    // An answer that is too long is a failure, and nothing of it is sent.
    let code = pair.code(&check(HashedFile::Path(b"file")));
    assert_eq!(code, Some(Code::FAILURE));
}

#[test]
fn every_name_in_lists_is_a_requests() {
    for (_, _, name) in policy::EXTENSIONS {
        assert!(REQUESTS.contains(&name));
    }
    for request in changing(b"h") {
        assert!(REQUESTS.contains(&request.name()), "{request:?}");
    }
}

#[test]
fn what_is_announced_is_what_may_be_used() {
    let announced = |policy| {
        let mut pair = Pair::new(policy);
        pair.put(|w| msg::encode_init(w, 3));
        pair.server.handle(&mut pair.input, &mut pair.out).unwrap();
        let range = frame::first(pair.out.bytes()).unwrap().unwrap();
        let version = Version::decode(&pair.out.bytes()[range]).unwrap();
        assert_eq!(version.version, 3);
        version.extensions.len()
    };
    assert_eq!(announced(Policy::default()), 12);
    let read_only = Policy {
        read_only: true,
        ..Policy::default()
    };
    assert_eq!(announced(read_only), 7);
    let denied = vec!["read".to_owned(), "limits".to_owned()];
    assert_eq!(
        announced(Policy {
            denied,
            ..Policy::default()
        }),
        10
    );
}

#[test]
fn no_more_is_handled_while_answers_wait() {
    let mut pair = Pair::begun(Policy::default());
    pair.server.backend.content = vec![7; limits::DATA];
    let handle = pair.open();
    for _ in 0..10 {
        let request = Request::Read {
            handle: &handle,
            offset: 0,
            len: u32::MAX,
        };
        pair.put(|w| request.encode(w, 1));
    }
    let mut answers = 0;
    let mut rounds = 0;
    loop {
        pair.server.handle(&mut pair.input, &mut pair.out).unwrap();
        if pair.out.is_empty() {
            break;
        }
        rounds += 1;
        let mut bytes = pair.out.bytes();
        while let Some(range) = frame::first(bytes).unwrap() {
            assert_eq!(range.len(), limits::DATA + 9);
            answers += 1;
            bytes = &bytes[range.end..];
        }
        assert!(bytes.is_empty());
        pair.out.clear();
    }
    assert_eq!((answers, rounds), (10, 4));
    assert!(pair.input.bytes().is_empty());
}

#[test]
fn handles_are_bounded_and_hold_until_closed() {
    let mut pair = Pair::begun(Policy::default());
    let first = pair.open();
    pair.open();
    pair.open();
    pair.open();
    let opendir = Request::Opendir { path: b"." };
    assert_eq!(pair.code(&opendir), Some(Code::FAILURE));
    let close = Request::Close { handle: &first };
    assert_eq!(pair.code(&close), Some(Code::OK));
    assert_eq!(pair.code(&close), Some(Code::NO_SUCH_FILE));
    assert!(pair.open() != first);
    let read = Request::Read {
        handle: &first,
        offset: 0,
        len: 1,
    };
    assert_eq!(pair.code(&read), Some(Code::FAILURE));
    pair.server.end();
    let closed = pair
        .server
        .journal
        .1
        .iter()
        .filter(|line| line.starts_with("forced close"));
    assert_eq!(closed.count(), 4);
}

#[test]
fn a_folder_is_no_file() {
    let mut pair = Pair::begun(Policy::default());
    let opendir = Request::Opendir { path: b"." };
    let dir = pair.ask(&opendir, |reply| match reply {
        Reply::Handle(handle) => handle.to_vec(),
        other => panic!("{other:?}"),
    });
    let handle = dir.as_slice();
    let file = pair.open();
    for request in [
        Request::Read {
            handle,
            offset: 0,
            len: 1,
        },
        Request::Write {
            handle,
            offset: 0,
            data: b"",
        },
        Request::Fstat { handle },
        Request::Fsetstat {
            handle,
            attrs: Attrs::default(),
        },
        Request::Readdir { handle: &file },
        Request::Extended(Extended::Fstatvfs { handle }),
    ] {
        assert_eq!(pair.code(&request), Some(Code::FAILURE), "{request:?}");
    }
    assert_eq!(pair.code(&Request::Readdir { handle }), Some(Code::EOF));
}

#[test]
fn what_makes_no_sense_is_answered_if_it_can_be() {
    let mut pair = Pair::begun(Policy::default());
    pair.put(|w| w.raw(&[99, 0, 0, 0, 7]));
    pair.put(|w| w.raw(&[msg::number::STAT, 0, 0, 0, 8]));
    pair.server.handle(&mut pair.input, &mut pair.out).unwrap();
    let mut bytes = pair.out.bytes();
    for expected in [(7, Code::OP_UNSUPPORTED), (8, Code::BAD_MESSAGE)] {
        let range = frame::first(bytes).unwrap().unwrap();
        let (id, reply) = Reply::decode(&bytes[range.clone()]).unwrap();
        assert_eq!(
            (id, reply),
            (expected.0, Reply::Status(Status::of(expected.1)))
        );
        bytes = &bytes[range.end..];
    }
    pair.put(|w| w.raw(&[msg::number::STAT, 0]));
    let broken = pair.server.handle(&mut pair.input, &mut pair.out);
    assert!(matches!(broken, Err(Broken::Message(_))));
    let mut pair = Pair::new(Policy::default());
    pair.put(|w| Request::Stat { path: b"/" }.encode(w, 1));
    let broken = pair.server.handle(&mut pair.input, &mut pair.out);
    assert_eq!(broken, Err(Broken::NoInit(17)));
    let mut pair = Pair::begun(Policy::default());
    pair.input.room()[..5].copy_from_slice(&[0xff; 5]);
    pair.input.filled(5);
    let broken = pair.server.handle(&mut pair.input, &mut pair.out);
    assert!(matches!(broken, Err(Broken::Frame(_))));
}

#[test]
fn many_names_in_one_answer_are_a_failure_and_not_too_long() {
    let mut pair = Pair::begun(Policy::default());
    let uids = vec![0; 200_000];
    let request = Extended::UsersGroupsById {
        uids: &uids,
        gids: b"",
    };
    let code = pair.code(&Request::Extended(request));
    assert_eq!(code, Some(Code::FAILURE));
}

#[test]
fn a_clients_words_do_not_reach_the_log_as_they_are() {
    let mut pair = Pair::begun(Policy::default());
    pair.code(&Request::Remove {
        path: b"x\nforged \x1b[2J",
    });
    let lines = &pair.server.journal.1;
    assert!(lines.contains(&"remove name \"x\\012forged \\033[2J\"".to_owned()));
}

proptest! {
    #[test]
    fn nothing_that_comes_is_more_than_it_should_be(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 0..40),
        numbers: Vec<u8>,
    ) {
        let mut pair = Pair::begun(Policy::default());
        for (at, mut message) in messages.into_iter().enumerate() {
            // Mostly known numbers.
            if let Some(number) = numbers.get(at) {
                message[0] = number % 21;
            }
            pair.put(|w| w.raw(&message));
        }
        loop {
            let ended = pair.server.handle(&mut pair.input, &mut pair.out).is_err();
            if pair.out.is_empty() || ended {
                break;
            }
            let mut bytes = pair.out.bytes();
            while let Some(range) = frame::first(bytes).unwrap() {
                bytes = &bytes[range.end..];
            }
            prop_assert!(bytes.is_empty());
            pair.out.clear();
        }
        prop_assert!(pair.server.handles.drain().count() <= 4);
    }
}
