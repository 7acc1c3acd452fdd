//! `ssh -Q`: what this program has.

use carrick_crypto::{kex, packet};
use carrick_keys::algorithm;

/// Key types that can be made and used here.
fn plain_types() -> Vec<&'static str> {
    carrick_keys::KeyType::ALL
        .iter()
        .map(|t| t.name())
        .filter(|n| !n.starts_with("sk-"))
        .collect()
}

/// The certificate types of [`plain_types`].
fn certificate_types() -> Vec<&'static str> {
    let plain = plain_types();
    algorithm::supported()
        .into_iter()
        .filter(|n| n.ends_with("-cert-v01@openssh.com"))
        .filter(|n| {
            plain
                .iter()
                .map(|p| p.trim_end_matches("@openssh.com"))
                .any(|p| n.strip_prefix(p).is_some_and(|r| r.starts_with("-cert")))
        })
        .collect()
}

fn signature_algorithms() -> Vec<&'static str> {
    algorithm::supported()
        .into_iter()
        .filter(|n| !n.contains("-cert-v01@"))
        .collect()
}

/// The answer to `-Q what`; `None` if there is no such question.
pub(crate) fn answer(what: &str) -> Option<Vec<&'static str>> {
    let ciphers = || packet::CIPHERS.iter().map(|c| c.name);
    Some(match what.to_ascii_lowercase().as_str() {
        "cipher" | "ciphers" => ciphers().collect(),
        "cipher-auth" => packet::CIPHERS
            .iter()
            .filter(|c| c.aead)
            .map(|c| c.name)
            .collect(),
        "mac" | "macs" => packet::MACS.iter().map(|m| m.name).collect(),
        "kex" | "kexalgorithms" => kex::KEXES.iter().map(|k| k.name).collect(),
        "compression" => vec!["none", "zlib@openssh.com"],
        "key" => plain_types()
            .into_iter()
            .chain(certificate_types())
            .collect(),
        "key-plain" => plain_types(),
        "key-cert" => certificate_types(),
        "sig" | "key-ca-sign" | "casignaturealgorithms" => signature_algorithms(),
        "key-sig"
        | "hostkeyalgorithms"
        | "pubkeyacceptedalgorithms"
        | "pubkeyacceptedkeytypes"
        | "hostbasedacceptedalgorithms"
        | "hostbasedacceptedkeytypes"
        | "hostbasedkeytypes" => algorithm::supported(),
        "protocol-version" => vec!["2"],
        "help" => vec![
            "cipher",
            "cipher-auth",
            "compression",
            "kex",
            "key",
            "key-ca-sign",
            "key-cert",
            "key-plain",
            "key-sig",
            "mac",
            "protocol-version",
            "sig",
        ],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_of_help_has_an_answer() {
        for what in answer("help").unwrap() {
            assert!(!answer(what).unwrap().is_empty(), "{what}");
        }
        assert_eq!(answer("nonsense"), None);
        assert_eq!(answer("Ciphers"), answer("cipher"));
    }

    #[test]
    fn the_lists_hold_what_is_expected() {
        assert!(answer("kex").unwrap().contains(&"mlkem768x25519-sha256"));
        assert!(
            answer("cipher-auth")
                .unwrap()
                .contains(&"chacha20-poly1305@openssh.com")
        );
        assert!(!answer("cipher-auth").unwrap().contains(&"aes128-ctr"));
        assert!(answer("key-plain").unwrap().contains(&"ssh-rsa"));
        assert!(answer("sig").unwrap().contains(&"rsa-sha2-512"));
    }
}
