//! `-Y verify` and `-Y check-novalidate`.

use std::io;
use std::path::Path;

use carrick_keys::allowed_signers::Query;
use carrick_keys::sshsig::Signer;
use carrick_keys::{FingerprintHash, PublicKey, RevokedKeys};

use super::super::args::Args;
use super::super::{Outcome, time};
use super::principals::{read_allowed, search};
use super::{FAILED, Known, digest, options, read_signature};
use crate::log::{debug, debug3, error};
use crate::text::{os_error, outln};

/// `-Y verify` and `-Y check-novalidate`: whether standard input was signed
/// and, for `verify`, by the key of the one who is named.
pub(super) fn verify(
    args: &Args,
    signature: &str,
    namespace: &str,
    allowed: Option<(&str, &Path)>,
) -> Outcome {
    let known = Known {
        hash: false,
        time: true,
        print_key: true,
    };
    let verified = options(args, known).and_then(|options| {
        let signed = check(signature, namespace)?;
        let good = not_revoked(args, signed.key())
            && allowed.is_none_or(|(who, file)| is_allowed(&signed, who, file, options.time));
        good.then_some((signed, options))
    });
    let Some((signed, options)) = verified else {
        if !args.quiet {
            outln!("Could not verify signature.");
        }
        return Err(FAILED);
    };
    if !args.quiet {
        let key = signed.key();
        outln!(
            "Good \"{namespace}\" signature{} with {} key {}",
            allowed.map_or(String::new(), |(who, _)| format!(" for {who}")),
            key.short_name(),
            key.fingerprint(args.hash)
        );
    }
    if options.print_key {
        outln!("{}", signed.key().to_line(""));
    }
    Ok(())
}

/// Checks the signature over standard input.
fn check(path: &str, namespace: &str) -> Option<Signer> {
    let signature = read_signature(path, "sig_verify")?;
    let hash = signature.hash();
    debug!("signature made with hash \"{}\"", hash.name());
    let digest = digest(hash, io::stdin())
        .inspect_err(|e| error!("hash_file: read: {}", os_error(e)))
        .ok()?;
    let signed = signature
        .verify(namespace, &digest)
        .inspect_err(|e| error!("{e}"))
        .ok()?;
    debug!(
        "Valid (unverified) signature from key {}",
        signed.key().fingerprint(FingerprintHash::Sha256)
    );
    Some(signed)
}

/// `-r`: a file of revoked keys. One that cannot be read revokes all.
fn not_revoked(args: &Args, key: &PublicKey) -> bool {
    let Some(path) = &args.cert.revoked else {
        return true;
    };
    let read = std::fs::read(path).map_err(|e| os_error(&e));
    let revoked = read.and_then(|bytes| RevokedKeys::parse(bytes).map_err(|e| e.to_string()));
    match revoked {
        Ok(revoked) => !revoked.is_revoked(key),
        Err(why) => {
            debug3!("sig_verify: sshkey_check_revoked: {why}");
            false
        }
    }
}

fn is_allowed(signed: &Signer, who: &str, file: &Path, at: u64) -> bool {
    let Ok(text) = read_allowed(file) else {
        return false;
    };
    let query = Query {
        key: signed.key(),
        principal: Some(who),
        namespace: Some(signed.namespace()),
        time: at,
        zone: &time::seconds,
    };
    search(file, &text, &query).is_some()
}
