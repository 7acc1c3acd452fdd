//! Both halves of the legacy protocol against each other, and the receiving
//! one against senders that lie.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;

use tempfile::TempDir;

use super::asked::Asked;
use super::meter::Meter;
use super::peer::{Ended, Peer};
use super::talk::{How, Talk};

fn talk(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>, how: How) -> Talk {
    Talk {
        peer: Peer::new(input.into(), output.into(), true),
        how,
        meter: Meter::new(false),
        pace: None,
    }
}

/// Sends `path` into `target`; whether both ends were content.
fn copy(path: &Path, target: &Path, how: How) -> (bool, bool) {
    let (their_input, our_output) = std::io::pipe().unwrap();
    let (our_input, their_output) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let mut talk = talk(our_input, our_output, how);
            assert_eq!(talk.peer.agrees(), Ok(true));
            let done = talk.send_all([path.as_os_str()]);
            done.is_ok() && !talk.peer.failed
        });
        let mut talk = talk(their_input, their_output, how);
        let done = talk.receive(target, &Asked::Anything);
        let well = done.is_ok() && !talk.peer.failed;
        drop(talk);
        (sender.join().unwrap(), well)
    })
}

const TREE: How = How {
    recursive: true,
    preserve: false,
    to_folder: false,
    trusting: false,
    verbose: false,
};

/// What a sink with this folder as its target does with what a sender says:
/// how it ends, and its answers.
fn told(target: &Path, asked: &Asked, how: How, said: &[u8]) -> (Result<(), Ended>, Vec<u8>) {
    let (their_input, mut our_output) = std::io::pipe().unwrap();
    let (mut our_input, their_output) = std::io::pipe().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A sink that has ended does not listen.
            let _ = our_output.write_all(said);
        });
        let answers = scope.spawn(move || {
            let mut answers = Vec::new();
            our_input.read_to_end(&mut answers).map(|_| answers)
        });
        let mut talk = talk(their_input, their_output, how);
        let done = talk.receive(target, asked);
        drop(talk);
        (done, answers.join().unwrap().unwrap())
    })
}

/// A folder `in` for what may be written, and beside it what may not change.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.target()).unwrap();
        fs::create_dir(place.0.path().join("out")).unwrap();
        fs::write(place.0.path().join("out/precious"), "precious").unwrap();
        place
    }

    fn target(&self) -> std::path::PathBuf {
        self.0.path().join("in")
    }

    /// Tells the sink; returns its answers.
    fn tell(&self, asked: &Asked, how: How, said: &[u8]) -> (Result<(), Ended>, String) {
        let (done, answers) = told(&self.target(), asked, how, said);
        let mut beside: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        beside.sort();
        assert_eq!(beside, ["in", "out"]);
        let out: Vec<_> = fs::read_dir(self.0.path().join("out")).unwrap().collect();
        assert_eq!(out.len(), 1);
        let kept = fs::read(self.0.path().join("out/precious")).unwrap();
        assert_eq!(kept, b"precious");
        (done, String::from_utf8_lossy(&answers).replace('\0', "0"))
    }

    fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.target().join(name)).is_ok()
    }
}

