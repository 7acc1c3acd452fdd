//! Middleware libraries with the C interface that OpenSSH defines for them
//! (PROTOCOL.u2f, "Middleware API"), version 10.

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;

use zeroize::Zeroize as _;

use super::{
    Algorithm, Enroll, Enrolled, KEYS_MAX, Middleware, Pin, Resident, Sign, Signed, SkError,
    VALUE_MAX, c_string,
};
use crate::library::Library;

/// The interface's version, of which the upper half counts.
const VERSION: u32 = 0x000a_0000;
const VERSION_MASK: u32 = 0xffff_0000;

/// Bytes that the library allocated: they stand in its structures as a
/// pointer and a length.
#[repr(C)]
struct Bytes {
    start: *mut u8,
    len: usize,
}

/// `struct sk_enroll_response`
#[repr(C)]
struct EnrollResponse {
    flags: u8,
    public_key: Bytes,
    key_handle: Bytes,
    signature: Bytes,
    attestation_cert: Bytes,
    authdata: Bytes,
}

/// `struct sk_sign_response`
#[repr(C)]
struct SignResponse {
    flags: u8,
    counter: u32,
    sig_r: Bytes,
    sig_s: Bytes,
}

/// `struct sk_resident_key`
#[repr(C)]
struct ResidentKey {
    alg: u32,
    slot: usize,
    application: *mut c_char,
    key: EnrollResponse,
    flags: u8,
    user_id: Bytes,
}

/// `struct sk_option`
#[repr(C)]
struct SkOption {
    name: *mut c_char,
    value: *mut c_char,
    required: u8,
}

type VersionFn = unsafe extern "C" fn() -> u32;
type EnrollFn = unsafe extern "C" fn(
    alg: u32,
    challenge: *const u8,
    challenge_len: usize,
    application: *const c_char,
    flags: u8,
    pin: *const c_char,
    options: *mut *mut SkOption,
    response: *mut *mut EnrollResponse,
) -> c_int;
type SignFn = unsafe extern "C" fn(
    alg: u32,
    data: *const u8,
    data_len: usize,
    application: *const c_char,
    key_handle: *const u8,
    key_handle_len: usize,
    flags: u8,
    pin: *const c_char,
    options: *mut *mut SkOption,
    response: *mut *mut SignResponse,
) -> c_int;
type ResidentFn = unsafe extern "C" fn(
    pin: *const c_char,
    options: *mut *mut SkOption,
    keys: *mut *mut *mut ResidentKey,
    count: *mut usize,
) -> c_int;

/// A loaded middleware library.
pub struct Provider {
    enroll: EnrollFn,
    sign: SignFn,
    resident: ResidentFn,
}

impl Provider {
    /// Loads the library at `path`. An error says what is wrong with it.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let library = Library::load(path)
            .map_err(|why| format!("Provider \"{shown}\" dlopen failed: {why}"))?;
        let find = |name: &str| {
            let c_name = CString::new(name).unwrap_or_default();
            library
                .symbol(&c_name)
                .map(NonNull::as_ptr)
                .map_err(|why| format!("Provider \"{shown}\" dlsym({name}) failed: {why}"))
        };
        // SAFETY: the interface gives this name to a function of this type.
        // A library that breaks that breaks this process: see the parent
        // module. So do the three below.
        let version = unsafe { mem::transmute::<*mut c_void, VersionFn>(find("sk_api_version")?) };
        // SAFETY: it takes nothing.
        let version = unsafe { version() };
        if version & VERSION_MASK != VERSION {
            return Err(format!(
                "Provider \"{shown}\" implements unsupported version \
                 0x{version:08x} (supported: 0x{VERSION:08x})"
            ));
        }
        // SAFETY: as above.
        let enroll = unsafe { mem::transmute::<*mut c_void, EnrollFn>(find("sk_enroll")?) };
        // SAFETY: as above.
        let sign = unsafe { mem::transmute::<*mut c_void, SignFn>(find("sk_sign")?) };
        let found = find("sk_load_resident_keys")?;
        // SAFETY: as above.
        let resident = unsafe { mem::transmute::<*mut c_void, ResidentFn>(found) };
        Ok(Self {
            enroll,
            sign,
            resident,
        })
    }
}

