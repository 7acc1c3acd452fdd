//! Forwarding of TCP ports (RFC 4254 section 7) and of Unix sockets (OpenSSH's
//! PROTOCOL, section 2.4).
//!
//! A client reaches what the server can reach by
//! [`Connection::direct_tcpip`], and is reached through the server by
//! [`Connection::listen_remote`]. Each connection is a [`Channel`]: a byte
//! stream with an end in each direction. [`Channel::join_tcp`] ties it to a
//! socket.
//!
//! ```no_run
//! use carrick::forward::Originator;
//! # async fn run(connection: carrick::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! loop {
//!     let (socket, peer) = listener.accept().await?;
//!     let connection = connection.clone();
//!     tokio::spawn(async move {
//!         match connection.direct_tcpip("intranet", 80, &peer.into()).await {
//!             Ok(channel) => drop(channel.join_tcp(socket).await),
//!             Err(why) => eprintln!("{peer}: {why}"),
//!         }
//!     });
//! }
//! # }
//! ```
//!
//! And the other way round, from a port of the server's:
//!
//! ```no_run
//! # async fn run(connection: carrick::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let listener = connection.listen_remote("localhost", 0).await?;
//! println!("port {} over there", listener.port().unwrap_or_default());
//! while let Some(incoming) = listener.accept().await {
//!     let socket = tokio::net::TcpStream::connect("127.0.0.1:3000").await?;
//!     let channel = incoming.accept()?;
//!     tokio::spawn(channel.join_tcp(socket));
//! }
//! # Ok(()) }
//! ```
//!
//! A server decides each request itself and may leave the sockets to a
//! [`Forwarder`].

pub mod bind;
pub(crate) mod remote;
mod serve;

use std::net::SocketAddr;

use carrick_proto::mux::Open;
use carrick_proto::{Client, Server};

pub use self::remote::{Place, RemoteListener};
pub use self::serve::Forwarder;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::error::Error;

/// Where a forwarded connection came from, as the other side is told. It may
/// be logged there, and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originator {
    /// An address.
    pub address: String,
    /// A port.
    pub port: u32,
}

impl From<SocketAddr> for Originator {
    fn from(address: SocketAddr) -> Self {
        Self {
            address: address.ip().to_string(),
            port: u32::from(address.port()),
        }
    }
}

impl Default for Originator {
    /// For what has no address, as a program's standard input: OpenSSH's, as
    /// some servers want an address to look like one.
    fn default() -> Self {
        Self {
            address: "127.0.0.1".into(),
            port: 65535,
        }
    }
}

impl Connection<Client> {
    /// Has the server connect to a port, of a host as the server knows it.
    pub async fn direct_tcpip(
        &self,
        host: &str,
        port: u16,
        originator: &Originator,
    ) -> Result<Channel<Client>, Error> {
        self.open(Open::DirectTcpip {
            host: host.to_owned(),
            port: u32::from(port),
            originator: originator.address.clone(),
            originator_port: originator.port,
        })
        .await
    }

    /// Has the server connect to a Unix socket
    /// (`direct-streamlocal@openssh.com`).
    pub async fn direct_streamlocal(
        &self,
        path: impl AsRef<[u8]>,
    ) -> Result<Channel<Client>, Error> {
        let path = path.as_ref().to_vec();
        self.open(Open::DirectStreamlocal { path }).await
    }
}

impl Connection<Server> {
    /// Hands a connection to a port that the client had us listen at to the
    /// client. `address` and `port` are those it asked for; where it left the
    /// port to us, that which was chosen.
    pub async fn forwarded_tcpip(
        &self,
        address: &str,
        port: u16,
        originator: &Originator,
    ) -> Result<Channel<Server>, Error> {
        self.open(Open::ForwardedTcpip {
            address: address.to_owned(),
            port: u32::from(port),
            originator: originator.address.clone(),
            originator_port: originator.port,
        })
        .await
    }

    /// The same for a Unix socket (`forwarded-streamlocal@openssh.com`).
    pub async fn forwarded_streamlocal(
        &self,
        path: impl AsRef<[u8]>,
    ) -> Result<Channel<Server>, Error> {
        let path = path.as_ref().to_vec();
        self.open(Open::ForwardedStreamlocal { path }).await
    }
}
