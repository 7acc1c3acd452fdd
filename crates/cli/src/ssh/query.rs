//! `ssh -Q`: what this program has.

use carrick_crypto::{kex, packet};
use carrick_keys::algorithm::{ALGORITHMS, Algorithm};

/// The signature algorithms of plain keys in the order of OpenSSH's lists. What is
/// not named here follows.
const ORDER: [&str; 10] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
    "rsa-sha2-256",
    "rsa-sha2-512",
];

/// All algorithms, each plain one with that of its certificates behind it.
fn algorithms() -> Vec<&'static Algorithm> {
    let place = |a: &Algorithm| ORDER.iter().position(|name| *name == a.signature);
    let mut all: Vec<_> = ALGORITHMS.iter().collect();
    all.sort_by_key(|a| (place(a).unwrap_or(ORDER.len()), a.signature, a.certificate));
    all
}

/// The names of those algorithms that `keep` keeps.
fn names(keep: impl Fn(&Algorithm) -> bool) -> Vec<&'static str> {
    let kept = algorithms().into_iter().filter(|a| keep(a));
    kept.map(|a| a.name).collect()
}

/// Whether keys are named like the algorithm.
fn is_key_type(algorithm: &Algorithm) -> bool {
    algorithm.name == algorithm.key_type
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
        "key" => names(is_key_type),
        "key-plain" => names(|a| is_key_type(a) && !a.certificate),
        "key-cert" => names(|a| is_key_type(a) && a.certificate),
        "sig" | "key-ca-sign" | "casignaturealgorithms" => names(|a| !a.certificate),
        "key-sig"
        | "hostkeyalgorithms"
        | "pubkeyacceptedalgorithms"
        | "pubkeyacceptedkeytypes"
        | "hostbasedacceptedalgorithms"
        | "hostbasedacceptedkeytypes"
        | "hostbasedkeytypes" => names(|_| true),
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
        assert_eq!(answer("sig").unwrap()[..ORDER.len()], ORDER);
    }

    #[test]
    fn each_key_type_stands_before_its_certificates() {
        let keys = answer("key").unwrap();
        let (plain, certificates) = (answer("key-plain").unwrap(), answer("key-cert").unwrap());
        assert_eq!(keys.len(), plain.len() + certificates.len());
        for (pair, (plain, certificate)) in keys.chunks(2).zip(plain.iter().zip(&certificates)) {
            assert_eq!(pair, [*plain, *certificate]);
            let stem = plain.split('@').next().unwrap();
            assert_eq!(*certificate, format!("{stem}-cert-v01@openssh.com"));
        }
        assert_eq!(answer("key-sig").unwrap().len(), ALGORITHMS.len());
    }
}
