//! The system calls that the daemon's worker has: moving bytes between the
//! descriptors it holds, receiving more of them from its parents, memory,
//! time, threads of its own. What libraries try and can do without is refused
//! with an error; anything else ends the process.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that need no look at their arguments. None of them names a file, an
/// address or another process.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_close,
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_getuid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The older forms that some architectures still have.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[i64] = &[libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[i64] = &[];

/// What the C library, the allocator or a panic message may try: refused
/// with an error that they cope with.
const REFUSED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstat,
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getpeername,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_access,
    libc::SYS_readlink,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[i64] = &[];

/// Applies the worker's filter to this process, for good.
pub fn confine_worker() -> io::Result<()> {
    // The strictest answer of all filters counts, so each says one thing.
    let kill = filter(
        worker_rules()?,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
    )?;
    let refuse = filter(
        plain(&[REFUSED, REFUSED_OLD]),
        SeccompAction::Allow,
        errno(libc::EACCES),
    )?;
    // glibc falls back to `clone`, whose flags a filter can see.
    let absent = filter(
        plain(&[&[libc::SYS_clone3]]),
        SeccompAction::Allow,
        errno(libc::ENOSYS),
    )?;
    // All options of a socket, but for the one that ends it with a reset.
    let mut options = Rules::new();
    options.insert(
        libc::SYS_setsockopt,
        vec![
            rule(&[(1, ne(libc::SOL_SOCKET))])?,
            rule(&[(2, ne(libc::SO_LINGER))])?,
        ],
    );
    let keep = filter(options, SeccompAction::Allow, errno(libc::EACCES))?;
    for program in [absent, refuse, keep, kill] {
        seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

fn errno(code: i32) -> SeccompAction {
    SeccompAction::Errno(code.unsigned_abs())
}

fn plain(lists: &[&[i64]]) -> Rules {
    lists
        .iter()
        .flat_map(|list| list.iter().map(|call| (*call, Vec::new())))
        .collect()
}

fn worker_rules() -> io::Result<Rules> {
    let mut rules = plain(&[
        ALLOWED,
        ALLOWED_OLD,
        REFUSED,
        REFUSED_OLD,
        &[libc::SYS_clone3, libc::SYS_setsockopt],
    ]);
    // Window size and break of the terminals it was given, and making its
    // own descriptors non-blocking.
    rules.insert(
        libc::SYS_ioctl,
        vec![
            rule(&[(1, eq(libc::TIOCSWINSZ))])?,
            rule(&[(1, eq(libc::TCSBRK))])?,
            rule(&[(1, eq(libc::FIONBIO))])?,
            rule(&[(1, eq(libc::FIONREAD))])?,
            rule(&[(1, eq(libc::TCGETS))])?,
        ],
    );
    rules.insert(
        libc::SYS_fcntl,
        [
            libc::F_GETFL,
            libc::F_SETFL,
            libc::F_GETFD,
            libc::F_SETFD,
            libc::F_DUPFD_CLOEXEC,
        ]
        .into_iter()
        .map(|command| rule(&[(1, eq(command.unsigned_abs()))]))
        .collect::<io::Result<_>>()?,
    );
    // To whom a socket is connected already: a send names no address, and
    // opens no connection of its own.
    let no_connect = SeccompCmpOp::MaskedEq(u64::from(libc::MSG_FASTOPEN.unsigned_abs()));
    rules.insert(
        libc::SYS_sendmsg,
        vec![rule(&[(2, (no_connect.clone(), 0))])?],
    );
    let nobody = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
        .map_err(io::Error::other)?;
    let mut to_peer = conditions(&[(3, (no_connect, 0))])?;
    to_peer.push(nobody);
    rules.insert(
        libc::SYS_sendto,
        vec![SeccompRule::new(to_peer).map_err(io::Error::other)?],
    );
    // Names for threads and mappings, which libraries give.
    rules.insert(
        libc::SYS_prctl,
        [libc::PR_SET_NAME, libc::PR_SET_VMA]
            .into_iter()
            .map(|option| rule(&[(0, eq(option.unsigned_abs()))]))
            .collect::<io::Result<_>>()?,
    );
    // Memory that is writable or executable, never made executable.
    let not_executable = SeccompCmpOp::MaskedEq(u64::from(libc::PROT_EXEC.unsigned_abs()));
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule(&[(2, (not_executable.clone(), 0))])?]);
    }
    // Threads, but no processes.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(
        libc::SYS_clone,
        vec![rule(&[(0, (SeccompCmpOp::MaskedEq(thread), thread))])?],
    );
    Ok(rules)
}

fn eq(value: impl Into<u64>) -> (SeccompCmpOp, u64) {
    (SeccompCmpOp::Eq, value.into())
}

/// Not this number, which is not negative.
fn ne(value: i32) -> (SeccompCmpOp, u64) {
    (SeccompCmpOp::Ne, u64::from(value.unsigned_abs()))
}

type Wanted = (u8, (SeccompCmpOp, u64));

