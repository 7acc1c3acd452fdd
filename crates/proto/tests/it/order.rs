//! What may be said when: guesses, exchanges in the middle of things, and the
//! messages that have their place.

use carrick_proto::{Error, PeerFault};
use carrick_testkit::{Pair, Seen};
use carrick_wire::msg::transport::KexInit;
use carrick_wire::{Encode, NameList, Reader};

use crate::faults::{fault, ident_and, kexinit, packet, rude, server_after};
use crate::{open_session, send_up};

const KEX: &str = "curve25519-sha256";
const HOST_KEY: &str = "ssh-ed25519";
const SERVICE_REQUEST: &[u8] = b"\x05\0\0\0\x0cssh-userauth";

/// A KEXINIT with these names first and a guess announced.
fn guessing(kex: &str, host_key: &str) -> Vec<u8> {
    let whole = kexinit();
    let init: KexInit<'_> = Reader::all(&whole).unwrap();
    KexInit {
        kex: NameList::new(kex),
        host_key: NameList::new(host_key),
        first_kex_packet_follows: true,
        ..init
    }
    .to_vec()
}

/// A server that likes [`KEX`] and [`HOST_KEY`], after these payloads.
fn after_guess(payloads: &[&[u8]]) -> Pair {
    let mut pair = Pair::with(1, |_, server| {
        server.common.preferences.kex = vec![KEX.into(), "ecdh-sha2-nistp256".into()];
        server.common.preferences.host_key = vec![HOST_KEY.into()];
    });
    while let Some(batch) = pair.client.poll_transmit() {
        pair.client.recycle(batch.seal());
    }
    pair.to_server.extend(ident_and(payloads));
    while pair.step_server() {}
    pair
}

/// A public value of X25519 that is not bad.
fn public_value() -> Vec<u8> {
    let mut init = vec![30, 0, 0, 0, 32, 9];
    init.extend([0; 31]);
    init
}

#[test]
fn a_right_guess_is_used() {
    let pair = after_guess(&[&guessing(KEX, HOST_KEY), &public_value()]);
    assert_eq!(pair.server.error(), None);
    assert!(pair.server.session_id().is_some(), "the server has replied");
}

#[test]
fn a_wrong_guess_is_ignored_once() {
    // The server's first method is not ours; the one agreed on is the second.
    let guess = guessing("ecdh-sha2-nistp256,curve25519-sha256", HOST_KEY);
    let pair = after_guess(&[&guess, b"\x1egarbage"]);
    assert_eq!(pair.server.error(), None);
    assert!(pair.server.session_id().is_none());
    let pair = after_guess(&[&guess, b"\x1egarbage", b"\x1egarbage"]);
    assert!(matches!(fault(&pair), PeerFault::Malformed { .. }));
}

#[test]
fn a_guess_of_the_wrong_host_key_is_wrong() {
    let guess = guessing(KEX, "rsa-sha2-512,ssh-ed25519");
    let pair = after_guess(&[&guess, b"\x1egarbage"]);
    assert_eq!(pair.server.error(), None);
}

#[test]
fn numbers_without_a_message_break_strict_exchange_too() {
    for number in [22, 29, 0, 150] {
        let (pair, _) = server_after(&ident_and(&[&kexinit(), &[number]]));
        assert_eq!(fault(&pair), PeerFault::Strict("a message out of order"));
    }
}

#[test]
fn an_exchange_that_is_not_strict_bears_harmless_messages() {
    let whole = kexinit();
    let mut init: KexInit<'_> = Reader::all(&whole).unwrap();
    init.kex = NameList::new(KEX);
    let ignore = [2, 0, 0, 0, 0];
    let plain = init.to_vec();
    let (pair, _) = server_after(&ident_and(&[&ignore, &plain, &ignore, &public_value()]));
    assert_eq!(pair.server.error(), None);
    assert!(pair.server.session_id().is_some());
    // Services have no place before the keys, strict or not.
    let (pair, _) = server_after(&ident_and(&[&plain, &public_value(), SERVICE_REQUEST]));
    let PeerFault::Unexpected { got: 5, .. } = fault(&pair) else {
        panic!("{:?}", fault(&pair));
    };
}

#[test]
fn a_service_request_during_an_exchange() {
    let pair = rude(false, &[&kexinit(), SERVICE_REQUEST]);
    assert!(pair.server.error().is_none() || matches!(fault(&pair), PeerFault::Unexpected { .. }));
    let mut pair = Pair::new(3);
    pair.password = "wrong";
    pair.run();
    pair.client.send_anything(&kexinit());
    pair.client.send_anything(SERVICE_REQUEST);
    pair.run();
    let PeerFault::Unexpected { state, got: 5, .. } = fault(&pair) else {
        panic!("{:?}", fault(&pair));
    };
    assert_eq!(state, "during key exchange");
}

