//! Jobs against a server in this process: ours, or one that breaks the rules.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use carrick_sftp::local::{Home, Local, serve};
use carrick_sftp::msg::{Code, Entry, Reply, Request, Status, Version, decode_init};
use carrick_sftp::server::{Journal, Level, Policy, Server};
use carrick_sftp::{VERSION, frame};
use tempfile::TempDir;

use super::*;

struct Silent;

impl Journal for Silent {
    fn level(&self) -> Level {
        Level::Quiet
    }
    fn time(&self, _: u32) -> String {
        String::new()
    }
    fn line(&mut self, _: Level, _: std::fmt::Arguments<'_>) {}
}

/// Our ends of a conversation, and the server's end in a thread.
fn with_server(run: impl FnOnce(UnixStream) + Send + 'static) -> (Remote, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || run(theirs));
    let (to, from) = (
        OwnedFd::from(ours.try_clone().unwrap()),
        OwnedFd::from(ours),
    );
    let remote = Remote::start(Link::over(to, from).unwrap()).unwrap();
    (remote, server)
}

/// Our server; `without` it does not do.
fn ours(without: &'static [&'static str]) -> Remote {
    let (remote, _) = with_server(move |stream| {
        let home = Home {
            user: "me".into(),
            directory: b"/".to_vec(),
        };
        let policy = Policy {
            denied: without.iter().map(|name| (*name).to_owned()).collect(),
            ..Policy::default()
        };
        let mut server = Server::new(Local::new(home), policy, Silent);
        serve(&mut server, &stream, &stream);
    });
    remote
}

/// What an observer is told.
#[derive(Default)]
struct Told {
    errors: Vec<String>,
    notes: Vec<String>,
    found: (u64, u64),
    moved: u64,
    begun: u64,
    ended: u64,
    /// Stops the job after so many bytes.
    stop_after: Option<u64>,
}

impl Observer for Told {
    fn found(&mut self, files: u64, bytes: u64) {
        self.found.0 += files;
        self.found.1 += bytes;
    }
    fn begin(&mut self, _: FileId, begin: Begin<'_>) {
        self.begun += 1;
        self.moved += begin.already;
    }
    fn moved(&mut self, _: FileId, bytes: u64) {
        self.moved += bytes;
    }
    fn end(&mut self, _: FileId, _: bool) {
        self.ended += 1;
    }
    fn error(&mut self, text: &str) {
        self.errors.push(text.to_owned());
    }
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
    fn interrupted(&mut self) -> bool {
        self.stop_after.is_some_and(|most| self.moved >= most)
    }
}

fn item(from: &Path, to: &Path) -> Item {
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    Item {
        from: bytes(from),
        to: bytes(to),
        attrs: None,
        below: None,
    }
}

const TREES: Options = Options {
    recursive: true,
    preserve: true,
    resume: Resume::No,
    fsync: false,
    follow_links: false,
    in_place: false,
    leave_target: false,
};

/// Content that no block of repeats in another.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(byte).take(len).collect()
}

/// A tree of all that is hard.
fn plant(at: &Path) {
    fs::create_dir_all(at.join("sub folder/deep/deeper")).unwrap();
    fs::create_dir(at.join("empty")).unwrap();
    let name = |bytes: &[u8]| at.join(OsStr::from_bytes(bytes));
    for (name, content) in [
        (name(b"empty file"), Vec::new()),
        (name(b"new\nline \"quote\" \\ *?["), noise(17)),
        (name(b"\xff\xfe not UTF-8"), noise(1)),
        (name("\u{e4}\u{1f600}".as_bytes()), noise(70_000)),
        (at.join("sub folder/long"), noise(3_000_001)),
        (at.join("sub folder/deep/sparse"), {
            let mut content = vec![0; 2_000_000];
            content[1_000_000] = 1;
            content
        }),
    ] {
        fs::write(name, content).unwrap();
    }
    for count in 0..300 {
        fs::write(
            at.join(format!("sub folder/deep/deeper/{count}")),
            noise(count),
        )
        .unwrap();
    }
    symlink("long", at.join("sub folder/link")).unwrap();
    fs::set_permissions(at.join("empty"), fs::Permissions::from_mode(0o500)).unwrap();
    fs::set_permissions(at.join("empty file"), fs::Permissions::from_mode(0o440)).unwrap();
}

