//! Big numbers as owned values, for the modules of this crate.

use aws_lc_sys as c;
use core::ptr::{self, NonNull};

use crate::{Failed, check, failed};

/// An owned BIGNUM; its memory is wiped when it is freed.
pub(crate) struct Bn(NonNull<c::BIGNUM>);

impl Bn {
    pub(crate) fn new() -> Result<Self, Failed> {
        // SAFETY: no arguments; a null result is caught.
        Self::own(unsafe { c::BN_new() })
    }

    /// Takes over what a C function returned.
    pub(crate) fn own(raw: *mut c::BIGNUM) -> Result<Self, Failed> {
        NonNull::new(raw).map(Self).ok_or_else(failed)
    }

    /// From a big-endian magnitude.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Failed> {
        // SAFETY: the pointer is valid for the length; a null target asks for
        // a new BIGNUM.
        Self::own(unsafe { c::BN_bin2bn(bytes.as_ptr(), bytes.len(), ptr::null_mut()) })
    }

    pub(crate) fn from_word(word: u64) -> Result<Self, Failed> {
        Self::from_bytes(&word.to_be_bytes())
    }

    pub(crate) fn get(&self) -> *const c::BIGNUM {
        self.0.as_ptr()
    }

    pub(crate) fn get_mut(&mut self) -> *mut c::BIGNUM {
        self.0.as_ptr()
    }

    /// Gives the number away to a C object that will free it.
    pub(crate) fn release(self) -> *mut c::BIGNUM {
        let raw = self.0.as_ptr();
        core::mem::forget(self);
        raw
    }

    pub(crate) fn bits(&self) -> usize {
        // SAFETY: a live BIGNUM.
        let bits = unsafe { c::BN_num_bits(self.get()) };
        usize::try_from(bits).unwrap_or(usize::MAX)
    }

    pub(crate) fn is_odd(&self) -> bool {
        // SAFETY: a live BIGNUM.
        unsafe { c::BN_is_odd(self.get()) == 1 }
    }

    pub(crate) fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        // SAFETY: two live BIGNUMs.
        unsafe { c::BN_ucmp(self.get(), other.get()) }.cmp(&0)
    }

    pub(crate) fn minus_one(&self) -> Result<Self, Failed> {
        let (mut out, one) = (Self::new()?, Self::from_word(1)?);
        // SAFETY: three live BIGNUMs.
        check(unsafe { c::BN_sub(out.get_mut(), self.get(), one.get()) })?;
        Ok(out)
    }

    /// Halved, the last bit dropped.
    pub(crate) fn halved(&self) -> Result<Self, Failed> {
        let mut out = Self::new()?;
        // SAFETY: two live BIGNUMs.
        check(unsafe { c::BN_rshift1(out.get_mut(), self.get()) })?;
        Ok(out)
    }

    pub(crate) fn remainder(&self, divisor: &Self, ctx: &mut Ctx) -> Result<Self, Failed> {
        let mut out = Self::new()?;
        // SAFETY: live BIGNUMs and a live context.
        check(unsafe { c::BN_nnmod(out.get_mut(), self.get(), divisor.get(), ctx.get()) })?;
        Ok(out)
    }

    /// The square modulo `modulus`.
    pub(crate) fn squared_modulo(&self, modulus: &Self, ctx: &mut Ctx) -> Result<Self, Failed> {
        let mut out = Self::new()?;
        // SAFETY: live BIGNUMs and a live context.
        check(unsafe { c::BN_mod_sqr(out.get_mut(), self.get(), modulus.get(), ctx.get()) })?;
        Ok(out)
    }

    /// The magnitude in exactly `len` big-endian bytes.
    pub(crate) fn to_padded(&self, len: usize) -> Result<Vec<u8>, Failed> {
        // SAFETY: a live BIGNUM.
        unsafe { copy_padded(self.get(), len) }
    }
}

impl Drop for Bn {
    fn drop(&mut self) {
        // SAFETY: this value owns the BIGNUM and nobody else refers to it.
        unsafe { c::BN_clear_free(self.0.as_ptr()) };
    }
}

/// The number at `raw` in exactly `len` bytes.
///
/// # Safety
/// `raw` points to a BIGNUM that lives throughout the call.
unsafe fn copy_padded(raw: *const c::BIGNUM, len: usize) -> Result<Vec<u8>, Failed> {
    let mut out = vec![0; len];
    // SAFETY: `out` has `len` bytes; the rest is the caller's promise.
    check(unsafe { c::BN_bn2bin_padded(out.as_mut_ptr(), len, raw) })?;
    Ok(out)
}

/// Copies out a number that a C object owns, without leading zeros.
///
/// # Safety
/// `raw` is null or points to a BIGNUM that lives throughout the call.
pub(crate) unsafe fn copy_out(raw: *const c::BIGNUM) -> Result<Vec<u8>, Failed> {
    if raw.is_null() {
        return Err(Failed);
    }
    // SAFETY: the caller's promise.
    let len = usize::try_from(unsafe { c::BN_num_bytes(raw) }).map_err(|_| Failed)?;
    // SAFETY: as above.
    unsafe { copy_padded(raw, len) }
}

/// Scratch space for big-number functions.
pub(crate) struct Ctx(NonNull<c::BN_CTX>);

impl Ctx {
    pub(crate) fn new() -> Result<Self, Failed> {
        // SAFETY: no arguments; a null result is caught.
        NonNull::new(unsafe { c::BN_CTX_new() })
            .map(Self)
            .ok_or_else(failed)
    }

    pub(crate) fn get(&mut self) -> *mut c::BN_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        // SAFETY: this value owns the context.
        unsafe { c::BN_CTX_free(self.0.as_ptr()) };
    }
}
