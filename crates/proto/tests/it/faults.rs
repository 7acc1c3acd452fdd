//! A peer that breaks the rules: one test per way, each with the error that
//! says so and the DISCONNECT that the peer is told.

use std::time::Instant;

use carrick_proto::mux::{Open, Stream};
use carrick_proto::{ClientConfig, Connection, Error, PeerFault, Server, limits};
use carrick_testkit::{Pair, SeededRng};

use crate::open_session;

/// A client's first messages against a server, in the clear.
pub(crate) fn server_after(bytes: &[u8]) -> (Pair, Vec<u8>) {
    let mut pair = Pair::new(1);
    pair.to_server.clear();
    // Take what the well-behaved client would have sent away, and put ours in.
    while let Some(batch) = pair.client.poll_transmit() {
        pair.client.recycle(batch.seal());
    }
    pair.to_server.extend(bytes);
    while pair.step_server() {}
    let sent = pair.to_client.drain(..).collect();
    (pair, sent)
}

pub(crate) fn fault(pair: &Pair) -> PeerFault {
    match pair.server.error() {
        Some(Error::Fault(fault)) => fault.clone(),
        other => panic!("not a fault: {other:?}"),
    }
}

/// A packet in the clear around `payload`.
pub(crate) fn packet(payload: &[u8]) -> Vec<u8> {
    let mut pad = 8 - (payload.len() + 5) % 8;
    if pad < 4 {
        pad += 8;
    }
    let mut out = ((payload.len() + pad + 1) as u32).to_be_bytes().to_vec();
    out.push(pad as u8);
    out.extend_from_slice(payload);
    out.extend(std::iter::repeat_n(0, pad));
    out
}

pub(crate) fn ident_and(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"SSH-2.0-test\r\n".to_vec();
    for payload in payloads {
        bytes.extend(packet(payload));
    }
    bytes
}

/// The KEXINIT that a real client would send.
pub(crate) fn kexinit() -> Vec<u8> {
    let config = ClientConfig::new("test");
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to start somewhere"
    )]
    let now = Instant::now();
    let mut client = Connection::client(config, Box::new(SeededRng::new(1)), now);
    let mut bytes = Vec::new();
    while let Some(batch) = client.poll_transmit() {
        bytes.extend_from_slice(batch.seal().bytes());
    }
    let line = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    let length = u32::from_be_bytes(bytes[line..line + 4].try_into().unwrap()) as usize;
    let pad = usize::from(bytes[line + 4]);
    bytes[line + 5..line + 4 + length - pad].to_vec()
}

