use carrick_wire::Writer;
use proptest::prelude::*;

use super::*;

fn attrs() -> impl Strategy<Value = Attrs> {
    (
        any::<Option<u64>>(),
        any::<Option<(u32, u32)>>(),
        any::<Option<u32>>(),
        any::<Option<(u32, u32)>>(),
    )
        .prop_map(|(size, owner, mode, times)| Attrs {
            size,
            owner: owner.map(|(uid, gid)| Owner { uid, gid }),
            mode,
            times: times.map(|(accessed, modified)| Times { accessed, modified }),
        })
}

/// One request of each kind, with `a` and `b` for names.
fn requests<'a>(a: &'a [u8], b: &'a [u8], n: u64, attrs: Attrs) -> Vec<Request<'a>> {
    let check = |file| {
        Request::Extended(Extended::CheckFile(CheckFile {
            file,
            hashes: b,
            offset: n,
            len: n,
            block: 7,
        }))
    };
    let mut all = vec![
        Request::Open {
            path: a,
            how: Open::READ.and(Open::CREATE),
            attrs,
        },
        Request::Close { handle: a },
        Request::Read {
            handle: a,
            offset: n,
            len: 5,
        },
        Request::Write {
            handle: a,
            offset: n,
            data: b,
        },
        Request::Lstat { path: a },
        Request::Fstat { handle: a },
        Request::Setstat { path: a, attrs },
        Request::Fsetstat { handle: a, attrs },
        Request::Opendir { path: a },
        Request::Readdir { handle: a },
        Request::Remove { path: a },
        Request::Mkdir { path: a, attrs },
        Request::Rmdir { path: a },
        Request::Realpath { path: a },
        Request::Stat { path: a },
        Request::Rename { from: a, to: b },
        Request::Readlink { path: a },
        Request::Symlink { target: a, link: b },
        check(HashedFile::Handle(a)),
        check(HashedFile::Path(a)),
    ];
    all.extend(
        [
            Extended::PosixRename { from: a, to: b },
            Extended::Statvfs { path: a },
            Extended::Fstatvfs { handle: a },
            Extended::Hardlink { from: a, to: b },
            Extended::Fsync { handle: a },
            Extended::Lsetstat { path: a, attrs },
            Extended::Limits,
            Extended::ExpandPath { path: a },
            Extended::CopyData {
                from: a,
                from_offset: n,
                len: 3,
                to: b,
                to_offset: n,
            },
            Extended::HomeDirectory { user: a },
            Extended::UsersGroupsById { uids: a, gids: b },
            Extended::Unknown {
                name: b"nobody@example.com",
                body: b,
            },
        ]
        .map(Request::Extended),
    );
    all
}

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

proptest! {
    #[test]
    fn requests_survive_the_wire(a: Vec<u8>, b: Vec<u8>, n: u64, id: u32, attrs in attrs()) {
        for request in requests(&a, &b, n, attrs) {
            let bytes = written(|w| request.encode(w, id));
            prop_assert_eq!(Request::id_of(&bytes), Some(id));
            prop_assert_eq!(Request::decode(&bytes), Ok((id, request)));
        }
    }

    #[test]
    fn answers_survive_the_wire(a: Vec<u8>, b: Vec<u8>, id: u32, code: u32, attrs in attrs()) {
        let status = Status { code: Code(code), message: &a };
        for reply in [
            Reply::Status(status),
            Reply::Handle(&a),
            Reply::Data(&a),
            Reply::Attrs(attrs),
            Reply::Extended(&a),
        ] {
            let bytes = written(|w| reply.encode(w, id));
            prop_assert_eq!(Reply::decode(&bytes), Ok((id, reply)));
        }
        let entries = [
            Entry { name: &a, long: &b, attrs },
            Entry { name: &b, long: &a, attrs: Attrs::default() },
        ];
        let bytes = written(|w| Reply::encode_names(w, id, 2, |w| {
            for entry in &entries {
                entry.encode(w);
            }
        }));
        let (read, reply) = Reply::decode(&bytes).unwrap();
        let Reply::Names(names) = &reply else { panic!("{reply:?}") };
        prop_assert_eq!((read, names.count()), (id, 2));
        prop_assert_eq!(names.iter().collect::<Vec<_>>(), entries);
        prop_assert_eq!(written(|w| reply.encode(w, id)), bytes);
    }
}

