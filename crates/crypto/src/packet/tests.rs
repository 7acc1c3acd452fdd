//! Every cipher with every MAC: fixed streams made by another implementation,
//! round trips, changed bits, order.

use proptest::prelude::*;

use super::*;
use crate::hash::HashAlg;

/// A key, IV and MAC key that exercise carries: the IV ends in `ff .. fe`.
struct Material {
    key: Vec<u8>,
    iv: Vec<u8>,
    mac: Vec<u8>,
}

fn bytes(len: usize, step: usize, start: usize) -> Vec<u8> {
    (0..len)
        .map(|i| i.wrapping_mul(step).wrapping_add(start).to_le_bytes()[0])
        .collect()
}

fn material(cipher: &Cipher, mac: Option<&Mac>) -> Material {
    let mut iv = vec![0xff; cipher.iv_len];
    if let Some(last) = iv.last_mut() {
        *last = 0xfe;
    }
    if cipher.aead && !iv.is_empty() {
        iv[..4].copy_from_slice(&[1, 2, 3, 4]);
    }
    let mac = bytes(mac.map_or(0, |mac| mac.key_len), 5, 2);
    Material {
        key: bytes(cipher.key_len, 3, 1),
        iv,
        mac,
    }
}

/// Seals in order whatever the sort of key.
fn seal_one(seal: &mut Seal, pos: PacketPos, packet: &mut [u8]) {
    match seal {
        Seal::Free(key) => key.seal(pos, packet),
        Seal::Chained(chain) => chain.seal(pos, packet),
    }
}

/// Learns the length from the head, then opens, as the transport does.
fn open_one(open: &mut Open, head: usize, pos: PacketPos, packet: &mut [u8]) -> (u32, bool) {
    match open {
        Open::Free(key) => {
            let before = packet[..head].to_vec();
            let length = key.length(pos, &packet[..head]);
            assert_eq!(packet[..head], before);
            (length, key.open(pos, packet).is_ok())
        }
        Open::Chained(chain) => {
            let length = chain.length(pos, &mut packet[..head]);
            assert_eq!(
                chain.length(pos, &mut packet[..head]),
                length,
                "asked twice"
            );
            (length, chain.open(pos, packet).is_ok())
        }
    }
}

struct Pair {
    seal: Seal,
    open: Open,
    framing: Framing,
}

fn pair(cipher: &Cipher, mac: Option<&Mac>) -> Pair {
    let m = material(cipher, mac);
    Pair {
        seal: cipher.seal(mac, &m.key, &m.iv, &m.mac),
        open: cipher.open(mac, &m.key, &m.iv, &m.mac),
        framing: cipher.framing(mac),
    }
}

/// A packet of `blocks` blocks, its position, and the next one's.
fn packet(framing: &Framing, blocks: usize, pos: &mut PacketPos) -> (PacketPos, Vec<u8>) {
    let len = blocks * framing.block + if framing.length_apart { 4 } else { 0 };
    let mut out: Vec<u8> = bytes(len, 1, usize::from(pos.index.to_le_bytes()[0]) * 7);
    out[..4].copy_from_slice(&u32::try_from(len - 4).unwrap().to_be_bytes());
    out.resize(len + framing.tag, 0);
    let here = *pos;
    pos.seq = pos.seq.wrapping_add(1);
    pos.index += 1;
    pos.block += blocks as u64;
    (here, out)
}

/// Each cipher alone if it is an AEAD, else with each MAC.
fn suites() -> Vec<(&'static Cipher, Option<&'static Mac>)> {
    let mut out = Vec::new();
    for cipher in CIPHERS {
        if cipher.aead {
            out.push((cipher, None));
        } else {
            out.extend(MACS.iter().map(|mac| (cipher, Some(mac))));
        }
    }
    out
}

fn label(cipher: &Cipher, mac: Option<&Mac>) -> String {
    format!("{} {}", cipher.name, mac.map_or("", |mac| mac.name))
}

const START: PacketPos = PacketPos {
    seq: 0xffff_fffe,
    index: 0,
    block: 0,
};

