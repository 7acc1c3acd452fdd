//! Which keys are meant: those of a file, or those of the agent.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use carrick_keys::PublicKey;
use carrick_keys::authorized_keys;

use super::Stop;
use super::args::{Args, Chosen};
use crate::agent_socket::{AUTH_SOCK, AgentSocket};
use crate::text::os_error;

/// Where keys come from.
pub(super) enum Source {
    /// The agent, with the lines for its keys.
    Agent(Vec<String>),
    /// A file.
    File {
        /// With the public keys.
        public: PathBuf,
        /// With the private key, if `-f` does not do without it.
        private: PathBuf,
    },
    /// There are none.
    Nowhere,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(_) => f.write_str("ssh-add -L"),
            Self::File { public, .. } => write!(f, "\"{}\"", public.display()),
            Self::Nowhere => Ok(()),
        }
    }
}

/// Finds out which keys are meant: `-i`, or the agent's, or the newest file.
pub(super) fn source(args: &Args) -> Result<Source, Stop> {
    let chosen = match &args.identity {
        Some(Chosen::File(path)) => Some(path.clone()),
        Some(Chosen::Newest) => {
            let none = || Stop::Error("no ID file found".into());
            Some(newest().ok_or_else(none)?)
        }
        None => {
            let keys = from_agent();
            if !keys.is_empty() {
                return Ok(Source::Agent(keys));
            }
            newest()
        }
    };
    let Some(path) = chosen else {
        return Ok(Source::Nowhere);
    };
    let (public, private) = both_names(path);
    readable(&public, "")?;
    if !args.force {
        let hint = format!(
            "\n\t(to install the contents of '{}' anyway, look at the -f option)",
            public.display()
        );
        readable(&private, &hint)?;
    }
    Ok(Source::File { public, private })
}

/// The names of the public and the private half, given either.
fn both_names(path: PathBuf) -> (PathBuf, PathBuf) {
    if path.extension().is_some_and(|e| e == "pub") {
        let private = path.with_extension("");
        return (path, private);
    }
    let mut public = path.clone().into_os_string();
    public.push(".pub");
    (public.into(), path)
}

fn readable(path: &Path, hint: &str) -> Result<(), Stop> {
    // A folder opens, and cannot be read.
    let tried = File::open(path)
        .and_then(|f| f.metadata())
        .map(|meta| meta.is_dir());
    let why = match tried {
        Ok(false) => return Ok(()),
        Ok(true) => "Is a directory".to_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "No such file".to_owned(),
        Err(e) => os_error(&e),
    };
    let path = path.display();
    Err(Stop::Apart(format!(
        "failed to open ID file '{path}': {why}{hint}"
    )))
}

/// The user's own public key that was written last: `~/.ssh/id*.pub`, and no
/// certificate. `~` is `$HOME`, as in the script.
fn newest() -> Option<PathBuf> {
    let folder = std::env::home_dir()?.join(".ssh");
    newest_in(&folder)
}

fn newest_in(folder: &Path) -> Option<PathBuf> {
    let is_key = |name: &str| {
        let stem = name.strip_suffix(".pub");
        stem.is_some_and(|stem| stem.starts_with("id") && !stem.ends_with("-cert"))
    };
    std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| is_key(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| {
            // Through a link: what it leads to may be newer.
            let when: SystemTime = std::fs::metadata(entry.path()).ok()?.modified().ok()?;
            Some((when, std::cmp::Reverse(entry.path())))
        })
        .max()
        .map(|(_, path)| path.0)
}

/// The lines for the agent's keys. Its certificates are left out: an
/// authorized_keys file has no use for them.
fn from_agent() -> Vec<String> {
    let Some(path) = std::env::var_os(AUTH_SOCK).filter(|path| !path.is_empty()) else {
        return Vec::new();
    };
    let keys = AgentSocket::connect(path)
        .map_err(|e| os_error(&e))
        .and_then(|mut agent| agent.identities());
    let keys = keys.unwrap_or_default().into_iter();
    keys.filter_map(|identity| {
        let key = PublicKey::from_blob(&identity.blob).ok()?;
        // The comment is whatever the agent says, and must not end the line.
        let comment = String::from_utf8_lossy(&identity.comment).replace(char::is_control, " ");
        (!key.is_certificate()).then(|| key.to_line(comment.trim()))
    })
    .collect()
}

impl Source {
    /// The keys, each the line to install.
    pub(super) fn keys(&self) -> Result<Vec<String>, Stop> {
        match self {
            Self::Nowhere => Ok(Vec::new()),
            Self::Agent(keys) => Ok(keys.clone()),
            Self::File { public, .. } => {
                let cannot = |why: String| {
                    let public = public.display();
                    Stop::Apart(format!("failed to open ID file '{public}': {why}"))
                };
                let text = std::fs::read(public).map_err(|e| cannot(os_error(&e)))?;
                lines(&text).map_err(cannot)
            }
        }
    }
}

/// The lines of a file of public keys. Nothing else is let through: a private
/// key given by mistake does not leave this machine.
fn lines(text: &[u8]) -> Result<Vec<String>, String> {
    let text = String::from_utf8_lossy(text);
    let mut keys = Vec::new();
    for (number, entry) in authorized_keys::entries(text.as_bytes()) {
        let line = text.lines().nth(number - 1).unwrap_or_default().trim();
        // The key may be of a type that is newer than this program.
        let looks_right = || {
            line.split_ascii_whitespace()
                .any(|word| word.starts_with("AAAA"))
        };
        if (entry.is_err() && !looks_right()) || line.contains(char::is_control) {
            return Err(format!("line {number} is not a public key"));
        }
        keys.push(line.to_owned());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2COU7Xxp0PKx3Q5qlFLtuv75vJkOca9S7ul4t7v8AZ";

    #[test]
    fn both_halves_by_either_name() {
        for name in ["a/id_x", "a/id_x.pub"] {
            let want = (PathBuf::from("a/id_x.pub"), PathBuf::from("a/id_x"));
            assert_eq!(both_names(name.into()), want);
        }
    }

    #[test]
    fn lines_are_keys_with_their_options_and_comments() {
        let with_options = format!("command=\"a b\",restrict {KEY} me@here");
        let newer = "ssh-newer@example.org AAAAxyz me";
        let text = format!("# mine\n\n {KEY}\r\n{with_options}\n{newer}");
        assert_eq!(lines(text.as_bytes()).unwrap(), [KEY, &with_options, newer]);
        assert_eq!(lines(b"\n# none\n"), Ok(vec![]));
    }

    #[test]
    fn a_private_key_goes_nowhere() {
        let pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n";
        assert_eq!(
            lines(pem.as_bytes()),
            Err("line 1 is not a public key".into())
        );
        assert!(lines(format!("{KEY}\nnonsense").as_bytes()).is_err());
        assert!(lines(format!("{KEY} a\x1b[2Jb").as_bytes()).is_err());
    }

    #[test]
    fn the_newest_public_key_is_the_default() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest_in(dir.path()), None);
        let now = SystemTime::now();
        for (age, name) in [
            (9, "id_old.pub"),
            (5, "id_new.pub"),
            (1, "id_new-cert.pub"),
            (1, "id_x"),
            (1, "x.pub"),
        ] {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(now - std::time::Duration::from_secs(age))
                .unwrap();
        }
        assert_eq!(newest_in(dir.path()), Some(dir.path().join("id_new.pub")));
        assert_eq!(newest_in(&dir.path().join("missing")), None);
    }
}