#[test]
fn a_tree_arrives() {
    let from = tempfile::tempdir().unwrap();
    let root = from.path().join("d");
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    let names: [&[u8]; 5] = [b"a", b"b c", b"\xff", "\u{e9}".as_bytes(), b"q'\""];
    for (n, name) in names.iter().enumerate() {
        let content = vec![b'x'; n * 300_000];
        fs::write(root.join(OsStr::from_bytes(name)), content).unwrap();
    }
    fs::write(root.join("sub/deep/y"), "y").unwrap();
    symlink("a", root.join("link")).unwrap();
    fs::set_permissions(root.join("a"), Permissions::from_mode(0o640)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let a = fs::File::options()
        .append(true)
        .open(root.join("a"))
        .unwrap();
    a.set_modified(time).unwrap();
    fs::File::open(root.join("sub"))
        .unwrap()
        .set_modified(time)
        .unwrap();

    let to = tempfile::tempdir().unwrap();
    let how = How {
        preserve: true,
        ..TREE
    };
    assert_eq!(copy(&root, to.path(), how), (true, true));
    for name in names {
        let at = |root: &Path| fs::read(root.join(OsStr::from_bytes(name))).unwrap();
        assert_eq!(at(&root), at(&to.path().join("d")));
    }
    let about = fs::symlink_metadata(to.path().join("d/link")).unwrap();
    assert!(about.is_file());
    let about = fs::metadata(to.path().join("d/a")).unwrap();
    assert_eq!(
        (about.mode() & 0o7777, about.mtime()),
        (0o640, 1_000_000_000)
    );
    let about = fs::metadata(to.path().join("d/sub")).unwrap();
    assert_eq!(about.mtime(), 1_000_000_000);
    assert_eq!(fs::read(to.path().join("d/sub/deep/y")).unwrap(), b"y");
}

#[test]
fn a_name_with_a_line_end_is_sent_such_that_it_stays_one_line() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("a\nC0644 1 b"), "x").unwrap();
    let place = Place::new();
    let copied = copy(&from.path().join("a\nC0644 1 b"), &place.target(), TREE);
    assert_eq!(copied, (true, true));
    assert!(place.has("a\\^JC0644 1 b") && !place.has("b"));
}

#[test]
fn what_fails_is_told_and_the_rest_goes_on() {
    let from = tempfile::tempdir().unwrap();
    let root = from.path().join("d");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a"), "a").unwrap();
    fs::write(root.join("z"), "z").unwrap();
    symlink("nowhere", root.join("m")).unwrap();
    let to = tempfile::tempdir().unwrap();
    fs::create_dir_all(to.path().join("d/a")).unwrap();
    assert_eq!(copy(&root, to.path(), TREE), (false, false));
    assert_eq!(fs::read(to.path().join("d/z")).unwrap(), b"z");
}

#[test]
fn a_file_keeps_its_identity_and_gets_its_length() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("f"), "short").unwrap();
    let to = tempfile::tempdir().unwrap();
    fs::write(to.path().join("f"), "long".repeat(100_000)).unwrap();
    let inode = fs::metadata(to.path().join("f")).unwrap().ino();
    assert_eq!(
        copy(&from.path().join("f"), to.path(), How::default()),
        (true, true)
    );
    assert_eq!(fs::read(to.path().join("f")).unwrap(), b"short");
    assert_eq!(fs::metadata(to.path().join("f")).unwrap().ino(), inode);
}

#[test]
fn no_name_leads_elsewhere() {
    for name in [
        "../x",
        "/x",
        "..",
        ".",
        "",
        "../out/precious",
        "a/b",
        "a\0b",
    ] {
        for said in [format!("C0644 1 {name}\nx\0"), format!("D0755 0 {name}\n")] {
            let place = Place::new();
            let (done, answers) = place.tell(&Asked::Anything, TREE, said.as_bytes());
            assert_eq!(done, Err(Ended));
            assert!(
                answers.starts_with("0\x01scp: error: unexpected filename: "),
                "{answers}"
            );
            assert_eq!(fs::read_dir(place.target()).unwrap().count(), 0);
        }
    }
}

#[test]
fn nothing_comes_that_was_not_asked_for() {
    let asked = Asked::files(b"dir/wanted").unwrap();
    let place = Place::new();
    let (done, _) = place.tell(&asked, How::default(), b"C0644 1 .bashrc\nx\0");
    assert_eq!((done, place.has(".bashrc")), (Err(Ended), false));
    let (done, _) = place.tell(
        &asked,
        How::default(),
        b"C0644 1 wanted\nx\0C0644 1 extra\nx\0",
    );
    assert_eq!((done, place.has("extra")), (Err(Ended), false));
    assert!(place.has("wanted"));
    let (done, _) = place.tell(&asked, How::default(), b"D0755 0 wanted\n");
    assert_eq!(done, Err(Ended));
    let asked = Asked::trees(b"dir/wanted");
    let (done, _) = place.tell(
        &asked,
        TREE,
        b"D0755 0 .ssh\nC0644 1 authorized_keys\nx\0E\n",
    );
    assert_eq!((done, place.has(".ssh")), (Err(Ended), false));
}