#[test]
fn garbage_for_an_identification() {
    let (pair, sent) = server_after(b"GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(fault(&pair), PeerFault::BadIdent(_)));
    assert!(sent.ends_with(b"Invalid SSH identification string.\r\n"));
}

#[test]
fn another_protocol_version() {
    let (pair, sent) = server_after(b"SSH-1.5-old\r\n");
    assert!(matches!(fault(&pair), PeerFault::WrongVersion(_)));
    assert!(sent.ends_with(b"Protocol major versions differ.\r\n"));
}

#[test]
fn a_packet_that_is_too_long() {
    let mut bytes = ident_and(&[]);
    bytes.extend((limits::PACKET as u32 + 4).to_be_bytes());
    bytes.extend([0; 100]);
    let (pair, _) = server_after(&bytes);
    assert_eq!(
        fault(&pair),
        PeerFault::BadLength(limits::PACKET as u32 + 4)
    );
}

#[test]
fn padding_longer_than_the_packet() {
    let mut bytes = ident_and(&[&kexinit()]);
    let line = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    bytes[line + 4] = 3;
    let (pair, _) = server_after(&bytes);
    assert_eq!(fault(&pair), PeerFault::BadPadding(3));
}

#[test]
fn a_packet_without_a_message() {
    let mut bytes = ident_and(&[]);
    bytes.extend([0, 0, 0, 12, 11]);
    bytes.extend([0; 11]);
    let (pair, _) = server_after(&bytes);
    assert_eq!(fault(&pair), PeerFault::EmptyPacket);
}

#[test]
fn a_kexinit_that_is_cut_short() {
    let whole = kexinit();
    let (pair, _) = server_after(&ident_and(&[&whole[..whole.len() - 1]]));
    assert!(matches!(
        fault(&pair),
        PeerFault::Malformed {
            message: "SSH_MSG_KEXINIT",
            ..
        }
    ));
}

#[test]
fn strict_key_exchange_begins_with_kexinit() {
    let ignore = [2, 0, 0, 0, 0];
    let (pair, _) = server_after(&ident_and(&[&ignore, &kexinit()]));
    assert_eq!(
        fault(&pair),
        PeerFault::Strict("KEXINIT was not the first packet")
    );
}

#[test]
fn strict_key_exchange_lets_nothing_in_between() {
    let ignore = [2, 0, 0, 0, 0];
    let (pair, _) = server_after(&ident_and(&[&kexinit(), &ignore]));
    assert_eq!(fault(&pair), PeerFault::Strict("a message out of order"));
}

#[test]
fn a_second_kexinit() {
    let kexinit = kexinit();
    let (pair, _) = server_after(&ident_and(&[&kexinit, &kexinit]));
    assert!(matches!(
        fault(&pair),
        PeerFault::Unexpected {
            state: "during key exchange",
            got: 20,
            ..
        }
    ));
}

#[test]
fn newkeys_before_the_exchange_is_done() {
    let (pair, _) = server_after(&ident_and(&[&kexinit(), &[21]]));
    assert!(matches!(
        fault(&pair),
        PeerFault::Unexpected { got: 21, .. }
    ));
}

#[test]
fn a_bad_public_value() {
    // An X25519 value of the hybrid's size, all zero: an invalid ML-KEM key or
    // a point of small order.
    let mut init = vec![30];
    init.extend(1216u32.to_be_bytes());
    init.extend([0; 1216]);
    let (pair, _) = server_after(&ident_and(&[&kexinit(), &init]));
    assert!(matches!(fault(&pair), PeerFault::Kex(_)));
}

#[test]
fn channels_before_anything() {
    let open = pair_payload_open();
    let (pair, _) = server_after(&ident_and(&[&open]));
    assert!(matches!(
        fault(&pair),
        PeerFault::Unexpected { got: 90, .. }
    ));
}

fn pair_payload_open() -> Vec<u8> {
    let mut open = vec![90];
    open.extend(7u32.to_be_bytes());
    open.extend(b"session");
    open.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 128, 0]);
    open
}

/// A pair in which the client can send any payload.
pub(crate) fn rude(logged_in: bool, payloads: &[&[u8]]) -> Pair {
    let mut pair = Pair::new(5);
    if logged_in {
        pair.log_in();
    } else {
        // As far as the end of the first exchange, before the service request.
        while pair.server.session_id().is_none() {
            pair.step();
        }
        pair.run();
    }
    for payload in payloads {
        pair.client.send_anything(payload);
    }
    pair.run();
    pair
}

#[test]
fn channels_of_no_number() {
    let data = [94, 0, 0, 0, 9, 0, 0, 0, 1, 7];
    let pair = rude(true, &[&data]);
    assert!(matches!(fault(&pair), PeerFault::Mux(_)));
    let Some(Error::Disconnected {
        reason: 2,
        description,
    }) = pair.client.error()
    else {
        panic!("{:?}", pair.client.error());
    };
    assert!(description.contains("channel 9"), "{description}");
}

#[test]
fn newkeys_out_of_the_blue() {
    let pair = rude(true, &[&[21]]);
    assert!(matches!(
        fault(&pair),
        PeerFault::Unexpected { got: 21, .. }
    ));
}

#[test]
fn answers_to_nothing() {
    let pair = rude(true, &[&[52]]);
    assert!(matches!(
        fault(&pair),
        PeerFault::Unexpected {
            got: 52,
            state: "after login",
            ..
        }
    ));
}

