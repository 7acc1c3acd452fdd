//! The text of the configuration: the main file, what it includes, and the
//! options of the command line, in a form that another process can be given.

use crate::error::Error;
use crate::hooks::{Hooks, strerror};
use std::fmt;

/// One file's name and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
}

/// What an Include pattern brought in when it was first met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Included {
    pub(super) pattern: String,
    pub(super) files: Vec<File>,
}

/// A configuration as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `-p`: ports that replace those of the file.
    pub ports: Vec<u16>,
    /// `-o` (and what other flags stand for), in order.
    pub options: Vec<String>,
    /// What `Match version` compares with.
    pub version: String,
    pub(super) main: Option<File>,
    pub(super) included: Vec<Included>,
}

/// Bytes that are no encoded source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceError;

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an encoded configuration")
    }
}

impl std::error::Error for SourceError {}

impl Source {
    /// Reads the main file; `none` stands for an empty one. Included files are
    /// read when the global section is.
    pub fn open(path: &str, hooks: &dyn Hooks) -> Result<Self, Error> {
        if path.eq_ignore_ascii_case("none") {
            return Ok(Self::default());
        }
        let text = hooks.read(path).map_err(|why| {
            let text = format!("{path}: {}", strerror(&why));
            Error {
                unreadable: true,
                ..Error::new(path, 0, text)
            }
        })?;
        Ok(Self::from_text(path, text.text))
    }

    /// A source from text at hand.
    pub fn from_text(name: &str, text: impl Into<Vec<u8>>) -> Self {
        let main = File {
            name: name.to_owned(),
            text: text.into(),
        };
        Self {
            main: Some(main),
            ..Self::default()
        }
    }

    /// Everything, includes as well, as length-prefixed fields (u32, big
    /// endian): ports, options, version, main file, included files.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        count(&mut out, self.ports.len());
        for port in &self.ports {
            out.extend_from_slice(&port.to_be_bytes());
        }
        count(&mut out, self.options.len());
        for option in &self.options {
            bytes(&mut out, option.as_bytes());
        }
        bytes(&mut out, self.version.as_bytes());
        files(&mut out, self.main.as_slice());
        count(&mut out, self.included.len());
        for included in &self.included {
            bytes(&mut out, included.pattern.as_bytes());
            files(&mut out, &included.files);
        }
        out
    }

    /// The opposite of [`Source::encode`]; nothing may be left over.
    pub fn decode(encoded: &[u8]) -> Result<Self, SourceError> {
        let mut rest = Rest(encoded);
        let mut source = Self::default();
        for _ in 0..rest.count()? {
            source.ports.push(u16::from_be_bytes(rest.array()?));
        }
        for _ in 0..rest.count()? {
            source.options.push(rest.text()?);
        }
        source.version = rest.text()?;
        source.main = rest.files()?.into_iter().next();
        for _ in 0..rest.count()? {
            let pattern = rest.text()?;
            source.included.push(Included {
                pattern,
                files: rest.files()?,
            });
        }
        if rest.0.is_empty() {
            Ok(source)
        } else {
            Err(SourceError)
        }
    }
}

fn count(out: &mut Vec<u8>, n: usize) {
    // No configuration comes near this: files are bounded when they are read.
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    out.extend_from_slice(&n.to_be_bytes());
}

fn bytes(out: &mut Vec<u8>, data: &[u8]) {
    count(out, data.len());
    out.extend_from_slice(data);
}

fn files(out: &mut Vec<u8>, list: &[File]) {
    count(out, list.len());
    for file in list {
        bytes(out, file.name.as_bytes());
        bytes(out, &file.text);
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(SourceError)?;
        self.0 = tail;
        Ok(*head)
    }

    fn count(&mut self) -> Result<usize, SourceError> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| SourceError)
    }

    fn bytes(&mut self) -> Result<&'a [u8], SourceError> {
        let len = self.count()?;
        let (head, tail) = self.0.split_at_checked(len).ok_or(SourceError)?;
        self.0 = tail;
        Ok(head)
    }

    fn text(&mut self) -> Result<String, SourceError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| SourceError)
    }

    fn files(&mut self) -> Result<Vec<File>, SourceError> {
        let mut list = Vec::new();
        for _ in 0..self.count()? {
            list.push(File {
                name: self.text()?,
                text: self.bytes()?.to_vec(),
            });
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_truncation() {
        let file = |name: &str| File {
            name: name.into(),
            text: b"Port 22\n\xff".to_vec(),
        };
        let source = Source {
            ports: vec![22, 2222],
            options: vec!["LogLevel=DEBUG".into(), String::new()],
            version: "Carrick_1".into(),
            main: Some(file("/etc/a")),
            included: vec![
                Included {
                    pattern: "/etc/*".into(),
                    files: vec![file("b"), file("c")],
                },
                Included {
                    pattern: "/none".into(),
                    files: vec![],
                },
            ],
        };
        let encoded = source.encode();
        assert_eq!(Source::decode(&encoded), Ok(source));
        for len in 0..encoded.len() {
            assert_eq!(Source::decode(&encoded[..len]), Err(SourceError), "{len}");
        }
        let mut longer = encoded;
        longer.push(0);
        assert_eq!(Source::decode(&longer), Err(SourceError));
        let empty = Source::default();
        assert_eq!(Source::decode(&empty.encode()), Ok(empty));
    }
}
