//! PEM blocks (RFC 7468), and the encryption that OpenSSL's traditional
//! private keys carry in their headers (RFC 1421's `Proc-Type`, `DEK-Info`).

use carrick_crypto::hash::HashAlg;
use carrick_crypto::rng::Rng;
use carrick_wire::Secret;
use zeroize::Zeroizing;

use super::cipher::{KeyCipher, pad, unpad};
use super::{KeyFileError, unsupported};
use crate::text::{hex, unhex};
use crate::{PrivateKey, base64};

/// Room for the largest RSA key, so that the buffer does not grow and leave a
/// copy behind.
const BODY_ROOM: usize = 16 * 1024;

/// What is between a BEGIN and its END.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Block {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// The sound blocks of a file, in order; text between them is skipped.
pub(super) fn blocks(file: &[u8]) -> impl Iterator<Item = Block> {
    let mut lines = super::lines(file).map(<[u8]>::trim_ascii_end);
    core::iter::from_fn(move || {
        loop {
            let label = boundary(lines.next()?, b"-----BEGIN ");
            if let Some(block) = label.and_then(|label| read_block(label, &mut lines)) {
                return Some(block);
            }
        }
    })
}

fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a str> {
    let label = line.strip_prefix(start)?.strip_suffix(b"-----")?;
    core::str::from_utf8(label).ok()
}

fn read_block<'a>(label: &str, lines: &mut impl Iterator<Item = &'a [u8]>) -> Option<Block> {
    let mut headers = Vec::new();
    let mut text = Zeroizing::new(Vec::with_capacity(BODY_ROOM));
    loop {
        let line = lines.next()?;
        if line.starts_with(b"-----") {
            let end = boundary(line, b"-----END ")?;
            let body = (end == label).then(|| base64::decode_secret(&text))??;
            return Some(Block {
                label: label.to_owned(),
                headers,
                body,
            });
        }
        match core::str::from_utf8(line)
            .ok()
            .and_then(|l| l.split_once(':'))
        {
            Some((name, value)) if text.is_empty() => {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => text.extend_from_slice(line),
        }
    }
}

/// Reads a traditional private key, decrypting it first if its headers say
/// that it is encrypted.
pub(super) fn open(
    block: &Block,
    passphrase: Option<&Secret>,
    parse: impl FnOnce(&[u8]) -> Result<PrivateKey, KeyFileError>,
) -> Result<PrivateKey, KeyFileError> {
    if !block
        .header("Proc-Type")
        .is_some_and(|v| v.contains("ENCRYPTED"))
    {
        return parse(&block.body);
    }
    let info = block
        .header("DEK-Info")
        .ok_or(KeyFileError::Invalid { what: "DEK-Info" })?;
    let (name, iv) = info
        .split_once(',')
        .ok_or(KeyFileError::Invalid { what: "DEK-Info" })?;
    let cipher = match name {
        "AES-128-CBC" => "aes128-cbc",
        "AES-192-CBC" => "aes192-cbc",
        "AES-256-CBC" => "aes256-cbc",
        "DES-EDE3-CBC" => "3des-cbc",
        other => return Err(unsupported(format_args!("key file cipher {other:?}"))),
    };
    let cipher = KeyCipher::find(cipher).ok_or_else(|| unsupported(cipher))?;
    let iv = unhex(iv)
        .filter(|iv| iv.len() == cipher.iv_len)
        .ok_or(KeyFileError::Invalid { what: "DEK-Info" })?;
    if block.body.is_empty() || !block.body.len().is_multiple_of(cipher.block) {
        return Err(KeyFileError::Invalid {
            what: "encrypted part",
        });
    }
    let passphrase = passphrase.ok_or(KeyFileError::NeedsPassphrase)?;
    let salt = iv.get(..8).unwrap_or_default();
    let key = bytes_to_key(passphrase.expose(), salt, cipher.key_len);
    let plain = cipher
        .open(&key, &iv, &block.body)
        .and_then(|p| unpad(p, cipher.block));
    // One wrong passphrase in 256 leaves right padding; then it is not DER.
    match parse(&plain.ok_or(KeyFileError::WrongPassphrase)?) {
        Err(KeyFileError::Invalid { .. }) => Err(KeyFileError::WrongPassphrase),
        other => other,
    }
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round.
fn bytes_to_key(passphrase: &[u8], salt: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(len + 16));
    let mut last = Zeroizing::new(Vec::new());
    while key.len() < len {
        last = Zeroizing::new(HashAlg::Md5.digest(&[&last, passphrase, salt]));
        key.extend_from_slice(&last);
    }
    key.truncate(len);
    key
}

/// A block as OpenSSL writes it: `headers` (whole lines), base64 in lines of
/// 64.
pub(super) fn armor(label: &str, headers: &str, body: &[u8]) -> String {
    armor_columns(label, headers, body, 64)
}

/// As [`armor`], in lines of so many.
pub(super) fn armor_columns(label: &str, headers: &str, body: &[u8], columns: usize) -> String {
    let encoded = Zeroizing::new(base64::encode(body));
    let around = 2 * label.len() + headers.len() + 40;
    // Room for all: a secret must not be copied by a growing buffer.
    let mut out = String::with_capacity(encoded.len() + encoded.len() / columns + around);
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    out.push_str(headers);
    push_lines(&mut out, &encoded, columns);
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Appends base64 in lines.
pub(super) fn push_lines(out: &mut String, encoded: &str, columns: usize) {
    let mut rest = encoded;
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(columns).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
}

/// A traditional private key as OpenSSL encrypts it: AES-128-CBC under a key
/// from one round of MD5. Weak, but what the format is.
pub(super) fn seal(
    label: &str,
    der: &[u8],
    passphrase: &Secret,
    rng: &mut dyn Rng,
) -> Result<String, KeyFileError> {
    let cipher = KeyCipher::find("aes128-cbc").ok_or_else(|| unsupported("aes128-cbc"))?;
    let mut iv = [0; 16];
    rng.fill(&mut iv);
    let salt = iv.get(..8).unwrap_or_default();
    let key = bytes_to_key(passphrase.expose(), salt, cipher.key_len);
    let sealed = cipher
        .seal(&key, &iv, &pad(der, cipher.block))
        .ok_or(KeyFileError::Invalid { what: "cipher" })?;
    let iv = hex(&iv).to_ascii_uppercase();
    let headers = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{iv}\n\n");
    Ok(armor(label, &headers, &sealed))
}
