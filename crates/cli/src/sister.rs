//! Starting the programs that belong to this one: `ssh` for scp, `sftp` for
//! ssh-copy-id, the helpers of tokens.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use carrick_sys::descriptors;
use carrick_sys::process::own_executable;

use crate::links::MULTI_CALL;

/// Set in the multi-call binary.
static EVERY_PROGRAM: OnceLock<()> = OnceLock::new();

/// From now on, this very binary can be each of the programs.
pub(crate) fn this_is_the_multi_call_binary() {
    let _ = EVERY_PROGRAM.set(());
}

/// One of our programs or of those beside us: from the folder that this
/// program was started from, else of this build, else by `PATH`.
pub(crate) fn program(name: &str) -> Command {
    beside_us(name)
        .or_else(|| of_this_build(name))
        .unwrap_or_else(|| descriptors::program(name))
}

/// A program of ours that must understand all we say to it: of this build,
/// wherever that can be found.
pub(crate) fn helper(name: &str) -> Command {
    of_this_build(name)
        .or_else(|| beside_us(name))
        .unwrap_or_else(|| descriptors::program(name))
}

/// The multi-call binary in that role: this very program, or the one beside it.
fn of_this_build(name: &str) -> Option<Command> {
    let own = own_executable();
    let binary = if EVERY_PROGRAM.get().is_some() {
        own
    } else {
        let binary = own.canonicalize().ok()?.with_file_name(MULTI_CALL);
        binary.is_file().then_some(binary)?
    };
    let mut command = descriptors::program(binary);
    command.arg0(name);
    Some(command)
}

/// The program called `name` in the folder that this one was started from.
fn beside_us(name: &str) -> Option<Command> {
    let started = std::env::args_os().next()?;
    beside(&started, name).map(descriptors::program)
}

/// The program called `name` in the folder of the one that was started as
/// `started`.
fn beside(started: &OsStr, name: &str) -> Option<PathBuf> {
    let started = Path::new(started);
    let folder = match started.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).find(|folder| folder.join(started).is_file())?
        }
    };
    let path = folder.join(name);
    path.is_file().then_some(path)
}
