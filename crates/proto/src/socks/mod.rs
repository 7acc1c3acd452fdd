//! The server's side of SOCKS, as far as a tunnel has use for it: CONNECT by
//! versions 4, 4a and 5 (RFC 1928) without a password, to an IPv4 or IPv6
//! address or to a name that is looked up at the far end.
//!
//! A [`Dialog`] is fed what the client says until it names where the client
//! wants to go; then it words the answer. It holds less than
//! [`MOST`] bytes beside what it was fed last.

use core::net::{Ipv4Addr, Ipv6Addr};

use carrick_wire::{DecodeError, Reader};

/// The longest request: what the longest names and the longest list of methods
/// come to, and some more.
pub const MOST: usize = 1024;

/// How far a client's request is understood.
#[derive(Debug)]
pub struct Dialog {
    input: Vec<u8>,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// It has not said anything.
    Unknown,
    Four,
    /// Version 5, before and after the choice of a method.
    FiveMethods,
    Five,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// More from the client.
    More,
    /// This is to be sent to the client; then there may be another step.
    Say(Vec<u8>),
    /// The client wants to go there.
    Connect(Target),
}

/// Where a client wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// An address, or a name that nobody has looked up: of printable ASCII
    /// characters, not empty.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why a client is not taken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// For a reason of no other kind.
    Failed,
    /// It is not allowed.
    NotAllowed,
    /// There is no way there, or no such host.
    Unreachable,
    /// The host refused.
    Refused,
}

/// What a client says that is no request of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The first byte is of no version of SOCKS.
    Version(u8),
    /// Another command than CONNECT.
    Command(u8),
    /// It insists on a method of authentication.
    NoMethod,
    /// An address of an unknown type.
    AddressType(u8),
    /// A name that no host has.
    Name,
    /// A request that does not come to an end.
    TooLong,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Version(byte) => write!(f, "unknown SOCKS version {byte}"),
            Self::Command(byte) => write!(f, "unsupported SOCKS command {byte}"),
            Self::NoMethod => f.write_str("only SOCKS without authentication is supported"),
            Self::AddressType(byte) => write!(f, "unknown SOCKS address type {byte}"),
            Self::Name => f.write_str("invalid host name in SOCKS request"),
            Self::TooLong => f.write_str("SOCKS request too long"),
        }
    }
}

impl core::error::Error for Fault {}

const CONNECT: u8 = 1;
const GRANTED_4: u8 = 90;
const REJECTED_4: u8 = 91;
const NO_AUTHENTICATION: u8 = 0;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;

impl Default for Dialog {
    fn default() -> Self {
        Self::new()
    }
}

impl Dialog {
    /// With a client that has said nothing yet.
    pub fn new() -> Self {
        Self {
            input: Vec::new(),
            version: Version::Unknown,
        }
    }

