//! EVP keys and contexts as owned values, for the modules of this crate.

use core::ptr::{self, NonNull};

use aws_lc_sys as c;

use crate::{Failed, check, failed};

/// An owned EVP_PKEY.
pub(crate) struct Pkey(NonNull<c::EVP_PKEY>);

// SAFETY: an EVP_PKEY may move between threads.
unsafe impl Send for Pkey {}
// SAFETY: evp.h: an EVP_PKEY may be used by several threads at once by
// functions that do not change it; none here does once it is made.
unsafe impl Sync for Pkey {}

impl Pkey {
    /// Takes over what a C function returned.
    pub(crate) fn own(raw: *mut c::EVP_PKEY) -> Result<Self, Failed> {
        NonNull::new(raw).map(Self).ok_or_else(failed)
    }

    pub(crate) fn get(&self) -> *mut c::EVP_PKEY {
        self.0.as_ptr()
    }

    /// The public key of a kind that has it in `N` bytes.
    pub(crate) fn raw_public<const N: usize>(&self) -> Result<[u8; N], Failed> {
        let mut out = [0; N];
        let mut len = out.len();
        // SAFETY: a live key; buffer and length belong together.
        check(unsafe {
            c::EVP_PKEY_get_raw_public_key(self.get(), out.as_mut_ptr(), &raw mut len)
        })?;
        if len == N { Ok(out) } else { Err(Failed) }
    }
}

impl Drop for Pkey {
    fn drop(&mut self) {
        // SAFETY: this value owns one reference.
        unsafe { c::EVP_PKEY_free(self.0.as_ptr()) };
    }
}

/// An owned EVP_PKEY_CTX.
pub(crate) struct PkeyCtx(NonNull<c::EVP_PKEY_CTX>);

impl PkeyCtx {
    /// Takes over what a C function returned.
    pub(crate) fn own(raw: *mut c::EVP_PKEY_CTX) -> Result<Self, Failed> {
        NonNull::new(raw).map(Self).ok_or_else(failed)
    }

    /// For an operation with `key`.
    pub(crate) fn of(key: &Pkey) -> Result<Self, Failed> {
        // SAFETY: a live key (the context takes its own reference); no engine.
        Self::own(unsafe { c::EVP_PKEY_CTX_new(key.get(), ptr::null_mut()) })
    }

    pub(crate) fn get(&mut self) -> *mut c::EVP_PKEY_CTX {
        self.0.as_ptr()
    }
}

impl Drop for PkeyCtx {
    fn drop(&mut self) {
        // SAFETY: this value owns the context.
        unsafe { c::EVP_PKEY_CTX_free(self.0.as_ptr()) };
    }
}

/// An owned EVP_MD_CTX.
pub(crate) struct MdCtx(NonNull<c::EVP_MD_CTX>);

impl MdCtx {
    pub(crate) fn new() -> Result<Self, Failed> {
        // SAFETY: no arguments; a null result is caught.
        NonNull::new(unsafe { c::EVP_MD_CTX_new() })
            .map(Self)
            .ok_or_else(failed)
    }

    pub(crate) fn get(&mut self) -> *mut c::EVP_MD_CTX {
        self.0.as_ptr()
    }
}

impl Drop for MdCtx {
    fn drop(&mut self) {
        // SAFETY: this value owns the context.
        unsafe { c::EVP_MD_CTX_free(self.0.as_ptr()) };
    }
}
