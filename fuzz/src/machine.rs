//! The protocol machine under a fuzzer: bytes in, events dropped.

use std::time::{Duration, Instant};

use carrick_proto::{CommonConfig, Connection, Side};
use carrick_testkit::Pair;
use carrick_wire::names::{kex, key};

/// A public host key for the server's machine, with its algorithm: no one
/// signs with it.
pub fn host_key() -> (String, Vec<u8>) {
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    blob.extend_from_slice(&[7; 32]);
    (key::SSH_ED25519.to_owned(), blob)
}

/// Gives a machine some bytes in pieces of `piece`, as a socket would, and
/// takes all that comes out. Returns what it wrote and how it ended.
pub fn feed<S: Side>(
    connection: &mut Connection<S>,
    bytes: &[u8],
    piece: usize,
    start: Instant,
) -> (Vec<u8>, Option<String>) {
    let mut written = Vec::new();
    let mut now = start;
    for part in bytes.chunks(piece.max(1)) {
        if !connection.wants_read() {
            break;
        }
        let mut buf = connection.take_recv_buf();
        buf.extend_from_slice(part);
        now += Duration::from_millis(1);
        connection.handle_recv(buf, now);
        drain(connection, &mut written);
    }
    drain(connection, &mut written);
    (written, connection.error().map(ToString::to_string))
}

fn drain<S: Side>(connection: &mut Connection<S>, written: &mut Vec<u8>) {
    while connection.poll_event().is_some() {}
    while let Some(batch) = connection.poll_transmit() {
        let sealed = batch.seal();
        written.extend_from_slice(sealed.bytes());
        connection.recycle(sealed);
    }
}

/// A client and a server, logged in, with the cheapest key exchange and with
/// windows that fill up soon.
pub fn quick_pair() -> Pair {
    let quick = |config: &mut CommonConfig| {
        config.preferences.kex = vec![kex::CURVE25519_SHA256.to_owned()];
        config.mux.first_window = 64 * 1024;
        config.mux.max_window = 128 * 1024;
    };
    Pair::logged_in(1, |client, server| {
        quick(&mut client.common);
        quick(&mut server.common);
    })
}
