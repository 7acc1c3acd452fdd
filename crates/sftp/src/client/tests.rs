//! A scripted server in virtual time: answers out of order, short, late, wrong.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lengths in these tests fit anything"
)]

use core::time::Duration;
use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::frame;
use crate::msg::{
    Attrs, Code, Entry, Extended, Extension, Limits, Open, Reply, Request, Status, Version, name,
};

const HELLO: &[Extension<'_>] = &[
    Extension {
        name: name::LIMITS,
        data: b"1",
    },
    Extension {
        name: name::STATVFS,
        data: b"2",
    },
];

fn append(out: &mut Vec<u8>, reply: &Reply<'_>, id: u32) {
    frame::append(out, |w| reply.encode(w, id));
}

fn hello(extensions: &[Extension<'_>]) -> Vec<u8> {
    let version = Version {
        version: 3,
        extensions: extensions.to_vec(),
    };
    let mut out = Vec::new();
    frame::append(&mut out, |w| version.encode(w));
    out
}

fn feed(talk: &mut Conversation, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = talk.space();
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        talk.filled(len);
        bytes = &bytes[len..];
    }
}

/// The requests that a client has written.
fn take_requests(talk: &mut Conversation) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Ok(Some(range)) = frame::first(talk.output()) {
        let end = range.end;
        all.push(talk.output()[range].to_vec());
        talk.wrote(end);
    }
    assert!(talk.output().is_empty(), "only whole messages are made");
    all
}

/// A conversation that has begun, without limits.
fn begun() -> Conversation {
    let mut talk = Conversation::new();
    assert_eq!(take_requests(&mut talk), [[1, 0, 0, 0, 3]]);
    assert!(!talk.is_ready());
    feed(&mut talk, &hello(&[]));
    assert_eq!(talk.next(), Ok(None));
    assert!(talk.is_ready());
    talk
}

#[test]
fn limits_are_asked_for_before_anything_else() {
    let mut talk = Conversation::new();
    take_requests(&mut talk);
    feed(&mut talk, &hello(HELLO));
    assert_eq!(talk.next(), Ok(None));
    // Others go with it: its answer comes before theirs.
    assert!(talk.is_ready());
    let stat = talk.ask(&Request::Stat { path: b"f" });
    let requests = take_requests(&mut talk);
    assert_eq!(requests.len(), 2);
    let (id, request) = Request::decode(&requests[0]).unwrap();
    assert_eq!(request, Request::Extended(Extended::Limits));
    let (stat_id, _) = Request::decode(&requests[1]).unwrap();
    let mut body = Vec::new();
    let limits = Limits {
        packet: 262_144,
        read: 100_000,
        write: 1 << 40,
        handles: 9,
    };
    limits.encode(&mut carrick_wire::Writer::new(&mut body));
    let mut answer = Vec::new();
    append(&mut answer, &Reply::Extended(&body), id);
    append(&mut answer, &Reply::Attrs(Attrs::default()), stat_id);
    feed(&mut talk, &answer);
    let attrs = Answer::Attrs(Attrs::default());
    assert_eq!(talk.next(), Ok(Some((stat, attrs))));
    let offers = talk.offers();
    assert_eq!((offers.read_len(), offers.write_len()), (100_000, 261_120));
    assert!(offers.has(name::STATVFS) && !offers.has(name::FSYNC));
    assert_eq!(begun().offers().read_len(), 32 * 1024);
}

#[test]
fn answers_that_nobody_waits_for_are_dropped() {
    let close = Request::Close { handle: b"h" };
    let mut talk = begun();
    talk.ask_in_passing(&close);
    let stat = talk.ask(&Request::Stat { path: b"f" });
    let ids: Vec<u32> = take_requests(&mut talk)
        .iter()
        .map(|request| Request::decode(request).unwrap().0)
        .collect();
    let mut answers = Vec::new();
    append(&mut answers, &ok(), ids[0]);
    append(&mut answers, &Reply::Attrs(Attrs::default()), ids[1]);
    feed(&mut talk, &answers);
    let attrs = Answer::Attrs(Attrs::default());
    assert_eq!(talk.next(), Ok(Some((stat, attrs))));
    assert_eq!(talk.next(), Ok(None));

    // They must be such that can come, and come once.
    for twice in [false, true] {
        let mut talk = begun();
        talk.ask_in_passing(&close);
        let request = take_requests(&mut talk).remove(0);
        let (id, _) = Request::decode(&request).unwrap();
        let mut answers = Vec::new();
        if twice {
            append(&mut answers, &ok(), id);
            append(&mut answers, &ok(), id);
        } else {
            append(&mut answers, &Reply::Handle(b"h"), id);
        }
        feed(&mut talk, &answers);
        assert!(talk.next().is_err());
        assert!(talk.next().is_err(), "for ever");
    }
}

