//! `-e` and `-i`: public keys to RFC 4716's format, and from it (or PEM).

use std::fmt::Write as _;

use carrick_keys::{PublicKey, parse_public_file, public_of_private_file};

use super::args::Args;
use super::{Outcome, Stop, files};
use crate::text::{os_error, out, outln};
use crate::{account, keyfile};

/// Characters of base64 in a line, as OpenSSH breaks them.
const COLUMNS: usize = 70;
/// Longest comment that is written.
const COMMENT: usize = 60;

fn read(args: &Args) -> Outcome<(std::path::PathBuf, Vec<u8>)> {
    let path = files::name(args, "Enter file in which the key is", None)?;
    let fail = |e: std::io::Error| Stop::fatal(format!("{}: {}", path.display(), os_error(&e)));
    let text = std::fs::read(&path).map_err(fail)?;
    Ok((path, text))
}

/// `-e`: the public half of a key file.
pub(super) fn export(args: &Args) -> Outcome {
    let (path, text) = read(args)?;
    let key = if let Ok((key, _)) = parse_public_file(&text) {
        key
    } else if let Some(key) = public_of_private_file(&text) {
        key
    } else {
        let what = format!("Load key \"{}\"", path.display());
        keyfile::read(&path).map_err(|e| Stop::fatal(format!("{what}: {e}")))?;
        let prompt = format!("Enter passphrase for \"{}\": ", path.display());
        files::load(args, &path, &what, &prompt)?
            .key
            .public()
            .clone()
    };
    let user = account::me().map_or("", |a| a.name.as_str());
    let comment = format!(
        "{}-bit {}, converted by {user}@{} from OpenSSH",
        key.bits(),
        key.short_name(),
        account::host_name()
    );
    out!("{}", rfc4716(&key, &comment));
    Ok(())
}

/// A key in RFC 4716's format.
fn rfc4716(key: &PublicKey, comment: &str) -> String {
    let line = key.to_line("");
    let encoded = line.split(' ').nth(1).unwrap_or_default();
    let comment: String = comment.chars().take(COMMENT).collect();
    let mut out = format!("---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"{comment}\"\n");
    for (i, c) in encoded.chars().enumerate() {
        if i > 0 && i % COLUMNS == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n---- END SSH2 PUBLIC KEY ----");
    out
}

/// `-i`: a key in another format, in OpenSSH's.
pub(super) fn import(args: &Args) -> Outcome {
    let (path, text) = read(args)?;
    let (key, _) = parse_public_file(&text)
        .map_err(|e| Stop::fatal(format!("{}: {}", path.display(), keyfile::reason(&e))))?;
    outln!("{}", key.to_line(""));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_crypto::rng::SystemRng;
    use carrick_keys::{KeyType, PrivateKey};

    #[test]
    fn what_is_exported_is_read_again() {
        let key = PrivateKey::generate(KeyType::Rsa, 2048, &mut SystemRng).unwrap();
        let text = rfc4716(key.public(), &"long ".repeat(40));
        assert!(text.lines().all(|l| l.len() <= 72));
        let (read, comment) = parse_public_file(text.as_bytes()).unwrap();
        assert_eq!((&read, comment.len()), (key.public(), COMMENT));
    }
}