#[test]
fn links_out_of_the_target_are_not_followed_where_the_sender_chose_the_name() {
    let inside = b"D0755 0 d\nC0644 1 file\nx\0D0755 0 folder\nC0644 1 precious\nx\0E\nE\n";
    let place = Place::new();
    fs::create_dir(place.target().join("d")).unwrap();
    symlink("../../out/precious", place.target().join("d/file")).unwrap();
    symlink("../../out", place.target().join("d/folder")).unwrap();
    // The stream is made for a sink that agrees to all: what follows a refusal is
    // the content, which is no record.
    let (_, answers) = place.tell(&Asked::trees(b"d"), TREE, inside);
    assert!(
        answers.contains("symbolic link that leads out"),
        "{answers}"
    );
    let (_, answers) = place.tell(&Asked::Anything, TREE, b"D0755 0 d\nD0755 0 folder\nE\n");
    assert!(
        answers.contains("symbolic link that leads out"),
        "{answers}"
    );
    symlink("gone", place.target().join("d/dangling")).unwrap();
    let (_, answers) = place.tell(
        &Asked::Anything,
        TREE,
        b"D0755 0 d\nC0644 0 dangling\n\0E\n",
    );
    assert!(
        answers.contains("symbolic link that leads out"),
        "{answers}"
    );
    symlink("../out/precious", place.target().join("top")).unwrap();
    let asked = Asked::files(b"*").unwrap();
    let (_, answers) = place.tell(&asked, How::default(), b"C0644 1 top\nx\0");
    assert!(
        answers.contains("symbolic link that leads out"),
        "{answers}"
    );
}

#[test]
fn links_are_followed_where_the_user_named_them_or_they_stay_within() {
    let place = Place::new();
    fs::create_dir(place.target().join("real")).unwrap();
    symlink("real", place.target().join("link")).unwrap();
    let (done, _) = place.tell(&Asked::Anything, TREE, b"D0755 0 link\nC0644 1 f\nx\0E\n");
    assert_eq!((done, place.has("real/f")), (Ok(()), true));
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path().join("new"), place.target().join("named")).unwrap();
    let asked = Asked::files(b"named").unwrap();
    let (done, _) = place.tell(&asked, How::default(), b"C0644 1 named\nx\0");
    assert_eq!(done, Ok(()));
    assert_eq!(fs::read(elsewhere.path().join("new")).unwrap(), b"x");
    let trusting = How {
        trusting: true,
        ..TREE
    };
    symlink(elsewhere.path(), place.target().join("real/out")).unwrap();
    let said = b"D0755 0 real\nD0755 0 out\nC0644 1 f\nx\0E\nE\n";
    assert_eq!(place.tell(&Asked::Anything, trusting, said).0, Ok(()));
    assert_eq!(fs::read(elsewhere.path().join("f")).unwrap(), b"x");
}

#[test]
fn set_uid_comes_only_with_p_from_who_is_trusted() {
    let place = Place::new();
    let said = b"D7777 0 d\nC4755 1 f\nx\0E\n";
    let mode = |name: &str| fs::metadata(place.target().join(name)).unwrap().mode() & 0o7000;
    assert_eq!(place.tell(&Asked::Anything, TREE, said).0, Ok(()));
    assert_eq!((mode("d"), mode("d/f")), (0, 0));
    let how = How {
        preserve: true,
        ..TREE
    };
    assert_eq!(place.tell(&Asked::Anything, how, said).0, Ok(()));
    assert_eq!((mode("d"), mode("d/f")), (0o1000, 0));
    let how = How {
        trusting: true,
        ..how
    };
    assert_eq!(place.tell(&Asked::Anything, how, said).0, Ok(()));
    assert_eq!((mode("d"), mode("d/f")), (0o7000, 0o4000));
}

