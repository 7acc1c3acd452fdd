//! The fields of messages, and the tables that make messages of them.

use carrick_wire::{DecodeError, Reader, Secret, Writer};

/// A value that stands in a message.
pub trait Field: Sized {
    /// Appends the value.
    fn put(&self, w: &mut Writer<'_>);
    /// Reads it back.
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// A field of which a list can be made: it takes at least one byte, so that a
/// list's count is bounded by the bytes that follow it.
pub trait Item: Field {}

impl Field for bool {
    fn put(&self, w: &mut Writer<'_>) {
        w.bool(*self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("flag")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid { field: "flag" }),
        }
    }
}

impl Field for u8 {
    fn put(&self, w: &mut Writer<'_>) {
        w.u8(*self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.u8("byte")
    }
}

impl Field for u32 {
    fn put(&self, w: &mut Writer<'_>) {
        w.u32(*self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.u32("number")
    }
}

impl Field for u64 {
    fn put(&self, w: &mut Writer<'_>) {
        w.u64(*self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.u64("number")
    }
}

impl Field for String {
    fn put(&self, w: &mut Writer<'_>) {
        w.text(self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.text("text").map(str::to_owned)
    }
}

impl Field for Vec<u8> {
    fn put(&self, w: &mut Writer<'_>) {
        w.string(self);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.string("bytes").map(<[u8]>::to_vec)
    }
}

impl Field for Secret {
    fn put(&self, w: &mut Writer<'_>) {
        w.string(self.expose());
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.string("secret").map(Self::from)
    }
}

impl Item for u32 {}
impl Item for String {}
impl Item for Vec<u8> {}
impl Item for Secret {}

impl<A: Item, B: Field> Item for (A, B) {}

impl<A: Field, B: Field> Field for (A, B) {
    fn put(&self, w: &mut Writer<'_>) {
        self.0.put(w);
        self.1.put(w);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::get(r)?, B::get(r)?))
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, w: &mut Writer<'_>) {
        w.bool(self.is_some());
        if let Some(value) = self {
            value.put(w);
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if bool::get(r)? {
            T::get(r).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<T: Item> Field for Vec<T> {
    fn put(&self, w: &mut Writer<'_>) {
        // A message has less than 2^32 bytes, so no list in it has more items.
        w.u32(u32::try_from(self.len()).unwrap_or(u32::MAX));
        for item in self {
            item.put(w);
        }
    }
    fn get(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = r.u32("count")?;
        if usize::try_from(count).map_or(true, |count| count > r.rest().len()) {
            return Err(DecodeError::Truncated { field: "list" });
        }
        (0..count).map(|_| T::get(r)).collect()
    }
}

/// A message or part of one: fields in the order of their declaration.
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        impl $crate::rpc::field::Field for $name {
            fn put(&self, w: &mut carrick_wire::Writer<'_>) {
                $($crate::rpc::field::Field::put(&self.$field, w);)*
            }
            fn get(r: &mut carrick_wire::Reader<'_>) -> Result<Self, carrick_wire::DecodeError> {
                Ok(Self { $($field: $crate::rpc::field::Field::get(r)?,)* })
            }
        }
        impl $crate::rpc::field::Item for $name {}
    };
}

/// One of several messages: a byte that tells which, then its one content.
macro_rules! choice {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$case_doc:meta])* $tag:literal = $case:ident $(($type:ty))?,)* }) => {
        $(#[$doc])*
        pub enum $name { $($(#[$case_doc])* $case $(($type))?,)* }
        impl $crate::rpc::field::Field for $name {
            fn put(&self, w: &mut carrick_wire::Writer<'_>) {
                match self {
                    $(choice!(@pattern $case content $(($type))?) => {
                        w.u8($tag);
                        $(<$type as $crate::rpc::field::Field>::put(content, w);)?
                    })*
                }
            }
            fn get(r: &mut carrick_wire::Reader<'_>) -> Result<Self, carrick_wire::DecodeError> {
                match r.u8(stringify!($name))? {
                    $($tag => Ok(Self::$case $((<$type as $crate::rpc::field::Field>::get(r)?))?),)*
                    _ => Err(carrick_wire::DecodeError::Invalid { field: stringify!($name) }),
                }
            }
        }
        impl $crate::rpc::field::Item for $name {}
    };
    (@pattern $case:ident $content:ident) => { Self::$case };
    (@pattern $case:ident $content:ident ($type:ty)) => { Self::$case($content) };
}

pub(crate) use {choice, record};

/// The bytes of one message.
pub fn to_bytes(message: &impl Field) -> Vec<u8> {
    let mut out = Vec::new();
    message.put(&mut Writer::new(&mut out));
    out
}

/// The message that is all of `bytes`.
pub fn from_bytes<T: Field>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut r = Reader::new(bytes);
    let message = T::get(&mut r)?;
    r.finish()?;
    Ok(message)
}

/// For tests of messages: what is written can be read, and nothing shorter
/// or longer can.
#[cfg(test)]
pub(crate) fn round_trip<T: Field>(message: &T) -> T {
    let bytes = to_bytes(message);
    for end in 0..bytes.len() {
        assert!(
            from_bytes::<T>(&bytes[..end]).is_err(),
            "cut at {end} of {}",
            bytes.len()
        );
    }
    assert!(from_bytes::<T>(&[&bytes[..], b"x"].concat()).is_err());
    let back = from_bytes::<T>(&bytes).unwrap();
    assert_eq!(to_bytes(&back), bytes);
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_cannot_claim_more_than_is_there() {
        assert!(from_bytes::<Vec<String>>(b"\xff\xff\xff\xff").is_err());
        assert!(from_bytes::<Vec<u32>>(b"\0\0\0\x02\0\0\0\x01").is_err());
        assert_eq!(
            round_trip(&vec![(7_u32, true), (8, false)]),
            [(7, true), (8, false)]
        );
    }

    #[test]
    fn a_flag_is_zero_or_one() {
        assert!(from_bytes::<bool>(&[2]).is_err());
        assert!(from_bytes::<Option<u32>>(&[2, 0, 0, 0, 0]).is_err());
    }
}
