//! Who a process is: leaving privileges for good, or for the length of one
//! call. Through libc (by `nix`), which changes every thread of the process.

use std::io;

use nix::unistd::{
    Gid, Uid, getegid, geteuid, getgid, getgroups, getuid, setgroups, setresgid, setresuid,
};

/// A user with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

impl Identity {
    /// Who this process is, by effective ids.
    pub fn current() -> io::Result<Self> {
        Ok(Self {
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            groups: getgroups()?.into_iter().map(Gid::as_raw).collect(),
        })
    }

    /// Who started this process: by real ids.
    pub fn real() -> io::Result<Self> {
        Ok(Self {
            uid: getuid().as_raw(),
            gid: getgid().as_raw(),
            ..Self::current()?
        })
    }

    fn gids(&self) -> Vec<Gid> {
        self.groups.iter().copied().map(Gid::from_raw).collect()
    }
}

/// Whether this process has other rights than whoever started it (set-uid,
/// set-gid).
pub fn is_elevated() -> bool {
    getuid() != geteuid() || getgid() != getegid()
}

/// Whether this process has root's effective uid.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The effective uid of this process.
pub fn effective_uid() -> u32 {
    geteuid().as_raw()
}

/// Gives up a group that the program's file gave (the set-group-ID bit, which
/// keeps others from tracing the process).
pub fn drop_file_group() -> io::Result<()> {
    let gid = getgid();
    Ok(setresgid(gid, gid, gid)?)
}

/// Becomes `to` for good, and makes sure that there is no way back.
pub fn become_for_good(to: &Identity) -> io::Result<()> {
    if is_root() {
        setgroups(&to.gids())?;
    }
    let (uid, gid) = (Uid::from_raw(to.uid), Gid::from_raw(to.gid));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    let there = getuid() == uid && geteuid() == uid && getgid() == gid && getegid() == gid;
    let (root, wheel) = (Uid::from_raw(0), Gid::from_raw(0));
    let back = to.uid != 0
        && (setresuid(root, root, root).is_ok()
            || setgroups(&[wheel]).is_ok()
            || (to.gid != 0 && setresgid(wheel, wheel, wheel).is_ok()));
    if there && !back {
        Ok(())
    } else {
        Err(io::Error::other("privileges could not be dropped"))
    }
}

/// Runs `work` with the effective ids of `as_user`, as root may; a process
/// that is not root runs it as it is. A process that cannot come back to
/// what it was must not go on: it aborts.
pub fn with_effective<T>(as_user: &Identity, work: impl FnOnce() -> T) -> io::Result<T> {
    if !is_root() {
        return Ok(work());
    }
    let before = Identity::current()?;
    let keep_uid = Uid::from_raw(u32::MAX);
    let keep_gid = Gid::from_raw(u32::MAX);
    let back = || -> nix::Result<()> {
        setresuid(keep_uid, Uid::from_raw(before.uid), keep_uid)?;
        setresgid(keep_gid, Gid::from_raw(before.gid), keep_gid)?;
        setgroups(&before.gids())
    };
    /// Comes back even when `work` unwinds.
    struct Return<F: Fn() -> nix::Result<()>>(F);
    impl<F: Fn() -> nix::Result<()>> Drop for Return<F> {
        fn drop(&mut self) {
            if (self.0)().is_err() {
                std::process::abort();
            }
        }
    }
    let _back = Return(back);
    setgroups(&as_user.gids())?;
    setresgid(keep_gid, Gid::from_raw(as_user.gid), keep_gid)?;
    setresuid(keep_uid, Uid::from_raw(as_user.uid), keep_uid)?;
    Ok(work())
}
