//! What passengers ask.

use super::{Hello, VARIABLES, string};
use crate::{Decode, DecodeError, Encode, Reader, Writer};

const NEW_SESSION: u32 = 0x1000_0002;
const ALIVE_CHECK: u32 = 0x1000_0004;
const TERMINATE: u32 = 0x1000_0005;
const OPEN_FWD: u32 = 0x1000_0006;
const CLOSE_FWD: u32 = 0x1000_0007;
const NEW_STDIO_FWD: u32 = 0x1000_0008;
const STOP_LISTENING: u32 = 0x1000_0009;
const PROXY: u32 = 0x1000_000f;
const EXT_INFO: u32 = 0x2000_0001;

/// The escape character of a session that has none.
const NO_ESCAPE: u32 = 0xffff_ffff;
/// The port of what is a Unix socket.
const STREAMLOCAL: u32 = 0xffff_fffe;

/// A message to the master. Each but the first has an id, which its answer
/// repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask<'a> {
    /// HELLO.
    Hello(Hello<'a>),
    /// NEW_SESSION; the passenger's standard input, output and error follow.
    NewSession(u32, NewSession<'a>),
    /// ALIVE_CHECK: who are you?
    AliveCheck(u32),
    /// TERMINATE: end the connection, and all that it carries.
    Terminate(u32),
    /// OPEN_FWD.
    OpenForward(u32, Forward<'a>),
    /// CLOSE_FWD.
    CloseForward(u32, Forward<'a>),
    /// NEW_STDIO_FWD: a connection from there to the passenger's standard
    /// input and output, which follow.
    NewStdioForward(u32, Place<'a>),
    /// STOP_LISTENING: remove the socket.
    StopListening(u32),
    /// PROXY: let me speak the connection protocol.
    Proxy(u32),
    /// EXT_INFO: tell about `connection` or `channels`.
    Info(u32, &'a [u8]),
    /// Something newer, with its number.
    Unknown(u32, u32),
}

/// A session as a passenger wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession<'a> {
    /// A terminal.
    pub tty: bool,
    /// The passenger's display.
    pub x11: bool,
    /// The agent.
    pub agent: bool,
    /// The command is a subsystem's name.
    pub subsystem: bool,
    /// The escape character.
    pub escape: Option<u32>,
    /// `TERM`.
    pub term: &'a [u8],
    /// The command; empty for a shell.
    pub command: &'a [u8],
    /// `NAME=value`.
    pub env: Vec<&'a [u8]>,
}

/// Which way a forwarding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardKind {
    /// From here to there.
    Local,
    /// From there to here.
    Remote,
    /// From here to wherever SOCKS says.
    Dynamic,
    /// Something newer.
    Unknown(u32),
}

/// The port of a [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Of a host.
    Number(u16),
    /// None: the name is a Unix socket's path.
    Unix,
}

/// One end of a forwarding; without a name it is whatever the master takes it
/// for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The host, or the path.
    pub name: &'a [u8],
    /// The port.
    pub port: Port,
}

/// A forwarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward<'a> {
    /// Which way.
    pub kind: ForwardKind,
    /// Where is listened.
    pub listen: Place<'a>,
    /// What it leads to.
    pub connect: Place<'a>,
}

impl<'a> Ask<'a> {
    /// Decodes a whole message, without its frame.
    pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(message);
        let number = r.u32("message type")?;
        if number == Hello::NUMBER {
            let hello = Hello::read(&mut r)?;
            return r.finish().map(|()| Self::Hello(hello));
        }
        let id = r.u32("request id")?;
        let ask = match number {
            NEW_SESSION => Self::NewSession(id, NewSession::decode(&mut r)?),
            ALIVE_CHECK => Self::AliveCheck(id),
            TERMINATE => Self::Terminate(id),
            OPEN_FWD => Self::OpenForward(id, Forward::decode(&mut r)?),
            CLOSE_FWD => Self::CloseForward(id, Forward::decode(&mut r)?),
            NEW_STDIO_FWD => {
                r.string("reserved")?;
                Self::NewStdioForward(id, Place::decode(&mut r)?)
            }
            STOP_LISTENING => Self::StopListening(id),
            PROXY => Self::Proxy(id),
            EXT_INFO => Self::Info(id, string(&mut r, "what about")?),
            number => return Ok(Self::Unknown(id, number)),
        };
        r.finish().map(|()| ask)
    }
}

