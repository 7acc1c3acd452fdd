//! Starting the programs that belong to this one: `ssh` for scp, `sftp` for
//! ssh-copy-id.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use carrick_sys::process::own_executable;

/// One of our programs or of those beside us: from the folder that this
/// program was started from, else in place of this very program if it can be
/// that, else by `PATH`.
pub(crate) fn program(name: &str) -> Command {
    if let Some(path) = beside(&std::env::args_os().next().unwrap_or_default(), name) {
        return Command::new(path);
    }
    let mut command = if crate::program(name.as_ref()).is_some() {
        Command::new(own_executable())
    } else {
        Command::new(name)
    };
    command.arg0(name);
    command
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
