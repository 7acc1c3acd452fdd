//! What listens here (`-L`, `-D`): each connection becomes a channel to where
//! the forwarding leads.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use carrick::Channel;
use carrick::forward::Originator;
use carrick::forward::bind::{At, Gateway};
use carrick_config::types::{Endpoint, Forward, Target};
use carrick_sys::listen::{self, Step};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{Forwards, Settings, dynamic, tell_refused};
use crate::connect::resolve;
use crate::log::{debug, debug2, error, verbose};
use crate::text::os_error;

/// How long no connection is taken after one could not be, for want of
/// descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);

/// A listening socket.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What connects to it.
pub(super) enum Visitor {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// Listens, at as many addresses as it can. What went wrong is told.
pub(super) fn bind(settings: &Settings, at: &Endpoint) -> Vec<Socket> {
    match at {
        Endpoint::Unix { path } => bind_unix(settings, path).into_iter().collect(),
        Endpoint::Tcp { host, port } => bind_tcp(settings, host.as_deref(), *port),
    }
}

fn bind_unix(settings: &Settings, path: &str) -> Option<Socket> {
    debug!("Local forwarding listening on path {path}.");
    let bound = listen::unix(Path::new(path), settings.bind_mask, settings.bind_unlink);
    match bound {
        Ok(listener) => match UnixListener::from_std(listener) {
            Ok(listener) => return Some(Socket::Unix(listener)),
            Err(e) => error!("cannot listen on path {path}: {}", os_error(&e)),
        },
        Err((Step::Unlink, e)) => error!("unlink({path}): {}", os_error(&e)),
        Err((Step::Listen, e)) => error!("cannot listen on path {path}: {}", os_error(&e)),
        Err((_, e)) => error!(
            "unix_listener: cannot bind to path {path}: {}",
            os_error(&e)
        ),
    }
    None
}

fn bind_tcp(settings: &Settings, host: Option<&str>, port: u16) -> Vec<Socket> {
    let gateway = if settings.gateway_ports {
        Gateway::All
    } else {
        Gateway::Asked
    };
    let at = At::new(host, gateway);
    let addresses = match (at.addresses(port, settings.ipv4), &at) {
        (Some(addresses), _) => addresses,
        (None, At::Named(name)) => match resolve::addresses(name, port, settings.ipv4) {
            Ok(addresses) => addresses,
            Err(why) => {
                error!("channel_setup_fwd_listener_tcpip: getaddrinfo({name}): {why}");
                return Vec::new();
            }
        },
        (None, _) => Vec::new(),
    };
    let mut sockets = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let ip = address.ip();
        debug!("Local forwarding listening on {ip} port {port}.");
        let bound = listen::tcp(*address).and_then(|listener| {
            TcpListener::from_std(listener).map_err(|problem| (Step::Listen, problem))
        });
        match bound {
            Ok(listener) => sockets.push(Socket::Tcp(listener)),
            // Without one of the families the other may do.
            Err((step, e)) if step == Step::Socket || number + 1 < addresses.len() => {
                verbose!("{step} [{ip}]:{port}: {}", os_error(&e));
            }
            Err((step, e)) => error!("{step} [{ip}]:{port}: {}", os_error(&e)),
        }
    }
    if sockets.is_empty() {
        error!("channel_setup_fwd_listener_tcpip: cannot listen to port: {port}");
    }
    sockets
}

/// Takes connections, each in a task of its own.
pub(super) async fn serve(forwards: Forwards, socket: Socket, forward: Arc<Forward>) {
    loop {
        let visitor = match &socket {
            Socket::Tcp(listener) => listener
                .accept()
                .await
                .map(|(stream, from)| Visitor::Tcp(stream, from)),
            Socket::Unix(listener) => listener.accept().await.map(|(s, _)| Visitor::Unix(s)),
        };
        match visitor {
            Ok(visitor) => {
                let (forwards, forward) = (forwards.clone(), Arc::clone(&forward));
                tokio::spawn(async move { carry(&forwards, visitor, &forward).await });
            }
            // It is gone again.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) => {
                error!("accept: {}", os_error(&e));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Carries one connection, from its first byte to its last.
async fn carry(forwards: &Forwards, visitor: Visitor, forward: &Arc<Forward>) {
    if let Visitor::Tcp(stream, _) = &visitor {
        // Better small packets than late ones.
        let _ = stream.set_nodelay(true);
    }
    let Target::To(to) = &forward.connect else {
        return dynamic::carry(forwards, visitor, forward).await;
    };
    let all = &forwards.0.connections;
    let carried = all.begin(forward, false, visitor.ends());
    let listening = match &forward.listen {
        Endpoint::Tcp { port, .. } => port.to_string(),
        Endpoint::Unix { .. } => "-2".to_owned(),
    };
    let shown = match to {
        Endpoint::Tcp { host, port } => {
            format!("{} port {port}", host.as_deref().unwrap_or_default())
        }
        Endpoint::Unix { path } => format!("{path} port -2"),
    };
    debug!("Connection to port {listening} forwarding to {shown} requested.");
    match open(forwards, to, &visitor).await {
        Ok(channel) => {
            carried.opened(channel.id());
            visitor.join(channel).await;
        }
        Err(why) => tell_refused(&why),
    }
}

/// Opens the channel to where a connection leads.
pub(super) async fn open(
    forwards: &Forwards,
    to: &Endpoint,
    visitor: &Visitor,
) -> Result<Channel, carrick::Error> {
    let connection = &forwards.0.connection;
    match to {
        Endpoint::Unix { path } => connection.direct_streamlocal(path).await,
        Endpoint::Tcp { host, port } => {
            let from = match visitor {
                Visitor::Tcp(_, from) => (*from).into(),
                Visitor::Unix(_) => Originator::default(),
            };
            let host = host.as_deref().unwrap_or_default();
            connection.direct_tcpip(host, *port, &from).await
        }
    }
}

impl Visitor {
    /// The addresses of a TCP connection: its own, ours.
    pub(super) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Self::Tcp(stream, from) => Some((*from, stream.local_addr().ok()?)),
            Self::Unix(_) => None,
        }
    }

    /// Joins it with the channel, to their end.
    pub(super) async fn join(self, channel: Channel) {
        let id = channel.id();
        let outcome = match self {
            Self::Tcp(stream, _) => channel.join_tcp(stream).await,
            Self::Unix(stream) => channel.join(stream).await,
        };
        if let Err(e) = outcome {
            debug2!("channel {id}: {}", os_error(&e));
        }
    }
}
