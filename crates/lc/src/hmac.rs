//! HMAC (RFC 2104) over any digest, keyed once and then used from any thread.

use core::ffi::c_uint;
use core::mem::MaybeUninit;
use core::ptr;

use aws_lc_sys as c;

use crate::{Failed, check};

/// The digest under the HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Digest {
    /// MD5, 16 bytes.
    Md5,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

/// The longest tag.
pub const MAX_TAG: usize = 64;

impl Digest {
    /// The length of digest and tag.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the size of a digest, not of a collection"
    )]
    pub fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn raw(self) -> *const c::EVP_MD {
        match self {
            // SAFETY: returns a pointer to a static table.
            Self::Md5 => unsafe { c::EVP_md5() },
            // SAFETY: as above.
            Self::Sha1 => unsafe { c::EVP_sha1() },
            // SAFETY: as above.
            Self::Sha256 => unsafe { c::EVP_sha256() },
            // SAFETY: as above.
            Self::Sha384 => unsafe { c::EVP_sha384() },
            // SAFETY: as above.
            Self::Sha512 => unsafe { c::EVP_sha512() },
        }
    }
}

/// A context on the stack, wiped when it is dropped.
struct Context(MaybeUninit<c::HMAC_CTX>);

impl Context {
    fn empty() -> Self {
        let mut ctx = MaybeUninit::uninit();
        // SAFETY: HMAC_CTX_init writes the whole context.
        unsafe { c::HMAC_CTX_init(ctx.as_mut_ptr()) };
        Self(ctx)
    }

    fn get(&mut self) -> *mut c::HMAC_CTX {
        self.0.as_mut_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was initialised in `empty`; cleaning wipes it.
        unsafe { c::HMAC_CTX_cleanup(self.get()) };
    }
}

/// A key whose two inner states are computed once. Taking a tag copies them
/// to the stack: no allocation, no second key schedule.
pub struct HmacKey {
    keyed: Context,
    digest: Digest,
}

// SAFETY: an HMAC_CTX is plain memory plus pointers to static tables; it may
// move between threads.
unsafe impl Send for HmacKey {}
// SAFETY: `&HmacKey` only ever reads the context (to copy it); nothing in
// AWS-LC mutates the source of HMAC_CTX_copy_ex.
unsafe impl Sync for HmacKey {}

impl HmacKey {
    /// Keys it.
    pub fn new(digest: Digest, key: &[u8]) -> Result<Self, Failed> {
        let mut keyed = Context::empty();
        // SAFETY: an initialised context, a slice with its own length, a
        // static digest table; no engine.
        check(unsafe {
            c::HMAC_Init_ex(
                keyed.get(),
                key.as_ptr().cast(),
                key.len(),
                digest.raw(),
                ptr::null_mut(),
            )
        })?;
        Ok(Self { keyed, digest })
    }

    /// The digest it was keyed for.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The tag over the parts, one after the other. The first
    /// [`Digest::len`] bytes of the answer are the tag, the rest is zero.
    pub fn tag(&self, parts: &[&[u8]]) -> Result<[u8; MAX_TAG], Failed> {
        let mut ctx = Context::empty();
        // SAFETY: both contexts are initialised; the source is only read.
        check(unsafe { c::HMAC_CTX_copy_ex(ctx.get(), self.keyed.0.as_ptr()) })?;
        for part in parts {
            // SAFETY: an initialised context, a slice with its own length.
            check(unsafe { c::HMAC_Update(ctx.get(), part.as_ptr(), part.len()) })?;
        }
        let mut out = [0; MAX_TAG];
        let mut len: c_uint = 0;
        // SAFETY: `out` has room for the longest digest.
        check(unsafe { c::HMAC_Final(ctx.get(), out.as_mut_ptr(), &raw mut len) })?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 and RFC 4231, test case 2.
    #[test]
    fn known_answers() {
        let data = b"what do ya want for nothing?";
        for (digest, want) in [
            (Digest::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Digest::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (
                Digest::Sha256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                Digest::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let key = HmacKey::new(digest, b"Jefe").unwrap();
            for _ in 0..2 {
                let tag = key.tag(&[&data[..5], &data[5..]]).unwrap();
                let want = want.replace(' ', "");
                assert_eq!(want.len(), 2 * digest.len());
                for (i, byte) in tag[..digest.len()].iter().enumerate() {
                    assert_eq!(want[2 * i..2 * i + 2], format!("{byte:02x}"));
                }
            }
        }
    }
}
