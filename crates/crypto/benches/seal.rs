//! How fast packets are sealed and opened: `cargo bench -p carrick-crypto`.
//! Not a test: it prints, for each suite, MB/s over 32 KiB packets and the
//! time of a packet with 32 bytes of payload.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::{Duration, Instant};

use carrick_crypto::packet::{Cipher, Mac, Open, PacketPos, Seal, cipher, mac};

const SUITES: &[(&str, &str)] = &[
    ("chacha20-poly1305@openssh.com", ""),
    ("aes128-gcm@openssh.com", ""),
    ("aes256-gcm@openssh.com", ""),
    ("aes128-ctr", "umac-64-etm@openssh.com"),
    ("aes128-ctr", "umac-128-etm@openssh.com"),
    ("aes128-ctr", "hmac-sha2-256-etm@openssh.com"),
    ("aes128-ctr", "hmac-sha2-512-etm@openssh.com"),
    ("aes128-ctr", "hmac-sha1-etm@openssh.com"),
    ("aes128-cbc", "hmac-sha1"),
];

/// Calls `f` for a third of a second; the time of one call in the best of
/// five slices.
fn time(mut f: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let (start, mut calls) = (Instant::now(), 0u32);
        while start.elapsed() < Duration::from_millis(70) {
            for _ in 0..8 {
                f();
            }
            calls += 8;
        }
        best = best.min(start.elapsed() / calls);
    }
    best
}

struct Times {
    seal: Duration,
    open: Option<Duration>,
}

fn measure(cipher: &Cipher, mac: Option<&Mac>, payload: usize) -> Times {
    let framing = cipher.framing(mac);
    let apart = if framing.length_apart { 4 } else { 0 };
    let len = (payload + 9 - apart).next_multiple_of(framing.block) + apart;
    let mut packet = vec![0x5a; len + framing.tag];
    packet[..4].copy_from_slice(&u32::try_from(len - 4).unwrap_or(0).to_be_bytes());
    let (key, iv) = (vec![1; cipher.key_len], vec![2; cipher.iv_len]);
    let mac_key = vec![3; mac.map_or(0, |mac| mac.key_len)];
    let pos = PacketPos {
        seq: 7,
        index: 7,
        block: 7,
    };
    match (
        cipher.seal(mac, &key, &iv, &mac_key),
        cipher.open(mac, &key, &iv, &mac_key),
    ) {
        (Seal::Free(seal), Open::Free(open)) => {
            let mut data = packet.clone();
            let sealing = time(|| seal.seal(pos, &mut data));
            seal.seal(pos, &mut packet);
            let opening = time(|| {
                data.copy_from_slice(&packet);
                assert!(
                    open.open(pos, &mut data).is_ok(),
                    "{} refused its own packet",
                    cipher.name
                );
            });
            Times {
                seal: sealing,
                open: Some(opening),
            }
        }
        (Seal::Chained(mut seal), _) => Times {
            seal: time(|| seal.seal(pos, &mut packet)),
            open: None,
        },
        _ => unreachable!("both sides are of one sort"),
    }
}

fn main() {
    println!(
        "{:58} {:>10} {:>10} {:>9}",
        "suite", "seal MB/s", "open MB/s", "small ns"
    );
    for (cipher_name, mac_name) in SUITES {
        let Some(cipher) = cipher(cipher_name) else {
            continue;
        };
        let mac = mac(mac_name);
        let large = measure(cipher, mac, 32 * 1024);
        let small = measure(cipher, mac, 32);
        let rate = |time: Duration| format!("{:.0}", 32.768e-3 / time.as_secs_f64());
        println!(
            "{:58} {:>10} {:>10} {:>9}",
            format!("{cipher_name} {mac_name}"),
            rate(large.seal),
            large.open.map_or_else(String::new, rate),
            small.seal.as_nanos(),
        );
    }
}