/// Files of a tree: path, mode, time, content; links are left out.
fn picture(at: &Path) -> Vec<(String, u32, i64, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![at.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            let path = entry.path();
            let name = format!("{:?}", path.strip_prefix(at).unwrap());
            if meta.is_dir() {
                folders.push(path);
                all.push((name, meta.mode(), 0, Vec::new()));
            } else if meta.is_file() {
                all.push((name, meta.mode(), meta.mtime(), fs::read(path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn trees_come_and_go_whole() {
    let folder = TempDir::new().unwrap();
    let (a, b, c) = (
        folder.path().join("a"),
        folder.path().join("b"),
        folder.path().join("c"),
    );
    plant(&a);
    let mut remote = ours(&[]);
    let mut told = Told::default();
    let put = remote.put(&[item(&a, &b)], TREES, &mut told).unwrap();
    assert_eq!(
        (put.failures, told.errors.len()),
        (0, 0),
        "{:?}",
        told.errors
    );
    assert_eq!(told.notes, ["link: not a regular file"]);
    assert_eq!((put.files, told.begun, told.ended), (306, 306, 306));
    assert_eq!(told.found, (306, told.moved));
    assert_eq!(picture(&a), picture(&b));
    let mut told = Told::default();
    let get = remote.get(&[item(&b, &c)], TREES, &mut told).unwrap();
    assert!(get.is_success(), "{:?}", told.errors);
    assert_eq!((get.files, told.begun, told.ended), (306, 306, 306));
    assert_eq!(told.found, (306, told.moved));
    assert_eq!(picture(&b), picture(&c));
    let sparse = fs::metadata(c.join("sub folder/deep/sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1_000_000, "zeros were written");
}

#[test]
fn links_are_followed_by_who_wants_it() {
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    plant(&a);
    let follow = Options {
        follow_links: true,
        ..TREES
    };
    for get in [false, true] {
        let mut remote = ours(&[]);
        let items = [item(&a, &b)];
        let outcome = if get {
            remote.get(&items, follow, &mut Told::default())
        } else {
            remote.put(&items, follow, &mut Told::default())
        };
        assert!(outcome.unwrap().is_success());
        let link = b.join("sub folder/link");
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        assert_eq!(fs::read(link).unwrap(), noise(3_000_001));
        fs::remove_dir_all(&b).unwrap();
    }
}

/// In both directions, by hashes and by reading back: a transfer goes on where
/// it ended, and what is not right of the beginning is noticed and mended.
#[test]
fn resumed_files_are_compared() {
    let content = noise(5_000_000);
    let options = Options {
        resume: Resume::Verified,
        ..Options::default()
    };
    for (get, without) in [
        (true, &[][..]),
        (true, &["check-file"][..]),
        (false, &[][..]),
        (false, &["check-file"][..]),
    ] {
        for (there, flipped) in [
            (0, None),
            (1, None),
            (262_144, None),
            (3_333_333, None),
            (3_333_333, Some(2_000_000)),
            (4_999_999, Some(0)),
            (5_000_000, Some(4_999_999)),
        ] {
            let folder = TempDir::new().unwrap();
            let (a, b) = (folder.path().join("a"), folder.path().join("b"));
            fs::write(&a, &content).unwrap();
            let mut part = content[..there].to_vec();
            if let Some(at) = flipped {
                part[at] ^= 0x10;
            }
            fs::write(&b, part).unwrap();
            let mut remote = ours(without);
            let mut told = Told::default();
            let items = [item(&a, &b)];
            let outcome = if get {
                remote.get(&items, options, &mut told)
            } else {
                remote.put(&items, options, &mut told)
            };
            let what = (get, without, there, flipped);
            assert!(outcome.unwrap().is_success(), "{what:?} {:?}", told.errors);
            assert!(fs::read(&b).unwrap() == content, "{what:?}");
            let noticed = told.notes.iter().any(|note| note.contains("differs"));
            assert_eq!(noticed, flipped.is_some(), "{what:?} {:?}", told.notes);
            assert_eq!(told.moved, 5_000_000, "{what:?}");
        }
    }
}

#[test]
fn what_cannot_be_resumed_says_so() {
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&a, b"1234").unwrap();
    fs::write(&b, b"12345").unwrap();
    let options = Options {
        resume: Resume::Verified,
        ..Options::default()
    };
    let mut remote = ours(&[]);
    let mut told = Told::default();
    let got = remote.get(&[item(&a, &b)], options, &mut told).unwrap();
    let put = remote.put(&[item(&a, &b)], options, &mut told).unwrap();
    assert_eq!((got.failures, put.failures), (1, 1));
    let (a, b) = (a.display(), b.display());
    assert_eq!(
        told.errors,
        [
            format!("Unable to resume download of \"{b}\": local file is larger than remote"),
            format!("resume \"{a}\": destination file same size or larger"),
        ]
    );
}

#[test]
fn a_stopped_job_leaves_what_can_be_resumed() {
    let content = noise(20_000_000);
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&a, &content).unwrap();
    for get in [true, false] {
        let _ = fs::remove_file(&b);
        let mut remote = ours(&[]);
        let mut told = Told {
            stop_after: Some(3_000_000),
            ..Told::default()
        };
        let items = [item(&a, &b)];
        let mut run = |told: &mut Told, options| {
            if get {
                remote.get(&items, options, told).unwrap()
            } else {
                remote.put(&items, options, told).unwrap()
            }
        };
        let outcome = run(&mut told, Options::default());
        assert!(outcome.interrupted && !outcome.is_success());
        let part = fs::read(&b).unwrap();
        assert!(
            (3_000_000..20_000_000).contains(&part.len()),
            "{}",
            part.len()
        );
        assert!(content.starts_with(&part));
        let mut told = Told::default();
        let options = Options {
            resume: Resume::Verified,
            ..Options::default()
        };
        assert!(run(&mut told, options).is_success());
        assert!(fs::read(&b).unwrap() == content);
        assert!(told.notes.is_empty(), "{:?}", told.notes);
    }
}

#[test]
fn a_full_disk_is_told_with_the_file() {
    let folder = TempDir::new().unwrap();
    let (a, good) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&a, noise(1_000_000)).unwrap();
    let full = Path::new("/dev/full");
    let mut remote = ours(&[]);
    let mut told = Told::default();
    let items = [item(&a, full), item(&a, &good)];
    let outcome = remote.get(&items, Options::default(), &mut told).unwrap();
    assert_eq!((outcome.failures, outcome.files), (1, 1));
    assert_eq!(
        told.errors,
        ["write local \"/dev/full\": No space left on device"]
    );
    let mut told = Told::default();
    let outcome = remote.put(&items, Options::default(), &mut told).unwrap();
    assert_eq!((outcome.failures, outcome.files), (1, 1));
    assert_eq!(told.errors.len(), 1);
    assert!(told.errors[0].starts_with("write remote \"/dev/full\": Failure"));
}

#[test]
fn the_last_of_files_with_one_target_stays() {
    let folder = TempDir::new().unwrap();
    let (a, b, c) = (
        folder.path().join("a"),
        folder.path().join("b"),
        folder.path().join("c"),
    );
    fs::write(&a, noise(2_000_000)).unwrap();
    fs::write(&b, b"short").unwrap();
    let items = [item(&a, &c), item(&b, &c)];
    let mut remote = ours(&[]);
    let got = remote.get(&items, Options::default(), &mut Told::default());
    assert_eq!(got.unwrap().files, 2);
    assert_eq!(fs::read(&c).unwrap(), b"short");
    let put = remote.put(&items, Options::default(), &mut Told::default());
    assert_eq!(put.unwrap().files, 2);
    assert_eq!(fs::read(&c).unwrap(), b"short");
}

#[test]
fn in_place_cuts_at_the_end() {
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&a, noise(100_000)).unwrap();
    let options = Options {
        in_place: true,
        ..Options::default()
    };
    let mut remote = ours(&[]);
    for get in [true, false] {
        fs::write(&b, noise(300_000)).unwrap();
        let inode = fs::metadata(&b).unwrap().ino();
        // Onto itself nothing is lost.
        for from in [&a, &b] {
            let items = [item(from, &b)];
            let outcome = if get {
                remote.get(&items, options, &mut Told::default())
            } else {
                remote.put(&items, options, &mut Told::default())
            };
            assert!(outcome.unwrap().is_success());
            assert!(fs::read(&b).unwrap() == noise(100_000));
        }
        assert_eq!(fs::metadata(&b).unwrap().ino(), inode);
    }
}

/// A server that is made of answers: what `answer` appends for each request,
/// until it says that it has gone away.
fn scripted(
    mut answer: impl FnMut(u32, Request<'_>, &mut Vec<u8>) -> bool + Send + 'static,
) -> Remote {
    let (remote, _) = with_server(move |mut stream| {
        let (mut got, mut buf) = (Vec::new(), [0; 4096]);
        let mut begun = false;
        loop {
            while let Some(range) = frame::first(&got).unwrap() {
                let message: Vec<u8> = got.drain(..range.end).skip(range.start).collect();
                let mut out = Vec::new();
                if begun {
                    let (id, request) = Request::decode(&message).unwrap();
                    if !answer(id, request, &mut out) {
                        return;
                    }
                } else {
                    assert_eq!(decode_init(&message).unwrap().version, VERSION);
                    let (version, extensions) = (VERSION, Vec::new());
                    let hello = Version {
                        version,
                        extensions,
                    };
                    frame::append(&mut out, |w| hello.encode(w));
                    begun = true;
                }
                stream.write_all(&out).unwrap();
            }
            match stream.read(&mut buf) {
                Ok(len @ 1..) => got.extend_from_slice(&buf[..len]),
                _ => return,
            }
        }
    });
    remote
}

/// Answers REALPATH and STAT, the one that came first first or last; or refuses
/// the REALPATH.
fn two_answers(turned: bool, refuses: bool) -> Remote {
    let mut held = Vec::new();
    scripted(move |id, request, out| {
        let mut answer = Vec::new();
        frame::append(&mut answer, |w| match request {
            Request::Realpath { .. } if refuses => {
                Reply::Status(Status::of(Code::PERMISSION_DENIED)).encode(w, id);
            }
            Request::Realpath { .. } => {
                let home = Entry {
                    name: b"/home/me",
                    long: b"",
                    attrs: Attrs::default(),
                };
                Reply::encode_names(w, id, 1, |w| home.encode(w));
            }
            _ => Reply::Attrs(Attrs::with_mode(0o100_644)).encode(w, id),
        });
        if turned && held.is_empty() {
            held = answer;
        } else {
            out.extend_from_slice(&answer);
            out.append(&mut held);
        }
        true
    })
}

#[test]
fn a_path_asked_for_ahead_comes_before_or_after_what_is_waited_for() {
    for turned in [false, true] {
        let mut remote = two_answers(turned, false);
        assert!(remote.awaited_path().is_none());
        remote.ask_ahead(b".");
        assert!(remote.stat(b"/f").unwrap().mode.is_some());
        assert_eq!(remote.awaited_path().unwrap().unwrap(), b"/home/me");
        assert!(remote.awaited_path().is_none());
    }
    let mut remote = two_answers(false, false);
    remote.ask_ahead(b".");
    assert_eq!(remote.awaited_path().unwrap().unwrap(), b"/home/me");
    for turned in [false, true] {
        let mut remote = two_answers(turned, true);
        remote.ask_ahead(b".");
        assert!(remote.stat(b"/f").unwrap().mode.is_some());
        let refused = remote.awaited_path().unwrap().unwrap_err();
        assert_eq!(refused.to_string(), "Permission denied");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("in/target");
    fs::create_dir_all(folder.path().join("in")).unwrap();
    let mut listed = false;
    let mut remote = scripted(move |id, request, out| {
        let status = |code| Reply::Status(Status::of(code));
        let one = |name: &'static [u8]| Entry {
            name,
            long: b"",
            attrs: Attrs::with_mode(0o100_644),
        };
        let names: Vec<Entry<'_>> = match request {
            Request::Realpath { .. } => vec![one(b"/far")],
            Request::Readdir { .. } if !listed => {
                listed = true;
                [
                    &b"../evil"[..],
                    b"/tmp/evil",
                    b"",
                    b".",
                    b"..",
                    b"a\0b",
                    b"x/y",
                    b"good",
                ]
                .map(one)
                .to_vec()
            }
            _ => Vec::new(),
        };
        let reply = match request {
            Request::Stat { .. } => Reply::Attrs(Attrs::with_mode(0o040_755)),
            Request::Opendir { .. } | Request::Open { .. } => Reply::Handle(b"h"),
            Request::Read { offset: 0, .. } => Reply::Data(b"content"),
            Request::Read { .. } | Request::Readdir { .. } => status(Code::EOF),
            Request::Close { .. } => status(Code::OK),
            _ => status(Code::OP_UNSUPPORTED),
        };
        frame::append(out, |w| {
            if names.is_empty() {
                reply.encode(w, id);
            } else {
                let count = u32::try_from(names.len()).unwrap();
                Reply::encode_names(w, id, count, |w| {
                    for name in &names {
                        name.encode(w);
                    }
                });
            }
        });
        true
    });
    let mut told = Told::default();
    let outcome = remote
        .get(&[item(Path::new("/far"), &target)], TREES, &mut told)
        .unwrap();
    assert_eq!(
        (outcome.files, outcome.failures),
        (1, 5),
        "{:?}",
        told.errors
    );
    assert_eq!(
        told.errors[0],
        "Server sent suspect path \"../evil\" during readdir of \"/far\""
    );
    let there: Vec<String> = picture(folder.path()).into_iter().map(|f| f.0).collect();
    assert_eq!(there, ["\"in\"", "\"in/target\"", "\"in/target/good\""]);
}

#[test]
fn a_lost_connection_is_told_with_the_file_and_leaves_its_beginning() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("f");
    let content = noise(400_000);
    let sent = content.clone();
    let mut remote = scripted(move |id, request, out| {
        let reply = match request {
            Request::Stat { .. } => Reply::Attrs(Attrs {
                size: Some(400_000),
                ..Attrs::with_mode(0o100_644)
            }),
            Request::Open { .. } => Reply::Handle(b"h"),
            Request::Read { offset, len, .. } => {
                let from = usize::try_from(offset).unwrap();
                if from > 200_000 {
                    return false;
                }
                let to = sent.len().min(from + usize::try_from(len).unwrap());
                Reply::Data(&sent[from..to])
            }
            _ => return false,
        };
        frame::append(out, |w| reply.encode(w, id));
        true
    });
    let mut told = Told::default();
    let lost = remote
        .get(
            &[item(Path::new("/far"), &target)],
            Options::default(),
            &mut told,
        )
        .unwrap_err();
    assert!(matches!(lost, Lost::Closed), "{lost:?}");
    let there = fs::read(&target).unwrap();
    assert!(there.len() > 100_000 && content.starts_with(&there));
    let (path, len) = (target.display(), there.len());
    assert_eq!(
        told.errors,
        [format!(
            "download \"/far\" to \"{path}\": Connection closed after {len} bytes"
        )]
    );
}

#[test]
fn simple_questions() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).as_os_str().as_bytes().to_vec();
    let mut remote = ours(&[]);
    remote.mkdir(&at("d"), 0o700).unwrap();
    assert!(remote.stat(&at("d")).unwrap().is_dir());
    fs::write(folder.path().join("d/f"), b"content").unwrap();
    remote.copy(&at("d/f"), &at("d/g")).unwrap();
    assert_eq!(fs::read(folder.path().join("d/g")).unwrap(), b"content");
    remote.rename(&at("d/f"), &at("d/g"), false).unwrap();
    remote.symlink(b"g", &at("d/l")).unwrap();
    assert_eq!(
        fs::read_link(folder.path().join("d/l")).unwrap(),
        Path::new("g")
    );
    remote.hardlink(&at("d/g"), &at("d/h")).unwrap();
    let mode = Attrs::with_mode(0o600);
    remote.set_attrs(&at("d/g"), mode, false).unwrap();
    assert_eq!(remote.lstat(&at("d/h")).unwrap().permissions(), Some(0o600));
    let mut names: Vec<Vec<u8>> = remote
        .read_dir(&at("d"))
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    names.sort();
    assert_eq!(names, [&b"."[..], b"..", b"g", b"h", b"l"]);
    assert!(remote.statvfs(&at("d")).unwrap().blocks > 0);
    let names = remote.users_groups(&[0, 4_000_000_000], &[0]).unwrap();
    assert_eq!(names.users, [&b"root"[..], b""]);
    let gone = remote.remove(&at("nothing")).unwrap_err();
    assert_eq!(gone.to_string(), "No such file or directory");
    assert!(remote.rmdir(&at("d")).is_err());
    for name in ["d/g", "d/h", "d/l"] {
        remote.remove(&at(name)).unwrap();
    }
    remote.rmdir(&at("d")).unwrap();
    let gone = remote.read_dir(&at("d")).unwrap_err();
    assert_eq!(gone.to_string(), "No such file or directory");
}

#[test]
fn links_on_this_side_lead_no_tree_out_of_its_target() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("a/folder")).unwrap();
    fs::create_dir_all(at("a/inside")).unwrap();
    for name in ["file", "dangling", "folder/x", "inside/x"] {
        fs::write(at("a").join(name), "new").unwrap();
    }
    fs::create_dir_all(at("b/real")).unwrap();
    fs::create_dir(at("out")).unwrap();
    fs::write(at("out/precious"), "precious").unwrap();
    for (name, to) in [
        ("file", "../out/precious"),
        ("dangling", "../out/made"),
        ("folder", "../out"),
        ("inside", "real"),
    ] {
        symlink(to, at("b").join(name)).unwrap();
    }
    let mut told = Told::default();
    let items = [item(&at("a"), &at("b"))];
    let got = ours(&[]).get(&items, TREES, &mut told).unwrap();
    assert_eq!(got.failures, 3, "{:?}", told.errors);
    let refused = |text: &&String| text.contains(LEADS_OUT);
    assert_eq!(told.errors.iter().filter(refused).count(), 3);
    assert_eq!(fs::read(at("out/precious")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(at("out")).unwrap().count(), 1);
    assert_eq!(fs::read(at("b/real/x")).unwrap(), b"new");
    // What the server named is no other way out.
    let named = |name: &str| Item {
        below: Some(at("b").as_os_str().as_bytes().into()),
        ..item(&at("a").join(name), &at("b").join(name))
    };
    let items_named = ["file", "dangling", "folder"].map(named);
    let got = ours(&[]).get(&items_named, TREES, &mut Told::default());
    assert_eq!(got.unwrap().failures, 3);
    assert_eq!(fs::read(at("out/precious")).unwrap(), b"precious");
    let options = Options {
        leave_target: true,
        ..TREES
    };
    let got = ours(&[])
        .get(&items, options, &mut Told::default())
        .unwrap();
    assert!(got.is_success());
    assert_eq!(fs::read(at("out/precious")).unwrap(), b"new");
}

