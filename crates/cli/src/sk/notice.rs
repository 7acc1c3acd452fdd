//! Telling the user that a security key waits for a touch: on the terminal,
//! or in a window of the askpass program that goes away by itself.

use std::process::{Child, Stdio};

use crate::prompt;
use crate::text::err;

/// A notice that is up. Dropped, its window goes away.
pub(crate) struct Notice {
    window: Option<Child>,
    on_terminal: bool,
}

impl Notice {
    /// Shows `text`. In a window if `window` is set or there is no terminal
    /// to show it on, as long as there is a display.
    pub(crate) fn start(text: &str, window: bool) -> Self {
        let mut notice = Self {
            window: None,
            on_terminal: false,
        };
        if !window && carrick_sys::tty::is_terminal(rustix::stdio::stderr()) {
            err!("{text}\r\n");
            notice.on_terminal = true;
        } else if prompt::has_display() {
            // Without it, the security key's own light has to do.
            notice.window = prompt::askpass_command(text, Some("none"))
                .stdout(Stdio::null())
                .spawn()
                .ok();
        }
        notice
    }

    /// Shows `text` on standard error, whatever that is.
    pub(crate) fn on_stderr(text: &str) -> Self {
        err!("{text}\n");
        Self {
            window: None,
            on_terminal: false,
        }
    }

    /// It is done; `text` says so where the notice was on the terminal.
    pub(crate) fn complete(self, text: &str) {
        if self.on_terminal {
            err!("{text}\r\n");
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if let Some(window) = &mut self.window {
            // It may have been closed already.
            let _ = window.kill();
            let _ = window.wait();
        }
    }
}
