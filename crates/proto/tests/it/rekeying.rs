//! New keys at any moment, under load, from either side.

use std::time::Duration;

use carrick_proto::transport::RekeyLimit;
use carrick_testkit::{Feed, Pair, Seen};

use crate::{open_session, send_up};

fn exchanges(seen: &std::collections::VecDeque<Seen>) -> usize {
    seen.iter()
        .filter(|event| matches!(event, Seen::Kex { first: false }))
        .count()
}

fn data() -> Vec<u8> {
    (0..600_000u32).map(|i| (i * 7 % 251) as u8).collect()
}

#[test]
fn keys_are_renewed_by_bytes_while_data_flows() {
    // What is in flight when a receiver asks for new keys still comes under the
    // old ones: only a sender's own limit is exact.
    for (client_limit, server_limit, least) in [
        (Some(40_000), None, 5),
        (None, Some(40_000), 1),
        (Some(30_000), Some(50_000), 5),
    ] {
        let mut pair = Pair::logged_in(3, |client, server| {
            client.common.rekey = RekeyLimit {
                bytes: client_limit,
                time: None,
            };
            server.common.rekey = RekeyLimit {
                bytes: server_limit,
                time: None,
            };
        });
        let (ours, theirs) = open_session(&mut pair);
        let data = data();
        assert!(send_up(&mut pair, ours, theirs, &data) == data);
        let count = exchanges(&pair.client_seen);
        assert!(count >= least, "{count} exchanges");
        assert_eq!(pair.client.error(), None);
    }
}

#[test]
fn keys_are_renewed_by_time() {
    let mut pair = Pair::logged_in(4, |client, _| {
        client.common.rekey = RekeyLimit {
            bytes: None,
            time: Some(Duration::from_secs(60)),
        };
    });
    pair.sleep(Duration::from_secs(59));
    pair.run();
    assert_eq!(exchanges(&pair.client_seen), 0);
    let session = pair.client.session_id().unwrap().to_vec();
    pair.sleep(Duration::from_secs(2));
    pair.run();
    assert_eq!(exchanges(&pair.client_seen), 1);
    assert_eq!(
        pair.client.session_id(),
        Some(&*session),
        "the session id is the first hash"
    );
}

#[test]
fn both_sides_may_start_at_once() {
    let mut pair = Pair::logged_in(5, |_, _| {});
    pair.client.rekey();
    pair.server.rekey();
    pair.run();
    assert_eq!(
        (exchanges(&pair.client_seen), exchanges(&pair.server_seen)),
        (1, 1)
    );
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
}

#[test]
fn new_keys_at_any_moment_of_a_transfer() {
    for seed in 0..20 {
        let mut pair = Pair::logged_in(seed, |_, _| {});
        pair.feed = Feed::Random;
        let (ours, theirs) = open_session(&mut pair);
        let data = &data()[..60_000];
        for (turn, piece) in data.chunks(9_000).enumerate() {
            if (turn as u64 + seed).is_multiple_of(3) {
                pair.client.rekey();
            }
            if (turn as u64 + seed) % 4 == 1 {
                pair.server.rekey();
            }
            assert!(
                send_up(&mut pair, ours, theirs, piece) == piece,
                "seed {seed} turn {turn}"
            );
        }
        assert_eq!(
            (pair.client.error(), pair.server.error()),
            (None, None),
            "seed {seed}"
        );
    }
}

#[test]
fn compression_begins_anew_with_each_key() {
    for compression in ["zlib", "zlib@openssh.com"] {
        let mut pair = Pair::logged_in(6, |client, server| {
            for common in [&mut client.common, &mut server.common] {
                common.preferences.compression = vec![compression.into()];
            }
        });
        let (ours, theirs) = open_session(&mut pair);
        for turn in 0..6 {
            match turn % 3 {
                0 => pair.client.rekey(),
                1 => pair.server.rekey(),
                _ => {}
            }
            let data = &data()[..100_000];
            assert!(send_up(&mut pair, ours, theirs, data) == data);
        }
        assert_eq!((pair.client.error(), pair.server.error()), (None, None));
        assert!(exchanges(&pair.client_seen) >= 4);
        let (sent, _) = pair.client.transferred();
        assert!(sent < 300_000, "{sent}");
    }
}
