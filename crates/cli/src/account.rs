//! The account this program runs as, looked up once.

use std::sync::OnceLock;

use carrick_sys::passwd::{self, Account};

/// My account; `None` if my uid has no name.
pub(crate) fn me() -> Option<&'static Account> {
    static ME: OnceLock<Option<Account>> = OnceLock::new();
    ME.get_or_init(|| passwd::by_uid_local_first(uid()).ok().flatten())
        .as_ref()
}

/// My real uid.
pub(crate) fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// This machine's name.
pub(crate) fn host_name() -> String {
    carrick_sys::hostname::own()
}
