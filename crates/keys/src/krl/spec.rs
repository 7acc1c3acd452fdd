//! The text from which `ssh-keygen -k` makes a list (ssh-keygen(1), KEY
//! REVOCATION LISTS).

use core::fmt;

use base64ct::{Base64Unpadded, Encoding};

use super::{Krl, KrlError};
use crate::text::{is_blank, numbered, skip_blanks};
use crate::{Fingerprint, FingerprintHash, KeyError, PublicKey};

/// Whose certificates the serial numbers and key ids in a text are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecAuthority<'a> {
    /// Nobody said, so that there may be none in it.
    Unknown,
    /// Everybody's.
    Any,
    /// This authority's.
    Key(&'a PublicKey),
}

/// What is wrong with a line. Where OpenSSH does not tell which line,
/// [`Self::tells_line`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// A serial number without an authority.
    SerialWithoutAuthority,
    /// A key id without an authority.
    KeyIdWithoutAuthority,
    /// Not a number.
    BadSerial {
        /// What stands there.
        text: String,
    },
    /// A number beyond 64 bits.
    SerialRange,
    /// A range that does not grow.
    BadRange {
        /// Its first number.
        low: u64,
        /// Its last number.
        high: u64,
    },
    /// Zero is no serial number.
    ZeroSerial,
    /// A hash that is not `SHA256:`.
    HashAlgorithm,
    /// A hash that is not base64.
    HashEncoding,
    /// A hash of the wrong length.
    HashLength,
    /// Not a key.
    Key(KeyError),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SerialWithoutAuthority => f.write_str(
                "revoking certificates by serial number requires specification of a CA key",
            ),
            Self::KeyIdWithoutAuthority => {
                f.write_str("revoking certificates by key ID requires specification of a CA key")
            }
            Self::BadSerial { text } => write!(f, "invalid serial \"{text}\""),
            Self::SerialRange => f.write_str("serial out of range"),
            Self::BadRange { low, high } => write!(f, "invalid serial range {low}:{high}"),
            Self::ZeroSerial => f.write_str("update_krl_from_file: revoke serial failed"),
            Self::HashAlgorithm => f.write_str("unsupported hash algorithm"),
            Self::HashEncoding => f.write_str("decode hash failed: invalid format"),
            Self::HashLength => {
                f.write_str("update_krl_from_file: revoke key failed: invalid format")
            }
            Self::Key(e) => write!(f, "invalid key: {}", e.openssh_words()),
        }
    }
}

impl core::error::Error for SpecError {}

impl SpecError {
    /// Whether the message is told with the file and line in front.
    pub fn tells_line(&self) -> bool {
        !matches!(
            self,
            Self::SerialWithoutAuthority
                | Self::KeyIdWithoutAuthority
                | Self::ZeroSerial
                | Self::HashLength
        )
    }
}

impl Krl {
    /// Revokes what a text tells, line by line. The first line that is wrong
    /// ends it; its number, from 1, comes with the reason.
    pub fn revoke_spec(
        &mut self,
        text: &[u8],
        authority: SpecAuthority<'_>,
    ) -> Result<(), (usize, SpecError)> {
        for (number, line) in numbered(text) {
            // A key id cannot hold a zero byte: the line ends there, as it
            // does for OpenSSH.
            let line = line.split(|b| matches!(b, b'#' | b'\n' | 0)).next();
            let line = skip_blanks(line.unwrap_or_default());
            let end = line.iter().rposition(|b| !is_blank(*b));
            let line = end.and_then(|end| line.get(..=end)).unwrap_or_default();
            if !line.is_empty() {
                self.revoke_line(line, authority).map_err(|e| (number, e))?;
            }
        }
        Ok(())
    }

