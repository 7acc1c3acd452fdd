//! What a master tells of its connection (`-O conninfo`, `-O channels`).

use std::fmt::Write as _;

use carrick::Connection;

use super::master::Master;
use crate::account;

/// About the connection as a whole, in OpenSSH 10.3's lines.
pub(in crate::ssh) fn connection(connection: &Connection) -> String {
    let mut text = format!(
        "Connection information for {} pid {}\r\n  server {}\r\n",
        account::host_name(),
        std::process::id(),
        connection.peer_ident()
    );
    // Writing to a String cannot fail.
    if let Some(n) = connection.negotiated() {
        let both = |c2s: &str, s2c: &str| {
            if c2s == s2c {
                c2s.to_owned()
            } else {
                format!("{s2c} in, {c2s} out")
            }
        };
        let mac = |name: Option<&'static str>| name.unwrap_or("<implicit>");
        let _ = write!(
            text,
            "  kexalgorithm {}\r\n  hostkeyalgorithm {}\r\n  cipher {}\r\n  mac {}\r\n  \
             compression {}\r\n",
            n.kex,
            n.host_key,
            both(n.c2s.cipher, n.s2c.cipher),
            both(mac(n.c2s.mac), mac(n.s2c.mac)),
            both(n.c2s.compression, n.s2c.compression),
        );
    }
    let (sent, received) = connection.transferred();
    let _ = write!(
        text,
        "  traffic {} in, {} out\r\n",
        scaled(received),
        scaled(sent)
    );
    text
}

/// What is open.
pub(super) fn channels(master: &Master) -> String {
    let mut text = "The following connections are open:\r\n".to_owned();
    for (number, kind) in master.sessions() {
        let _ = write!(text, "  #{number} {kind}\r\n");
    }
    let _ = write!(
        text,
        "{}  {} control connections\r\n",
        master.forwards().about(),
        master.guests()
    );
    text
}

/// Bytes, in units of 1024 as people read them.
fn scaled(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];
    let (mut whole, mut rest, mut unit) = (bytes, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 {
        format!("{whole}{name}")
    } else {
        format!("{whole}.{}{name}", rest * 10 / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0KB"),
            (1536, "1.5KB"),
            (5 * 1024 * 1024 - 1, "4.9MB"),
        ] {
            assert_eq!(scaled(bytes), text);
        }
    }
}
