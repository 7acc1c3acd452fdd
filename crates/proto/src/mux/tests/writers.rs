//! Sending: space, windows of the peer, and whose turn it is.

use super::*;

const ROOM: usize = 256 * 1024;

#[test]
fn data_is_cut_to_the_peers_packets_and_window() {
    let mut end = End::server();
    let id = end.opened_by_peer(9, 10, 4);
    assert_eq!(end.write(id, b"abcdefghijklm"), Ok(10));
    assert_eq!(end.out.names(), ["data 9 4", "data 9 4", "data 9 2"]);
    assert_eq!(end.write(id, b"klm"), Ok(0));
    assert_eq!(end.events(), []);
    end.hear(&msg::WindowAdjust {
        recipient: id.0,
        bytes: 1,
    })
    .unwrap();
    assert_eq!(end.events(), [ChannelEvent::Writable(id)]);
    assert_eq!(end.write(id, b"klm"), Ok(1));
    end.hear(&msg::WindowAdjust {
        recipient: id.0,
        bytes: 100,
    })
    .unwrap();
    assert_eq!(end.events(), [ChannelEvent::Writable(id)]);
    assert_eq!(
        end.mux.write(&mut end.out, id, Stream::Stderr, b"lm"),
        Ok(2)
    );
    assert_eq!(end.out.names(), ["data 9 1", "extended 9 1 2"]);
    // Nobody waits: nobody is told.
    end.hear(&msg::WindowAdjust {
        recipient: id.0,
        bytes: 1,
    })
    .unwrap();
    assert_eq!(end.events(), []);
}

#[test]
fn what_is_put_into_the_space_is_sent() {
    let mut end = End::server();
    let id = end.opened_by_peer(9, 10, 100);
    let space = end
        .mux
        .space(&mut end.out, id, Stream::Stderr, 64)
        .unwrap()
        .unwrap();
    assert_eq!(space.len(), 10);
    space[..3].copy_from_slice(b"abc");
    end.mux.commit(&mut end.out, id, Stream::Stderr, 3).unwrap();
    let sent = end.out.messages.pop_front().unwrap();
    let expected = msg::ExtendedData {
        recipient: 9,
        code: 1,
        data: b"abc",
    };
    assert_eq!(sent, expected.to_vec());
    let space = end
        .mux
        .space(&mut end.out, id, Stream::Data, 64)
        .unwrap()
        .unwrap();
    assert_eq!(space.len(), 7);
    // Nothing to send after all.
    end.mux.commit(&mut end.out, id, Stream::Data, 0).unwrap();
    assert!(end.out.messages.is_empty());
}

#[test]
fn a_commit_without_its_space_sends_nothing() {
    let mut end = End::server();
    let (id, other) = (
        end.opened_by_peer(9, 10, 100),
        end.opened_by_peer(8, 10, 100),
    );
    let none = Err(ChannelError::NoReservation);
    assert_eq!(end.mux.commit(&mut end.out, id, Stream::Data, 1), none);
    for (commit_id, stream, len) in [
        (other, Stream::Data, 1),
        (id, Stream::Stderr, 1),
        (id, Stream::Data, 6),
    ] {
        assert!(
            end.mux
                .space(&mut end.out, id, Stream::Data, 5)
                .unwrap()
                .is_some()
        );
        assert_eq!(end.mux.commit(&mut end.out, commit_id, stream, len), none);
    }
    // Something else was sent in between: the bytes are gone, and it is said.
    assert!(
        end.mux
            .space(&mut end.out, id, Stream::Data, 5)
            .unwrap()
            .is_some()
    );
    end.mux
        .global_request(&mut end.out, &GlobalRequest::Keepalive, true)
        .unwrap();
    assert_eq!(end.mux.commit(&mut end.out, id, Stream::Data, 5), none);
    assert_eq!(end.out.names(), ["global keepalive@openssh.com"]);
    assert_eq!(end.write(id, &[0; 11]), Ok(10));
}

#[test]
fn without_room_writers_wait_and_are_told_in_turn() {
    let mut end = End::server();
    let ids = [end.open(), end.open(), end.open()];
    end.out.room = 0;
    for id in ids {
        assert_eq!(end.write(id, b"x"), Ok(0));
        assert_eq!(end.write(id, b"x"), Ok(0));
    }
    assert_eq!(end.events(), []);
    end.out.room = ROOM;
    assert_eq!(end.events(), ids.map(ChannelEvent::Writable));
    assert_eq!(end.events(), []);
}

