//! Signal dispositions that std and signal libraries do not offer.

use std::io;

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Sets `signal`'s disposition and returns whether it was ignored before.
fn dispose(signal: Signal, handler: SigHandler) -> io::Result<bool> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: only SIG_IGN and SIG_DFL are passed here: no code runs in a handler.
    let old = unsafe { sigaction(signal, &action) }?;
    Ok(matches!(old.handler(), SigHandler::SigIgn))
}

/// Ignores `signal`.
pub fn ignore(signal: Signal) -> io::Result<()> {
    dispose(signal, SigHandler::SigIgn).map(drop)
}

/// Gives `signal` its default effect.
pub fn set_default(signal: Signal) -> io::Result<()> {
    dispose(signal, SigHandler::SigDfl).map(drop)
}

/// Whether `signal` is ignored, as a program under `nohup` finds SIGHUP. What
/// is done with it stays.
pub fn is_ignored(signal: Signal) -> io::Result<bool> {
    // SAFETY: `sigaction` is plain data, for which all zeros is a value.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without an action to set, `sigaction` only writes the one that is
    // there to `now`, which outlives the call.
    let r = unsafe { libc::sigaction(signal as i32, std::ptr::null(), &raw mut now) };
    if r != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(now.sa_sigaction == libc::SIG_IGN)
}

/// Sends `signal` to this process, and returns if it did not end or stop it
/// (or once it continues).
pub fn raise(signal: Signal) -> io::Result<()> {
    Ok(nix::sys::signal::raise(signal)?)
}

pub use nix::sys::signal::Signal as Number;

/// Signals held back from this thread until dropped, and readable meanwhile
/// from a descriptor: how a prompt notices an interruption without a handler.
pub struct Held {
    fd: SignalFd,
    old: SigSet,
}

impl Held {
    /// Holds back `signals`.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in signals {
            set.add(*signal);
        }
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let old = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { fd, old })
    }

    /// Takes one signal that has come, if any.
    pub fn take(&self) -> Option<Signal> {
        let info = self.fd.read_signal().ok()??;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }
}

impl AsFd for Held {
    /// Readable when a signal has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The old mask was valid when it was taken; setting it cannot fail.
        let _ = self.old.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions_are_seen_and_kept() {
        assert!(!is_ignored(Signal::SIGUSR2).unwrap());
        ignore(Signal::SIGUSR2).unwrap();
        assert!(is_ignored(Signal::SIGUSR2).unwrap());
        raise(Signal::SIGUSR2).unwrap();
        let held = Held::new(&[Signal::SIGUSR1]).unwrap();
        assert_eq!(held.take(), None);
        raise(Signal::SIGUSR1).unwrap();
        assert_eq!((held.take(), held.take()), (Some(Signal::SIGUSR1), None));
        drop(held);
        set_default(Signal::SIGUSR2).unwrap();
        assert!(!is_ignored(Signal::SIGUSR2).unwrap());
    }

    /// A second look took the handler away that the first had made way for.
    #[test]
    fn to_look_changes_nothing() {
        let action = SigAction::new(SigHandler::SigIgn, SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: no code runs in a handler.
        unsafe { sigaction(Signal::SIGURG, &action) }.unwrap();
        assert!(is_ignored(Signal::SIGURG).unwrap());
        // SAFETY: as above.
        let old = unsafe { sigaction(Signal::SIGURG, &action) }.unwrap();
        assert!(old.flags().contains(SaFlags::SA_RESTART));
    }
}
