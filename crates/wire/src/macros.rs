//! The macros that make a message from a list of its fields.
//!
//! `messages!` makes the structs, `family!` an enum over some of them chosen by
//! message number, `bodies!` an enum chosen by a name inside the message, and
//! `codes!` a `uint32` with named values of which unknown ones survive.

/// The fields of a message after its number.
pub(crate) trait Body<'a>: Sized {
    /// Reads the fields.
    fn read_body(r: &mut crate::Reader<'a>) -> Result<Self, crate::DecodeError>;
    /// Appends the fields.
    fn write_body(&self, w: &mut crate::Writer<'_>);
}

/// Reads one field: by its type, or by the way named after `as`.
macro_rules! read_field {
    ($r:expr, $label:expr) => {
        $crate::field::Field::read($r, $label)?
    };
    ($r:expr, $label:expr, $how:ident) => {
        $crate::field::$how::read($r, $label)?
    };
}

/// Writes one field, given by reference.
macro_rules! write_field {
    ($value:expr, $w:expr) => {
        $crate::field::Field::write($value, $w)
    };
    ($value:expr, $w:expr, $how:ident) => {
        $crate::field::$how::write($value, $w)
    };
}

/// What every message has: number, name, and the two directions of the codec.
macro_rules! message_codec {
    ($name:ident $(<$lt:lifetime>)? = $number:literal, $label:literal) => {
        impl $(<$lt>)? $name $(<$lt>)? {
            #[doc = concat!("The number of `", $label, "`.")]
            pub const NUMBER: u8 = $number;
            /// The message's name in the RFC, for logs.
            pub const NAME: &'static str = $label;
        }

        impl<'a> $crate::Decode<'a> for $name $(<$lt>)? {
            #[inline]
            fn decode(r: &mut $crate::Reader<'a>) -> Result<Self, $crate::DecodeError> {
                match r.u8("message number")? {
                    $number => $crate::macros::Body::read_body(r),
                    number => Err($crate::DecodeError::UnknownMessage { number }),
                }
            }
        }

        impl $(<$lt>)? $crate::Encode for $name $(<$lt>)? {
            #[inline]
            fn encode(&self, w: &mut $crate::Writer<'_>) {
                w.u8($number);
                $crate::macros::Body::write_body(self, w);
            }
        }
    };
}

/// One struct per message, with its number and its name in the RFC. A field is
/// read by its type, unless `as` names another way.
macro_rules! messages {
    ($(
        $(#[$meta:meta])*
        $name:ident $(<$lt:lifetime>)? = $number:literal, $label:literal {
            $( $(#[$fmeta:meta])* $field:ident : $ty:ty $(as $how:ident)? ),* $(,)?
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name $(<$lt>)? {
            $( $(#[$fmeta])* pub $field: $ty, )*
        }

        $crate::macros::message_codec!($name $(<$lt>)? = $number, $label);

        impl<'a> $crate::macros::Body<'a> for $name $(<$lt>)? {
            #[inline]
            fn read_body(r: &mut $crate::Reader<'a>) -> Result<Self, $crate::DecodeError> {
                let _ = &r;
                Ok(Self { $(
                    $field: $crate::macros::read_field!(
                        r, concat!(stringify!($name), ".", stringify!($field)) $(, $how)?
                    ),
                )* })
            }

            #[inline]
            fn write_body(&self, w: &mut $crate::Writer<'_>) {
                let _ = &w;
                $( $crate::macros::write_field!(&self.$field, w $(, $how)?); )*
            }
        }

        impl $(<$lt>)? core::fmt::Debug for $name $(<$lt>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name))
                    $( .field(stringify!($field), &$crate::field::Shown(&self.$field)) )*
                    .finish()
            }
        }
    )* };
}

/// An enum over messages, told apart by their number.
macro_rules! family {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident($ty:ident $(<$lt:lifetime>)?) ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name<'a> {
            $( $(#[$vmeta])* $variant($ty $(<$lt>)?), )*
        }

        impl<'a> $name<'a> {
            /// Decodes a whole payload, the message number included; bytes left
            /// over are an error.
            #[inline]
            pub fn decode(payload: &'a [u8]) -> Result<Self, $crate::DecodeError> {
                let mut r = $crate::Reader::new(payload);
                let message = match r.u8("message number")? {
                    $( $ty::NUMBER => {
                        Self::$variant($crate::macros::Body::read_body(&mut r)?)
                    } )*
                    number => return Err($crate::DecodeError::UnknownMessage { number }),
                };
                r.finish()?;
                Ok(message)
            }

            /// The message number.
            pub const fn number(&self) -> u8 {
                match self { $( Self::$variant(_) => $ty::NUMBER, )* }
            }

            /// The message's name in the RFC, for logs.
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $ty::NAME, )* }
            }
        }

        impl $crate::Encode for $name<'_> {
            fn encode(&self, w: &mut $crate::Writer<'_>) {
                match self { $( Self::$variant(message) => $crate::Encode::encode(message, w), )* }
            }
        }

        $(
            impl<'a> From<$ty $(<$lt>)?> for $name<'a> {
                fn from(message: $ty $(<$lt>)?) -> Self {
                    Self::$variant(message)
                }
            }
        )*
    };
}