/// Streams of three packets, of 2, 5 and 40 blocks, written with another
/// implementation's primitives (OpenSSL's): the start of their SHA-256.
const STREAMS: &[(&str, &str, &str)] = &[
    (
        "3des-cbc",
        "hmac-sha2-256",
        "f17e00e3638e2a3966e5878f512f1bc8",
    ),
    (
        "3des-cbc",
        "hmac-sha2-256-etm@openssh.com",
        "2ac4044bc09cc89a30edbffe43a96cee",
    ),
    (
        "blowfish-cbc",
        "hmac-sha2-256",
        "ec70a6574666e39f0103bfc3421fbe49",
    ),
    (
        "blowfish-cbc",
        "hmac-sha2-256-etm@openssh.com",
        "40fe71614e41498bc48634e886674863",
    ),
    (
        "aes128-cbc",
        "hmac-sha2-256",
        "c5f8e1b1199ae323b7b1f8b715e99b20",
    ),
    (
        "aes128-cbc",
        "hmac-sha2-256-etm@openssh.com",
        "b05cb2d65405249a2f08b25f0253b1fe",
    ),
    (
        "aes128-ctr",
        "hmac-sha1",
        "36f96f488c4ed4c8b348561a1a368804",
    ),
    (
        "aes128-ctr",
        "hmac-sha1-etm@openssh.com",
        "05c46dafa7d28d6235280165c9068779",
    ),
    (
        "aes128-ctr",
        "hmac-sha1-96",
        "602ff5a30bf915d353a274782347f7d2",
    ),
    (
        "aes128-ctr",
        "hmac-sha1-96-etm@openssh.com",
        "d409db184fbde05234bf97272eea0e1e",
    ),
    (
        "aes128-ctr",
        "hmac-sha2-256",
        "2e62d340333286b8b97e0bda7c3858aa",
    ),
    (
        "aes128-ctr",
        "hmac-sha2-256-etm@openssh.com",
        "a73f74cad767cf39a3ad316ec478ddc5",
    ),
    (
        "aes128-ctr",
        "hmac-sha2-512",
        "c5c2328985368891da86125806079f48",
    ),
    (
        "aes128-ctr",
        "hmac-sha2-512-etm@openssh.com",
        "c947c972fa78fb3cbac1ca3719ab806e",
    ),
    ("aes128-ctr", "hmac-md5", "fe9fafef308bb5d413d02818ba82f9c7"),
    (
        "aes128-ctr",
        "hmac-md5-etm@openssh.com",
        "3b695f97980bb94a26b211961ef55c9e",
    ),
    (
        "aes128-ctr",
        "hmac-md5-96",
        "228c588f9e5b4903d9b158708f90fec9",
    ),
    (
        "aes128-ctr",
        "hmac-md5-96-etm@openssh.com",
        "3375ee886b200eabedbd2f79b085195a",
    ),
    (
        "aes192-cbc",
        "hmac-sha2-256",
        "adbf91a1b54aca320b05419e2945564c",
    ),
    (
        "aes192-cbc",
        "hmac-sha2-256-etm@openssh.com",
        "969ed3355599d2d7b143fab2af54b9a8",
    ),
    (
        "aes192-ctr",
        "hmac-sha2-256",
        "af10a7bdb37ad7d90057b59670b5d64f",
    ),
    (
        "aes192-ctr",
        "hmac-sha2-256-etm@openssh.com",
        "c4bea687f3304588b335b4b4bbcc06df",
    ),
    (
        "aes256-cbc",
        "hmac-sha2-256",
        "55d8e8f92e671da7c576259a642fb2d7",
    ),
    (
        "aes256-cbc",
        "hmac-sha2-256-etm@openssh.com",
        "5a49ebea2d14d82cc1a29ef327e69614",
    ),
    (
        "aes256-ctr",
        "hmac-sha2-256",
        "ac5bc4692d716b49b2441ecb0543a30c",
    ),
    (
        "aes256-ctr",
        "hmac-sha2-256-etm@openssh.com",
        "804a7e38b210517c9e93cad9926ac431",
    ),
    (
        "aes128-gcm@openssh.com",
        "",
        "0dace17612449dc31fdf91bddb9b85de",
    ),
    (
        "aes256-gcm@openssh.com",
        "",
        "a9ee3f29739390e26c171999570a6d7d",
    ),
    (
        "chacha20-poly1305@openssh.com",
        "",
        "b9abcf48c2e668872343ad87499097be",
    ),
];

