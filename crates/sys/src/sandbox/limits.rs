//! Resource limits.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Tasks of a process's user beyond which it starts no thread. Those of other
/// processes count too, which is why it is no smaller.
const TASKS: u64 = 4096;

/// The limits of a process that handles a peer's bytes: it writes no file,
/// leaves no core, opens at most `descriptors`, and floods the system with
/// no threads.
pub fn confine(descriptors: u64) -> io::Result<()> {
    let hard = |limit| Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    setrlimit(Resource::Fsize, hard(0))?;
    setrlimit(Resource::Core, hard(0))?;
    for (what, most) in [(Resource::Nofile, descriptors), (Resource::Nproc, TASKS)] {
        let now = getrlimit(what).maximum.unwrap_or(u64::MAX);
        setrlimit(what, hard(most.min(now)))?;
    }
    Ok(())
}
