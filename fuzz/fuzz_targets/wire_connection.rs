//! Payloads of the connection protocol, and the terminal modes in them.
#![no_main]

use carrick_fuzz::check_message;
use carrick_wire::msg::connection::{ConnectionMsg, Data, ExtendedData, RequestBody};
use carrick_wire::msg::modes::{self, Modes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    check_message!(ConnectionMsg, payload);
    match ConnectionMsg::decode(payload) {
        Ok(ConnectionMsg::Data(Data { recipient, data })) => {
            let header = Data::header(recipient, u32::try_from(data.len()).unwrap());
            assert_eq!(payload, [&header[..], data].concat());
        }
        Ok(ConnectionMsg::ExtendedData(ExtendedData {
            recipient,
            code,
            data,
        })) => {
            let len = u32::try_from(data.len()).unwrap();
            assert_eq!(
                payload,
                [&ExtendedData::header(recipient, code, len)[..], data].concat()
            );
        }
        Ok(ConnectionMsg::ChannelRequest(request)) => {
            if let RequestBody::PtyReq { modes, .. } = request.body {
                check_modes(modes);
            }
        }
        Ok(ConnectionMsg::RequestSuccess(success)) => {
            let _ = (success.port(), success.signatures());
        }
        _ => {}
    }
});

fn check_modes(encoded: &[u8]) {
    let read: Vec<_> = Modes::new(encoded).collect();
    assert!(
        read.iter().rev().skip(1).all(Result::is_ok),
        "only the last can be cut short"
    );
    let good: Vec<_> = read.into_iter().flatten().collect();
    let again = modes::encode(good.iter().copied());
    assert!(Modes::new(&again).eq(good.into_iter().map(Ok)));
}
