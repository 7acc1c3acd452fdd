use std::fs as std_fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::msg::{FileHashes, HashedFile};

struct Scene {
    dir: TempDir,
    local: Local,
}

impl Scene {
    fn new() -> Self {
        let home = Home {
            user: "me".into(),
            directory: b"/home/me".to_vec(),
        };
        Self {
            dir: tempfile::tempdir().unwrap(),
            local: Local::new(home),
        }
    }

    fn path(&self, name: &str) -> Vec<u8> {
        self.dir.path().join(name).as_os_str().as_bytes().to_vec()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std_fs::write(self.dir.path().join(name), content).unwrap();
    }

    fn content(&self, name: &str) -> Vec<u8> {
        std_fs::read(self.dir.path().join(name)).unwrap()
    }

    fn open(&mut self, name: &str, how: Open) -> Result<File> {
        let path = self.path(name);
        self.local.open(&path, how, 0o644)
    }
}

fn code<T>(result: Result<T>) -> Code {
    result.err().map_or(Code::OK, |failure| failure.code)
}

#[test]
fn rename_never_replaces() {
    let mut t = Scene::new();
    t.write("a", "1");
    t.write("b", "2");
    symlink("nowhere", t.dir.path().join("dangling")).unwrap();
    let [a, b, c, dangling] = ["a", "b", "c", "dangling"].map(|name| t.path(name));
    assert_eq!(code(t.local.rename(&a, &b)), Code::FAILURE);
    assert_eq!(code(t.local.rename(&a, &dangling)), Code::FAILURE);
    assert_eq!(code(t.local.rename(&a, &a)), Code::FAILURE);
    assert_eq!(t.content("b"), b"2");
    assert_eq!(code(t.local.rename(&a, &c)), Code::OK);
    assert_eq!(code(t.local.rename(&a, &c)), Code::NO_SUCH_FILE);
    assert_eq!(code(t.local.replace(&c, &b)), Code::OK);
    assert_eq!(t.content("b"), b"1");
}

#[test]
fn a_fifo_holds_nobody_up() {
    let mut t = Scene::new();
    let fifo = t.path("fifo");
    fs::mkfifoat(CWD, fifo.as_slice(), Mode::from_raw_mode(0o600)).unwrap();
    let file = t.open("fifo", Open::READ).unwrap();
    assert_eq!(code(t.local.read(&file, 0, &mut [0; 5])), Code::FAILURE);
    assert_eq!(code(t.local.write(&file, 0, b"x")), Code::FAILURE);
    drop(file);
    // Nobody reads it.
    assert_eq!(code(t.open("fifo", Open::WRITE)), Code::FAILURE);
    let check = CheckFile {
        file: HashedFile::Path(&fifo),
        hashes: b"sha256",
        offset: 0,
        len: 0,
        block: 0,
    };
    let hashed = t.local.hash(&fifo, &check, &mut Vec::new());
    assert_eq!(code(hashed), Code::FAILURE);
    assert_eq!(code(t.local.open_dir(&fifo)), Code::NO_SUCH_FILE);
    let size = t.local.set(&fifo, Links::Follow, Change::Size(1));
    assert_eq!(code(size), Code::BAD_MESSAGE);
}

#[test]
fn writing_to_the_end_ignores_offsets() {
    let mut t = Scene::new();
    t.write("f", "abc");
    let file = t.open("f", Open::WRITE.and(Open::APPEND)).unwrap();
    t.local.write(&file, 0, b"def").unwrap();
    t.local.write(&file, u64::MAX >> 1, b"g").unwrap();
    t.local.close(file).unwrap();
    assert_eq!(t.content("f"), b"abcdefg");
    let file = t.open("f", Open::WRITE).unwrap();
    t.local.write(&file, 1, b"X").unwrap();
    assert_eq!(t.content("f"), b"aXcdefg");
    assert_eq!(
        code(t.local.write(&file, u64::MAX >> 1, b"more")),
        Code::FAILURE
    );
}

