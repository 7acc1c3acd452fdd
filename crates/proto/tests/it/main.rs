//! The machines as a whole: a client and a server in virtual time, and a peer
//! that breaks the rules.

#![allow(
    clippy::cast_possible_truncation,
    reason = "the numbers are small and known"
)]

mod algorithms;
mod bounds;
mod faults;
mod feeding;
mod host_certificates;
mod login;
mod order;
mod rekeying;
mod transfer;
mod windows;

use carrick_proto::mux::{ChannelEvent, ChannelId, Open, Stream};
use carrick_testkit::{Pair, Seen};

/// Opens a session: its id at the client, and at the server.
fn open_session(pair: &mut Pair) -> (ChannelId, ChannelId) {
    let ours = pair
        .client
        .channels()
        .unwrap()
        .open(&Open::Session)
        .unwrap();
    pair.run();
    let theirs = take(&mut pair.server_seen, |event| match event {
        ChannelEvent::OpenRequest { id, .. } => Some(*id),
        _ => None,
    });
    pair.server.channels().unwrap().accept(theirs).unwrap();
    pair.run();
    take(&mut pair.client_seen, |event| {
        matches!(event, ChannelEvent::Opened(_)).then_some(())
    });
    (ours, theirs)
}

/// Takes the first channel event that `pick` picks, wherever it stands.
fn take<T>(
    seen: &mut std::collections::VecDeque<Seen>,
    pick: impl Fn(&ChannelEvent) -> Option<T>,
) -> T {
    let found = seen.iter().enumerate().find_map(|(at, event)| match event {
        Seen::Channel(event) => pick(event).map(|value| (at, value)),
        _ => None,
    });
    let (at, value) = found.unwrap_or_else(|| panic!("no such event in {seen:?}"));
    seen.remove(at);
    value
}

/// Sends `data` from the client to the server, which reads it all.
fn send_up(pair: &mut Pair, ours: ChannelId, theirs: ChannelId, data: &[u8]) -> Vec<u8> {
    let (mut sent, mut got) = (0, Vec::new());
    while got.len() < data.len() {
        if let Some(mut channels) = pair.client.channels()
            && sent < data.len()
        {
            sent += channels.write(ours, Stream::Data, &data[sent..]).unwrap();
        }
        let moved = pair.step();
        let before = got.len();
        if let Some(mut channels) = pair.server.channels() {
            while let Some(piece) = channels.read(theirs, Stream::Data).unwrap() {
                got.extend_from_slice(&piece);
            }
        }
        assert!(
            moved || got.len() > before || sent < data.len(),
            "stuck at {} of {}: {:?} {:?}",
            got.len(),
            data.len(),
            pair.client.error(),
            pair.server.error()
        );
    }
    got
}
