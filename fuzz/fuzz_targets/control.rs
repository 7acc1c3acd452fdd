//! What comes over a control socket, to a master and to a passenger: whatever
//! is understood says the same again when it is written.
#![no_main]

use carrick_wire::Encode;
use carrick_wire::control::{Answer, Ask, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((message, len))) = split(rest) {
        if let Ok(ask) = Ask::decode(message) {
            assert_eq!(Ask::decode(&ask.to_vec()), Ok(ask));
        }
        if let Ok(answer) = Answer::decode(message) {
            assert_eq!(Answer::decode(&answer.to_vec()), Ok(answer));
        }
        rest = &rest[len..];
    }
});
