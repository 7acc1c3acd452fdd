//! Pseudo terminals.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A new pseudo terminal.
#[derive(Debug)]
pub struct Pty {
    /// The side of whoever shows the terminal.
    pub master: OwnedFd,
    /// The side of the program.
    pub slave: OwnedFd,
    /// The file name of the program's side.
    pub name: String,
}

/// Makes a pseudo terminal; neither side becomes the controlling terminal of
/// this process.
pub fn open() -> io::Result<Pty> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?
        .into_string()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "terminal name is not text"))?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    Ok(Pty {
        master,
        slave,
        name,
    })
}

/// Sets the size of a terminal. A number over 65535 counts as that.
pub fn set_size(
    fd: impl AsFd,
    cols: u32,
    rows: u32,
    width_px: u32,
    height_px: u32,
) -> io::Result<()> {
    let short = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    let size = Winsize {
        ws_row: short(rows),
        ws_col: short(cols),
        ws_xpixel: short(width_px),
        ws_ypixel: short(height_px),
    };
    Ok(tcsetwinsize(fd, size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        let pty = open().unwrap();
        set_size(&pty.master, 132, 70_000, 0, 0).unwrap();
        let size = rustix::termios::tcgetwinsize(&pty.slave).unwrap();
        assert_eq!((size.ws_col, size.ws_row), (132, u16::MAX));
        assert!(pty.name.starts_with("/dev/"));
    }
}
