//! The keys and certificates to offer, in OpenSSH's order, and which of them
//! signs.

use std::fmt::Write as _;
use std::path::PathBuf;

use carrick_config::ssh::{KeyPath, Options};
use carrick_keys::helper::pkcs11::TokenKey;
use carrick_keys::{CertKind, FingerprintHash, KeyType, PublicKey, algorithm};

use super::agent::Agent;
use super::identity_file::Files;
use crate::log::{debug, debug2};
use crate::pkcs11::Provider;

/// A key that may be offered.
pub(super) struct Identity {
    /// The file, or the agent's comment.
    pub(super) name: String,
    /// The private key's file; none for a key that only the agent has.
    pub(super) path: Option<PathBuf>,
    /// The public half, if it is known without a passphrase.
    pub(super) key: Option<PublicKey>,
    /// The agent has it.
    pub(super) in_agent: bool,
    /// It is in a PKCS#11 token.
    pub(super) in_token: bool,
    /// The user named the file.
    pub(super) user_provided: bool,
}

impl Identity {
    /// A key in a PKCS#11 token.
    fn from_token(found: &TokenKey) -> Self {
        Self {
            name: found.label.clone(),
            path: None,
            key: Some(found.key.clone()),
            in_agent: false,
            in_token: true,
            user_provided: true,
        }
    }

    /// What a file holds, or should.
    pub(super) fn in_file(name: &str, key: Option<PublicKey>, file: &KeyPath) -> Self {
        Self {
            name: name.to_owned(),
            path: Some(PathBuf::from(name)),
            key,
            in_agent: false,
            in_token: false,
            user_provided: file.user_provided,
        }
    }

    /// For the log.
    pub(super) fn describe(&self) -> String {
        let mut text = self.name.clone();
        if let Some(key) = &self.key {
            let fingerprint = key.fingerprint(FingerprintHash::Sha256);
            // Writing to a String cannot fail.
            let _ = write!(text, " {} {fingerprint}", key.short_name());
        }
        if self.user_provided {
            text += " explicit";
        }
        if self.in_token {
            text += " token";
        }
        if self.in_agent {
            text += " agent";
        }
        text
    }
}

/// All keys to offer, in OpenSSH's order: certificates that were named, keys of
/// tokens that files name too, keys of files that the agent has too (in its
/// order), the agent's others, then the tokens' and the files'.
pub(super) fn collect(
    options: &Options,
    files: Files,
    agent: Option<&mut Agent>,
    tokens: Option<&Provider>,
) -> Vec<Identity> {
    let mut rest: Vec<Identity> = files.keys.into_iter().filter(is_for_users).collect();
    let mut preferred: Vec<Identity> = files
        .certificates
        .into_iter()
        .filter(is_for_users)
        .collect();
    let in_token = tokens.map(Provider::keys).unwrap_or_default();
    // Tokens' keys whose public halves are named come first.
    let (named, others): (Vec<_>, Vec<_>) = in_token
        .iter()
        .map(Identity::from_token)
        .partition(|token| rest.iter().any(|f| f.key == token.key));
    preferred.extend(named);
    if !options.identities_only {
        rest.splice(..0, others);
    }
    let mut only_agent = Vec::new();
    for held in agent.map(Agent::identities).unwrap_or_default() {
        let comment = held.comment_text().into_owned();
        let Ok(key) = PublicKey::from_blob(&held.blob) else {
            debug2!("agent key {comment} is of a type that is not supported");
            continue;
        };
        let same = rest.iter().position(|f| f.key.as_ref() == Some(&key));
        if let Some(at) = same {
            let mut found = rest.remove(at);
            found.in_agent = true;
            preferred.push(found);
        } else if !options.identities_only {
            only_agent.push(Identity {
                name: comment,
                path: None,
                key: Some(key),
                in_agent: true,
                in_token: false,
                user_provided: false,
            });
        }
    }
    preferred.append(&mut only_agent);
    preferred.append(&mut rest);
    preferred.retain(|identity| is_usable(options, identity));
    for identity in &preferred {
        debug!("Will attempt key: {}", identity.describe());
    }
    preferred
}