#[test]
fn what_replaces_and_breaks_off_leaves_nothing_of_the_old() {
    let content = noise(20_000_000);
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&a, &content).unwrap();
    fs::write(&b, vec![b'o'; 30_000_000]).unwrap();
    let options = Options {
        in_place: true,
        ..Options::default()
    };
    let mut told = Told {
        stop_after: Some(3_000_000),
        ..Told::default()
    };
    let got = ours(&[]).get(&[item(&a, &b)], options, &mut told).unwrap();
    assert!(got.interrupted);
    let left = fs::read(&b).unwrap();
    assert!(left.len() >= 1_000_000 && left.len() < content.len());
    assert!(content.starts_with(&left));
}

#[test]
fn trees_go_from_server_to_server() {
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    plant(&a);
    fs::remove_file(a.join("sub folder/link")).unwrap();
    let (mut from, mut to) = (ours(&[]), ours(&[]));
    let mut told = Told::default();
    let items = [item(&a, &b)];
    let outcome = cross(&mut from, &mut to, &items, TREES, &mut told).unwrap();
    assert!(outcome.is_success(), "{:?}", told.errors);
    assert_eq!((told.begun, told.ended), (306, 306));
    assert_eq!(told.found, (306, told.moved));
    assert_eq!(picture(&a), picture(&b));
    // Onto itself nothing is lost, and over something longer nothing is left.
    let long = a.join("sub folder/long");
    let items = [
        item(&long, &long),
        item(&a.join("empty file"), &b.join("sub folder/long")),
    ];
    let plain = Options::default();
    let outcome = cross(&mut from, &mut to, &items, plain, &mut told).unwrap();
    assert!(outcome.is_success(), "{:?}", told.errors);
    assert_eq!(fs::read(&long).unwrap(), noise(3_000_001));
    assert_eq!(fs::read(b.join("sub folder/long")).unwrap(), b"");
}

