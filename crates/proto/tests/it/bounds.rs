//! The bounds of `limits`, each exceeded: those that need a whole connection.
//! The channel layer's own are in its unit tests.

use std::time::Duration;

use carrick_proto::auth::AuthRequest;
use carrick_proto::{Error, PeerFault, limits};
use carrick_testkit::Pair;
use carrick_wire::msg::transport::KexInit;
use carrick_wire::{Encode, NameList, Reader};

use crate::faults::{fault, ident_and, kexinit, server_after};

/// A pair whose first attempt to log in failed.
fn at_login(seed: u64) -> Pair {
    let mut pair = Pair::new(seed);
    pair.password = "wrong";
    pair.run();
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
    pair
}

fn too_many(error: Option<&Error>) -> &'static str {
    match error {
        Some(Error::Fault(PeerFault::TooMany(what))) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_in_any_list_of_a_kexinit() {
    let whole = kexinit();
    let many = vec!["x"; limits::NAMES + 1].join(",");
    for list in 0..8 {
        let mut init: KexInit<'_> = Reader::all(&whole).unwrap();
        let lists = [
            &mut init.kex,
            &mut init.host_key,
            &mut init.cipher_c2s,
            &mut init.cipher_s2c,
            &mut init.mac_c2s,
            &mut init.mac_s2c,
            &mut init.compression_c2s,
            &mut init.compression_s2c,
        ];
        for (at, names) in lists.into_iter().enumerate() {
            if at == list {
                *names = NameList::new(&many);
            }
        }
        let (pair, _) = server_after(&ident_and(&[&init.to_vec()]));
        assert_eq!(
            fault(&pair),
            PeerFault::TooMany("names in a KEXINIT"),
            "{list}"
        );
    }
}

#[test]
fn exchanges_before_login() {
    let mut pair = at_login(1);
    for _ in 1..limits::KEX_BEFORE_LOGIN {
        pair.client.exchange_now();
        pair.run();
        assert_eq!(pair.server.error(), None);
    }
    pair.client.exchange_now();
    pair.run();
    assert_eq!(too_many(pair.server.error()), "key exchanges before login");
}

#[test]
fn exchanges_for_nothing_after_login() {
    let mut pair = Pair::logged_in(2, |_, _| {});
    // The first replaces keys that were used.
    for _ in 0..=limits::KEX_FOR_NOTHING {
        pair.client.rekey();
        pair.run();
        assert_eq!(pair.server.error(), None);
    }
    pair.client.rekey();
    pair.run();
    assert_eq!(too_many(pair.server.error()), "key exchanges for nothing");
}

#[test]
fn exchanges_now_and_then_are_no_flood() {
    let mut pair = Pair::logged_in(3, |_, _| {});
    for _ in 0..limits::KEX_FOR_NOTHING + 10 {
        pair.sleep(Duration::from_secs(2));
        pair.client.rekey();
        pair.run();
    }
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
}

#[test]
fn authentication_requests() {
    let mut pair = at_login(4);
    // Two were made on the way here.
    for _ in 2..limits::AUTH_REQUESTS {
        pair.client
            .authenticate("tester", &AuthRequest::None)
            .unwrap();
        pair.run();
        assert_eq!(pair.server.error(), None);
    }
    pair.client
        .authenticate("tester", &AuthRequest::None)
        .unwrap();
    pair.run();
    assert_eq!(too_many(pair.server.error()), "authentication requests");
}

#[test]
fn prompts_and_answers() {
    let mut pair = at_login(5);
    let attempt = AuthRequest::KeyboardInteractive { devices: "" };
    pair.client.authenticate("tester", &attempt).unwrap();
    pair.run();
    let count = (limits::PROMPTS as u32 + 1).to_be_bytes();
    let mut answers = vec![61];
    answers.extend(count);
    answers.extend(vec![0; 4 * (limits::PROMPTS + 1)]);
    pair.client.send_anything(&answers);
    pair.run();
    assert_eq!(too_many(pair.server.error()), "answers");

    let mut pair = at_login(6);
    pair.client.authenticate("tester", &attempt).unwrap();
    let mut prompts = vec![60];
    prompts.extend([0; 12]);
    prompts.extend(count);
    prompts.extend(vec![0; 5 * (limits::PROMPTS + 1)]);
    pair.server.send_anything(&prompts);
    while pair.step_server() {}
    while pair.step_client() {}
    assert_eq!(too_many(pair.client.error()), "prompts");
}

#[test]
fn banners_and_ext_infos_before_login() {
    let banner = b"\x35\0\0\0\x02hi\0\0\0\0";
    let info = b"\x07\0\0\0\0";
    for payload in [&banner[..], &info[..]] {
        let mut pair = at_login(7);
        for _ in 0..=limits::IDLE_MESSAGES_BEFORE_LOGIN {
            pair.server.send_anything(payload);
        }
        pair.run();
        let what = too_many(pair.client.error());
        assert_eq!(what, "messages that say nothing before login");
    }
}

/// Moves what the client has to the server alone, which does not answer.
fn upwards(pair: &mut Pair) {
    while let Some(batch) = pair.client.poll_transmit() {
        let sealed = batch.seal();
        pair.to_server.extend(sealed.bytes());
        pair.client.recycle(sealed);
    }
    let mut buf = pair.server.take_recv_buf();
    buf.extend(pair.to_server.drain(..));
    pair.server.handle_recv(buf, pair.now);
}

#[test]
fn answers_that_wait_for_the_end_of_an_exchange() {
    for size in [1u32, 20_000] {
        let mut pair = Pair::logged_in(8, |_, _| {});
        pair.server.rekey();
        let mut ping = vec![192];
        ping.extend(size.to_be_bytes());
        ping.extend(vec![9; size as usize]);
        let mut sent = 0;
        // The client goes on as if it had not seen the server's KEXINIT.
        while pair.server.error().is_none() {
            assert!(
                pair.server.wants_read(),
                "it would never see the end of the exchange"
            );
            pair.client.send_anything(&ping);
            upwards(&mut pair);
            sent += ping.len();
            assert!(sent <= 2 * limits::DEFERRED, "{sent}");
        }
        let what = too_many(pair.server.error());
        assert_eq!(what, "messages to answer during a key exchange");
    }
}

#[test]
fn news_that_nobody_takes_stops_the_input() {
    let mut pair = Pair::logged_in(9, |_, _| {});
    let many = limits::EVENTS * 3;
    for _ in 0..many {
        pair.client.send_anything(b"\x04\0\0\0\0\x02hi\0\0\0\0");
    }
    upwards(&mut pair);
    assert!(!pair.server.wants_read());
    let mut taken = 0;
    loop {
        let mut any = 0;
        while pair.server.poll_event().is_some() {
            any += 1;
        }
        assert!(any <= limits::EVENTS);
        if any == 0 {
            break;
        }
        taken += any;
        pair.server.resume(pair.now);
    }
    assert_eq!(taken, many);
    assert!(pair.server.wants_read());
}

#[test]
fn ignored_messages_after_login_leave_nothing_behind() {
    let mut pair = Pair::logged_in(10, |_, _| {});
    for _ in 0..5000 {
        pair.client.send_anything(&[2, 0, 0, 0, 0]);
        pair.client.send_anything(&[3, 0, 0, 0, 9]);
    }
    upwards(&mut pair);
    assert_eq!(pair.server.error(), None);
    assert!(pair.server.poll_event().is_none());
    assert!(
        !pair.server.wants_write(),
        "UNIMPLEMENTED must not be answered"
    );
}