/// A host's certificate is of no use in a login.
fn is_for_users(identity: &Identity) -> bool {
    let user = match &identity.key {
        Some(PublicKey::Certificate(cert)) => cert.kind == CertKind::User,
        _ => true,
    };
    if !user {
        debug!(
            "pubkey_prepare: ignoring certificate {}: not a user certificate",
            identity.name
        );
    }
    user
}

/// Which of `list` signs for the one at `at`: for a certificate the plain key
/// that it certifies, if that is among them, or else a file of its name that
/// does not show its public half.
pub(super) fn signer(list: &[Identity], at: usize) -> Option<&Identity> {
    let offered = list.get(at)?;
    let Some(cert) = offered.key.as_ref().filter(|key| key.is_certificate()) else {
        return Some(offered);
    };
    let plain = list
        .iter()
        .find(|other| other.key.as_ref() == Some(cert.plain()));
    let nameless = || {
        let hidden = |other: &&Identity| other.key.is_none() && other.path == offered.path;
        list.iter().filter(|_| !offered.in_agent).find(hidden)
    };
    match plain.or_else(nameless) {
        Some(found) => {
            let from = if found.in_agent { " from agent" } else { "" };
            debug2!(
                "sign_and_send_pubkey: using private key \"{}\"{from} for certificate",
                found.name
            );
            Some(found)
        }
        None => {
            debug!(
                "sign_and_send_pubkey: no separate private key for certificate \"{}\"",
                offered.name
            );
            Some(offered)
        }
    }
}

fn is_usable(options: &Options, identity: &Identity) -> bool {
    let Some(key) = &identity.key else {
        return true;
    };
    let accepted = &options.pubkey_accepted_algorithms;
    if !accepted.iter().any(|name| is_for(key, name)) {
        debug!(
            "Skipping {} key {} - corresponding algorithm not in PubkeyAcceptedAlgorithms",
            key.key_type(),
            identity.name
        );
        return false;
    }
    if key.is_rsa_below(options.required_rsa_size) {
        debug!("Skipping RSA key {} - Invalid key length", identity.name);
        return false;
    }
    true
}

fn is_for(key: &PublicKey, name: &str) -> bool {
    algorithm::find(name).is_some_and(|a| a.key_type == key.key_type())
}