#[test]
fn channel_data_behind_the_peers_kexinit() {
    let mut pair = Pair::logged_in(5, |_, _| {});
    open_session(&mut pair);
    pair.client.send_anything(&kexinit());
    pair.client.send_anything(&[94, 0, 0, 0, 0, 0, 0, 0, 1, 7]);
    pair.run();
    let PeerFault::Unexpected { state, got: 94, .. } = fault(&pair) else {
        panic!("{:?}", fault(&pair));
    };
    assert_eq!(state, "during key exchange");
}

#[test]
fn harmless_messages_behind_a_later_kexinit() {
    let mut pair = Pair::logged_in(6, |_, _| {});
    pair.client.rekey();
    pair.client.send_anything(&[2, 0, 0, 0, 0]);
    pair.client.send_anything(b"\x04\0\0\0\0\x02hi\0\0\0\0");
    pair.client.send_anything(&[192, 0, 0, 0, 1, 5]);
    pair.client.send_anything(&[150]);
    pair.run();
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
    let done = Seen::Kex { first: false };
    assert!(pair.server_seen.contains(&done) && pair.client_seen.contains(&done));
}

#[test]
fn data_that_crosses_a_kexinit_is_taken() {
    let mut pair = Pair::logged_in(7, |_, _| {});
    let (ours, theirs) = open_session(&mut pair);
    // The server's KEXINIT is out, and the client does not know of it.
    pair.server.rekey();
    let data = vec![8; 300_000];
    assert!(send_up(&mut pair, ours, theirs, &data) == data);
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
}

#[test]
fn ext_info_has_its_place() {
    let info = b"\x07\0\0\0\x01\0\0\0\x04what\0\0\0\0";
    // A server may send a second one until the user is logged in (RFC 8308
    // section 2.4), a client only one, and none later.
    let mut pair = Pair::new(8);
    pair.password = "wrong";
    pair.run();
    pair.server.send_anything(info);
    pair.run();
    assert_eq!(pair.client.error(), None);
    let pair = rude(true, &[info]);
    assert!(matches!(fault(&pair), PeerFault::Unexpected { got: 7, .. }));
    // Before the keys there is none at all.
    let (pair, _) = server_after(&ident_and(&[info]));
    assert!(matches!(fault(&pair), PeerFault::Unexpected { got: 7, .. }));
}

#[test]
fn last_words_are_fit_to_be_shown() {
    let mut goodbye = vec![1, 0, 0, 0, 2];
    let text = b"bye\x1b[2J\x07\r\nnow";
    goodbye.extend((text.len() as u32).to_be_bytes());
    goodbye.extend(text);
    goodbye.extend([0; 4]);
    let pair = rude(true, &[&goodbye]);
    let Some(Error::Disconnected { description, .. }) = pair.server.error() else {
        panic!("{:?}", pair.server.error());
    };
    assert_eq!(description, "bye\\u{1b}[2J\\u{7}\\r\nnow");
    let _ = packet(&goodbye);
}

/// Group exchange with a group of the server's choice: what the client says.
fn group(prime: Vec<u8>, generator: Vec<u8>) -> String {
    let mut pair = Pair::with(9, |client, server| {
        for common in [&mut client.common, &mut server.common] {
            common.preferences.kex = vec!["diffie-hellman-group-exchange-sha256".into()];
        }
    });
    pair.group = Some((prime, generator));
    pair.run();
    pair.client
        .error()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[test]
fn groups_that_are_none_are_refused() {
    let good = carrick_lc::dh::Group::Fourteen.prime().unwrap();
    assert_eq!(group(good.clone(), vec![2]), "");
    let mut even = good.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let mut below = good.clone();
    *below.last_mut().unwrap() -= 1;
    let refused = "key exchange: unacceptable diffie-hellman group";
    for (prime, generator) in [
        (even, vec![2]),
        (good.clone(), vec![]),
        (good.clone(), vec![1]),
        (good.clone(), below),
        (good.clone(), good.clone()),
    ] {
        assert_eq!(group(prime, generator), refused);
    }
    let small = group(good[128..].to_vec(), vec![2]);
    assert!(small.contains("asked for 2048 to 8192"), "{small}");
    let large = group([good.clone(), vec![1; 1024]].concat(), vec![2]);
    assert!(large.contains("asked for 2048 to 8192"), "{large}");
}
