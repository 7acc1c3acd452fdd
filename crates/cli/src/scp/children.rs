//! What this program started is ended with it: a signal that would end scp is
//! passed on first, so that no ssh outlives the copy it was for.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};

use carrick_sys::process::end_now;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Those that run.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// From now on a signal that asks for the end ends the children first.
pub(super) fn end_with_us() -> io::Result<()> {
    let (mut read, write) = UnixStream::pair()?;
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    std::thread::Builder::new().spawn(move || {
        // Only a signal makes it readable: the other end is never closed.
        let _keep = write;
        if read.read(&mut [0]).is_ok_and(|n| n > 0) {
            end_all();
        }
    })?;
    Ok(())
}

/// Ends the children, then this program.
fn end_all() -> ! {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    for id in running.iter() {
        if let Some(id) = pid(*id) {
            // What has ended is not waited for yet: the number is still its own.
            let _ = kill_process(id, Signal::TERM);
            let _ = waitid(WaitId::Pid(id), WaitIdOptions::EXITED);
        }
    }
    end_now(1)
}

/// Notes that this one runs.
pub(super) fn began(id: u32) {
    RUNNING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(id);
}

/// Forgets this one, whose end somebody else waits for.
pub(super) fn forget(id: u32) {
    RUNNING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|running| *running != id);
}

/// Waits for the end of one.
pub(super) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(id) = pid(child.id()) {
        // It stays a child until the list no longer has it.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(id), ended), Err(Errno::INTR)) {}
    }
    forget(child.id());
    child.wait()
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}
