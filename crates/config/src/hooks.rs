//! What configuration needs from the world: files, environment, accounts.
//!
//! Nothing in this crate touches the system but the functions in [`local`],
//! which a program may use to implement its [`Hooks`].

use std::io;
use std::net::IpAddr;

/// The severity of something that is told to the user while reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Shown unless `-q`.
    Error,
    /// The default.
    Info,
    /// `-v`.
    Debug1,
    /// `-vv`.
    Debug2,
    /// `-vvv`.
    Debug3,
}

/// A file's text and who may write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileText {
    /// The bytes.
    pub text: Vec<u8>,
    /// Owner's user id.
    pub owner: u32,
    /// Permission bits.
    pub mode: u32,
}

/// The injected system. A method that has a default is for features that one
/// of the programs does not need.
pub trait Hooks {
    /// Reads a whole file.
    fn read(&self, path: &str) -> io::Result<FileText>;
    /// The names in a directory, in any order, for the wildcards of Include.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
    /// The home directory of a user, or of the user we run as.
    fn home(&self, user: Option<&str>) -> Option<String>;
    /// The user id we run as (owner check of the user's own file).
    fn uid(&self) -> u32;
    /// Runs a command with the user's shell (`Match exec`); true = exit status 0.
    fn exec(&self, command: &str) -> io::Result<bool> {
        let _ = command;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// The addresses of the interfaces that are up (`Match localnetwork`).
    fn local_addresses(&self) -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Names of the groups of a user (`Match Group`); `None` = no such user.
    fn groups(&self, user: &str) -> Option<Vec<String>> {
        let _ = user;
        None
    }
    /// A TCP service by name (/etc/services).
    fn service_port(&self, name: &str) -> Option<u16> {
        let _ = name;
        None
    }
    /// The working directory, that relative server paths are taken from.
    fn current_dir(&self) -> Option<String> {
        None
    }
    /// Whether a routing domain exists.
    fn is_rdomain(&self, name: &str) -> bool {
        let _ = name;
        false
    }
    /// Something worth telling that is not a failure.
    fn note(&self, level: Level, text: &str) {
        let _ = (level, text);
    }
}

/// Implementations over `std` for programs' [`Hooks`].
pub mod local {
    use super::FileText;
    use std::io::{self, Read};
    use std::os::unix::fs::MetadataExt;

    /// A configuration larger than this is refused.
    const MAX_FILE: u64 = 16 << 20;

    /// Reads a file with its owner and mode, from one descriptor.
    pub fn read(path: &str) -> io::Result<FileText> {
        let file = std::fs::File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut text = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(FileText {
            text,
            owner: meta.uid(),
            mode: meta.mode() & 0o7777,
        })
    }

    /// The names in a directory.
    pub fn list(directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// An environment variable, if it is text.
    pub fn env(name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// The working directory.
    pub fn current_dir() -> Option<String> {
        std::env::current_dir()
            .ok()?
            .into_os_string()
            .into_string()
            .ok()
    }
}

/// The text of an I/O error as C's `strerror` gives it, without Rust's suffix.
pub(crate) fn strerror(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "Is a directory".to_owned(),
        _ => error.to_string(),
    };
    match text.split_once(" (os error") {
        Some((head, _)) => head.to_owned(),
        None => text,
    }
}
