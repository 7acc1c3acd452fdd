//! Terminals as devices: size, the controlling terminal, blocking mode.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::termios::{Winsize, isatty, tcgetwinsize, tcsetwinsize};

/// A terminal's size (RFC 4254 sections 6.2 and 6.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    /// Characters in a row.
    pub cols: u32,
    /// Rows.
    pub rows: u32,
    /// Width in pixels, 0 if unknown.
    pub width_px: u32,
    /// Height in pixels, 0 if unknown.
    pub height_px: u32,
}

/// Whether `fd` is a terminal.
pub fn is_terminal(fd: impl AsFd) -> bool {
    isatty(fd)
}

/// The size of the terminal `fd`; zeros if it has none.
pub fn size(fd: impl AsFd) -> Size {
    tcgetwinsize(fd).map_or_else(
        |_| Size::default(),
        |w| Size {
            cols: u32::from(w.ws_col),
            rows: u32::from(w.ws_row),
            width_px: u32::from(w.ws_xpixel),
            height_px: u32::from(w.ws_ypixel),
        },
    )
}

/// Sets the size of the terminal `fd` (numbers beyond 65535 become that).
pub fn set_size(fd: impl AsFd, size: Size) -> io::Result<()> {
    let short = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    Ok(tcsetwinsize(
        fd,
        Winsize {
            ws_row: short(size.rows),
            ws_col: short(size.cols),
            ws_xpixel: short(size.width_px),
            ws_ypixel: short(size.height_px),
        },
    )?)
}

/// The controlling terminal, `/dev/tty`.
pub fn controlling() -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC)
        .open("/dev/tty")
}

/// Whether `fd` is a pipe or a socket: those block, and epoll takes them.
pub fn is_stream(fd: BorrowedFd<'_>) -> bool {
    use rustix::fs::FileType;
    rustix::fs::fstat(fd).is_ok_and(|stat| {
        matches!(
            FileType::from_raw_mode(stat.st_mode),
            FileType::Fifo | FileType::Socket
        )
    })
}

/// Makes `fd` (non-)blocking and says what it was. The flag belongs to the
/// open file, which other processes may share: put it back before exit.
pub fn set_nonblocking(fd: impl AsFd, on: bool) -> io::Result<bool> {
    let flags = fcntl_getfl(&fd)?;
    let was = flags.contains(OFlags::NONBLOCK);
    if was != on {
        let mut new = flags;
        new.set(OFlags::NONBLOCK, on);
        fcntl_setfl(&fd, new)?;
    }
    Ok(was)
}

/// Whether a read from `fd` would return at once (data, end or error).
pub fn readable_now(fd: BorrowedFd<'_>) -> bool {
    ready_now(fd, PollFlags::IN)
}

/// Whether `fd` takes some bytes now.
pub fn writable_now(fd: BorrowedFd<'_>) -> bool {
    ready_now(fd, PollFlags::OUT)
}

fn ready_now(fd: BorrowedFd<'_>, what: PollFlags) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, what)];
    matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(n) if n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_pipe_is_readable_once_written() {
        let (r, mut w) = io::pipe().unwrap();
        assert!(!is_terminal(&r) && size(&r) == Size::default());
        assert!(!readable_now(r.as_fd()) && writable_now(w.as_fd()));
        w.write_all(b"x").unwrap();
        assert!(readable_now(r.as_fd()));
    }

    #[test]
    fn blocking_mode_is_reported_and_put_back() {
        let (r, _w) = io::pipe().unwrap();
        assert!(!set_nonblocking(&r, true).unwrap());
        assert!(set_nonblocking(&r, false).unwrap());
        assert!(!set_nonblocking(&r, false).unwrap());
    }
}
