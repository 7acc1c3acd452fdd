//! Key files: written whole or not at all, asked for by name, read with the
//! passphrase that they need.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use carrick_keys::{KeyFileError, KeyType, PrivateKey, public_of_private_file};
use carrick_wire::Secret;

use super::args::Args;
use super::{Outcome, Stop};
use crate::home;
use crate::keyfile;
pub(super) use crate::keyfile::{load_public, public_path};
use crate::prompt::{Ask, ask_or_empty};
use crate::text::os_error;
use crate::text::out;

/// Writes `path` with mode 0600, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o600)
}

/// Writes `path` with mode 0644, whole or not at all.
pub(super) fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o644)
}

/// Writes `path` with the mode that a program's output gets, whole or not at
/// all.
pub(super) fn write_output(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o666)
}

/// Writes `path`, which is there, with the mode it has, whole or not at all.
pub(super) fn rewrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    write(path, bytes, mode & 0o777)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let old = std::fs::metadata(path);
    // A device or pipe (`-f /dev/stdout`) cannot be replaced by a file.
    if old.as_ref().is_ok_and(|meta| !meta.is_file()) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    // A link stays, and what it points to is replaced.
    let target = old.as_ref().ok().and_then(|_| path.canonicalize().ok());
    let path = target.as_deref().unwrap_or(path);
    let temporary = keyfile::with_suffix(path, &format!(".{}", std::process::id()));
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            // The new bytes are on the disk before the old ones go. Where there
            // were none, a crash can lose nothing, and nobody waits for a disk.
            if old.is_ok() { file.sync_all() } else { Ok(()) }
        })
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // It may not have been made at all.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// One line of standard input; at its end the program stops.
pub(super) fn read_line() -> Outcome<String> {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(n) if n > 0 => Ok(line.trim_end_matches('\n').to_owned()),
        _ => Err(Stop::Status(1)),
    }
}

/// The file of `-f`, or what the user says when asked. The default is that of
/// `-t`.
pub(super) fn name(args: &Args, question: &str) -> Outcome<PathBuf> {
    if let Some(file) = &args.file {
        return Ok(file.clone());
    }
    let kind = match &args.kind {
        None => KeyType::Ed25519,
        Some(name) => KeyType::parse(name).ok_or_else(|| Stop::fatal("bad key type"))?,
    };
    let default = home::ssh_file(&format!("id_{}", kind.file_stem()));
    out!("{question} ({}): ", default.display());
    let answer = read_line()?;
    Ok(if answer.is_empty() {
        default
    } else {
        PathBuf::from(answer)
    })
}

/// Reads the private key at `path`, asking for its passphrase with `prompt`
/// if it needs one and `-P` did not give it.
pub(super) fn load(args: &Args, path: &Path, what: &str, prompt: &str) -> Outcome<Loaded> {
    load_with(args.passphrase.as_ref(), path, what, prompt)
}

/// As [`load`], with the passphrase that was given, if one was.
pub(super) fn load_with(
    given: Option<&Secret>,
    path: &Path,
    what: &str,
    prompt: &str,
) -> Outcome<Loaded> {
    let fail = |e: &dyn std::fmt::Display| Stop::fatal(format!("{what}: {e}"));
    let bytes = keyfile::read(path).map_err(|e| fail(&e))?;
    match PrivateKey::parse_file(&bytes, None) {
        Ok(key) => Ok(Loaded {
            commented: holds_comment(&bytes),
            key,
            passphrase: None,
        }),
        Err(KeyFileError::NeedsPassphrase) => {
            let passphrase = match given {
                Some(passphrase) => passphrase.clone(),
                None => {
                    let answer = ask_or_empty(
                        prompt,
                        Ask {
                            echo: false,
                            stdin: true,
                        },
                    );
                    Secret::from(answer.as_slice())
                }
            };
            let key = PrivateKey::parse_file(&bytes, Some(&passphrase))
                .map_err(|e| fail(&keyfile::reason(&e)))?;
            Ok(Loaded {
                commented: holds_comment(&bytes),
                key,
                passphrase: Some(passphrase),
            })
        }
        Err(e) => Err(fail(&keyfile::reason(&e))),
    }
}

/// Whether a private key file has a place for a comment: OpenSSL's forms have
/// none.
fn holds_comment(file: &[u8]) -> bool {
    public_of_private_file(file).is_some()
}

/// A private key and what opened it.
pub(super) struct Loaded {
    pub(super) key: PrivateKey,
    pub(super) passphrase: Option<Secret>,
    /// Whether the file's form has a comment, be it empty.
    commented: bool,
}

impl Loaded {
    /// The comment, if the file has one.
    pub(super) fn comment(&self) -> Option<Cow<'_, str>> {
        self.commented.then(|| self.key.comment())
    }
}

/// Stops with the system's reason unless `path` exists.
pub(super) fn must_exist(path: &Path) -> Outcome {
    std::fs::metadata(path)
        .map(drop)
        .map_err(|e| Stop::fatal(format!("{}: {}", path.display(), os_error(&e))))
}
