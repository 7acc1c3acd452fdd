//! `-p` and `-c`: another passphrase or comment for a key.

use carrick_wire::Secret;

use super::args::Args;
use super::{Outcome, files, generate};
use crate::text::{out, outln};

/// `-p`: the same key under another passphrase.
pub(super) fn passphrase(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is", None)?;
    files::must_exist(&path)?;
    let what = format!("Failed to load key {}", path.display());
    let loaded = files::load(args, &path, &what, "Enter old passphrase: ")?;
    let comment = loaded.key.comment();
    if !comment.is_empty() {
        outln!("Key has comment '{comment}'");
    }
    let question = "Enter new passphrase (empty for no passphrase): ";
    let passphrase = generate::new_passphrase(args, question)?;
    generate::save_private(args, &loaded.key, &path, &passphrase)?;
    outln!("Your identification has been saved with the new passphrase.");
    Ok(())
}

/// `-c`: another comment.
pub(super) fn comment(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is", None)?;
    files::must_exist(&path)?;
    let what = format!("Cannot load private key \"{}\"", path.display());
    let files::Loaded {
        mut key,
        passphrase,
    } = files::load(args, &path, &what, "Enter passphrase: ")?;
    let old = key.comment().into_owned();
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