    /// Takes what the client says.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        self.input.extend_from_slice(bytes);
        let mut r = Reader::new(&self.input);
        let step = match self.version {
            Version::Unknown => match self.input.first() {
                None => return Ok(Step::More),
                Some(4) => {
                    self.version = Version::Four;
                    four(&mut r)
                }
                Some(5) => {
                    self.version = Version::FiveMethods;
                    methods(&mut r)
                }
                Some(other) => return Err(Fault::Version(*other)),
            },
            Version::Four => four(&mut r),
            Version::FiveMethods => methods(&mut r),
            Version::Five => five(&mut r),
        };
        match step {
            Ok(step) => {
                if matches!(step, Step::Say(_)) {
                    self.version = Version::Five;
                }
                let used = self.input.len() - r.rest().len();
                self.input.drain(..used);
                Ok(step)
            }
            Err(Wrong::Short) if self.input.len() < MOST => Ok(Step::More),
            Err(Wrong::Short) => Err(Fault::TooLong),
            Err(Wrong::Fault(fault)) => Err(fault),
        }
    }

    /// What the client has said behind its request: the first bytes for the
    /// far end.
    pub fn rest(&self) -> &[u8] {
        &self.input
    }

    /// Tells the client that it is where it wanted to go.
    pub fn granted(&self) -> Vec<u8> {
        self.answer(GRANTED_4, 0)
    }

    /// Tells the client that it is not.
    pub fn refused(&self, why: Refusal) -> Vec<u8> {
        // RFC 1928 section 6.
        let code = match why {
            Refusal::Failed => 1,
            Refusal::NotAllowed => 2,
            Refusal::Unreachable => 4,
            Refusal::Refused => 5,
        };
        self.answer(REJECTED_4, code)
    }

    /// What to say to a client before it is left for a fault; mostly nothing.
    pub fn farewell(&self, fault: Fault) -> Vec<u8> {
        match (fault, self.version) {
            (Fault::NoMethod, _) => vec![5, NO_ACCEPTABLE_METHOD],
            (Fault::Command(_), _) => self.answer(REJECTED_4, 7),
            (Fault::AddressType(_), _) => self.answer(REJECTED_4, 8),
            (Fault::Name | Fault::TooLong, Version::Four | Version::Five) => {
                self.answer(REJECTED_4, 1)
            }
            _ => Vec::new(),
        }
    }

    fn answer(&self, four: u8, five: u8) -> Vec<u8> {
        match self.version {
            // No address of ours is told.
            Version::Four => vec![0, four, 0, 0, 0, 0, 0, 0],
            _ => vec![5, five, 0, 1, 0, 0, 0, 0, 0, 0],
        }
    }
}

/// Why a request is not understood.
enum Wrong {
    /// It is not all there.
    Short,
    Fault(Fault),
}

impl From<DecodeError> for Wrong {
    fn from(_: DecodeError) -> Self {
        Self::Short
    }
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Version 4: command, port, address, the user's name; where the address is
/// 0.0.0.x, a host's name follows (4a).
fn four(r: &mut Reader<'_>) -> Result<Step, Wrong> {
    let [_, command] = r.array("version and command")?;
    if command != CONNECT {
        return Err(Fault::Command(command).into());
    }
    let port = port(r)?;
    let address: [u8; 4] = r.array("address")?;
    until_zero(r)?;
    let host = match address {
        [0, 0, 0, last] if last != 0 => name(until_zero(r)?)?,
        _ => Ipv4Addr::from(address).to_string(),
    };
    Ok(Step::Connect(Target { host, port }))
}

/// Version 5: the methods of authentication that the client would take.
fn methods(r: &mut Reader<'_>) -> Result<Step, Wrong> {
    let [_, count] = r.array("version and number of methods")?;
    let methods = r.take(usize::from(count), "methods")?;
    if !methods.contains(&NO_AUTHENTICATION) {
        return Err(Fault::NoMethod.into());
    }
    Ok(Step::Say(vec![5, NO_AUTHENTICATION]))
}

/// Version 5: command and address.
fn five(r: &mut Reader<'_>) -> Result<Step, Wrong> {
    let [version, command, _, kind] = r.array("request")?;
    if version != 5 {
        return Err(Fault::Version(version).into());
    }
    if command != CONNECT {
        return Err(Fault::Command(command).into());
    }
    let host = match kind {
        1 => Ipv4Addr::from(r.array::<4>("address")?).to_string(),
        3 => {
            let len = r.u8("length")?;
            name(r.take(usize::from(len), "name")?)?
        }
        4 => Ipv6Addr::from(r.array::<16>("address")?).to_string(),
        other => return Err(Fault::AddressType(other).into()),
    };
    let port = port(r)?;
    Ok(Step::Connect(Target { host, port }))
}

fn port(r: &mut Reader<'_>) -> Result<u16, DecodeError> {
    r.array("port").map(u16::from_be_bytes)
}

fn until_zero<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let len = r.rest().iter().position(|byte| *byte == 0);
    let text = r.take(len.unwrap_or(usize::MAX), "text")?;
    r.u8("zero byte")?;
    Ok(text)
}

/// A name that can stand in a message and in a log.
fn name(bytes: &[u8]) -> Result<String, Fault> {
    let text = core::str::from_utf8(bytes).map_err(|_| Fault::Name)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault::Name);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
