//! Messages between ssh-sk-helper and its callers, as each side reads the
//! other's: what is read is written and read as the same.
#![no_main]

use carrick_keys::helper::sk::{Answer, Asked, Enroll, Received, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(received) = Received::parse(bytes) {
        let request = match &received.asked {
            Asked::Sign {
                provider,
                key,
                data,
                pin,
            } => Request::Sign {
                provider,
                key,
                data,
                pin: pin.as_ref(),
            },
            Asked::Enroll(new, pin) => Request::Enroll(Enroll {
                pin: pin.as_ref(),
                ..*new
            }),
            Asked::LoadResident {
                provider,
                device,
                pin,
            } => Request::LoadResident {
                provider,
                device,
                pin: pin.as_ref(),
            },
        };
        let message = request.to_message(received.log);
        let again = Received::parse(&message[4..]).expect("our own");
        assert_eq!(format!("{:?}", again.log), format!("{:?}", received.log));
    }
    if let Ok(answer) = Answer::parse(bytes) {
        let message = answer.to_message();
        let again = Answer::parse(&message[4..]).expect("our own");
        assert_eq!(again.to_message(), message);
    }
});
