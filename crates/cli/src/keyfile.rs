//! Reading private key files: only such as nobody else can read.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use carrick_keys::KeyFileError;
use zeroize::Zeroizing;

use crate::log::error;
use crate::text::os_error;

/// Longest key file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Reads a private key file. An error is worded as OpenSSH words it; the
/// warning about permissions has been given.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut file = std::fs::File::open(path).map_err(|e| os_error(&e))?;
    let meta = file.metadata().map_err(|e| os_error(&e))?;
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
        return Err("bad permissions".into());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.by_ref()
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| os_error(&e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("invalid format".into());
    }
    Ok(bytes)
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
