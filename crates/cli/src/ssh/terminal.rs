//! The local terminal: raw while a session with a pty runs, and as it was in
//! every way out.

use std::sync::Mutex;

use carrick_sys::termios::Modes;
use carrick_sys::tty;

/// The modes to go back to; held here and not in a guard alone, so that a
/// panic's hook finds them as well.
static SAVED: Mutex<Option<Modes>> = Mutex::new(None);

/// Switches the terminal on standard input to raw mode. Harmless if it is no
/// terminal.
pub(crate) fn enter_raw() {
    let stdin = rustix::stdio::stdin();
    if !tty::is_terminal(stdin) {
        return;
    }
    let Ok(modes) = Modes::of(stdin) else { return };
    let Ok(mut saved) = SAVED.lock() else { return };
    if saved.is_none() && modes.raw().apply(stdin).is_ok() {
        *saved = Some(modes);
    }
}

/// Whether it is in raw mode now, by our doing.
pub(crate) fn is_raw() -> bool {
    SAVED.lock().is_ok_and(|saved| saved.is_some())
}

/// Puts the terminal back as it was.
pub(crate) fn leave_raw() {
    let Ok(mut saved) = SAVED.lock() else { return };
    if let Some(modes) = saved.take() {
        // The terminal may be gone (hangup); then there is nothing to restore.
        let _ = modes.apply(rustix::stdio::stdin());
    }
}

/// Restores the terminal when dropped.
pub(crate) struct Restore;

impl Restore {
    /// Also arranges for it should the program panic.
    pub(crate) fn new() -> Self {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave_raw();
            hook(info);
        }));
        Self
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        leave_raw();
    }
}
