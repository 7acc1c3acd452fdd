//! What a set-uid ssh-keysign reads from whoever started it, and what ssh reads
//! from it.
#![no_main]

use carrick_keys::keysign::{HostBased, KeysignRequest, message_len, parse_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((head, _)) = bytes.split_first_chunk() {
        let _ = message_len(*head);
    }
    let _ = parse_reply(bytes);
    if let Ok(request) = KeysignRequest::parse(bytes) {
        // What was read can be written again.
        assert_eq!(&request.to_message()[4..], bytes);
        if let Ok(asked) = HostBased::parse(request.data) {
            let host = asked.host.strip_suffix('.').unwrap_or_default();
            let own = HostBased::parse_for(request.data, &asked.local_user, host);
            assert_eq!(own.is_ok(), !host.is_empty());
            let other = format!("{}x", asked.local_user);
            assert!(HostBased::parse_for(request.data, &other, host).is_err());
        }
    }
    let _ = HostBased::parse(bytes);
});
