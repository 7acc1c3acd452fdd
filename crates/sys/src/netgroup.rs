//! Netgroups (netgroup(5)), through the C library.

use std::ffi::{CString, c_char};
use std::ptr::null;

/// Whether `group` has an entry for the host and the user; `None` is any.
/// A C library without netgroups knows of none.
pub fn contains(group: &str, host: Option<&str>, user: Option<&str>) -> bool {
    let text = |text: &str| CString::new(text).ok();
    let (Some(group), host, user) = (text(group), host.map(text), user.map(text)) else {
        return false;
    };
    // A name with a NUL in it is nobody's.
    if matches!(host, Some(None)) || matches!(user, Some(None)) {
        return false;
    }
    let pointer = |text: &Option<Option<CString>>| match text {
        Some(Some(text)) => text.as_ptr(),
        _ => null(),
    };
    is_in(&group, pointer(&host), pointer(&user))
}

#[cfg(target_env = "gnu")]
fn is_in(group: &CString, host: *const c_char, user: *const c_char) -> bool {
    unsafe extern "C" {
        fn innetgr(
            group: *const c_char,
            host: *const c_char,
            user: *const c_char,
            domain: *const c_char,
        ) -> std::ffi::c_int;
    }
    // SAFETY: each pointer is null, which means any, or to a string that ends
    // with a NUL and outlives the call, which only reads it.
    unsafe { innetgr(group.as_ptr(), host, user, null()) == 1 }
}

#[cfg(not(target_env = "gnu"))]
fn is_in(_: &CString, _: *const c_char, _: *const c_char) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_not_there_has_nobody() {
        assert!(!contains("carrick-no-such-group", Some("host"), None));
        assert!(!contains("carrick-no-such-group", None, Some("user")));
        assert!(!contains("a\0b", Some("host"), None));
        assert!(!contains("a", Some("ho\0st"), None));
    }
}