#[test]
fn what_fails_between_servers_is_told_and_the_rest_goes_on() {
    let folder = TempDir::new().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::create_dir_all(a.join("d")).unwrap();
    fs::create_dir_all(b.join("f")).unwrap();
    for name in ["f", "g", "d/h"] {
        fs::write(a.join(name), name).unwrap();
    }
    fs::write(b.join("d"), "in the way").unwrap();
    symlink("nowhere", a.join("dangling")).unwrap();
    let (mut from, mut to) = (ours(&[]), ours(&[]));
    let mut told = Told::default();
    let follow = Options {
        follow_links: true,
        ..TREES
    };
    let outcome = cross(&mut from, &mut to, &[item(&a, &b)], follow, &mut told).unwrap();
    assert_eq!(outcome.failures, 3, "{:?}", told.errors);
    for text in [
        "dest open \"",
        "exists but is not a directory",
        "remote stat \"",
    ] {
        assert!(
            told.errors.iter().any(|e| e.contains(text)),
            "{text}: {:?}",
            told.errors
        );
    }
    assert_eq!(fs::read(b.join("g")).unwrap(), b"g");
}

#[test]
fn a_lost_server_ends_a_copy_between_two() {
    let folder = TempDir::new().unwrap();
    let a = folder.path().join("a");
    fs::write(&a, noise(3_000_000)).unwrap();
    let (mut to, server) = with_server(|mut stream| {
        let mut hello = [0; 9];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(&[0, 0, 0, 5, 2, 0, 0, 0, 3]).unwrap();
    });
    server.join().unwrap();
    let items = [item(&a, &folder.path().join("b"))];
    let mut told = Told::default();
    let outcome = cross(
        &mut ours(&[]),
        &mut to,
        &items,
        Options::default(),
        &mut told,
    );
    assert!(matches!(outcome, Err(Lost::Closed)), "{outcome:?}");
}

