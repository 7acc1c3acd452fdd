//! Connecting to where a remote forwarding leads.

use carrick::{Channel, Incoming, OpenReason};
use carrick_config::types::Endpoint;
use tokio::net::{TcpStream, UnixStream};

use crate::connect::resolve;
use crate::log::{debug2, error};
use crate::text::os_error;

/// A connection to it.
pub(super) enum Reached {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Connects; what went wrong is told here, and returned for the other side.
pub(super) async fn connect(to: &Endpoint, ipv4: Option<bool>) -> Result<Reached, String> {
    match to {
        Endpoint::Unix { path } => {
            UnixStream::connect(path)
                .await
                .map(Reached::Unix)
                .map_err(|e| {
                    let why = os_error(&e);
                    error!("connect to {path} port -2 failed: {why}");
                    why
                })
        }
        Endpoint::Tcp { host, port } => {
            let host = host.as_deref().unwrap_or("localhost");
            let addresses = resolve::lookup(host, *port, ipv4).await;
            let addresses = addresses.inspect_err(|why| {
                error!("connect_to {host}: unknown host ({why})");
            })?;
            // Each in turn.
            match TcpStream::connect(&*addresses).await {
                Ok(stream) => {
                    // Better small packets than late ones.
                    let _ = stream.set_nodelay(true);
                    Ok(Reached::Tcp(stream))
                }
                Err(e) => {
                    error!("connect_to {host} port {port}: failed.");
                    Err(os_error(&e))
                }
            }
        }
    }
}

impl Reached {
    /// Joins it with the channel, to their end.
    pub(super) async fn join(self, channel: Channel) {
        let id = channel.id();
        let outcome = match self {
            Self::Tcp(stream) => channel.join_tcp(stream).await,
            Self::Unix(stream) => channel.join(stream).await,
        };
        if let Err(e) = outcome {
            debug2!("channel {id}: {}", os_error(&e));
        }
    }
}

/// Refuses a channel for a connection that could not be made.
pub(super) fn refuse(incoming: Incoming, why: &str) {
    incoming.refuse(OpenReason::CONNECT_FAILED, why);
}
