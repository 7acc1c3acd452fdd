//! `-D`: the keys of a PKCS#11 token.

use carrick_keys::helper::pkcs11::TokenKey;
use carrick_keys::randomart;

use super::args::Args;
use super::{Outcome, Stop};
use crate::log::debug;
use crate::pkcs11::Provider;
use crate::text::outln;

/// Loads a library that must have keys.
pub(super) fn load(path: &str) -> Outcome<Provider> {
    let loaded = Provider::load(path, true).map_err(|why| debug!("provider {path}: {why}"));
    match loaded {
        Ok(provider) if !provider.keys().is_empty() => Ok(provider),
        _ => Err(Stop::fatal("cannot read public key from pkcs11")),
    }
}

/// Lists the keys, or with `-l` their fingerprints.
pub(super) fn list(args: &Args, path: &str) -> Outcome {
    for TokenKey { key, label } in load(path)?.keys() {
        if !args.fingerprint {
            outln!("{}", key.to_line(label));
            continue;
        }
        outln!(
            "{} {} {} (PKCS11 key)",
            key.bits(),
            key.fingerprint(args.hash),
            key.short_name()
        );
        if args.verbose {
            outln!("{}", randomart(key, args.hash));
        }
    }
    Ok(())
}
