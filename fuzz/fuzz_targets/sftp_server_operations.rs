//! A server over real files, asked anything in any order, with handles that
//! are open, closed or made up and paths that lead anywhere: each request has
//! one answer, in order and whole; never more is open than may be; nothing
//! panics.
//!
//! Each run has a root directory of its own (so this needs root: without,
//! `unshare -r`), as clients may name any path, and ask to remove it.
#![no_main]

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::{fchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use carrick_sftp::frame;
use carrick_sftp::local::{Home, Local};
use carrick_sftp::msg::{
    Attrs, CheckFile, Extended, HashedFile, Open, Owner, Reply, Request, Times, encode_init,
};
use carrick_sftp::server::{Input, Journal, Level, Output, Policy, Server};
use carrick_sys::sandbox::chroot;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const NAMES: [&[u8]; 14] = [
    b"a",
    b"b",
    b"d",
    b"d/x",
    b"link",
    b"out",
    b"fifo",
    b"/",
    b"..",
    b"",
    b"/a",
    b"/../../a",
    b"loop",
    b"d/../b",
];

#[derive(Arbitrary, Debug)]
enum Name {
    Known(u8),
    Any(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Handle {
    /// One of those given, open or not.
    Given(u8),
    /// The same with a byte changed.
    Near(u8, u8, u8),
    Any(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Set {
    size: Option<u16>,
    owner: Option<(u8, u8)>,
    mode: Option<u16>,
    times: Option<(u32, u32)>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Open(Name, u8, Set),
    Opendir(Name),
    Close(Handle),
    Read(Handle, u16, u32),
    Write(Handle, u16, Vec<u8>),
    Fstat(Handle),
    Fsetstat(Handle, Set),
    Readdir(Handle),
    Path(u8, Name),
    Setstat(Name, Set, bool),
    Mkdir(Name, Set),
    Two(u8, Name, Name),
    Copy(Handle, u16, u16, Handle, u16),
    Check(Handle, Name, u8, u16, u16, u16),
    OnHandle(u8, Handle),
    Raw(Vec<u8>),
}

/// No log.
struct Nowhere;

impl Journal for Nowhere {
    fn level(&self) -> Level {
        // Lines are made, and so what makes them is run.
        Level::Debug3
    }
    fn time(&self, seconds: u32) -> String {
        seconds.to_string()
    }
    fn line(&mut self, _: Level, text: fmt::Arguments<'_>) {
        assert!(
            text.to_string()
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte))
        );
    }
}

struct World {
    server: Server<Local, Nowhere>,
    input: Input,
    out: Output,
    given: Vec<Vec<u8>>,
    /// Numbers of requests that are not answered yet.
    asked: Vec<u32>,
}

/// The way back to the machine's root directory.
fn outside() -> &'static File {
    static ROOT: OnceLock<File> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = File::open("/").expect("the root directory");
        // The fuzzer writes down what crashed, outside.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            hook(panic);
        }));
        root
    })
}

/// Where the fuzzer was started.
fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| std::env::current_dir().expect("a folder"))
}

fn leave() {
    rustix::process::fchdir(outside()).expect("out");
    rustix::process::chroot(".").expect("root: see above");
    std::env::set_current_dir(home()).expect("back");
}

