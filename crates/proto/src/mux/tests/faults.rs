//! A peer that breaks the rules, in one way at a time.

use super::*;
use carrick_wire::DecodeError;

fn wrong(end: &mut End, message: &dyn Encode, fault: &MuxFault, says: &str) {
    assert_eq!(end.hear(message).as_ref(), Err(fault));
    assert_eq!(fault.to_string(), says);
}

#[test]
fn malformed() {
    let mut end = End::server();
    let payload = Bytes::from_static(b"\x61\0\0\0\0\0");
    let now = end.now;
    let fault = end.mux.handle(payload, now, &mut end.out).unwrap_err();
    assert_eq!(
        fault,
        MuxFault::Malformed(DecodeError::Trailing { left: 1 })
    );
    assert_eq!(
        fault.to_string(),
        "malformed channel message: 1 trailing bytes"
    );
}

#[test]
fn unknown_channel() {
    let mut end = End::server();
    let fault = MuxFault::UnknownChannel {
        message: "SSH_MSG_CHANNEL_DATA",
        channel: 9,
    };
    let says = "SSH_MSG_CHANNEL_DATA for channel 9, which does not exist";
    wrong(
        &mut end,
        &msg::Data {
            recipient: 9,
            data: b"x",
        },
        &fault,
        says,
    );
}

#[test]
fn every_message_for_an_unknown_channel() {
    let body = msg::RequestBody::Shell;
    let messages: [&dyn Encode; 10] = [
        &msg::Data {
            recipient: 9,
            data: b"x",
        },
        &msg::ExtendedData {
            recipient: 9,
            code: 1,
            data: b"x",
        },
        &msg::WindowAdjust {
            recipient: 9,
            bytes: 1,
        },
        &msg::Eof { recipient: 9 },
        &msg::Close { recipient: 9 },
        &msg::ChannelRequest {
            recipient: 9,
            want_reply: false,
            body,
        },
        &msg::ChannelSuccess { recipient: 9 },
        &msg::ChannelFailure { recipient: 9 },
        &msg::OpenConfirmation {
            recipient: 9,
            sender: 1,
            window: 1,
            max_packet: 1,
            body: &[],
        },
        &msg::OpenFailure {
            recipient: 9,
            reason: OpenReason::CONNECT_FAILED,
            description: "".into(),
            language: "",
        },
    ];
    for message in messages {
        let fault = End::server().hear(message).unwrap_err();
        assert!(
            matches!(fault, MuxFault::UnknownChannel { channel: 9, .. }),
            "{fault}"
        );
    }
}

#[test]
fn a_closed_channel_and_an_offered_one_do_not_exist() {
    let mut end = End::server();
    let id = end.open();
    end.hear(&msg::Close { recipient: id.0 }).unwrap();
    let fault = end.hear(&msg::Close { recipient: id.0 }).unwrap_err();
    assert!(matches!(fault, MuxFault::UnknownChannel { .. }));
    let kind = msg::OpenKind::Session;
    end.hear(&msg::ChannelOpen {
        sender: 0,
        window: 1,
        max_packet: 1,
        kind,
    })
    .unwrap();
    let fault = end.hear(&msg::Close { recipient: 1 }).unwrap_err();
    assert!(matches!(fault, MuxFault::UnknownChannel { .. }));
}

#[test]
fn not_open() {
    let mut end = End::client();
    let id = end.mux.open(&mut end.out, &Open::Session).unwrap();
    let fault = MuxFault::NotOpen {
        message: "SSH_MSG_CHANNEL_EOF",
        channel: id,
    };
    let says = "SSH_MSG_CHANNEL_EOF for channel 0, which is not open yet";
    wrong(&mut end, &msg::Eof { recipient: id.0 }, &fault, says);
}

#[test]
fn already_open() {
    let mut end = End::server();
    let id = end.open();
    let message = "SSH_MSG_CHANNEL_OPEN_CONFIRMATION";
    let fault = MuxFault::AlreadyOpen {
        message,
        channel: id,
    };
    let says = "SSH_MSG_CHANNEL_OPEN_CONFIRMATION for channel 0, which is open already";
    let confirmation = msg::OpenConfirmation {
        recipient: id.0,
        sender: 1,
        window: 1,
        max_packet: 1,
        body: &[],
    };
    wrong(&mut end, &confirmation, &fault, says);
}

