//! Key derivation: the transport's keys (RFC 4253 section 7.2) and the key of
//! an encrypted private key file.

use zeroize::Zeroizing;

use crate::hash::HashAlg;

/// The key for `letter` (`b'A'` to `b'F'`), `len` bytes long:
/// `HASH(K || H || letter || session_id)`, lengthened by
/// `HASH(K || H || all so far)` while it is too short.
/// `k_encoded` is the shared secret as it enters the exchange hash.
pub fn derive(
    hash: HashAlg,
    k_encoded: &[u8],
    h: &[u8],
    letter: u8,
    session_id: &[u8],
    len: usize,
) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(len + hash.len()));
    if len > 0 {
        let first = Zeroizing::new(hash.digest(&[k_encoded, h, &[letter], session_id]));
        out.extend_from_slice(&first);
    }
    while out.len() < len {
        let next = Zeroizing::new(hash.digest(&[k_encoded, h, &out]));
        // A longer key than was reserved for must not leave a copy behind.
        let mut longer = Zeroizing::new(Vec::with_capacity(out.len() + next.len()));
        longer.extend_from_slice(&out);
        longer.extend_from_slice(&next);
        out = longer;
    }
    out.truncate(len);
    out
}

/// The input of [`bcrypt_pbkdf()`] was not usable: an empty passphrase or salt,
/// no rounds, or an output that is empty or longer than 1024 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadKdfInput;

impl core::fmt::Display for BadKdfInput {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("unusable input to bcrypt_pbkdf")
    }
}

impl core::error::Error for BadKdfInput {}

/// OpenSSH's `bcrypt_pbkdf`, the KDF of `openssh-key-v1` files.
pub fn bcrypt_pbkdf(
    passphrase: &[u8],
    salt: &[u8],
    rounds: u32,
    out: &mut [u8],
) -> Result<(), BadKdfInput> {
    bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, rounds, out).map_err(|_| BadKdfInput)
}

/// PBKDF2 with HMAC (RFC 8018 section 5.2), the KDF of PKCS#8 files. At least
/// one round is made.
///
/// # Panics
/// With MD5, which no file uses.
pub fn pbkdf2(hash: HashAlg, passphrase: &[u8], salt: &[u8], rounds: u32, out: &mut [u8]) {
    use aws_lc_rs::pbkdf2 as lc;
    let algorithm = match hash {
        HashAlg::Md5 => panic!("PBKDF2 with MD5"),
        HashAlg::Sha1 => lc::PBKDF2_HMAC_SHA1,
        HashAlg::Sha256 => lc::PBKDF2_HMAC_SHA256,
        HashAlg::Sha384 => lc::PBKDF2_HMAC_SHA384,
        HashAlg::Sha512 => lc::PBKDF2_HMAC_SHA512,
    };
    let rounds = core::num::NonZeroU32::new(rounds).unwrap_or(core::num::NonZeroU32::MIN);
    lc::derive(algorithm, rounds, salt, passphrase, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each length is the start of the longest, which is the RFC's chain.
    #[test]
    fn chain() {
        let (k, h, id) = (b"\0\0\0\x01k", b"hash", b"session");
        let first = HashAlg::Sha1.digest(&[k, h, b"C", id]);
        let second = HashAlg::Sha1.digest(&[k, h, &first]);
        let third = HashAlg::Sha1.digest(&[k, h, &first, &second]);
        let all = [first, second, third].concat();
        for len in 0..=all.len() {
            assert_eq!(derive(HashAlg::Sha1, k, h, b'C', id, len)[..], all[..len]);
        }
        assert_ne!(derive(HashAlg::Sha1, k, h, b'D', id, 60)[..], all[..]);
    }

    /// The first vectors of the original bcrypt_pbkdf.
    #[test]
    fn bcrypt_known_answer() {
        let mut out = [0; 32];
        bcrypt_pbkdf(b"password", b"salt", 4, &mut out).unwrap();
        assert_eq!(
            out,
            [
                0x5b, 0xbf, 0x0c, 0xc2, 0x93, 0x58, 0x7f, 0x1c, 0x36, 0x35, 0x55, 0x5c, 0x27, 0x79,
                0x65, 0x98, 0xd4, 0x7e, 0x57, 0x90, 0x71, 0xbf, 0x42, 0x7e, 0x9d, 0x8f, 0xbe, 0x84,
                0x2a, 0xba, 0x34, 0xd9,
            ]
        );
        assert!(bcrypt_pbkdf(b"", b"salt", 4, &mut out).is_err());
        assert!(bcrypt_pbkdf(b"p", b"", 4, &mut out).is_err());
        assert!(bcrypt_pbkdf(b"p", b"s", 0, &mut out).is_err());
    }

    /// RFC 6070.
    #[test]
    fn pbkdf2_known_answers() {
        for (rounds, want) in [
            (1, 0x0c60_c80f_961f_0e71_f3a9_b524_af60_1206_u128),
            (4096, 0x4b00_7901_b765_489a_bead_49d9_26f7_21d0),
        ] {
            let mut out = [0; 16];
            pbkdf2(HashAlg::Sha1, b"password", b"salt", rounds, &mut out);
            assert_eq!(u128::from_be_bytes(out), want);
        }
    }
}