impl Middleware for Provider {
    fn enroll(&self, new: &Enroll<'_>) -> Result<Enrolled, SkError> {
        let application = c_string(new.application.as_bytes())?;
        let pin = Pin::new(new.pin)?;
        let mut options = Options::new(&[("device", new.device), ("user", new.user)])?;
        let mut response = ptr::null_mut();
        // SAFETY: the arguments are what the interface asks for: texts end
        // with a NUL, bytes have their length, the options end with a null,
        // and all of it outlives the call.
        let status = unsafe {
            (self.enroll)(
                number(new.algorithm),
                new.challenge.as_ptr(),
                new.challenge.len(),
                application.as_ptr(),
                new.flags,
                pin.as_ptr(),
                options.as_mut_ptr(),
                &raw mut response,
            )
        };
        check(status)?;
        // SAFETY: a call that succeeded leaves a response there or, if it
        // breaks the interface, null; it is ours now.
        let response = unsafe { response.as_mut() }.ok_or(SkError::GENERAL)?;
        response.take()
    }

    fn sign(&self, what: &Sign<'_>) -> Result<Signed, SkError> {
        let application = c_string(what.application.as_bytes())?;
        let pin = Pin::new(what.pin)?;
        let mut response = ptr::null_mut();
        // SAFETY: as in `enroll`; no options are a null pointer.
        let status = unsafe {
            (self.sign)(
                number(what.algorithm),
                what.data.as_ptr(),
                what.data.len(),
                application.as_ptr(),
                what.key_handle.as_ptr(),
                what.key_handle.len(),
                what.flags,
                pin.as_ptr(),
                ptr::null_mut(),
                &raw mut response,
            )
        };
        check(status)?;
        // SAFETY: as in `enroll`.
        let response = unsafe { response.as_mut() }.ok_or(SkError::GENERAL)?;
        Ok(Signed {
            flags: response.flags,
            counter: response.counter,
            r: response.sig_r.take()?,
            s: response.sig_s.take()?,
        })
    }

    fn resident_keys(&self, pin: Option<&[u8]>, device: &str) -> Result<Vec<Resident>, SkError> {
        let pin = Pin::new(pin)?;
        let mut options = Options::new(&[("device", device)])?;
        let mut keys = ptr::null_mut();
        let mut count = 0;
        // SAFETY: as in `enroll`.
        let status = unsafe {
            (self.resident)(
                pin.as_ptr(),
                options.as_mut_ptr(),
                &raw mut keys,
                &raw mut count,
            )
        };
        check(status)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        if keys.is_null() || count > KEYS_MAX {
            return Err(SkError::GENERAL);
        }
        // SAFETY: the interface says that there are `count` pointers.
        let keys = unsafe { slice::from_raw_parts(keys, count) };
        let mut found = Vec::new();
        for key in keys {
            // SAFETY: and that each points to a key; null is looked for.
            let key = unsafe { key.as_mut() }.ok_or(SkError::GENERAL)?;
            found.extend(key.take()?);
        }
        Ok(found)
    }
}

fn number(algorithm: Algorithm) -> u32 {
    match algorithm {
        Algorithm::Ecdsa => 0,
        Algorithm::Ed25519 => 1,
    }
}

fn check(status: c_int) -> Result<(), SkError> {
    match status {
        0 => Ok(()),
        status => Err(SkError(status)),
    }
}

impl Bytes {
    /// Copies the bytes out, wipes them and leaves nothing.
    fn take(&mut self) -> Result<Vec<u8>, SkError> {
        let Self { start, len } = mem::replace(
            self,
            Self {
                start: ptr::null_mut(),
                len: 0,
            },
        );
        if start.is_null() {
            return Ok(Vec::new());
        }
        if len > VALUE_MAX {
            return Err(SkError::GENERAL);
        }
        // SAFETY: the interface says that `len` bytes are there, and that they
        // are the caller's now.
        let bytes = unsafe { slice::from_raw_parts_mut(start, len) };
        let copy = bytes.to_vec();
        bytes.zeroize();
        // SAFETY: the interface has them from malloc(3), and nothing points
        // to them any more.
        unsafe { libc::free(start.cast()) };
        Ok(copy)
    }
}

