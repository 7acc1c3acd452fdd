//! ML-DSA-44 (FIPS 204) with a context string, which aws-lc-rs does not take.

use core::ptr;

use aws_lc_sys as c;

use crate::pkey::{MdCtx, Pkey};
use crate::{Failed, check};

/// The length of a seed, the private key's short form.
pub const SEED: usize = 32;
/// The length of a public key.
pub const PUBLIC: usize = 1312;
/// The length of a signature.
pub const SIGNATURE: usize = 2420;

/// A private key.
pub struct MlDsa44(Pkey);

impl MlDsa44 {
    /// ML-DSA.KeyGen_internal(seed).
    pub fn from_seed(seed: &[u8; SEED]) -> Result<Self, Failed> {
        // SAFETY: a constant kind; pointer and length belong together.
        let raw = unsafe {
            c::EVP_PKEY_pqdsa_new_raw_private_key(c::NID_MLDSA44, seed.as_ptr(), seed.len())
        };
        Pkey::own(raw).map(Self)
    }

    /// The public key.
    pub fn public(&self) -> Result<[u8; PUBLIC], Failed> {
        self.0.raw_public()
    }

    /// ML-DSA.Sign (hedged) with a context of at most 255 bytes.
    pub fn sign(&self, message: &[u8], context: &[u8]) -> Result<[u8; SIGNATURE], Failed> {
        let mut ctx = MdCtx::new()?;
        let mut options = ptr::null_mut();
        // SAFETY: live context and key; `options` is filled in with a pointer
        // that `ctx` owns; ML-DSA has no digest, no engine is used.
        check(unsafe {
            c::EVP_DigestSignInit(
                ctx.get(),
                &raw mut options,
                ptr::null(),
                ptr::null_mut(),
                self.0.get(),
            )
        })?;
        set_context(options, context)?;
        let mut out = [0; SIGNATURE];
        let mut len = out.len();
        // SAFETY: a context set up for this; buffers and lengths belong
        // together.
        check(unsafe {
            c::EVP_DigestSign(
                ctx.get(),
                out.as_mut_ptr(),
                &raw mut len,
                message.as_ptr(),
                message.len(),
            )
        })?;
        if len == SIGNATURE {
            Ok(out)
        } else {
            Err(Failed)
        }
    }
}

/// `options` must come from an initialised context that is still alive.
fn set_context(options: *mut c::EVP_PKEY_CTX, context: &[u8]) -> Result<(), Failed> {
    if options.is_null() {
        return Err(Failed);
    }
    // SAFETY: not null, and alive as the caller promises; the string is
    // copied, pointer and length belong together.
    check(unsafe {
        c::EVP_PKEY_CTX_set1_signature_context_string(options, context.as_ptr(), context.len())
    })
}

/// ML-DSA.Verify with a context of at most 255 bytes.
pub fn verify(
    public: &[u8; PUBLIC],
    message: &[u8],
    context: &[u8],
    signature: &[u8; SIGNATURE],
) -> Result<(), Failed> {
    // SAFETY: a constant kind; pointer and length belong together.
    let raw = unsafe {
        c::EVP_PKEY_pqdsa_new_raw_public_key(c::NID_MLDSA44, public.as_ptr(), public.len())
    };
    let key = Pkey::own(raw)?;
    let mut ctx = MdCtx::new()?;
    let mut options = ptr::null_mut();
    // SAFETY: as in `sign`.
    check(unsafe {
        c::EVP_DigestVerifyInit(
            ctx.get(),
            &raw mut options,
            ptr::null(),
            ptr::null_mut(),
            key.get(),
        )
    })?;
    set_context(options, context)?;
    // SAFETY: a context set up for this; pointers and lengths belong together.
    check(unsafe {
        c::EVP_DigestVerify(
            ctx.get(),
            signature.as_ptr(),
            signature.len(),
            message.as_ptr(),
            message.len(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_verifies_under_its_context_alone() {
        let key = MlDsa44::from_seed(&[7; SEED]).unwrap();
        let public = key.public().unwrap();
        assert_eq!(
            MlDsa44::from_seed(&[7; SEED]).unwrap().public().unwrap(),
            public
        );
        for context in [&b""[..], b"context", &[1; 255]] {
            let mut signature = key.sign(b"message", context).unwrap();
            verify(&public, b"message", context, &signature).unwrap();
            assert!(verify(&public, b"massage", context, &signature).is_err());
            assert!(verify(&public, b"message", b"other", &signature).is_err());
            signature[100] ^= 1;
            assert!(verify(&public, b"message", context, &signature).is_err());
        }
        assert!(key.sign(b"message", &[1; 256]).is_err());
        let other = MlDsa44::from_seed(&[8; SEED]).unwrap();
        let signature = other.sign(b"message", b"").unwrap();
        assert!(verify(&public, b"message", b"", &signature).is_err());
    }
}
