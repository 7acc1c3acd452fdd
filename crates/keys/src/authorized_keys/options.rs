//! The options of an authorized key, typed.

use core::fmt;

use super::lexer::{self, LexError};
use super::time::{CivilTime, parse_time};

/// Most `environment` and most `permitopen`/`permitlisten` options.
const LIST_MAX: usize = 1024;
/// Longest host in a permission, as in OpenSSH (`NI_MAXHOST`).
const HOST_MAX: usize = 1024;

/// What a key's options permit and demand. Begins as "everything permitted".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `restrict` was given.
    pub restricted: bool,
    /// `cert-authority`: the key signs certificates and does not log in.
    pub cert_authority: bool,
    /// TCP and stream-local forwarding are permitted.
    pub port_forwarding: bool,
    /// Agent forwarding is permitted.
    pub agent_forwarding: bool,
    /// X11 forwarding is permitted.
    pub x11_forwarding: bool,
    /// A pty is permitted.
    pub pty: bool,
    /// `~/.ssh/rc` is run.
    pub user_rc: bool,
    /// A security key must have been touched.
    pub touch_required: bool,
    /// A security key must have verified its user.
    pub verify_required: bool,
    /// `command`: run in place of what was asked for.
    pub command: Option<Vec<u8>>,
    /// `principals`: a comma-separated list.
    pub principals: Option<String>,
    /// `from`: a list of host patterns and networks.
    pub from: Option<String>,
    /// `expiry-time`: all that were given; the earliest counts.
    pub expiry: Vec<CivilTime>,
    /// `environment`: name and value; the first of a name counts.
    pub environment: Vec<(String, Vec<u8>)>,
    /// `permitopen`.
    pub permit_open: Vec<Permit>,
    /// `permitlisten`.
    pub permit_listen: Vec<Permit>,
    /// `tunnel`.
    pub tunnel: Option<Tunnel>,
}

/// Where forwarding may go or listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// A host, or `*`.
    pub host: String,
    /// A port; `None` for any.
    pub port: Option<u16>,
}

/// Which tunnel device is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// The next that is free.
    Any,
    /// This one.
    Device(u32),
}

/// Why a key's options are refused, and the key with them. Shown in
/// OpenSSH's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// The field's syntax is wrong.
    Syntax(&'static str),
    /// No such option.
    Unknown {
        /// What was written.
        name: String,
    },
    /// The same option twice, where once is all.
    Repeated {
        /// The option's name.
        name: &'static str,
    },
    /// A value that the option cannot have.
    BadValue {
        /// The option's name.
        name: &'static str,
    },
    /// More than are accepted.
    TooMany {
        /// The option's name.
        name: &'static str,
    },
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(what) => f.write_str(what),
            Self::Unknown { .. } => f.write_str("unknown key option"),
            Self::Repeated { name } => write!(f, "multiple \"{name}\" clauses"),
            Self::BadValue { name } => f.write_str(match *name {
                "expiry-time" => "invalid expires time",
                "environment" => "invalid environment string",
                "permitopen" | "permitlisten" => "invalid permission",
                "tunnel" => "invalid tun device",
                _ => "invalid value",
            }),
            Self::TooMany { name } => f.write_str(match *name {
                "environment" => "too many environment strings",
                "expiry-time" => "too many expiry times",
                _ => "too many permission directives",
            }),
        }
    }
}

impl core::error::Error for OptionError {}

impl From<LexError> for OptionError {
    fn from(e: LexError) -> Self {
        Self::Syntax(e.words())
    }
}

/// Flags by their name; those marked may be negated by `no-`.
const FLAGS: [(&str, bool); 9] = [
    ("restrict", false),
    ("cert-authority", false),
    ("port-forwarding", true),
    ("agent-forwarding", true),
    ("x11-forwarding", true),
    ("touch-required", true),
    ("verify-required", true),
    ("pty", true),
    ("user-rc", true),
];

/// Options that have a value.
const VALUES: [&str; 8] = [
    "command",
    "principals",
    "from",
    "expiry-time",
    "environment",
    "permitopen",
    "permitlisten",
    "tunnel",
];

impl Default for Options {
    fn default() -> Self {
        Self {
            restricted: false,
            cert_authority: false,
            port_forwarding: true,
            agent_forwarding: true,
            x11_forwarding: true,
            pty: true,
            user_rc: true,
            touch_required: true,
            verify_required: false,
            command: None,
            principals: None,
            from: None,
            expiry: Vec::new(),
            environment: Vec::new(),
            permit_open: Vec::new(),
            permit_listen: Vec::new(),
            tunnel: None,
        }
    }
}

