//! Algorithm lists: the defaults, all supported names, and the edits `+`, `-`, `^`.

use carrick_crypto::select;
use carrick_keys::algorithm;

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
    /// The error is the name that is unknown, or the spec if nothing is left.
    pub fn edit(&self, spec: &str) -> Result<Vec<String>, String> {
        if !self.wildcards && !spec.starts_with('-') {
            let names = spec.strip_prefix(['+', '^']).unwrap_or(spec);
            if let Some(name) = names.split(',').find(|name| name.contains(['*', '?'])) {
                return Err(name.to_owned());
            }
        }
        select::edit(&(self.defaults)(), &(self.supported)(), spec).map_err(|unknown| unknown.0)
    }
}

/// Ciphers.
pub static CIPHERS: Algorithms = Algorithms {
    defaults: || select::CIPHERS_DEFAULT.to_vec(),
    supported: || select::CIPHERS_SUPPORTED.to_vec(),
    wildcards: false,
};

/// MACs.
pub static MACS: Algorithms = Algorithms {
    defaults: || select::MACS_DEFAULT.to_vec(),
    supported: || select::MACS_SUPPORTED.to_vec(),
    wildcards: false,
};

/// KexAlgorithms of the client.
pub static KEX_CLIENT: Algorithms = Algorithms {
    defaults: || select::KEX_CLIENT.to_vec(),
    supported: || select::KEX_SUPPORTED.to_vec(),
    wildcards: false,
};

/// KexAlgorithms of the server.
pub static KEX_SERVER: Algorithms = Algorithms {
    defaults: || select::KEX_SERVER.to_vec(),
    supported: || select::KEX_SUPPORTED.to_vec(),
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
        check("rsa-sha2-*", Some("rsa-sha2-512,rsa-sha2-256"));
        check("nonsense", None);
        check("", None);
        check("-*", None);
        assert_eq!(CIPHERS.edit("aes*"), Err("aes*".into()));
    }
}
