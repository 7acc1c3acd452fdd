//! Keys and certificates in files: what their public halves are, and opening
//! the private ones.

use std::path::{Path, PathBuf};

use carrick_config::ssh::Options;
use carrick_keys::{
    CertKind, KeyFileError, PrivateKey, PublicKey, parse_public_file, public_of_private_file,
};
use carrick_wire::Secret;
use zeroize::Zeroizing;

use super::identity::Identity;
use crate::log::{debug, debug2, debug3, error, info};
use crate::prompt::{Ask, ask_or_empty};
use crate::text::os_error;
use crate::{home, keyfile};

/// As many as OpenSSH takes, certificates beside keys included.
const MAX_FILES: usize = 100;

/// What IdentityFile and CertificateFile name.
#[derive(Default)]
pub(super) struct Files {
    /// The keys in order, each with the certificate that lies beside it.
    pub(super) keys: Vec<Identity>,
    /// The certificates that were named themselves.
    pub(super) certificates: Vec<Identity>,
}

impl Files {
    /// Reads all that the options name.
    pub(super) fn load(options: &Options) -> Self {
        let mut files = Self::default();
        for file in &options.identity_files {
            let Some(name) = expand(options, "IdentityFile", &file.path) else {
                continue;
            };
            if files.keys.len() >= MAX_FILES {
                break;
            }
            let key = load(options, &name, "pubkey");
            tell("identity file", &name, key.as_ref());
            files.keys.push(Identity::in_file(&name, key, file));
            if files.keys.len() >= MAX_FILES {
                break;
            }
            let beside = format!("{name}-cert");
            let cert = load(options, &beside, "pubkey");
            tell("identity file", &beside, cert.as_ref());
            if let Some(cert) = certificate(&beside, cert) {
                files.keys.push(Identity::in_file(&name, Some(cert), file));
            }
        }
        for file in &options.certificate_files {
            let Some(name) = expand(options, "CertificateFile", &file.path) else {
                continue;
            };
            let cert = load(options, &name, "certificate");
            tell("certificate file", &name, cert.as_ref());
            if let Some(cert) = certificate(&name, cert) {
                let found = Identity::in_file(&name, Some(cert), file);
                files.certificates.push(found);
            }
        }
        files
    }
}

fn tell(what: &str, name: &str, key: Option<&PublicKey>) {
    debug!("{what} {name} type {}", key.map_or(-1, type_number));
}

/// The key, if it is a certificate; what is wrong with it in use is told now,
/// as the server will only say no.
fn certificate(name: &str, key: Option<PublicKey>) -> Option<PublicKey> {
    let key = key?;
    let PublicKey::Certificate(cert) = &key else {
        debug!(
            "load_public_identity_files: key {name} type {} is not a certificate",
            key.short_name()
        );
        return None;
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    if cert.kind == CertKind::User {
        if now >= cert.valid_before {
            debug!("certificate {name} \"{}\" has expired", cert.key_id);
        } else if now < cert.valid_after {
            debug!("certificate {name} \"{}\" is not valid yet", cert.key_id);
        }
    }
    Some(key)
}

/// A file's name with its tokens expanded; none for `none`.
fn expand(options: &Options, keyword: &str, text: &str) -> Option<String> {
    let env = |name: &str| std::env::var(name).ok();
    let expanded = carrick_config::tokens::expand_all(text, &options.tokens.table(), &env);
    let name = match expanded {
        Ok(expanded) => home::expand(&expanded).to_string_lossy().into_owned(),
        Err(why) => {
            error!("{keyword} {text}: {why}");
            return None;
        }
    };
    (!name.eq_ignore_ascii_case("none")).then_some(name)
}

/// The public key of a file. One that is too short to be used is told and left
/// out.
fn load(options: &Options, name: &str, what: &str) -> Option<PublicKey> {
    let key = public_half(Path::new(name))?;
    if key.is_rsa_below(options.required_rsa_size) {
        error!("load {what} \"{name}\": Invalid key length");
        return None;
    }
    Some(key)
}

/// The public half by the file itself, by the `.pub` beside it, or by what a
/// private key shows without its passphrase. A file that holds none is no
/// fault: some private keys show nothing.
fn public_half(path: &Path) -> Option<PublicKey> {
    // Permissions are judged when the private half is wanted.
    let own = std::fs::read(path).map(Zeroizing::new).ok();
    let public = |text: &[u8]| Some(parse_public_file(text).ok()?.0);
    if let Some(key) = own.as_deref().and_then(|text| public(text)) {
        return Some(key);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let beside = std::fs::read(beside).ok();
    beside
        .and_then(|text| public(&text))
        .or_else(|| public_of_private_file(own.as_deref()?))
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

/// Opens the private half, asking for the passphrase if it needs one.
pub(super) fn open(options: &Options, identity: &Identity) -> Option<PrivateKey> {
    let path: &PathBuf = identity.path.as_ref()?;
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
