//! What the fuzz targets share.

mod machine;
mod system;

pub use machine::{feed, host_key, quick_pair};
pub use system::NoSystem;

use carrick_crypto::rng::Rng;

/// Bytes that depend on nothing, so that a crash repeats.
#[derive(Debug, Default)]
pub struct Counter(u64);

impl Rng for Counter {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            // SplitMix64's step: spread enough for code that draws until it likes the number.
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = z.to_be_bytes()[0];
        }
    }
}

/// The promises that every message decoder makes about every input: what
/// decodes also encodes, and to a payload that decodes to the same message.
/// What is shown for a log stays in proportion to the payload.
#[macro_export]
macro_rules! check_message {
    ($family:ident, $payload:expr) => {
        if let Ok(message) = $family::decode($payload) {
            let again = carrick_wire::Encode::to_vec(&message);
            assert_eq!(again.first(), Some(&message.number()));
            assert_eq!($family::decode(&again).as_ref(), Ok(&message));
            assert!(format!("{message:?}").len() <= 1000 + 64 * $payload.len());
        }
    };
}
