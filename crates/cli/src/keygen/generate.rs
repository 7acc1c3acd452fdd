//! Making a key pair.

use std::path::Path;

use carrick_keys::{
    Curve, FileForm, KeyFileError, KeyType, PrivateKey, RSA_BITS_MAX, RSA_BITS_MIN, WriteOptions,
    randomart,
};
use carrick_wire::Secret;

use super::args::{Args, Form};
use super::kernel::KernelRng;
use super::security_key::{Attestation, Enrollment};
use super::{Outcome, Stop, files};
use crate::prompt::{Answer, Ask, ask_or_empty};
use crate::text::os_error;
use crate::text::{err, out, outln};
use crate::{account, home};

/// Makes a key, asks what it must, and writes both files.
pub(super) fn run(args: &Args) -> Outcome {
    let name = args.kind.as_deref().unwrap_or("ed25519");
    let (kind, bits) = kind(name, args.bits)?;
    let enrollment = Enrollment::new(args, kind)?;
    if !args.quiet {
        outln!("Generating public/private {name} key pair.");
    }
    let (mut key, attestation) = match enrollment {
        Some(enrollment) => enrollment.run(args)?,
        None => {
            let key = PrivateKey::generate(kind, bits, &mut KernelRng)
                .map_err(|e| Stop::fatal(format!("ssh-keygen: {e}")))?;
            (key, Attestation::NONE)
        }
    };
    let path = files::name(args, "Enter file in which to save the key")?;
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
    let passphrase = first_passphrase(args, &path)?;
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
    attestation.save(args.quiet)
}

/// The type of that name and the size to make, from `-b` or by default. An
/// ECDSA size chooses the curve, even against a full name.
pub(super) fn kind(name: &str, bits: Option<u32>) -> Outcome<(KeyType, u32)> {
    let kind =
        KeyType::parse(name).ok_or_else(|| Stop::fatal(format!("unknown key type {name}")))?;
    match (kind, bits) {
        (KeyType::Ecdsa(_), Some(bits)) => match bits {
            256 => Ok((KeyType::Ecdsa(Curve::P256), 0)),
            384 => Ok((KeyType::Ecdsa(Curve::P384), 0)),
            521 => Ok((KeyType::Ecdsa(Curve::P521), 0)),
            _ => Err(Stop::fatal(
                "Invalid ECDSA key length: valid lengths are 256, 384 or 521 bits",
            )),
        },
        (KeyType::Rsa, Some(bits)) if bits < RSA_BITS_MIN => Err(Stop::fatal(format!(
            "Invalid RSA key length: minimum is {RSA_BITS_MIN} bits"
        ))),
        (KeyType::Rsa, Some(bits)) if bits > RSA_BITS_MAX => Err(Stop::fatal(format!(
            "Invalid RSA key length: maximum is {RSA_BITS_MAX} bits"
        ))),
        (KeyType::Rsa, Some(bits)) => Ok((kind, bits)),
        _ => Ok((kind, 0)),
    }
}

/// `user@host`.
pub(super) fn default_comment() -> String {
    let user = account::me().map_or("", |a| a.name.as_str());
    format!("{user}@{}", account::host_name())
}

/// Asks before a file is replaced.
pub(super) fn confirm_overwrite(path: &Path) -> Outcome {
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

/// The passphrase of a new key: `-P`, `-N`, or asked for twice until both
/// agree.
pub(super) fn first_passphrase(args: &Args, path: &Path) -> Outcome<Secret> {
    if let Some(passphrase) = args.passphrase.as_ref().or(args.new_passphrase.as_ref()) {
        return Ok(passphrase.clone());
    }
    let hidden = Ask {
        echo: false,
        stdin: true,
    };
    let question = format!(
        "Enter passphrase for \"{}\" (empty for no passphrase): ",
        path.display()
    );
    loop {
        let first: Answer = ask_or_empty(&question, hidden);
        let second: Answer = ask_or_empty("Enter same passphrase again: ", hidden);
        if *first == *second {
            return Ok(Secret::from(first.as_slice()));
        }
        outln!("Passphrases do not match.  Try again.");
    }
}

/// The private file's text, or why there is none.
pub(super) fn private_text(
    args: &Args,
    key: &PrivateKey,
    passphrase: &Secret,
) -> Result<Secret, KeyFileError> {
    let defaults = WriteOptions::default();
    let options = WriteOptions {
        passphrase: Some(passphrase),
        cipher: args.cipher.as_deref().unwrap_or(defaults.cipher),
        rounds: args.rounds.unwrap_or(defaults.rounds),
    };
    let form = match args.form {
        None | Some(Form::Rfc4716) => FileForm::OpenSsh,
        Some(Form::Pem) => FileForm::Pem,
        Some(Form::Pkcs8) => FileForm::Pkcs8,
        Some(Form::Putty(version)) => FileForm::Putty(version),
    };
    key.to_file(form, &options, &mut KernelRng)
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
    let text = private_text(args, key, passphrase).map_err(|e| fail(e.to_string()))?;
    files::write_private(path, text.expose()).map_err(|e| fail(os_error(&e)))
}

/// The text of a `.pub` file.
pub(super) fn public_line(key: &PrivateKey) -> String {
    format!("{} {}\n", key.public().to_line(""), key.comment())
}

/// Writes the `.pub` file beside it.
pub(super) fn save_public(key: &PrivateKey, path: &Path) -> Outcome {
    let path = files::public_path(path);
    files::write_public(&path, public_line(key).as_bytes()).map_err(|e| {
        Stop::fatal(format!(
            "Unable to save public key to {}: {}",
            path.display(),
            os_error(&e)
        ))
    })
}
