use super::*;

/// Requests and where they lead, with what is said on the way.
fn samples() -> Vec<(Vec<u8>, &'static str, u16)> {
    let five = |rest: &[u8]| [b"\x05\x02\x80\x00\x05\x01\x00", rest].concat();
    vec![
        (
            b"\x04\x01\x00\x50\x7f\x00\x00\x01me\0".to_vec(),
            "127.0.0.1",
            80,
        ),
        (
            b"\x04\x01\x01\xbb\x0a\x00\x00\x07\0".to_vec(),
            "10.0.0.7",
            443,
        ),
        (
            b"\x04\x01\x00\x16\x00\x00\x00\x01me\0example.org\0".to_vec(),
            "example.org",
            22,
        ),
        (five(b"\x01\x7f\x00\x00\x01\x00\x50"), "127.0.0.1", 80),
        (five(b"\x03\x0bexample.org\x00\x50"), "example.org", 80),
        (
            five(b"\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x07"),
            "2001:db8::1",
            7,
        ),
    ]
}

/// Feeds in pieces of `size`; what was said, and how it ended.
fn run(input: &[u8], size: usize) -> (Vec<u8>, Result<Step, Fault>, Dialog) {
    let (mut dialog, mut said) = (Dialog::new(), Vec::new());
    for piece in input.chunks(size) {
        let mut step = dialog.feed(piece);
        while let Ok(Step::Say(bytes)) = step {
            said.extend(bytes);
            step = dialog.feed(&[]);
        }
        if step != Ok(Step::More) {
            return (said, step, dialog);
        }
    }
    (said, Ok(Step::More), dialog)
}

#[test]
fn requests_lead_somewhere() {
    for (input, host, port) in samples() {
        for size in [1, 2, 3, input.len()] {
            let (said, step, dialog) = run(&input, size);
            let host = host.to_owned();
            assert_eq!(step, Ok(Step::Connect(Target { host, port })), "{input:?}");
            let expected: &[u8] = if input[0] == 5 { b"\x05\x00" } else { b"" };
            assert_eq!(said, expected);
            assert!(dialog.rest().is_empty());
        }
    }
}

#[test]
fn what_follows_the_request_is_kept() {
    for (input, ..) in samples() {
        let (_, step, dialog) = run(&[&input[..], b"GET /"].concat(), usize::MAX);
        assert!(matches!(step, Ok(Step::Connect(_))));
        assert_eq!(dialog.rest(), b"GET /");
    }
}

#[test]
fn answers() {
    let (_, _, four) = run(&samples()[0].0, 1);
    assert_eq!(four.granted(), b"\0\x5a\0\0\0\0\0\0");
    assert_eq!(four.refused(Refusal::Refused), b"\0\x5b\0\0\0\0\0\0");
    let (_, _, five) = run(&samples()[3].0, 1);
    assert_eq!(five.granted(), b"\x05\0\0\x01\0\0\0\0\0\0");
    assert_eq!(five.refused(Refusal::NotAllowed)[..2], b"\x05\x02"[..]);
    assert_eq!(five.refused(Refusal::Refused)[..2], b"\x05\x05"[..]);
}

#[test]
fn a_part_of_a_request_asks_for_more() {
    for (input, ..) in samples() {
        for end in 0..input.len() {
            assert_eq!(run(&input[..end], usize::MAX).1, Ok(Step::More));
        }
    }
}

#[test]
fn a_changed_byte_is_another_request_or_a_fault() {
    for (input, host, port) in samples() {
        for at in 0..input.len() {
            for bit in 0..8 {
                let mut changed = input.clone();
                changed[at] ^= 1 << bit;
                let (_, step, dialog) = run(&changed, usize::MAX);
                let same = Target {
                    host: host.to_owned(),
                    port,
                };
                // The user's name, the last byte of an address that stands for a
                // name, methods beside the one that counts and the reserved
                // byte say nothing.
                let says_nothing = match input[0] {
                    4 => at >= if input[6] == 0 && input[4] == 0 { 7 } else { 8 },
                    _ => matches!(at, 2 | 6),
                };
                assert!(says_nothing || step != Ok(Step::Connect(same)));
                if let Err(fault) = step {
                    assert!(dialog.farewell(fault).len() <= 10);
                }
            }
        }
    }
}

#[test]
fn faults() {
    for (input, fault, farewell) in [
        (&b"GET / HTTP/1.1"[..], Fault::Version(b'G'), &b""[..]),
        (
            b"\x04\x02\0\x50\x7f\0\0\x01\0",
            Fault::Command(2),
            b"\0\x5b\0\0\0\0\0\0",
        ),
        (b"\x05\x01\x02", Fault::NoMethod, b"\x05\xff"),
        (b"\x05\0", Fault::NoMethod, b"\x05\xff"),
        (b"\x05\x01\0\x04", Fault::Version(4), b""),
        (
            b"\x05\x01\0\x05\x03\0\x01",
            Fault::Command(3),
            b"\x05\x07\0\x01\0\0\0\0\0\0",
        ),
        (
            b"\x05\x01\0\x05\x01\0\x02",
            Fault::AddressType(2),
            b"\x05\x08\0\x01\0\0\0\0\0\0",
        ),
        (
            b"\x05\x01\0\x05\x01\0\x03\0\0\x50",
            Fault::Name,
            b"\x05\x01\0\x01\0\0\0\0\0\0",
        ),
        (
            b"\x05\x01\0\x05\x01\0\x03\x02a\n\0\x50",
            Fault::Name,
            b"\x05\x01\0\x01\0\0\0\0\0\0",
        ),
        (
            b"\x04\x01\0\x50\0\0\0\x01\0\xff\0",
            Fault::Name,
            b"\0\x5b\0\0\0\0\0\0",
        ),
    ] {
        let (_, step, dialog) = run(input, usize::MAX);
        // The first wrong byte may be there before the request is whole.
        let step = if step == Ok(Step::More) {
            run(&[input, &[0; 32]].concat(), usize::MAX).1
        } else {
            step
        };
        assert_eq!(step, Err(fault), "{input:?}");
        assert_eq!(dialog.farewell(fault), farewell, "{input:?}");
    }
}

#[test]
fn a_request_without_end_is_cut_short() {
    let endless = [&b"\x04\x01\0\x50\x7f\0\0\x01"[..], &[b'x'; MOST]].concat();
    assert_eq!(run(&endless, 1).1, Err(Fault::TooLong));
    assert_eq!(run(&endless, usize::MAX).1, Err(Fault::TooLong));
}
