//! What messages promise besides their bytes: names, what is signed, what is
//! shown, what is refused.

use carrick_wire::msg::auth::{AuthMsg, InfoResponse, MethodBody, Request};
use carrick_wire::msg::connection::{
    ConnectionMsg, Data, GlobalBody, GlobalRequest, OpenFailureReason, RequestSuccess,
};
use carrick_wire::msg::kex::{DhMsg, EcdhMsg, GexMsg};
use carrick_wire::msg::message_name;
use carrick_wire::msg::transport::{DisconnectReason, ExtInfo, Extension, TransportMsg};
use carrick_wire::{DecodeError, Encode, Mpint, Reader, Text, Writer};

#[test]
fn an_empty_payload_has_no_number() {
    let expected = DecodeError::Truncated {
        field: "message number",
    };
    assert_eq!(TransportMsg::decode(b"").unwrap_err(), expected);
    assert_eq!(ConnectionMsg::decode(b"").unwrap_err(), expected);
}

#[test]
fn each_family_refuses_the_numbers_of_the_others() {
    for number in 0..=255u8 {
        let payload = [number];
        let families = [
            (
                TransportMsg::decode(&payload).err(),
                matches!(number, 1..=8 | 20 | 21 | 192 | 193),
            ),
            (AuthMsg::decode(&payload).err(), matches!(number, 50..=53)),
            (
                ConnectionMsg::decode(&payload).err(),
                matches!(number, 80..=82 | 90..=100),
            ),
            (EcdhMsg::decode(&payload).err(), matches!(number, 30 | 31)),
            (DhMsg::decode(&payload).err(), matches!(number, 30 | 31)),
            (GexMsg::decode(&payload).err(), matches!(number, 30..=34)),
        ];
        for (error, known) in families {
            let unknown = error == Some(DecodeError::UnknownMessage { number });
            assert_eq!(unknown, !known, "{number}: {error:?}");
        }
    }
}

#[test]
fn errors_name_the_message_and_the_field() {
    let error = ConnectionMsg::decode(b"\x5e\0\0\0\x01\0\0\0\x09abc").unwrap_err();
    assert_eq!(error.to_string(), "truncated in Data.data");
    let error = ConnectionMsg::decode(b"\x62\0\0\0\x01\0\0\0\x06signal\0\0\0\0\x02\xff\xff");
    assert_eq!(
        error.unwrap_err().to_string(),
        "Signal.name is not valid text"
    );
    let error = DhMsg::decode(b"\x1e\0\0\0\x01\x80").unwrap_err();
    assert_eq!(error, DecodeError::Invalid { field: "DhInit.e" });
}

#[test]
fn a_count_beyond_the_message_is_truncated_without_reserving() {
    let huge = b"\x3d\xff\xff\xff\xff\0\0\0\x02pw";
    let got = Reader::all::<InfoResponse<'_>>(huge);
    assert_eq!(
        got,
        Err(DecodeError::Truncated {
            field: "InfoResponse.responses"
        })
    );
    let got = TransportMsg::decode(b"\x07\xff\xff\xff\xff");
    assert_eq!(
        got,
        Err(DecodeError::Truncated {
            field: "ExtInfo.extensions"
        })
    );
}

#[test]
fn numbers_have_the_names_of_the_rfcs() {
    assert_eq!(message_name(20), "SSH_MSG_KEXINIT");
    assert_eq!(message_name(94), "SSH_MSG_CHANNEL_DATA");
    assert_eq!(message_name(192), "SSH2_MSG_PING");
    assert_eq!(message_name(255), "unassigned message");
    let message = ConnectionMsg::from(Data {
        recipient: 0,
        data: b"",
    });
    assert_eq!((message.number(), message.name()), (94, message_name(94)));
}

#[test]
fn codes_have_words_and_unknown_ones_survive() {
    assert_eq!(
        DisconnectReason::BY_APPLICATION.to_string(),
        "disconnected by application"
    );
    assert_eq!(DisconnectReason(99).to_string(), "unknown code 99");
    assert_eq!(
        OpenFailureReason(1).text(),
        Some("administratively prohibited")
    );
    let other = TransportMsg::decode(b"\x01\0\0\0\x63\0\0\0\0\0\0\0\0").unwrap();
    assert!(matches!(other, TransportMsg::Disconnect(d) if d.reason == DisconnectReason(99)));
}

