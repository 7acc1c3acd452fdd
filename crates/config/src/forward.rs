//! Forwarding specifications, `ssh://` URIs, jump hosts and `host:port`.

use crate::hooks::Hooks;
use crate::tokens;
use crate::types::{Endpoint, Forward, JumpHost, ProxyJump, Target};
use crate::value;

/// Longest host name (NI_MAXHOST) and socket path (sun_path).
const MAX_HOST: usize = 1025;
const MAX_PATH: usize = 108;

/// What kind of forwarding a specification is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardKind {
    /// `-L`.
    Local,
    /// `-R` with a target.
    Remote,
    /// `-D`.
    Dynamic,
    /// `-R` without a target: SOCKS at the far end.
    RemoteDynamic,
}

struct Field {
    text: String,
    is_path: bool,
}

/// Cuts one field off, up to a colon; `[...]` is literal, `\` escapes.
fn field(text: &str) -> Option<(Field, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let next = match after.strip_prefix(':') {
            Some(next) => Some(next),
            None if after.is_empty() => None,
            None => return None,
        };
        let is_path = inside.contains('/');
        return Some((
            Field {
                text: inside.to_owned(),
                is_path,
            },
            next,
        ));
    }
    let mut out = String::new();
    let mut is_path = false;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?.1),
            ':' => return Some((Field { text: out, is_path }, text.get(at + 1..))),
            c => {
                is_path |= c == '/';
                out.push(c);
            }
        }
    }
    Some((Field { text: out, is_path }, None))
}

fn tcp(host: Option<&Field>, port: &Field, hooks: &dyn Hooks) -> Option<Endpoint> {
    let port = value::port(&port.text, hooks)?;
    let host = host.map(|h| h.text.clone());
    if host.as_ref().is_some_and(|h| h.len() >= MAX_HOST) {
        return None;
    }
    Some(Endpoint::Tcp { host, port })
}

fn unix(path: &Field) -> Option<Endpoint> {
    (path.text.len() < MAX_PATH).then(|| Endpoint::Unix {
        path: path.text.clone(),
    })
}

/// Reads `[bind:]port:host:hostport`, with paths for Unix sockets, or
/// `[bind:]port` for the dynamic kinds. `${VAR}` is expanded first.
pub fn forward(spec: &str, kind: ForwardKind, hooks: &dyn Hooks) -> Option<Forward> {
    let spec = tokens::expand_env(spec, &|name| hooks.env(name)).ok()?;
    let mut rest = Some(spec.trim_start());
    let mut fields = Vec::new();
    while let Some(text) = rest.filter(|t| !t.is_empty()) {
        if fields.len() == 4 {
            return None;
        }
        let (next, after) = field(text)?;
        fields.push(next);
        rest = after;
    }
    let dynamic = matches!(kind, ForwardKind::Dynamic | ForwardKind::RemoteDynamic);
    let forward = if dynamic {
        let listen = match fields.as_slice() {
            [one] if one.is_path => unix(one)?,
            [one] => tcp(None, one, hooks)?,
            [host, port] if !host.is_path && !port.is_path => tcp(Some(host), port, hooks)?,
            _ => return None,
        };
        Forward {
            listen,
            connect: Target::Socks,
        }
    } else {
        let (listen, connect) = match fields.as_slice() {
            [a, b] if a.is_path && b.is_path => (unix(a)?, unix(b)?),
            [a, b] if b.is_path => (tcp(None, a, hooks)?, unix(b)?),
            [a, b, c] if a.is_path => (unix(a)?, tcp(Some(b), c, hooks)?),
            [a, b, c] if c.is_path => (tcp(Some(a), b, hooks)?, unix(c)?),
            [a, b, c] => (tcp(None, a, hooks)?, tcp(Some(b), c, hooks)?),
            [a, b, c, d] => (tcp(Some(a), b, hooks)?, tcp(Some(c), d, hooks)?),
            _ => return None,
        };
        if matches!(connect, Endpoint::Tcp { port: 0, .. }) {
            return None;
        }
        Forward {
            listen,
            connect: Target::To(connect),
        }
    };
    let remote = matches!(kind, ForwardKind::Remote | ForwardKind::RemoteDynamic);
    if !remote && matches!(forward.listen, Endpoint::Tcp { port: 0, .. }) {
        return None;
    }
    Some(forward)
}

/// `host`, `host:port`, `[addr]:port`: the host without brackets, and the
/// text after the colon. `None` if a bracket stays open or a `/` stands there.
pub(crate) fn host_and_rest(text: &str) -> Option<(&str, Option<&str>)> {
    let (host, after) = if text.starts_with('[') {
        let end = text.find(']')? + 1;
        text.split_at_checked(end)?
    } else {
        let end = text.find([':', '/']).unwrap_or(text.len());
        text.split_at(end)
    };
    let rest = match after.strip_prefix(':') {
        Some(rest) => Some(rest),
        None if after.is_empty() => None,
        None => return None,
    };
    Some((unbracketed(host), rest))
}