#[test]
fn data_after_eof() {
    let mut end = End::server();
    let id = end.open();
    end.hear(&msg::Eof { recipient: id.0 }).unwrap();
    let fault = MuxFault::DataAfterEof {
        channel: id,
        len: 3,
    };
    let says = "3 bytes of data after eof on channel 0";
    let data = msg::ExtendedData {
        recipient: id.0,
        code: 1,
        data: b"abc",
    };
    wrong(&mut end, &data, &fault, says);
}

#[test]
fn eof_twice() {
    let mut end = End::server();
    let id = end.open();
    end.hear(&msg::Eof { recipient: id.0 }).unwrap();
    let fault = MuxFault::EofTwice { channel: id };
    wrong(
        &mut end,
        &msg::Eof { recipient: id.0 },
        &fault,
        "second eof on channel 0",
    );
}

#[test]
fn window_exceeded() {
    let config = MuxConfig {
        first_window: 5,
        ..MuxConfig::default()
    };
    let mut end = End::new(Role::Server, config);
    let id = end.open();
    end.hear_data(id, b"abc").unwrap();
    let fault = MuxFault::WindowExceeded {
        channel: id,
        window: 2,
        len: 3,
    };
    let says = "3 bytes of data on channel 0, whose window is 2";
    wrong(
        &mut end,
        &msg::Data {
            recipient: id.0,
            data: b"def",
        },
        &fault,
        says,
    );
}

#[test]
fn packet_too_large() {
    let mut end = End::server();
    let id = end.open();
    let data = vec![0; 32 * 1024 + 1];
    let fault = MuxFault::PacketTooLarge {
        channel: id,
        max: 32768,
        len: 32769,
    };
    let says = "32769 bytes of data in one packet on channel 0, whose maximum is 32768";
    wrong(
        &mut end,
        &msg::Data {
            recipient: id.0,
            data: &data,
        },
        &fault,
        says,
    );
}

#[test]
fn window_overflow() {
    let mut end = End::server();
    let id = end.open();
    let fault = MuxFault::WindowOverflow {
        channel: id,
        window: u32::MAX,
        add: 1,
    };
    let says = "window of channel 0 overflows: 4294967295 and 1 more";
    wrong(
        &mut end,
        &msg::WindowAdjust {
            recipient: id.0,
            bytes: 1,
        },
        &fault,
        says,
    );
}

#[test]
fn no_packet_size() {
    let mut end = End::server();
    let kind = msg::OpenKind::Session;
    let open = msg::ChannelOpen {
        sender: 4,
        window: 1,
        max_packet: 0,
        kind,
    };
    let fault = MuxFault::NoPacketSize { channel: 4 };
    wrong(
        &mut end,
        &open,
        &fault,
        "maximum packet size 0 on channel 4",
    );
    let mut end = End::client();
    let id = end.mux.open(&mut end.out, &Open::Session).unwrap();
    let confirmation = msg::OpenConfirmation {
        recipient: id.0,
        sender: 1,
        window: 1,
        max_packet: 0,
        body: &[],
    };
    let fault = MuxFault::NoPacketSize { channel: 0 };
    wrong(
        &mut end,
        &confirmation,
        &fault,
        "maximum packet size 0 on channel 0",
    );
}

#[test]
fn unexpected_reply() {
    let mut end = End::server();
    let id = end.open();
    end.mux
        .request(&mut end.out, id, &Request::Break { ms: 0 }, false)
        .unwrap();
    let fault = MuxFault::UnexpectedReply { channel: id };
    let says = "reply on channel 0, where no request waits for one";
    wrong(
        &mut end,
        &msg::ChannelSuccess { recipient: id.0 },
        &fault,
        says,
    );
}

#[test]
fn unexpected_global_reply() {
    let mut end = End::server();
    let fault = MuxFault::UnexpectedGlobalReply;
    let says = "reply to a global request, where none waits for one";
    wrong(&mut end, &msg::RequestFailure {}, &fault, says);
}

