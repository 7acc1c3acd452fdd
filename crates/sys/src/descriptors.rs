//! How many descriptors this process may have open: more for itself, and not
//! for the programs that it starts.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits that this process was started with, once they are raised.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Lets this process have up to `wanted` descriptors, as far as the hard limit
/// goes; how many that are. What it starts by [`program`] is to have no more
/// than before.
pub fn raise(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(u64::MAX);
    let most = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    if now >= most {
        return now;
    }
    let raised = Rlimit {
        current: Some(most),
        ..limit
    };
    if setrlimit(Resource::Nofile, raised).is_err() {
        return now;
    }
    // A second time, the limit that was found is our own.
    BEFORE.get_or_init(|| limit);
    most
}

/// The command that starts a program with the limit that this process was
/// started with. There are programs that close every number up to it, and
/// those that use select(2) take none beyond 1023.
pub fn program(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    if let Some(before) = BEFORE.get() {
        let lower = || Ok(setrlimit(Resource::Nofile, *before)?);
        // SAFETY: between fork and exec the closure makes one system call,
        // which is async-signal-safe; it allocates nothing and takes no lock.
        unsafe { command.pre_exec(lower) };
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_a_program() -> u64 {
        let output = program("sh").args(["-c", "ulimit -Sn"]).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    #[test]
    fn more_for_this_process_and_not_for_its_programs() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let low = Rlimit {
            current: Some(100),
            maximum: hard,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        assert_eq!(raise(50), 100);
        assert_eq!(of_a_program(), 100);
        assert_eq!(raise(110), 110);
        assert_eq!(raise(120), 120);
        assert_eq!(of_a_program(), 100);
        if let Some(hard) = hard {
            assert_eq!(raise(u64::MAX), hard);
            assert_eq!(getrlimit(Resource::Nofile).current, Some(hard));
        }
        assert_eq!(of_a_program(), 100);
    }
}
