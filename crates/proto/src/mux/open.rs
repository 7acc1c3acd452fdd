//! What a channel is opened for (RFC 4254 section 5.1 and its kinds).

use carrick_wire::msg::connection::OpenKind;

use super::MuxFault;
use super::text::{bytes, text};

/// The kind of a channel, with what its opener says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Open {
    /// `session` (RFC 4254 section 6.1).
    Session,
    /// `direct-tcpip`: connect there for me (RFC 4254 section 7.2).
    DirectTcpip {
        /// Host to connect to.
        host: String,
        /// Port to connect to.
        port: u32,
        /// Address the connection came from.
        originator: String,
        /// Port the connection came from.
        originator_port: u32,
    },
    /// `forwarded-tcpip`: somebody connected to your listener (RFC 4254 section 7.2).
    ForwardedTcpip {
        /// The listener's address, as it was asked for.
        address: String,
        /// The listener's port.
        port: u32,
        /// Address the connection came from.
        originator: String,
        /// Port the connection came from.
        originator_port: u32,
    },
    /// `direct-streamlocal@openssh.com`: connect to that socket for me.
    DirectStreamlocal {
        /// The socket's path.
        path: Vec<u8>,
    },
    /// `forwarded-streamlocal@openssh.com`: somebody connected to your socket.
    ForwardedStreamlocal {
        /// The listening socket's path.
        path: Vec<u8>,
    },
    /// `x11`: a program wants to reach your display (RFC 4254 section 6.3.2).
    X11 {
        /// Address the connection came from.
        originator: String,
        /// Port the connection came from.
        originator_port: u32,
    },
    /// `auth-agent@openssh.com`: a program wants to reach your agent.
    AuthAgent,
    /// `agent-connect`: the same by its RFC name (RFC 9987).
    AgentConnect,
    /// `tun@openssh.com`: a layer 2 or 3 tunnel.
    Tun {
        /// 1 is point to point (layer 3), 2 is Ethernet (layer 2).
        mode: u32,
        /// Unit number of the device at the other end.
        unit: u32,
    },
    /// A kind that this crate has no type for.
    Unknown {
        /// Its name.
        name: String,
        /// What followed, undecoded.
        body: Vec<u8>,
    },
}

impl Open {
    /// The kind as an owned value, its texts within bounds.
    pub(super) fn from_wire(kind: &OpenKind<'_>) -> Result<Self, MuxFault> {
        Ok(match *kind {
            OpenKind::Session => Self::Session,
            OpenKind::DirectTcpip {
                host,
                port,
                originator,
                originator_port,
            } => Self::DirectTcpip {
                host: text("host", host)?,
                port,
                originator: text("originator", originator)?,
                originator_port,
            },
            OpenKind::ForwardedTcpip {
                address,
                port,
                originator,
                originator_port,
            } => Self::ForwardedTcpip {
                address: text("address", address)?,
                port,
                originator: text("originator", originator)?,
                originator_port,
            },
            OpenKind::DirectStreamlocal { path, .. } => Self::DirectStreamlocal {
                path: bytes("socket path", path)?,
            },
            OpenKind::ForwardedStreamlocal { path, .. } => Self::ForwardedStreamlocal {
                path: bytes("socket path", path)?,
            },
            OpenKind::X11 {
                originator,
                originator_port,
            } => Self::X11 {
                originator: text("originator", originator)?,
                originator_port,
            },
            OpenKind::AuthAgent => Self::AuthAgent,
            OpenKind::AgentConnect => Self::AgentConnect,
            OpenKind::Tun { mode, unit } => Self::Tun { mode, unit },
            OpenKind::Unknown { name, body } => Self::Unknown {
                name: text("channel type", name)?,
                body: body.to_vec(),
            },
        })
    }

    /// The kind as it goes into a message.
    pub(super) fn to_wire(&self) -> OpenKind<'_> {
        match self {
            Self::Session => OpenKind::Session,
            Self::DirectTcpip {
                host,
                port,
                originator,
                originator_port,
            } => OpenKind::DirectTcpip {
                host,
                port: *port,
                originator,
                originator_port: *originator_port,
            },
            Self::ForwardedTcpip {
                address,
                port,
                originator,
                originator_port,
            } => OpenKind::ForwardedTcpip {
                address,
                port: *port,
                originator,
                originator_port: *originator_port,
            },
            Self::DirectStreamlocal { path } => OpenKind::DirectStreamlocal {
                path,
                reserved: &[],
                reserved_port: 0,
            },
            Self::ForwardedStreamlocal { path } => OpenKind::ForwardedStreamlocal {
                path,
                reserved: &[],
            },
            Self::X11 {
                originator,
                originator_port,
            } => OpenKind::X11 {
                originator,
                originator_port: *originator_port,
            },
            Self::AuthAgent => OpenKind::AuthAgent,
            Self::AgentConnect => OpenKind::AgentConnect,
            Self::Tun { mode, unit } => OpenKind::Tun {
                mode: *mode,
                unit: *unit,
            },
            Self::Unknown { name, body } => OpenKind::Unknown { name, body },
        }
    }
}
