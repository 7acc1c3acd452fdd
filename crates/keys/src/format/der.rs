//! As much of DER (X.690) as key files need, definite lengths only.

use zeroize::Zeroizing;

use super::KeyFileError;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// `[n]`, constructed.
pub(super) const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// Takes values off the front of DER bytes.
#[derive(Clone, Copy)]
pub(super) struct Der<'a> {
    rest: &'a [u8],
}

const BAD: KeyFileError = KeyFileError::Invalid { what: "asn.1" };

impl<'a> Der<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next value: its tag and contents.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), KeyFileError> {
        let (tag, rest) = self.rest.split_first().ok_or(BAD)?;
        let (first, rest) = rest.split_first().ok_or(BAD)?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest
                    .split_at_checked(usize::from(first & 0x7f))
                    .ok_or(BAD)?;
                let len = bytes.iter().fold(0u32, |len, b| len << 8 | u32::from(*b));
                (usize::try_from(len).map_err(|_| BAD)?, rest)
            }
            _ => return Err(BAD),
        };
        let (contents, rest) = rest.split_at_checked(len).ok_or(BAD)?;
        self.rest = rest;
        Ok((*tag, contents))
    }

    /// The next value's contents; it must have that tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], KeyFileError> {
        match self.any()? {
            (found, contents) if found == tag => Ok(contents),
            _ => Err(BAD),
        }
    }

    /// The next value's contents if it has that tag; else nothing is taken.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, KeyFileError> {
        if self.rest.first() == Some(&tag) {
            self.expect(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The inside of a SEQUENCE.
    pub(super) fn sequence(&mut self) -> Result<Self, KeyFileError> {
        self.expect(SEQUENCE).map(Self::new)
    }

    /// A non-negative INTEGER's magnitude, without leading zeros.
    pub(super) fn magnitude(&mut self) -> Result<&'a [u8], KeyFileError> {
        let bytes = self.expect(INTEGER)?;
        if bytes.is_empty() || bytes.first().is_some_and(|b| b & 0x80 != 0) {
            return Err(BAD);
        }
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        Ok(bytes.get(zeros..).unwrap_or_default())
    }

    /// A small INTEGER.
    pub(super) fn small(&mut self) -> Result<u32, KeyFileError> {
        let bytes = self.magnitude()?;
        if bytes.len() > 4 {
            return Err(BAD);
        }
        Ok(bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
    }

    /// A BIT STRING of whole bytes.
    pub(super) fn bits(&mut self) -> Result<&'a [u8], KeyFileError> {
        self.expect(BIT_STRING)?.strip_prefix(&[0]).ok_or(BAD)
    }

    /// Succeeds when nothing is left.
    pub(super) fn finish(self) -> Result<(), KeyFileError> {
        if self.is_empty() { Ok(()) } else { Err(BAD) }
    }
}

/// A value of that tag, its contents put together from `parts`. What is
/// written may be secret, so it is wiped.
pub(super) fn value(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(len + 10));
    out.push(tag);
    match u8::try_from(len) {
        Ok(short @ 0..=0x7f) => out.push(short),
        _ => {
            let bytes = len.to_be_bytes();
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            let bytes = bytes.get(zeros..).unwrap_or_default();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            out.extend_from_slice(bytes);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// An INTEGER from a magnitude without leading zeros.
pub(super) fn integer(magnitude: &[u8]) -> Zeroizing<Vec<u8>> {
    match magnitude.first() {
        Some(first) if *first < 0x80 => value(INTEGER, &[magnitude]),
        _ => value(INTEGER, &[&[0], magnitude]),
    }
}

/// A BIT STRING of whole bytes.
pub(super) fn bit_string(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    value(BIT_STRING, &[&[0], bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_off_the_front() {
        let mut der = Der::new(&[0x30, 5, 0x02, 3, 0, 0x80, 1, 0x05, 0]);
        let mut inner = der.sequence().expect("sequence");
        assert_eq!(inner.magnitude(), Ok(&[0x80, 1][..]));
        assert!(inner.finish().is_ok());
        assert_eq!(der.optional(OID), Ok(None));
        assert_eq!(der.optional(NULL), Ok(Some(&[][..])));
    }

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x1_0000] {
            let contents = vec![7; len];
            let written = value(OCTET_STRING, &[&contents]);
            let mut der = Der::new(&written);
            assert_eq!(der.expect(OCTET_STRING), Ok(&contents[..]), "{len}");
            assert!(der.finish().is_ok());
        }
        for number in [&[][..], &[1], &[0x7f], &[0x80], &[1, 0]] {
            assert_eq!(Der::new(&integer(number)).magnitude(), Ok(number));
        }
        assert_eq!(integer(&[])[..], [INTEGER, 1, 0]);
        assert_eq!(integer(&[0x80])[..], [INTEGER, 2, 0, 0x80]);
    }

    #[test]
    fn lengths_beyond_the_end_and_odd_forms_fail() {
        for bytes in [
            &[][..],
            &[2],
            &[2, 1],
            &[2, 0x80, 0, 0],
            &[2, 0x84, 0xff, 0xff, 0xff, 0xff, 1],
            &[2, 0x85, 0, 0, 0, 0, 1, 1],
        ] {
            assert!(Der::new(bytes).any().is_err());
        }
        assert!(Der::new(&[2, 1, 0x80]).magnitude().is_err());
    }
}
