//! The beginning of an X11 connection that comes from the other side (RFC 4254
//! section 6.3; X Window System Protocol, "Connection Setup").
//!
//! The cookie that opens the user's display never leaves the user's machine. The
//! server is given a made-up one ([`Spoof::request`]), and the first message of
//! each X11 connection is held back ([`Spoof::greet`]) until it has shown that
//! one; then the real cookie is put in its place.
//!
//! What can a hostile server, or anybody who reaches its port, do? Say anything
//! in those first bytes. They are counted before they are kept: a connection
//! whose protocol or cookie is not as long as ours is refused by its first
//! twelve bytes, so never more is held than one message and what came with its
//! end. Who knows the made-up cookie gets in, for as long as the connection
//! lasts, and has nothing that is of use afterwards.

use carrick_crypto::hash::ct_eq;
use carrick_crypto::rng::Rng;
use carrick_wire::{DecodeError, Reader, Secret};

use crate::mux::Request;

/// The one protocol of authentication that all X servers know.
pub const MIT_MAGIC_COOKIE_1: &str = "MIT-MAGIC-COOKIE-1";

/// The message up to the protocol's name.
const HEADER: usize = 12;
/// A made-up cookie has at least so many bytes, however short the real one is.
const COOKIE: usize = 16;

/// The way into a display, and what is shown in its place.
#[derive(Debug)]
pub struct Spoof {
    protocol: String,
    real: Secret,
    fake: Secret,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The first byte is of no byte order.
    ByteOrder(u8),
    /// Another protocol of authentication than ours.
    Protocol,
    /// Another cookie than the one that we gave.
    Cookie,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::ByteOrder(byte) => write!(
                f,
                "Initial X11 packet contains bad byte order byte: 0x{byte:x}"
            ),
            Self::Protocol => f.write_str("X11 connection uses different authentication protocol."),
            Self::Cookie => f.write_str("X11 auth data does not match fake data."),
        }
    }
}

impl core::error::Error for Fault {}

impl Spoof {
    /// For a display that `real` opens, by a protocol such as
    /// [`MIT_MAGIC_COOKIE_1`]. `None`: the name or the cookie is longer than
    /// one can be.
    pub fn new(protocol: &str, real: Secret, rng: &mut dyn Rng) -> Option<Self> {
        u16::try_from(protocol.len()).ok()?;
        u16::try_from(real.expose().len()).ok()?;
        let mut fake = vec![0; real.expose().len().max(COOKIE)];
        rng.fill(&mut fake);
        Some(Self {
            protocol: protocol.to_owned(),
            real,
            fake: Secret::new(fake),
        })
    }

    /// For a display that there is no cookie for: it may let us in by other
    /// means, and does not look at the one that it gets.
    pub fn without_cookie(rng: &mut dyn Rng) -> Option<Self> {
        let mut cookie = vec![0; COOKIE];
        rng.fill(&mut cookie);
        Self::new(MIT_MAGIC_COOKIE_1, Secret::new(cookie), rng)
    }

    /// The request that gives the server the made-up cookie. `single`: it is to
    /// take one connection only.
    pub fn request(&self, single: bool, screen: u32) -> Request {
        Request::X11 {
            single,
            protocol: self.protocol.clone(),
            cookie: to_hex(self.fake.expose()),
            screen,
        }
    }

    /// Begins with a connection.
    pub fn greet(&self) -> Greeting<'_> {
        Greeting {
            spoof: self,
            input: Vec::new(),
        }
    }
}

/// A connection that has not shown its cookie yet.
#[derive(Debug)]
pub struct Greeting<'a> {
    spoof: &'a Spoof,
    input: Vec<u8>,
}

/// Why there is nothing for the display.
enum Stop {
    /// The message is not all there.
    More,
    Refused(Fault),
}

impl From<DecodeError> for Stop {
    /// Reading the message fails where it ends too early, and nowhere else.
    fn from(_: DecodeError) -> Self {
        Self::More
    }
}