#[test]
fn what_is_signed_is_the_request_up_to_the_signature() {
    for method in [
        MethodBody::PublicKey {
            algorithm: "a",
            key: b"k",
            signature: Some(b"sig"),
        },
        MethodBody::PublicKeyHostBound {
            algorithm: "a",
            key: b"k",
            host_key: b"h",
            signature: Some(b"sig"),
        },
        MethodBody::HostBased {
            algorithm: "a",
            key: b"k",
            host: "h",
            local_user: "l",
            signature: b"sig",
        },
    ] {
        let request = Request {
            user: "u",
            service: "s",
            method,
        };
        let payload = request.to_vec();
        let mut expected = Vec::new();
        let mut w = Writer::new(&mut expected);
        w.string(b"session");
        w.raw(&payload[..payload.len() - 7]);
        let signed = request.signed_data(b"session").unwrap();
        assert_eq!(signed, expected);
        assert_eq!(Request::signed_payload(&signed, 7, b"sig"), Some(payload));
        assert_eq!(Request::signed_payload(b"short", 7, b"sig"), None);
    }
}

#[test]
fn a_query_and_its_signed_form_sign_the_same_bytes() {
    let query = |signature| Request {
        user: "u",
        service: "s",
        method: MethodBody::PublicKey {
            algorithm: "a",
            key: b"k",
            signature,
        },
    };
    assert_eq!(
        query(None).signed_data(b"id"),
        query(Some(b"x")).signed_data(b"id")
    );
    let password = MethodBody::Password {
        password: b"pw",
        new: None,
    };
    let password = Request {
        user: "u",
        service: "s",
        method: password,
    };
    assert_eq!(password.signed_data(b"id"), None);
}

#[test]
fn secrets_and_data_are_not_shown() {
    let password = MethodBody::Password {
        password: b"hunter2",
        new: Some(b"hunter3"),
    };
    let request = Request {
        user: "u",
        service: "s",
        method: password,
    };
    let shown = format!("{:?}", AuthMsg::from(request));
    assert!(
        shown.contains("password") && !shown.contains("hunter"),
        "{shown}"
    );
    assert!(!shown.contains('7'), "not even a length: {shown}");

    let answers = InfoResponse {
        responses: vec![b"hunter2"],
    };
    let data = ConnectionMsg::from(Data {
        recipient: 5,
        data: b"hunter2",
    });
    for shown in [format!("{answers:?}"), format!("{data:?}")] {
        assert!(
            shown.contains("<7 bytes>") && !shown.contains("hunter"),
            "{shown}"
        );
        // Nor as a list of numbers.
        assert!(!shown.contains("104"), "{shown}");
    }
}

#[test]
fn text_that_is_not_utf8_is_kept_and_shown_with_marks() {
    let text = Text::from_bytes(b"gr\xfcn");
    assert_eq!(text.to_string(), "gr\u{fffd}n");
    assert_eq!(text.as_bytes(), b"gr\xfcn");
}

#[test]
fn extensions_are_found_by_name() {
    let info = ExtInfo {
        extensions: vec![Extension {
            name: "a",
            value: b"1",
        }],
    };
    assert_eq!(info.get("a"), Some(&b"1"[..]));
    assert_eq!(info.get("b"), None);
    assert!(format!("{info:?}").contains("a=1"));
}

#[test]
fn answers_to_global_requests_are_read_by_what_was_asked() {
    assert_eq!(
        RequestSuccess {
            data: b"\0\0\x1f\x90"
        }
        .port(),
        Ok(8080)
    );
    assert!(RequestSuccess { data: b"\0\0\x1f" }.port().is_err());
    assert!(
        RequestSuccess {
            data: b"\0\0\x1f\x90\0"
        }
        .port()
        .is_err()
    );
    let proofs = RequestSuccess {
        data: b"\0\0\0\x01a\0\0\0\x01b",
    };
    assert_eq!(proofs.signatures(), Ok(vec![&b"a"[..], b"b"]));
    assert!(
        RequestSuccess {
            data: b"\0\0\0\x02a"
        }
        .signatures()
        .is_err()
    );
}

#[test]
fn any_byte_but_zero_is_true() {
    let got = ConnectionMsg::decode(b"\x50\0\0\0\x15keepalive@openssh.com\x80").unwrap();
    let expected = GlobalRequest {
        want_reply: true,
        body: GlobalBody::Keepalive,
    };
    assert_eq!(got, ConnectionMsg::from(expected));
}

#[test]
fn the_zero_mpint_is_empty() {
    let zero = Mpint::from_magnitude(b"\0\0");
    assert_eq!(zero.magnitude(), b"");
    assert_eq!(DhMsg::decode(b"\x1e\0\0\0\0").map(|m| m.number()), Ok(30));
}
