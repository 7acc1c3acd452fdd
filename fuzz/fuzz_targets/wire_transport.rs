//! Payloads of the transport layer.
#![no_main]

use carrick_fuzz::check_message;
use carrick_wire::msg::transport::TransportMsg;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    check_message!(TransportMsg, payload);
    if let Ok(TransportMsg::KexInit(init)) = TransportMsg::decode(payload) {
        for list in [init.kex, init.host_key, init.cipher_c2s, init.mac_s2c] {
            for name in list.iter() {
                assert!(!name.is_empty() && list.contains(name));
            }
        }
    }
});
