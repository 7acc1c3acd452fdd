//! ML-KEM-768 (FIPS 203) with the randomness given by the caller, so that a
//! key exchange can be replayed in tests.

use core::ptr;

use aws_lc_sys as c;
use zeroize::Zeroizing;

use crate::pkey::{Pkey, PkeyCtx};
use crate::{Failed, check};

/// The length of an encapsulation key.
pub const PUBLIC: usize = 1184;
/// The length of a ciphertext.
pub const CIPHERTEXT: usize = 1088;
/// The length of a shared secret.
pub const SHARED: usize = 32;
/// The length of the seed of a key pair (`d || z`).
pub const KEY_SEED: usize = 64;
/// The length of the seed of an encapsulation (`m`).
pub const SEED: usize = 32;

/// A key pair that waits for a ciphertext.
pub struct KeyPair(Pkey);

impl KeyPair {
    /// ML-KEM.KeyGen_internal(d, z).
    pub fn from_seed(seed: &[u8; KEY_SEED]) -> Result<Self, Failed> {
        // SAFETY: a constant kind and no engine.
        let raw = unsafe { c::EVP_PKEY_CTX_new_id(c::EVP_PKEY_KEM, ptr::null_mut()) };
        let mut ctx = PkeyCtx::own(raw)?;
        // SAFETY: a live context.
        check(unsafe { c::EVP_PKEY_CTX_kem_set_params(ctx.get(), c::NID_MLKEM768) })?;
        // SAFETY: a live context.
        check(unsafe { c::EVP_PKEY_keygen_init(ctx.get()) })?;
        let mut key = ptr::null_mut();
        let mut len = seed.len();
        // SAFETY: a context set up for this; `key` is a null pointer to fill
        // in; seed and length belong together.
        check(unsafe {
            c::EVP_PKEY_keygen_deterministic(ctx.get(), &raw mut key, seed.as_ptr(), &raw mut len)
        })?;
        Pkey::own(key).map(Self)
    }

    /// The encapsulation key to send.
    pub fn public(&self) -> Result<[u8; PUBLIC], Failed> {
        self.0.raw_public()
    }

    /// ML-KEM.Decaps. A wrong ciphertext gives a secret that nobody knows.
    pub fn decapsulate(
        &self,
        ciphertext: &[u8; CIPHERTEXT],
    ) -> Result<Zeroizing<[u8; SHARED]>, Failed> {
        let mut ctx = PkeyCtx::of(&self.0)?;
        let mut shared = Zeroizing::new([0; SHARED]);
        let mut len = shared.len();
        // SAFETY: a live context; buffers and lengths belong together.
        check(unsafe {
            c::EVP_PKEY_decapsulate(
                ctx.get(),
                shared.as_mut_ptr(),
                &raw mut len,
                ciphertext.as_ptr(),
                ciphertext.len(),
            )
        })?;
        if len == SHARED {
            Ok(shared)
        } else {
            Err(Failed)
        }
    }
}

/// ML-KEM.Encaps_internal(ek, m): ciphertext and shared secret. Fails for an
/// encapsulation key that does not pass FIPS 203's check.
pub fn encapsulate(
    public: &[u8; PUBLIC],
    seed: &[u8; SEED],
) -> Result<([u8; CIPHERTEXT], Zeroizing<[u8; SHARED]>), Failed> {
    // SAFETY: a constant kind; pointer and length belong together.
    let raw = unsafe {
        c::EVP_PKEY_kem_new_raw_public_key(c::NID_MLKEM768, public.as_ptr(), public.len())
    };
    let key = Pkey::own(raw)?;
    let mut ctx = PkeyCtx::of(&key)?;
    let mut ciphertext = [0; CIPHERTEXT];
    let mut shared = Zeroizing::new([0; SHARED]);
    let (mut ct_len, mut ss_len, mut seed_len) = (ciphertext.len(), shared.len(), seed.len());
    // SAFETY: a live context; all three buffers come with their lengths.
    check(unsafe {
        c::EVP_PKEY_encapsulate_deterministic(
            ctx.get(),
            ciphertext.as_mut_ptr(),
            &raw mut ct_len,
            shared.as_mut_ptr(),
            &raw mut ss_len,
            seed.as_ptr(),
            &raw mut seed_len,
        )
    })?;
    if ct_len == CIPHERTEXT && ss_len == SHARED {
        Ok((ciphertext, shared))
    } else {
        Err(Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_and_repeats() {
        let pair = KeyPair::from_seed(&[1; KEY_SEED]).unwrap();
        let public = pair.public().unwrap();
        let (ct, shared) = encapsulate(&public, &[2; SEED]).unwrap();
        assert_eq!(pair.decapsulate(&ct).unwrap(), shared);
        assert_eq!(encapsulate(&public, &[2; SEED]).unwrap().0, ct);
        assert_ne!(encapsulate(&public, &[3; SEED]).unwrap().0, ct);
        let again = KeyPair::from_seed(&[1; KEY_SEED]).unwrap();
        assert_eq!(again.public().unwrap(), public);
        let mut wrong = ct;
        wrong[0] ^= 1;
        assert_ne!(pair.decapsulate(&wrong).unwrap(), shared);
    }

    /// Coefficients at or above q are refused (FIPS 203 section 7.2).
    #[test]
    fn bad_public_key_is_refused() {
        assert!(encapsulate(&[0xff; PUBLIC], &[2; SEED]).is_err());
    }
}
