//! Base64 as key files use it: the standard alphabet with padding, and
//! tolerance for white space inside.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// Decodes padded base64, ignoring white space. Strict otherwise: a wrong
/// character, missing padding or stray bits give `None`.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    decode_secret(text).map(|bytes| bytes.to_vec())
}

/// As [`decode`], with every intermediate wiped.
pub(crate) fn decode_secret(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut packed = Zeroizing::new(Vec::with_capacity(text.len()));
    packed.extend(text.iter().filter(|b| !b.is_ascii_whitespace()));
    let mut out = Zeroizing::new(vec![0; packed.len() / 4 * 3]);
    let len = Base64::decode(packed.as_slice(), &mut out).ok()?.len();
    out.truncate(len);
    Some(out)
}

/// Padded base64 on one line.
pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_ignored_and_junk_is_not() {
        assert_eq!(decode(b"AA\nEC\r\nAw=="), Some(vec![0, 1, 2, 3]));
        assert_eq!(decode(b""), Some(Vec::new()));
        for bad in [&b"AAEC*w=="[..], b"AAECAw", b"AAECAx==", b"="] {
            assert_eq!(decode(bad), None);
        }
    }
}
