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
        let mut connection =
            Connection::server(ServerConfig::new("Fuzz", vec![host_key()]), rng, now);
        feed(&mut connection, bytes, piece, now)
    };
    let ((whole, end), (cut, cut_end)) = (run(bytes.len()), run(1));
    // What is quoted of a bad line is as much of it as came.
    let kind = |end: &Option<String>| end.as_ref().map(|e| e.split('"').next().map(str::to_owned));
    assert_eq!(kind(&end), kind(&cut_end), "the same end");
    if end == cut_end {
        assert_eq!(whole.len(), cut.len(), "the same answers");
    }
});
