//! SSHFP records (RFC 4255, 6594, 7479, 8709): a host key's fingerprint in
//! the DNS.

use carrick_crypto::hash::HashAlg;

use crate::{KeyType, PublicKey, text};

/// The hash of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// 1 (RFC 4255).
    Sha1,
    /// 2 (RFC 6594).
    Sha256,
}

impl Hash {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    /// The number in the record.
    pub fn number(self) -> u8 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 2,
        }
    }
}

/// A record's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Number of the key's algorithm.
    pub algorithm: u8,
    /// Number of the hash.
    pub hash: u8,
    /// The hash of the key blob.
    pub digest: Vec<u8>,
}

/// The record of a key; `None` for a type that has no number: security keys
/// and the post-quantum composites.
pub fn record(key: &PublicKey, hash: Hash) -> Option<Record> {
    let plain = key.plain();
    let algorithm = match plain.kind() {
        KeyType::Rsa => 1,
        KeyType::Ecdsa(_) => 3,
        KeyType::Ed25519 => 4,
        _ => return None,
    };
    let with = match hash {
        Hash::Sha1 => HashAlg::Sha1,
        Hash::Sha256 => HashAlg::Sha256,
    };
    Some(Record {
        algorithm,
        hash: hash.number(),
        digest: with.digest(&[&plain.to_blob()]),
    })
}

impl Record {
    /// The record in a zone file, from its class on; `generic` is the form
    /// of RFC 3597, for servers that do not know SSHFP.
    pub fn zone_text(&self, generic: bool) -> String {
        let digest = text::hex(&self.digest);
        let (algorithm, hash) = (self.algorithm, self.hash);
        if generic {
            let len = self.digest.len() + 2;
            format!("IN TYPE44 \\# {len} {algorithm:02x} {hash:02x} {digest}")
        } else {
            format!("IN SSHFP {algorithm} {hash} {digest}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let record = Record {
            algorithm: 4,
            hash: 2,
            digest: vec![0, 0xab],
        };
        assert_eq!(record.zone_text(false), "IN SSHFP 4 2 00ab");
        assert_eq!(record.zone_text(true), "IN TYPE44 \\# 4 04 02 00ab");
    }
}
