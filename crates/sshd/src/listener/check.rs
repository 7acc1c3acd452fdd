//! What is checked before the daemon starts: that nothing is asked of it
//! which it would ignore, that there are host keys, and a place for workers.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_sys::{identity, passwd};

use super::bind::strerror;
use super::{EXIT_FATAL, hostkeys};
use crate::args::{Args, Task};
use crate::handoff::Handoff;
use crate::log::{fatal, info};
use crate::settings::{self, Config};

/// The empty root directory of workers, as distributions make it.
const ROOT: &str = "/run/sshd";
/// The user of workers, and who stands in where there is none.
const USERS: [&str; 2] = ["sshd", "nobody"];
const NOBODY: u32 = 65534;

/// What monitors will need. The error is the exit status.
pub fn prepare(config: &Config, args: &Args, to_stderr: bool) -> Result<Handoff, u8> {
    if let Some((keyword, origin)) = config.unbuilt() {
        let place = origin.map_or_else(String::new, |origin| format!("{origin}: "));
        fatal!("{place}{keyword} is not supported yet");
        return Err(EXIT_FATAL);
    }
    let (host_keys, host_key_agent) = hostkeys::load(config.global());
    if host_keys.is_empty() {
        fatal!("sshd: no hostkeys available -- exiting.");
        return Err(1);
    }
    let cell = if identity::is_root() {
        Some(cell()?)
    } else {
        None
    };
    if args.task == Task::Serve {
        settings::warn_of_absent(config.global());
    }
    let mut salt = [0; 8];
    SystemRng.fill(&mut salt);
    Ok(Handoff {
        config: config.encode(),
        host_keys,
        host_key_agent,
        log_to_stderr: to_stderr,
        cell,
        delay_salt: u64::from_le_bytes(salt),
    })
}

fn cell() -> Result<crate::rpc::preauth::Cell, u8> {
    let user = USERS
        .iter()
        .find_map(|name| passwd::by_name(name).ok().flatten());
    let (uid, gid) = user.map_or((NOBODY, NOBODY), |user| (user.uid, user.gid));
    if uid == 0 || gid == 0 {
        fatal!("Privilege separation user must not be root");
        return Err(EXIT_FATAL);
    }
    let root = Path::new(ROOT);
    if !root.exists() {
        info!("making privilege separation directory {ROOT}");
        if let Err(problem) = std::fs::DirBuilder::new().mode(0o755).create(root) {
            fatal!(
                "Missing privilege separation directory: {ROOT}: {}",
                strerror(&problem)
            );
            return Err(EXIT_FATAL);
        }
    }
    let safe = root
        .symlink_metadata()
        .is_ok_and(|about| about.is_dir() && about.uid() == 0 && about.mode() & 0o022 == 0);
    if !safe {
        fatal!("{ROOT} must be owned by root and not group or world-writable.");
        return Err(EXIT_FATAL);
    }
    Ok(crate::rpc::preauth::Cell {
        root: ROOT.to_owned(),
        uid,
        gid,
    })
}
