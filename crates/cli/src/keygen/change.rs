//! `-p` and `-c`: another passphrase or comment for a key.

use std::path::Path;

use carrick_keys::{KeyType, PrivateKey, SK_USER_PRESENT, SK_USER_VERIFIED};
use carrick_wire::Secret;

use super::args::{Args, Form};
use super::{Outcome, Stop, files, generate};
use crate::log::error;
use crate::prompt::{Ask, ask_or_empty};
use crate::text::{out, outln};

/// `-p`: the same key under another passphrase.
pub(super) fn passphrase(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is")?;
    files::must_exist(&path)?;
    let what = format!("Failed to load key {}", path.display());
    let mut loaded = files::load(args, &path, &what, "Enter old passphrase: ")?;
    if let Some(comment) = loaded.comment() {
        outln!("Key has comment '{comment}'");
    }
    change_flags(args, &mut loaded.key, &path)?;
    let passphrase = next_passphrase(args)?;
    generate::save_private(args, &loaded.key, &path, &passphrase)?;
    outln!("Your identification has been saved with the new passphrase.");
    Ok(())
}

/// `-O`: what a security key asks of its user, kept in the file (OpenSSH
/// 10.5).
fn change_flags(args: &Args, key: &mut PrivateKey, path: &Path) -> Outcome {
    if args.options.is_empty() {
        return Ok(());
    }
    let Some(handle) = key.security_key_mut() else {
        return Err(Stop::fatal(format!(
            "FIDO-specific option requested for non-FIDO key {}",
            path.display()
        )));
    };
    for option in &args.options {
        match option.to_ascii_lowercase().as_str() {
            "touch-required" => handle.flags |= SK_USER_PRESENT,
            "no-touch-required" => handle.flags &= !SK_USER_PRESENT,
            "verify-required" => handle.flags |= SK_USER_VERIFIED,
            "no-verify-required" => handle.flags &= !SK_USER_VERIFIED,
            _ => {
                return Err(Stop::fatal(format!(
                    "Option \"{option}\" is unsupported for key passphrase change"
                )));
            }
        }
    }
    Ok(())
}

/// `-N`, or asked for twice; here OpenSSH does not ask again.
fn next_passphrase(args: &Args) -> Outcome<Secret> {
    if let Some(passphrase) = &args.new_passphrase {
        return Ok(passphrase.clone());
    }
    let hidden = Ask {
        echo: false,
        stdin: true,
    };
    let first = ask_or_empty("Enter new passphrase (empty for no passphrase): ", hidden);
    let second = ask_or_empty("Enter same passphrase again: ", hidden);
    if *first != *second {
        outln!("Pass phrases do not match.  Try again.");
        return Err(Stop::Status(1));
    }
    Ok(Secret::from(first.as_slice()))
}

/// `-c`: another comment.
pub(super) fn comment(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is")?;
    files::must_exist(&path)?;
    let what = format!("Cannot load private key \"{}\"", path.display());
    // A passphrase that is there under either name is tried.
    let given = args.passphrase.as_ref().or(args.new_passphrase.as_ref());
    let loaded = files::load_with(given, &path, &what, "Enter passphrase: ")?;
    let old = loaded.comment().map(|comment| comment.into_owned());
    let files::Loaded {
        mut key,
        passphrase,
        ..
    } = loaded;
    if key.public().kind() != KeyType::Ed25519 && matches!(args.form, Some(Form::Pem | Form::Pkcs8))
    {
        error!("Comments are only supported for keys stored in the new format (-o).");
        return Err(Stop::Status(1));
    }
    match &old {
        Some(old) => outln!("Old comment: {old}"),
        None => outln!("No existing comment"),
    }
    let new = match &args.comment {
        Some(comment) => comment.clone(),
        None => {
            out!("New comment: ");
            files::read_line()?
        }
    };
    if old.as_ref() == Some(&new) {
        outln!("No change to comment");
        return Ok(());
    }
    key.set_comment(new.as_str());
    generate::save_private(
        args,
        &key,
        &path,
        &passphrase.unwrap_or_else(|| Secret::from("")),
    )?;
    generate::save_public(&key, &path)?;
    if new.is_empty() {
        outln!("Comment removed");
    } else {
        outln!("Comment '{new}' applied");
    }
    Ok(())
}
