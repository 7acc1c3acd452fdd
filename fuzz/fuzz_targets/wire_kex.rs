//! Payloads of the key exchange methods, under each family.
#![no_main]

use carrick_fuzz::check_message;
use carrick_wire::msg::kex::{DhMsg, EcdhMsg, GexMsg};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    check_message!(EcdhMsg, payload);
    check_message!(DhMsg, payload);
    check_message!(GexMsg, payload);
});
