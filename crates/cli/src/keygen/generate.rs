//! Making a key pair.

use std::path::Path;

use carrick_crypto::rng::SystemRng;
use carrick_keys::{Curve, KeyType, PrivateKey, WriteOptions, randomart};
use carrick_wire::Secret;

use super::args::Args;
use super::{Outcome, Stop, files};
use crate::prompt::{Answer, Ask, ask_or_empty};
use crate::text::os_error;
use crate::text::{err, out, outln};
use crate::{account, home};

const RSA_MIN: u32 = 1024;
const RSA_MAX: u32 = 16384;

/// Makes a key, asks what it must, and writes both files.
pub(super) fn run(args: &Args) -> Outcome {
    let (kind, name) = match &args.kind {
        Some((kind, name)) => (*kind, name.as_str()),
        None => (KeyType::Ed25519, "ed25519"),
    };
    let kind = sized(kind, name, args.bits)?;
    if !args.quiet {
        outln!("Generating public/private {name} key pair.");
    }
    let bits = if kind == KeyType::Rsa {
        args.bits.unwrap_or(0)
    } else {
        0
    };
    let mut key = PrivateKey::generate(kind, bits, &mut SystemRng)
        .map_err(|e| Stop::fatal(format!("ssh-keygen: {e}")))?;
    let short = match kind {
        KeyType::Ecdsa(_) => "ecdsa",
        KeyType::Rsa => "rsa",
        _ => "ed25519",
    };
    let path = files::name(args, "Enter file in which to save the key", Some(short))?;
    match home::ensure_ssh_directory(&path) {
        Ok(true) if !args.quiet => {
            outln!(
                "Created directory '{}'.",
                home::directory().join(".ssh").display()
            );
        }
        // If it cannot be made, writing the key says why.
        Ok(_) | Err(_) => {}
    }
    confirm_overwrite(&path)?;
    let question = format!(
        "Enter passphrase for \"{}\" (empty for no passphrase): ",
        path.display()
    );
    let passphrase = new_passphrase(args, &question)?;
    let comment = args.comment.clone().unwrap_or_else(default_comment);
    key.set_comment(comment.as_str());
    save_private(args, &key, &path, &passphrase)?;
    if !args.quiet {
        outln!("Your identification has been saved in {}", path.display());
    }
    save_public(&key, &path)?;
    if !args.quiet {
        let public = key.public();
        outln!(
            "Your public key has been saved in {}",
            files::public_path(&path).display()
        );
        outln!(
            "The key fingerprint is:\n{} {comment}",
            public.fingerprint(args.hash)
        );
        outln!(
            "The key's randomart image is:\n{}",
            randomart(public, args.hash)
        );
    }
    Ok(())
}

/// Checks `-b` against the type; an ECDSA size chooses the curve.
fn sized(kind: KeyType, name: &str, bits: Option<u32>) -> Outcome<KeyType> {
    match (kind, bits) {
        // A full name says the curve already.
        (KeyType::Ecdsa(_), Some(bits)) if name.eq_ignore_ascii_case("ecdsa") => match bits {
            256 => Ok(KeyType::Ecdsa(Curve::P256)),
            384 => Ok(KeyType::Ecdsa(Curve::P384)),
            521 => Ok(KeyType::Ecdsa(Curve::P521)),
            _ => Err(Stop::fatal(
                "Invalid ECDSA key length: valid lengths are 256, 384 or 521 bits",
            )),
        },
        (KeyType::Rsa, Some(bits)) if bits < RSA_MIN => Err(Stop::fatal(format!(
            "Invalid RSA key length: minimum is {RSA_MIN} bits"
        ))),
        (KeyType::Rsa, Some(bits)) if bits > RSA_MAX => Err(Stop::fatal(format!(
            "Invalid RSA key length: maximum is {RSA_MAX} bits"
        ))),
        _ => Ok(kind),
    }
}

/// `user@host`.
fn default_comment() -> String {
    let user = account::me().map_or("", |a| a.name.as_str());
    format!("{user}@{}", account::host_name())
}

/// Asks before a file is replaced.
fn confirm_overwrite(path: &Path) -> Outcome {
    if std::fs::metadata(path).is_err() {
        return Ok(());
    }
    outln!("{} already exists.", path.display());
    out!("Overwrite (y/n)? ");
    if files::read_line()?.starts_with(['y', 'Y']) {
        Ok(())
    } else {
        Err(Stop::Status(1))
    }
}

/// `-N`, or asked for twice until both agree.
pub(super) fn new_passphrase(args: &Args, question: &str) -> Outcome<Secret> {
    if let Some(passphrase) = &args.new_passphrase {
        return Ok(passphrase.clone());
    }
    let hidden = Ask {
        echo: false,
        stdin: true,
    };
    loop {
        let first: Answer = ask_or_empty(question, hidden);
        let second: Answer = ask_or_empty("Enter same passphrase again: ", hidden);
        if *first == *second {
            return Ok(Secret::from(first.as_slice()));
        }
        outln!("Passphrases do not match.  Try again.");
    }
}

/// Writes the private file.
pub(super) fn save_private(
    args: &Args,
    key: &PrivateKey,
    path: &Path,
    passphrase: &Secret,
) -> Outcome {
    let fail = |why: String| {
        err!("Saving key \"{}\" failed: {why}\r\n", path.display());
        Stop::Status(1)
    };
    let defaults = WriteOptions::default();
    let options = WriteOptions {
        passphrase: Some(passphrase),
        cipher: args.cipher.as_deref().unwrap_or(defaults.cipher),
        rounds: args.rounds.unwrap_or(defaults.rounds),
    };
    let text = key
        .to_openssh(&options, &mut SystemRng)
        .map_err(|e| fail(e.to_string()))?;
    files::write_private(path, text.expose()).map_err(|e| fail(os_error(&e)))
}

/// Writes the `.pub` file beside it.
pub(super) fn save_public(key: &PrivateKey, path: &Path) -> Outcome {
    let path = files::public_path(path);
    let line = format!("{} {}\n", key.public().to_line(""), key.comment());
    files::write_public(&path, line.as_bytes()).map_err(|e| {
        Stop::fatal(format!(
            "Unable to save public key to {}: {}",
            path.display(),
            os_error(&e)
        ))
    })
}
