//! The one call of PKCS#11 that `cryptoki` does not hand out: `C_Sign` apart
//! from `C_SignInit`. A key that wants its PIN at each use wants it between the
//! two.
//!
//! For `ssh-pkcs11-helper` alone, which loads such libraries: see `sk`.

use std::ffi::{c_uchar, c_ulong, c_void};
use std::mem;
use std::path::Path;
use std::ptr::{self, NonNull};

use crate::library::Library;

/// Longest signature that is taken from a library.
const SIGNATURE_MAX: usize = 64 * 1024;
/// How many functions a library of version 2 has in its list, and which of
/// them is `C_Sign`.
const FUNCTIONS: usize = 68;
const SIGN: usize = 43;

type GetFunctionList = unsafe extern "C" fn(*mut *const FunctionList) -> c_ulong;
type Sign =
    unsafe extern "C" fn(c_ulong, *const c_uchar, c_ulong, *mut c_uchar, *mut c_ulong) -> c_ulong;

/// `CK_FUNCTION_LIST`.
#[repr(C)]
struct FunctionList {
    version: [c_uchar; 2],
    functions: [*const c_void; FUNCTIONS],
}

/// A number that the library gave for a reason (`CKR_...`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub c_ulong);

impl Refused {
    /// No reason is known (`CKR_GENERAL_ERROR`).
    const GENERAL: Self = Self(5);
}

/// `C_Sign` of a library.
#[derive(Clone, Copy)]
pub struct Signer(Sign);

impl Signer {
    /// Finds it in the library at `path`. The loader hands out the same copy
    /// of it to whoever asks, so sessions that others have opened are valid
    /// here.
    pub fn of(path: &Path) -> Result<Self, String> {
        let library = Library::load(path)?;
        let entry = library.symbol(c"C_GetFunctionList")?;
        // SAFETY: PKCS#11 gives what has this name this signature.
        let entry: GetFunctionList = unsafe { mem::transmute(entry.as_ptr()) };
        let mut list = ptr::null();
        // SAFETY: `list` takes the one pointer that the function writes.
        let code = unsafe { entry(&raw mut list) };
        if code != 0 || list.is_null() {
            return Err(format!("C_GetFunctionList: {code}"));
        }
        // SAFETY: it is not null, and what the function hands out begins with
        // version 2's list in all versions, and is never taken back: the
        // library stays loaded.
        let sign = unsafe { (*list).functions[SIGN] };
        let sign = NonNull::new(sign.cast_mut()).ok_or("it has no C_Sign")?;
        // SAFETY: PKCS#11 gives the function in this place this signature.
        Ok(Self(unsafe {
            mem::transmute::<*mut c_void, Sign>(sign.as_ptr())
        }))
    }

    /// Ends what `C_SignInit` began in a session: the signature over `data`.
    pub fn sign(&self, session: c_ulong, data: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut made = vec![0; SIGNATURE_MAX];
        let mut len = made.len() as c_ulong;
        // SAFETY: both buffers are of the lengths that are told, and the
        // library keeps neither. A session that is none it refuses.
        let code = unsafe {
            (self.0)(
                session,
                data.as_ptr(),
                data.len() as c_ulong,
                made.as_mut_ptr(),
                &raw mut len,
            )
        };
        if code != 0 {
            return Err(Refused(code));
        }
        match usize::try_from(len) {
            Ok(len) if len <= made.len() => {
                made.truncate(len);
                Ok(made)
            }
            _ => Err(Refused::GENERAL),
        }
    }
}
