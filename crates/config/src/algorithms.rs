//! Algorithm lists: the defaults, all supported names, and the edits `+`, `-`, `^`.

use carrick_keys::{algorithm, matching};

/// One kind of algorithm, as a keyword sees it.
#[derive(Clone, Copy, Debug)]
pub struct Algorithms {
    defaults: fn() -> Vec<&'static str>,
    supported: fn() -> Vec<&'static str>,
    /// Wildcards may stand in a spec (the key lists).
    wildcards: bool,
}

impl Algorithms {
    /// The default list, in order of preference.
    pub fn defaults(&self) -> Vec<String> {
        (self.defaults)().into_iter().map(str::to_owned).collect()
    }

    /// Every name that can be asked for.
    pub fn supported(&self) -> Vec<&'static str> {
        (self.supported)()
    }

    /// Applies a keyword's argument: a list, or `+list` (append to the
    /// defaults), `-list` (remove, with wildcards), `^list` (put first).
    /// The error is the name that is unknown, or empty if nothing is left.
    pub fn edit(&self, spec: &str) -> Result<Vec<String>, String> {
        if let Some(remove) = spec.strip_prefix('-') {
            let mut list = self.defaults();
            list.retain(|name| !matching::pattern_list(name, remove).is_yes());
            return if list.is_empty() {
                Err(String::new())
            } else {
                Ok(list)
            };
        }
        let defaults = (self.defaults)();
        let supported = self.supported();
        let (first, names, last) = match spec.split_at_checked(1) {
            Some(("+", rest)) => (defaults, rest, Vec::new()),
            Some(("^", rest)) => (Vec::new(), rest, defaults),
            _ => (Vec::new(), spec, Vec::new()),
        };
        let mut list = Vec::new();
        add(&mut list, &first);
        for name in names.split(',') {
            let mut known = supported.clone();
            known.retain(|s| *s == name || (self.wildcards && matching::pattern(s, name)));
            if known.is_empty() {
                return Err(name.to_owned());
            }
            add(&mut list, &known);
        }
        add(&mut list, &last);
        Ok(list)
    }
}

fn add(list: &mut Vec<String>, names: &[&str]) {
    for name in names {
        if !list.iter().any(|n| n == name) {
            list.push((*name).to_owned());
        }
    }
}

const CIPHERS_DEFAULT: &[&str] = &[
    "chacha20-poly1305@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
];

const CIPHERS_SUPPORTED: &[&str] = &[
    "3des-cbc",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "blowfish-cbc",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
];

const MACS_DEFAULT: &[&str] = &[
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-sha1",
];

const MACS_SUPPORTED: &[&str] = &[
    "hmac-sha1",
    "hmac-sha1-96",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-md5",
    "hmac-md5-96",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha1-96-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-md5-etm@openssh.com",
    "hmac-md5-96-etm@openssh.com",
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
];

const KEX_CLIENT_DEFAULT: &[&str] = &[
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
];

const KEX_SERVER_DEFAULT: &[&str] = &[
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
];

const KEX_SUPPORTED: &[&str] = &[
    "diffie-hellman-group1-sha1",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group-exchange-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "mlkem768x25519-sha256",
    "mlkem768nistp256-sha256",
];

/// Ciphers.
pub static CIPHERS: Algorithms = Algorithms {
    defaults: || CIPHERS_DEFAULT.to_vec(),
    supported: || CIPHERS_SUPPORTED.to_vec(),
    wildcards: false,
};

/// MACs.
pub static MACS: Algorithms = Algorithms {
    defaults: || MACS_DEFAULT.to_vec(),
    supported: || MACS_SUPPORTED.to_vec(),
    wildcards: false,
};

/// KexAlgorithms of the client.
pub static KEX_CLIENT: Algorithms = Algorithms {
    defaults: || KEX_CLIENT_DEFAULT.to_vec(),
    supported: || KEX_SUPPORTED.to_vec(),
    wildcards: false,
};

/// KexAlgorithms of the server.
pub static KEX_SERVER: Algorithms = Algorithms {
    defaults: || KEX_SERVER_DEFAULT.to_vec(),
    supported: || KEX_SUPPORTED.to_vec(),
    wildcards: false,
};

/// HostKeyAlgorithms, HostbasedAcceptedAlgorithms, PubkeyAcceptedAlgorithms.
pub static PUBLIC_KEY: Algorithms = Algorithms {
    defaults: algorithm::defaults,
    supported: algorithm::supported,
    wildcards: true,
};

/// CASignatureAlgorithms.
pub static CA_SIGNATURE: Algorithms = Algorithms {
    defaults: algorithm::ca_defaults,
    supported: ca_supported,
    wildcards: true,
};

fn ca_supported() -> Vec<&'static str> {
    let plain = algorithm::ALGORITHMS.iter().filter(|a| !a.certificate);
    plain.map(|a| a.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits() {
        let check = |spec: &str, expect: Option<&str>| {
            let got = CA_SIGNATURE.edit(spec).ok().map(|l| l.join(","));
            assert_eq!(got.as_deref(), expect, "{spec}");
        };
        let all = CA_SIGNATURE.defaults().join(",");
        check("ssh-ed25519,rsa-sha2-256", Some("ssh-ed25519,rsa-sha2-256"));
        check("+ssh-rsa", Some(&format!("{all},ssh-rsa")));
        check(
            "^rsa-sha2-256",
            Some(&format!("rsa-sha2-256,{}", &all[..all.len() - 13])),
        );
        check(
            "-*ecdsa-*,sk-*",
            Some("ssh-ed25519,rsa-sha2-512,rsa-sha2-256"),
        );
        check("rsa-sha2-*", Some("rsa-sha2-256,rsa-sha2-512"));
        check("nonsense", None);
        check("", None);
        check("-*", None);
        assert_eq!(CIPHERS.edit("aes*"), Err("aes*".into()));
    }
}
