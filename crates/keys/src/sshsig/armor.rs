//! The text form of a signature: base64 between two lines.

use core::fmt;

use super::SshSig;
use crate::base64;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// Characters of base64 in a line.
const COLUMNS: usize = 70;

/// Why a text is not a signature's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArmorError {
    /// It does not begin as one.
    NoHeader,
    /// Something follows the first line's words.
    NoHeaderEnd,
    /// The last line is missing.
    NoFooter,
    /// What is between them is not base64.
    NotBase64,
}

impl fmt::Display for ArmorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => "Couldn't parse signature: missing header",
            Self::NoHeaderEnd => "sshsig_dearmor: no header eol",
            Self::NoFooter => "Couldn't parse signature: missing footer",
            Self::NotBase64 => "sshsig_dearmor: decode base64: invalid format",
        })
    }
}

impl core::error::Error for ArmorError {}

impl SshSig {
    /// The signature as text.
    pub fn to_armored(&self) -> String {
        let mut out = format!("{BEGIN}\n");
        let encoded = base64::encode(&self.to_blob());
        for (at, c) in encoded.chars().enumerate() {
            if at > 0 && at % COLUMNS == 0 {
                out.push('\n');
            }
            out.push(c);
        }
        out.push('\n');
        out.push_str(END);
        out.push('\n');
        out
    }

    /// The signature's bytes out of a text; what follows the last line does
    /// not matter.
    pub fn dearmor(text: &[u8]) -> Result<Vec<u8>, ArmorError> {
        let rest = text
            .strip_prefix(BEGIN.as_bytes())
            .ok_or(ArmorError::NoHeader)?;
        let body = rest.strip_prefix(b"\r").unwrap_or(rest);
        let body = body.strip_prefix(b"\n").ok_or(ArmorError::NoHeaderEnd)?;
        let footer = [b"\n", END.as_bytes()].concat();
        let end = body
            .windows(footer.len())
            .position(|window| window == footer)
            .ok_or(ArmorError::NoFooter)?;
        let body = body.get(..end).unwrap_or_default();
        base64::decode(body).ok_or(ArmorError::NotBase64)
    }
}
