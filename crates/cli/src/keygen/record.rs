//! `-r`: a public key as SSHFP records (RFC 4255) for a zone file.

use std::path::Path;

use carrick_keys::{PublicKey, sshfp};

use super::args::Args;
use super::{Outcome, Stop, files};
use crate::log::error;
use crate::text::{os_error, outln};

/// The host keys that are printed when no file is named.
const HOST_KEYS: [&str; 3] = [
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
];

/// Prints the records of `-f`, or of this machine's host keys.
pub(super) fn run(args: &Args, host: &str) -> Outcome {
    let Some(hashes) = hashes(&args.options)? else {
        // OpenSSH tells of a bad option and goes on without printing.
        return Ok(());
    };
    if let Some(path) = &args.file {
        if !print(args, path, host, hashes)? {
            return Err(Stop::fatal(format!(
                "{}: No such file or directory",
                path.display()
            )));
        }
        return Ok(());
    }
    let mut any = false;
    for path in HOST_KEYS {
        any |= print(args, Path::new(path), host, hashes)?;
    }
    if any {
        Ok(())
    } else {
        Err(Stop::fatal("no keys found."))
    }
}

/// The hashes that `-O hashalg=` leaves; `None` after a bad option.
fn hashes(options: &[String]) -> Outcome<Option<&'static [sshfp::Hash]>> {
    use carrick_keys::FingerprintHash as Name;
    const BOTH: &[sshfp::Hash] = &[sshfp::Hash::Sha1, sshfp::Hash::Sha256];
    let mut wanted = BOTH;
    for option in options {
        let Some(name) = strip_prefix(option, "hashalg=") else {
            error!("Invalid option \"{option}\"");
            return Ok(None);
        };
        wanted = match Name::from_name(name) {
            Some(Name::Sha1) => &[sshfp::Hash::Sha1],
            Some(Name::Sha256) => &[sshfp::Hash::Sha256],
            Some(_) => &[],
            None => return Err(Stop::fatal("Unsupported hash algorithm")),
        };
    }
    Ok(Some(wanted))
}

/// What follows a prefix that is written in any case.
pub(super) fn strip_prefix<'a>(option: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = option.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Prints one key's records; false if the file is not there.
fn print(args: &Args, path: &Path, host: &str, hashes: &[sshfp::Hash]) -> Outcome<bool> {
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => {
            return Err(Stop::fatal(format!("{}: {}", path.display(), os_error(&e))));
        }
        Ok(_) => {}
    }
    let (key, _) = files::load_public(path).ok_or_else(|| {
        Stop::fatal(format!(
            "Failed to read v2 public key from \"{}\": No such file or directory",
            path.display()
        ))
    })?;
    if !records(args, &key, host, hashes) {
        error!("export_dns_rr: unsupported algorithm and/or digest_type");
    }
    Ok(true)
}

/// Whether there was anything to print.
fn records(args: &Args, key: &PublicKey, host: &str, hashes: &[sshfp::Hash]) -> bool {
    let mut any = false;
    for hash in hashes {
        if let Some(record) = sshfp::record(key, *hash) {
            outln!("{host} {}", record.zone_text(args.generic));
            any = true;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::strip_prefix;

    #[test]
    fn options_in_any_case() {
        assert_eq!(strip_prefix("HashAlg=sha1", "hashalg="), Some("sha1"));
        assert_eq!(strip_prefix("hash", "hashalg="), None);
        assert_eq!(strip_prefix("hashalg:x", "hashalg="), None);
    }
}
