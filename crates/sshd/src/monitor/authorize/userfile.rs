//! Files whose lines decide who gets in: found out to be safe from others who
//! could write them, and read up to a bound.
//!
//! A user's own are opened with that user's rights, so that no file is opened
//! that the user could not open, and without waiting for what is no file.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use carrick_keys::{PublicKey, authorized_keys};
use carrick_sys::identity::with_effective;

use super::Context;
use crate::listener::bind::strerror;
use crate::log::{debug, error, info};

/// A longer file is not read.
pub const LONGEST: u64 = 16 << 20;

/// What a file is, in the words of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AuthorizedKeysFile.
    Keys,
    /// AuthorizedPrincipalsFile.
    Principals,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "authorized keys",
            Self::Principals => "authorized principals",
        }
    }
}

/// Runs `search` with the user's rights.
pub fn as_user<T>(context: &Context<'_>, search: impl FnOnce() -> Option<T>) -> Option<T> {
    with_effective(&context.identity(), search).unwrap_or_else(|problem| {
        let name = &context.account.name;
        error!("cannot look up keys as user {name}: {problem}");
        None
    })
}

/// A user's file; `None` if it is not there or does not count, and then the
/// log says why.
pub fn read(context: &Context<'_>, kind: Kind, path: &Path) -> Option<Vec<u8>> {
    let (user, what, shown) = (&context.account.name, kind.name(), path.display());
    let told = |problem: &io::Error| {
        let problem = strerror(problem);
        format!("Could not open user '{user}' {what} '{shown}': {problem}")
    };
    let (file, about) = match open(path) {
        Ok(opened) => opened,
        Err(problem) => {
            if problem.kind() == io::ErrorKind::NotFound {
                debug!("{}", told(&problem));
            } else {
                info!("{}", told(&problem));
            }
            return None;
        }
    };
    if !about.is_file() {
        info!("User '{user}' {what} '{shown}' is not a regular file");
        return None;
    }
    if context.options.strict_modes
        && let Err(problem) = check_path(
            path,
            &about,
            context.account.uid,
            Some(&context.account.home),
        )
    {
        info!("Authentication refused: {problem}");
        return None;
    }
    text(file)
        .inspect_err(|problem| info!("{}", told(problem)))
        .ok()
}

/// Opens what may be anything: a FIFO must not hold the daemon up.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    Ok((file, about))
}

/// What a file holds, up to the bound.
pub fn text(file: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// What a file of the administrator's holds. One that is longer than the
/// bound is an error, since the end may matter.
pub fn read_plain(path: &str) -> io::Result<Vec<u8>> {
    let (file, about) = open(path.as_ref())?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    text(file)
}

/// Whether a file of the administrator's lists `key`, without any options.
pub fn lists_plain(path: &str, key: &PublicKey) -> bool {
    match read_plain(path) {
        Ok(text) => authorized_keys::entries_for(&text, key).any(|line| line.options.is_empty()),
        Err(problem) => {
            error!("Could not open '{path}': {}", strerror(&problem));
            false
        }
    }
}

/// Whether nobody but `uid` and root can write to it.
pub fn is_safe(about: &Metadata, uid: u32) -> bool {
    (about.uid() == 0 || about.uid() == uid) && about.mode() & 0o022 == 0
}

/// Nobody but `uid` and root may be able to change the file, or put another
/// in its place in a directory up to `home`, or up to the root.
pub fn check_path(
    path: &Path,
    about: &Metadata,
    uid: u32,
    home: Option<&Path>,
) -> Result<(), String> {
    let shown = |path: &Path, problem: &io::Error| {
        format!("realpath {} failed: {}", path.display(), strerror(problem))
    };
    let real = path
        .canonicalize()
        .map_err(|problem| shown(path, &problem))?;
    let home = home.and_then(|home| home.canonicalize().ok());
    if !about.is_file() {
        return Err(format!("{} is not a regular file", real.display()));
    }
    if !is_safe(about, uid) {
        return Err(format!(
            "bad ownership or modes for file {}",
            real.display()
        ));
    }
    for directory in real.ancestors().skip(1) {
        let about = directory
            .metadata()
            .map_err(|problem| shown(directory, &problem))?;
        if !is_safe(&about, uid) {
            return Err(format!(
                "bad ownership or modes for directory {}",
                directory.display()
            ));
        }
        if home.as_deref() == Some(directory) {
            break;
        }
    }
    Ok(())
}
