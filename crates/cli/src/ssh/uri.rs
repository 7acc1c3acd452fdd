//! Destinations: `[user@]host` and `ssh://[user@]host[:port]`.

/// What a destination says.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Destination {
    /// The account.
    pub(crate) user: Option<String>,
    /// The host as written, brackets removed.
    pub(crate) host: String,
    /// The port, only in a URI.
    pub(crate) port: Option<u16>,
}

/// Parses a destination; `None` if it is not one.
pub(crate) fn parse(text: &str) -> Option<Destination> {
    if let Some(rest) = text.strip_prefix("ssh://") {
        return parse_uri(rest);
    }
    let (user, host) = match text.rsplit_once('@') {
        Some(("", _)) => return None,
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, text),
    };
    (!host.is_empty()).then(|| Destination {
        user,
        host: host.to_owned(),
        port: None,
    })
}

/// The part after `ssh://`. A path is an error, a single `/` is not.
fn parse_uri(rest: &str) -> Option<Destination> {
    let authority = match rest.split_once('/') {
        None => rest,
        Some((authority, "")) => authority,
        Some(_) => return None,
    };
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => {
            // Connection parameters (";fingerprint=..") are allowed by the draft and unused.
            let user = decode_text(user.split(';').next().unwrap_or_default())?;
            if user.is_empty() {
                return None;
            }
            (Some(user), place)
        }
        None => (None, authority),
    };
    let (host, port) = if let Some(v6) = place.strip_prefix('[') {
        let (host, after) = v6.split_once(']')?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return None,
        }
    } else {
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(parse_port(port)?),
    };
    let host = decode_text(host)?;
    (!host.is_empty()).then_some(Destination { user, host, port })
}

/// A port: digits only, 1 to 65535.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|p| *p != 0)
}

/// [`decode`] for what must be text.
fn decode_text(text: &str) -> Option<String> {
    String::from_utf8(decode(text)?).ok()
}

/// Undoes percent-encoding; `None` if it is broken or hides a NUL.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let hex = |b: u8| char::from(b).to_digit(16);
        let value = hex(bytes.next()?)? * 16 + hex(bytes.next()?)?;
        match u8::try_from(value).ok()? {
            0 => return None,
            b => out.push(b),
        }
    }
    Some(out)
}

/// Whether a host name is free of what a shell or an option parser might act
/// on, since it is put into commands.
pub(crate) fn is_safe_host(host: &str) -> bool {
    !host.starts_with('-')
        && !host
            .chars()
            .any(|c| "'`\"$\\;&<>|(){}".contains(c) || c.is_whitespace() || c.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        for (text, user, host, port) in [
            ("h", None, "h", None),
            ("u@h", Some("u"), "h", None),
            ("u@x@h", Some("u@x"), "h", None),
            ("fe80::1%eth0", None, "fe80::1%eth0", None),
            ("ssh://h", None, "h", None),
            ("ssh://u@h:22/", Some("u"), "h", Some(22)),
            ("ssh://u%40x@[::1]:2222", Some("u@x"), "::1", Some(2222)),
            ("ssh://u;x=y@h", Some("u"), "h", None),
            ("ssh://[::1]", None, "::1", None),
        ] {
            let want = Destination {
                user: user.map(str::to_owned),
                host: host.into(),
                port,
            };
            assert_eq!(parse(text), Some(want), "{text}");
        }
    }

    #[test]
    fn bad_destinations() {
        for text in [
            "",
            "@h",
            "u@",
            "ssh://",
            "ssh://@h",
            "ssh://h/path",
            "ssh://h:0",
            "ssh://h:65536",
            "ssh://h:x",
            "ssh://[::1",
            "ssh://[::1]x",
            "ssh://%zz@h",
            "ssh://%00@h",
            "ssh://h%4",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn ports() {
        for (text, want) in [
            ("1", Some(1)),
            ("65535", Some(65535)),
            ("22222", Some(22222)),
        ] {
            assert_eq!(parse_port(text), want);
        }
        for text in [
            "0", "65536", "131073", "2000blah", "blah2000", "", "+1", "-1", " 1",
        ] {
            assert_eq!(parse_port(text), None, "{text}");
        }
    }

    #[test]
    fn names_that_a_shell_would_act_on() {
        for host in ["h", "10.0.0.1", "fe80::1%eth0", "a_b.c"] {
            assert!(is_safe_host(host), "{host}");
        }
        for host in ["-oProxyCommand=x", "a;b", "a b", "$(x)", "`x`", "a\u{7}"] {
            assert!(!is_safe_host(host), "{host}");
        }
    }
}