/// A server whose folders never end: each answer is the same list of `names`
/// entries of this kind, with sizes that are lies.
fn endless(names: u32, mode: u32) -> Remote {
    scripted(move |id, request, out| {
        let attrs = Attrs {
            size: Some(u64::MAX),
            ..Attrs::with_mode(mode)
        };
        let entry = |name| Entry {
            name,
            long: b"x",
            attrs,
        };
        let status = |code| Reply::Status(Status::of(code));
        frame::append(out, |w| match request {
            Request::Readdir { .. } => Reply::encode_names(w, id, names, |w| {
                for _ in 0..names {
                    entry(b"n").encode(w);
                }
            }),
            Request::Realpath { path } => {
                Reply::encode_names(w, id, 1, |w| entry(path).encode(w));
            }
            Request::Stat { .. } => Reply::Attrs(Attrs::with_mode(0o040_755)).encode(w, id),
            Request::Opendir { .. } | Request::Open { .. } => Reply::Handle(b"h").encode(w, id),
            Request::Read { .. } => status(Code::EOF).encode(w, id),
            _ => status(Code::OK).encode(w, id),
        });
        true
    })
}

#[test]
fn a_list_without_end_is_not_kept() {
    let mut remote = endless(8000, 0o100_644);
    let failed = remote.read_dir(b"/").unwrap_err();
    assert_eq!(failed.to_string(), "More than 2000000 files");
    // The conversation goes on.
    assert!(remote.stat(b"/").unwrap().is_dir());
}