fn enter() -> PathBuf {
    home();
    outside();
    let root = std::env::temp_dir().join(format!("carrick-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir(&root).expect("a folder");
    fs::write(root.join("a"), vec![7; 5000]).expect("a file");
    fs::write(root.join("b"), "text").expect("a file");
    fs::create_dir(root.join("d")).expect("a folder");
    for (target, link) in [("d/x", "link"), ("../../..", "out"), ("loop", "loop")] {
        symlink(target, root.join(link)).expect("a link");
    }
    let fifo = root.join("fifo");
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .expect("a fifo");
    let file = File::open(root.join("b")).expect("a file");
    let _ = fchown(&file, Some(1), Some(1));
    chroot(&root).expect("root: see above");
    root
}

fuzz_target!(|ops: (bool, Vec<Op>)| {
    let (read_only, ops) = ops;
    let root = enter();
    let home = Home {
        user: "me".into(),
        directory: b"/".to_vec(),
    };
    let policy = Policy {
        read_only,
        ..Policy::default()
    };
    let mut world = World {
        server: Server::new(Local::new(home), policy, Nowhere),
        input: Input::default(),
        out: Output::default(),
        given: Vec::new(),
        asked: Vec::new(),
    };
    world.put(|w| encode_init(w, 3));
    world
        .server
        .handle(&mut world.input, &mut world.out)
        .expect("the first message");
    world.out.clear();
    for (at, op) in ops.iter().take(60).enumerate() {
        world.apply(u32::try_from(at).unwrap(), op);
    }
    world.server.end();
    leave();
    if read_only {
        assert_eq!(
            fs::read(root.join("b")).ok().as_deref(),
            Some(b"text".as_slice())
        );
    }
    let _ = fs::remove_dir_all(&root);
});

fn attrs(set: &Set) -> Attrs {
    Attrs {
        size: set.size.map(u64::from),
        owner: set.owner.map(|(uid, gid)| Owner {
            uid: uid.into(),
            gid: gid.into(),
        }),
        mode: set.mode.map(u32::from),
        times: set
            .times
            .map(|(accessed, modified)| Times { accessed, modified }),
    }
}

fn name(name: &Name) -> Vec<u8> {
    match name {
        Name::Known(at) => NAMES[usize::from(*at) % NAMES.len()].to_vec(),
        Name::Any(bytes) => bytes.clone(),
    }
}

impl World {
    fn put(&mut self, write: impl FnOnce(&mut carrick_wire::Writer<'_>)) {
        let mut bytes = Vec::new();
        frame::append(&mut bytes, write);
        self.input.room()[..bytes.len()].copy_from_slice(&bytes);
        self.input.filled(bytes.len());
    }

    fn handle(&self, handle: &Handle) -> Vec<u8> {
        let given = |at: u8| {
            let some = self.given.get(usize::from(at) % self.given.len().max(1));
            some.cloned().unwrap_or_default()
        };
        match handle {
            Handle::Given(at) => given(*at),
            Handle::Near(at, byte, bits) => {
                let mut handle = given(*at);
                let len = handle.len().max(1);
                if let Some(byte) = handle.get_mut(usize::from(*byte) % len) {
                    *byte ^= bits;
                }
                handle
            }
            Handle::Any(bytes) => bytes.clone(),
        }
    }

    fn apply(&mut self, id: u32, op: &Op) {
        if let Op::Raw(bytes) = op {
            // A number that is no INIT, so that the answer is to be told apart.
            let mut message = vec![bytes.first().map_or(2, |byte| byte % 250 + 2)];
            message.extend_from_slice(&id.to_be_bytes());
            message.extend_from_slice(bytes.get(1..).unwrap_or_default());
            self.put(|w| w.raw(&message));
        } else {
            self.request(id, op);
        }
        self.asked.push(id);
        self.server
            .handle(&mut self.input, &mut self.out)
            .expect("a whole message");
        let range = frame::first(self.out.bytes())
            .expect("a frame")
            .expect("an answer");
        assert_eq!(range.end, self.out.bytes().len());
        let (answered, reply) =
            Reply::decode(&self.out.bytes()[range]).expect("an answer that reads");
        assert_eq!(Some(answered), self.asked.pop());
        if let Reply::Handle(handle) = reply {
            assert!(
                !self.given.iter().any(|known| known == handle),
                "a handle twice"
            );
            self.given.push(handle.to_vec());
        }
        self.out.clear();
    }

    fn request(&mut self, id: u32, op: &Op) {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        match op {
            Op::Open(path, _, _)
            | Op::Opendir(path)
            | Op::Path(_, path)
            | Op::Setstat(path, _, _)
            | Op::Mkdir(path, _) => {
                a = name(path);
            }
            Op::Two(_, from, to) => (a, b) = (name(from), name(to)),
            Op::Close(handle)
            | Op::Read(handle, ..)
            | Op::Write(handle, ..)
            | Op::Fstat(handle)
            | Op::Fsetstat(handle, _)
            | Op::Readdir(handle)
            | Op::OnHandle(_, handle) => a = self.handle(handle),
            Op::Copy(from, _, _, to, _) => (a, b) = (self.handle(from), self.handle(to)),
            Op::Check(handle, path, ..) => (a, b) = (self.handle(handle), name(path)),
            Op::Raw(_) => {}
        }
        let request = build(op, &a, &b);
        self.put(|w| request.encode(w, id));
    }
}

fn build<'a>(op: &'a Op, a: &'a [u8], b: &'a [u8]) -> Request<'a> {
    match op {
        Op::Open(_, how, set) => Request::Open {
            path: a,
            how: Open(u32::from(*how)),
            attrs: attrs(set),
        },
        Op::Opendir(_) => Request::Opendir { path: a },
        Op::Close(_) => Request::Close { handle: a },
        Op::Read(_, offset, len) => Request::Read {
            handle: a,
            offset: u64::from(*offset),
            len: *len,
        },
        Op::Write(_, offset, data) => Request::Write {
            handle: a,
            offset: u64::from(*offset),
            data,
        },
        Op::Fstat(_) => Request::Fstat { handle: a },
        Op::Fsetstat(_, set) => Request::Fsetstat {
            handle: a,
            attrs: attrs(set),
        },
        Op::Readdir(_) => Request::Readdir { handle: a },
        Op::Setstat(_, set, false) => Request::Setstat {
            path: a,
            attrs: attrs(set),
        },
        Op::Setstat(_, set, true) => Request::Extended(Extended::Lsetstat {
            path: a,
            attrs: attrs(set),
        }),
        Op::Mkdir(_, set) => Request::Mkdir {
            path: a,
            attrs: attrs(set),
        },
        Op::Path(which, _) => match which % 9 {
            0 => Request::Lstat { path: a },
            1 => Request::Stat { path: a },
            2 => Request::Remove { path: a },
            3 => Request::Rmdir { path: a },
            4 => Request::Realpath { path: a },
            5 => Request::Readlink { path: a },
            6 => Request::Extended(Extended::Statvfs { path: a }),
            7 => Request::Extended(Extended::HomeDirectory { user: a }),
            _ => Request::Extended(Extended::ExpandPath { path: a }),
        },
        Op::Two(which, _, _) => match which % 5 {
            0 => Request::Rename { from: a, to: b },
            1 => Request::Symlink { target: a, link: b },
            2 => Request::Extended(Extended::PosixRename { from: a, to: b }),
            3 => Request::Extended(Extended::Hardlink { from: a, to: b }),
            _ => Request::Extended(Extended::UsersGroupsById { uids: a, gids: b }),
        },
        Op::Copy(_, from_offset, len, _, to_offset) => Request::Extended(Extended::CopyData {
            from: a,
            from_offset: u64::from(*from_offset),
            len: u64::from(*len),
            to: b,
            to_offset: u64::from(*to_offset),
        }),
        Op::Check(_, _, which, offset, len, block) => {
            Request::Extended(Extended::CheckFile(CheckFile {
                file: if which % 2 == 0 {
                    HashedFile::Handle(a)
                } else {
                    HashedFile::Path(b)
                },
                hashes: b"nothing,md5",
                offset: u64::from(*offset),
                len: u64::from(*len),
                block: u32::from(*block),
            }))
        }
        Op::OnHandle(which, _) => Request::Extended(match which % 3 {
            0 => Extended::Fsync { handle: a },
            1 => Extended::Fstatvfs { handle: a },
            _ => Extended::Limits,
        }),
        Op::Raw(bytes) => Request::Extended(Extended::Unknown {
            name: b"raw",
            body: bytes,
        }),
    }
}
