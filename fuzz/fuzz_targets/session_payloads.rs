//! A logged-in peer that sends any payloads it likes: whatever it sends, the
//! other side goes on or ends the connection and says why.
//!
//! Input: one byte that picks the rude side, then payloads, each behind a byte
//! of length.
#![no_main]

use carrick_fuzz::quick_pair;
use carrick_proto::mux::{ChannelEvent, GlobalAnswer, Open, OpenReason, Stream};
use carrick_proto::{Connection, Side};
use carrick_testkit::Seen;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&who, mut rest)) = input.split_first() else {
        return;
    };
    let mut pair = quick_pair();
    // A channel to be rude on.
    pair.client
        .channels()
        .unwrap()
        .open(&Open::Session)
        .unwrap();
    pair.run();
    answer(&mut pair.server, pair.server_seen.drain(..));
    pair.run();

    while let Some((&len, tail)) = rest.split_first() {
        let (payload, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        match who % 2 {
            0 => pair.client.send_anything(payload),
            _ => pair.server.send_anything(payload),
        }
        pair.run();
        answer(&mut pair.client, pair.client_seen.drain(..));
        answer(&mut pair.server, pair.server_seen.drain(..));
        pair.run();
    }
    for error in [pair.client.error(), pair.server.error()]
        .into_iter()
        .flatten()
    {
        assert!(!error.to_string().is_empty());
    }
});

/// What an application would do: accept sessions, refuse the rest, read.
fn answer<S: Side>(connection: &mut Connection<S>, seen: impl Iterator<Item = Seen>) {
    let Some(mut channels) = connection.channels() else {
        return;
    };
    for event in seen {
        // Commands about what is gone by now fail, and that is fine.
        let _ = match event {
            Seen::Channel(ChannelEvent::OpenRequest {
                id,
                kind: Open::Session,
            }) => channels.accept(id),
            Seen::Channel(ChannelEvent::OpenRequest { id, .. }) => {
                channels.refuse(id, OpenReason::ADMINISTRATIVELY_PROHIBITED, "no")
            }
            Seen::Channel(ChannelEvent::Request {
                id,
                reply: Some(reply),
                ..
            }) => channels.answer(id, reply, true),
            Seen::Channel(ChannelEvent::GlobalRequest {
                reply: Some(reply), ..
            }) => channels.answer_global(reply, GlobalAnswer::Failure),
            Seen::Channel(ChannelEvent::Readable(id, stream)) => {
                while let Ok(Some(data)) = channels.read(id, stream) {
                    assert!(!data.is_empty());
                    let _ = channels.write(id, Stream::Data, &data);
                }
                Ok(())
            }
            Seen::Channel(ChannelEvent::Eof(id)) => channels.eof(id),
            _ => Ok(()),
        };
    }
}
