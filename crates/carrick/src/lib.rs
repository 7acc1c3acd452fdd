//! SSH for async programs: a client and a server over `carrick-proto`.
//!
//! ```no_run
//! use carrick::client::{AuthReply, ClientConfig, Unverified};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let socket = tokio::net::TcpStream::connect("example.org:22").await?;
//! let host = Unverified::connect(socket, ClientConfig::new("Example_1.0")).await?;
//! // Here a program looks the key up in known_hosts; see `carrick_keys::known_hosts`.
//! println!("{}", host.host_key().to_line(""));
//! let mut login = host.accept().await?;
//! let password = carrick::Secret::from("correct horse battery staple");
//! assert_eq!(login.password("me", &password).await?, AuthReply::Success);
//! let connection = login.into_connection().map_err(|_| "not logged in")?;
//! let output = connection.exec("uname -a").await?.output().await?;
//! println!("{:?}: {}", output.exit, String::from_utf8_lossy(&output.stdout));
//! # Ok(()) }
//! ```
//!
//! A connection is driven by a task of its own. It ends when the last handle
//! to it (a [`Connection`], a [`Channel`]) is dropped.

#[cfg(test)]
extern crate self as carrick;

pub mod agent;
mod channel;
pub mod client;
mod connection;
mod driver;
mod error;
pub mod forward;
mod join;
pub mod log;
mod pieces;
pub mod plain;
pub mod server;
mod session;
pub mod sftp;
mod shared;
#[cfg(test)]
mod tests;
pub mod tun;
pub mod x11;

/// What to set as [`tokio::runtime::Builder::event_interval`] where many
/// channels are busy: with tokio's default a keystroke is seen only after 61
/// tasks have each moved a packet of bulk data.
pub const EVENT_INTERVAL: u32 = 16;

pub use carrick_proto as proto;
pub use carrick_proto::mux::{GlobalAnswer, GlobalRequest, Open, OpenReason, PtySize, Request};
pub use carrick_proto::{Client, Server};
pub use carrick_wire::Secret;
pub use channel::{Asked, Channel, IncomingRequest, StderrReader, Stream};
pub use connection::{Connection, Incoming, IncomingGlobal};
pub use error::Error;
pub use pieces::Pieces;
pub use session::{Exit, Output, Session};
