//! What is checked before the daemon starts: that nothing is asked of it
//! which it would ignore, that there are host keys, and a place for workers.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_keys::PrivateKey;
use carrick_sys::{identity, passwd};
use carrick_wire::Secret;

use super::EXIT_FATAL;
use super::bind::strerror;
use crate::args::{Args, Task};
use crate::handoff::Handoff;
use crate::log::{debug, error, fatal, info};
use crate::settings::{self, Config};

/// The empty root directory of workers, as distributions make it.
const ROOT: &str = "/run/sshd";
/// The user of workers, and who stands in where there is none.
const USERS: [&str; 2] = ["sshd", "nobody"];
const NOBODY: u32 = 65534;
/// A longer file is no key.
const LONGEST_KEY: u64 = 1 << 20;

/// What monitors will need. The error is the exit status.
pub fn prepare(config: &Config, args: &Args, to_stderr: bool) -> Result<Handoff, u8> {
    if let Some((keyword, origin)) = config.unbuilt() {
        let place = origin.map_or_else(String::new, |origin| format!("{origin}: "));
        fatal!("{place}{keyword} is not supported yet");
        return Err(EXIT_FATAL);
    }
    let host_keys = host_keys(config);
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
        log_to_stderr: to_stderr,
        cell,
        delay_salt: u64::from_le_bytes(salt),
    })
}

fn host_keys(config: &Config) -> Vec<(Vec<u8>, Secret)> {
    let options = config.global();
    let named = options.is_set("HostKey");
    let missing = |path: &str| {
        // Of the default files, those that are not there are not missed.
        if named {
            error!("Unable to load host key: {path}");
        } else {
            debug!("Unable to load host key: {path}");
        }
    };
    let mut keys: Vec<(Vec<u8>, Secret)> = Vec::new();
    for path in &options.host_keys {
        match host_key(path) {
            Ok((blob, _)) if keys.iter().any(|(known, _)| *known == blob) => {}
            Ok(key) => keys.push(key),
            Err(None) => missing(path),
            Err(Some(problem)) => {
                error!("Unable to load host key \"{path}\": {problem}");
                missing(path);
            }
        }
    }
    keys
}

/// A key file. The error is `None` if there is none.
fn host_key(path: &str) -> Result<(Vec<u8>, Secret), Option<String>> {
    let text = |problem: std::io::Error| {
        (problem.kind() != std::io::ErrorKind::NotFound).then(|| strerror(&problem))
    };
    let file = File::open(path).map_err(text)?;
    let about = file.metadata().map_err(text)?;
    if about.uid() == identity::effective_uid() && about.mode() & 0o077 != 0 {
        let line = "@".repeat(59);
        error!("{line}");
        error!("@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @");
        error!("{line}");
        error!(
            "Permissions 0{:03o} for '{path}' are too open.",
            about.mode() & 0o777
        );
        error!("It is required that your private key files are NOT accessible by others.");
        error!("This private key will be ignored.");
        return Err(Some("bad permissions".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_KEY)
        .read_to_end(&mut bytes)
        .map_err(text)?;
    let bytes = Secret::new(bytes);
    let key = PrivateKey::parse_file(bytes.expose(), None)
        .map_err(|problem| Some(problem.to_string()))?;
    Ok((key.public().to_blob(), bytes))
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