    fn revoke_line(&mut self, line: &[u8], authority: SpecAuthority<'_>) -> Result<(), SpecError> {
        if let Some(rest) = after(line, b"serial:") {
            let of = scope(authority, SpecError::SerialWithoutAuthority)?;
            let (low, high) = serials(rest)?;
            return self.revoke_serials(of, low, high).map_err(|e| match e {
                KrlError::Serial => SpecError::ZeroSerial,
                _ => SpecError::SerialRange,
            });
        }
        if let Some(rest) = after(line, b"id:") {
            let of = scope(authority, SpecError::KeyIdWithoutAuthority)?;
            self.revoke_key_id(of, rest);
            return Ok(());
        }
        if let Some(rest) = after(line, b"hash:") {
            self.revoke_sha256(hash(rest)?);
            return Ok(());
        }
        let key = |text| {
            PublicKey::from_line_bytes(text)
                .map(|(key, _)| key)
                .map_err(SpecError::Key)
        };
        let digest = |key: &PublicKey, hash| Fingerprint::new(hash, &key.plain().to_blob());
        if let Some(rest) = after(line, b"key:") {
            self.revoke_plain_key(&key(rest)?);
        } else if let Some(rest) = after(line, b"sha1:") {
            let hash = digest(&key(rest)?, FingerprintHash::Sha1);
            self.sha1.extend(<[u8; 20]>::try_from(hash.digest()).ok());
        } else if let Some(rest) = after(line, b"sha256:") {
            let hash = digest(&key(rest)?, FingerprintHash::Sha256);
            self.sha256.extend(<[u8; 32]>::try_from(hash.digest()).ok());
        } else {
            self.revoke(&key(line)?);
        }
        Ok(())
    }
}

/// What follows a keyword, whose case does not count.
fn after<'a>(line: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = line.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword)
        .then(|| skip_blanks(rest))
}

/// Whose certificates are meant (`None` for everybody's), or the error that
/// nobody said.
fn scope(
    authority: SpecAuthority<'_>,
    missing: SpecError,
) -> Result<Option<&PublicKey>, SpecError> {
    match authority {
        SpecAuthority::Unknown => Err(missing),
        SpecAuthority::Any => Ok(None),
        SpecAuthority::Key(key) => Ok(Some(key)),
    }
}

/// `N` or `N-N`, each as strtoull(3) reads it with base 0.
fn serials(text: &[u8]) -> Result<(u64, u64), SpecError> {
    let bad = |text: &[u8]| SpecError::BadSerial {
        text: String::from_utf8_lossy(text).into_owned(),
    };
    let (low, rest) = number(text).ok_or_else(|| bad(text))?;
    let low = low.ok_or(SpecError::SerialRange);
    let rest = match rest {
        [] => return low.map(|low| (low, low)),
        [b'-', rest @ ..] => rest,
        _ => return Err(bad(text)),
    };
    let low = low?;
    let (high, end) = number(rest).ok_or_else(|| bad(rest))?;
    if !end.is_empty() {
        return Err(bad(rest));
    }
    let high = high.ok_or(SpecError::SerialRange)?;
    if high <= low {
        return Err(SpecError::BadRange { low, high });
    }
    Ok((low, high))
}

/// A number at the start of `text` (decimal, `0x` or octal by `0`), `None`
/// inside if it does not fit, and what follows. `None` if there is none.
/// OpenSSH takes a negative one as well, and for a very large one.
fn number(text: &[u8]) -> Option<(Option<u64>, &[u8])> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let hex = text
        .strip_prefix(b"0x")
        .or_else(|| text.strip_prefix(b"0X"))
        .filter(|rest| rest.first().is_some_and(u8::is_ascii_hexdigit));
    let (radix, digits) = match (hex, text.first()) {
        (Some(rest), _) => (16, rest),
        (None, Some(b'0')) => (8, text),
        _ => (10, text),
    };
    let end = digits
        .iter()
        .position(|b| !char::from(*b).is_digit(radix))
        .unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end)?;
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        sum.checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))
    });
    Some((value, rest))
}

/// `SHA256:BASE64`, padded or not.
fn hash(text: &[u8]) -> Result<[u8; 32], SpecError> {
    let encoded = text
        .strip_prefix(b"SHA256:")
        .ok_or(SpecError::HashAlgorithm)?;
    let end = encoded.iter().rposition(|b| *b != b'=');
    let encoded = end.and_then(|end| encoded.get(..=end)).unwrap_or_default();
    let text = core::str::from_utf8(encoded).map_err(|_| SpecError::HashEncoding)?;
    let bytes = Base64Unpadded::decode_vec(text).map_err(|_| SpecError::HashEncoding)?;
    bytes.try_into().map_err(|_| SpecError::HashLength)
}
