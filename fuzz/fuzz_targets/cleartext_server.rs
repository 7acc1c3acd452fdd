//! What reaches a server before any key is agreed on: identification line,
//! packets, KEXINIT, the key exchange's own messages. How the bytes are cut
//! into pieces must not matter.
#![no_main]

use std::time::Instant;

use carrick_fuzz::{Counter, feed, host_key};
use carrick_proto::{Connection, ServerConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let now = Instant::now();
    let run = |piece| {
        let rng = Box::new(Counter::default());
        let mut connection = Connection::server(ServerConfig::new("Fuzz", vec![host_key()]), rng, now);
        feed(&mut connection, bytes, piece, now)
    };
    let whole = run(bytes.len());
    let cut = run(1);
    assert_eq!(whole.1, cut.1, "the same end");
    assert_eq!(whole.0.len(), cut.0.len(), "the same answers");
});