#[test]
fn another_version_is_refused() {
    let mut talk = Conversation::new();
    let mut bytes = Vec::new();
    let version = Version {
        version: 2,
        extensions: Vec::new(),
    };
    frame::append(&mut bytes, |w| version.encode(w));
    feed(&mut talk, &bytes);
    assert_eq!(talk.next(), Err(Error::Version(2)));
    assert_eq!(talk.next(), Err(Error::Version(2)), "for ever");
}

fn ok() -> Reply<'static> {
    Reply::Status(Status::of(Code::OK))
}

/// What a server may not do, each once.
#[test]
fn wrong_answers_end_the_conversation() {
    let read = Request::Read {
        handle: b"h",
        offset: 0,
        len: 3,
    };
    let stat = Request::Stat { path: b"p" };
    let open = Request::Open {
        path: b"p",
        how: Open::READ,
        attrs: Attrs::default(),
    };
    let long = [0; 257];
    let wrong = |request, expected, got| Error::WrongAnswer {
        request,
        expected,
        got,
    };
    for (request, reply, error) in [
        (&read, ok(), wrong("read", "data", "success")),
        (&read, Reply::Handle(b"x"), wrong("read", "data", "handle")),
        (
            &read,
            Reply::Data(b"1234"),
            Error::TooMuch { asked: 3, got: 4 },
        ),
        (&stat, Reply::Data(b""), wrong("stat", "attributes", "data")),
        (&stat, ok(), wrong("stat", "attributes", "success")),
        (&open, Reply::Handle(b""), Error::EmptyHandle),
        (&open, Reply::Handle(&long), Error::EmptyHandle),
        (
            &Request::Close { handle: b"h" },
            Reply::Handle(b"h"),
            wrong("close", "status", "handle"),
        ),
        (
            &Request::Extended(Extended::Statvfs { path: b"p" }),
            Reply::Attrs(Attrs::default()),
            wrong("statvfs", "extended reply", "attributes"),
        ),
    ] {
        let mut talk = begun();
        talk.ask(request);
        let (id, _) = Request::decode(&take_requests(&mut talk)[0]).unwrap();
        let mut bytes = Vec::new();
        append(&mut bytes, &reply, id);
        feed(&mut talk, &bytes);
        assert_eq!(talk.next(), Err(error.clone()), "{request:?} {reply:?}");
        assert_eq!(talk.next(), Err(error), "for ever");
    }
}

#[test]
fn answers_to_nothing_end_the_conversation() {
    let mut talk = begun();
    talk.ask(&Request::Stat { path: b"p" });
    let (id, _) = Request::decode(&take_requests(&mut talk)[0]).unwrap();
    let mut bytes = Vec::new();
    let attrs = Reply::Attrs(Attrs::with_size(7));
    append(&mut bytes, &attrs, id);
    append(&mut bytes, &attrs, id);
    feed(&mut talk, &bytes);
    let (_, answer) = talk.next().unwrap().unwrap();
    assert_eq!(answer, Answer::Attrs(Attrs::with_size(7)));
    assert_eq!(talk.next(), Err(Error::UnknownId(id)), "answered twice");
}

