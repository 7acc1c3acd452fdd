//! What programs want, as the application is told, and what it says to it.

use std::net::{IpAddr, SocketAddr};

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub(crate) u64);

/// A DNS query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub(crate) u64);

/// News.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A program wants to connect: [`Stack::connected`] or [`Stack::refused`]
    /// is to follow.
    ///
    /// [`Stack::connected`]: crate::Stack::connected
    /// [`Stack::refused`]: crate::Stack::refused
    Connect {
        /// The connection.
        flow: FlowId,
        /// Who wants to.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
    },
    /// There is something to read, or will never be again.
    Readable(FlowId),
    /// There is room to write, or will never be again.
    Writable(FlowId),
    /// A program asks for a name: [`Stack::answer`] is to follow, soon.
    ///
    /// [`Stack::answer`]: crate::Stack::answer
    Query {
        /// The query.
        query: QueryId,
        /// The resolver that it was sent to.
        to: IpAddr,
        /// The DNS message.
        message: Vec<u8>,
    },
}

/// Why a connection cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody listens there.
    Refused,
    /// There is no way there, or no answer from there.
    Unreachable,
    /// It is not permitted.
    Prohibited,
}
