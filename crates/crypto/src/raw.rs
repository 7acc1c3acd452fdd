//! Ciphers over whole texts, as private key files use them: `openssh-key-v1`
//! with any cipher of the table, PEM with CBC.

use carrick_lc::aes::Aes;
use carrick_lc::{Direction, Failed};

use crate::packet::{Chain, Cipher, Mode, chacha, cipher, gcm};

/// Why a text was not encrypted or decrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawError {
    /// No cipher of this name is built.
    UnknownCipher,
    /// The key, the IV or the text has a length that the cipher does not take.
    BadLength,
    /// The tag of an AEAD does not fit: a wrong key or a changed text.
    BadTag,
}

impl core::fmt::Display for RawError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::UnknownCipher => "unknown cipher",
            Self::BadLength => "wrong length of key, IV or text for the cipher",
            Self::BadTag => "text failed its integrity check",
        })
    }
}

impl core::error::Error for RawError {}

impl From<Failed> for RawError {
    fn from(_: Failed) -> Self {
        Self::BadLength
    }
}

fn checked(name: &str, key: &[u8], iv: &[u8]) -> Result<&'static Cipher, RawError> {
    let cipher = cipher(name).ok_or(RawError::UnknownCipher)?;
    if key.len() != cipher.key_len || iv.len() != cipher.iv_len {
        return Err(RawError::BadLength);
    }
    Ok(cipher)
}

fn ctr(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), RawError> {
    let counter = iv.try_into().map_err(|_| RawError::BadLength)?;
    Aes::new(key)?.ctr(counter, data);
    Ok(())
}

/// The length of the tag at the end of `data` in [`cipher_encrypt_raw`] and
/// [`cipher_decrypt_raw`]: 16 for an AEAD, else 0.
pub fn raw_tag_len(name: &str) -> usize {
    cipher(name).map_or(0, |cipher| if cipher.aead { 16 } else { 0 })
}

/// Encrypts `data` in place. With an AEAD its last [`raw_tag_len`] bytes are
/// room for the tag.
pub fn cipher_encrypt_raw(
    name: &str,
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Result<(), RawError> {
    match checked(name, key, iv)?.mode {
        Mode::ChaCha => Ok(chacha::whole::seal(key, data)?),
        Mode::Gcm => Ok(gcm::whole::seal(key, iv, data)?),
        Mode::Ctr => ctr(key, iv, data),
        Mode::Cbc(block) => Ok(Chain::new(block, key, iv, Direction::Encrypt)?.apply(data)?),
    }
}

/// Decrypts `data` in place. With an AEAD its last [`raw_tag_len`] bytes are
/// the tag, which is checked.
pub fn cipher_decrypt_raw(
    name: &str,
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Result<(), RawError> {
    let genuine = match checked(name, key, iv)?.mode {
        Mode::ChaCha => chacha::whole::open(key, data)?,
        Mode::Gcm => gcm::whole::open(key, iv, data)?,
        Mode::Ctr => return ctr(key, iv, data),
        Mode::Cbc(block) => {
            return Ok(Chain::new(block, key, iv, Direction::Decrypt)?.apply(data)?);
        }
    };
    if genuine {
        Ok(())
    } else {
        Err(RawError::BadTag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::CIPHERS;

    #[test]
    fn round_trips_and_refusals() {
        for cipher in CIPHERS {
            let (key, iv) = (vec![7; cipher.key_len], vec![9; cipher.iv_len]);
            let tag = raw_tag_len(cipher.name);
            let plain: Vec<u8> = (0..160).collect();
            let mut data = plain.clone();
            data.resize(160 + tag, 0);
            cipher_encrypt_raw(cipher.name, &key, &iv, &mut data).unwrap();
            assert_ne!(data[..160], plain);
            let sealed = data.clone();
            cipher_decrypt_raw(cipher.name, &key, &iv, &mut data).unwrap();
            assert_eq!(data[..160], plain);
            let bad = |key: &[u8], iv: &[u8], data: &mut [u8]| {
                cipher_decrypt_raw(cipher.name, key, iv, data)
            };
            assert_eq!(bad(&key[1..], &iv, &mut data), Err(RawError::BadLength));
            assert_eq!(bad(&key, &[0; 17], &mut data), Err(RawError::BadLength));
            if tag > 0 {
                for at in [0, 159, 160, 175] {
                    let mut data = sealed.clone();
                    data[at] ^= 0x10;
                    assert_eq!(bad(&key, &iv, &mut data), Err(RawError::BadTag));
                }
                assert_eq!(bad(&key, &iv, &mut [0; 15]), Err(RawError::BadLength));
            } else if cipher.name.ends_with("cbc") {
                assert_eq!(bad(&key, &iv, &mut data[..17]), Err(RawError::BadLength));
            }
        }
        let unknown = cipher_encrypt_raw("none", &[], &[], &mut []);
        assert_eq!(unknown, Err(RawError::UnknownCipher));
    }
}