#[test]
fn paths_come_alone_and_are_no_longer_than_any_can_be() {
    let request = Request::Realpath { path: b"." };
    let longest = vec![b'a'; crate::limits::PATH];
    let longer = [&longest[..], b"a"].concat();
    for (count, name) in [
        (0, &b"/home"[..]),
        (1, b"/home"),
        (2, b"/home"),
        (1, &longest),
        (1, &longer),
    ] {
        let mut talk = begun();
        talk.ask(&request);
        let (id, _) = Request::decode(&take_requests(&mut talk)[0]).unwrap();
        let mut bytes = Vec::new();
        frame::append(&mut bytes, |w| {
            Reply::encode_names(w, id, count, |w| {
                for _ in 0..count {
                    let entry = Entry {
                        name,
                        long: b"",
                        attrs: Attrs::default(),
                    };
                    entry.encode(w);
                }
            });
        });
        feed(&mut talk, &bytes);
        let answer = talk.next();
        if count != 1 {
            assert!(answer.is_err());
        } else if name.len() > crate::limits::PATH {
            assert_eq!(answer, Err(Error::LongPath(4097)));
        } else {
            assert_eq!(answer.unwrap().unwrap().1, Answer::Path(name));
        }
    }
}

#[test]
fn words_of_the_server_are_told_where_they_say_more() {
    let text = |message: &[u8]| {
        let code = Code::NO_SUCH_FILE;
        Refusal::from(Status { code, message }).to_string()
    };
    let usual = "No such file or directory";
    assert_eq!(text(b""), usual);
    assert_eq!(text(b"No such file"), usual);
    assert_eq!(text(b"gone \x1b[2J"), format!("{usual}: gone \\033[2J"));
}

#[test]
fn plain_names() {
    for bad in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0"] {
        assert!(!is_plain_name(bad), "{bad:?}");
    }
    for good in [&b"a"[..], b"...", b"a b\n", b"\xff", b"\\"] {
        assert!(is_plain_name(good), "{good:?}");
    }
}

/// A small generator that a seed decides.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// Downloads `content` from a server that says its size is `hint`, answers in
/// any order and gives less than is asked for.
fn download(content: &[u8], start: usize, hint: Option<u64>, block: u32, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let (mut talk, mut window) = (begun(), Window::bounded(64, 256));
    let mut file = Download::new(start as u64, hint, block);
    let mut local = content[..start].to_vec();
    let (mut asked, mut waiting) = (HashMap::new(), Vec::new());
    let mut now = Duration::ZERO;
    for _ in 0..100_000 {
        while window.room() > 0
            && let Some(range) = file.ask()
        {
            let id = talk.ask(&Request::Read {
                handle: b"h",
                offset: range.offset,
                len: range.len,
            });
            asked.insert(id, (range, window.asked(now, range.len.into())));
        }
        waiting.extend(take_requests(&mut talk));
        if let Some(size) = file.size() {
            assert!(asked.is_empty() && window.under_way() == 0);
            assert_eq!(file.whole_up_to(), size);
            local.resize(size as usize, 0);
            return local;
        }
        let message = waiting.swap_remove(dice.roll(waiting.len()));
        let Ok((id, Request::Read { offset, len, .. })) = Request::decode(&message) else {
            panic!("only reads");
        };
        let from = (offset as usize).min(content.len());
        let most = (content.len() - from).min(len as usize);
        let mut bytes = Vec::new();
        if most == 0 {
            append(&mut bytes, &Reply::Status(Status::of(Code::EOF)), id);
        } else {
            let len = 1 + dice.roll(most);
            append(&mut bytes, &Reply::Data(&content[from..from + len]), id);
        }
        feed(&mut talk, &bytes);
        now += Duration::from_millis(1);
        let (id, answer) = talk.next().unwrap().unwrap();
        let (range, stamp) = asked.remove(&id).unwrap();
        let mut moved = 0;
        match answer {
            Answer::Data(data) => {
                moved = data.len();
                let end = range.offset as usize + moved;
                local.resize(local.len().max(end), 0);
                local[range.offset as usize..end].copy_from_slice(data);
                file.data(range, moved);
            }
            Answer::End => file.end_of_file(range),
            other => panic!("{other:?}"),
        }
        let whole = (file.whole_up_to() as usize).min(local.len());
        assert_eq!(local[..whole], content[..whole], "whole up to {whole}");
        window.answered(now, stamp, range.len.into(), moved as u64);
    }
    panic!("it does not end");
}

