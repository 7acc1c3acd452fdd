//! `-y`, `-l` and `-B`: public keys and fingerprints.

use std::io::Read as _;
use std::path::Path;

use carrick_keys::{PrivateKey, PublicKey, bubblebabble, parse_public_file, randomart};

use super::args::Args;
use super::{Outcome, Stop, files};
use crate::keyfile;
use crate::log::debug;
use crate::text::os_error;
use crate::text::outln;

/// `-y`: the public half of a private key.
pub(super) fn print_public(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is")?;
    files::must_exist(&path)?;
    let what = format!("Load key \"{}\"", path.display());
    let prompt = format!("Enter passphrase for \"{}\": ", path.display());
    let loaded = files::load(args, &path, &what, &prompt)?;
    outln!("{}", loaded.key.public().to_line(&loaded.key.comment()));
    Ok(())
}

/// `-l`, `-B`: the fingerprints of a key file, or of every key in a file of
/// lines (authorized_keys, known_hosts).
pub(super) fn fingerprints(args: &Args) -> Outcome {
    let path = files::name(args, "Enter file in which the key is")?;
    let stdin = path.as_os_str() == "-";
    let shown = if stdin {
        "(stdin)".to_owned()
    } else {
        path.display().to_string()
    };
    let mut bytes = Vec::new();
    let read = if stdin {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::File::open(&path).and_then(|mut file| match file.read_to_end(&mut bytes) {
            // A directory can be opened, and has no keys in it.
            Err(e) if e.kind() == std::io::ErrorKind::IsADirectory => Ok(()),
            other => other.map(drop),
        })
    };
    read.map_err(|e| Stop::fatal(format!("ssh-keygen: {shown}: {}", os_error(&e))))?;
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    if !stdin && first.windows(11).any(|w| w == b"PRIVATE KEY") {
        return private_file(args, &path);
    }
    let mut any = false;
    let text = String::from_utf8_lossy(&bytes);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((key, comment)) = key_in(line) {
            one(args, &key, &comment);
            any = true;
        } else {
            debug!("{shown}:{}: not a public key", number + 1);
        }
    }
    if any {
        return Ok(());
    }
    // RFC 4716 and PEM spread over lines; OpenSSH does not read them here.
    let (key, comment) = parse_public_file(text.as_bytes())
        .map_err(|_| Stop::fatal(format!("{shown} is not a public key file.")))?;
    one(args, &key, &comment);
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

/// What a private key file can tell without its passphrase: the public half
/// from `.pub` or the file, the comment from there or from a plain file.
fn private_file(args: &Args, path: &Path) -> Outcome {
    files::must_exist(path)?;
    let mut found = files::load_public(path);
    if found.as_ref().is_none_or(|(_, comment)| comment.is_none())
        && let Ok(bytes) = keyfile::read(path)
        && let Ok(key) = PrivateKey::parse_file(&bytes, None)
    {
        let comment = Some(key.comment().into_owned()).filter(|c| !c.is_empty());
        let public = found.map_or_else(|| key.public().clone(), |(public, _)| public);
        found = Some((public, comment));
    }
    let (key, comment) =
        found.ok_or_else(|| Stop::fatal(format!("{} is not a key file.", path.display())))?;
    one(args, &key, &comment.unwrap_or_default());
    Ok(())
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
        print_of(args, key),
        key.short_name()
    );
    if args.verbose {
        outln!("{}", randomart(key, args.hash));
    }
}

/// A fingerprint as `-l` or `-B` asks for it.
pub(super) fn print_of(args: &Args, key: &PublicKey) -> String {
    if args.bubblebabble {
        bubblebabble(key)
    } else {
        key.fingerprint(args.hash).to_string()
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
