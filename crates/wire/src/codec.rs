//! Reading and writing the primitive types of RFC 4251 section 5.

use core::fmt;

/// Why bytes are not the value they claim to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ended inside `field`.
    Truncated {
        /// What was being read.
        field: &'static str,
    },
    /// Bytes were left after the last field.
    Trailing {
        /// How many.
        left: usize,
    },
    /// A text field is not UTF-8 (or not ASCII, where RFC 4251 asks for it).
    NotText {
        /// What was being read.
        field: &'static str,
    },
    /// A field's value is outside what its definition allows.
    Invalid {
        /// What was being read.
        field: &'static str,
    },
    /// A message number that the decoder in charge does not know.
    UnknownMessage {
        /// The number.
        number: u8,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { field } => write!(f, "truncated in {field}"),
            Self::Trailing { left } => write!(f, "{left} trailing bytes"),
            Self::NotText { field } => write!(f, "{field} is not valid text"),
            Self::Invalid { field } => write!(f, "invalid {field}"),
            Self::UnknownMessage { number } => write!(f, "unknown message number {number}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Takes values off the front of a byte slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over the whole of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Decodes one `T` that must use up all of `bytes`.
    pub fn all<T: Decode<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
        let mut reader = Self::new(bytes);
        let value = T::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes all that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Succeeds when nothing is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { left }),
        }
    }

    /// Takes the next `len` bytes.
    pub fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = tail;
        Ok(head)
    }

    /// Takes the next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = tail;
        Ok(*head)
    }

    /// `byte`.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    /// `boolean`: any non-zero byte is true (RFC 4251 section 5).
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.u8(field)? != 0)
    }

    /// `uint32`.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// `uint64`.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// `string`, as bytes.
    pub fn string(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = self.u32(field)?;
        let len = usize::try_from(len).map_err(|_| DecodeError::Truncated { field })?;
        self.take(len, field)
    }

    /// `string` that is UTF-8 text.
    pub fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.string(field)?).map_err(|_| DecodeError::NotText { field })
    }

    /// A reader over the inside of a `string`.
    pub fn sub(&mut self, field: &'static str) -> Result<Reader<'a>, DecodeError> {
        Ok(Reader::new(self.string(field)?))
    }
}

/// A value that can be read off the wire.
pub trait Decode<'a>: Sized {
    /// Reads the value, leaving `r` just behind it.
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

/// A value that can be put on the wire.
pub trait Encode {
    /// Appends the value.
    fn encode(&self, w: &mut Writer<'_>);

    /// The value's bytes in a buffer of its own.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut Writer::new(&mut out));
        out
    }
}

/// Appends values to a byte vector that the caller owns.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Raw bytes, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// `byte`.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// `boolean`.
    pub fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    /// `uint32`.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    /// `uint64`.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    /// `string`. Longer than a `uint32` can say cannot occur in memory that a
    /// packet (at most 256 KiB) or a key file is made of; it is cut to that.
    pub fn string(&mut self, value: &[u8]) {
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.u32(len);
        let fits = usize::try_from(len).unwrap_or(usize::MAX);
        self.raw(value.get(..fits).unwrap_or(value));
    }

    /// `string` of UTF-8 text.
    pub fn text(&mut self, value: &str) {
        self.string(value.as_bytes());
    }

    /// A `string` whose inside is what `inside` writes.
    pub fn sub(&mut self, inside: impl FnOnce(&mut Writer<'_>)) {
        let at = self.out.len();
        self.u32(0);
        inside(&mut Writer { out: self.out });
        let len = u32::try_from(self.out.len().saturating_sub(at + 4)).unwrap_or(u32::MAX);
        if let Some(slot) = self.out.get_mut(at..at + 4) {
            slot.copy_from_slice(&len.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_carry_their_length() {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.text("testing");
        w.sub(|w| w.u8(7));
        assert_eq!(out, b"\0\0\0\x07testing\0\0\0\x01\x07");
        let mut r = Reader::new(&out);
        assert_eq!(r.text("t"), Ok("testing"));
        assert_eq!(r.string("s"), Ok(&[7][..]));
        assert_eq!(r.finish(), Ok(()));
    }

    #[test]
    fn a_length_beyond_the_end_is_truncated() {
        let mut r = Reader::new(b"\xff\xff\xff\xffabc");
        assert_eq!(r.string("s"), Err(DecodeError::Truncated { field: "s" }));
    }

    #[test]
    fn left_over_bytes_are_counted() {
        let mut r = Reader::new(b"\x01xyz");
        assert_eq!(r.bool("b"), Ok(true));
        assert_eq!(r.finish(), Err(DecodeError::Trailing { left: 3 }));
    }
}
