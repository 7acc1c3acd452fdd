//! The first bytes of an X11 connection: whole or byte by byte, they come to the
//! same, and only the made-up cookie opens the display.
#![no_main]

use carrick_crypto::rng::Rng;
use carrick_proto::x11::{Fault, MIT_MAGIC_COOKIE_1, Spoof};
use carrick_wire::Secret;
use libfuzzer_sys::fuzz_target;

/// The made-up cookie, which the seeds know.
const FAKE: [u8; 16] = *b"made-up cookie..";
const REAL: [u8; 16] = [0xee; 16];
/// A message of ours: lengths, protocol and cookie, each filled up.
const MESSAGE: usize = 12 + 20 + 16;

struct Fixed;

impl Rng for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.copy_from_slice(&FAKE);
    }
}

fn run(spoof: &Spoof, input: &[u8], size: usize) -> Result<Option<Vec<u8>>, Fault> {
    let mut greeting = spoof.greet();
    let mut out: Option<Vec<u8>> = None;
    for piece in input.chunks(size) {
        match &mut out {
            None => {
                out = greeting.feed(piece)?.map(|message| message.expose().to_vec());
                assert!(greeting.held() <= MESSAGE + size);
            }
            Some(out) => out.extend_from_slice(piece),
        }
    }
    Ok(out)
}

fuzz_target!(|input: &[u8]| {
    let real = Secret::from(&REAL[..]);
    let Some(spoof) = Spoof::new(MIT_MAGIC_COOKIE_1, real, &mut Fixed) else {
        return;
    };
    let whole = run(&spoof, input, input.len().max(1));
    assert_eq!(run(&spoof, input, 1), whole);
    if let Ok(Some(told)) = whole {
        assert_eq!(input[32..48], FAKE);
        assert_eq!(told[32..48], REAL);
        assert_eq!(told[..32], input[..32]);
        assert_eq!(told[48..], input[48..]);
    }
});
