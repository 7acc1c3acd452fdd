//! Every algorithm, from the identification to data on a channel.

use carrick_crypto::packet::{CIPHERS, MACS};
use carrick_proto::kex::Preferences;
use carrick_testkit::Pair;

use crate::{open_session, send_up};

fn works(what: &str, change: impl Fn(&mut Preferences)) -> Pair {
    let mut pair = Pair::with(7, |client, server| {
        change(&mut client.common.preferences);
        change(&mut server.common.preferences);
    });
    pair.group = Some(group());
    pair.log_in();
    let (ours, theirs) = open_session(&mut pair);
    let data: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    assert!(
        send_up(&mut pair, ours, theirs, &data) == data,
        "{what}: data differs"
    );
    pair
}

/// RFC 3526 group 14, as a server's moduli file would have it.
fn group() -> (Vec<u8>, Vec<u8>) {
    let prime = carrick_lc::dh::Group::Fourteen.prime().unwrap();
    (prime, vec![2])
}

#[test]
fn each_key_exchange_method() {
    for kex in carrick_crypto::kex::KEXES {
        let pair = works(kex.name, |prefs| prefs.kex = vec![kex.name.to_owned()]);
        assert_eq!(pair.client.negotiated().unwrap().kex, kex.name);
        assert_eq!(pair.client.session_id(), pair.server.session_id());
    }
}

#[test]
fn each_cipher_with_each_mac() {
    for cipher in CIPHERS {
        for mac in MACS {
            works(&format!("{} {}", cipher.name, mac.name), |prefs| {
                prefs.ciphers = vec![cipher.name.to_owned()];
                prefs.macs = vec![mac.name.to_owned()];
            });
            if cipher.aead {
                break;
            }
        }
    }
}

#[test]
fn each_compression_method() {
    for name in ["none", "zlib", "zlib@openssh.com"] {
        let pair = works(name, |prefs| prefs.compression = vec![name.to_owned()]);
        let (sent, _) = pair.client.transferred();
        assert_eq!(
            sent < 50_000,
            name != "none",
            "{name}: {sent} bytes on the wire"
        );
    }
}

#[test]
fn each_host_key_algorithm() {
    for name in ["ssh-ed25519", "ecdsa-sha2-nistp256"] {
        works(name, |prefs| prefs.host_key = vec![name.to_owned()]);
    }
}

#[test]
fn nothing_in_common_names_both_lists() {
    let mut pair = Pair::with(1, |client, server| {
        client.common.preferences.ciphers = vec!["aes128-ctr".into()];
        server.common.preferences.ciphers = vec!["aes256-ctr".into()];
    });
    pair.run();
    let text = pair.client.error().unwrap().to_string();
    assert_eq!(
        text,
        "no matching cipher found. Their offer: aes256-ctr. Ours: aes128-ctr"
    );
}
