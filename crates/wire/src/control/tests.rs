use super::*;

fn asks() -> Vec<Ask<'static>> {
    let unix = Place {
        name: b"/run/s",
        port: Port::Unix,
    };
    let tcp = Place {
        name: b"h",
        port: Port::Number(22),
    };
    let forward = |kind| Forward {
        kind,
        listen: tcp,
        connect: unix,
    };
    vec![
        Ask::Hello(Hello::ours(&[INFO])),
        Ask::NewSession(
            1,
            NewSession {
                tty: true,
                x11: false,
                agent: true,
                subsystem: false,
                escape: Some(126),
                term: b"xterm",
                command: b"ls",
                env: vec![b"LANG=C", b"X="],
            },
        ),
        Ask::AliveCheck(2),
        Ask::Terminate(3),
        Ask::OpenForward(4, forward(ForwardKind::Local)),
        Ask::OpenForward(5, forward(ForwardKind::Unknown(9))),
        Ask::CloseForward(6, forward(ForwardKind::Remote)),
        Ask::NewStdioForward(7, tcp),
        Ask::StopListening(8),
        Ask::Proxy(9),
        Ask::Info(10, b"connection"),
        Ask::Unknown(11, 0x1000_0077),
    ]
}

fn answers() -> Vec<Answer<'static>> {
    vec![
        Answer::Hello(Hello::ours(&[])),
        Answer::Ok(1),
        Answer::Denied {
            id: 2,
            reason: b"no",
        },
        Answer::Failure {
            id: 3,
            reason: b"cannot",
        },
        Answer::Exit {
            session: 4,
            status: 255,
        },
        Answer::Alive { id: 5, pid: 77 },
        Answer::SessionOpened { id: 6, session: 2 },
        Answer::RemotePort { id: 7, port: 8080 },
        Answer::TtyAllocFail { session: 8 },
        Answer::Proxy(9),
        Answer::Info {
            id: 10,
            known: true,
            text: b"text",
        },
    ]
}

/// Cut anywhere it is an error; with any byte changed it is an error or
/// another value, but for `flags`, where any other number is as true as 1.
fn check<T: core::fmt::Debug>(
    message: &T,
    bytes: &[u8],
    flags: core::ops::Range<usize>,
    decode: impl Fn(&[u8]) -> Option<Vec<u8>>,
) {
    assert_eq!(decode(bytes).as_deref(), Some(bytes), "{message:?}");
    for end in 0..bytes.len() {
        let cut = decode(&bytes[..end]);
        assert!(
            cut.is_none_or(|again| again.len() < bytes.len()),
            "{message:?} {end}"
        );
        let mut flipped = bytes.to_vec();
        flipped[end] ^= 0x81;
        let same = decode(&flipped).as_deref() == Some(bytes);
        assert!(!same || flags.contains(&end), "{message:?} {end}");
    }
}

#[test]
fn messages_survive_and_damage_shows() {
    for ask in asks() {
        let flags = match ask {
            Ask::NewSession(..) => 12..28,
            _ => 0..0,
        };
        let decode = |b: &[u8]| Some(Ask::decode(b).ok()?.to_vec());
        check(&ask, &ask.to_vec(), flags, decode);
    }
    for answer in answers() {
        let flags = match answer {
            Answer::Info { .. } => 8..12,
            _ => 0..0,
        };
        let decode = |b: &[u8]| Some(Answer::decode(b).ok()?.to_vec());
        check(&answer, &answer.to_vec(), flags, decode);
    }
}

#[test]
fn a_cut_message_is_an_error() {
    // Not where a list may end: after the whole list it is one shorter.
    let session = &asks()[1].to_vec();
    let whole = [session.len(), session.len() - 6, session.len() - 16];
    for end in 0..session.len() {
        let outcome = Ask::decode(&session[..end]);
        assert_eq!(outcome.is_ok(), whole.contains(&end), "{end}");
    }
    let mut trailing = Ask::AliveCheck(1).to_vec();
    trailing.push(0);
    assert_eq!(
        Ask::decode(&trailing),
        Err(DecodeError::Trailing { left: 1 })
    );
}

/// As OpenSSH 10.0 sends them.
#[test]
fn bytes_of_openssh() {
    let alive = [0, 0, 0, 8, 0x10, 0, 0, 4, 0, 0, 0, 0];
    assert_eq!(frame(&Ask::AliveCheck(0)), alive);
    assert_eq!(frame_len(&alive), Ok(Some(12)));
    let hello = [0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4];
    assert_eq!(frame(&Ask::Hello(Hello::ours(&[]))), hello);
    let (message, len) = split(&hello).unwrap().unwrap();
    assert_eq!(
        (Ask::decode(message), len),
        (Ok(Ask::Hello(Hello::ours(&[]))), 12)
    );
    let session = Ask::NewSession(
        1,
        NewSession {
            tty: false,
            x11: false,
            agent: false,
            subsystem: false,
            escape: None,
            term: b"",
            command: b"id",
            env: vec![],
        },
    );
    let bytes = b"\0\0\0\x2a\x10\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xff\xff\xff\xff\0\0\0\0\0\0\0\x02id";
    assert_eq!(frame(&session), bytes);
}

#[test]
fn bounds() {
    assert_eq!(frame_len(&[0, 0, 0]), Ok(None));
    let most = u32::try_from(MESSAGE).unwrap();
    assert_eq!(frame_len(&most.to_be_bytes()), Ok(Some(MESSAGE + 4)));
    assert!(frame_len(&(most + 1).to_be_bytes()).is_err());
    let mut session = asks()[1].clone();
    if let Ask::NewSession(_, session) = &mut session {
        session.env = vec![b"A=b"; VARIABLES + 1];
    }
    assert!(Ask::decode(&session.to_vec()).is_err());
    let place = |port: u32| {
        let mut bytes = Ask::NewStdioForward(
            1,
            Place {
                name: b"h",
                port: Port::Number(1),
            },
        )
        .to_vec();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&port.to_be_bytes());
        Ask::decode(&bytes).map(|_| ())
    };
    assert_eq!((place(65535), place(0xffff_fffe)), (Ok(()), Ok(())));
    assert!(place(65536).is_err() && place(0xffff_ffff).is_err());
    let zero = Ask::Info(1, b"a\0b").to_vec();
    assert!(Ask::decode(&zero).is_err());
}
