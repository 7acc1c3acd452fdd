//! Digests, HMAC, and comparison in constant time.

use aws_lc_rs::digest;
use carrick_lc::hmac::{Digest, HmacKey};
use carrick_lc::md5::Md5;
use subtle::ConstantTimeEq;

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HashAlg {
    /// MD5: fingerprints and old files only.
    Md5,
    /// SHA-1: old key exchanges and signatures, off by default.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlg {
    /// The digest's length in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the size of a digest, not of a collection"
    )]
    pub fn len(self) -> usize {
        self.lc().len()
    }

    /// The digest over the parts, one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut hasher = Hasher::new(self);
        for part in parts {
            hasher.update(part);
        }
        hasher.finish()
    }

    /// `carrick-lc`'s name for it.
    pub(crate) fn lc(self) -> Digest {
        match self {
            Self::Md5 => Digest::Md5,
            Self::Sha1 => Digest::Sha1,
            Self::Sha256 => Digest::Sha256,
            Self::Sha384 => Digest::Sha384,
            Self::Sha512 => Digest::Sha512,
        }
    }
}

#[derive(Clone)]
enum State {
    Md5(Md5),
    Lc(digest::Context),
}

/// A running digest.
#[derive(Clone)]
pub struct Hasher(State);

impl Hasher {
    /// An empty one.
    pub fn new(alg: HashAlg) -> Self {
        let alg = match alg {
            HashAlg::Md5 => return Self(State::Md5(Md5::new())),
            HashAlg::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            HashAlg::Sha256 => &digest::SHA256,
            HashAlg::Sha384 => &digest::SHA384,
            HashAlg::Sha512 => &digest::SHA512,
        };
        Self(State::Lc(digest::Context::new(alg)))
    }

    /// Takes in more.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Md5(md5) => md5.update(data),
            State::Lc(ctx) => ctx.update(data),
        }
    }

    /// The digest.
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            State::Md5(md5) => md5.finish().to_vec(),
            State::Lc(ctx) => ctx.finish().as_ref().to_vec(),
        }
    }
}

/// HMAC (RFC 2104) in one call.
///
/// # Panics
/// If memory runs out.
pub fn hmac(alg: HashAlg, key: &[u8], data: &[u8]) -> Vec<u8> {
    let tag = HmacKey::new(alg.lc(), key).and_then(|key| key.tag(&[data]));
    match tag {
        Ok(tag) => tag[..alg.len()].to_vec(),
        Err(error) => panic!("HMAC: {error}"),
    }
}

/// Whether two strings are equal, in a time that tells only their lengths.
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        use core::fmt::Write;
        bytes.iter().fold(String::new(), |mut text, b| {
            write!(text, "{b:02x}").unwrap();
            text
        })
    }

    /// FIPS 180 examples and RFC 1321, in two parts.
    #[test]
    fn known_answers() {
        for (alg, want) in [
            (HashAlg::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (HashAlg::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                HashAlg::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(hex(&alg.digest(&[b"a", b"bc"])), want);
        }
        for alg in [HashAlg::Sha384, HashAlg::Sha512] {
            assert_eq!(alg.digest(&[b"abc"]).len(), alg.len());
        }
        assert!(hex(&HashAlg::Sha384.digest(&[b"abc"])).starts_with("cb00753f45a35e8bb5a03d69"));
        assert!(hex(&HashAlg::Sha512.digest(&[b"abc"])).starts_with("ddaf35a193617abacc417349"));
    }

    /// RFC 4231 test case 1.
    #[test]
    fn hmac_known_answer() {
        assert_eq!(
            hex(&hmac(HashAlg::Sha256, &[0x0b; 20], b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn comparison() {
        assert!(ct_eq(b"abc", b"abc"));
        assert!(!ct_eq(b"abc", b"abd"));
        assert!(!ct_eq(b"abc", b"abcd"));
    }
}