#[test]
fn greedy_writers_share_the_room() {
    let mut end = End::server();
    let ids = [end.open(), end.open(), end.open()];
    let bulk = vec![0; 4 * ROOM];
    let mut sent = [0; 3];
    end.out.room = 0;
    for id in ids {
        assert_eq!(end.write(id, &bulk), Ok(0));
    }
    for round in 0..30 {
        end.out.room = ROOM;
        end.out.messages.clear();
        // The first channel always comes first, told or not.
        sent[0] += end.write(ids[0], &bulk).unwrap();
        while let Some(ChannelEvent::Writable(id)) = end.event() {
            let n = ids.iter().position(|other| *other == id).unwrap();
            sent[n] += end.write(id, &bulk).unwrap();
        }
        let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
        assert!(most - least <= 3 * ROOM, "round {round}: {sent:?}");
    }
    assert!(sent.iter().all(|sent| *sent > 5 * ROOM), "{sent:?}");
}

#[test]
fn a_keystroke_does_not_wait_for_bulk_data() {
    let mut end = End::server();
    let (bulk, keys) = (end.open(), end.open());
    let data = vec![0; 4 * ROOM];
    end.out.room = ROOM;
    end.write(bulk, &data).unwrap();
    assert_eq!(end.write(keys, b"k"), Ok(1));
    // It shares like all others as soon as it sends much.
    end.write(keys, &data).unwrap();
    assert_eq!(end.write(keys, b"k"), Ok(0));
    end.out.room = ROOM;
    assert_eq!(end.events(), [bulk, keys].map(ChannelEvent::Writable));
    assert_eq!(end.write(keys, b"k"), Ok(1));
}

#[test]
fn a_channel_that_is_gone_is_not_told() {
    let mut end = End::server();
    let id = end.open();
    end.out.room = 0;
    assert_eq!(end.write(id, b"x"), Ok(0));
    end.mux.close(&mut end.out, id).unwrap();
    end.out.room = ROOM;
    assert_eq!(end.events(), []);
    end.hear(&msg::Close { recipient: id.0 }).unwrap();
    assert_eq!(end.events(), [ChannelEvent::Closed(id)]);
    end.assert_clean();
}

/// A tunnel that we opened to a peer with this window, packet size and count
/// beyond a frame's bytes.
fn tunnel(window: u32, max_packet: u32, frame_extra: u32) -> (End, ChannelId) {
    let config = MuxConfig {
        frame_extra,
        ..MuxConfig::default()
    };
    let mut end = End::new(Role::Client, config);
    let kind = Open::Tun { mode: 1, unit: 0 };
    let id = end.mux.open(&mut end.out, &kind).unwrap();
    end.hear(&msg::OpenConfirmation {
        recipient: id.0,
        sender: 9,
        window,
        max_packet,
        body: &[],
    })
    .unwrap();
    assert_eq!(end.events(), [ChannelEvent::Opened(id)]);
    end.out.messages.clear();
    (end, id)
}

#[test]
fn a_frame_is_not_cut_for_want_of_window() {
    let (mut end, id) = tunnel(160, 1000, 0);
    assert_eq!(end.write(id, &[1; 60]), Ok(60));
    assert_eq!(end.write(id, &[1; 60]), Ok(60));
    assert_eq!(end.write(id, &[1; 60]), Ok(0));
    for (bytes, wakes) in [(19, true), (1, true)] {
        end.hear(&msg::WindowAdjust {
            recipient: id.0,
            bytes,
        })
        .unwrap();
        assert_eq!(!end.events().is_empty(), wakes);
        let went = end.write(id, &[1; 60]).unwrap();
        assert_eq!(went, if bytes == 1 { 60 } else { 0 });
    }
    assert_eq!(end.out.names(), ["data 9 60", "data 9 60", "data 9 60"]);
}

#[test]
fn a_frame_is_not_cut_for_want_of_room() {
    let (mut end, id) = tunnel(u32::MAX, 32 * 1024, 0);
    end.out.room = 40_000;
    assert_eq!(end.write(id, &[1; 10_000]), Ok(10_000));
    assert_eq!(end.write(id, &[1; 10_000]), Ok(0));
    end.out.room = ROOM;
    assert_eq!(end.events(), [ChannelEvent::Writable(id)]);
    assert_eq!(end.write(id, &[1; 10_000]), Ok(10_000));
}

#[test]
fn what_openssh_counts_for_a_frame_is_counted() {
    let (mut end, id) = tunnel(1000, 1000, 4);
    let space = |end: &mut End, max| {
        let space = end.mux.space(&mut end.out, id, Stream::Data, max).unwrap();
        space.map(|space| space.len())
    };
    // A frame as large as the peer ever takes.
    assert_eq!(space(&mut end, 2000), Some(496));
    for _ in 0..10 {
        assert_eq!(end.write(id, &[1; 96]), Ok(96));
    }
    assert_eq!(end.write(id, &[1; 96]), Ok(0));
    // What it gives back is what it took: the window does not grow.
    for _ in 0..10 {
        end.hear(&msg::WindowAdjust {
            recipient: id.0,
            bytes: 100,
        })
        .unwrap();
    }
    let before = end.out.messages.len();
    while end.write(id, &[1; 96]) == Ok(96) {}
    assert_eq!(end.out.messages.len() - before, 10);
}
