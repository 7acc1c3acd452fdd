//! How each type of message field is read, written and shown.
//!
//! Byte strings are shown by their length alone: they hold passwords, keys,
//! signatures and what people type, and no log may.

use core::fmt;

use crate::{DecodeError, Mpint, NameList, Reader, Text, Writer};

/// A type that can be a field of a message.
pub(crate) trait Field<'a>: Sized {
    /// Reads it; `field` names it in an error.
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError>;
    /// Appends it.
    fn write(&self, w: &mut Writer<'_>);
}

macro_rules! plain_fields {
    ($($ty:ty => $method:ident),* $(,)?) => { $(
        impl<'a> Field<'a> for $ty {
            #[inline]
            fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
                r.$method(field)
            }
            #[inline]
            fn write(&self, w: &mut Writer<'_>) {
                w.$method(*self);
            }
        }
    )* };
}

plain_fields! {
    u8 => u8,
    u32 => u32,
    u64 => u64,
    bool => bool,
    &'a [u8] => string,
    &'a str => text,
}

impl<'a, const N: usize> Field<'a> for [u8; N] {
    fn read(r: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        r.array(field)
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.raw(self);
    }
}

/// Everything up to the end of the message, without a length of its own
/// (`bytes as rest` in `messages!`).
pub(crate) mod rest {
    use super::{DecodeError, Reader, Writer};

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every field reader")]
    pub(crate) fn read<'a>(r: &mut Reader<'a>, _: &'static str) -> Result<&'a [u8], DecodeError> {
        Ok(r.take_rest())
    }

    pub(crate) fn write(value: &[u8], w: &mut Writer<'_>) {
        w.raw(value);
    }
}

/// `string`s up to the end of the message.
pub(crate) mod strings_to_end {
    use super::{DecodeError, Reader, Writer};

    pub(crate) fn read<'a>(
        r: &mut Reader<'a>,
        field: &'static str,
    ) -> Result<Vec<&'a [u8]>, DecodeError> {
        let mut all = Vec::new();
        while !r.is_empty() {
            all.push(r.string(field)?);
        }
        Ok(all)
    }

    pub(crate) fn write(values: &[&[u8]], w: &mut Writer<'_>) {
        for value in values {
            w.string(value);
        }
    }
}

/// A `uint32` count, then that many `string`s.
pub(crate) mod counted_strings {
    use super::{DecodeError, Reader, Writer};

    pub(crate) fn read<'a>(
        r: &mut Reader<'a>,
        field: &'static str,
    ) -> Result<Vec<&'a [u8]>, DecodeError> {
        // The count is only believed one string at a time, so memory stays in
        // proportion to the bytes that really came.
        let count = r.u32(field)?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(r.string(field)?);
        }
        Ok(all)
    }

    pub(crate) fn write(values: &[&[u8]], w: &mut Writer<'_>) {
        w.u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
        for value in values {
            w.string(value);
        }
    }
}

/// A text that some peers leave off altogether when it would be empty and the
/// last field of the message.
pub(crate) mod text_or_absent {
    use super::{DecodeError, Reader, Writer};

    pub(crate) fn read<'a>(
        r: &mut Reader<'a>,
        field: &'static str,
    ) -> Result<&'a str, DecodeError> {
        if r.is_empty() { Ok("") } else { r.text(field) }
    }

    pub(crate) fn write(value: &str, w: &mut Writer<'_>) {
        w.text(value);
    }
}

/// What may be shown of a field in a log.
pub(crate) trait Show {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Adapts [`Show`] to the standard debug builders.
pub(crate) struct Shown<'s, T: ?Sized>(pub(crate) &'s T);

impl<T: Show + ?Sized> fmt::Debug for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

/// Shows values of these types by their own `Debug`.
macro_rules! show_by_debug {
    ($($ty:ty),* $(,)?) => { $(
        impl $crate::field::Show for $ty {
            fn show(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(self, f)
            }
        }
    )* };
}
pub(crate) use show_by_debug;

show_by_debug!(u8, u32, u64, bool, &str, NameList<'_>, Text<'_>);

impl Show for &[u8] {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.len())
    }
}

impl<const N: usize> Show for [u8; N] {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{N} bytes>")
    }
}

impl Show for Mpint<'_> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} byte integer>", self.magnitude().len())
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Shown)).finish()
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Some(value) => value.show(f),
            None => f.write_str("none"),
        }
    }
}
