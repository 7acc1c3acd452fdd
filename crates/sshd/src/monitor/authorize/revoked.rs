//! RevokedKeys: what lets nobody in any more.

use carrick_config::sshd::Options;
use carrick_keys::{PublicKey, RevokedKeys};

use super::userfile;
use crate::listener::bind::strerror;
use crate::log::error;
use crate::settings::fingerprint_hash;

/// Whether a key, a certificate, the key in it or its authority is revoked.
/// A file that cannot be read or understood revokes all: what it would have
/// said may be just what matters. Read anew each time, as an administrator
/// who revokes a key means now.
pub fn is_revoked(options: &Options, key: &PublicKey) -> bool {
    options.revoked_keys.iter().any(|file| {
        let print = key.fingerprint(fingerprint_hash(options));
        let kind = key.short_name();
        let problem = match userfile::read_plain(file) {
            Err(problem) => strerror(&problem),
            Ok(text) => match RevokedKeys::parse(text) {
                Err(problem) => problem.to_string(),
                Ok(list) if list.is_revoked(key) => {
                    error!("Authentication key {kind} {print} revoked by file {file}");
                    return true;
                }
                Ok(_) => return false,
            },
        };
        error!(
            "Error checking authentication key {kind} {print} in revoked keys file {file}: {problem}"
        );
        true
    })
}