impl Options {
    /// Reads an options field, up to its first blank outside quotes. Any
    /// option that is not known is an error, so that no restriction is ever
    /// dropped in silence.
    pub fn parse(field: &[u8]) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut field = field;
        // OpenSSH takes these where a blank follows, as one does in a line.
        while let Some(rest) = field.strip_suffix(b",") {
            field = rest;
        }
        for word in lexer::words(field)? {
            let text = core::str::from_utf8(word.name).unwrap_or("");
            let unknown = || OptionError::Unknown {
                name: String::from_utf8_lossy(word.name)
                    .chars()
                    .take(64)
                    .collect(),
            };
            match word.value {
                None => {
                    let (name, on) = find_flag(text).ok_or_else(unknown)?;
                    options.set_flag(name, on);
                }
                Some(value) => {
                    let mut names = VALUES.into_iter();
                    let name = names
                        .find(|n| n.eq_ignore_ascii_case(text))
                        .ok_or_else(unknown)?;
                    options.set_value(name, value)?;
                }
            }
        }
        Ok(options)
    }

    fn set_flag(&mut self, name: &str, on: bool) {
        match name {
            "restrict" => {
                self.restricted = true;
                self.port_forwarding = false;
                self.agent_forwarding = false;
                self.x11_forwarding = false;
                self.pty = false;
                self.user_rc = false;
            }
            "cert-authority" => self.cert_authority = on,
            "port-forwarding" => self.port_forwarding = on,
            "agent-forwarding" => self.agent_forwarding = on,
            "x11-forwarding" => self.x11_forwarding = on,
            "touch-required" => self.touch_required = on,
            "verify-required" => self.verify_required = on,
            "pty" => self.pty = on,
            _ => self.user_rc = on,
        }
    }

    fn set_value(&mut self, name: &'static str, value: Vec<u8>) -> Result<(), OptionError> {
        let bad = || OptionError::BadValue { name };
        if name == "command" {
            return once(&mut self.command, value, name);
        }
        if name == "environment" {
            return self.add_environment(&value, name);
        }
        let text = String::from_utf8(value).map_err(|_| bad())?;
        match name {
            "principals" => once(&mut self.principals, text, name)?,
            "from" => once(&mut self.from, text, name)?,
            "expiry-time" => {
                below_max(self.expiry.len(), name)?;
                // 1970 itself means that there is no time.
                let time = parse_time(&text).filter(|t| t.seconds_as_utc() != 0);
                self.expiry.push(time.ok_or_else(bad)?);
            }
            "permitopen" => {
                below_max(self.permit_open.len(), name)?;
                self.permit_open.push(parse_permit(&text).ok_or_else(bad)?);
            }
            "permitlisten" => {
                below_max(self.permit_listen.len(), name)?;
                // A port alone means that port on any address.
                let full = if text.contains(':') {
                    text
                } else {
                    format!("*:{text}")
                };
                self.permit_listen
                    .push(parse_permit(&full).ok_or_else(bad)?);
            }
            _ => self.tunnel = Some(parse_tunnel(&text).ok_or_else(bad)?),
        }
        Ok(())
    }

    fn add_environment(&mut self, value: &[u8], name: &'static str) -> Result<(), OptionError> {
        below_max(self.environment.len(), name)?;
        let bad = || OptionError::BadValue { name };
        let at = value.iter().position(|b| *b == b'=').ok_or_else(bad)?;
        let (variable, value) = value.split_at_checked(at).ok_or_else(bad)?;
        let sound = !variable.is_empty()
            && variable
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if !sound {
            return Err(bad());
        }
        let variable = String::from_utf8_lossy(variable).into_owned();
        let value = value.strip_prefix(b"=").unwrap_or_default().to_vec();
        if self
            .environment
            .iter()
            .all(|(earlier, _)| *earlier != variable)
        {
            self.environment.push((variable, value));
        }
        Ok(())
    }
}

fn find_flag(text: &str) -> Option<(&'static str, bool)> {
    let negated = text
        .get(..3)
        .filter(|start| start.eq_ignore_ascii_case("no-"));
    let (text, on) = match negated {
        Some(_) => (text.get(3..)?, false),
        None => (text, true),
    };
    let (name, negatable) = FLAGS
        .into_iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(text))?;
    (on || negatable).then_some((name, on))
}

fn once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), OptionError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(OptionError::Repeated { name }),
    }
}

fn below_max(len: usize, name: &'static str) -> Result<(), OptionError> {
    if len < LIST_MAX {
        Ok(())
    } else {
        Err(OptionError::TooMany { name })
    }
}

/// `HOST:PORT`, `[HOST]:PORT`, either of them `*`.
fn parse_permit(text: &str) -> Option<Permit> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => text.split_once(':')?,
    };
    if host.is_empty() || host.len() >= HOST_MAX {
        return None;
    }
    let port = match port {
        "*" => None,
        digits => Some(digits.parse().ok().filter(|p| *p > 0)?),
    };
    Some(Permit {
        host: host.to_owned(),
        port,
    })
}

fn parse_tunnel(text: &str) -> Option<Tunnel> {
    /// The largest device number that is one, as in OpenSSH.
    const DEVICE_MAX: u32 = 0x7fff_fffd;
    if text.eq_ignore_ascii_case("any") {
        return Some(Tunnel::Any);
    }
    text.parse()
        .ok()
        .filter(|n| *n <= DEVICE_MAX)
        .map(Tunnel::Device)
}
