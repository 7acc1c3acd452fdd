//! The commands for this side: `lcd`, `lls`, `lmkdir`, `lpwd`, `lumask`, `!`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::Command;

use rustix::fs::Mode;

use super::session::{Done, Stop, expand_home, failed};
use super::words::Word;
use crate::text::{logged, os_error, outln, shown};

/// `lcd`, home if nothing is said.
pub(super) fn chdir(word: Option<&Word>) -> Done {
    let path = word.map_or_else(|| b"~".to_vec(), Word::name);
    let path = if path.is_empty() { b"~".to_vec() } else { path };
    let path = expand_home(&path)
        .map_err(|user| failed(format_args!("tilde_expand: No such user {}", logged(&user))))?;
    std::env::set_current_dir(OsStr::from_bytes(&path)).map_err(|e| {
        failed(format_args!(
            "Couldn't change local directory to \"{}\": {}",
            logged(&path),
            os_error(&e)
        ))
    })
}

/// `lls`: the words are the shell's to understand.
pub(super) fn ls(words: &[u8]) -> Done {
    shell(&[b"ls", words].concat())
}

/// `lmkdir`.
pub(super) fn mkdir(word: &Word) -> Done {
    let path = word.name();
    std::fs::create_dir(OsStr::from_bytes(&path)).map_err(|e| {
        failed(format_args!(
            "Couldn't create local directory \"{}\": {}",
            logged(&path),
            os_error(&e)
        ))
    })
}

/// `lpwd`.
pub(super) fn pwd() -> Done {
    match std::env::current_dir() {
        Ok(folder) => {
            outln!(
                "Local working directory: {}",
                shown(folder.as_os_str().as_bytes())
            );
            Ok(())
        }
        Err(e) => Err(failed(format_args!(
            "Couldn't get local cwd: {}",
            os_error(&e)
        ))),
    }
}

/// `lumask`.
pub(super) fn umask(mask: u32) {
    rustix::process::umask(Mode::from_bits_truncate(mask & 0o777));
    outln!("Local umask: {mask:03o}");
}

/// `!`: has the user's shell carry out a text, or with none, talks to them.
/// How that ends is told, and is no error.
pub(super) fn shell(text: &[u8]) -> Done {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let shell = shell.unwrap_or_else(|| "/bin/sh".into());
    let mut command = Command::new(&shell);
    if !text.is_empty() {
        command.arg("-c").arg(OsString::from_vec(text.to_vec()));
    }
    let status = command.status().map_err(|e: io::Error| {
        failed(format_args!(
            "Couldn't execute \"{}\": {}",
            logged(shell.as_bytes()),
            os_error(&e)
        ))
    })?;
    // Told as OpenSSH does, and no failure to it either.
    match status.code() {
        Some(0) => {}
        Some(code) => drop::<Stop>(failed(format_args!("Shell exited with status {code}"))),
        None => drop::<Stop>(failed("Shell exited abnormally")),
    }
    Ok(())
}