#[test]
fn late_requests_to_log_in_are_ignored() {
    let mut request = vec![50];
    for text in ["tester", "ssh-connection", "none"] {
        request.extend((text.len() as u32).to_be_bytes());
        request.extend(text.as_bytes());
    }
    let pair = rude(true, &[&request]);
    assert_eq!(pair.server.error(), None);
}

#[test]
fn unknown_messages_are_answered_and_not_fatal() {
    for number in [0, 9, 22, 83, 89, 101, 127, 128, 150, 191, 194, 255] {
        let pair = rude(true, &[&[number, 1, 2, 3]]);
        assert_eq!((pair.server.error(), pair.client.error()), (None, None));
    }
}

#[test]
fn a_flood_before_login() {
    let mut pair = Pair::new(6);
    while pair.client.session_id().is_none() {
        pair.step();
    }
    let ignore = [2, 0, 0, 0, 0];
    for _ in 0..=limits::IDLE_MESSAGES_BEFORE_LOGIN {
        pair.client.send_anything(&ignore);
    }
    while pair.step_client() {}
    while pair.step_server() {}
    assert_eq!(
        fault(&pair),
        PeerFault::TooMany("messages that say nothing before login")
    );
}

#[test]
fn a_wrong_mac() {
    for cipher in [
        "chacha20-poly1305@openssh.com",
        "aes128-gcm@openssh.com",
        "aes128-ctr",
        "aes128-cbc",
    ] {
        let mut pair = Pair::logged_in(2, |client, server| {
            for common in [&mut client.common, &mut server.common] {
                common.preferences.ciphers = vec![cipher.into()];
            }
        });
        let (ours, _) = open_session(&mut pair);
        let mut channels = pair.client.channels().unwrap();
        channels.write(ours, Stream::Data, &[1; 100]).unwrap();
        while let Some(batch) = pair.client.poll_transmit() {
            let sealed = batch.seal();
            pair.to_server.extend(sealed.bytes());
        }
        let last = pair.to_server.len() - 1;
        pair.to_server[last] ^= 1;
        // CBC tells only after as much as the largest packet.
        pair.to_server.extend(vec![0; limits::PACKET + 64]);
        pair.run();
        assert_eq!(fault(&pair), PeerFault::BadMac, "{cipher}");
    }
}

#[test]
fn a_peer_that_asks_and_does_not_listen_is_not_read() {
    let mut pair = Pair::logged_in(8, |_, _| {});
    let ping = {
        let mut ping = vec![192, 0, 0, 3, 232];
        ping.extend([9; 1000]);
        ping
    };
    let mut read = 0;
    for _ in 0..5000 {
        pair.client.send_anything(&ping);
        while let Some(batch) = pair.client.poll_transmit() {
            let sealed = batch.seal();
            pair.to_server.extend(sealed.bytes());
            pair.client.recycle(sealed);
        }
        if !pair.server.wants_read() {
            break;
        }
        let mut buf = pair.server.take_recv_buf();
        read += pair.to_server.len();
        buf.extend(pair.to_server.drain(..));
        pair.server.handle_recv(buf, pair.now);
    }
    assert!(!pair.server.wants_read(), "after {read} bytes");
    assert!(read < 4 * limits::REPLIES, "{read}");
    let _: &Connection<Server> = &pair.server;
    let _ = Open::Session;
}

#[test]
fn what_a_peer_offers_cannot_harm_the_terminal() {
    use carrick_wire::msg::transport::KexInit;
    use carrick_wire::{Encode, NameList, Reader};
    let whole = kexinit();
    let mut init: KexInit<'_> = Reader::all(&whole).unwrap();
    init.kex = NameList::new("\x1b[2J");
    let (pair, _) = server_after(&ident_and(&[&init.to_vec()]));
    let error = pair.server.error().unwrap().to_string();
    assert!(error.contains("Their offer: \\u{1b}[2J."), "{error}");
}