impl EnrollResponse {
    fn take(&mut self) -> Result<Enrolled, SkError> {
        Ok(Enrolled {
            flags: self.flags,
            public_key: self.public_key.take()?,
            key_handle: self.key_handle.take()?,
            signature: self.signature.take()?,
            attestation_certificate: self.attestation_cert.take()?,
            authenticator_data: self.authdata.take()?,
        })
    }
}

impl ResidentKey {
    /// The key, unless its algorithm is not known.
    fn take(&mut self) -> Result<Option<Resident>, SkError> {
        let algorithm = match self.alg {
            0 => Algorithm::Ecdsa,
            1 => Algorithm::Ed25519,
            _ => return Ok(None),
        };
        if self.application.is_null() {
            return Err(SkError::GENERAL);
        }
        // SAFETY: the interface says that this is a C string.
        let application = unsafe { std::ffi::CStr::from_ptr(self.application) };
        Ok(Some(Resident {
            algorithm,
            application: application.to_string_lossy().into_owned(),
            key: self.key.take()?,
            flags: self.flags,
            user: self.user_id.take()?,
        }))
    }
}

/// Options, as a list of pointers that ends with a null.
struct Options {
    /// What the options point to.
    _texts: Vec<CString>,
    /// What `list` points to.
    _entries: Vec<SkOption>,
    list: Vec<*mut SkOption>,
}

impl Options {
    /// Those of the options that have a value.
    fn new(pairs: &[(&str, &str)]) -> Result<Self, SkError> {
        let mut texts = Vec::new();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            texts.push(c_string(name.as_bytes())?);
            texts.push(c_string(value.as_bytes())?);
        }
        let mut options: Vec<SkOption> = texts
            .chunks_exact(2)
            .map(|pair| SkOption {
                // The interface has no const here; nobody writes to them.
                name: pair[0].as_ptr().cast_mut(),
                value: pair[1].as_ptr().cast_mut(),
                required: 0,
            })
            .collect();
        let mut list: Vec<_> = options.iter_mut().map(ptr::from_mut).collect();
        if !list.is_empty() {
            list.push(ptr::null_mut());
        }
        Ok(Self {
            _texts: texts,
            _entries: options,
            list,
        })
    }

    /// The list; none at all is a null pointer.
    fn as_mut_ptr(&mut self) -> *mut *mut SkOption {
        if self.list.is_empty() {
            ptr::null_mut()
        } else {
            self.list.as_mut_ptr()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_of_another_kind_is_told() {
        let why = Provider::load(Path::new("libc.so.6")).err().unwrap();
        assert!(why.contains("dlsym(sk_api_version) failed"), "{why}");
    }

    #[test]
    fn options_without_a_value_are_left_out() {
        let mut none = Options::new(&[("device", ""), ("user", "")]).unwrap();
        assert!(none.as_mut_ptr().is_null());
        let some = Options::new(&[("device", ""), ("user", "me")]).unwrap();
        assert_eq!((some.list.len(), some.list[1].is_null()), (2, true));
    }

    #[test]
    fn oversized_and_missing_values() {
        let mut none = Bytes {
            start: ptr::null_mut(),
            len: 9,
        };
        assert_eq!(none.take(), Ok(Vec::new()));
        let mut huge = Bytes {
            start: NonNull::dangling().as_ptr(),
            len: VALUE_MAX + 1,
        };
        assert_eq!(huge.take(), Err(SkError::GENERAL));
        // SAFETY: a plain allocation, handed over.
        let start = unsafe { libc::calloc(1, 4) }.cast();
        let mut some = Bytes { start, len: 4 };
        assert_eq!(some.take(), Ok(vec![0; 4]));
        assert_eq!(some.take(), Ok(Vec::new()));
    }
}
