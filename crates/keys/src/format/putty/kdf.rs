//! From a passphrase to keys, and the MAC over a file.

use carrick_crypto::hash::{HashAlg, hmac};
use carrick_crypto::kdf::{Argon2Cost, Argon2Kind, argon2};
use carrick_crypto::rng::Rng;
use carrick_wire::Writer;
use zeroize::Zeroizing;

use super::{CIPHER, File, ROOM};
use crate::format::cipher::KeyCipher;
use crate::format::{KeyFileError, PuttyVersion, cost, unsupported};

/// What version 2 hashes in front of the passphrase for the MAC's key.
const MAC_SALT: &[u8] = b"putty-private-key-file-mac-key";
/// Bytes of the MAC's key in version 3.
const MAC_KEY: usize = 32;
/// KiB of memory that Argon2 takes for new files, as PuTTY's.
const NEW_MEMORY: u32 = 8192;

/// Key derivation of version 3.
pub(super) struct Kdf {
    pub(super) kind: Argon2Kind,
    pub(super) cost: Argon2Cost,
    pub(super) salt: Vec<u8>,
}

impl Kdf {
    pub(super) fn new(passes: u32, rng: &mut dyn Rng) -> Result<Self, KeyFileError> {
        let mut salt = vec![0; 16];
        rng.fill(&mut salt);
        let cost = Argon2Cost {
            memory: NEW_MEMORY,
            passes,
            parallelism: 1,
        };
        cost::argon2(cost)?;
        Ok(Self {
            kind: Argon2Kind::Id,
            cost,
            salt,
        })
    }
}

pub(super) fn key_cipher() -> Result<KeyCipher, KeyFileError> {
    KeyCipher::find(CIPHER).ok_or_else(|| unsupported(CIPHER))
}

/// What follows from a passphrase.
pub(super) struct Keys {
    pub(super) cipher: Zeroizing<Vec<u8>>,
    pub(super) iv: Zeroizing<Vec<u8>>,
    pub(super) mac: Zeroizing<Vec<u8>>,
}

impl Keys {
    pub(super) fn derive(
        version: PuttyVersion,
        encrypted: bool,
        kdf: Option<&Kdf>,
        passphrase: &[u8],
    ) -> Result<Self, KeyFileError> {
        let cipher = key_cipher()?;
        // A passphrase that a plain file does not need has no part in it.
        let passphrase = if encrypted { passphrase } else { &[] };
        let (key, iv, mac) = match (version, kdf) {
            (PuttyVersion::Two, _) => {
                let sha1 = |parts: &[&[u8]]| Zeroizing::new(HashAlg::Sha1.digest(parts));
                let mut key = Zeroizing::new(Vec::with_capacity(40));
                key.extend_from_slice(&sha1(&[&[0, 0, 0, 0], passphrase]));
                key.extend_from_slice(&sha1(&[&[0, 0, 0, 1], passphrase]));
                key.truncate(cipher.key_len);
                let iv = Zeroizing::new(vec![0; cipher.iv_len]);
                (key, iv, sha1(&[MAC_SALT, passphrase]))
            }
            (PuttyVersion::Three, None) => Default::default(),
            (PuttyVersion::Three, Some(kdf)) => {
                let mut all = Zeroizing::new(vec![0; cipher.key_len + cipher.iv_len + MAC_KEY]);
                argon2(kdf.kind, kdf.cost, passphrase, &kdf.salt, &mut all).map_err(|_| {
                    KeyFileError::Invalid {
                        what: "Argon2 parameters",
                    }
                })?;
                let (key, rest) = all.split_at_checked(cipher.key_len).unwrap_or_default();
                let (iv, mac) = rest.split_at_checked(cipher.iv_len).unwrap_or_default();
                let own = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
                (own(key), own(iv), own(mac))
            }
        };
        Ok(Self {
            cipher: key,
            iv,
            mac,
        })
    }
}

/// The MAC over a file whose private part is `plain`.
pub(super) fn mac(file: &File<'_>, key: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut covered = Zeroizing::new(Vec::with_capacity(2 * ROOM));
    let mut w = Writer::new(&mut covered);
    w.text(file.algorithm);
    w.text(file.encryption());
    w.string(file.comment);
    w.string(&file.public);
    w.string(plain);
    let hash = match file.version {
        PuttyVersion::Two => HashAlg::Sha1,
        PuttyVersion::Three => HashAlg::Sha256,
    };
    hmac(hash, key, &covered)
}
