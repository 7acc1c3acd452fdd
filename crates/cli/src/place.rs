//! Where the file programs copy from and to: a path here, `[user@]host:path`,
//! or a URI such as `scp://[user@]host[:port][/path]`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::ssh::uri;

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A path on this machine.
    Local(OsString),
    /// A path elsewhere.
    Remote(Remote),
}

/// A path on another machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Remote {
    pub(crate) user: Option<OsString>,
    /// Without brackets.
    pub(crate) host: OsString,
    /// Only a URI has one.
    pub(crate) port: Option<u16>,
    /// Bytes, as they are to the file system there; never empty: `.` is where
    /// one arrives.
    pub(crate) path: Vec<u8>,
}

/// Begins like a URI and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidUri;

impl Place {
    /// Reads one, with URIs of this scheme (`scp`, `sftp`).
    pub(crate) fn parse(text: &OsStr, scheme: &str) -> Result<Self, InvalidUri> {
        let bytes = text.as_bytes();
        let rest = bytes.strip_prefix(scheme.as_bytes());
        if let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b"://")) {
            return Remote::from_uri(rest).map(Self::Remote).ok_or(InvalidUri);
        }
        Ok(match colon(bytes) {
            Some(at) => Self::Remote(Remote::from_parts(&bytes[..at], &bytes[at + 1..])),
            None => Self::Local(text.to_owned()),
        })
    }
}

impl Remote {
    /// `[user@]host` and a path.
    pub(crate) fn from_parts(who: &[u8], path: &[u8]) -> Self {
        let (user, host) = match who.iter().rposition(|b| *b == b'@') {
            Some(at) => (&who[..at], &who[at + 1..]),
            None => (&b""[..], who),
        };
        Self {
            user: (!user.is_empty()).then(|| os(user)),
            host: os(without_brackets(host)),
            port: None,
            path: or_dot(path.to_vec()),
        }
    }

    /// What follows `scheme://`.
    fn from_uri(rest: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(rest).ok()?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.ends_with(':') {
            return None;
        }
        let to = uri::parse(&format!("ssh://{authority}"))?;
        let plain = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
        if to.host.starts_with('-') || !to.host.chars().all(plain) {
            return None;
        }
        Some(Self {
            user: to.user.map(OsString::from),
            host: to.host.into(),
            port: to.port,
            path: or_dot(uri::decode(path)?),
        })
    }
}

/// Where the colon stands that ends a host: before any slash, not first, and
/// outside of brackets that hold an address.
fn colon(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b':') {
        return None;
    }
    let mut bracketed = text.first() == Some(&b'[');
    for (at, byte) in text.iter().enumerate() {
        match (byte, text.get(at + 1)) {
            (b'@', Some(b'[')) => bracketed = true,
            (b']', Some(b':')) if bracketed => return Some(at + 1),
            (b':', _) if !bracketed => return Some(at),
            (b'/', _) => return None,
            _ => {}
        }
    }
    None
}

fn without_brackets(host: &[u8]) -> &[u8] {
    match host {
        [b'[', inner @ .., b']'] => inner,
        _ => host,
    }
}

fn or_dot(path: Vec<u8>) -> Vec<u8> {
    if path.is_empty() { b".".into() } else { path }
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Place, InvalidUri> {
        Place::parse(text.as_ref(), "scp")
    }

    fn remote(user: Option<&str>, host: &str, port: Option<u16>, path: &str) -> Place {
        Place::Remote(Remote {
            user: user.map(OsString::from),
            host: host.into(),
            port,
            path: path.into(),
        })
    }

    #[test]
    fn a_host_ends_at_its_colon() {
        for (text, want) in [
            ("h:", remote(None, "h", None, ".")),
            ("h:x", remote(None, "h", None, "x")),
            ("h:a:b/c", remote(None, "h", None, "a:b/c")),
            ("u@h:x", remote(Some("u"), "h", None, "x")),
            ("u@v@h:x", remote(Some("u@v"), "h", None, "x")),
            ("@h:x", remote(None, "h", None, "x")),
            ("[::1]:x", remote(None, "::1", None, "x")),
            ("u@[::1]:x", remote(Some("u"), "::1", None, "x")),
            ("h[1]:x", remote(None, "h[1]", None, "x")),
            ("scp:/h/x", remote(None, "scp", None, "/h/x")),
            ("SCP://h/x", remote(None, "SCP", None, "//h/x")),
            (
                "-oProxyCommand=x:",
                remote(None, "-oProxyCommand=x", None, "."),
            ),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_here() {
        for text in [
            "x", "./a:b", "/a:b", "a/b:c", ":x", "[::1:x", "u@[h:x", "", "u@h",
        ] {
            assert_eq!(parse(text), Ok(Place::Local(text.into())), "{text}");
        }
    }

    #[test]
    fn uris() {
        for (text, want) in [
            ("scp://h", remote(None, "h", None, ".")),
            ("scp://h/", remote(None, "h", None, ".")),
            ("scp://h//", remote(None, "h", None, "/")),
            ("scp://h//a/b", remote(None, "h", None, "/a/b")),
            ("scp://u@h:33/x", remote(Some("u"), "h", Some(33), "x")),
            (
                "scp://u%40x@h/a%20b%2fc",
                remote(Some("u@x"), "h", None, "a b/c"),
            ),
            ("scp://u;fp=1@h_a/x", remote(Some("u"), "h_a", None, "x")),
            ("scp://[::1]:33/x", remote(None, "::1", Some(33), "x")),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
        for text in [
            "scp://",
            "scp:///x",
            "scp://h:0/x",
            "scp://h:/x",
            "scp://h:99999",
            "scp://@h/x",
            "scp://h/%2",
            "scp://h/%00",
            "scp://h?a/x",
            "scp://h a/x",
            "scp://-oProxyCommand=x/",
        ] {
            assert_eq!(parse(text), Err(InvalidUri), "{text}");
        }
        let path = Place::parse("scp://h/%ff".as_ref(), "scp").unwrap();
        assert!(matches!(path, Place::Remote(r) if r.path == [0xff]));
        assert_eq!(
            Place::parse("sftp://h/x".as_ref(), "sftp"),
            Ok(remote(None, "h", None, "x"))
        );
    }
}
