//! A client's messages: what decodes encodes to the same bytes, but for
//! attributes that are passed over, and for `check-file`, which is a name for
//! what we call `check-file-handle`.
#![no_main]

use carrick_sftp::msg::{Extended, Request, decode_init};
use carrick_wire::Writer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let _ = decode_init(message);
    let Ok((id, request)) = Request::decode(message) else {
        return;
    };
    assert_eq!(Request::id_of(message), Some(id));
    let mut again = Vec::new();
    request.encode(&mut Writer::new(&mut again), id);
    let longer = match request {
        Request::Extended(Extended::CheckFile(_)) => "-handle".len(),
        _ => 0,
    };
    assert!(again.len() <= message.len() + longer);
    assert_eq!(Request::decode(&again), Ok((id, request)));
});
