//! What the master answers.

use super::{Hello, string};
use crate::{DecodeError, Encode, Reader, Writer};

const OK: u32 = 0x8000_0001;
const PERMISSION_DENIED: u32 = 0x8000_0002;
const FAILURE: u32 = 0x8000_0003;
const EXIT_MESSAGE: u32 = 0x8000_0004;
const ALIVE: u32 = 0x8000_0005;
const SESSION_OPENED: u32 = 0x8000_0006;
const REMOTE_PORT: u32 = 0x8000_0007;
const TTY_ALLOC_FAIL: u32 = 0x8000_0008;
const PROXY: u32 = 0x8000_000f;
const EXT_INFO: u32 = 0x9000_0001;

/// A message of the master's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// HELLO.
    Hello(Hello<'a>),
    /// OK, to the request with this id.
    Ok(u32),
    /// PERMISSION_DENIED: the user said no.
    Denied {
        /// Of the request.
        id: u32,
        /// Why.
        reason: &'a [u8],
    },
    /// FAILURE.
    Failure {
        /// Of the request.
        id: u32,
        /// Why.
        reason: &'a [u8],
    },
    /// EXIT_MESSAGE: the session's command has ended.
    Exit {
        /// The session.
        session: u32,
        /// With what.
        status: u32,
    },
    /// ALIVE.
    Alive {
        /// Of the request.
        id: u32,
        /// The master's process.
        pid: u32,
    },
    /// SESSION_OPENED.
    SessionOpened {
        /// Of the request.
        id: u32,
        /// The session's number.
        session: u32,
    },
    /// REMOTE_PORT: the server chose this one.
    RemotePort {
        /// Of the request.
        id: u32,
        /// The port.
        port: u32,
    },
    /// TTY_ALLOC_FAIL: the session has no terminal.
    TtyAllocFail {
        /// The session.
        session: u32,
    },
    /// PROXY: from here on the connection protocol.
    Proxy(u32),
    /// EXT_INFO.
    Info {
        /// Of the request.
        id: u32,
        /// Whether the question was understood.
        known: bool,
        /// The answer, or why there is none.
        text: &'a [u8],
    },
    /// Something newer, by its number.
    Unknown(u32),
}

impl<'a> Answer<'a> {
    /// Decodes a whole message, without its frame.
    pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(message);
        let number = r.u32("message type")?;
        if number == Hello::NUMBER {
            let hello = Hello::read(&mut r)?;
            return r.finish().map(|()| Self::Hello(hello));
        }
        let id = r.u32("id")?;
        let answer = match number {
            OK => Self::Ok(id),
            PERMISSION_DENIED => Self::Denied {
                id,
                reason: string(&mut r, "reason")?,
            },
            FAILURE => Self::Failure {
                id,
                reason: string(&mut r, "reason")?,
            },
            EXIT_MESSAGE => Self::Exit {
                session: id,
                status: r.u32("exit value")?,
            },
            ALIVE => Self::Alive {
                id,
                pid: r.u32("process")?,
            },
            SESSION_OPENED => Self::SessionOpened {
                id,
                session: r.u32("session id")?,
            },
            REMOTE_PORT => Self::RemotePort {
                id,
                port: r.u32("port")?,
            },
            TTY_ALLOC_FAIL => Self::TtyAllocFail { session: id },
            PROXY => Self::Proxy(id),
            EXT_INFO => Self::Info {
                id,
                known: r.u32("status")? != 0,
                text: string(&mut r, "information")?,
            },
            number => return Ok(Self::Unknown(number)),
        };
        r.finish().map(|()| answer)
    }
}

impl Encode for Answer<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        let mut numbers = |numbers: &[u32]| numbers.iter().for_each(|n| w.u32(*n));
        match self {
            Self::Hello(hello) => hello.write(w),
            Self::Ok(id) => numbers(&[OK, *id]),
            Self::Denied { id, reason } => {
                numbers(&[PERMISSION_DENIED, *id]);
                w.string(reason);
            }
            Self::Failure { id, reason } => {
                numbers(&[FAILURE, *id]);
                w.string(reason);
            }
            Self::Exit { session, status } => numbers(&[EXIT_MESSAGE, *session, *status]),
            Self::Alive { id, pid } => numbers(&[ALIVE, *id, *pid]),
            Self::SessionOpened { id, session } => numbers(&[SESSION_OPENED, *id, *session]),
            Self::RemotePort { id, port } => numbers(&[REMOTE_PORT, *id, *port]),
            Self::TtyAllocFail { session } => numbers(&[TTY_ALLOC_FAIL, *session]),
            Self::Proxy(id) => numbers(&[PROXY, *id]),
            Self::Info { id, known, text } => {
                numbers(&[EXT_INFO, *id, u32::from(*known)]);
                w.string(text);
            }
            Self::Unknown(number) => numbers(&[*number, 0]),
        }
    }
}
