//! Requests and their replies, on channels and globally.

use super::*;

fn asks(id: ChannelId, want_reply: bool, body: msg::RequestBody<'_>) -> msg::ChannelRequest<'_> {
    msg::ChannelRequest {
        recipient: id.0,
        want_reply,
        body,
    }
}

/// The reply ids of all requests that wait as events.
fn asked(end: &mut End) -> Vec<RequestId> {
    end.events()
        .into_iter()
        .map(|event| match event {
            ChannelEvent::Request {
                reply: Some(reply), ..
            } => reply,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn answers_leave_in_the_order_of_the_requests() {
    let mut end = End::server();
    let (a, b) = (end.open(), end.opened_by_peer(88, 1, 1));
    end.hear(&asks(a, true, msg::RequestBody::Shell)).unwrap();
    end.hear(&asks(b, true, msg::RequestBody::Shell)).unwrap();
    end.hear(&asks(a, true, msg::RequestBody::Keepalive))
        .unwrap();
    end.hear(&asks(a, true, msg::RequestBody::Exec { command: b"ls" }))
        .unwrap();
    let [first, other, last] = asked(&mut end)[..] else {
        panic!()
    };
    end.mux.answer(&mut end.out, a, last, true).unwrap();
    assert!(end.out.messages.is_empty());
    end.mux.answer(&mut end.out, b, other, false).unwrap();
    end.mux.answer(&mut end.out, a, first, true).unwrap();
    assert_eq!(
        end.out.names(),
        ["failure 88", "success 77", "failure 77", "success 77"]
    );
    assert_eq!(
        end.mux.answer(&mut end.out, a, first, true),
        Err(ChannelError::NotAsked)
    );
    assert_eq!(
        end.mux.answer(&mut end.out, a, other, true),
        Err(ChannelError::NotAsked)
    );
}

#[test]
fn a_request_that_wants_no_reply_has_none() {
    let mut end = End::server();
    let id = end.open();
    end.hear(&asks(id, false, msg::RequestBody::Keepalive))
        .unwrap();
    end.hear(&asks(id, false, msg::RequestBody::Signal { name: "INT" }))
        .unwrap();
    let request = Request::Signal {
        name: "INT".to_owned(),
    };
    assert_eq!(
        end.events(),
        [ChannelEvent::Request {
            id,
            request,
            reply: None
        }]
    );
    assert!(end.out.messages.is_empty());
}

#[test]
fn nothing_is_answered_after_close() {
    let mut end = End::server();
    let id = end.open();
    end.hear(&asks(id, true, msg::RequestBody::Shell)).unwrap();
    let [reply] = asked(&mut end)[..] else {
        panic!()
    };
    end.hear(&msg::Close { recipient: id.0 }).unwrap();
    assert_eq!(
        end.mux.answer(&mut end.out, id, reply, true),
        Err(ChannelError::Closed)
    );
    assert_eq!(end.out.names(), ["close 77"]);
}

#[test]
fn replies_are_matched_in_order() {
    let mut end = End::server();
    let id = end.open();
    let ask = |end: &mut End, reply| {
        end.mux
            .request(&mut end.out, id, &Request::Break { ms: 1 }, reply)
            .unwrap()
    };
    let (first, _, second) = (
        ask(&mut end, true),
        ask(&mut end, false),
        ask(&mut end, true),
    );
    end.hear(&msg::ChannelFailure { recipient: id.0 }).unwrap();
    end.hear(&msg::ChannelSuccess { recipient: id.0 }).unwrap();
    assert_eq!(
        end.events(),
        [
            ChannelEvent::Reply {
                id,
                request: first,
                ok: false
            },
            ChannelEvent::Reply {
                id,
                request: second,
                ok: true
            }
        ]
    );
}

#[test]
fn our_own_unreplied_requests_are_bounded() {
    let mut end = End::server();
    let id = end.open();
    for _ in 0..limits::PENDING_REPLIES {
        end.mux
            .request(&mut end.out, id, &Request::Shell, true)
            .unwrap();
        end.mux
            .global_request(&mut end.out, &GlobalRequest::Keepalive, true)
            .unwrap();
    }
    let more = end.mux.request(&mut end.out, id, &Request::Shell, true);
    assert_eq!(more, Err(ChannelError::TooManyRequests));
    let more = end
        .mux
        .global_request(&mut end.out, &GlobalRequest::Keepalive, true);
    assert_eq!(more, Err(ChannelError::TooManyRequests));
}

#[test]
fn every_request_goes_there_and_back() {
    let size = PtySize {
        cols: 80,
        rows: 24,
        width_px: 1,
        height_px: 2,
    };
    let name = || "n".to_owned();
    let requests = [
        Request::Pty {
            term: "xterm".to_owned(),
            size,
            modes: vec![0],
        },
        Request::X11 {
            single: true,
            protocol: name(),
            cookie: b"00".to_vec(),
            screen: 3,
        },
        Request::Env {
            name: name(),
            value: b"\xff".to_vec(),
        },
        Request::Shell,
        Request::Exec {
            command: b"ls".to_vec(),
        },
        Request::Subsystem {
            name: "sftp".to_owned(),
        },
        Request::WindowChange(size),
        Request::XonXoff {
            client_can_do: true,
        },
        Request::Signal {
            name: "TERM".to_owned(),
        },
        Request::ExitStatus { code: 255 },
        Request::ExitSignal {
            name: name(),
            core_dumped: true,
            message: name(),
            language: name(),
        },
        Request::Break { ms: 500 },
        Request::EndOfWrite,
        Request::AuthAgent,
        Request::AgentReq,
        Request::Unknown {
            name: "a@b".to_owned(),
            body: vec![9],
        },
    ];
    let mut end = End::server();
    let id = end.opened_by_peer(0, 1, 1);
    for request in requests {
        end.mux.request(&mut end.out, id, &request, false).unwrap();
        let payload = end.out.messages.pop_front().unwrap();
        end.mux.handle(payload, end.now, &mut end.out).unwrap();
        assert_eq!(
            end.event(),
            Some(ChannelEvent::Request {
                id,
                request,
                reply: None
            })
        );
    }
}

#[test]
fn global_answers_leave_in_the_order_of_the_requests() {
    let mut end = End::server();
    let ask = |end: &mut End, body| {
        end.hear(&msg::GlobalRequest {
            want_reply: true,
            body,
        })
        .unwrap();
    };
    ask(
        &mut end,
        msg::GlobalBody::TcpipForward {
            address: "",
            port: 0,
        },
    );
    ask(&mut end, msg::GlobalBody::Keepalive);
    ask(
        &mut end,
        msg::GlobalBody::Unknown {
            name: "x@y",
            body: b"z",
        },
    );
    ask(&mut end, msg::GlobalBody::NoMoreSessions);
    assert!(end.out.messages.is_empty());
    let request = GlobalRequest::TcpipForward {
        address: String::new(),
        port: 0,
    };
    let [
        ChannelEvent::GlobalRequest {
            request: got,
            reply: Some(id),
        },
    ] = &end.events()[..]
    else {
        panic!()
    };
    assert_eq!(*got, request);
    end.mux
        .answer_global(&mut end.out, *id, GlobalAnswer::Success(vec![0, 0, 4, 1]))
        .unwrap();
    assert_eq!(
        end.out.names(),
        ["granted 4", "denied", "denied", "granted 0"]
    );
    let again = end
        .mux
        .answer_global(&mut end.out, *id, GlobalAnswer::Failure);
    assert_eq!(again, Err(ChannelError::NotAsked));
    end.assert_clean();
}

#[test]
fn every_global_request_goes_there_and_back() {
    let address = "::".to_owned();
    let keys = vec![b"one".to_vec(), b"two".to_vec()];
    let path = b"/s".to_vec();
    let requests = [
        GlobalRequest::TcpipForward {
            address: address.clone(),
            port: 1,
        },
        GlobalRequest::CancelTcpipForward { address, port: 1 },
        GlobalRequest::StreamlocalForward { path: path.clone() },
        GlobalRequest::CancelStreamlocalForward { path },
        GlobalRequest::HostKeys { keys: keys.clone() },
        GlobalRequest::HostKeysProve { keys },
    ];
    let mut end = End::client();
    for request in requests {
        end.mux
            .global_request(&mut end.out, &request, false)
            .unwrap();
        let payload = end.out.messages.pop_front().unwrap();
        end.mux.handle(payload, end.now, &mut end.out).unwrap();
        assert_eq!(
            end.event(),
            Some(ChannelEvent::GlobalRequest {
                request,
                reply: None
            })
        );
    }
}

#[test]
fn global_replies_are_matched_in_order() {
    let mut end = End::client();
    let forward = GlobalRequest::TcpipForward {
        address: String::new(),
        port: 0,
    };
    let first = end
        .mux
        .global_request(&mut end.out, &forward, true)
        .unwrap();
    let alive = GlobalRequest::Keepalive;
    let second = end.mux.global_request(&mut end.out, &alive, true).unwrap();
    end.hear(&msg::RequestSuccess {
        data: &[0, 0, 4, 1],
    })
    .unwrap();
    end.hear(&msg::RequestFailure {}).unwrap();
    let data = Bytes::from_static(&[0, 0, 4, 1]);
    assert_eq!(
        end.events(),
        [
            ChannelEvent::GlobalReply {
                id: first,
                ok: true,
                data
            },
            ChannelEvent::GlobalReply {
                id: second,
                ok: false,
                data: Bytes::new()
            }
        ]
    );
    end.assert_clean();
}

#[test]
fn extensions_are_sent_only_to_those_who_know_them() {
    for openssh_peer in [false, true] {
        let config = MuxConfig {
            openssh_peer,
            ..MuxConfig::default()
        };
        let mut end = End::new(Role::Client, config);
        end.mux
            .global_request(&mut end.out, &GlobalRequest::NoMoreSessions, false)
            .unwrap();
        let id = end.mux.open(&mut end.out, &Open::Session).unwrap();
        end.hear(&msg::OpenConfirmation {
            recipient: id.0,
            sender: 5,
            window: 0,
            max_packet: 3,
            body: &[],
        })
        .unwrap();
        end.mux.discard(&mut end.out, id).unwrap();
        end.mux.discard(&mut end.out, id).unwrap();
        let expected: &[&str] = if openssh_peer {
            &[
                "global no-more-sessions@openssh.com",
                "open 0 session",
                "request 5 eow@openssh.com",
            ]
        } else {
            &["open 0 session"]
        };
        assert_eq!(end.out.names(), expected);
    }
}

#[test]
fn a_peer_that_does_not_know_a_request_is_as_good_as_one_that_denies_it() {
    let mut end = End::client();
    let request = GlobalRequest::NoMoreSessions;
    let id = end
        .mux
        .global_request(&mut end.out, &request, true)
        .unwrap();
    let data = Bytes::new();
    assert_eq!(
        end.events(),
        [ChannelEvent::GlobalReply {
            id,
            ok: false,
            data
        }]
    );
    end.assert_clean();
}
