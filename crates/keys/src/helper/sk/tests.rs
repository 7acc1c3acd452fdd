use carrick_wire::Secret;

use super::*;
use crate::{PrivateKey, PublicKey, SkHandle};

const LOG: Log = Log {
    stderr: true,
    level: 3,
};

fn key(kind: KeyType) -> PrivateKey {
    let application = "ssh:".to_owned();
    let public = match kind {
        KeyType::SkEcdsa => PublicKey::SkEcdsa {
            point: [&[4][..], &[7; 64]].concat(),
            application,
        },
        _ => PublicKey::SkEd25519 {
            key: [9; 32],
            application,
        },
    };
    let handle = SkHandle {
        flags: FLAG_USER_PRESENCE,
        handle: Secret::from("handle"),
        reserved: vec![],
    };
    PrivateKey::in_security_key(public, handle).expect("of a security key")
}

fn requests(key: &PrivateKey, pin: &Secret, check: impl Fn(&[u8])) {
    for request in [
        Request::Sign {
            provider: "internal",
            key,
            data: b"data",
            pin: Some(pin),
        },
        Request::Enroll(Enroll {
            kind: KeyType::SkEd25519,
            provider: "/lib/a.so",
            device: "/dev/hidraw0",
            application: "ssh:x",
            user: "u",
            flags: FLAG_USER_PRESENCE | FLAG_RESIDENT,
            pin: None,
            challenge: b"challenge",
        }),
        Request::LoadResident {
            provider: "internal",
            device: "",
            pin: Some(pin),
        },
    ] {
        let message = request.to_message(LOG);
        let (head, body) = message.split_first_chunk().expect("framed");
        assert_eq!(super::super::message_len(*head), Some(body.len()));
        check(body);
    }
}

#[test]
fn requests_arrive_as_they_were_sent_and_cut_ones_do_not() {
    let (key, pin) = (key(KeyType::SkEcdsa), Secret::from("1234"));
    requests(&key, &pin, |body| {
        let received = Received::parse(body).expect("sound");
        assert_eq!(received.log, LOG);
        match received.asked {
            Asked::Sign {
                provider,
                key: got,
                data,
                pin,
            } => {
                assert_eq!((provider, data), ("internal", &b"data"[..]));
                assert_eq!(got.public(), key.public());
                let sk = got.security_key().expect("of a security key");
                assert_eq!((sk.flags, sk.handle.expose()), (1, &b"handle"[..]));
                assert_eq!(pin.expect("given").expose(), b"1234");
            }
            Asked::Enroll(new, pin) => {
                assert_eq!(new.kind, KeyType::SkEd25519);
                assert_eq!((new.provider, new.device), ("/lib/a.so", "/dev/hidraw0"));
                assert_eq!((new.application, new.user), ("ssh:x", "u"));
                assert_eq!((new.flags, new.challenge), (0x21, &b"challenge"[..]));
                assert!(pin.is_none());
            }
            Asked::LoadResident {
                provider,
                device,
                pin,
            } => {
                assert_eq!((provider, device), ("internal", ""));
                assert!(pin.is_some());
            }
        }
        for end in 0..body.len() {
            assert!(Received::parse(&body[..end]).is_err());
        }
        let mut flipped = body.to_vec();
        for at in 0..flipped.len() {
            flipped[at] ^= 0x55;
            // Another request or an error, but no panic.
            let _ = Received::parse(&flipped);
            flipped[at] ^= 0x55;
        }
    });
}

#[test]
fn answers_arrive_as_they_were_sent_and_cut_ones_do_not() {
    for answer in [
        Answer::Failed(Failure::PIN_REQUIRED),
        Answer::Signature(vec![1, 2, 3]),
        Answer::Enrolled {
            key: Box::new(key(KeyType::SkEd25519)),
            attestation: vec![5; 40],
        },
        Answer::Resident(vec![
            ResidentKey {
                key: key(KeyType::SkEd25519),
                user: vec![0; 32],
            },
            ResidentKey {
                key: key(KeyType::SkEcdsa),
                user: vec![],
            },
        ]),
    ] {
        let message = answer.to_message();
        let body = &message[4..];
        let got = Answer::parse(body).expect("sound");
        assert_eq!(got.to_message(), message);
        for end in 0..body.len() {
            // A list of keys may end after any of them.
            if let Ok(shorter) = Answer::parse(&body[..end]) {
                assert!(matches!(answer, Answer::Resident(_)));
                assert_eq!(shorter.to_message()[4..], body[..end]);
            }
        }
        let mut flipped = body.to_vec();
        for at in 0..flipped.len() {
            flipped[at] ^= 0x55;
            let _ = Answer::parse(&flipped);
            flipped[at] ^= 0x55;
        }
    }
}

#[test]
fn messages_are_those_that_openssh_10_was_seen_to_send() {
    let request = Request::LoadResident {
        provider: "/p",
        device: "",
        pin: None,
    };
    let want = b"\0\0\0\x1c\x05\0\0\0\x03\x01\0\0\0\x03\0\0\0\x02/p\0\0\0\0\0\0\0\0\0\0\0\0";
    let got = request.to_message(Log {
        stderr: true,
        level: 3,
    });
    assert_eq!(got[4..], want[4..]);
    assert_eq!(
        *Answer::Failed(Failure::UNSUPPORTED).to_message(),
        b"\0\0\0\x09\x05\0\0\0\0\0\0\0\x3b"
    );
}

#[test]
fn another_version_is_told() {
    let mut message = Answer::Failed(Failure::INTERNAL).to_message();
    message[4] = 4;
    assert_eq!(
        Answer::parse(&message[4..]).err(),
        Some(MessageError::Version { got: 4 })
    );
}

#[test]
fn no_nul_reaches_a_c_library() {
    let request = Request::LoadResident {
        provider: "a\0b",
        device: "",
        pin: None,
    };
    assert!(Received::parse(&request.to_message(LOG)[4..]).is_err());
    let key = PrivateKey::in_security_key(
        PublicKey::SkEd25519 {
            key: [0; 32],
            application: "ssh:\0".into(),
        },
        SkHandle {
            flags: 0,
            handle: Secret::default(),
            reserved: vec![],
        },
    )
    .expect("of a security key");
    let request = Request::Sign {
        provider: "a",
        key: &key,
        data: b"",
        pin: None,
    };
    assert!(Received::parse(&request.to_message(LOG)[4..]).is_err());
}