#[test]
fn streams_of_another_implementation() {
    for (cipher_name, mac_name, want) in STREAMS {
        let (cipher, mac) = (cipher(cipher_name).unwrap(), mac(mac_name));
        let Pair {
            mut seal, framing, ..
        } = pair(cipher, mac);
        let (mut pos, mut stream) = (START, Vec::new());
        for blocks in [2, 5, 40] {
            let (here, mut data) = packet(&framing, blocks, &mut pos);
            seal_one(&mut seal, here, &mut data);
            stream.extend_from_slice(&data);
        }
        let digest = HashAlg::Sha256.digest(&[&stream]);
        let want = u128::from_str_radix(want, 16).unwrap();
        assert_eq!(digest[..16], want.to_be_bytes(), "{}", label(cipher, mac));
    }
}

#[test]
fn every_suite_opens_what_it_sealed() {
    for (cipher, mac) in suites() {
        let Pair {
            mut seal,
            mut open,
            framing,
        } = pair(cipher, mac);
        let mut pos = START;
        for blocks in [1, 2, 3, 7, 8, 64, 65, 2050].map(|n| n.max(16 / framing.block)) {
            let (here, plain) = packet(&framing, blocks, &mut pos);
            let mut data = plain.clone();
            seal_one(&mut seal, here, &mut data);
            let (length, genuine) = open_one(&mut open, framing.head, here, &mut data);
            let end = plain.len() - framing.tag;
            assert_eq!(length as usize, end - 4, "{}", label(cipher, mac));
            assert!(
                genuine && data[..end] == plain[..end],
                "{}",
                label(cipher, mac)
            );
        }
    }
}

#[test]
fn any_changed_bit_is_noticed() {
    for (cipher, mac) in suites() {
        let Pair {
            mut seal, framing, ..
        } = pair(cipher, mac);
        let (here, mut sealed) = packet(&framing, 4, &mut { START });
        seal_one(&mut seal, here, &mut sealed);
        for bit in 0..sealed.len() * 8 {
            let Pair { mut open, .. } = pair(cipher, mac);
            let mut data = sealed.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            let (_, genuine) = open_one(&mut open, framing.head, here, &mut data);
            assert!(!genuine, "{} bit {bit}", label(cipher, mac));
        }
    }
}

/// A packet out of its place: another sequence number, another index.
#[test]
fn a_packet_belongs_to_its_place() {
    for (cipher, mac) in suites() {
        let Pair {
            mut seal, framing, ..
        } = pair(cipher, mac);
        let (here, mut sealed) = packet(&framing, 4, &mut { START });
        seal_one(&mut seal, here, &mut sealed);
        let moved = PacketPos {
            seq: 1,
            index: 1,
            block: 4,
        };
        let mut pair = pair(cipher, mac);
        let (_, genuine) = open_one(&mut pair.open, framing.head, moved, &mut sealed);
        assert!(!genuine, "{}", label(cipher, mac));
    }
}

/// Cut anywhere, a packet is refused and nothing panics.
#[test]
fn truncated_packets() {
    for (cipher, mac) in suites() {
        let Pair {
            mut seal, framing, ..
        } = pair(cipher, mac);
        let (here, mut sealed) = packet(&framing, 4, &mut { START });
        seal_one(&mut seal, here, &mut sealed);
        for len in 0..sealed.len() {
            let mut data = sealed[..len].to_vec();
            let genuine = match pair(cipher, mac).open {
                Open::Free(key) => {
                    key.length(here, &data);
                    key.open(here, &mut data).is_ok()
                }
                Open::Chained(mut chain) => {
                    chain.length(here, &mut data);
                    chain.open(here, &mut data).is_ok()
                }
            };
            assert!(!genuine, "{} cut to {len}", label(cipher, mac));
        }
    }
}