impl Greeting<'_> {
    /// Takes what the connection says next: what the display is to be told in
    /// its place, once the message is all there.
    ///
    /// # Errors
    /// It is not to be let in.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Option<Secret>, Fault> {
        self.input.extend_from_slice(piece);
        match self.spoof.exchange(&self.input) {
            Ok(message) => Ok(Some(message)),
            Err(Stop::More) => Ok(None),
            Err(Stop::Refused(fault)) => Err(fault),
        }
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.input.len()
    }
}

impl Spoof {
    /// The message and what follows it, with the real cookie.
    fn exchange(&self, input: &[u8]) -> Result<Secret, Stop> {
        let mut r = Reader::new(input);
        let [first] = r.array("byte order")?;
        let order = Order::new(first).map_err(Stop::Refused)?;
        let [unused] = r.array("unused")?;
        let version: [u8; 4] = r.array("version")?;
        let name_len: [u8; 2] = r.array("protocol's length")?;
        let cookie_len: [u8; 2] = r.array("cookie's length")?;
        let more_unused: [u8; 2] = r.array("unused")?;
        let (fake, real) = (self.fake.expose(), self.real.expose());
        if order.number(name_len) != self.protocol.len() {
            return Err(Stop::Refused(Fault::Protocol));
        }
        if order.number(cookie_len) != fake.len() {
            return Err(Stop::Refused(Fault::Cookie));
        }
        let name = r.take(padded(self.protocol.len()), "protocol")?;
        let cookie = r.take(padded(fake.len()), "cookie")?;
        if name.get(..self.protocol.len()) != Some(self.protocol.as_bytes()) {
            return Err(Stop::Refused(Fault::Protocol));
        }
        if !ct_eq(cookie.get(..fake.len()).unwrap_or_default(), fake) {
            return Err(Stop::Refused(Fault::Cookie));
        }
        let following = r.take_rest();
        // All at once: what moves as it grows is not wiped.
        let room = HEADER + name.len() + padded(real.len()) + following.len();
        let mut out = Vec::with_capacity(room);
        out.extend_from_slice(&[first, unused]);
        out.extend_from_slice(&version);
        out.extend_from_slice(&name_len);
        out.extend_from_slice(&order.bytes(real.len()));
        out.extend_from_slice(&more_unused);
        out.extend_from_slice(name);
        out.extend_from_slice(real);
        out.resize(HEADER + name.len() + padded(real.len()), 0);
        out.extend_from_slice(following);
        Ok(Secret::new(out))
    }
}

/// How a client orders the bytes of its numbers.
#[derive(Debug, Clone, Copy)]
enum Order {
    Big,
    Little,
}

impl Order {
    fn new(byte: u8) -> Result<Self, Fault> {
        match byte {
            b'B' => Ok(Self::Big),
            b'l' => Ok(Self::Little),
            byte => Err(Fault::ByteOrder(byte)),
        }
    }

    fn number(self, bytes: [u8; 2]) -> usize {
        usize::from(match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        })
    }

    /// Of a length that [`Spoof::new`] has seen to be one.
    fn bytes(self, len: usize) -> [u8; 2] {
        let number = u16::try_from(len).unwrap_or_default();
        match self {
            Self::Big => number.to_be_bytes(),
            Self::Little => number.to_le_bytes(),
        }
    }
}

/// How long a field is with what fills it up to four bytes.
fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// Lower-case hexadecimal digits.
fn to_hex(bytes: &[u8]) -> Vec<u8> {
    let digit = |value: u8| match value {
        0..=9 => b'0' + value,
        _ => b'a' + (value - 10),
    };
    let pair = |byte: &u8| [digit(byte >> 4), digit(byte & 0xf)];
    bytes.iter().flat_map(pair).collect()
}

/// What hexadecimal digits in either case stand for: a cookie as `xauth` writes
/// it. `None`: they are none, or one is left over.
pub fn from_hex(text: &[u8]) -> Option<Secret> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.chunks(2) {
        let [high, low] = pair else {
            return None;
        };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(Secret::new(bytes))
}

/// Whether a text is made of the characters that the names of displays and of
/// protocols, and cookies, are made of. Nothing else is shown to `xauth`, whose
/// commands end at a line break, or to a shell.
pub fn is_plain(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b":/.-_".contains(byte))
}

#[cfg(test)]
mod tests;
