//! Security keys on USB through libfido2, which is loaded when it is needed:
//! a system without it has everything else.
//!
//! Of several security keys, that which has the key signs, and that which is
//! touched first makes a new one or lists its own.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use super::{
    Algorithm, Enroll, Enrolled, FORCE, KEYS_MAX, Middleware, Pin, RESIDENT, Resident, Sign,
    Signed, SkError, USER_PRESENCE, USER_VERIFICATION, VALUE_MAX, c_string,
};
use crate::library::Library;

/// The library's file, by the version of its interface.
const NAME: &str = "libfido2.so.1";
/// Most security keys that are looked at.
const DEVICES_MAX: usize = 64;
/// How long a touch is waited for where it chooses among several.
const TOUCH_TIME: Duration = Duration::from_secs(15);
/// How long one of them is listened to.
const TOUCH_TURN: c_int = 200;

/// What credentials of a resident key's kind ask of the reader: `credProtect`.
const PROTECT_LISTING: c_int = 2;
const PROTECT_ALWAYS: c_int = 3;

/// Yes, no, or as the security key has it: `fido_opt_t`.
const OMIT: c_int = 0;
const NO: c_int = 1;
const YES: c_int = 2;

/// COSE's numbers of the algorithms.
const COSE_ES256: c_int = -7;
const COSE_EDDSA: c_int = -8;

/// A structure of the library's.
type Opaque = *mut c_void;

/// The calls that are used. Each becomes a field with its address and a
/// method of the same name.
macro_rules! calls {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        struct Calls { $($name: unsafe extern "C" fn($($type),*) $(-> $result)?,)* }

        impl Calls {
            fn find(library: &Library) -> Result<Self, String> {
                Ok(Self { $($name: {
                    let name = CString::new(stringify!($name)).unwrap_or_default();
                    let found = library.symbol(&name)?.as_ptr();
                    // SAFETY: libfido2 gives this name to a function of this
                    // type in every library with this version's name.
                    unsafe {
                        std::mem::transmute::<
                            Opaque,
                            unsafe extern "C" fn($($type),*) $(-> $result)?,
                        >(found)
                    }
                },)* })
            }

            $(fn $name(&self, $($arg: $type),*) $(-> $result)? {
                // SAFETY: nothing outside this module calls it. In it, a
                // structure's pointer is one that `Owned` has or that the
                // library gave out of one, bytes have their length, texts end
                // with a NUL or are null where the library allows it, and all
                // of it outlives the call.
                unsafe { (self.$name)($($arg),*) }
            })*
        }
    };
}

