//! Small values that several options share.

use crate::value;
use std::fmt;
use std::time::Duration;

/// The two values of IPQoS: for interactive sessions and for bulk data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpQos {
    /// With a terminal.
    pub interactive: Qos,
    /// Without.
    pub bulk: Qos,
}

/// A value for the IP TOS / traffic class field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    /// Leave it to the operating system.
    None,
    /// Set this byte.
    Tos(u8),
}

impl fmt::Display for Qos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        value::qos_name(f, *self)
    }
}

/// RekeyLimit: bytes and time; 0 and `None` mean the cipher's own limit and no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RekeyLimit {
    /// Bytes in one direction before a new key exchange; 0 = the cipher's default.
    pub bytes: u64,
    /// Time between key exchanges; zero = no limit.
    pub time: Duration,
}

/// One `type=interval` of ChannelTimeout; the type is a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelTimeout {
    /// As written, for dumps.
    pub text: String,
    /// Channel type pattern, or `global`.
    pub pattern: String,
    /// Time without traffic after which such a channel is closed.
    pub timeout: Duration,
}

/// One rule of CanonicalizePermittedCNAMEs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CnameRule {
    /// Pattern list for the name that was looked up.
    pub source: String,
    /// Pattern list for the name that it may become.
    pub target: String,
}

/// A tunnel device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelId {
    /// The next free one.
    Any,
    /// This one.
    Number(u32),
}

impl fmt::Display for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Number(n) => write!(f, "{n}"),
        }
    }
}

/// `NAME=value` of SetEnv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvPair {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// One end of a forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP; no host means the default address, port 0 lets the server choose.
    Tcp {
        /// Address, or none given.
        host: Option<String>,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Unix {
        /// Its path.
        path: String,
    },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host: None, port } => write!(f, "{port}"),
            Self::Tcp {
                host: Some(host),
                port,
            } => write!(f, "[{host}]:{port}"),
            Self::Unix { path } => f.write_str(path),
        }
    }
}

/// Where the connections of a forwarding go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The peer of the connection says it (SOCKS): DynamicForward, or `-R port`.
    Socks,
    /// A fixed place.
    To(Endpoint),
}

/// A LocalForward, DynamicForward or RemoteForward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where it listens.
    pub listen: Endpoint,
    /// Where connections are taken to.
    pub connect: Target,
}

/// One host of ProxyJump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpHost {
    /// Login name, if given.
    pub user: Option<String>,
    /// Host name or address without brackets.
    pub host: String,
    /// Port, if given.
    pub port: Option<u16>,
}

/// ProxyJump: the last host is the one that we connect to the target from;
/// the ones before it, as written, are given to the ssh that reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyJump {
    /// Nearest to the target.
    pub last: JumpHost,
    /// The hosts before it (`-J` of the ssh that we start), as written.
    pub before: Option<String>,
}
