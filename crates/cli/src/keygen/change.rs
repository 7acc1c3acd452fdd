//! `-p` and `-c`: another passphrase or comment for a key.

use std::io::Write as _;

use carrick_wire::Secret;

use super::args::Args;
use super::{Outcome, files, generate};

/// `-p`: the same key under another passphrase.
pub(super) fn passphrase(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is", None)?;
    files::must_exist(&path)?;
    let what = format!("Failed to load key {}", path.display());
    let loaded = files::load(args, &path, &what, "Enter old passphrase: ")?;
    let comment = loaded.key.comment();
    if !comment.is_empty() {
        println!("Key has comment '{comment}'");
    }
    let question = "Enter new passphrase (empty for no passphrase): ";
    let passphrase = generate::new_passphrase(args, question)?;
    generate::save_private(args, &loaded.key, &path, &passphrase)?;
    println!("Your identification has been saved with the new passphrase.");
    Ok(())
}

/// `-c`: another comment.
pub(super) fn comment(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is", None)?;
    files::must_exist(&path)?;
    let what = format!("Failed to load key {}", path.display());
    let files::Loaded {
        mut key,
        passphrase,
    } = files::load(args, &path, &what, "Enter passphrase: ")?;
    let old = key.comment().into_owned();
    if old.is_empty() {
        println!("No existing comment");
    } else {
        println!("Old comment: {old}");
    }
    let new = match &args.comment {
        Some(comment) => comment.clone(),
        None => {
            print!("New comment: ");
            // What cannot be flushed cannot be answered either.
            let _ = std::io::stdout().flush();
            files::read_line()?
        }
    };
    if new == old {
        println!("No change to comment");
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
        println!("Comment removed");
    } else {
        println!("Comment '{new}' applied");
    }
    Ok(())
}