#[test]
fn too_many_requests() {
    let mut end = End::server();
    let id = end.open();
    let body = msg::RequestBody::Env {
        name: "A",
        value: b"b",
    };
    let mut request = msg::ChannelRequest {
        recipient: id.0,
        want_reply: true,
        body,
    };
    for _ in 0..limits::PENDING_REQUESTS {
        end.hear(&request).unwrap();
    }
    let fault = MuxFault::TooManyRequests {
        channel: id,
        max: limits::PENDING_REQUESTS,
    };
    wrong(
        &mut end,
        &request,
        &fault,
        "more than 128 unanswered requests on channel 0",
    );
    // Those that want no reply are bounded by the events alone.
    request.want_reply = false;
    end.hear(&request).unwrap();
}

#[test]
fn too_many_global_requests() {
    let mut end = End::server();
    let body = msg::GlobalBody::TcpipForward {
        address: "",
        port: 0,
    };
    let request = msg::GlobalRequest {
        want_reply: true,
        body,
    };
    for _ in 0..limits::PENDING_GLOBAL_REQUESTS {
        end.hear(&request).unwrap();
    }
    let fault = MuxFault::TooManyGlobalRequests {
        max: limits::PENDING_GLOBAL_REQUESTS,
    };
    wrong(
        &mut end,
        &request,
        &fault,
        "more than 128 unanswered global requests",
    );
}

#[test]
fn too_many_host_keys() {
    let mut end = End::client();
    let body = msg::GlobalBody::HostKeys {
        keys: vec![b"key"; limits::HOST_KEYS + 1],
    };
    let fault = MuxFault::TooManyHostKeys {
        max: limits::HOST_KEYS,
    };
    let says = "more than 256 host keys in one message";
    wrong(
        &mut end,
        &msg::GlobalRequest {
            want_reply: false,
            body,
        },
        &fault,
        says,
    );
}

#[test]
fn too_many_events() {
    let mut end = End::server();
    let id = end.open();
    let body = msg::RequestBody::WindowChange {
        cols: 1,
        rows: 1,
        width_px: 0,
        height_px: 0,
    };
    let request = msg::ChannelRequest {
        recipient: id.0,
        want_reply: false,
        body,
    };
    for n in 0..limits::EVENTS * 2 {
        assert_eq!(end.mux.wants_input(), n < limits::EVENTS);
        end.hear(&request).unwrap();
    }
    let fault = MuxFault::TooManyEvents {
        max: limits::EVENTS * 2,
    };
    wrong(
        &mut end,
        &request,
        &fault,
        "more than 2048 events not yet taken",
    );
    assert_eq!(end.events().len(), limits::EVENTS * 2);
    assert!(end.mux.wants_input());
}

#[test]
fn large_events_stop_the_input_too() {
    let mut end = End::server();
    let id = end.open();
    let command = vec![b'x'; 200_000];
    let body = msg::RequestBody::Exec { command: &command };
    let request = msg::ChannelRequest {
        recipient: id.0,
        want_reply: false,
        body,
    };
    for _ in 0..6 {
        assert!(end.mux.wants_input());
        end.hear(&request).unwrap();
    }
    assert!(!end.mux.wants_input());
    end.event();
    assert!(end.mux.wants_input());
}

#[test]
fn text_too_long() {
    let mut end = End::server();
    let id = end.open();
    let name = "x".repeat(limits::TEXT + 1);
    let body = msg::RequestBody::Subsystem { name: &name };
    let request = msg::ChannelRequest {
        recipient: id.0,
        want_reply: false,
        body,
    };
    let fault = MuxFault::TextTooLong {
        field: "subsystem",
        len: 8193,
        max: 8192,
    };
    wrong(
        &mut end,
        &request,
        &fault,
        "subsystem of 8193 bytes, the most is 8192",
    );
}

#[test]
fn session_after_no_more() {
    let mut end = End::server();
    let body = msg::GlobalBody::NoMoreSessions;
    end.hear(&msg::GlobalRequest {
        want_reply: false,
        body,
    })
    .unwrap();
    let tcp = msg::OpenKind::DirectTcpip {
        host: "h",
        port: 1,
        originator: "o",
        originator_port: 2,
    };
    end.hear(&msg::ChannelOpen {
        sender: 0,
        window: 1,
        max_packet: 1,
        kind: tcp,
    })
    .unwrap();
    let kind = msg::OpenKind::Session;
    let open = msg::ChannelOpen {
        sender: 1,
        window: 1,
        max_packet: 1,
        kind,
    };
    let says = "session opened after no-more-sessions@openssh.com";
    wrong(&mut end, &open, &MuxFault::SessionAfterNoMore, says);
}
