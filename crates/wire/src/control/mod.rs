//! The protocol of a control socket (OpenSSH's PROTOCOL.mux, version 4), by
//! which programs share one connection: a *master* has it, *passengers* ask it
//! for sessions and forwardings.
//!
//! Each message stands in a frame: its length as a `uint32`, then a `uint32`
//! that says what it is. After NEW_SESSION three bytes follow outside of any
//! frame, and after NEW_STDIO_FWD two, each with a descriptor attached; after
//! `S_PROXY` both sides speak the connection protocol instead.
//!
//! What PROTOCOL.mux does not say: its `bool`s are `uint32`s, and text ends at
//! no zero byte and holds none. OpenSSH 10.3 added `info`, which a master
//! announces in its HELLO.

mod answer;
mod ask;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use ask::{Ask, Forward, ForwardKind, NewSession, Place, Port};

use crate::{DecodeError, Encode, Reader, Writer};

/// The version of the protocol, and the only one.
pub const VERSION: u32 = 4;

/// The name of the extension for `C_EXT_INFO`, and its only value.
pub const INFO: (&str, &str) = ("info", "0");

/// The longest message taken (OpenSSH takes as much).
pub const MESSAGE: usize = 256 * 1024;

/// Environment variables of one session.
pub const VARIABLES: usize = 4096;

/// What the two sides begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The protocol's version.
    pub version: u32,
    /// Names of extensions, with their values.
    pub extensions: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Hello<'a> {
    const NUMBER: u32 = 0x0000_0001;

    /// Ours.
    pub fn ours(extensions: &[(&'a str, &'a str)]) -> Self {
        let bytes = |(name, value): &(&'a str, &'a str)| (name.as_bytes(), value.as_bytes());
        Self {
            version: VERSION,
            extensions: extensions.iter().map(bytes).collect(),
        }
    }

    /// Whether the other side answers questions about the connection.
    pub fn has_info(&self) -> bool {
        let (info, _) = INFO;
        self.extensions
            .iter()
            .any(|(name, _)| *name == info.as_bytes())
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let version = r.u32("version")?;
        let mut extensions = Vec::new();
        while !r.is_empty() {
            extensions.push((string(r, "extension name")?, r.string("extension value")?));
        }
        Ok(Self {
            version,
            extensions,
        })
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.u32(Self::NUMBER);
        w.u32(self.version);
        for (name, value) in &self.extensions {
            w.string(name);
            w.string(value);
        }
    }
}

/// A string as C has it.
fn string<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], DecodeError> {
    let bytes = r.string(field)?;
    if bytes.contains(&0) {
        return Err(DecodeError::Invalid { field });
    }
    Ok(bytes)
}

/// `message` in its frame.
pub fn frame(message: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).sub(|w| message.encode(w));
    out
}

/// How long the frame at the front of `bytes` is, with its length field;
/// `None`: too few bytes to tell. One that is longer than [`MESSAGE`] is an
/// error.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    let Some(length) = bytes.first_chunk() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).ok();
    match length.filter(|length| *length <= MESSAGE) {
        Some(length) => Ok(Some(4 + length)),
        None => Err(DecodeError::Invalid { field: "length" }),
    }
}

/// The message in the frame at the front of `bytes`, and how long the frame
/// is; `None`: it is not whole yet.
pub fn split(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, DecodeError> {
    let Some(len) = frame_len(bytes)? else {
        return Ok(None);
    };
    Ok(bytes.get(4..len).map(|message| (message, len)))
}