calls! {
    fn fido_init(flags: c_int);
    fn fido_dev_info_new(count: usize) -> Opaque;
    fn fido_dev_info_manifest(list: Opaque, count: usize, found: *mut usize) -> c_int;
    fn fido_dev_info_ptr(list: Opaque, at: usize) -> Opaque;
    fn fido_dev_info_path(info: Opaque) -> *const c_char;
    fn fido_dev_info_free(list: *mut Opaque, count: usize);
    fn fido_dev_new() -> Opaque;
    fn fido_dev_open(device: Opaque, path: *const c_char) -> c_int;
    fn fido_dev_close(device: Opaque) -> c_int;
    fn fido_dev_free(device: *mut Opaque);
    fn fido_dev_cancel(device: Opaque) -> c_int;
    fn fido_dev_is_fido2(device: Opaque) -> bool;
    fn fido_dev_has_uv(device: Opaque) -> bool;
    fn fido_dev_supports_cred_prot(device: Opaque) -> bool;
    fn fido_dev_get_touch_begin(device: Opaque) -> c_int;
    fn fido_dev_get_touch_status(device: Opaque, touched: *mut c_int, ms: c_int) -> c_int;
    fn fido_dev_make_cred(device: Opaque, cred: Opaque, pin: *const c_char) -> c_int;
    fn fido_dev_get_assert(device: Opaque, assertion: Opaque, pin: *const c_char) -> c_int;
    fn fido_cred_new() -> Opaque;
    fn fido_cred_free(cred: *mut Opaque);
    fn fido_cred_set_type(cred: Opaque, cose: c_int) -> c_int;
    fn fido_cred_set_clientdata(cred: Opaque, data: *const u8, len: usize) -> c_int;
    fn fido_cred_set_rk(cred: Opaque, value: c_int) -> c_int;
    fn fido_cred_set_prot(cred: Opaque, value: c_int) -> c_int;
    fn fido_cred_set_rp(cred: Opaque, id: *const c_char, name: *const c_char) -> c_int;
    fn fido_cred_set_user(
        cred: Opaque, id: *const u8, len: usize,
        name: *const c_char, display: *const c_char, icon: *const c_char
    ) -> c_int;
    fn fido_cred_verify(cred: Opaque) -> c_int;
    fn fido_cred_verify_self(cred: Opaque) -> c_int;
    fn fido_cred_type(cred: Opaque) -> c_int;
    fn fido_cred_prot(cred: Opaque) -> c_int;
    fn fido_cred_pubkey_ptr(cred: Opaque) -> *const u8;
    fn fido_cred_pubkey_len(cred: Opaque) -> usize;
    fn fido_cred_id_ptr(cred: Opaque) -> *const u8;
    fn fido_cred_id_len(cred: Opaque) -> usize;
    fn fido_cred_sig_ptr(cred: Opaque) -> *const u8;
    fn fido_cred_sig_len(cred: Opaque) -> usize;
    fn fido_cred_x5c_ptr(cred: Opaque) -> *const u8;
    fn fido_cred_x5c_len(cred: Opaque) -> usize;
    fn fido_cred_authdata_ptr(cred: Opaque) -> *const u8;
    fn fido_cred_authdata_len(cred: Opaque) -> usize;
    fn fido_cred_user_id_ptr(cred: Opaque) -> *const u8;
    fn fido_cred_user_id_len(cred: Opaque) -> usize;
    fn fido_assert_new() -> Opaque;
    fn fido_assert_free(assertion: *mut Opaque);
    fn fido_assert_set_clientdata(assertion: Opaque, data: *const u8, len: usize) -> c_int;
    fn fido_assert_set_rp(assertion: Opaque, id: *const c_char) -> c_int;
    fn fido_assert_set_up(assertion: Opaque, value: c_int) -> c_int;
    fn fido_assert_set_uv(assertion: Opaque, value: c_int) -> c_int;
    fn fido_assert_allow_cred(assertion: Opaque, id: *const u8, len: usize) -> c_int;
    fn fido_assert_count(assertion: Opaque) -> usize;
    fn fido_assert_flags(assertion: Opaque, at: usize) -> u8;
    fn fido_assert_sigcount(assertion: Opaque, at: usize) -> u32;
    fn fido_assert_sig_ptr(assertion: Opaque, at: usize) -> *const u8;
    fn fido_assert_sig_len(assertion: Opaque, at: usize) -> usize;
    fn fido_assert_user_id_ptr(assertion: Opaque, at: usize) -> *const u8;
    fn fido_assert_user_id_len(assertion: Opaque, at: usize) -> usize;
    fn fido_credman_rp_new() -> Opaque;
    fn fido_credman_rp_free(list: *mut Opaque);
    fn fido_credman_get_dev_rp(device: Opaque, list: Opaque, pin: *const c_char) -> c_int;
    fn fido_credman_rp_count(list: Opaque) -> usize;
    fn fido_credman_rp_id(list: Opaque, at: usize) -> *const c_char;
    fn fido_credman_rk_new() -> Opaque;
    fn fido_credman_rk_free(list: *mut Opaque);
    fn fido_credman_get_dev_rk(
        device: Opaque, id: *const c_char, list: Opaque, pin: *const c_char
    ) -> c_int;
    fn fido_credman_rk_count(list: Opaque) -> usize;
    fn fido_credman_rk(list: Opaque, at: usize) -> Opaque;
}

/// libfido2, loaded.
pub struct Fido2(Calls);

/// A structure of the library's, freed when dropped.
struct Owned<'a> {
    at: Opaque,
    free: Box<dyn Fn(&mut Opaque) + 'a>,
}

