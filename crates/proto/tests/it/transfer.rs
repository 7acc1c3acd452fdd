//! Data, its end, and the end of channels and connections.

use carrick_proto::Error;
use carrick_proto::mux::{ChannelEvent, Request, Stream};
use carrick_testkit::Pair;
use carrick_wire::msg::transport::DisconnectReason;

use crate::{open_session, take};

#[test]
fn a_command_runs_and_ends() {
    let mut pair = Pair::logged_in(1, |_, _| {});
    let (ours, theirs) = open_session(&mut pair);
    let exec = Request::Exec {
        command: b"true".to_vec(),
    };
    pair.client
        .channels()
        .unwrap()
        .request(ours, &exec, true)
        .unwrap();
    pair.run();
    let reply = take(&mut pair.server_seen, |event| match event {
        ChannelEvent::Request { request, reply, .. } if *request == exec => Some(*reply),
        _ => None,
    });
    let mut channels = pair.server.channels().unwrap();
    channels.answer(theirs, reply.unwrap(), true).unwrap();
    channels.write(theirs, Stream::Data, b"out").unwrap();
    channels.write(theirs, Stream::Stderr, b"err").unwrap();
    channels.eof(theirs).unwrap();
    channels
        .request(theirs, &Request::ExitStatus { code: 3 }, false)
        .unwrap();
    channels.close(theirs).unwrap();
    pair.run();
    take(&mut pair.client_seen, |e| {
        matches!(e, ChannelEvent::Reply { ok: true, .. }).then_some(())
    });
    take(&mut pair.client_seen, |e| match e {
        ChannelEvent::Request {
            request: Request::ExitStatus { code: 3 },
            ..
        } => Some(()),
        _ => None,
    });
    take(&mut pair.client_seen, |e| {
        matches!(e, ChannelEvent::Closed(_)).then_some(())
    });
    let mut channels = pair.client.channels().unwrap();
    assert_eq!(
        channels.read(ours, Stream::Data).unwrap().unwrap(),
        &b"out"[..]
    );
    assert_eq!(
        channels.read(ours, Stream::Stderr).unwrap().unwrap(),
        &b"err"[..]
    );
    assert!(channels.at_eof(ours, Stream::Data));
}

#[test]
fn a_goodbye_is_heard() {
    let mut pair = Pair::logged_in(2, |_, _| {});
    pair.client
        .disconnect(DisconnectReason::BY_APPLICATION, "disconnected by user");
    pair.run();
    assert_eq!(
        pair.server.error(),
        Some(&Error::Disconnected {
            reason: 11,
            description: "disconnected by user".into()
        })
    );
    assert_eq!(pair.client.error(), Some(&Error::Ended));
}

#[test]
fn a_silent_peer_is_given_up() {
    use carrick_proto::KeepAlive;
    use std::time::Duration;
    let interval = Duration::from_secs(10);
    let mut pair = Pair::logged_in(3, |client, _| {
        client.common.keep_alive = Some(KeepAlive { interval, count: 2 });
    });
    // A peer that answers stays.
    for _ in 0..10 {
        pair.sleep(interval);
        pair.run();
    }
    assert_eq!(pair.client.error(), None);
    for _ in 0..4 {
        pair.sleep(interval);
        while pair.step_client() {}
        pair.to_server.clear();
    }
    assert_eq!(pair.client.error(), Some(&Error::Silent));
}

/// OpenSSH's `ext-info-in-auth`: the client of this pair always asks for it.
#[test]
fn a_user_may_have_algorithms_of_their_own() {
    let mut pair = Pair::new(4);
    while pair.client.session_id().is_none() {
        pair.step();
    }
    pair.run_until(|pair| pair.server_ext_info > 0);
    let only = vec!["ssh-ed25519".to_owned()];
    pair.server.set_user_algorithms(only.clone()).unwrap();
    pair.server.set_user_algorithms(only).unwrap();
    pair.log_in();
    assert_eq!(pair.client_ext_info, 2, "the first, and one change");
}