#[test]
fn attributes_are_set_and_links_kept() {
    let mut t = Scene::new();
    t.write("f", "abc");
    symlink("f", t.dir.path().join("l")).unwrap();
    let (f, l) = (t.path("f"), t.path("l"));
    let times = |n| {
        Change::Times(Times {
            accessed: n,
            modified: n + 1,
        })
    };
    t.local
        .set(&l, Links::Follow, Change::Mode(0o100_640))
        .unwrap();
    t.local.set(&l, Links::Follow, times(5)).unwrap();
    t.local.set(&l, Links::Keep, times(7)).unwrap();
    assert_eq!(
        code(t.local.set(&l, Links::Keep, Change::Mode(0o600))),
        Code::FAILURE
    );
    let seen = t.local.stat(&l, Links::Follow).unwrap();
    assert_eq!(seen, t.local.stat(&f, Links::Keep).unwrap());
    assert_eq!((seen.size, seen.mode), (Some(3), Some(0o100_640)));
    let modified = |attrs: Attrs| attrs.times.map(|times| times.modified);
    assert_eq!(modified(seen), Some(6));
    let link = t.local.stat(&l, Links::Keep).unwrap();
    assert_eq!((modified(link), link.size), (Some(8), Some(1)));
    // Nobody in particular: as it was.
    let nobody = Change::Owner(Owner {
        uid: u32::MAX,
        gid: u32::MAX,
    });
    t.local.set(&f, Links::Follow, nobody).unwrap();
    assert_eq!(t.local.stat(&f, Links::Keep).unwrap().owner, seen.owner);
    assert_eq!(
        code(t.local.set(&f, Links::Follow, Change::Size(u64::MAX))),
        Code::BAD_MESSAGE
    );
}

