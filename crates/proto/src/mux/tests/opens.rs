//! Opening channels, and not opening them.

use super::*;

fn asks(number: u32, kind: msg::OpenKind<'_>) -> msg::ChannelOpen<'_> {
    msg::ChannelOpen {
        sender: number,
        window: 100,
        max_packet: 10,
        kind,
    }
}

#[test]
fn we_open_and_they_confirm() {
    let mut end = End::client();
    let id = end.mux.open(&mut end.out, &Open::Session).unwrap();
    assert_eq!(end.out.names(), ["open 0 session"]);
    assert_eq!(end.write(id, b"x"), Err(ChannelError::NotOpen));
    end.hear(&msg::OpenConfirmation {
        recipient: id.0,
        sender: 5,
        window: 4,
        max_packet: 3,
        body: &[],
    })
    .unwrap();
    assert_eq!(end.events(), [ChannelEvent::Opened(id)]);
    assert_eq!(end.write(id, b"abcdef"), Ok(4));
    assert_eq!(end.out.names(), ["data 5 3", "data 5 1"]);
}

#[test]
fn we_open_and_they_refuse() {
    let mut end = End::client();
    let id = end.mux.open(&mut end.out, &Open::Session).unwrap();
    let reason = OpenReason::CONNECT_FAILED;
    end.hear(&msg::OpenFailure {
        recipient: id.0,
        reason,
        description: "no".into(),
        language: "",
    })
    .unwrap();
    let text = "no".to_owned();
    assert_eq!(
        end.events(),
        [ChannelEvent::OpenRefused { id, reason, text }]
    );
    end.assert_clean();
}

#[test]
fn what_we_close_while_it_opens_is_closed_when_open() {
    for confirmed in [true, false] {
        let mut end = End::client();
        let id = end.mux.open(&mut end.out, &Open::Session).unwrap();
        end.mux.close(&mut end.out, id).unwrap();
        end.out.messages.clear();
        if confirmed {
            let (recipient, body) = (id.0, &[][..]);
            end.hear(&msg::OpenConfirmation {
                recipient,
                sender: 5,
                window: 4,
                max_packet: 3,
                body,
            })
            .unwrap();
            assert_eq!(end.out.names(), ["close 5"]);
            assert_eq!(end.events(), []);
            end.hear(&msg::Close { recipient: id.0 }).unwrap();
        } else {
            let reason = OpenReason::CONNECT_FAILED;
            let description = "no".into();
            end.hear(&msg::OpenFailure {
                recipient: id.0,
                reason,
                description,
                language: "",
            })
            .unwrap();
        }
        assert_eq!(end.events(), [ChannelEvent::Closed(id)]);
        end.assert_clean();
    }
}

#[test]
fn they_open_and_we_accept_or_refuse() {
    let mut end = End::server();
    end.hear(&asks(8, msg::OpenKind::Session)).unwrap();
    let unknown = msg::OpenKind::Unknown {
        name: "x@y",
        body: b"z",
    };
    end.hear(&asks(9, unknown)).unwrap();
    end.hear(&asks(10, msg::OpenKind::AuthAgent)).unwrap();
    let events = end.events();
    let ids = [ChannelId(0), ChannelId(1), ChannelId(2)];
    let kinds = [
        Open::Session,
        Open::Unknown {
            name: "x@y".to_owned(),
            body: b"z".to_vec(),
        },
        Open::AuthAgent,
    ];
    let expected = ids.into_iter().zip(kinds);
    assert_eq!(
        events,
        expected
            .map(|(id, kind)| ChannelEvent::OpenRequest { id, kind })
            .collect::<Vec<_>>()
    );
    let [a, b, c] = ids;
    end.mux
        .refuse(&mut end.out, b, OpenReason::UNKNOWN_CHANNEL_TYPE, "no")
        .unwrap();
    end.mux.accept(&mut end.out, a).unwrap();
    end.mux.close(&mut end.out, c).unwrap();
    assert_eq!(end.out.names(), ["refuse 9 3", "confirm 8", "refuse 10 1"]);
    assert_eq!(end.mux.accept(&mut end.out, a), Err(ChannelError::NotAsked));
    assert_eq!(end.mux.accept(&mut end.out, b), Err(ChannelError::Unknown));
    assert_eq!(end.mux.channel_count(), 1);
}

#[test]
fn every_kind_goes_there_and_back() {
    let path = b"/run/s\xff".to_vec();
    let (host, originator) = ("h".to_owned(), "o".to_owned());
    let kinds = [
        Open::Session,
        Open::DirectTcpip {
            host: host.clone(),
            port: 1,
            originator: originator.clone(),
            originator_port: 2,
        },
        Open::ForwardedTcpip {
            address: host,
            port: 3,
            originator: originator.clone(),
            originator_port: 4,
        },
        Open::DirectStreamlocal { path: path.clone() },
        Open::ForwardedStreamlocal { path },
        Open::X11 {
            originator,
            originator_port: 5,
        },
        Open::AuthAgent,
        Open::AgentConnect,
        Open::Tun { mode: 1, unit: 2 },
        Open::Unknown {
            name: "a@b".to_owned(),
            body: vec![1, 2],
        },
    ];
    let (mut client, mut server) = (End::client(), End::server());
    for kind in kinds {
        client.mux.open(&mut client.out, &kind).unwrap();
        let payload = client.out.messages.pop_front().unwrap();
        server
            .mux
            .handle(payload, server.now, &mut server.out)
            .unwrap();
        let Some(ChannelEvent::OpenRequest { kind: got, .. }) = server.event() else {
            panic!()
        };
        assert_eq!(got, kind);
    }
}

#[test]
fn a_client_has_no_sessions() {
    let mut end = End::client();
    end.hear(&asks(3, msg::OpenKind::Session)).unwrap();
    assert_eq!(end.out.names(), ["refuse 3 1"]);
    assert_eq!(end.events(), []);
    end.assert_clean();
}

#[test]
fn too_many_pending_opens_are_refused() {
    let mut end = End::server();
    for _ in 0..limits::PENDING_OPENS {
        end.hear(&asks(1, msg::OpenKind::Session)).unwrap();
    }
    assert!(end.out.messages.is_empty());
    end.hear(&asks(2, msg::OpenKind::Session)).unwrap();
    assert_eq!(end.out.names(), ["refuse 2 4"]);
    // A decision makes a place.
    end.mux
        .refuse(&mut end.out, ChannelId(0), OpenReason::CONNECT_FAILED, "")
        .unwrap();
    end.out.messages.clear();
    end.hear(&asks(2, msg::OpenKind::Session)).unwrap();
    assert!(end.out.messages.is_empty());
}

#[test]
fn too_many_channels_are_refused_to_both_sides() {
    let mut end = End::server();
    for _ in 0..limits::CHANNELS {
        end.open();
    }
    end.hear(&asks(2, msg::OpenKind::Session)).unwrap();
    assert_eq!(end.out.names(), ["refuse 2 4"]);
    let ours = end.mux.open(&mut end.out, &Open::AuthAgent);
    assert_eq!(ours, Err(ChannelError::TooManyChannels));
    // However many there are, their windows are bounded.
    let least = u64::from(limits::WINDOW_LEAST) * 4096;
    assert!(end.mux.budget.used() <= limits::WINDOW_TOTAL + least);
}
