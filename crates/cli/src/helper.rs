//! Helper processes: `ssh-sk-helper` and `ssh-pkcs11-helper`, which load a
//! token's library for us, so that neither its crash nor its malice is ours.
//!
//! What a hostile library can do: whatever its process can, which is the
//! user's own but has in it only the request (a PIN may be in that). It can
//! answer anything, so each answer is bounded, parsed whole and, where it is
//! a signature, verified. It can stay silent: a user who is there ends that,
//! and whoever cannot wait sets [`Helper::patience`].

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use carrick_keys::helper::message_len;
use carrick_sys::descriptors;
use zeroize::Zeroizing;

use crate::log::{self, Level, debug3};
use crate::sister;

/// A running helper. It is ended when this is dropped.
pub(crate) struct Helper {
    socket: UnixStream,
    child: Child,
    patience: Option<Duration>,
}

impl Helper {
    /// Starts the helper called `name`: the program that the environment
    /// variable `variable` names, or else ours.
    pub(crate) fn start(name: &str, variable: &str) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut command = match std::env::var_os(variable).filter(|v| !v.is_empty()) {
            Some(path) => descriptors::program(path),
            None => sister::helper(name),
        };
        for _ in (Level::Debug1 as i8)..=(log::level() as i8) {
            command.arg("-v");
        }
        debug3!("starting {name}");
        let child = command
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        Ok(Self {
            socket,
            child,
            patience: None,
        })
    }

    /// Waits no longer than that for any answer.
    pub(crate) fn patience(mut self, time: Duration) -> Self {
        self.patience = Some(time);
        self
    }

    /// Sends a message and waits for the answer, which is returned without
    /// its length.
    pub(crate) fn ask(&mut self, message: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        let end = self.patience.map(|time| Instant::now() + time);
        let mut socket = Timed {
            socket: &self.socket,
            end,
        };
        socket.socket.set_write_timeout(self.patience)?;
        (&self.socket).write_all(message)?;
        read_message(&mut socket)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A socket that is read from until a moment, however little comes at a time.
struct Timed<'a> {
    socket: &'a UnixStream,
    end: Option<Instant>,
}

impl Read for Timed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(end) = self.end {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
        }
        match self.socket.read(buf) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            other => other,
        }
    }
}

/// Reads a message, without its length; `None` if there is no more.
pub(crate) fn read_message(from: &mut impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut head = [0; 4];
    if from.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..])?;
    let len = message_len(head).ok_or_else(|| {
        let why = format!("message of {} bytes", u32::from_be_bytes(head));
        io::Error::new(io::ErrorKind::InvalidData, why)
    })?;
    let mut body = Zeroizing::new(vec![0; len]);
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

/// A helper's side of things.
pub(crate) mod serve {
    use super::{io, read_message};
    use std::ffi::OsString;
    use std::io::Write as _;
    use std::process::ExitCode;
    use std::thread;
    use std::time::Duration;

    use carrick_sys::process;
    use rustix::event::{PollFd, PollFlags, poll};
    use zeroize::Zeroizing;

    use crate::getopt::Getopt;
    use crate::log::{self, Level, error};
    use crate::text::err;

    /// Reads the command line, which says how much to tell, and makes the
    /// process one that keeps what it is told to itself. `false`: the command
    /// line is wrong.
    pub(crate) fn prepare(name: &str, args: Vec<OsString>) -> bool {
        let mut opts = Getopt::new("v", args);
        let mut level = log::level() as i8;
        loop {
            match opts.next() {
                Ok(Some(_)) => level = (level + 1).max(Level::Debug1 as i8),
                Ok(None) if opts.rest().is_empty() => break,
                Ok(None) | Err(_) => {
                    err!("usage: {name} [-v]\n");
                    return false;
                }
            }
        }
        log::set_level(Level::from_number(level));
        // A PIN may come by. Without it, it is as safe as the user is.
        if let Err(e) = process::hide_from_debuggers() {
            error!("prctl: {e}");
        }
        process::close_on_exec_all();
        end_with_caller();
        true
    }

    /// How long a request may still take once nobody waits for the answer.
    const GRACE: Duration = Duration::from_secs(2);

    /// Ends this process soon after its caller has gone away, even if a
    /// library waits for a touch then.
    fn end_with_caller() {
        thread::spawn(|| {
            loop {
                let stdin = rustix::stdio::stdin();
                let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
                match poll(&mut fds, None) {
                    Ok(_) => {
                        thread::sleep(GRACE);
                        process::end_now(1);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => return,
                }
            }
        });
    }

    /// The next request; `None` when the caller is done. What cannot be read
    /// is told, and ends the process.
    pub(crate) fn receive() -> Result<Option<Zeroizing<Vec<u8>>>, ExitCode> {
        read_message(&mut io::stdin().lock()).map_err(|e| {
            error!("read: {e}");
            ExitCode::FAILURE
        })
    }

    /// Sends an answer. `false`: the caller has gone away.
    pub(crate) fn send(message: &[u8]) -> bool {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(message)
            .and_then(|()| stdout.flush())
            .is_ok()
    }

    /// Largest library that is looked into.
    const LIBRARY_MAX: u64 = 512 * 1024 * 1024;

    /// Whether the file at `path` has the text `symbol` in it. A library is
    /// not loaded without: loading alone runs code, and a path may come from
    /// far away.
    pub(crate) fn contains(path: &str, symbol: &str) -> bool {
        let failed = |e: &io::Error| {
            let why = crate::text::os_error(e);
            error!("lib_contains_symbol: open {path}: {why}");
            false
        };
        match std::fs::metadata(path) {
            Err(e) => return failed(&e),
            Ok(meta) if !meta.is_file() || meta.len() > LIBRARY_MAX => {
                error!("lib_contains_symbol: {path} is not a library");
                return false;
            }
            Ok(_) => {}
        }
        match std::fs::read(path) {
            Ok(bytes) if bytes.windows(symbol.len()).any(|w| w == symbol.as_bytes()) => true,
            Ok(_) => {
                error!("lib_contains_symbol: {path} does not contain expected string {symbol}");
                false
            }
            Err(e) => failed(&e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_they_say_and_are_bounded() {
        let bytes = b"\0\0\0\x02ab\0\0\0\x01c";
        let mut from = &bytes[..];
        assert_eq!(*read_message(&mut from).unwrap().unwrap(), b"ab");
        assert_eq!(*read_message(&mut from).unwrap().unwrap(), b"c");
        assert!(read_message(&mut from).unwrap().is_none());
        for bad in [
            &b"\0\0\0"[..],
            b"\0\0\0\0",
            b"\xff\xff\xff\xff",
            b"\0\0\0\x02a",
        ] {
            assert!(read_message(&mut &bad[..]).is_err());
        }
    }
}
