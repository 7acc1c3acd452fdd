//! A system without anything on it, for the parsers of configuration.

use std::io;

use carrick_config::hooks::{FileText, Hooks};

/// The file to read, `/config`, and one for it to include, `/included`.
#[derive(Debug)]
pub struct NoSystem<'a> {
    /// The file's text.
    pub text: &'a [u8],
}

impl Hooks for NoSystem<'_> {
    fn read(&self, path: &str) -> io::Result<FileText> {
        match path {
            "/config" => Ok(FileText {
                text: self.text.to_vec(),
                owner: 1000,
                mode: 0o600,
            }),
            "/included" => Ok(FileText {
                text: b"Port 23\n".to_vec(),
                owner: 1000,
                mode: 0o600,
            }),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        match directory {
            "/" => Ok(vec!["config".to_owned(), "included".to_owned()]),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/user".to_owned())
    }

    fn home(&self, _: Option<&str>) -> Option<String> {
        Some("/home/user".to_owned())
    }

    fn uid(&self) -> u32 {
        1000
    }

    fn groups(&self, user: &str) -> Option<Vec<String>> {
        (user == "user").then(|| vec!["users".to_owned(), "wheel".to_owned()])
    }
}
