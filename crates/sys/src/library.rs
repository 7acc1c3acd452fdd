//! Shared libraries, loaded for good: none is ever unloaded, so what is found
//! in one stays valid.

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::NonNull;

/// A loaded library.
pub(crate) struct Library(NonNull<c_void>);

/// What dlerror(3) says.
fn last_error() -> String {
    // SAFETY: the call takes nothing and returns null or a string that is
    // valid until the next such call, and is copied before.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "unknown error".into();
    }
    // SAFETY: as above; it is not null and ends with a NUL.
    let text = unsafe { CStr::from_ptr(text.cast_const()) };
    text.to_string_lossy().into_owned()
}

impl Library {
    /// Loads the library at `path`, or by name where the system keeps them.
    /// This runs its code.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
        // SAFETY: the path is a C string. The library's initialisers run with
        // this process's rights, which is what loading it means: only a
        // helper process does so.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        NonNull::new(handle).map(Self).ok_or_else(last_error)
    }

    /// The address of what is called `name` in it.
    pub(crate) fn symbol(&self, name: &CStr) -> Result<NonNull<c_void>, String> {
        let name: *const c_char = name.as_ptr();
        // SAFETY: the handle is of a library that is never unloaded, and the
        // name is a C string.
        let found = unsafe { libc::dlsym(self.0.as_ptr(), name) };
        NonNull::new(found).ok_or_else(last_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_symbols_are_found_or_the_loader_says_why_not() {
        let library = Library::load(Path::new("libc.so.6")).unwrap();
        assert!(library.symbol(c"getpid").is_ok());
        let missing = library.symbol(c"no_such_symbol").unwrap_err();
        assert!(missing.contains("no_such_symbol"), "{missing}");
        let missing = Library::load(Path::new("/nonexistent.so")).err().unwrap();
        assert!(missing.contains("/nonexistent.so"), "{missing}");
    }
}
