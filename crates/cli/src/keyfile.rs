//! Reading key files: private ones only if nobody else can read them.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use carrick_keys::{KeyFileError, PrivateKey, PublicKey, public_of_private_file};
use zeroize::Zeroizing;

use crate::log::error;
use crate::text::os_error;

/// Longest key file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Why a private key file was not read.
pub(crate) enum Unread {
    /// It could not be opened.
    Open(std::io::Error),
    /// Others can read it; the warning has been given.
    Permissions,
    /// Something else, as OpenSSH words it.
    Other(String),
}

/// Reads a private key file. An error is worded as OpenSSH words it; the
/// warning about permissions has been given.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    read_private(path).map_err(|e| match e {
        Unread::Open(e) => os_error(&e),
        Unread::Permissions => "bad permissions".into(),
        Unread::Other(why) => why,
    })
}

/// As [`read`], with the reasons apart.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let file = std::fs::File::open(path).map_err(Unread::Open)?;
    let meta = file.metadata().map_err(Unread::Open)?;
    let mode = meta.mode() & 0o777;
    // A file of another owner is theirs to protect (as with OpenSSH).
    if meta.uid() == crate::account::uid() && mode & 0o077 != 0 {
        const AT: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
        error!("{AT}");
        error!("@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @");
        error!("{AT}");
        error!(
            "Permissions 0{mode:03o} for '{}' are too open.",
            path.display()
        );
        error!("It is required that your private key files are NOT accessible by others.");
        error!("This private key will be ignored.");
        return Err(Unread::Permissions);
    }
    read_all(file)
}

/// Reads a key from an open file, all of it.
pub(crate) fn read_all(from: impl std::io::Read) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Unread::Other(os_error(&e)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Unread::Other("invalid format".into()));
    }
    Ok(bytes)
}

/// The `.pub` file beside a key.
pub(crate) fn public_path(path: &Path) -> PathBuf {
    with_suffix(path, ".pub")
}

/// The path with more behind its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The public key that belongs to a file, and its comment if it has one: the
/// file itself, its `.pub`, or what a private file shows without a
/// passphrase. A public file without a comment has its own name for one.
pub(crate) fn load_public(path: &Path) -> Option<(PublicKey, Option<String>)> {
    let read = |path: &Path| {
        let text = std::fs::read(path).ok()?;
        let (key, comment) = first_line_key(&text)?;
        let comment = if comment.is_empty() {
            path.display().to_string()
        } else {
            comment
        };
        Some((key, Some(comment)))
    };
    read(path).or_else(|| read(&public_path(path))).or_else(|| {
        let text = Zeroizing::new(std::fs::read(path).ok()?);
        let key = public_of_private_file(&text)
            .or_else(|| Some(PrivateKey::parse_file(&text, None).ok()?.public().clone()))?;
        Some((key, None))
    })
}

/// The first key in a file of lines; none in what looks like a private file.
fn first_line_key(text: &[u8]) -> Option<(PublicKey, String)> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(|l| l.trim_start_matches([' ', '\t']));
    lines
        .take_while(|l| !l.starts_with("-----BEGIN"))
        .filter(|l| !l.starts_with('#'))
        .find_map(|l| PublicKey::from_line(l).ok())
}

/// Why a file gave no key, as OpenSSH words it where it has words.
pub(crate) fn reason(error: &KeyFileError) -> String {
    match error {
        KeyFileError::WrongPassphrase | KeyFileError::NeedsPassphrase => {
            "incorrect passphrase supplied to decrypt private key".into()
        }
        // What has no form at all OpenSSH leaves to its library to refuse.
        KeyFileError::NotAKey => "error in libcrypto".into(),
        KeyFileError::Invalid { .. } => "invalid format".into(),
        other => other.to_string(),
    }
}
