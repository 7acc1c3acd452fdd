//! Bytes as text.

/// In hexadecimal digits.
pub(super) fn of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Out of hexadecimal digits.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(of(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(read("001fFF"), Some(vec![0, 0x1f, 0xff]));
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!((read("0"), read("0g"), read("é")), (None, None, None));
    }
}