/// A place as PermitOpen, PermitListen and PermitRemoteOpen name it: `host:port`
/// with its host without brackets, and 0 for the port `*`.
pub fn permitted_place(text: &str, hooks: &dyn Hooks) -> Option<(String, u32)> {
    let (host, port) = host_and_rest(text)?;
    let port = match port? {
        "*" => 0,
        port => u32::from(value::real_port(port, hooks)?),
    };
    Some((host.to_owned(), port))
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host)
}

/// `[user@]host[:port]`.
pub fn user_host_port(text: &str, hooks: &dyn Hooks) -> Option<JumpHost> {
    let (user, place) = match text.rsplit_once('@') {
        Some(("", _)) => return None,
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, text),
    };
    let (host, rest) = host_and_rest(place)?;
    if host.is_empty() {
        return None;
    }
    let port = match rest {
        None | Some("") => None,
        Some(port) => Some(value::real_port(port, hooks)?),
    };
    Some(JumpHost {
        user,
        host: host.to_owned(),
        port,
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

/// What a text is that may be a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri {
    /// Not of this scheme.
    Other,
    /// Of this scheme, but wrong.
    Bad,
    /// The place, and the path after it (never for `ssh://`).
    Place(JumpHost, Option<String>),
}

/// Reads `scheme://[user[;params]@]host[:port][/path]`; with the scheme `ssh`
/// a path is an error.
pub fn uri(scheme: &str, text: &str, hooks: &dyn Hooks) -> Uri {
    let Some(rest) = text
        .strip_prefix(scheme)
        .and_then(|t| t.strip_prefix("://"))
    else {
        return Uri::Other;
    };
    match uri_place(rest, hooks) {
        Some((_, Some(_))) if scheme == "ssh" => Uri::Bad,
        Some((place, path)) => Uri::Place(place, path),
        None => Uri::Bad,
    }
}

fn uri_place(text: &str, hooks: &dyn Hooks) -> Option<(JumpHost, Option<String>)> {
    let (user, place) = match text.split_once('@') {
        Some((info, place)) => {
            let name = info.split(';').next().filter(|n| !n.is_empty())?;
            (Some(percent_decoded(name)?), place)
        }
        None => (None, text),
    };
    let (place, path) = match place.split_once('/') {
        Some((place, path)) => (place, path),
        None => (place, ""),
    };
    let (host, rest) = host_and_rest(place)?;
    // Names are checked; addresses stand in brackets.
    let bracketed = place.starts_with('[');
    if host.is_empty() || (!bracketed && value::domain(host).is_err()) {
        return None;
    }
    let port = match rest {
        None | Some("") => None,
        Some(port) => Some(value::real_port(port, hooks)?),
    };
    let path = if path.is_empty() {
        None
    } else {
        Some(percent_decoded(path)?)
    };
    Some((
        JumpHost {
            user,
            host: host.to_owned(),
            port,
        },
        path,
    ))
}

/// Reads the hosts of ProxyJump; `None` if one of them is wrong. `strict`
/// (for the command line) refuses names that a shell could take apart.
pub fn proxy_jump(text: &str, strict: bool, hooks: &dyn Hooks) -> Option<ProxyJump> {
    let text = text.split('#').next().unwrap_or("").trim_end();
    let mut last = None;
    for part in text.split(',') {
        let host = match uri("ssh", part, hooks) {
            Uri::Place(host, _) => host,
            Uri::Other => user_host_port(part, hooks)?,
            Uri::Bad => return None,
        };
        let fine =
            is_valid_hostname(&host.host) && host.user.as_deref().is_none_or(is_valid_remote_user);
        if strict && !fine {
            return None;
        }
        last = Some(host);
    }
    let before = text.rsplit_once(',').map(|(before, _)| before.to_owned());
    Some(ProxyJump {
        last: last?,
        before,
    })
}

/// Whether a host name is safe to stand in a command.
pub fn is_valid_hostname(name: &str) -> bool {
    const BAD: &str = "'`\"$\\;&<>|(){},";
    !name.starts_with('-')
        && !name.chars().any(|c| {
            BAD.contains(c) || c.is_ascii_whitespace() || c == '\x0b' || c.is_ascii_control()
        })
}

/// Whether a remote user name is safe to stand in a command.
pub fn is_valid_remote_user(name: &str) -> bool {
    const BAD: &str = "'`\";&<>|(){}";
    let after_blank = name
        .as_bytes()
        .windows(2)
        .any(|w| matches!(w, [b' ', b'-']));
    !name.starts_with('-')
        && !name.ends_with('\\')
        && !after_blank
        && !name
            .chars()
            .any(|c| BAD.contains(c) || c.is_ascii_control())
}
