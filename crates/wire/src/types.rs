//! The composite primitive types: `mpint`, `name-list`, and secret strings.

use core::fmt;
use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::field::Field;
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
        Self::read(r, "mpint")
    }
}

impl<'a> Field<'a> for Mpint<'a> {
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let bytes = r.string(field)?;
        match bytes {
            [] => Ok(Self(bytes)),
            [0, rest @ ..] if rest.first().is_some_and(|b| b & 0x80 != 0) => Ok(Self(rest)),
            [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(Self(bytes)),
            _ => Err(DecodeError::Invalid { field }),
        }
    }

    fn write(&self, w: &mut Writer<'_>) {
        self.encode(w);
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
        Self::read(r, "name-list")
    }
}

impl<'a> Field<'a> for NameList<'a> {
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let text = r.text(field)?;
        if !text.is_ascii() || text.bytes().any(|b| b == 0) {
            return Err(DecodeError::NotText { field });
        }
        Ok(Self(text))
    }

    fn write(&self, w: &mut Writer<'_>) {
        self.encode(w);
    }
}

impl Encode for NameList<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.text(self.0);
    }
}

/// A `string` that a person is meant to read: a banner, a prompt, the words of
/// a disconnect. RFC 4251 section 5 asks for UTF-8, but devices with localised
/// or vendor texts send other encodings, and OpenSSH shows those, so the bytes
/// are kept as they came. It may hold control characters: whoever shows it on a
/// terminal makes them harmless first.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// From bytes that should be UTF-8.
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// From text.
    pub const fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// The bytes as they came.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The text; what is not UTF-8 is replaced by U+FFFD.
    pub fn to_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    /// Whether there is nothing to read.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_lossy())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_lossy(), f)
    }
}

impl<'a> Field<'a> for Text<'a> {
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self(r.string(field)?))
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.string(self.0);
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
            (
                b"\x09\xa3\x78\xf9\xb2\xe3\x32\xa7",
                b"\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7",
            ),
            (b"\x80", b"\0\0\0\x02\0\x80"),
        ] {
            assert_eq!(Mpint::from_magnitude(magnitude).to_vec(), wire);
            assert_eq!(mpint(wire), Ok(magnitude.to_vec()));
        }
    }

    #[test]
    fn negative_and_padded_mpints_are_refused() {
        for wire in [
            &b"\0\0\0\x02\xed\xcc"[..],
            b"\0\0\0\x02\0\x7f",
            b"\0\0\0\x01\0",
        ] {
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