impl Encode for Ask<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        let mut begin = |number: u32, id: u32| {
            w.u32(number);
            w.u32(id);
        };
        match self {
            Self::Hello(hello) => hello.write(w),
            Self::NewSession(id, session) => {
                begin(NEW_SESSION, *id);
                session.encode(w);
            }
            Self::AliveCheck(id) => begin(ALIVE_CHECK, *id),
            Self::Terminate(id) => begin(TERMINATE, *id),
            Self::OpenForward(id, forward) => {
                begin(OPEN_FWD, *id);
                forward.encode(w);
            }
            Self::CloseForward(id, forward) => {
                begin(CLOSE_FWD, *id);
                forward.encode(w);
            }
            Self::NewStdioForward(id, place) => {
                begin(NEW_STDIO_FWD, *id);
                w.string(&[]);
                place.encode(w);
            }
            Self::StopListening(id) => begin(STOP_LISTENING, *id),
            Self::Proxy(id) => begin(PROXY, *id),
            Self::Info(id, what) => {
                begin(EXT_INFO, *id);
                w.string(what);
            }
            Self::Unknown(id, number) => begin(*number, *id),
        }
    }
}

impl<'a> Decode<'a> for NewSession<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.string("reserved")?;
        let mut flag = |field| r.u32(field).map(|n| n != 0);
        let mut session = Self {
            tty: flag("want tty")?,
            x11: flag("want X11")?,
            agent: flag("want agent")?,
            subsystem: flag("subsystem")?,
            escape: Some(r.u32("escape character")?).filter(|c| *c != NO_ESCAPE),
            term: string(r, "terminal type")?,
            command: string(r, "command")?,
            env: Vec::new(),
        };
        while !r.is_empty() {
            if session.env.len() == VARIABLES {
                let field = "number of variables";
                return Err(DecodeError::Invalid { field });
            }
            session.env.push(string(r, "variable")?);
        }
        Ok(session)
    }
}

impl Encode for NewSession<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.string(&[]);
        for flag in [self.tty, self.x11, self.agent, self.subsystem] {
            w.u32(u32::from(flag));
        }
        w.u32(self.escape.unwrap_or(NO_ESCAPE));
        w.string(self.term);
        w.string(self.command);
        for variable in &self.env {
            w.string(variable);
        }
    }
}

impl<'a> Decode<'a> for Place<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let name = string(r, "host")?;
        let port = match r.u32("port")? {
            STREAMLOCAL => Port::Unix,
            number => match u16::try_from(number) {
                Ok(number) => Port::Number(number),
                Err(_) => return Err(DecodeError::Invalid { field: "port" }),
            },
        };
        Ok(Self { name, port })
    }
}

impl Encode for Place<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.string(self.name);
        w.u32(match self.port {
            Port::Number(number) => u32::from(number),
            Port::Unix => STREAMLOCAL,
        });
    }
}

impl<'a> Decode<'a> for Forward<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: match r.u32("forwarding type")? {
                1 => ForwardKind::Local,
                2 => ForwardKind::Remote,
                3 => ForwardKind::Dynamic,
                other => ForwardKind::Unknown(other),
            },
            listen: Place::decode(r)?,
            connect: Place::decode(r)?,
        })
    }
}

impl Encode for Forward<'_> {
    fn encode(&self, w: &mut Writer<'_>) {
        w.u32(match self.kind {
            ForwardKind::Local => 1,
            ForwardKind::Remote => 2,
            ForwardKind::Dynamic => 3,
            ForwardKind::Unknown(other) => other,
        });
        self.listen.encode(w);
        self.connect.encode(w);
    }
}
