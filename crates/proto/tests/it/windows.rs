//! Windows over a line that takes time: 100 ms there and back.

use std::time::Duration;

use carrick_proto::limits;
use carrick_proto::mux::{ChannelEvent, ChannelId, Open, Stream};
use carrick_testkit::{Link, Pair};

use crate::take;

const ROUND_TRIP: Duration = Duration::from_millis(100);
const MIB: usize = 1024 * 1024;

/// A link with the user logged in, so that the round trip was measured on the
/// handshake.
fn link(seed: u64, most: u32) -> Link {
    let pair = Pair::with(seed, |client, server| {
        client.common.mux.max_window = most;
        server.common.mux.max_window = most;
    });
    let mut link = Link::new(pair, ROUND_TRIP);
    link.settle();
    while link.advance() {}
    assert!(link.pair.client.is_open() && link.pair.server.is_open());
    for rtt in [link.pair.client.rtt(), link.pair.server.rtt()] {
        assert_eq!(rtt, Some(ROUND_TRIP));
    }
    link
}

fn session(link: &mut Link) -> (ChannelId, ChannelId) {
    let pair = &mut link.pair;
    let ours = pair
        .client
        .channels()
        .unwrap()
        .open(&Open::Session)
        .unwrap();
    link.settle();
    while link.advance() {}
    let pair = &mut link.pair;
    let theirs = take(&mut pair.server_seen, |event| match event {
        ChannelEvent::OpenRequest { id, .. } => Some(*id),
        _ => None,
    });
    pair.server.channels().unwrap().accept(theirs).unwrap();
    link.settle();
    while link.advance() {}
    (ours, theirs)
}

/// What arrives in each of `trips` round trips when the client sends as much as
/// it may and the server reads all of it at once, or `slow` bytes at a time.
fn per_round_trip(link: &mut Link, trips: usize, slow: Option<usize>) -> Vec<usize> {
    let (ours, theirs) = session(link);
    let data = vec![7; MIB];
    let begin = link.pair.now;
    let mut got = vec![0; trips + 1];
    loop {
        while let Some(mut channels) = link.pair.client.channels() {
            let wrote = channels.write(ours, Stream::Data, &data).unwrap();
            link.settle();
            if wrote == 0 {
                break;
            }
        }
        if !link.advance() {
            assert!(slow.is_some(), "stuck: {got:?}");
            link.pair.sleep(ROUND_TRIP);
            link.settle();
        }
        let elapsed = link.pair.now - begin;
        let trip = usize::try_from(elapsed.as_millis() / ROUND_TRIP.as_millis()).unwrap();
        if trip >= trips {
            got.truncate(trips);
            return got;
        }
        let mut left = slow.unwrap_or(usize::MAX);
        let mut channels = link.pair.server.channels().unwrap();
        while left > 0
            && let Some(piece) = channels.read(theirs, Stream::Data).unwrap()
        {
            got[trip] += piece.len();
            left = left.saturating_sub(piece.len());
        }
        link.settle();
    }
}

#[test]
fn the_window_grows_until_the_line_is_full() {
    let first = (limits::WINDOW_FIRST * limits::WINDOW_FIRST_GAIN) as usize;
    let most = 16 * MIB;
    let mut link = link(1, most as u32);
    let got = per_round_trip(&mut link, 6, None);
    assert!(got[0] <= first, "{got:?}");
    let last = *got.last().unwrap();
    assert!(last > first, "{got:?}");
    assert!(last <= most, "{got:?}");
    assert!(last >= most / 2, "not within a few round trips: {got:?}");
}

#[test]
fn a_slow_readers_window_stays_as_it_was() {
    let mut link = link(2, limits::WINDOW_MOST);
    let got = per_round_trip(&mut link, 8, Some(100_000));
    assert!(
        got.iter().sum::<usize>() <= limits::WINDOW_FIRST as usize * 2,
        "{got:?}"
    );
}

#[test]
fn keys_are_renewed_in_the_middle_of_a_full_line() {
    let mut link = link(3, 8 * MIB as u32);
    let (ours, theirs) = session(&mut link);
    let data: Vec<u8> = (0..6_000_000u32).map(|i| (i % 253) as u8).collect();
    let (mut sent, mut got) = (0, Vec::new());
    let mut round = 0;
    while got.len() < data.len() {
        loop {
            let mut channels = link.pair.client.channels().unwrap();
            let wrote = channels.write(ours, Stream::Data, &data[sent..]).unwrap();
            sent += wrote;
            link.settle();
            if wrote == 0 {
                break;
            }
        }
        round += 1;
        match round % 5 {
            1 => link.pair.server.rekey(),
            3 => link.pair.client.rekey(),
            _ => {}
        }
        link.settle();
        let moved = link.advance();
        let mut channels = link.pair.server.channels().unwrap();
        while let Some(piece) = channels.read(theirs, Stream::Data).unwrap() {
            got.extend_from_slice(&piece);
        }
        link.settle();
        assert!(moved || sent < data.len(), "stuck at {}", got.len());
    }
    assert!(got == data);
    let errors = (link.pair.client.error(), link.pair.server.error());
    assert_eq!(errors, (None, None));
}
