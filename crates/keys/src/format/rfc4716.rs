//! RFC 4716: public keys between `---- BEGIN SSH2 PUBLIC KEY ----` and its
//! END, with headers in front.

use super::{KeyFileError, lines};
use crate::{PublicKey, base64};

const BEGIN: &str = "---- BEGIN SSH2 PUBLIC KEY ----";
const END: &str = "---- END SSH2 PUBLIC KEY ----";
/// Characters of base64 in a line, as OpenSSH breaks them.
const COLUMNS: usize = 70;
/// Longest comment that OpenSSH writes: with what is around it, a line of 72
/// (section 3.3 has continuation lines, which old readers do not know).
const COMMENT_MAX: usize = 60;

/// The key of a file; `None` if it has none in this form.
pub(super) fn parse(file: &[u8]) -> Option<Result<(PublicKey, String), KeyFileError>> {
    let mut lines = lines(file).map(<[u8]>::trim_ascii_end);
    lines.find(|line| *line == BEGIN.as_bytes())?;
    let mut comment = String::new();
    let mut text = Vec::new();
    while let Some(line) = lines.next() {
        if line == END.as_bytes() {
            let blob = base64::decode(&text).ok_or(KeyFileError::Invalid { what: "base64" });
            let key = blob.and_then(|blob| Ok(PublicKey::from_blob(&blob)?));
            return Some(key.map(|key| (key, comment)));
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            text.extend_from_slice(line);
            continue;
        };
        // A header goes on in the next line when this one ends with `\`.
        let mut header = line.to_vec();
        while header.last() == Some(&b'\\') {
            header.pop();
            header.extend_from_slice(lines.next()?);
        }
        let (tag, value) = header.split_at_checked(colon)?;
        if tag.eq_ignore_ascii_case(b"Comment") {
            let value = String::from_utf8_lossy(value.get(1..)?).trim().to_owned();
            let inside = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            inside.unwrap_or(&value).clone_into(&mut comment);
        }
    }
    Some(Err(KeyFileError::Invalid {
        what: "end of the key",
    }))
}

/// Base64 without the lines around it, which `ssh-keygen -i` takes as well;
/// boundaries and headers are passed over.
pub(super) fn parse_bare(file: &[u8]) -> Result<PublicKey, KeyFileError> {
    let is_text = |line: &&[u8]| !line.starts_with(b"----") && !line.windows(2).any(|w| w == b": ");
    let text: Vec<&[u8]> = lines(file).filter(is_text).collect();
    let blob = base64::decode(&text.concat()).ok_or(KeyFileError::Invalid { what: "base64" })?;
    Ok(PublicKey::from_blob(&blob)?)
}

impl PublicKey {
    /// The key in RFC 4716's form, with its comment cut to what OpenSSH
    /// writes.
    pub fn to_rfc4716(&self, comment: &str) -> String {
        let keep = |c: &char| !matches!(c, '\n' | '\r');
        let comment: String = comment.chars().filter(keep).take(COMMENT_MAX).collect();
        let mut out = format!("{BEGIN}\nComment: \"{comment}\"\n");
        super::pem::push_lines(&mut out, &base64::encode(&self.to_blob()), COLUMNS);
        out.push_str(END);
        out.push('\n');
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::{KeyType, PrivateKey, parse_public_file};
    use carrick_crypto::rng::SystemRng;

    #[test]
    fn what_is_written_is_read_again() {
        let key = PrivateKey::generate(KeyType::Rsa, 2048, &mut SystemRng).expect("a key");
        let text = key.public().to_rfc4716(&"long ".repeat(40));
        assert!(text.lines().all(|l| l.len() <= 72));
        let (read, comment) = parse_public_file(text.as_bytes()).expect("reads");
        assert_eq!((&read, comment.len()), (key.public(), super::COMMENT_MAX));
        let old_mac = text.replace('\n', "\r");
        assert_eq!(
            parse_public_file(old_mac.as_bytes()).expect("reads").0,
            read
        );
    }

    #[test]
    fn headers_go_on_over_lines() {
        let key = PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).expect("a key");
        let text = key
            .public()
            .to_rfc4716("x")
            .replace("\"x\"", "\"one \\\ntwo\"\nx-private: a:b");
        let (_, comment) = parse_public_file(text.as_bytes()).expect("reads");
        assert_eq!(comment, "one two");
        let cut = text.replace("---- END", "---- BEND");
        assert!(parse_public_file(cut.as_bytes()).is_err());
    }
}
