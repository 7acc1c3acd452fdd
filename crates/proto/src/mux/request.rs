//! Channel requests as owned values (RFC 4254 section 6, and OpenSSH's).

use carrick_wire::Text;
use carrick_wire::msg::connection::RequestBody;

use super::MuxFault;
use super::text::{lossy, text};

/// A request on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `pty-req` (RFC 4254 section 6.2).
    Pty {
        /// `TERM`.
        term: String,
        /// The terminal's size.
        size: PtySize,
        /// Encoded terminal modes (RFC 4254 section 8).
        modes: Vec<u8>,
    },
    /// `x11-req` (RFC 4254 section 6.3.1).
    X11 {
        /// Only one connection is to be forwarded.
        single: bool,
        /// Authentication protocol, such as `MIT-MAGIC-COOKIE-1`.
        protocol: String,
        /// Authentication cookie, in hex.
        cookie: Vec<u8>,
        /// Screen number.
        screen: u32,
    },
    /// `env` (RFC 4254 section 6.4).
    Env {
        /// The variable's name.
        name: String,
        /// The variable's value.
        value: Vec<u8>,
    },
    /// `shell` (RFC 4254 section 6.5).
    Shell,
    /// `exec` (RFC 4254 section 6.5).
    Exec {
        /// The command line, for the user's shell.
        command: Vec<u8>,
    },
    /// `subsystem` (RFC 4254 section 6.5).
    Subsystem {
        /// Its name, such as `sftp`.
        name: String,
    },
    /// `window-change` (RFC 4254 section 6.7).
    WindowChange(PtySize),
    /// `xon-xoff` (RFC 4254 section 6.8).
    XonXoff {
        /// The client may handle flow control keys itself.
        client_can_do: bool,
    },
    /// `signal` (RFC 4254 section 6.9), without the `SIG`.
    Signal {
        /// Such as `TERM`.
        name: String,
    },
    /// `exit-status` (RFC 4254 section 6.10).
    ExitStatus {
        /// What the command returned.
        code: u32,
    },
    /// `exit-signal` (RFC 4254 section 6.10).
    ExitSignal {
        /// Such as `KILL`.
        name: String,
        /// A core file was written.
        core_dumped: bool,
        /// More about it, for people.
        message: String,
        /// Language of `message` (RFC 3066).
        language: String,
    },
    /// `break` (RFC 4335).
    Break {
        /// How long, in milliseconds.
        ms: u32,
    },
    /// `eow@openssh.com`: the sender reads no more from this channel.
    EndOfWrite,
    /// `auth-agent-req@openssh.com`: forward my agent to this session.
    AuthAgent,
    /// `agent-req`: the same by its RFC name (RFC 9987).
    AgentReq,
    /// `keepalive@openssh.com`: never an event, as it is answered here.
    Keepalive,
    /// A request that this crate has no type for.
    Unknown {
        /// Its name.
        name: String,
        /// What followed, undecoded.
        body: Vec<u8>,
    },
}

/// The size of a terminal; zero means "not given".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PtySize {
    /// Columns of characters.
    pub cols: u32,
    /// Rows of characters.
    pub rows: u32,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
}

impl Request {
    /// The request as an owned value, its texts within bounds. Commands,
    /// values of variables and terminal modes are bounded by the packet alone.
    pub(super) fn from_wire(body: &RequestBody<'_>) -> Result<Self, MuxFault> {
        Ok(match *body {
            RequestBody::PtyReq {
                term,
                cols,
                rows,
                width_px,
                height_px,
                modes,
            } => Self::Pty {
                term: text("terminal type", term)?,
                size: PtySize {
                    cols,
                    rows,
                    width_px,
                    height_px,
                },
                modes: modes.to_vec(),
            },
            RequestBody::X11Req {
                single,
                protocol,
                cookie,
                screen,
            } => Self::X11 {
                single,
                protocol: text("x11 protocol", protocol)?,
                cookie: cookie.to_vec(),
                screen,
            },
            RequestBody::Env { name, value } => Self::Env {
                name: text("name of a variable", name)?,
                value: value.to_vec(),
            },
            RequestBody::Shell => Self::Shell,
            RequestBody::Exec { command } => Self::Exec {
                command: command.to_vec(),
            },
            RequestBody::Subsystem { name } => Self::Subsystem {
                name: text("subsystem", name)?,
            },
            RequestBody::WindowChange {
                cols,
                rows,
                width_px,
                height_px,
            } => Self::WindowChange(PtySize {
                cols,
                rows,
                width_px,
                height_px,
            }),
            RequestBody::XonXoff { client_can_do } => Self::XonXoff { client_can_do },
            RequestBody::Signal { name } => Self::Signal {
                name: text("signal name", name)?,
            },
            RequestBody::ExitStatus { code } => Self::ExitStatus { code },
            RequestBody::ExitSignal {
                name,
                core_dumped,
                message,
                language,
            } => Self::ExitSignal {
                name: text("signal name", name)?,
                core_dumped,
                message: lossy("signal message", message)?,
                language: text("language tag", language)?,
            },
            RequestBody::Break { ms } => Self::Break { ms },
            RequestBody::Eow => Self::EndOfWrite,
            RequestBody::AuthAgentReq => Self::AuthAgent,
            RequestBody::AgentReq => Self::AgentReq,
            RequestBody::Keepalive => Self::Keepalive,
            RequestBody::Unknown { name, body } => Self::Unknown {
                name: text("request name", name)?,
                body: body.to_vec(),
            },
        })
    }

    /// The request as it goes into a message.
    pub(super) fn to_wire(&self) -> RequestBody<'_> {
        match self {
            Self::Pty { term, size, modes } => RequestBody::PtyReq {
                term,
                cols: size.cols,
                rows: size.rows,
                width_px: size.width_px,
                height_px: size.height_px,
                modes,
            },
            Self::X11 {
                single,
                protocol,
                cookie,
                screen,
            } => RequestBody::X11Req {
                single: *single,
                protocol,
                cookie,
                screen: *screen,
            },
            Self::Env { name, value } => RequestBody::Env { name, value },
            Self::Shell => RequestBody::Shell,
            Self::Exec { command } => RequestBody::Exec { command },
            Self::Subsystem { name } => RequestBody::Subsystem { name },
            Self::WindowChange(size) => RequestBody::WindowChange {
                cols: size.cols,
                rows: size.rows,
                width_px: size.width_px,
                height_px: size.height_px,
            },
            Self::XonXoff { client_can_do } => RequestBody::XonXoff {
                client_can_do: *client_can_do,
            },
            Self::Signal { name } => RequestBody::Signal { name },
            Self::ExitStatus { code } => RequestBody::ExitStatus { code: *code },
            Self::ExitSignal {
                name,
                core_dumped,
                message,
                language,
            } => RequestBody::ExitSignal {
                name,
                core_dumped: *core_dumped,
                message: Text::new(message),
                language,
            },
            Self::Break { ms } => RequestBody::Break { ms: *ms },
            Self::EndOfWrite => RequestBody::Eow,
            Self::AuthAgent => RequestBody::AuthAgentReq,
            Self::AgentReq => RequestBody::AgentReq,
            Self::Keepalive => RequestBody::Keepalive,
            Self::Unknown { name, body } => RequestBody::Unknown { name, body },
        }
    }
}