/// As root, `scp -p file /dev/null` would close that to everybody else.
#[test]
fn what_is_no_file_keeps_its_mode() {
    let place = Place::new();
    let fifo = place.target().join("f");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // Both ends, so that opening it waits for nobody.
    let mut both = fs::File::options()
        .read(true)
        .write(true)
        .open(&fifo)
        .unwrap();
    let how = How {
        preserve: true,
        ..TREE
    };
    let said = b"T1000000000 0 1000000000 0\nC0604 1 f\nx\0";
    assert_eq!(place.tell(&Asked::Anything, how, said).0, Ok(()));
    let mut got = [0];
    both.read_exact(&mut got).unwrap();
    let about = both.metadata().unwrap();
    assert_eq!((got, about.mode() & 0o777), (*b"x", 0o600));
    assert_ne!(about.mtime(), 1_000_000_000);
}

#[test]
fn endless_records_end() {
    for start in ["C0644 1 ", "T", "D0755 0 ", "\x01", "X"] {
        let said = [start.as_bytes(), &vec![b'a'; 1 << 20]].concat();
        let place = Place::new();
        let (done, answers) = place.tell(&Asked::Anything, TREE, &said);
        assert_eq!(done, Err(Ended));
        assert!(answers.contains("record too long"), "{answers}");
    }
}

#[test]
fn a_deep_tree_ends_at_the_systems_bound() {
    let place = Place::new();
    let said = "D0755 0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(1000);
    let (_, answers) = place.tell(&Asked::Anything, TREE, said.as_bytes());
    assert!(answers.contains("File name too long"), "{answers}");
}

#[test]
fn a_file_that_breaks_off_is_a_beginning() {
    let place = Place::new();
    fs::write(place.target().join("f"), "old content, longer").unwrap();
    let (done, answers) = place.tell(&Asked::Anything, TREE, b"C0644 100 f\nbegin");
    assert_eq!(done, Err(Ended));
    assert!(answers.contains("f: dropped connection"), "{answers}");
    assert_eq!(fs::read(place.target().join("f")).unwrap(), b"begin");
}

#[test]
fn a_sender_that_fails_in_the_middle_is_believed() {
    let place = Place::new();
    let said = b"C0644 2 f\nxx\x01scp: f: Input/output error\nC0644 1 g\ng\0";
    let (done, answers) = place.tell(&Asked::Anything, TREE, said);
    assert_eq!((done, answers.as_str()), (Ok(()), "00000"));
    assert!(place.has("g"));
}

#[test]
fn a_shells_complaint_is_no_record() {
    let place = Place::new();
    let (done, answers) = place.tell(&Asked::Anything, TREE, b"bash: scp: not found\n");
    assert_eq!(done, Err(Ended));
    assert_eq!(answers, "0\x01scp: bash: scp: not found\n");
    let said = b"C0644 0 f\n\0bash: what\n";
    let (_, answers) = place.tell(&Asked::Anything, TREE, said);
    assert!(
        answers.ends_with("protocol error: expected control record\n"),
        "{answers}"
    );
}

#[test]
fn the_target_must_be_a_folder_if_asked_to() {
    let place = Place::new();
    let file = place.target().join("f");
    fs::write(&file, "x").unwrap();
    let how = How {
        to_folder: true,
        ..TREE
    };
    let (done, answers) = told(&file, &Asked::Anything, how, b"");
    assert_eq!(done, Err(Ended));
    assert!(answers.ends_with(b"/in/f: Not a directory\n"));
}
