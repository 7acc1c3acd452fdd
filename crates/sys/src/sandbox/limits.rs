//! Resource limits.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limits of a process that handles a peer's bytes: it writes no file,
/// leaves no core, and opens at most `descriptors`.
pub fn confine(descriptors: u64) -> io::Result<()> {
    let hard = |limit| Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    setrlimit(Resource::Fsize, hard(0))?;
    setrlimit(Resource::Core, hard(0))?;
    let now = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    Ok(setrlimit(Resource::Nofile, hard(descriptors.min(now)))?)
}
