//! How the user logged in, in a file that the user's programs find by
//! `SSH_USER_AUTH` (ExposeAuthInfo). It goes away with the connection.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use carrick_crypto::rng::{Rng as _, SystemRng};

/// As many characters as OpenSSH's name has.
const RANDOM: usize = 15;
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The file.
#[derive(Debug)]
pub struct Steps(PathBuf);

impl Steps {
    /// Writes it into `folder`, for this user alone. The name is one that
    /// nobody can have made a file of.
    pub fn write(folder: &Path, steps: &str) -> io::Result<Self> {
        let mut random = [0; RANDOM];
        SystemRng.fill(&mut random);
        let letter = |byte: &u8| {
            let at = usize::from(*byte) % LETTERS.len();
            char::from(LETTERS.get(at).copied().unwrap_or(b'a'))
        };
        let name: String = random.iter().map(letter).collect();
        let path = folder.join(format!("sshauth.{name}"));
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let made = Self(path);
        file.write_all(steps.as_bytes())?;
        Ok(made)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        // The user may have removed it.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_is_the_users_alone_and_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        let steps = Steps::write(dir.path(), "password\n").unwrap();
        let path = steps.path().to_owned();
        assert_eq!(fs::read_to_string(&path).unwrap(), "password\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = Steps::write(dir.path(), "").unwrap();
        assert!(other.path() != path);
        drop(steps);
        assert!(!path.exists() && other.path().exists());
    }
}
