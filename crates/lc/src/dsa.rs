//! DSA verification (FIPS 186-4), for reading what old tools signed.

use core::ptr::NonNull;

use aws_lc_sys as c;

use crate::bn::Bn;
use crate::{Failed, check, failed};

struct Dsa(NonNull<c::DSA>);

impl Drop for Dsa {
    fn drop(&mut self) {
        // SAFETY: this value owns the object.
        unsafe { c::DSA_free(self.0.as_ptr()) };
    }
}

struct Signature(NonNull<c::DSA_SIG>);

impl Drop for Signature {
    fn drop(&mut self) {
        // SAFETY: this value owns the object.
        unsafe { c::DSA_SIG_free(self.0.as_ptr()) };
    }
}

/// A public key; all parts are big-endian magnitudes.
#[derive(Clone, Copy)]
pub struct DsaPublic<'a> {
    /// The prime modulus.
    pub p: &'a [u8],
    /// The subgroup's order.
    pub q: &'a [u8],
    /// The generator.
    pub g: &'a [u8],
    /// The public value.
    pub y: &'a [u8],
}

/// Verifies the signature `(r, s)` over a digest.
pub fn verify(key: &DsaPublic<'_>, digest: &[u8], r: &[u8], s: &[u8]) -> Result<(), Failed> {
    let [p, q, g, y] = [key.p, key.q, key.g, key.y].map(Bn::from_bytes);
    let (p, q, g, y) = (p?, q?, g?, y?);
    if !(1024..=3072).contains(&p.bits()) {
        return Err(Failed);
    }
    let (r, s) = (Bn::from_bytes(r)?, Bn::from_bytes(s)?);
    // SAFETY: no arguments; a null result is caught.
    let dsa = NonNull::new(unsafe { c::DSA_new() })
        .map(Dsa)
        .ok_or_else(failed)?;
    // SAFETY: a live object takes over three numbers, which it will free; the
    // call fails only for null arguments.
    check(unsafe { c::DSA_set0_pqg(dsa.0.as_ptr(), p.release(), q.release(), g.release()) })?;
    // SAFETY: as above; there is no private key.
    check(unsafe { c::DSA_set0_key(dsa.0.as_ptr(), y.release(), core::ptr::null_mut()) })?;
    // SAFETY: no arguments; a null result is caught.
    let raw = unsafe { c::DSA_SIG_new() };
    let signature = NonNull::new(raw).map(Signature).ok_or_else(failed)?;
    // SAFETY: a live object takes over both numbers.
    check(unsafe { c::DSA_SIG_set0(signature.0.as_ptr(), r.release(), s.release()) })?;
    // SAFETY: live objects; digest and length belong together.
    check(unsafe {
        c::DSA_do_verify(
            digest.as_ptr(),
            digest.len(),
            signature.0.as_ptr(),
            dsa.0.as_ptr(),
        )
    })
}