proptest! {
    #[test]
    fn downloads_are_whole_in_whatever_order_they_come(
        content in prop::collection::vec(any::<u8>(), 0..2000),
        start in 0_usize..2000,
        hint in prop_oneof![Just(None), (0_u64..3000).prop_map(Some)],
        block in 1_u32..200,
        seed: u64,
    ) {
        let start = start.min(content.len());
        prop_assert_eq!(download(&content, start, hint, block, seed), content);
    }

    #[test]
    fn bytes_of_a_server_never_panic(bytes: Vec<u8>, flip in any::<(usize, u8)>()) {
        let mut talk = begun();
        talk.ask(&Request::Readdir { handle: b"h" });
        talk.ask(&Request::Read { handle: b"h", offset: 0, len: 9 });
        talk.ask(&Request::Extended(Extended::Statvfs { path: b"p" }));
        let mut all = Vec::new();
        append(&mut all, &Reply::Data(b"123456789"), 2);
        append(&mut all, &Reply::Extended(&[0; 88]), 3);
        all.extend_from_slice(&bytes);
        let at = flip.0 % all.len();
        all[at] ^= flip.1;
        feed(&mut talk, &all);
        while let Ok(Some(_)) = talk.next() {}
    }
}

#[test]
fn a_file_that_shrinks_ends_where_it_ends_now() {
    let mut file = Download::new(0, Some(30), 10);
    let ranges: Vec<Range> = (0..3).map(|_| file.ask().unwrap()).collect();
    file.data(ranges[0], 4);
    let hole = file.ask().unwrap();
    assert_eq!((hole.offset, hole.len), (4, 6));
    // It was cut to 4 bytes after the third range was read.
    file.data(ranges[2], 10);
    file.end_of_file(ranges[1]);
    file.end_of_file(hole);
    assert_eq!(file.size(), Some(4));
    assert_eq!(file.whole_up_to(), 4);
}

#[test]
fn a_failed_read_leaves_what_came_before_it() {
    let mut file = Download::new(5, Some(35), 10);
    let ranges: Vec<Range> = (0..3).map(|_| file.ask().unwrap()).collect();
    file.data(ranges[0], 10);
    file.data(ranges[2], 10);
    file.failed(ranges[1]);
    assert!(!file.is_waiting());
    assert_eq!((file.size(), file.whole_up_to()), (None, 15));
}

#[test]
fn uploads_count_what_is_written() {
    let mut file = Upload::new(3);
    let ranges: Vec<Range> = (0..3).map(|_| file.sent(10)).collect();
    assert_eq!(file.offset(), Some(33));
    file.written(ranges[1]);
    assert_eq!(file.whole_up_to(), 3);
    file.written(ranges[0]);
    assert_eq!(file.whole_up_to(), 23);
    file.sent(0);
    assert_eq!((file.offset(), file.size()), (None, None));
    let mut spoilt = file.clone();
    file.written(ranges[2]);
    assert_eq!(file.size(), Some(33));
    spoilt.failed(ranges[2]);
    assert_eq!(spoilt.whole_up_to(), 23);
}

#[test]
fn writes_are_read_straight_into_the_output() {
    let mut talk = begun();
    let wrote = talk.write::<()>(b"h", 7, 100, |space| {
        assert_eq!(space.len(), 100);
        space[..3].copy_from_slice(b"abc");
        Ok(3)
    });
    let Ok(Wrote::Sent(_, 3)) = wrote else {
        panic!("{wrote:?}");
    };
    assert_eq!(talk.write::<()>(b"h", 7, 9, |_| Ok(0)), Ok(Wrote::Nothing));
    assert_eq!(talk.write(b"h", 7, 9, |_| Err(5)), Err(5));
    let requests = take_requests(&mut talk);
    assert_eq!(requests.len(), 1);
    let (id, request) = Request::decode(&requests[0]).unwrap();
    let (handle, offset, data) = (&b"h"[..], 7, &b"abc"[..]);
    assert_eq!(
        request,
        Request::Write {
            handle,
            offset,
            data
        }
    );
    let mut bytes = Vec::new();
    append(&mut bytes, &ok(), id);
    feed(&mut talk, &bytes);
    assert_eq!(talk.next().unwrap().unwrap().1, Answer::Done);
    // A full output takes no more.
    let mut count = 0;
    while let Ok(Wrote::Sent(..)) = talk.write::<()>(b"h", 0, 200_000, |space| Ok(space.len())) {
        count += 1;
    }
    assert_eq!(count, 5);
    assert_eq!(take_requests(&mut talk).len(), 5);
}