/// An enum over what follows a name inside a message; names that are not known
/// are kept with their bytes.
macro_rules! bodies {
    (
        $(#[$meta:meta])*
        $name:ident {
            $(
                $(#[$vmeta:meta])*
                $variant:ident $({
                    $( $(#[$fmeta:meta])* $field:ident : $ty:ty $(as $how:ident)? ),* $(,)?
                })? = $wire:path
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub enum $name<'a> {
            $( $(#[$vmeta])* $variant $({ $( $(#[$fmeta])* $field: $ty, )* })?, )*
            /// A name that this crate does not know, with all that follows it.
            Unknown {
                /// The name.
                name: &'a str,
                /// The undecoded rest of the message.
                body: &'a [u8],
            },
        }

        impl<'a> $name<'a> {
            /// The name as it stands in the message.
            pub const fn name(&self) -> &'a str {
                match self {
                    $( Self::$variant { .. } => $wire, )*
                    Self::Unknown { name, .. } => name,
                }
            }

            /// Reads what follows `name`.
            fn read_after_name(
                name: &'a str,
                r: &mut $crate::Reader<'a>,
            ) -> Result<Self, $crate::DecodeError> {
                Ok(match name {
                    $( $wire => Self::$variant $({ $(
                        $field: $crate::macros::read_field!(
                            r, concat!(stringify!($variant), ".", stringify!($field)) $(, $how)?
                        ),
                    )* })?, )*
                    _ => Self::Unknown { name, body: r.take_rest() },
                })
            }

            /// Appends what follows the name.
            fn write_after_name(&self, w: &mut $crate::Writer<'_>) {
                match self {
                    $( Self::$variant $({ $( $field ),* })? => {
                        $( $( $crate::macros::write_field!($field, w $(, $how)?); )* )?
                    } )*
                    Self::Unknown { body, .. } => w.raw(body),
                }
            }
        }

        impl core::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $( Self::$variant $({ $( $field ),* })? => f
                        .debug_struct(stringify!($variant))
                        $( $( .field(stringify!($field), &$crate::field::Shown($field)) )* )?
                        .finish(), )*
                    Self::Unknown { name, body } => f
                        .debug_struct("Unknown")
                        .field("name", name)
                        .field("body", &$crate::field::Shown(body))
                        .finish(),
                }
            }
        }
    };
}

/// A `uint32` with names for the values that an RFC defines.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        $name:ident { $( $konst:ident = $value:literal, $text:literal; )* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            $(
                #[doc = concat!("Code ", $value, ": ", $text, ".")]
                pub const $konst: Self = Self($value);
            )*

            /// In words, when the code is a known one.
            pub const fn text(self) -> Option<&'static str> {
                match self.0 {
                    $( $value => Some($text), )*
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.text() {
                    Some(text) => f.write_str(text),
                    None => write!(f, "unknown code {}", self.0),
                }
            }
        }

        impl From<u32> for $name {
            fn from(code: u32) -> Self {
                Self(code)
            }
        }

        impl<'a> $crate::field::Field<'a> for $name {
            fn read(
                r: &mut $crate::Reader<'a>,
                field: &'static str,
            ) -> Result<Self, $crate::DecodeError> {
                Ok(Self(r.u32(field)?))
            }

            fn write(&self, w: &mut $crate::Writer<'_>) {
                w.u32(self.0);
            }
        }

        $crate::field::show_by_debug!($name);
    };
}

pub(crate) use {bodies, codes, family, message_codec, messages, read_field, write_field};
