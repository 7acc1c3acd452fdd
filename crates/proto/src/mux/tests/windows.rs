//! Receiving: windows, their grants and their growth.

use std::time::Duration;

use super::*;

const MIB: usize = 1024 * 1024;

fn with_window(first_window: u32) -> End {
    End::new(
        Role::Server,
        MuxConfig {
            first_window,
            ..MuxConfig::default()
        },
    )
}

/// What was granted by all the messages sent.
fn granted(end: &mut End) -> usize {
    let granted =
        end.out
            .messages
            .drain(..)
            .map(|payload| match ConnectionMsg::decode(&payload).unwrap() {
                ConnectionMsg::WindowAdjust(m) => usize::try_from(m.bytes).unwrap(),
                other => panic!("{other}"),
            });
    granted.sum()
}

#[test]
fn only_what_was_read_is_granted() {
    let mut end = with_window(10);
    let id = end.open();
    end.hear_data(id, b"0123456789").unwrap();
    assert!(end.out.messages.is_empty());
    assert_eq!(end.read(id).unwrap(), "0123456789");
    assert_eq!(end.out.names(), ["adjust 77 10"]);
}

/// With one channel whose reader is far behind the driver is to go slow; with
/// another beside it, which must not wait, and once it has caught up, not.
#[test]
fn the_only_reader_is_not_left_far_behind() {
    let piece = vec![0; 32 * 1024];
    let mut end = with_window(limits::AHEAD * 2);
    let id = end.open();
    let mut unread = 0;
    while unread <= limits::AHEAD {
        assert!(!end.mux.is_ahead_of_reader(), "{unread}");
        end.hear_data(id, &piece).unwrap();
        unread += 32 * 1024;
    }
    assert!(end.mux.is_ahead_of_reader());
    end.events();
    let other = end.opened_by_peer(3, 100, 100);
    assert!(!end.mux.is_ahead_of_reader());
    end.hear(&msg::Close {
        recipient: other.into(),
    })
    .unwrap();
    end.mux.close(&mut end.out, other).unwrap();
    assert!(end.mux.is_ahead_of_reader());
    end.read(id).unwrap();
    assert!(!end.mux.is_ahead_of_reader());
}

#[test]
fn a_window_of_one_byte_works() {
    let mut end = with_window(1);
    let id = end.open();
    for byte in b"hello" {
        end.hear_data(id, &[*byte]).unwrap();
        assert_eq!(end.read(id).unwrap(), [*byte][..]);
        assert_eq!(end.out.names(), ["adjust 77 1"]);
    }
}

#[test]
fn few_grants_for_much_data() {
    let mut end = End::server();
    let id = end.open();
    end.mux.set_rtt(Duration::from_secs(1));
    for _ in 0..1024 {
        end.hear_data(id, &vec![0; 32 * 1024]).unwrap();
        while end.read(id).is_some() {}
    }
    let adjusts = end.out.messages.len();
    assert!(adjusts <= 128, "{adjusts}");
}

#[test]
fn data_is_not_copied() {
    let mut end = End::server();
    let id = end.open();
    let payload = Bytes::from(
        msg::Data {
            recipient: id.0,
            data: &[7; 5000],
        }
        .to_vec(),
    );
    let at = payload.as_ptr().wrapping_add(msg::Data::HEADER_LEN);
    end.mux.handle(payload, end.now, &mut end.out).unwrap();
    assert_eq!(end.read(id).unwrap().as_ptr(), at);
}

#[test]
fn both_streams_share_the_window_and_are_told_apart() {
    let mut end = with_window(6);
    let id = end.open();
    end.hear_data(id, b"out").unwrap();
    end.hear(&msg::ExtendedData {
        recipient: id.0,
        code: 1,
        data: b"err",
    })
    .unwrap();
    assert!(end.hear_data(id, b"x").is_err());
    assert_eq!(
        end.events(),
        [
            ChannelEvent::Readable(id, Stream::Data),
            ChannelEvent::Readable(id, Stream::Stderr)
        ]
    );
    let stderr = end.mux.read(&mut end.out, id, Stream::Stderr);
    assert_eq!(stderr.unwrap().unwrap(), "err");
    assert_eq!(end.read(id).unwrap(), "out");
    assert_eq!(granted(&mut end), 6);
}