impl<'a> Owned<'a> {
    fn new(at: Opaque, free: impl Fn(&mut Opaque) + 'a) -> Result<Self, SkError> {
        if at.is_null() {
            return Err(SkError::GENERAL);
        }
        let free = Box::new(free);
        Ok(Self { at, free })
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        (self.free)(&mut self.at);
    }
}

/// The library's numbers for what went wrong, in the interface's.
fn check(status: c_int) -> Result<(), SkError> {
    match status {
        0 => Ok(()),
        // The algorithm or an option is not supported.
        0x26 | 0x2b => Err(SkError::UNSUPPORTED),
        // Denied, or a PIN is missing or wrong.
        0x27 | 0x31 | 0x36 => Err(SkError::PIN_REQUIRED),
        _ => Err(SkError::GENERAL),
    }
}

/// Bytes that the library shows.
fn bytes(start: *const u8, len: usize) -> Result<Vec<u8>, SkError> {
    if start.is_null() {
        return Ok(Vec::new());
    }
    if len > VALUE_MAX {
        return Err(SkError::GENERAL);
    }
    // SAFETY: the library shows `len` bytes there, for as long as the
    // structure lives that they are asked of, and they are copied at once.
    Ok(unsafe { std::slice::from_raw_parts(start, len) }.to_vec())
}

/// A text that the library shows; null is empty.
fn text(start: *const c_char) -> CString {
    if start.is_null() {
        return CString::default();
    }
    // SAFETY: the library shows a C string there, and it is copied at once.
    unsafe { CStr::from_ptr(start) }.to_owned()
}

impl Fido2 {
    pub(super) fn load() -> Result<Self, String> {
        let library = Library::load(Path::new(NAME))?;
        let calls = Calls::find(&library)?;
        calls.fido_init(0);
        Ok(Self(calls))
    }

    /// The paths of the security keys there are.
    fn paths(&self) -> Result<Vec<CString>, SkError> {
        let fido = &self.0;
        let list = Owned::new(fido.fido_dev_info_new(DEVICES_MAX), |at| {
            fido.fido_dev_info_free(&raw mut *at, DEVICES_MAX);
        })?;
        let mut found = 0;
        check(fido.fido_dev_info_manifest(list.at, DEVICES_MAX, &raw mut found))?;
        let path = |at| text(fido.fido_dev_info_path(fido.fido_dev_info_ptr(list.at, at)));
        Ok((0..found.min(DEVICES_MAX)).map(path).collect())
    }

