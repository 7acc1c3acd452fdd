//! The first message each way: INIT and VERSION
//! (draft-ietf-secsh-filexfer-02 section 4).

use carrick_wire::{DecodeError, Reader, Writer};

use super::number;

/// An extension that is announced: its name, and its version or other data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Such as `posix-rename@openssh.com`.
    pub name: &'a [u8],
    /// Such as `1`.
    pub data: &'a [u8],
}

/// The version spoken by a side, and what else it offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version<'a> {
    /// 3 for us.
    pub version: u32,
    /// Extension pairs, in order.
    pub extensions: Vec<Extension<'a>>,
}

impl<'a> Version<'a> {
    /// Reads a server's VERSION.
    pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        decode(message, number::VERSION)
    }

    /// Appends a server's VERSION.
    pub fn encode(&self, w: &mut Writer<'_>) {
        w.u8(number::VERSION);
        w.u32(self.version);
        for Extension { name, data } in &self.extensions {
            w.string(name);
            w.string(data);
        }
    }
}

/// Appends a client's INIT.
pub fn encode_init(w: &mut Writer<'_>, version: u32) {
    w.u8(number::INIT);
    w.u32(version);
}

/// Reads a client's INIT.
pub fn decode_init(message: &[u8]) -> Result<Version<'_>, DecodeError> {
    decode(message, number::INIT)
}

fn decode(message: &[u8], expected: u8) -> Result<Version<'_>, DecodeError> {
    let mut r = Reader::new(message);
    let number = r.u8("message number")?;
    if number != expected {
        return Err(DecodeError::UnknownMessage { number });
    }
    let version = r.u32("version")?;
    let mut extensions = Vec::new();
    while !r.is_empty() {
        let name = r.string("extension.name")?;
        let data = r.string("extension.data")?;
        extensions.push(Extension { name, data });
    }
    Ok(Version {
        version,
        extensions,
    })
}