#[test]
fn requests_cut_anywhere_are_refused() {
    for request in requests(b"/a/path", b"another", 1 << 40, Attrs::with_mode(0o644)) {
        // What follows a name that is not known has no form.
        if matches!(request, Request::Extended(Extended::Unknown { .. })) {
            continue;
        }
        let mut bytes = written(|w| request.encode(w, 9));
        for len in 0..bytes.len() {
            assert!(
                Request::decode(&bytes[..len]).is_err(),
                "{request:?} at {len}"
            );
        }
        bytes.push(0);
        assert!(Request::decode(&bytes).is_err(), "{request:?}");
        bytes.pop();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let _ = Request::decode(&bytes);
                let _ = Reply::decode(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn heads_without_their_data_are_as_the_whole_message() {
    let mut whole = Vec::new();
    let request = Request::Write {
        handle: b"h",
        offset: 77,
        data: b"data",
    };
    crate::frame::append(&mut whole, |w| request.encode(w, 3));
    let mut parts = Vec::new();
    Request::write_head(&mut parts, 3, b"h", 77, 4);
    parts.extend_from_slice(b"data");
    assert_eq!(parts, whole);

    whole.clear();
    crate::frame::append(&mut whole, |w| Reply::Data(b"data").encode(w, 3));
    let mut parts = Reply::data_head(3, 4).to_vec();
    parts.extend_from_slice(b"data");
    assert_eq!(parts, whole);
}

#[test]
fn a_list_that_claims_more_than_it_has_is_refused() {
    let bytes = written(|w| Reply::encode_names(w, 1, u32::MAX, |_| {}));
    assert!(Reply::decode(&bytes).is_err());
}

#[test]
fn a_status_without_words_is_taken() {
    // As servers of versions 1 and 2 send it.
    let bytes = [number::STATUS, 0, 0, 0, 1, 0, 0, 0, 4];
    let status = Status {
        code: Code::FAILURE,
        message: b"",
    };
    assert_eq!(Reply::decode(&bytes), Ok((1, Reply::Status(status))));
}

#[test]
fn the_first_messages_carry_the_extensions() {
    let version = Version {
        version: 3,
        extensions: vec![Extension {
            name: name::LIMITS,
            data: b"1",
        }],
    };
    let bytes = written(|w| version.encode(w));
    assert_eq!(Version::decode(&bytes), Ok(version));
    assert!(decode_init(&bytes).is_err());
    let bytes = written(|w| encode_init(w, 3));
    assert_eq!(decode_init(&bytes).unwrap().version, 3);
}

#[test]
fn bodies_of_extended_answers_survive() {
    let limits = Limits {
        packet: 1,
        read: 2,
        write: 3,
        handles: 4,
    };
    let body = written(|w| limits.encode(w));
    assert_eq!(Limits::decode(&body), Ok(limits));
    let figures = Statvfs {
        blocks: 8,
        flags: Statvfs::READ_ONLY,
        name_max: 255,
        ..Statvfs::default()
    };
    let body = written(|w| figures.encode(w));
    assert_eq!(Statvfs::decode(&body), Ok(figures));
    assert!(Statvfs::decode(&body[1..]).is_err());
    let accounts = Accounts {
        users: vec![b"root", b""],
        groups: vec![b"wheel"],
    };
    let body = written(|w| accounts.encode(w));
    assert_eq!(Accounts::decode(&body), Ok(accounts));
    assert_eq!(ids(&[0, 0, 0, 1, 0, 0, 1, 0]), Ok(vec![1, 256]));
    assert!(ids(&[0, 0, 0]).is_err());
    let hashes = FileHashes {
        hash: b"sha256",
        values: &[1; 64],
    };
    let body = written(|w| hashes.encode(w));
    assert_eq!(FileHashes::decode(&body), Ok(hashes));
}