/// The signature algorithm to use `key` with: RSA's is chosen among those
/// the server says it takes, the others have one.
pub(super) fn signature_algorithm(
    key: &PublicKey,
    accepted: &[String],
    server: Option<&str>,
) -> Option<String> {
    let taken = |list: &str, name: &str| {
        // The server lists signatures, whatever they go with.
        let signature = algorithm::find(name).map(|a| a.signature);
        list.split(',').any(|s| Some(s) == signature)
    };
    match server {
        Some(list) if key.kind() == KeyType::Rsa => accepted
            .iter()
            .find(|name| is_for(key, name) && taken(list, name))
            .cloned(),
        // A server that does not say may be too old for SHA-2 signatures.
        _ => accepted
            .iter()
            .find(|name| *name == key.key_type())
            .cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_crypto::rng::Rng;
    use carrick_keys::{CertFields, Certificate, PrivateKey, VALID_FOREVER};

    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7vbqajDRETKMxBuGMn7YjlIMvJOFJ1rzwGmB5VdVhJKTgmj0JRs9X5Uee7gSPqT9qqUXkqXqVzYz0f5mJv4oqxoJkIvJkbHNPwVhj9OxCqZpPEpGhwdeaKJcMxLcnnQmZl9MBSQnMzXKjkxPTqZ5E/Cg+BLJrDPF1ZSWd7kJxm+c0HSxaKWYsFqdzFkFuPzvQjKpPvNsGXxgPrnsVSYDgoLXrz0r4ZPqSPmCQHDDeqPnTUCDbM7k3xqoKJrQYYvzNqEGEEC6zkDDqbBxjTRmoDAjGqvPm1rW0EMnkvQJbQGQ8eIHwBVxdtNnHwXhOkqbmMBm0QvqK7Wx9Hn1pQH7B";
    const ED: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDAjkQXnQeOQFfS6NYVc6Lp0Aj8Dv0rsYw8eJ2TgqPm";

    fn lists(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn rsa_takes_what_the_server_takes() {
        let (key, _) = PublicKey::from_line(RSA).unwrap();
        let ours = lists(&["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]);
        let pick = |server| signature_algorithm(&key, &ours, server);
        assert_eq!(
            pick(Some("ssh-rsa,rsa-sha2-256")).as_deref(),
            Some("rsa-sha2-256")
        );
        assert_eq!(
            pick(Some("rsa-sha2-256,rsa-sha2-512")).as_deref(),
            Some("rsa-sha2-512")
        );
        assert_eq!(pick(Some("ssh-ed25519")), None);
        assert_eq!(pick(None), None);
        let with_sha1 = lists(&["rsa-sha2-512", "ssh-rsa"]);
        assert_eq!(
            signature_algorithm(&key, &with_sha1, None).as_deref(),
            Some("ssh-rsa")
        );
    }

    #[test]
    fn others_have_one() {
        let (key, _) = PublicKey::from_line(ED).unwrap();
        let ours = lists(&["ssh-ed25519"]);
        assert_eq!(
            signature_algorithm(&key, &ours, None).as_deref(),
            Some("ssh-ed25519")
        );
        assert_eq!(
            signature_algorithm(&key, &lists(&["rsa-sha2-512"]), None),
            None
        );
    }

    fn named(name: &str, key: Option<PublicKey>, in_agent: bool) -> Identity {
        Identity {
            name: name.into(),
            path: (!in_agent).then(|| name.into()),
            key,
            in_agent,
            in_token: false,
            user_provided: false,
        }
    }

    /// A key, and a certificate for it.
    fn certified(number: u8) -> (PublicKey, PublicKey) {
        struct Fixed(u8);
        impl Rng for Fixed {
            fn fill(&mut self, out: &mut [u8]) {
                out.fill(self.0);
            }
        }
        let make = |n| PrivateKey::generate(KeyType::Ed25519, 0, &mut Fixed(n)).unwrap();
        let (key, ca) = (make(number), make(200));
        let fields = CertFields {
            serial: 0,
            kind: CertKind::User,
            key_id: "id".into(),
            principals: Vec::new(),
            valid_after: 0,
            valid_before: VALID_FOREVER,
            critical_options: Vec::new(),
            extensions: Vec::new(),
        };
        let cert = Certificate::issue(key.public(), &ca, None, &fields, &mut Fixed(1)).unwrap();
        (key.public().clone(), PublicKey::Certificate(Box::new(cert)))
    }

    #[test]
    fn a_certificates_key_signs_for_it_wherever_it_is() {
        let (key, cert) = certified(1);
        let (other, _) = certified(2);
        let of = |list: &[Identity], at| signer(list, at).map(|i| i.name.clone());
        let list = [
            named("cert", Some(cert.clone()), false),
            named("other", Some(other), true),
            named("key", Some(key.clone()), true),
        ];
        assert_eq!(of(&list, 0).as_deref(), Some("key"));
        assert_eq!(of(&list, 2).as_deref(), Some("key"));
        // A private key that does not show its public half, with its certificate.
        let list = [
            named("a", Some(cert.clone()), false),
            named("a", None, false),
        ];
        assert!(signer(&list, 0).is_some_and(|found| found.key.is_none()));
        // The agent has the certificate, and signs for it.
        let list = [named("a", Some(cert), true), named("b", None, false)];
        assert!(signer(&list, 0).is_some_and(|found| found.in_agent));
        assert_eq!(of(&list, 2), None);
    }

    #[test]
    fn a_certificates_algorithm_is_its_own_but_the_server_lists_signatures() {
        let (_, cert) = certified(1);
        let ours = lists(&["ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"]);
        assert_eq!(
            signature_algorithm(&cert, &ours, Some("ssh-ed25519")).as_deref(),
            Some("ssh-ed25519-cert-v01@openssh.com")
        );
        assert_eq!(signature_algorithm(&cert, &ours[..1], None), None);
    }
}
