//! Keys that are not in files: in security keys, and in PKCS#11 tokens.

use carrick_config::ssh::Options;
use carrick_keys::{FingerprintHash, PrivateKey};

use crate::log::debug;
use crate::pkcs11::Provider;
use crate::sk::{self, Notice};

/// Loads what `PKCS11Provider` names; `None` if that is nothing, or it cannot
/// be loaded.
pub(super) fn load_tokens(options: &Options) -> Option<Provider> {
    let path = options.pkcs11_provider.as_deref()?;
    if path.is_empty() || path.eq_ignore_ascii_case("none") {
        return None;
    }
    // In a batch nobody answers, and what needs a PIN does not work.
    Provider::load(path, !options.batch_mode)
        .map_err(|why| debug!("provider {path}: {why}"))
        .ok()
}

/// A signature by a key out of the file `name`: by the security key that it
/// speaks of, if it does.
pub(super) fn sign(
    options: &Options,
    key: &PrivateKey,
    name: &str,
    algorithm: &str,
    data: &[u8],
) -> Result<Vec<u8>, String> {
    if key.security_key().is_none() {
        return key.sign(algorithm, data).map_err(|e| e.to_string());
    }
    let provider = sk::provider(options.security_key_provider.as_deref());
    debug!("signing with a security key, provider {provider}");
    let kind = key.public().short_name();
    let fingerprint = key.public().fingerprint(FingerprintHash::Sha256);
    let notice = format!("Confirm user presence for key {kind} {fingerprint}");
    sk::sign_with_user(
        &provider,
        key,
        data,
        || sk::ask_pin(&format!("Enter PIN for {kind} key {name}: "), false),
        || Notice::start(&notice, options.batch_mode),
        None,
    )
    .map_err(|e| e.to_string())
}
