//! Files with a public key in them: OpenSSH's one line, RFC 4716, PEM.

use super::{KeyFileError, pem, pkcs, pkcs8};
use crate::text::{chomp, numbered, skip_blanks};
use crate::{PublicKey, base64};

const RFC4716_BEGIN: &[u8] = b"---- BEGIN SSH2 PUBLIC KEY ----";
const RFC4716_END: &[u8] = b"---- END SSH2 PUBLIC KEY ----";

/// The first public key in a file, and its comment: `TYPE BASE64 COMMENT`,
/// RFC 4716, or PEM (`PUBLIC KEY`, `RSA PUBLIC KEY`).
pub fn parse_public_file(file: &[u8]) -> Result<(PublicKey, String), KeyFileError> {
    let file = file.get(..super::FILE_MAX).unwrap_or(file);
    if let Some(found) = rfc4716(file) {
        return found;
    }
    for block in pem::blocks(file) {
        let key = match block.label.as_str() {
            "PUBLIC KEY" => pkcs8::parse_public(&block.body),
            "RSA PUBLIC KEY" => pkcs::parse_rsa_public(&block.body),
            _ => continue,
        };
        return key.map(|key| (key, String::new()));
    }
    let mut first = Err(KeyFileError::NotAKey);
    for (_, raw) in numbered(file) {
        let line = skip_blanks(chomp(raw));
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match PublicKey::from_line_bytes(line) {
            Ok((key, comment)) => return Ok((key, String::from_utf8_lossy(comment).into_owned())),
            Err(e) if first == Err(KeyFileError::NotAKey) => first = Err(e.into()),
            Err(_) => {}
        }
    }
    first
}

/// RFC 4716 section 3; `None` if the file has no such key.
fn rfc4716(file: &[u8]) -> Option<Result<(PublicKey, String), KeyFileError>> {
    let mut lines = file.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    lines.find(|line| *line == RFC4716_BEGIN)?;
    let mut comment = String::new();
    let mut text = Vec::new();
    while let Some(line) = lines.next() {
        if line == RFC4716_END {
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
