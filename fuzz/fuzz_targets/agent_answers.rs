//! What an agent answers, as its client reads it: in one piece or in many.
#![no_main]

use carrick_keys::agent::AgentClient;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let run = |piece: usize| {
        let mut client = AgentClient::new();
        let mut seen = 0;
        for part in bytes.chunks(piece.max(1)) {
            client.received(part);
            while let Ok(Some(response)) = client.next_response() {
                seen += 1;
                let _ = AgentClient::identities(response);
            }
        }
        seen
    };
    assert_eq!(run(bytes.len()), run(1));
});
