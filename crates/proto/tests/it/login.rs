//! Logging in: the order of requests and answers.

use carrick_proto::auth::{AuthRequest, ClientAuthEvent};
use carrick_proto::mux::{ChannelEvent, Open};
use carrick_proto::{Misuse, PeerFault};
use carrick_testkit::{Pair, Seen};

use crate::faults::fault;

/// A pair whose first attempt to log in failed.
fn refused(seed: u64) -> Pair {
    let mut pair = Pair::new(seed);
    pair.password = "wrong";
    pair.run();
    assert!(!pair.client.is_open());
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
    pair.client_seen.clear();
    pair
}

fn request(user: &str, method: &str) -> Vec<u8> {
    let mut request = vec![50];
    for text in [user, "ssh-connection", method] {
        request.extend((text.len() as u32).to_be_bytes());
        request.extend(text.as_bytes());
    }
    request
}

#[test]
fn keyboard_interactive_with_nothing_to_ask() {
    let mut pair = refused(1);
    let attempt = AuthRequest::KeyboardInteractive { devices: "" };
    pair.client.authenticate("tester", &attempt).unwrap();
    pair.run();
    let asked = format!("{:?}", pair.client_seen);
    assert!(
        asked.contains("Prompts") && asked.contains("prompts: []"),
        "{asked}"
    );
    pair.client.respond(&[]).unwrap();
    pair.run();
    assert!(pair.client.is_open() && pair.server.is_open());
}

#[test]
fn a_new_request_gives_up_the_prompts() {
    let mut pair = refused(2);
    let attempt = AuthRequest::KeyboardInteractive { devices: "" };
    pair.client.authenticate("tester", &attempt).unwrap();
    pair.run();
    pair.client
        .authenticate("tester", &AuthRequest::None)
        .unwrap();
    pair.run();
    assert_eq!(pair.client.respond(&[]), Err(Misuse::WrongPhase));
    assert_eq!((pair.client.error(), pair.server.error()), (None, None));
}

#[test]
fn clients_that_ask_for_the_service_again_and_again() {
    // Paramiko does so before each attempt.
    let mut pair = refused(3);
    for _ in 0..3 {
        pair.client.send_anything(b"\x05\0\0\0\x0cssh-userauth");
        pair.client.send_anything(&request("tester", "none"));
    }
    while pair.step_client() {}
    pair.to_client.clear();
    while pair.step_server() {}
    assert_eq!(pair.server.error(), None);
}

#[test]
fn requests_sent_without_waiting_are_answered_in_order() {
    let mut pair = refused(4);
    pair.client
        .authenticate("tester", &AuthRequest::None)
        .unwrap();
    for _ in 0..5 {
        pair.client.send_anything(&request("tester", "none"));
    }
    while pair.step_client() {}
    while pair.step_server() {}
    assert_eq!(pair.server.error(), None);
    pair.client.send_anything(&request("somebody", "none"));
    while pair.step_client() {}
    while pair.step_server() {}
    assert!(matches!(fault(&pair), PeerFault::UserChanged { .. }));
}

#[test]
fn a_channel_may_follow_the_success_at_once() {
    for compression in ["none", "zlib", "zlib@openssh.com"] {
        let mut pair = Pair::with(5, |client, server| {
            for common in [&mut client.common, &mut server.common] {
                common.preferences.compression = vec![compression.into()];
            }
        });
        while !pair.server.is_open() {
            assert!(pair.step());
            assert!(pair.client.error().is_none() && pair.server.error().is_none());
        }
        // In the same batch as the success.
        let mut channels = pair.server.channels().unwrap();
        channels.open(&Open::AuthAgent).unwrap();
        pair.run();
        assert_eq!((pair.client.error(), pair.server.error()), (None, None));
        let asked = |seen: &Seen| {
            matches!(
                seen,
                Seen::Channel(ChannelEvent::OpenRequest {
                    kind: Open::AuthAgent,
                    ..
                })
            )
        };
        assert!(pair.client_seen.iter().any(asked), "{compression}");
        let success = ClientAuthEvent::Success;
        assert!(pair.client_seen.contains(&Seen::LoggedIn), "{success:?}");
    }
}

#[test]
fn a_banner_before_the_service_is_a_misuse() {
    let mut pair = Pair::new(6);
    assert_eq!(pair.server.banner("hi"), Err(Misuse::WrongPhase));
    while pair.server.session_id().is_none() {
        pair.step();
        assert!(pair.server.banner("hi").is_err());
    }
    let mut pair = refused(7);
    assert_eq!(pair.server.banner("hi"), Ok(()));
    pair.run();
    assert!(format!("{:?}", pair.client_seen).contains("Banner("));
}

#[test]
fn an_answer_to_nothing_is_an_error() {
    for payload in [
        &[52][..],
        &[51, 0, 0, 0, 0, 0],
        &[60, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let mut pair = refused(8);
        pair.server.send_anything(payload);
        pair.run();
        let error = pair.client.error().unwrap().to_string();
        assert!(error.contains("between authentication requests"), "{error}");
    }
}
