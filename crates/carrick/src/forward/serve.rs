//! A server's sockets for its clients' forwardings.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carrick_proto::Server;
use carrick_proto::mux::{GlobalAnswer, GlobalRequest, Open, OpenReason};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::AbortHandle;

use super::Originator;
use super::remote::Place;
use crate::channel::Channel;
use crate::connection::{Connection, Incoming, IncomingGlobal};

/// How many listeners a client may have.
const LISTENERS: usize = 256;
/// How long nothing is accepted after something could not be.
const PAUSE: Duration = Duration::from_millis(100);

/// Connects and listens for a client, with sockets of this process.
///
/// It does what it is told: whether a client may reach that host, or listen at
/// that address, is decided by whoever hands it the request. A server should
/// say no to most of what [`carrick_proto::mux::Open::DirectTcpip`] can name:
/// the client reaches it with this machine's address.
///
/// ```no_run
/// # use carrick::{Connection, Open, OpenReason, Server};
/// # async fn run(connection: Connection<Server>) {
/// let forwarder = carrick::forward::Forwarder::new(connection.clone());
/// while let Some(incoming) = connection.accept_open().await {
///     match &incoming.kind {
///         Open::DirectTcpip { host, port: 5432, .. } if host == "db" => {
///             let forwarder = forwarder.clone();
///             tokio::spawn(async move { forwarder.connect(incoming).await });
///         }
///         _ => incoming.refuse(OpenReason::ADMINISTRATIVELY_PROHIBITED, "no"),
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Forwarder {
    connection: Connection<Server>,
    listeners: Arc<Mutex<HashMap<Key, AbortHandle>>>,
}

/// A listener, as its client names it.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Tcp(String, u32),
    Unix(Vec<u8>),
}

impl From<&Place> for Key {
    fn from(place: &Place) -> Self {
        match place.clone() {
            Place::Tcp { address, port } => Self::Tcp(address, port),
            Place::Unix { path } => Self::Unix(path),
        }
    }
}

/// What listens.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Forwarder {
    /// For one client.
    pub fn new(connection: Connection<Server>) -> Self {
        Self {
            connection,
            listeners: Arc::default(),
        }
    }

    /// Connects to where the channel wants to go and joins the two, to their
    /// end. What cannot be reached is a refusal.
    pub async fn connect(&self, incoming: Incoming<Server>) {
        let reached = match &incoming.kind {
            Open::DirectTcpip { host, port, .. } => match u16::try_from(*port) {
                Ok(port) => TcpStream::connect((host.as_str(), port))
                    .await
                    .map(End::Tcp),
                Err(_) => Err(io::ErrorKind::InvalidInput.into()),
            },
            Open::DirectStreamlocal { path } => {
                UnixStream::connect(as_path(path)).await.map(End::Unix)
            }
            _ => {
                let text = "not a forwarding";
                return incoming.refuse(OpenReason::UNKNOWN_CHANNEL_TYPE, text);
            }
        };
        match reached {
            Err(problem) => incoming.refuse(OpenReason::CONNECT_FAILED, &problem.to_string()),
            Ok(end) => {
                if let Ok(channel) = incoming.accept() {
                    end.join(channel).await;
                }
            }
        }
    }

    /// Listens, or stops, as the client asks, and answers it. An address is
    /// taken as it is: empty, `*` and names like `localhost` are for whoever
    /// decides to have turned into one.
    pub async fn answer(&self, asked: IncomingGlobal<Server>) {
        let answer = match &asked.request {
            GlobalRequest::TcpipForward { address, port } => {
                self.listen_tcp(address, *port).await.ok()
            }
            GlobalRequest::StreamlocalForward { path } => self.listen_unix(path).ok(),
            GlobalRequest::CancelTcpipForward { address, port } => {
                self.stop(&Key::Tcp(address.clone(), *port))
            }
            GlobalRequest::CancelStreamlocalForward { path } => self.stop(&Key::Unix(path.clone())),
            _ => None,
        };
        asked.reply(answer.map_or(GlobalAnswer::Failure, GlobalAnswer::Success));
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, AbortHandle>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen_tcp(&self, address: &str, port: u32) -> io::Result<Vec<u8>> {
        let asked = u16::try_from(port).map_err(|_| io::ErrorKind::InvalidInput)?;
        let listener = TcpListener::bind((address, asked)).await?;
        let port = u32::from(listener.local_addr()?.port());
        let address = address.to_owned();
        self.serve(Place::Tcp { address, port }, Socket::Tcp(listener))?;
        Ok(if asked == 0 {
            port.to_be_bytes().to_vec()
        } else {
            Vec::new()
        })
    }

    fn listen_unix(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let listener = UnixListener::bind(as_path(path))?;
        let path = path.to_vec();
        self.serve(Place::Unix { path }, Socket::Unix(listener))?;
        Ok(Vec::new())
    }

    /// Accepts at `socket` in a task of its own.
    fn serve(&self, place: Place, socket: Socket) -> io::Result<()> {
        let mut table = self.table();
        if table.len() >= LISTENERS || table.contains_key(&Key::from(&place)) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let key = Key::from(&place);
        let task = tokio::spawn(accept(self.connection.clone(), place, socket));
        table.insert(key, task.abort_handle());
        Ok(())
    }

    fn stop(&self, key: &Key) -> Option<Vec<u8>> {
        let listener = self.table().remove(key)?;
        listener.abort();
        Some(Vec::new())
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if Arc::strong_count(&self.listeners) == 1 {
            self.table()
                .drain()
                .for_each(|(_, listener)| listener.abort());
        }
    }
}

/// Hands what connects to `socket` to the client, until the listener stops or
/// the SSH connection ends.
async fn accept(connection: Connection<Server>, place: Place, socket: Socket) {
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&socket) => accepted,
            _ = connection.closed() => return,
        };
        let Ok((end, from)) = accepted else {
            // No descriptors left, or whoever connected is gone again.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (connection, place) = (connection.clone(), place.clone());
        tokio::spawn(async move {
            let channel = match place {
                Place::Tcp { address, port } => {
                    let port = u16::try_from(port).unwrap_or_default();
                    connection.forwarded_tcpip(&address, port, &from).await
                }
                Place::Unix { path } => connection.forwarded_streamlocal(&path).await,
            };
            if let Ok(channel) = channel {
                end.join(channel).await;
            }
        });
    }
}

async fn accept_one(socket: &Socket) -> io::Result<(End, Originator)> {
    Ok(match socket {
        Socket::Tcp(listener) => {
            let (tcp, from) = listener.accept().await?;
            (End::Tcp(tcp), from.into())
        }
        Socket::Unix(listener) => (End::Unix(listener.accept().await?.0), Originator::default()),
    })
}

/// The socket at our end of a channel.
enum End {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl End {
    /// Joins it with the channel. How that ends matters to the two alone, and
    /// they know.
    async fn join(self, channel: Channel<Server>) {
        let _ = match self {
            Self::Tcp(tcp) => {
                // Better small packets than late ones.
                let _ = tcp.set_nodelay(true);
                channel.join_tcp(tcp).await
            }
            Self::Unix(unix) => channel.join(unix).await,
        };
    }
}

fn as_path(path: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt as _;
    std::path::Path::new(std::ffi::OsStr::from_bytes(path))
}