fn conditions(wanted: &[Wanted]) -> io::Result<Vec<SeccompCondition>> {
    wanted
        .iter()
        .map(|(index, (op, value))| {
            SeccompCondition::new(*index, SeccompCmpArgLen::Dword, op.clone(), *value)
        })
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

fn rule(wanted: &[Wanted]) -> io::Result<SeccompRule> {
    SeccompRule::new(conditions(wanted)?).map_err(io::Error::other)
}

fn filter(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> io::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, listed, arch).map_err(io::Error::other)?;
    BpfProgram::try_from(filter).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    /// Runs `work` in a child under the filter; its exit code or signal.
    fn confined(work: fn() -> i32) -> Result<i32, i32> {
        // SAFETY: the child runs `work`, which makes plain system calls.
        match unsafe { libc::fork() } {
            0 => {
                let code = if confine_worker().is_ok() { work() } else { 99 };
                // SAFETY: ends the child.
                unsafe { libc::_exit(code) }
            }
            pid => {
                let mut status = 0;
                // SAFETY: `status` outlives the call.
                unsafe { libc::waitpid(pid, &raw mut status, 0) };
                let status = std::process::ExitStatus::from_raw(status);
                status.code().ok_or_else(|| status.signal().unwrap_or(0))
            }
        }
    }

    fn code<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
        result.unwrap_err().raw_os_error().unwrap_or(0)
    }

    #[test]
    fn files_cannot_be_opened() {
        assert_eq!(
            confined(|| code(std::fs::File::open("/etc/passwd"))),
            Ok(libc::EACCES)
        );
    }

    #[test]
    fn sockets_cannot_be_made() {
        assert_eq!(
            confined(|| code(std::net::TcpListener::bind("127.0.0.1:0"))),
            Ok(libc::EACCES)
        );
    }

    #[test]
    fn a_socket_can_be_reset_and_nothing_else_set() {
        let work = || {
            let stream = STREAM.take().unwrap();
            let nodelay =
                code(rustix::net::sockopt::set_tcp_nodelay(&stream, true).map_err(Into::into));
            let linger =
                rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO));
            nodelay + i32::from(linger.is_err())
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap());
        STREAM.set(Some(stream.unwrap()));
        assert_eq!(confined(work), Ok(libc::EACCES));
    }

    thread_local! {
        static STREAM: std::cell::Cell<Option<std::net::TcpStream>> =
            const { std::cell::Cell::new(None) };
    }

    #[test]
    fn processes_cannot_be_made_and_others_not_touched() {
        // SAFETY: a system call that the filter must stop.
        assert_eq!(confined(|| unsafe { libc::fork() }), Err(libc::SIGSYS));
        // SAFETY: as above; signal 0 asks only whether it may be sent.
        assert_eq!(confined(|| unsafe { libc::kill(1, 0) }), Err(libc::SIGSYS));
    }

    #[test]
    fn other_processes_cannot_be_read_and_sockets_not_connected_by_a_send() {
        let trace = || {
            // SAFETY: a system call that the filter must stop.
            unsafe { libc::ptrace(libc::PTRACE_ATTACH, 1, 0, 0) };
            0
        };
        assert_eq!(confined(trace), Err(libc::SIGSYS));
        let peek = || {
            let none = std::ptr::null();
            // SAFETY: as above; no memory is named.
            unsafe { libc::process_vm_readv(1, none, 0, none, 0, 0) };
            0
        };
        assert_eq!(confined(peek), Err(libc::SIGSYS));
        let connect = || {
            // SAFETY: as above; the message is empty.
            unsafe {
                libc::sendto(
                    0,
                    std::ptr::null(),
                    0,
                    libc::MSG_FASTOPEN,
                    std::ptr::null(),
                    0,
                )
            };
            0
        };
        assert_eq!(confined(connect), Err(libc::SIGSYS));
        let address = || {
            let to = [0_u8; 16];
            // SAFETY: as above; the address is as long as it says.
            unsafe { libc::sendto(0, std::ptr::null(), 0, 0, to.as_ptr().cast(), 16) };
            0
        };
        assert_eq!(confined(address), Err(libc::SIGSYS));
        let plain = || {
            // SAFETY: standard input is no socket, which is the error.
            unsafe { libc::sendto(0, std::ptr::null(), 0, 0, std::ptr::null(), 0) };
            0
        };
        assert_eq!(confined(plain), Ok(0));
    }

    #[test]
    fn memory_cannot_be_made_executable() {
        let map = || {
            let prot = libc::PROT_READ | libc::PROT_EXEC;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a fresh anonymous mapping that nothing uses.
            unsafe { libc::mmap(std::ptr::null_mut(), 4096, prot, flags, -1, 0) };
            0
        };
        assert_eq!(confined(map), Err(libc::SIGSYS));
    }

    #[test]
    fn bytes_move_and_threads_start() {
        let work = || {
            let (mut reader, mut writer) = CHANNEL.take().unwrap();
            std::thread::spawn(move || io::Write::write_all(&mut writer, b"ok").unwrap());
            let mut text = [0; 2];
            io::Read::read_exact(&mut reader, &mut text).unwrap();
            i32::from(&text != b"ok")
        };
        CHANNEL.set(Some(io::pipe().unwrap()));
        assert_eq!(confined(work), Ok(0));
    }

    thread_local! {
        static CHANNEL: std::cell::Cell<Option<(io::PipeReader, io::PipeWriter)>> =
            const { std::cell::Cell::new(None) };
    }
}
