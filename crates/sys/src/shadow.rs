//! The shadow database: password hashes and the dates of an account.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;

use zeroize::Zeroizing;

/// An entry of the shadow database. Dates are days since 1970, as in the
/// file; an empty field is `None`.
pub struct Shadow {
    /// The password hash, perhaps with a mark in front that locks it.
    pub hash: Zeroizing<Vec<u8>>,
    /// When the password was last changed; 0 demands a change.
    pub changed: Option<i64>,
    /// After how many days it must be changed.
    pub max: Option<i64>,
    /// How many days after that the account still works.
    pub inactive: Option<i64>,
    /// When the account expires.
    pub expires: Option<i64>,
}

/// The entry of the account called `name`; `None` if there is none, or if
/// this process may not read the database.
pub fn by_name(name: &str) -> io::Result<Option<Shadow>> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    let mut entry = MaybeUninit::<libc::spwd>::uninit();
    let mut buffer = Zeroizing::new(vec![0_u8; 1024]);
    loop {
        let mut found = std::ptr::null_mut();
        // SAFETY: every pointer is to memory of this frame that outlives the
        // call, and the length given is the buffer's.
        let code = unsafe {
            libc::getspnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        if code == libc::ERANGE && buffer.len() < 1 << 16 {
            buffer = Zeroizing::new(vec![0; buffer.len() * 4]);
            continue;
        }
        if found.is_null() {
            return match code {
                0 | libc::ENOENT | libc::EACCES | libc::EPERM => Ok(None),
                code => Err(io::Error::from_raw_os_error(code)),
            };
        }
        // SAFETY: `found` is not null, so the call filled `entry`.
        let entry = unsafe { entry.assume_init_ref() };
        let hash = if entry.sp_pwdp.is_null() {
            Vec::new()
        } else {
            // SAFETY: the field is a string that ends within `buffer`.
            unsafe { CStr::from_ptr(entry.sp_pwdp) }.to_bytes().to_vec()
        };
        #[allow(
            clippy::useless_conversion,
            reason = "a long has 32 bits on some systems"
        )]
        let day = |value: libc::c_long| (value != -1).then_some(i64::from(value));
        return Ok(Some(Shadow {
            hash: Zeroizing::new(hash),
            changed: day(entry.sp_lstchg),
            max: day(entry.sp_max),
            inactive: day(entry.sp_inact),
            expires: day(entry.sp_expire),
        }));
    }
}