#[test]
fn copies_end_where_the_file_does() {
    let mut t = Scene::new();
    let content: Vec<u8> = (0..700_000_u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    t.write("from", &content);
    let from = t.open("from", Open::READ).unwrap();
    let new = Open::WRITE.and(Open::CREATE);
    let to = t.open("to", new).unwrap();
    let mut copy = |from: &File, offset, len, to: &File, at| {
        let from = Place { file: from, offset };
        let to = Place {
            file: to,
            offset: at,
        };
        t.local.copy(from, len, to)
    };
    assert_eq!(copy(&from, 10, 0, &to, 0).unwrap(), 699_990);
    assert_eq!(copy(&from, 699_995, 100, &to, 5).unwrap(), 5);
    assert_eq!(copy(&from, 800_000, 0, &to, 0).unwrap(), 0);
    assert_eq!(code(copy(&from, 0, 0, &from, 0)), Code::FAILURE);
    assert_eq!(code(copy(&from, u64::MAX, 1, &to, 0)), Code::BAD_MESSAGE);
    assert_eq!(code(copy(&to, 0, 0, &from, 0)), Code::NO_SUCH_FILE);
    let mut expected = content[10..].to_vec();
    expected[5..10].copy_from_slice(&content[699_995..]);
    assert!(t.content("to") == expected);
    let append = t.open("end", new.and(Open::APPEND)).unwrap();
    for _ in 0..2 {
        let from = Place {
            file: &from,
            offset: 3,
        };
        let to = Place {
            file: &append,
            offset: 0,
        };
        assert_eq!(t.local.copy(from, 4, to).unwrap(), 4);
    }
    assert_eq!(t.content("end"), [&content[3..7], &content[3..7]].concat());
}

#[test]
fn what_has_no_end_is_neither_copied_nor_hashed_to_it() {
    let mut t = Scene::new();
    let zero = t.local.open(b"/dev/zero", Open::READ, 0).unwrap();
    let to = t.open("to", Open::WRITE.and(Open::CREATE)).unwrap();
    let from = |offset| Place {
        file: &zero,
        offset,
    };
    let at = |offset| Place { file: &to, offset };
    assert_eq!(code(t.local.copy(from(0), 0, at(0))), Code::FAILURE);
    assert_eq!(t.local.copy(from(0), 3, at(1)).unwrap(), 3);
    let check = CheckFile {
        file: HashedFile::Handle(b""),
        hashes: b"md5",
        offset: 0,
        len: 5,
        block: 0,
    };
    let hashed = t.local.fhash(&zero, &check, &mut Vec::new());
    assert_eq!(code(hashed), Code::FAILURE);
}

#[test]
fn hashes_are_by_blocks_or_for_all() {
    let mut t = Scene::new();
    let content: Vec<u8> = (0..1000_u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    t.write("f", &content);
    let path = t.path("f");
    let mut ask = |hashes: &[u8], offset, len, block| {
        let check = CheckFile {
            file: HashedFile::Path(&path),
            hashes,
            offset,
            len,
            block,
        };
        let mut values = Vec::new();
        let hash = t.local.hash(&path, &check, &mut values)?;
        let answer = FileHashes {
            hash,
            values: &values,
        };
        assert_eq!(answer.hash, hash);
        Ok((hash, values))
    };
    use carrick_crypto::hash::HashAlg::{Md5, Sha256};
    let sha = |range: std::ops::Range<usize>| Sha256.digest(&[&content[range]]);
    let (hash, values) = ask(b"crc32,sha256,md5", 0, 0, 0).unwrap();
    assert_eq!((hash, values), (b"sha256".as_slice(), sha(0..1000)));
    let (_, values) = ask(b"sha256", 100, 600, 256).unwrap();
    assert_eq!(
        values,
        [sha(100..356), sha(356..612), sha(612..700)].concat()
    );
    let (_, values) = ask(b"sha256", 900, 600, 0).unwrap();
    assert_eq!(values, sha(900..1000));
    let (_, values) = ask(b"md5", 5000, 0, 0).unwrap();
    assert_eq!(values, Md5.digest(&[]));
    assert!(ask(b"md5", 5000, 0, 256).unwrap().1.is_empty());
    assert_eq!(code(ask(b"crc32", 0, 0, 0)), Code::FAILURE);
    assert_eq!(code(ask(b"md5", 0, 0, 255)), Code::BAD_MESSAGE);
    assert_eq!(code(ask(b"md5", u64::MAX, 0, 0)), Code::BAD_MESSAGE);
}

#[test]
fn every_name_of_a_folder_is_listed_once() {
    let mut t = Scene::new();
    let mut expected: Vec<Vec<u8>> = vec![b".".to_vec(), b"..".to_vec()];
    for n in 0..300 {
        let name = format!("a name {n}");
        t.write(&name, "");
        expected.push(name.into_bytes());
    }
    let odd = b"\xff\n\"'".to_vec();
    let odd_path = t.dir.path().join(std::ffi::OsStr::from_bytes(&odd));
    std_fs::write(odd_path, "12345").unwrap();
    expected.push(odd);
    let path = t.path("");
    let mut dir = t.local.open_dir(&path).unwrap();
    let (mut listed, mut names) = (Listed::default(), Vec::new());
    while t.local.next(&mut dir, &mut listed).unwrap() {
        assert!(listed.long.ends_with(&listed.name));
        if listed.name.starts_with(b"\xff") {
            assert_eq!(listed.attrs.size, Some(5));
            assert!(listed.long.starts_with(b"-rw"));
        }
        names.push(listed.name.clone());
    }
    expected.sort();
    names.sort();
    assert_eq!(names, expected);
}

#[test]
fn paths_are_resolved_as_far_as_they_are_there() {
    let t = Scene::new();
    let root = t.dir.path().canonicalize().unwrap();
    let base = root.as_os_str().as_bytes();
    std_fs::create_dir_all(root.join("d/e")).unwrap();
    t.write("f", "");
    symlink("d/e", root.join("l")).unwrap();
    symlink("l/../../f", root.join("m")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink(root.join("d"), root.join("absolute")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let real = |path: &str| resolve::realpath(&[base, b"/", path.as_bytes()].concat());
    for (path, expected) in [
        ("", ""),
        ("l", "/d/e"),
        ("m", "/f"),
        ("absolute/e/../new", "/d/new"),
        (".//d/./", "/d"),
        ("dangling", "/nowhere"),
        ("f/..", ""),
        ("none", "/none"),
    ] {
        let expected = [base, expected.as_bytes()].concat();
        assert_eq!(real(path), Ok(expected), "{path}");
    }
    assert_eq!(real("none/"), Err(Errno::NOENT));
    assert_eq!(real("none/x"), Err(Errno::NOENT));
    assert_eq!(real("f/x"), Err(Errno::NOTDIR));
    assert_eq!(real("loop"), Err(Errno::LOOP));
    for part in ["x/", "x", "./", "/"] {
        assert_eq!(real(&part.repeat(5000)), Err(Errno::NAMETOOLONG));
    }
    assert_eq!(resolve::realpath(b"/../.."), Ok(b"/".to_vec()));
    assert_eq!(resolve::realpath(b"/.."), Ok(b"/".to_vec()));
    assert_eq!(resolve::realpath(b""), Err(Errno::NOENT));
    assert_eq!(resolve::realpath(b"a\0b"), Err(Errno::INVAL));
}

#[test]
fn errors_have_openssh_s_codes() {
    for (errno, code) in [
        (Errno::NOENT, 2),
        (Errno::NOTDIR, 2),
        (Errno::BADF, 2),
        (Errno::LOOP, 2),
        (Errno::PERM, 3),
        (Errno::ACCESS, 3),
        (Errno::INVAL, 5),
        (Errno::NAMETOOLONG, 5),
        (Errno::NOSYS, 8),
        (Errno::NOSPC, 4),
        (Errno::EXIST, 4),
    ] {
        assert_eq!(failed(errno).code, Code(code), "{errno}");
        let wrapped = io::Error::from_raw_os_error(errno.raw_os_error());
        assert_eq!(failed_io(wrapped).code, Code(code), "{errno}");
    }
}

proptest! {
    /// As the system itself resolves what is there.
    #[test]
    fn what_is_there_is_resolved_as_the_system_does(
        parts in prop::collection::vec(
            prop::sample::select(vec!["a", "b", "..", ".", "", "up", "here", "b/c", "a/file"]),
            0..8,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std_fs::create_dir_all(root.join("a/b/c")).unwrap();
        std_fs::create_dir_all(root.join("b/c")).unwrap();
        std_fs::write(root.join("a/file"), "").unwrap();
        symlink("..", root.join("a/up")).unwrap();
        symlink(&root, root.join("b/here")).unwrap();
        symlink("a/b/../file", root.join("up")).unwrap();
        let path = format!("{}/{}", root.display(), parts.join("/"));
        if let Ok(expected) = Path::new(&path).canonicalize() {
            let expected = expected.as_os_str().as_bytes().to_vec();
            prop_assert_eq!(resolve::realpath(path.as_bytes()), Ok(expected));
        }
    }
}

#[test]
fn the_content_of_a_file_is_read_into_its_place() {
    let mut t = Scene::new();
    t.write("f", "0123456789");
    let file = t.open("f", Open::READ).unwrap();
    let mut place = [b'-'; 4];
    assert_eq!(t.local.read(&file, 8, &mut place).unwrap(), 2);
    assert_eq!(&place, b"89--");
    assert_eq!(t.local.read(&file, 10, &mut place).unwrap(), 0);
    assert_eq!(std_fs::metadata(t.dir.path().join("f")).unwrap().size(), 10);
}
