//! Names of signature algorithms: which key type each belongs to, and
//! OpenSSH 10's lists and defaults (RFC 4253 section 6.6, RFC 5656,
//! RFC 8332, RFC 8709, OpenSSH's PROTOCOL.certkeys and PROTOCOL.u2f).

/// A public key algorithm as it is negotiated: a signature scheme together
/// with a form of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    /// The name that is negotiated.
    pub name: &'static str,
    /// The type name inside the key blob that goes with it.
    pub key_type: &'static str,
    /// The name inside the signature blob that goes with it.
    pub signature: &'static str,
    /// Whether the key is a certificate.
    pub certificate: bool,
    /// Whether OpenSSH 10 has it in its default lists.
    pub default: bool,
}

const fn plain(name: &'static str, key_type: &'static str) -> Algorithm {
    Algorithm {
        name,
        key_type,
        signature: name,
        certificate: false,
        default: true,
    }
}

const fn cert(name: &'static str, key_type: &'static str, signature: &'static str) -> Algorithm {
    Algorithm {
        name,
        key_type,
        signature,
        certificate: true,
        default: true,
    }
}

const fn off(algorithm: Algorithm) -> Algorithm {
    Algorithm {
        default: false,
        ..algorithm
    }
}

/// Every algorithm we know, defaults first and in OpenSSH 10's order.
pub static ALGORITHMS: &[Algorithm] = &[
    cert(
        "ssh-ed25519-cert-v01@openssh.com",
        "ssh-ed25519-cert-v01@openssh.com",
        "ssh-ed25519",
    ),
    cert(
        "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ecdsa-sha2-nistp256",
    ),
    cert(
        "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        "ecdsa-sha2-nistp384",
    ),
    cert(
        "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        "ecdsa-sha2-nistp521",
    ),
    cert(
        "sk-ssh-ed25519-cert-v01@openssh.com",
        "sk-ssh-ed25519-cert-v01@openssh.com",
        "sk-ssh-ed25519@openssh.com",
    ),
    cert(
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ),
    cert(
        "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    ),
    cert(
        "rsa-sha2-512-cert-v01@openssh.com",
        "ssh-rsa-cert-v01@openssh.com",
        "rsa-sha2-512",
    ),
    cert(
        "rsa-sha2-256-cert-v01@openssh.com",
        "ssh-rsa-cert-v01@openssh.com",
        "rsa-sha2-256",
    ),
    plain("ssh-ed25519", "ssh-ed25519"),
    plain("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    plain("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    plain("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    plain("sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com"),
    plain(
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ),
    plain(
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ),
    plain("rsa-sha2-512", "ssh-rsa"),
    plain("rsa-sha2-256", "ssh-rsa"),
    off(cert(
        "ssh-rsa-cert-v01@openssh.com",
        "ssh-rsa-cert-v01@openssh.com",
        "ssh-rsa",
    )),
    off(plain("ssh-rsa", "ssh-rsa")),
    // OpenSSH 10.5 has it built in and in none of its lists.
    off(cert(
        "ssh-mldsa44-ed25519-cert-v01@openssh.com",
        "ssh-mldsa44-ed25519-cert-v01@openssh.com",
        "ssh-mldsa44-ed25519@openssh.com",
    )),
    off(plain(
        "ssh-mldsa44-ed25519@openssh.com",
        "ssh-mldsa44-ed25519@openssh.com",
    )),
];

/// The algorithm of that name.
pub fn find(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().find(|a| a.name == name)
}

/// OpenSSH 10's default for `HostKeyAlgorithms`, `PubkeyAcceptedAlgorithms`
/// and `HostbasedAcceptedAlgorithms`, in order.
pub fn defaults() -> Vec<&'static str> {
    names(|a| a.default)
}

/// OpenSSH 10's default for `CASignatureAlgorithms`, in order.
pub fn ca_defaults() -> Vec<&'static str> {
    names(|a| a.default && !a.certificate)
}

/// All algorithms that a list may name, in `ssh -Q key-sig` terms.
pub fn supported() -> Vec<&'static str> {
    names(|_| true)
}

fn names(want: impl Fn(&Algorithm) -> bool) -> Vec<&'static str> {
    ALGORITHMS
        .iter()
        .filter(|a| want(a))
        .map(|a| a.name)
        .collect()
}

/// The algorithms that sign with a key of `key_type` (the name inside its
/// blob), best first; empty for an unknown type.
pub fn for_key_type(key_type: &str) -> impl Iterator<Item = &'static Algorithm> + use<'_> {
    ALGORITHMS.iter().filter(move |a| a.key_type == key_type)
}

/// Whether a side judges the certificates that a peer shows it. The host keys
/// that a client takes and the user keys that a daemon takes are two matters,
/// and each says for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// It does not, so that no certificate algorithm may be on offer.
    Refused,
    /// It puts every certificate before [`crate::Certificate::judge`], asks
    /// whether its authority is one that counts there, and whether it is
    /// revoked, before it believes anything.
    Judged,
}

/// The part of a configured list that may be offered to a peer or accepted
/// from one, in the same order. Whoever begins to judge certificates turns
/// their algorithms on by saying [`Certificates::Judged`] here.
pub fn offered<S: AsRef<str>>(
    list: &[S],
    certificates: Certificates,
) -> impl Iterator<Item = &str> {
    let judged = certificates == Certificates::Judged;
    list.iter()
        .map(AsRef::as_ref)
        .filter(move |name| find(name).is_some_and(|a| judged || !a.certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ssh -G` of OpenSSH 10.
    const OPENSSH_10: &str = "ssh-ed25519-cert-v01@openssh.com,\
        ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,\
        ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,\
        sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
        webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,\
        rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,\
        ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
        sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,\
        webauthn-sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

    #[test]
    fn the_defaults_are_those_of_openssh() {
        assert_eq!(defaults().join(","), OPENSSH_10);
        assert_eq!(ca_defaults().len(), 9);
        for name in ["ssh-rsa", "ssh-mldsa44-ed25519@openssh.com"] {
            assert!(supported().contains(&name) && !defaults().contains(&name));
        }
    }

    #[test]
    fn rsa_keys_sign_with_sha2_first() {
        let names: Vec<_> = for_key_type("ssh-rsa").map(|a| a.name).collect();
        assert_eq!(names, ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
        assert_eq!(for_key_type("ssh-dss").count(), 0);
    }

    #[test]
    fn certificates_are_offered_by_who_judges_them() {
        let list = defaults();
        let mut plain = offered(&list, Certificates::Refused);
        assert_eq!(plain.next(), Some("ssh-ed25519"));
        assert!(plain.all(|name| !name.contains("-cert-")));
        let all: Vec<_> = offered(&list, Certificates::Judged).collect();
        assert_eq!(all, list);
        assert_eq!(offered(&["x"], Certificates::Judged).count(), 0);
    }
}