    fn open(&self, path: &CStr) -> Result<Owned<'_>, SkError> {
        let fido = &self.0;
        let device = Owned::new(fido.fido_dev_new(), |at| {
            // Closing what is not open is refused, and no harm.
            fido.fido_dev_close(*at);
            fido.fido_dev_free(&raw mut *at);
        })?;
        check(fido.fido_dev_open(device.at, path.as_ptr()))?;
        Ok(device)
    }

    /// Those that can be opened: the one at `device`, or all there are.
    fn devices(&self, device: &str) -> Result<Vec<Owned<'_>>, SkError> {
        if !device.is_empty() {
            let path = c_string(device.as_bytes())?;
            let opened = self.open(&path).map_err(|_| SkError::DEVICE_NOT_FOUND)?;
            return Ok(vec![opened]);
        }
        let paths = self.paths()?;
        let opened: Vec<_> = paths.iter().filter_map(|p| self.open(p).ok()).collect();
        if opened.is_empty() {
            return Err(SkError::DEVICE_NOT_FOUND);
        }
        Ok(opened)
    }

    /// The only one, or that which the user touches.
    fn touched(&self, device: &str) -> Result<Owned<'_>, SkError> {
        let fido = &self.0;
        let mut devices = self.devices(device)?;
        if devices.len() == 1 {
            return devices.pop().ok_or(SkError::DEVICE_NOT_FOUND);
        }
        devices.retain(|d| fido.fido_dev_get_touch_begin(d.at) == 0);
        let end = Instant::now() + TOUCH_TIME;
        let mut chosen = None;
        while chosen.is_none() && !devices.is_empty() && Instant::now() < end {
            let mut at = 0;
            while let Some(device) = devices.get(at) {
                let mut touched = 0;
                let status =
                    fido.fido_dev_get_touch_status(device.at, &raw mut touched, TOUCH_TURN);
                if status != 0 {
                    // Pulled out, for one.
                    devices.remove(at);
                    continue;
                }
                if touched != 0 {
                    chosen = Some(devices.remove(at));
                    break;
                }
                at += 1;
            }
        }
        for other in &devices {
            fido.fido_dev_cancel(other.at);
        }
        chosen.ok_or(SkError::DEVICE_NOT_FOUND)
    }

    /// An assertion for `application`, by the key `handle` or (none) by
    /// whatever keys the security key itself has for it.
    fn assertion(
        &self,
        application: &CStr,
        handle: Option<&[u8]>,
        data: &[u8],
        touch: bool,
    ) -> Result<Owned<'_>, SkError> {
        let fido = &self.0;
        let assertion = Owned::new(fido.fido_assert_new(), |at| {
            fido.fido_assert_free(&raw mut *at);
        })?;
        let up = if touch { YES } else { NO };
        check(fido.fido_assert_set_clientdata(assertion.at, data.as_ptr(), data.len()))?;
        check(fido.fido_assert_set_rp(assertion.at, application.as_ptr()))?;
        check(fido.fido_assert_set_up(assertion.at, up))?;
        if let Some(handle) = handle {
            check(fido.fido_assert_allow_cred(assertion.at, handle.as_ptr(), handle.len()))?;
        }
        Ok(assertion)
    }

    /// That of the devices which has the key.
    fn holder(&self, application: &CStr, handle: &[u8]) -> Result<Owned<'_>, SkError> {
        let fido = &self.0;
        let mut devices = self.devices("")?;
        if devices.len() == 1 {
            return devices.pop().ok_or(SkError::DEVICE_NOT_FOUND);
        }
        for device in devices {
            let question = self.assertion(application, Some(handle), b"", false)?;
            if fido.fido_dev_get_assert(device.at, question.at, ptr::null()) == 0 {
                return Ok(device);
            }
        }
        Err(SkError::DEVICE_NOT_FOUND)
    }

    /// Whether the security key itself has a key for this application and
    /// user.
    fn has_resident(
        &self,
        device: &Owned<'_>,
        application: &CStr,
        user: &[u8],
        pin: &Pin,
    ) -> Result<bool, SkError> {
        const NO_CREDENTIALS: c_int = 0x2e;
        let fido = &self.0;
        let question = self.assertion(application, None, b"", false)?;
        match fido.fido_dev_get_assert(device.at, question.at, pin.as_ptr()) {
            NO_CREDENTIALS => return Ok(false),
            status => check(status)?,
        }
        for at in 0..fido.fido_assert_count(question.at).min(KEYS_MAX) {
            let start = fido.fido_assert_user_id_ptr(question.at, at);
            if bytes(start, fido.fido_assert_user_id_len(question.at, at))? == user {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The credential that is to be made.
    fn credential(
        &self,
        device: &Owned<'_>,
        new: &Enroll<'_>,
        application: &CStr,
        user: &[u8],
    ) -> Result<Owned<'_>, SkError> {
        const NAME: &CStr = c"openssh";
        let fido = &self.0;
        let cred = Owned::new(fido.fido_cred_new(), |at| fido.fido_cred_free(&raw mut *at))?;
        let resident = new.flags & RESIDENT != 0;
        let cose = match new.algorithm {
            Algorithm::Ecdsa => COSE_ES256,
            Algorithm::Ed25519 => COSE_EDDSA,
        };
        check(fido.fido_cred_set_type(cred.at, cose))?;
        let (data, len) = (new.challenge.as_ptr(), new.challenge.len());
        check(fido.fido_cred_set_clientdata(cred.at, data, len))?;
        check(fido.fido_cred_set_rk(cred.at, if resident { YES } else { OMIT }))?;
        check(fido.fido_cred_set_user(
            cred.at,
            user.as_ptr(),
            user.len(),
            NAME.as_ptr(),
            NAME.as_ptr(),
            ptr::null(),
        ))?;
        check(fido.fido_cred_set_rp(cred.at, application.as_ptr(), ptr::null()))?;
        let verify = new.flags & USER_VERIFICATION != 0;
        if verify || resident {
            if !fido.fido_dev_supports_cred_prot(device.at) {
                return Err(SkError::UNSUPPORTED);
            }
            let protect = if verify {
                PROTECT_ALWAYS
            } else {
                PROTECT_LISTING
            };
            check(fido.fido_cred_set_prot(cred.at, protect))?;
        }
        Ok(cred)
    }

    /// What is to be known of a credential.
    fn enrolled(&self, cred: Opaque, flags: u8) -> Result<(Algorithm, Enrolled), SkError> {
        let fido = &self.0;
        let mut public_key = bytes(
            fido.fido_cred_pubkey_ptr(cred),
            fido.fido_cred_pubkey_len(cred),
        )?;
        let algorithm = match fido.fido_cred_type(cred) {
            COSE_ES256 => {
                // Bare coordinates.
                public_key.insert(0, 4);
                Algorithm::Ecdsa
            }
            COSE_EDDSA => Algorithm::Ed25519,
            _ => return Err(SkError::UNSUPPORTED),
        };
        let key = Enrolled {
            flags,
            public_key,
            key_handle: bytes(fido.fido_cred_id_ptr(cred), fido.fido_cred_id_len(cred))?,
            signature: bytes(fido.fido_cred_sig_ptr(cred), fido.fido_cred_sig_len(cred))?,
            attestation_certificate: bytes(
                fido.fido_cred_x5c_ptr(cred),
                fido.fido_cred_x5c_len(cred),
            )?,
            authenticator_data: bytes(
                fido.fido_cred_authdata_ptr(cred),
                fido.fido_cred_authdata_len(cred),
            )?,
        };
        Ok((algorithm, key))
    }

    /// The keys that a security key has for one application.
    fn resident_of(
        &self,
        device: &Owned<'_>,
        application: &CStr,
        pin: &Pin,
        found: &mut Vec<Resident>,
    ) -> Result<(), SkError> {
        let fido = &self.0;
        let list = Owned::new(fido.fido_credman_rk_new(), |at| {
            fido.fido_credman_rk_free(&raw mut *at);
        })?;
        let id = application.as_ptr();
        check(fido.fido_credman_get_dev_rk(device.at, id, list.at, pin.as_ptr()))?;
        for at in 0..fido.fido_credman_rk_count(list.at).min(KEYS_MAX) {
            let cred = fido.fido_credman_rk(list.at, at);
            if cred.is_null() {
                continue;
            }
            let verify = fido.fido_cred_prot(cred) == PROTECT_ALWAYS;
            let flags = if verify { USER_VERIFICATION } else { 0 };
            let Ok((algorithm, key)) = self.enrolled(cred, flags) else {
                continue;
            };
            let start = fido.fido_cred_user_id_ptr(cred);
            found.push(Resident {
                algorithm,
                application: application.to_string_lossy().into_owned(),
                key,
                flags,
                user: bytes(start, fido.fido_cred_user_id_len(cred))?,
            });
        }
        Ok(())
    }
}

impl Middleware for Fido2 {
    fn enroll(&self, new: &Enroll<'_>) -> Result<Enrolled, SkError> {
        let fido = &self.0;
        let application = c_string(new.application.as_bytes())?;
        let pin = Pin::new(new.pin)?;
        // A name that is shorter is filled up, as OpenSSH does.
        let mut user = new.user.as_bytes().to_vec();
        user.resize(user.len().max(32), 0);
        let device = self.touched(new.device)?;
        if new.flags & RESIDENT != 0
            && new.flags & FORCE == 0
            && self.has_resident(&device, &application, &user, &pin)?
        {
            return Err(SkError::CREDENTIAL_EXISTS);
        }
        let cred = self.credential(&device, new, &application, &user)?;
        check(fido.fido_dev_make_cred(device.at, cred.at, pin.as_ptr()))?;
        // Signed with its maker's key, or with its own.
        check(if fido.fido_cred_x5c_ptr(cred.at).is_null() {
            fido.fido_cred_verify_self(cred.at)
        } else {
            fido.fido_cred_verify(cred.at)
        })?;
        Ok(self.enrolled(cred.at, new.flags)?.1)
    }

    fn sign(&self, what: &Sign<'_>) -> Result<Signed, SkError> {
        let fido = &self.0;
        let application = c_string(what.application.as_bytes())?;
        let pin = Pin::new(what.pin)?;
        let device = self.holder(&application, what.key_handle)?;
        let touch = what.flags & USER_PRESENCE != 0;
        let assertion = self.assertion(&application, Some(what.key_handle), what.data, touch)?;
        if what.flags & USER_VERIFICATION != 0 && pin.is_none() {
            // A finger will do, where there is a reader for it.
            if !fido.fido_dev_is_fido2(device.at) || !fido.fido_dev_has_uv(device.at) {
                return Err(SkError::PIN_REQUIRED);
            }
            check(fido.fido_assert_set_uv(assertion.at, YES))?;
        }
        check(fido.fido_dev_get_assert(device.at, assertion.at, pin.as_ptr()))?;
        if fido.fido_assert_count(assertion.at) == 0 {
            return Err(SkError::GENERAL);
        }
        let signature = bytes(
            fido.fido_assert_sig_ptr(assertion.at, 0),
            fido.fido_assert_sig_len(assertion.at, 0),
        )?;
        let (r, s) = match what.algorithm {
            Algorithm::Ed25519 => (signature, Vec::new()),
            Algorithm::Ecdsa => numbers(&signature).ok_or(SkError::GENERAL)?,
        };
        Ok(Signed {
            flags: fido.fido_assert_flags(assertion.at, 0),
            counter: fido.fido_assert_sigcount(assertion.at, 0),
            r,
            s,
        })
    }

    fn resident_keys(&self, pin: Option<&[u8]>, device: &str) -> Result<Vec<Resident>, SkError> {
        let fido = &self.0;
        let device = self.touched(device)?;
        // They are never listed without one.
        let pin = Pin::new(pin)?;
        if pin.is_none() {
            return Err(SkError::PIN_REQUIRED);
        }
        let list = Owned::new(fido.fido_credman_rp_new(), |at| {
            fido.fido_credman_rp_free(&raw mut *at);
        })?;
        check(fido.fido_credman_get_dev_rp(device.at, list.at, pin.as_ptr()))?;
        let mut found = Vec::new();
        for at in 0..fido.fido_credman_rp_count(list.at).min(KEYS_MAX) {
            let application = text(fido.fido_credman_rp_id(list.at, at));
            if application.as_bytes().starts_with(b"ssh:") {
                self.resident_of(&device, &application, &pin, &mut found)?;
            }
        }
        Ok(found)
    }
}

/// An ECDSA signature's numbers, out of the DER that a security key hands
/// out: a short SEQUENCE of two INTEGERs.
fn numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let [0x30, len, rest @ ..] = der else {
        return None;
    };
    if usize::from(*len) != rest.len() {
        return None;
    }
    let (r, rest) = number(rest)?;
    let (s, rest) = number(rest)?;
    rest.is_empty().then(|| (r.to_vec(), s.to_vec()))
}

fn number(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x02, len, rest @ ..] = der else {
        return None;
    };
    rest.split_at_checked(usize::from(*len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_two_numbers() {
        let der = b"\x30\x07\x02\x02\x00\x80\x02\x01\x05";
        assert_eq!(numbers(der), Some((vec![0, 0x80], vec![5])));
        for end in 0..der.len() {
            assert_eq!(numbers(&der[..end]), None);
        }
        assert_eq!(numbers(b"\x30\x08\x02\x02\x00\x80\x02\x01\x05\0"), None);
    }

    /// No security key is attached where this runs; if one is, it is not
    /// bothered.
    #[test]
    fn a_security_key_that_is_not_there_is_not_found() {
        let Ok(fido) = Fido2::load() else {
            return;
        };
        let what = fido.resident_keys(None, "/nonexistent");
        assert_eq!(what.err(), Some(SkError::DEVICE_NOT_FOUND));
        assert!(fido.paths().is_ok());
    }
}
