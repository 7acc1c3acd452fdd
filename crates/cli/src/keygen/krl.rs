//! `-k` and `-Q`: key revocation lists.

use std::io::Read as _;
use std::path::Path;

use carrick_keys::krl::{Krl, SpecAuthority, SpecError};
use carrick_keys::{FingerprintHash, PublicKey};

use super::args::Args;
use super::signer::load_public;
use super::{Outcome, Stop, files, time};
use crate::home;
use crate::log::error;
use crate::text::{os_error, outln, printable};

/// The list's file.
fn file(args: &Args, missing: &str) -> Outcome<std::path::PathBuf> {
    args.file
        .clone()
        .filter(|path| !path.as_os_str().is_empty())
        .ok_or_else(|| Stop::fatal(missing))
}

fn load(path: &Path) -> Outcome<Krl> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|e| Stop::fatal(format!("Unable to load KRL {shown}: {}", os_error(&e))))?;
    Krl::from_blob(&bytes).map_err(|e| {
        if let Some(detail) = e.detail() {
            error!("{detail}");
        }
        Stop::fatal(format!("Invalid KRL file {shown}: {e}"))
    })
}

/// `-k`: makes a list from texts and keys, or adds to one (`-u`).
pub(super) fn generate(args: &Args) -> Outcome {
    let path = file(args, "KRL generation requires an output file")?;
    let shown = path.display();
    match std::fs::metadata(&path) {
        Ok(_) => {}
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            let why = os_error(&e);
            return Err(Stop::fatal(format!("Cannot access KRL \"{shown}\": {why}")));
        }
        Err(_) if args.cert.update => {
            return Err(Stop::fatal(format!("KRL \"{shown}\" does not exist")));
        }
        Err(_) => {}
    }
    let authority = match args.cert.authority.as_deref() {
        None => None,
        Some(name) if name.eq_ignore_ascii_case("none") => Some(None),
        Some(name) => {
            let path = home::expand(name);
            let what = format!("Cannot load CA public key {}", path.display());
            Some(Some(load_public(&path, &what)?.0))
        }
    };
    let scope = match &authority {
        None => SpecAuthority::Unknown,
        Some(None) => SpecAuthority::Any,
        Some(Some(key)) => SpecAuthority::Key(key),
    };
    let mut krl = if args.cert.update {
        load(&path)?
    } else {
        Krl::new()
    };
    if args.cert.serial != 0 {
        krl.version = args.cert.serial;
    }
    if let Some(comment) = &args.comment {
        krl.comment = comment.clone().into_bytes();
    }
    for operand in &args.operands {
        add(args, &mut krl, &operand.to_string_lossy(), scope)?;
    }
    if krl.generated == 0 {
        krl.generated = time::now();
    }
    write(&path, &krl.to_blob())
        .map_err(|e| Stop::fatal(format!("write {shown}: {}", os_error(&e))))
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if path.exists() {
        files::rewrite(path, bytes)
    } else {
        files::write_public(path, bytes)
    }
}

/// Revokes what one file tells.
fn add(args: &Args, krl: &mut Krl, name: &str, scope: SpecAuthority<'_>) -> Outcome {
    let path = home::expand(name);
    let (shown, text) = if path.as_os_str() == "-" {
        let mut text = Vec::new();
        let read = std::io::stdin().read_to_end(&mut text);
        ("(standard input)".to_owned(), read.map(|_| text))
    } else {
        (path.display().to_string(), std::fs::read(&path))
    };
    let text = text.map_err(|e| Stop::fatal(format!("fopen {shown}: {}", os_error(&e))))?;
    if !args.quiet {
        outln!("Revoking from {shown}");
    }
    krl.revoke_spec(&text, scope).map_err(|(line, e)| {
        // OpenSSH names the file as it was named to it when a hash is wrong.
        let place = match e {
            SpecError::HashAlgorithm | SpecError::HashEncoding => name,
            _ => &shown,
        };
        Stop::fatal(if e.tells_line() {
            format!("{place}:{line}: {e}")
        } else {
            e.to_string()
        })
    })
}

/// `-Q`: prints a list (`-l`), and tells of keys whether they are revoked.
pub(super) fn query(args: &Args) -> Outcome {
    let path = file(args, "KRL checking requires an input file")?;
    let krl = load(&path)?;
    if args.fingerprint {
        print(&krl);
    }
    let mut any = false;
    for operand in &args.operands {
        let path = Path::new(operand);
        let what = format!("Cannot load public key {}", path.display());
        let (key, comment) = load_public(path, &what)?;
        let comment = if comment.is_empty() {
            comment
        } else {
            format!(" ({comment})")
        };
        let revoked = krl.revokes(&key);
        any |= revoked;
        let verdict = if revoked { "REVOKED" } else { "ok" };
        outln!("{}{comment}: {verdict}", path.display());
    }
    if any { Err(Stop::Status(1)) } else { Ok(()) }
}

/// The list as a text that `-k` reads, as far as there are words for it.
fn print(krl: &Krl) {
    outln!("# KRL version {}", krl.version);
    outln!("# Generated at {}", time::show_compact(krl.generated));
    if !krl.comment.is_empty() {
        let comment = String::from_utf8_lossy(&krl.comment);
        outln!("# Comment: {}", printable(&comment));
    }
    outln!();
    for blob in krl.keys() {
        match PublicKey::from_blob(blob) {
            Ok(key) => {
                let print = key.fingerprint(FingerprintHash::Sha256);
                outln!("hash: {print} # {}", key.key_type());
            }
            Err(e) => error!("parse KRL key: {}", e.openssh_words()),
        }
    }
    for hash in krl.sha256_hashes() {
        outln!("hash: SHA256:{}", hex(hash));
    }
    for hash in krl.sha1_hashes() {
        outln!("# hash SHA1:{}", hex(hash));
    }
    for certs in krl.authorities() {
        outln!();
        match certs.authority() {
            None => outln!("# Wildcard CA"),
            Some(key) => {
                let print = key.fingerprint(FingerprintHash::Sha256);
                outln!("# CA key {} {print}", key.key_type());
            }
        }
        for (low, high) in certs.serials() {
            if low == high {
                outln!("serial: {low}");
            } else {
                outln!("serial: {low}-{high}");
            }
        }
        for id in certs.key_ids() {
            outln!("id: {}", printable(&String::from_utf8_lossy(id)));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