#[test]
fn readable_is_told_once_until_all_is_read() {
    let mut end = End::server();
    let id = end.open();
    end.hear_data(id, &[1; 2000]).unwrap();
    end.hear_data(id, &[2; 2000]).unwrap();
    assert_eq!(end.events(), [ChannelEvent::Readable(id, Stream::Data)]);
    end.read(id);
    end.hear_data(id, &[3; 2000]).unwrap();
    assert_eq!(end.events(), []);
    while end.read(id).is_some() {}
    end.hear_data(id, &[4; 2000]).unwrap();
    assert_eq!(end.events(), [ChannelEvent::Readable(id, Stream::Data)]);
    // Nothing is no news.
    while end.read(id).is_some() {}
    end.hear_data(id, b"").unwrap();
    assert_eq!(end.events(), []);
}

#[test]
fn extended_data_of_other_types_is_dropped_and_granted_again() {
    let mut end = with_window(8);
    let id = end.open();
    end.hear(&msg::ExtendedData {
        recipient: id.0,
        code: 2,
        data: b"whatever",
    })
    .unwrap();
    assert_eq!(end.events(), []);
    assert_eq!(granted(&mut end), 8);
}

#[test]
fn without_a_reader_the_window_stays_open() {
    let mut end = End::new(
        Role::Server,
        MuxConfig {
            first_window: 8,
            max_window: 8,
            ..MuxConfig::default()
        },
    );
    let id = end.open();
    end.hear_data(id, b"unread").unwrap();
    end.mux.discard(&mut end.out, id).unwrap();
    end.hear_data(id, b"ab").unwrap();
    assert_eq!(granted(&mut end), 6);
    end.hear_data(id, b"cdefgh").unwrap();
    assert_eq!(granted(&mut end), 8);
    assert_eq!(end.read(id), None);
}

#[test]
fn nothing_is_granted_after_eof() {
    let mut end = with_window(4);
    let id = end.open();
    end.hear_data(id, b"data").unwrap();
    end.hear(&msg::Eof { recipient: id.0 }).unwrap();
    assert_eq!(end.read(id).unwrap(), "data");
    assert!(end.out.messages.is_empty());
}

/// The first window after a round trip of 200 ms.
const LONG_FIRST: u32 = limits::WINDOW_FIRST * limits::WINDOW_FIRST_GAIN;

/// A peer that sends as fast as the window allows, at 200 ms round trip:
/// how many round trips until the window holds `goal`.
fn round_trips(goal: u32, reads: bool) -> u32 {
    let rtt = Duration::from_millis(200);
    let mut end = End::server();
    end.mux.set_rtt(rtt);
    let id = end.open();
    let mut window = usize::try_from(LONG_FIRST).unwrap();
    for trip in 0..12 {
        let Some(Channel::Live(live)) = end.mux.channels.get(&id) else {
            panic!()
        };
        if live.receive.window.size() >= goal {
            return trip;
        }
        end.now += rtt;
        while window > 0 {
            let len = window.min(32 * 1024);
            end.hear_data(id, &vec![0; len]).unwrap();
            window -= len;
            while reads && end.read(id).is_some() {}
            end.events();
        }
        window += granted(&mut end);
    }
    12
}

#[test]
fn full_speed_is_reached_within_few_round_trips() {
    assert!(round_trips(limits::WINDOW_MOST, true) <= 3);
    assert_eq!(round_trips(LONG_FIRST + 1, false), 12);
}

#[test]
fn the_cap_holds_and_all_windows_together_are_bounded() {
    let config = MuxConfig {
        max_window: u32::try_from(8 * MIB).unwrap(),
        total_window: u64::try_from(16 * MIB).unwrap(),
        ..MuxConfig::default()
    };
    let mut end = End::new(Role::Server, config);
    let rtt = Duration::from_millis(200);
    end.mux.set_rtt(rtt);
    let ids = [end.open(), end.open(), end.open(), end.open()];
    for _ in 0..8 {
        end.now += rtt;
        for id in ids {
            let Some(Channel::Live(live)) = end.mux.channels.get(&id) else {
                panic!()
            };
            let mut window = usize::try_from(live.receive.window.open()).unwrap();
            while window > 0 {
                let len = window.min(32 * 1024);
                end.hear_data(id, &vec![0; len]).unwrap();
                window -= len;
                while end.read(id).is_some() {}
                end.events();
            }
        }
        let used = usize::try_from(end.mux.budget.used()).unwrap();
        assert!(used <= 16 * MIB);
        for channel in end.mux.channels.values() {
            let Channel::Live(live) = channel else {
                panic!()
            };
            assert!(usize::try_from(live.receive.window.size()).unwrap() <= 8 * MIB);
        }
    }
    assert_eq!(end.mux.budget.left(), 0);
}
