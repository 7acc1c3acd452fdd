//! `-p` and `-c`: another passphrase or comment for a key.

use carrick_keys::KeyType;
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
    let loaded = files::load(args, &path, &what, "Enter old passphrase: ")?;
    let comment = loaded.key.comment();
    if !comment.is_empty() {
        outln!("Key has comment '{comment}'");
    }
    let passphrase = next_passphrase(args)?;
    generate::save_private(args, &loaded.key, &path, &passphrase)?;
    outln!("Your identification has been saved with the new passphrase.");
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
    let files::Loaded {
        mut key,
        passphrase,
    } = files::load(args, &path, &what, "Enter passphrase: ")?;
    let old = key.comment().into_owned();
    if key.public().kind() != KeyType::Ed25519 && matches!(args.form, Some(Form::Pem | Form::Pkcs8))
    {
        error!("Comments are only supported for keys stored in the new format (-o).");
        return Err(Stop::Status(1));
    }
    if old.is_empty() {
        outln!("No existing comment");
    } else {
        outln!("Old comment: {old}");
    }
    let new = match &args.comment {
        Some(comment) => comment.clone(),
        None => {
            out!("New comment: ");
            files::read_line()?
        }
    };
    if new == old {
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
