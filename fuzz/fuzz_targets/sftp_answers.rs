//! What a file server answers, as the client's engine reads it: in one piece
//! or in many, to requests of each kind.
#![no_main]

use carrick_sftp::client::{Answer, Conversation};
use carrick_sftp::msg::{Attrs, CheckFile, Extended, HashedFile, Open, Request};
use libfuzzer_sys::fuzz_target;

const HELLO: [u8; 9] = [0, 0, 0, 5, 2, 0, 0, 0, 3];

fn feed(talk: &mut Conversation, bytes: &[u8]) -> Option<Vec<String>> {
    let mut seen = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = talk.space();
        assert!(!space.is_empty(), "whole messages were taken");
        let len = space.len().min(rest.len());
        space[..len].copy_from_slice(&rest[..len]);
        talk.filled(len);
        rest = &rest[len..];
        loop {
            match talk.next() {
                Ok(Some((id, answer))) => {
                    if let Answer::Data(data) = &answer {
                        assert!(data.len() <= 64, "never more than asked for");
                    }
                    seen.push(format!("{id:?} {answer:?}"));
                }
                Ok(None) => break,
                Err(_) => return None,
            }
        }
    }
    Some(seen)
}

fn ask_all(talk: &mut Conversation) {
    let (path, handle) = (&b"p"[..], &b"h"[..]);
    for request in [
        Request::Open {
            path,
            how: Open::READ,
            attrs: Attrs::default(),
        },
        Request::Read {
            handle,
            offset: 0,
            len: 64,
        },
        Request::Readdir { handle },
        Request::Realpath { path },
        Request::Stat { path },
        Request::Close { handle },
        Request::Extended(Extended::Statvfs { path }),
        Request::Extended(Extended::UsersGroupsById {
            uids: &[0; 4],
            gids: &[],
        }),
        Request::Extended(Extended::CheckFile(CheckFile {
            file: HashedFile::Handle(handle),
            hashes: b"sha256",
            offset: 0,
            len: 0,
            block: 256,
        })),
    ] {
        talk.ask(&request);
    }
}

fuzz_target!(|input: (bool, &[u8])| {
    let (greeted, bytes) = input;
    let run = |piece: usize| {
        let mut talk = Conversation::new();
        if !greeted {
            feed(&mut talk, &HELLO);
            ask_all(&mut talk);
        }
        let mut seen = Vec::new();
        for part in bytes.chunks(piece.max(1)) {
            match feed(&mut talk, part) {
                Some(more) => seen.extend(more),
                None => return None,
            }
        }
        Some(seen)
    };
    assert_eq!(run(bytes.len()), run(1));
});
