//! The composite primitive types: `mpint`, `name-list`, and secret strings.

use core::fmt;

use zeroize::Zeroizing;

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// A non-negative `mpint` (RFC 4251 section 5), held as its big-endian
/// magnitude without leading zeros. SSH has no use for negative ones; they
/// are refused, as are encodings with needless leading zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mpint<'a>(&'a [u8]);

impl<'a> Mpint<'a> {
    /// From a big-endian magnitude; leading zeros are dropped.
    pub fn from_magnitude(bytes: &'a [u8]) -> Self {
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        Self(bytes.get(zeros..).unwrap_or_default())
    }

    /// The big-endian magnitude without leading zeros; empty for zero.
    pub fn magnitude(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Decode<'a> for Mpint<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        const FIELD: &str = "mpint";
        let bytes = r.string(FIELD)?;
        match bytes {
            [] => Ok(Self(bytes)),
            [0, rest @ ..] if rest.first().is_some_and(|b| b & 0x80 != 0) => Ok(Self(rest)),
            [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(Self(bytes)),
            _ => Err(DecodeError::Invalid { field: FIELD }),
        }
    }
}

impl Encode for Mpint<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        let sign = self.0.first().is_some_and(|b| b & 0x80 != 0);
        let len = self.0.len() + usize::from(sign);
        w.u32(u32::try_from(len).unwrap_or(u32::MAX));
        if sign {
            w.u8(0);
        }
        w.raw(self.0);
    }
}

/// A `name-list` (RFC 4251 section 5): comma-separated ASCII names, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameList<'a>(&'a str);

impl<'a> NameList<'a> {
    /// From its comma-separated form.
    pub fn new(list: &'a str) -> Self {
        Self(list)
    }

    /// The names, in order of preference.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split(',').filter(|name| !name.is_empty())
    }

    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|n| n == name)
    }

    /// The comma-separated form.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for NameList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

impl<'a> Decode<'a> for NameList<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let text = r.text("name-list")?;
        if !text.is_ascii() || text.bytes().any(|b| b == 0) {
            return Err(DecodeError::NotText { field: "name-list" });
        }
        Ok(Self(text))
    }
}

impl Encode for NameList<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.text(self.0);
    }
}

/// Bytes that are wiped when dropped and never printed: passwords,
/// passphrases, private key material.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Each use of this is a place to look at in a review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mpint(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        Reader::all::<Mpint<'_>>(bytes).map(|m| m.magnitude().to_vec())
    }

    #[test]
    fn mpint_vectors_of_rfc4251() {
        for (magnitude, wire) in [
            (&[][..], &b"\0\0\0\0"[..]),
            (b"\x09\xa3\x78\xf9\xb2\xe3\x32\xa7", b"\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7"),
            (b"\x80", b"\0\0\0\x02\0\x80"),
        ] {
            assert_eq!(Mpint::from_magnitude(magnitude).to_vec(), wire);
            assert_eq!(mpint(wire), Ok(magnitude.to_vec()));
        }
    }

    #[test]
    fn negative_and_padded_mpints_are_refused() {
        for wire in [&b"\0\0\0\x02\xed\xcc"[..], b"\0\0\0\x02\0\x7f", b"\0\0\0\x01\0"] {
            assert_eq!(mpint(wire), Err(DecodeError::Invalid { field: "mpint" }));
        }
    }

    #[test]
    fn name_lists_split_at_commas() {
        let list = NameList::new("zlib,none");
        assert_eq!(list.iter().collect::<Vec<_>>(), ["zlib", "none"]);
        assert!(list.contains("none") && !list.contains("non"));
        assert_eq!(NameList::new("").iter().count(), 0);
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(..)");
    }
}
