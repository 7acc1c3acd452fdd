//! Arbitrary bytes and arbitrary edits of good texts: no parser panics, and
//! what edits a file keeps the lines that it does not mean.

use carrick_keys::{
    PrivateKey, PublicKey, authorized_keys, known_hosts, matching, moduli, parse_public_file,
    public_of_private_file,
};
use proptest::prelude::*;

const HOSTS: &[u8] = include_bytes!("data/known_hosts.hashed");
const CERT: &[u8] = include_bytes!("data/ecdsa256-cert.pub");
const OPTIONS: &[u8] = b"restrict,command=\"a \\\"b\\\"\",from=\"10.0.0.0/8,!*.x\",\
    environment=\"A=b\",permitopen=\"[::1]:80\",expiry-time=\"20300101Z\" ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB c\n";

/// Bytes put into a good text in place of others.
fn edited(text: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let edit = (
        any::<prop::sample::Index>(),
        0..4_usize,
        prop::collection::vec(any::<u8>(), 0..4),
    );
    prop::collection::vec(edit, 0..6).prop_map(move |edits| {
        let mut text = text.to_vec();
        for (at, gone, new) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + gone).min(text.len());
            text.splice(at..end, new);
        }
        text
    })
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    let words = "[|,!*?@\\[\\]:\"\\\\= \t\n#a-z0-9/+]{0,200}".prop_map(String::into_bytes);
    prop_oneof![prop::collection::vec(any::<u8>(), 0..300), words]
}

fn all_parsers(text: &[u8]) {
    let _ = PublicKey::from_blob(text);
    let _ = parse_public_file(text);
    let _ = PrivateKey::parse_file(text, None);
    let _ = public_of_private_file(text);
    for (_, entry) in authorized_keys::entries(text) {
        let _ = entry.map(|e| e.parse_options());
    }
    let _ = authorized_keys::Options::parse(text);
    let string = String::from_utf8_lossy(text);
    let _ = PublicKey::from_line(&string);
    let _ = moduli::Moduli::parse(&string);
    let _ = matching::host_and_address("host", "10.0.0.1", &string);
    let _ = matching::user("user", "host", "::1", &string);
    let mut client = carrick_keys::agent::AgentClient::new();
    client.received(text);
    while let Ok(Some(_)) = client.next_response() {}
}

proptest! {
    #[test]
    fn parsers_take_anything(text in noise()) {
        all_parsers(&text);
    }

    #[test]
    fn parsers_take_damaged_texts(hosts in edited(HOSTS), cert in edited(CERT), line in edited(OPTIONS)) {
        for text in [hosts, cert, line] {
            all_parsers(&text);
        }
    }

    #[test]
    fn removing_keeps_every_other_line(text in prop_oneof![noise(), edited(HOSTS)]) {
        let found = known_hosts::find(&text, "10.0.0.1");
        let removed = known_hosts::remove(&text, "10.0.0.1");
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        let kept: Vec<u8> = lines
            .iter()
            .enumerate()
            .filter(|(n, _)| !removed.changed.contains(&(n + 1)))
            .flat_map(|(_, line)| line.iter().copied())
            .collect();
        prop_assert_eq!(&removed.text, &kept);
        for line in &removed.changed {
            prop_assert!(found.iter().any(|f| f.line == *line));
        }
        let _ = known_hosts::KnownHosts::parse(&text, "f").for_host("10.0.0.1");
    }

    #[test]
    fn patterns_agree_with_a_plain_matcher(text in "[ab]{0,8}", pattern in "[ab*?]{0,8}") {
        prop_assert_eq!(matching::pattern(&text, &pattern), plain(text.as_bytes(), pattern.as_bytes()));
    }
}

/// The definition, with all its backtracking.
fn plain(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            plain(text, rest) || text.split_first().is_some_and(|(_, t)| plain(t, pattern))
        }
        (Some((p, rest)), Some((t, more))) => (*p == b'?' || p == t) && plain(more, rest),
        _ => false,
    }
}
