//! It makes no difference in what pieces bytes arrive.

use std::collections::VecDeque;

use carrick_proto::mux::ChannelEvent;
use carrick_testkit::{Feed, Pair, Seen};

use crate::{open_session, send_up};

fn run(feed: Feed) -> (Vec<Seen>, Vec<Seen>, Vec<u8>) {
    let mut pair = Pair::new(42);
    pair.feed = feed;
    pair.log_in();
    let (ours, theirs) = open_session(&mut pair);
    let data: Vec<u8> = (0..5000u32).map(|i| (i % 253) as u8).collect();
    let got = send_up(&mut pair, ours, theirs, &data);
    let session = pair.client.session_id().unwrap().to_vec();
    assert_eq!(got, data);
    (pair.client_seen.into(), told(pair.server_seen), session)
}

/// All but `Readable`: how often that comes depends on when the test reads.
fn told(seen: VecDeque<Seen>) -> Vec<Seen> {
    let readable = |event: &Seen| matches!(event, Seen::Channel(ChannelEvent::Readable(..)));
    seen.into_iter().filter(|event| !readable(event)).collect()
}

#[test]
fn byte_by_byte_is_the_same_as_all_at_once() {
    let whole = run(Feed::Whole);
    assert_eq!(whole, run(Feed::Bytes));
    assert_eq!(whole.2, run(Feed::Random).2);
}
