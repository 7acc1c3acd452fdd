//! The keys to offer, in OpenSSH's order, and opening their files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use carrick_config::ssh::Options;
use carrick_keys::helper::pkcs11::TokenKey;
use carrick_keys::{
    FingerprintHash, KeyFileError, PrivateKey, PublicKey, algorithm, parse_public_file,
    public_of_private_file,
};
use carrick_wire::Secret;

use super::agent::Agent;
use crate::log::{debug, debug2, debug3, error, info};
use crate::pkcs11::Provider;
use crate::prompt::{Ask, ask_or_empty};
use crate::text::os_error;
use crate::{home, keyfile};

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

/// All keys to offer: those of tokens that are named by files too, those of
/// files that the agent has too (in its order), the agent's others, then the
/// tokens' and the files'.
pub(super) fn collect(
    options: &Options,
    agent: Option<&mut Agent>,
    tokens: Option<&Provider>,
) -> Vec<Identity> {
    let mut files: Vec<Identity> = options
        .identity_files
        .iter()
        .filter_map(|file| from_file(options, &file.path, file.user_provided))
        .collect();
    let in_token = tokens.map(Provider::keys).unwrap_or_default();
    // Tokens' keys whose public halves are named come first.
    let (mut preferred, others): (Vec<_>, Vec<_>) = in_token
        .iter()
        .map(Identity::from_token)
        .partition(|token| files.iter().any(|f| f.key == token.key));
    if !options.identities_only {
        files.splice(..0, others);
    }
    let mut only_agent = Vec::new();
    for held in agent.map(Agent::identities).unwrap_or_default() {
        let Ok(key) = PublicKey::from_blob(&held.blob) else {
            debug2!(
                "agent key {} is of a type that is not supported",
                held.comment_text()
            );
            continue;
        };
        let same = files.iter().position(|f| f.key.as_ref() == Some(&key));
        if let Some(at) = same {
            let mut found = files.remove(at);
            found.in_agent = true;
            preferred.push(found);
        } else if !options.identities_only {
            only_agent.push(Identity {
                name: held.comment_text().into_owned(),
                path: None,
                key: Some(key),
                in_agent: true,
                in_token: false,
                user_provided: false,
            });
        }
    }
    preferred.append(&mut only_agent);
    preferred.append(&mut files);
    preferred.retain(|identity| is_usable(options, identity));
    for identity in &preferred {
        debug!("Will attempt key: {}", identity.describe());
    }
    preferred
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

/// An identity file, its tokens expanded; none for a file that is not there
/// unless the user named it.
fn from_file(options: &Options, text: &str, user_provided: bool) -> Option<Identity> {
    let env = |name: &str| std::env::var(name).ok();
    let expanded = carrick_config::tokens::expand_all(text, &options.tokens.table(), &env);
    let name = match expanded {
        Ok(expanded) => home::expand(&expanded).to_string_lossy().into_owned(),
        Err(why) => {
            error!("IdentityFile {text}: {why}");
            return None;
        }
    };
    if name.eq_ignore_ascii_case("none") {
        return None;
    }
    let path = PathBuf::from(&name);
    let key = public_half(&path);
    debug!(
        "identity file {name} type {}",
        key.as_ref().map_or(-1, type_number)
    );
    Some(Identity {
        name,
        path: Some(path),
        key,
        in_agent: false,
        in_token: false,
        user_provided,
    })
}

/// OpenSSH's number for a key's type, which its log gives.
fn type_number(key: &PublicKey) -> i8 {
    match key.key_type() {
        "ssh-rsa" => 0,
        "ssh-ed25519" => 3,
        "ssh-rsa-cert-v01@openssh.com" => 4,
        "ssh-ed25519-cert-v01@openssh.com" => 7,
        "sk-ecdsa-sha2-nistp256@openssh.com" => 10,
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com" => 11,
        "sk-ssh-ed25519@openssh.com" => 12,
        "sk-ssh-ed25519-cert-v01@openssh.com" => 13,
        "ssh-mldsa44-ed25519@openssh.com" => 14,
        "ssh-mldsa44-ed25519-cert-v01@openssh.com" => 15,
        ecdsa if ecdsa.ends_with("-cert-v01@openssh.com") => 6,
        _ => 2,
    }
}

/// The public half by the file itself (a public key, or what a private one
/// shows), else by the `.pub` beside it.
fn public_half(path: &Path) -> Option<PublicKey> {
    // Permissions are judged when the private half is wanted.
    let text = std::fs::read(path).ok();
    if let Some(text) = text {
        if let Some(key) = public_of_private_file(&text) {
            return Some(key);
        }
        if let Ok((key, _)) = parse_public_file(&text) {
            return Some(key);
        }
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    Some(parse_public_file(&std::fs::read(beside).ok()?).ok()?.0)
}

/// Opens the private half, asking for the passphrase if it needs one.
pub(super) fn open(options: &Options, identity: &Identity) -> Option<PrivateKey> {
    let path = identity.path.as_deref()?;
    if let Err(e) = std::fs::metadata(path) {
        let text = os_error(&e);
        if identity.user_provided {
            info!("no such identity: {}: {text}", identity.name);
        } else {
            debug3!("no such identity: {}: {text}", identity.name);
        }
        return None;
    }
    let bytes = keyfile::read(path)
        .map_err(|why| error!("Load key \"{}\": {why}", identity.name))
        .ok()?;
    let prompt = format!("Enter passphrase for key '{}': ", identity.name);
    let mut passphrase: Option<Secret> = None;
    for attempt in 0..=options.number_of_password_prompts {
        if attempt > 0 {
            let answer = ask_or_empty(&prompt, Ask::default());
            if answer.is_empty() {
                debug2!("no passphrase given, try next key");
                return None;
            }
            passphrase = Some(Secret::from(answer.as_slice()));
        }
        match PrivateKey::parse_file(&bytes, passphrase.as_ref()) {
            Ok(key) => return Some(key),
            Err(KeyFileError::NeedsPassphrase | KeyFileError::WrongPassphrase) => {
                if options.batch_mode {
                    return None;
                }
                if attempt > 0 {
                    debug2!("bad passphrase given, try again...");
                }
            }
            Err(e) => {
                error!("Load key \"{}\": {}", identity.name, keyfile::reason(&e));
                return None;
            }
        }
    }
    None
}

/// The signature algorithm to use `key` with: RSA's is chosen among those
/// the server says it takes, the others have one.
pub(super) fn signature_algorithm(
    key: &PublicKey,
    accepted: &[String],
    server: Option<&str>,
) -> Option<String> {
    let rsa = key.key_type() == "ssh-rsa";
    match server {
        Some(list) if rsa => accepted
            .iter()
            .find(|name| is_for(key, name) && list.split(',').any(|s| s == name.as_str()))
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
}