#[test]
fn a_list_without_end_ends_when_the_user_has_had_enough() {
    let mut remote = endless(3, 0o100_644);
    let enough = Arc::new(AtomicBool::new(false));
    remote.end_lists_on(Arc::clone(&enough));
    let mut count = 0;
    let ended = remote.each_names(b"/", |names| {
        count += names.count();
        enough.store(count > 300, Ordering::Relaxed);
        Ok(())
    });
    assert!(matches!(ended, Err(Fault::Interrupted)), "{ended:?}");
    assert!(remote.stat(b"/").unwrap().is_dir());
}

#[test]
fn sizes_that_are_lies_do_no_harm() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("d");
    let mut told = Told::default();
    // Stopped by a look at what was found.
    struct Watch<'a>(&'a mut Told);
    impl Observer for Watch<'_> {
        fn found(&mut self, files: u64, bytes: u64) {
            self.0.found.0 += files;
            self.0.found.1 = bytes;
        }
        fn interrupted(&mut self) -> bool {
            self.0.found.0 > 50
        }
    }
    let items = [item(Path::new("/far"), &target)];
    let got = endless(20, 0o100_644).get(&items, TREES, &mut Watch(&mut told));
    assert!(got.unwrap().interrupted);
    assert_eq!(told.found.1, u64::MAX);
}

/// As root, `get -p file /dev/null` closed that to everybody else.
#[test]
fn what_is_no_file_keeps_its_mode() {
    let folder = TempDir::new().unwrap();
    let (a, fifo) = (folder.path().join("a"), folder.path().join("fifo"));
    fs::write(&a, "").unwrap();
    fs::set_permissions(&a, fs::Permissions::from_mode(0o604)).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // Both ends, so that opening it waits for nobody.
    let both = fs::File::options().read(true).write(true).open(&fifo);
    let got = ours(&[]).get(&[item(&a, &fifo)], TREES, &mut Told::default());
    assert!(got.unwrap().is_success());
    let about = both.unwrap().metadata().unwrap();
    assert_eq!(about.mode() & 0o777, 0o600);
}
