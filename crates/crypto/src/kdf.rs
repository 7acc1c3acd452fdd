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

/// The input of [`bcrypt_pbkdf()`] or [`argon2()`] was not usable: an empty
/// passphrase or salt, no rounds, an output that is empty or longer than 1024
/// bytes, parameters out of range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadKdfInput;

impl core::fmt::Display for BadKdfInput {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("unusable input to a key derivation")
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

/// A variant of Argon2 (RFC 9106).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argon2Kind {
    /// Argon2d.
    D,
    /// Argon2i.
    I,
    /// Argon2id.
    Id,
}

/// What an Argon2 computation costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// How often it is gone over.
    pub passes: u32,
    /// Lanes.
    pub parallelism: u32,
}

/// Argon2 version 0x13 (RFC 9106), the KDF of PuTTY's key files. Time and
/// memory are the caller's to bound. Fails on parameters that the RFC does
/// not allow.
pub fn argon2(
    kind: Argon2Kind,
    cost: Argon2Cost,
    passphrase: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), BadKdfInput> {
    use argon2::{Algorithm, Argon2, Params, Version};
    let kind = match kind {
        Argon2Kind::D => Algorithm::Argon2d,
        Argon2Kind::I => Algorithm::Argon2i,
        Argon2Kind::Id => Algorithm::Argon2id,
    };
    Params::new(cost.memory, cost.passes, cost.parallelism, Some(out.len()))
        .map(|params| Argon2::new(kind, Version::V0x13, params))
        .and_then(|argon2| argon2.hash_password_into(passphrase, salt, out))
        .map_err(|_| BadKdfInput)
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

    /// From argon2-cffi 25.1 (libargon2 20190702): no secret, no data.
    #[test]
    fn argon2_known_answers() {
        let cost = Argon2Cost {
            memory: 64,
            passes: 3,
            parallelism: 2,
        };
        for (kind, want) in [
            (
                Argon2Kind::D,
                0xbe59_eb4f_9a50_9525_832c_7fdc_c5b4_ccde_u128,
            ),
            (
                Argon2Kind::I,
                0x611d_db71_5cea_f1eb_b771_69cd_28ab_fde5_u128,
            ),
            (
                Argon2Kind::Id,
                0xae4f_cf49_e281_afe0_dafb_220b_dfb7_1005_u128,
            ),
        ] {
            let mut out = [0; 16];
            argon2(kind, cost, b"password", b"somesalt", &mut out).unwrap();
            assert_eq!(u128::from_be_bytes(out), want, "{kind:?}");
        }
        let mut bad = cost;
        bad.memory = 1;
        assert!(argon2(Argon2Kind::Id, bad, b"p", b"somesalt", &mut [0; 16]).is_err());
    }
}