/// The chain goes on when the length was never asked for.
#[test]
fn chains_open_without_a_look_at_the_head() {
    for (cipher, mac) in suites() {
        let Pair {
            mut seal,
            open: Open::Chained(mut open),
            framing,
        } = pair(cipher, mac)
        else {
            continue;
        };
        let mut pos = START;
        for _ in 0..3 {
            let (here, plain) = packet(&framing, 5, &mut pos);
            let mut data = plain.clone();
            seal_one(&mut seal, here, &mut data);
            open.open(here, &mut data).unwrap();
            let end = plain.len() - framing.tag;
            assert_eq!(data[..end], plain[..end]);
        }
    }
}

#[test]
#[should_panic(expected = "aes128-ctr with no MAC")]
fn a_missing_mac_is_a_bug() {
    cipher("aes128-ctr")
        .unwrap()
        .seal(None, &[0; 16], &[0; 16], &[]);
}

#[test]
fn framings() {
    let framing = |c, m| {
        let f = cipher(c).unwrap().framing(mac(m));
        (f.block, f.length_apart, f.tag, f.head)
    };
    assert_eq!(
        framing("chacha20-poly1305@openssh.com", "hmac-sha1"),
        (8, true, 16, 4)
    );
    assert_eq!(framing("aes256-gcm@openssh.com", ""), (16, true, 16, 4));
    assert_eq!(
        framing("aes256-ctr", "hmac-sha2-512-etm@openssh.com"),
        (16, true, 64, 4)
    );
    assert_eq!(
        framing("aes256-ctr", "umac-64@openssh.com"),
        (16, false, 8, 16)
    );
    assert_eq!(framing("3des-cbc", "hmac-md5-96"), (8, false, 12, 8));
}

#[test]
fn rekey_limits() {
    let limit = |name| cipher(name).unwrap().rekey_bytes_default();
    assert_eq!(limit("aes128-ctr"), 1 << 36);
    assert_eq!(limit("3des-cbc"), 1 << 30);
    assert_eq!(limit("chacha20-poly1305@openssh.com"), 1 << 30);
}

proptest! {
    /// Sealing in any order gives the bytes of sealing in order, and opening
    /// in any order gives the packets back.
    #[test]
    fn order_is_free(
        suite in prop::sample::select(suites()),
        sizes in prop::collection::vec(2usize..70, 1..12),
        start in any::<(u32, u64, u64)>(),
        shuffle in any::<u64>(),
    ) {
        let (cipher, mac) = suite;
        let Pair { seal: Seal::Free(seal), open: Open::Free(open), framing } = pair(cipher, mac)
        else {
            return Ok(());
        };
        let mut pos = PacketPos { seq: start.0, index: start.1 >> 1, block: start.2 >> 1 };
        let mut packets: Vec<_> = sizes.iter().map(|n| packet(&framing, *n, &mut pos)).collect();
        let plain = packets.clone();
        let mut in_order = packets.clone();
        for (pos, data) in &mut in_order {
            seal.seal(*pos, data);
        }
        let mut order: Vec<usize> = (0..packets.len()).collect();
        order.sort_by_key(|i| (shuffle | 1).wrapping_mul(*i as u64 + 1).rotate_left(17));
        for i in &order {
            let (pos, data) = &mut packets[*i];
            seal.seal(*pos, data);
        }
        prop_assert_eq!(&packets, &in_order);
        for i in order.iter().rev() {
            let (pos, data) = &mut packets[*i];
            prop_assert!(open.open(*pos, data).is_ok());
            let end = data.len() - framing.tag;
            prop_assert_eq!(&data[..end], &plain[*i].1[..end]);
        }
    }

    /// Any one byte of any packet changed to anything else is noticed.
    #[test]
    fn forgeries(
        suite in prop::sample::select(suites()),
        blocks in 2usize..200,
        at in any::<prop::sample::Index>(),
        change in 1u8..,
    ) {
        let (cipher, mac) = suite;
        let Pair { mut seal, mut open, framing } = pair(cipher, mac);
        let (here, mut data) = packet(&framing, blocks, &mut { START });
        seal_one(&mut seal, here, &mut data);
        let at = at.index(data.len());
        data[at] ^= change;
        prop_assert!(!open_one(&mut open, framing.head, here, &mut data).1);
    }
}
