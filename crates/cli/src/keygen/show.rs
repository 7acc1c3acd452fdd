//! `-y` and `-l`: public keys and fingerprints.

use std::path::Path;

use carrick_keys::{PublicKey, parse_public_file, public_of_private_file, randomart};

use super::args::Args;
use super::{Outcome, Stop, files};
use crate::keyfile;
use crate::text::os_error;
use crate::text::outln;

/// `-y`: the public half of a private key.
pub(super) fn print_public(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is", None)?;
    files::must_exist(&path)?;
    let what = format!("Load key \"{}\"", path.display());
    let prompt = format!("Enter passphrase for \"{}\": ", path.display());
    let loaded = files::load(args, &path, &what, &prompt)?;
    outln!("{}", loaded.key.public().to_line(&loaded.key.comment()));
    Ok(())
}

/// `-l`: the fingerprints of a key file, or of every key in a file of lines
/// (authorized_keys, known_hosts).
pub(super) fn fingerprints(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is", None)?;
    let shown = path.display().to_string();
    let text = if shown == "-" {
        std::io::read_to_string(std::io::stdin()).map(String::into_bytes)
    } else {
        match std::fs::read(&path) {
            // A directory has no keys in it.
            Err(e) if e.kind() == std::io::ErrorKind::IsADirectory => Ok(Vec::new()),
            other => other,
        }
    };
    let text = text.map_err(|e| Stop::fatal(format!("ssh-keygen: {shown}: {}", os_error(&e))))?;
    let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
    if shown != "-" && first.windows(11).any(|w| w == b"PRIVATE KEY") {
        let (key, comment) = public_half(args, &path)?;
        one(args, &key, &comment);
        return Ok(());
    }
    let mut any = false;
    let text = String::from_utf8_lossy(&text);
    for line in text.lines() {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((key, comment)) = key_in(line) {
            one(args, &key, &comment);
            any = true;
        }
    }
    if !any {
        // RFC 4716 and PEM spread over lines.
        let (key, comment) = parse_public_file(text.as_bytes())
            .map_err(|_| Stop::fatal(format!("{shown} is not a public key file.")))?;
        one(args, &key, &comment);
    }
    Ok(())
}

/// The key in a line: a bare one, or one behind host names or options, which
/// then stand in for a comment.
fn key_in(line: &str) -> Option<(PublicKey, String)> {
    if let Ok(found) = PublicKey::from_line(line) {
        return Some(found);
    }
    let (first, rest) = split_first_word(line);
    let (key, comment) = PublicKey::from_line(rest).ok()?;
    if comment.is_empty() {
        return Some((key, first.to_owned()));
    }
    Some((key, comment))
}

/// The first word, in which quotes hold blanks together, and what follows.
fn split_first_word(line: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut escaped = false;
    for (i, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (first, rest) = line.split_at(i);
                return (first, rest.trim_start_matches([' ', '\t']));
            }
            _ => {}
        }
    }
    (line, "")
}

/// The public half that belongs to a private key file: its `.pub` (which has
/// the comment), what the file shows, or, with the passphrase, what is in it.
fn public_half(args: &Args, path: &Path) -> Outcome<(PublicKey, String)> {
    let beside = std::fs::read(files::public_path(path)).ok();
    if let Some(found) = beside.and_then(|text| parse_public_file(&text).ok()) {
        return Ok(found);
    }
    let what = format!("Load key \"{}\"", path.display());
    let bytes = keyfile::read(path).map_err(|e| Stop::fatal(format!("{what}: {e}")))?;
    if let Ok(key) = carrick_keys::PrivateKey::parse_file(&bytes, None) {
        return Ok((key.public().clone(), key.comment().into_owned()));
    }
    if let Some(key) = public_of_private_file(&bytes) {
        return Ok((key, String::new()));
    }
    let prompt = format!("Enter passphrase for \"{}\": ", path.display());
    let loaded = files::load(args, path, &what, &prompt)?;
    Ok((
        loaded.key.public().clone(),
        loaded.key.comment().into_owned(),
    ))
}

fn one(args: &Args, key: &PublicKey, comment: &str) {
    let comment = if comment.is_empty() {
        "no comment"
    } else {
        comment
    };
    outln!(
        "{} {} {comment} ({})",
        key.bits(),
        key.fingerprint(args.hash),
        key.short_name()
    );
    if args.verbose {
        outln!("{}", randomart(key, args.hash));
    }
}

#[cfg(test)]
mod tests {
    use super::{key_in, split_first_word};

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDAjkQXnQeOQFfS6NYVc6Lp0Aj8Dv0rsYw8eJ2TgqPm";

    #[test]
    fn options_with_blanks_are_one_word() {
        assert_eq!(
            split_first_word("host ssh-rsa AAAA"),
            ("host", "ssh-rsa AAAA")
        );
        assert_eq!(
            split_first_word(r#"command="a \" b",no-pty ssh-rsa A"#),
            (r#"command="a \" b",no-pty"#, "ssh-rsa A")
        );
        assert_eq!(split_first_word("one"), ("one", ""));
    }

    #[test]
    fn what_stands_before_a_key_is_its_comment_if_it_has_none() {
        let comment = |line: String| key_in(&line).map(|(_, comment)| comment);
        assert_eq!(comment(KEY.into()).as_deref(), Some(""));
        assert_eq!(comment(format!("a,b {KEY}")).as_deref(), Some("a,b"));
        assert_eq!(comment(format!("a,b {KEY} c d")).as_deref(), Some("c d"));
        assert_eq!(comment(format!("@revoked * {KEY}")), None);
    }
}
