//! What the server announced that it can do beyond the draft.

use crate::limits;
use crate::msg::{Extended, Limits, Version, name};

/// The data that fits any server: draft section 6.4 asks each to take 32 KiB.
const DATA: u32 = 32 * 1024;

/// Without it in the announcement this version of an extension is meant.
fn version(extension: &[u8]) -> &'static [u8] {
    match extension {
        name::STATVFS | name::FSTATVFS => b"2",
        _ => b"1",
    }
}

/// The server's extensions and limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offers {
    version: u32,
    extensions: Vec<(Vec<u8>, Vec<u8>)>,
    limits: Limits,
}

impl Offers {
    pub(super) fn new(hello: &Version<'_>) -> Self {
        let pair = |e: &crate::msg::Extension<'_>| (e.name.to_vec(), e.data.to_vec());
        Self {
            version: hello.version,
            extensions: hello.extensions.iter().map(pair).collect(),
            limits: Limits::default(),
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The protocol version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// All that was announced: names and data.
    pub fn extensions(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.extensions
            .iter()
            .map(|(name, data)| (name.as_slice(), data.as_slice()))
    }

    /// Whether an extension ([`name`]) is announced in the version that is
    /// spoken here.
    pub fn has(&self, extension: &[u8]) -> bool {
        self.extensions.iter().any(|(name, data)| {
            name == extension && (data == version(extension) || is_hashes(extension))
        })
    }

    /// Whether a request's extension is announced.
    pub fn takes(&self, request: &Extended<'_>) -> bool {
        match request {
            Extended::CheckFile(_) => self.has(name::CHECK_FILE),
            other => self.has(other.name()),
        }
    }

    /// What the server said of its limits; 0 where it said nothing.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The most that one READ asks for.
    pub fn read_len(&self) -> u32 {
        data_len(self.limits.read)
    }

    /// The most that one WRITE carries.
    pub fn write_len(&self) -> u32 {
        let packet = self.limits.packet.saturating_sub(1024);
        let write = data_len(self.limits.write);
        // A server may bound only its packets.
        match u32::try_from(packet) {
            Ok(packet @ 1..) => write.min(packet),
            _ => write,
        }
    }
}

/// What is announced with `check-file` are the names of hashes.
fn is_hashes(extension: &[u8]) -> bool {
    extension == name::CHECK_FILE
}

fn data_len(limit: u64) -> u32 {
    let most = u32::try_from(limits::DATA).unwrap_or(DATA);
    match u32::try_from(limit) {
        Ok(0) => DATA,
        Ok(limit) => limit.min(most),
        Err(_) => most,
    }
}
