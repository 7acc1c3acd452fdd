//! EOF and CLOSE of both sides, in every order.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    WeEof,
    WeClose,
    TheyEof,
    TheyClose,
}
use Step::{TheyClose, TheyEof, WeClose, WeEof};

/// All ways to merge two sequences.
fn merges(a: &[Step], b: &[Step]) -> Vec<Vec<Step>> {
    match (a, b) {
        ([], rest) | (rest, []) => vec![rest.to_vec()],
        ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) => {
            let mut all = Vec::new();
            for (first, rest) in [(first_a, merges(rest_a, b)), (first_b, merges(a, rest_b))] {
                all.extend(rest.into_iter().map(|rest| [&[*first], &rest[..]].concat()));
            }
            all
        }
    }
}

fn all_orders() -> Vec<Vec<Step>> {
    let ours: [&[Step]; 4] = [&[], &[WeEof], &[WeClose], &[WeEof, WeClose]];
    let theirs: [&[Step]; 4] = [&[], &[TheyEof], &[TheyClose], &[TheyEof, TheyClose]];
    ours.iter()
        .flat_map(|a| theirs.iter().flat_map(|b| merges(a, b)))
        .collect()
}

fn run(order: &[Step]) {
    let mut end = End::server();
    let id = end.open();
    let (mut sent, mut told) = (Vec::new(), Vec::new());
    let (mut we_closed, mut they_closed) = (false, false);
    for step in order {
        match step {
            WeEof if they_closed => {
                assert_eq!(end.mux.eof(&mut end.out, id), Err(ChannelError::Closed));
            }
            WeEof => {
                end.mux.eof(&mut end.out, id).unwrap();
                sent.push("eof 77");
                assert_eq!(
                    end.write(id, b"x"),
                    Err(ChannelError::AfterEof),
                    "{order:?}"
                );
                assert_eq!(end.mux.eof(&mut end.out, id), Err(ChannelError::AfterEof));
            }
            WeClose => {
                end.mux.close(&mut end.out, id).unwrap();
                we_closed = true;
                if !they_closed {
                    sent.push("close 77");
                }
                assert_eq!(end.write(id, b"x"), Err(ChannelError::Unknown));
            }
            TheyEof => {
                end.hear(&msg::Eof { recipient: id.0 }).unwrap();
                if !we_closed {
                    told.push(ChannelEvent::Eof(id));
                }
                assert!(end.mux.at_eof(id, Stream::Data), "{order:?}");
            }
            TheyClose => {
                end.hear(&msg::Close { recipient: id.0 }).unwrap();
                they_closed = true;
                told.push(ChannelEvent::Closed(id));
                if !we_closed {
                    sent.push("close 77");
                }
            }
        }
    }
    assert_eq!(end.out.names(), sent, "{order:?}");
    assert_eq!(end.events(), told, "{order:?}");
    if we_closed && they_closed {
        end.assert_clean();
    } else {
        assert_eq!(end.mux.channel_count(), 1, "{order:?}");
    }
}

#[test]
fn every_order() {
    let orders = all_orders();
    // Merges of sequences of 0, 1, 1, 2 with the same.
    assert_eq!(
        orders.len(),
        1 + 1 + 1 + 1 + 2 * (1 + 2 + 2 + 3) + (1 + 3 + 3 + 6)
    );
    for order in orders {
        run(&order);
    }
}

#[test]
fn what_came_before_the_close_stays_readable_until_we_close() {
    let mut end = End::server();
    let id = end.open();
    end.hear_data(id, &vec![1; 5000]).unwrap();
    end.hear_data(id, b"end").unwrap();
    end.hear(&msg::Eof { recipient: id.0 }).unwrap();
    end.hear(&msg::Close { recipient: id.0 }).unwrap();
    assert!(!end.mux.at_eof(id, Stream::Data));
    assert!(end.mux.at_eof(id, Stream::Stderr));
    assert_eq!(end.read(id).unwrap(), vec![1; 5000]);
    assert_eq!(end.read(id).unwrap(), "end");
    assert!(end.mux.at_eof(id, Stream::Data));
    assert_eq!(end.read(id), None);
    assert_eq!(end.out.names(), ["close 77"]);
    end.mux.close(&mut end.out, id).unwrap();
    assert_eq!(end.mux.close(&mut end.out, id), Err(ChannelError::Unknown));
    end.events();
    end.assert_clean();
}

#[test]
fn what_crosses_our_close_is_dropped() {
    let mut end = End::server();
    let id = end.open();
    let asked = end
        .mux
        .request(&mut end.out, id, &Request::Break { ms: 1 }, true);
    assert!(asked.is_ok());
    end.hear_data(id, b"unread").unwrap();
    end.events();
    end.mux.close(&mut end.out, id).unwrap();
    end.out.messages.clear();
    end.hear_data(id, &vec![0; 32768]).unwrap();
    end.hear(&msg::ChannelRequest {
        recipient: id.0,
        want_reply: true,
        body: msg::RequestBody::Shell,
    })
    .unwrap();
    end.hear(&msg::ChannelSuccess { recipient: id.0 }).unwrap();
    end.hear(&msg::WindowAdjust {
        recipient: id.0,
        bytes: 0,
    })
    .unwrap();
    assert_eq!(end.events(), []);
    assert!(end.out.messages.is_empty());
    end.hear(&msg::Close { recipient: id.0 }).unwrap();
    // Late, and harmless.
    end.hear(&msg::WindowAdjust {
        recipient: id.0,
        bytes: 5,
    })
    .unwrap();
    assert_eq!(end.events(), [ChannelEvent::Closed(id)]);
    end.assert_clean();
}

#[test]
fn status_may_follow_eof_but_not_close() {
    let mut end = End::server();
    let id = end.open();
    end.mux.eof(&mut end.out, id).unwrap();
    let status = Request::ExitStatus { code: 3 };
    end.mux.request(&mut end.out, id, &status, false).unwrap();
    assert_eq!(end.out.names(), ["eof 77", "request 77 exit-status"]);
    end.hear(&msg::Close { recipient: id.0 }).unwrap();
    let late = end.mux.request(&mut end.out, id, &status, false);
    assert_eq!(late, Err(ChannelError::Closed));
}

#[test]
fn a_number_is_not_used_again() {
    let mut end = End::server();
    let first = end.open();
    end.mux.close(&mut end.out, first).unwrap();
    end.hear(&msg::Close { recipient: first.0 }).unwrap();
    end.events();
    let second = end.open();
    assert_ne!(first, second);
    let stale = end.mux.read(&mut end.out, first, Stream::Data);
    assert_eq!(stale, Err(ChannelError::Unknown));
}
