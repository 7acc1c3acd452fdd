use super::*;

/// A generator whose bytes are known: 1, 2, 3, ...
struct Counting(u8);

impl Rng for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

fn spoof_of(protocol: &str, real: &[u8]) -> Spoof {
    Spoof::new(protocol, Secret::from(real), &mut Counting(0)).unwrap()
}

fn spoof() -> Spoof {
    spoof_of(MIT_MAGIC_COOKIE_1, &[0xee; 16])
}

/// The setup message of a client of that byte order.
fn setup(order: u8, protocol: &str, cookie: &[u8]) -> Vec<u8> {
    let number = |number: usize| {
        let number = u16::try_from(number).unwrap();
        if order == b'B' {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    };
    let mut out = vec![order, 0xaa];
    for value in [11, 0, protocol.len(), cookie.len()] {
        out.extend(number(value));
    }
    out.extend([0xbb; 2]);
    for field in [protocol.as_bytes(), cookie] {
        out.extend(field);
        out.resize(out.len().next_multiple_of(4), 0xcc);
    }
    out
}

/// What a connection comes to that says `input` in pieces of `size`.
fn run(spoof: &Spoof, input: &[u8], size: usize) -> Result<Option<Vec<u8>>, Fault> {
    let mut greeting = spoof.greet();
    let mut out = None;
    for piece in input.chunks(size) {
        match &mut out {
            None => {
                out = greeting
                    .feed(piece)?
                    .map(|message| message.expose().to_vec());
                assert!(greeting.held() <= 12 + 20 + 16 + size);
            }
            Some(out) => out.extend_from_slice(piece),
        }
    }
    Ok(out)
}

#[test]
fn the_real_cookie_takes_the_made_up_ones_place() {
    let spoof = spoof();
    let fake: Vec<u8> = (1..=16).collect();
    for order in [b'B', b'l'] {
        let mut said = setup(order, MIT_MAGIC_COOKIE_1, &fake);
        let mut told = setup(order, MIT_MAGIC_COOKIE_1, &[0xee; 16]);
        // Bytes that fill up are those of the message, but for the cookie's own.
        said.extend(b"and more");
        told.extend(b"and more");
        for size in [1, 2, 5, said.len()] {
            assert_eq!(run(&spoof, &said, size), Ok(Some(told.clone())));
        }
    }
}

#[test]
fn a_short_real_cookie_is_not_as_easily_guessed() {
    let spoof = spoof_of("P", b"xyz");
    let fake: Vec<u8> = (1..=16).collect();
    for order in [b'B', b'l'] {
        let mut told = setup(order, "P", b"xyz");
        *told.last_mut().unwrap() = 0;
        let said = setup(order, "P", &fake);
        assert_eq!(run(&spoof, &said, 1), Ok(Some(told)));
    }
    let empty = spoof_of("", b"");
    let said = setup(b'l', "", &fake);
    assert_eq!(run(&empty, &said, 3), Ok(Some(setup(b'l', "", b""))));
}

#[test]
fn others_are_refused() {
    let spoof = spoof();
    let fake: Vec<u8> = (1..=16).collect();
    let refused = |input: &[u8]| {
        let whole = run(&spoof, input, input.len()).unwrap_err();
        assert_eq!(run(&spoof, input, 1), Err(whole));
        whole
    };
    assert_eq!(refused(b"X"), Fault::ByteOrder(b'X'));
    for order in [b'B', b'l'] {
        let said = |protocol, cookie: &[u8]| refused(&setup(order, protocol, cookie));
        assert_eq!(said("", b""), Fault::Protocol);
        assert_eq!(said("MIT-MAGIC-COOKIE-2", &fake), Fault::Protocol);
        assert_eq!(said("XDM-AUTHORIZATION-1", &fake), Fault::Protocol);
        assert_eq!(said(MIT_MAGIC_COOKIE_1, &[0xee; 16]), Fault::Cookie);
        assert_eq!(said(MIT_MAGIC_COOKIE_1, &fake[..15]), Fault::Cookie);
        assert_eq!(said(MIT_MAGIC_COOKIE_1, b""), Fault::Cookie);
    }
    // By their first bytes, however much they promise.
    let mut long = setup(b'B', MIT_MAGIC_COOKIE_1, &fake);
    long[6..8].copy_from_slice(&[0xff; 2]);
    assert_eq!(refused(&long[..12]), Fault::Protocol);
    long[6..8].copy_from_slice(&[0, 18]);
    long[8..10].copy_from_slice(&[0xff; 2]);
    assert_eq!(refused(&long[..12]), Fault::Cookie);
}

#[test]
fn each_byte_cut_off_and_changed() {
    let spoof = spoof();
    let fake: Vec<u8> = (1..=16).collect();
    for order in [b'B', b'l'] {
        let said = setup(order, MIT_MAGIC_COOKIE_1, &fake);
        for end in 0..said.len() {
            assert_eq!(run(&spoof, &said[..end], 1), Ok(None), "cut at {end}");
        }
        let good = run(&spoof, &said, 1).unwrap().unwrap();
        for at in 0..said.len() {
            for bit in 0..8 {
                let mut bad = said.clone();
                bad[at] ^= 1 << bit;
                let outcome = run(&spoof, &bad, 1);
                assert_eq!(run(&spoof, &bad, bad.len()), outcome, "byte {at}");
                // What means nothing goes along as it is.
                let unread = [1, 2, 3, 4, 5, 10, 11, 30, 31].contains(&at);
                match outcome {
                    Ok(Some(told)) => {
                        assert!(unread, "byte {at} changed");
                        assert_ne!(told, good);
                        assert_eq!(told[32..48], [0xee; 16]);
                    }
                    Ok(None) => panic!("byte {at}: more is waited for"),
                    Err(_) => assert!(!unread, "byte {at} changed"),
                }
            }
        }
    }
}

#[test]
fn the_server_gets_the_made_up_cookie() {
    let Request::X11 {
        single,
        protocol,
        cookie,
        screen,
    } = spoof().request(true, 3)
    else {
        panic!()
    };
    assert_eq!(
        (single, protocol.as_str(), screen),
        (true, MIT_MAGIC_COOKIE_1, 3)
    );
    assert_eq!(cookie, b"0102030405060708090a0b0c0d0e0f10");
    assert!(is_plain(&cookie) && is_plain(protocol.as_bytes()));
    let shown = format!("{:?}", spoof());
    assert!(!shown.contains("238"), "{shown}");
    assert!(Spoof::new(&"x".repeat(65536), Secret::from("y"), &mut Counting(0)).is_none());
    assert!(Spoof::without_cookie(&mut Counting(0)).is_some());
}

#[test]
fn hexadecimal_digits_both_ways() {
    let all: Vec<u8> = (0..=255).collect();
    let text = to_hex(&all);
    assert_eq!(from_hex(&text).unwrap().expose(), all);
    assert_eq!(from_hex(&text.to_ascii_uppercase()).unwrap().expose(), all);
    for bad in [&b"0"[..], b"0g", b"000", b"+1", b" 1"] {
        assert!(from_hex(bad).is_none());
    }
    assert_eq!(from_hex(b"").unwrap().expose(), b"");
}

#[test]
fn what_is_shown_to_xauth_is_plain() {
    for good in ["", ":0", "unix:0.1", "host-1.example:10.0", "/tmp/x_y:0"] {
        assert!(is_plain(good.as_bytes()), "{good}");
    }
    for bad in [
        "a b", ":0;id", ":0\nadd", "$(id)", "`id`", "\u{e9}", "a\0", ":0|x", "'",
    ] {
        assert!(!is_plain(bad.as_bytes()), "{bad}");
    }
}
