//! Forwarding (RFC 4254 section 7): channels at the peer's side, sockets from
//! the broker at ours.
//!
//! The broker decides what is allowed, connects, listens and accepts; here the
//! descriptors that it hands over are joined with channels.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrick::forward::Originator;
use carrick::tun::Layer;
use carrick::{
    Channel, Connection, GlobalAnswer, GlobalRequest, Incoming, IncomingGlobal, Open, OpenReason,
    Server,
};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, oneshot};

use super::line::Line;
use super::stream::watch;
use crate::log::debug;
use crate::rpc::broker::Ask;
use crate::rpc::forward::{DIALS, Dial, Listen, Place, Refusal, Tunnel, Visitor};

/// All forwarding of the connection.
pub struct Forwarder {
    connection: Connection<Server>,
    line: Arc<Line>,
    next: AtomicU32,
    /// As many as the broker makes at a time.
    places: Semaphore,
    dials: Mutex<HashMap<u32, oneshot::Sender<Reached>>>,
    listeners: Mutex<Listeners>,
}

/// What came of a connection.
type Reached = Result<OwnedFd, Refusal>;

#[derive(Default)]
struct Listeners {
    /// Asked for, and not answered by the broker.
    asked: HashMap<u32, (IncomingGlobal<Server>, Place)>,
    /// As the peer named them; with the port that was chosen.
    open: HashMap<u32, Place>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Forwarder {
    /// Without any yet.
    pub fn new(connection: Connection<Server>, line: Arc<Line>) -> Arc<Self> {
        Arc::new(Self {
            connection,
            line,
            next: AtomicU32::new(0),
            places: Semaphore::new(DIALS),
            dials: Mutex::default(),
            listeners: Mutex::default(),
        })
    }

    /// A number that means nothing to the broker yet.
    pub fn number(&self) -> u32 {
        // 2^32 connections through one connection are not seen in practice;
        // should it come to that, the broker ends it where two are the same.
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Serves a channel that leads somewhere, in a task of its own; hands one of
    /// another kind back.
    pub fn open(self: &Arc<Self>, incoming: Incoming<Server>) -> Option<Incoming<Server>> {
        if let Open::Tun { mode, unit } = incoming.kind {
            tokio::spawn(Arc::clone(self).tunnel(incoming, mode, unit));
            return None;
        }
        let (to, from) = match &incoming.kind {
            Open::DirectTcpip {
                host,
                port,
                originator,
                originator_port,
            } => (
                Place::Tcp((host.clone(), *port)),
                (originator.clone(), *originator_port),
            ),
            Open::DirectStreamlocal { path } => (Place::Unix(path.clone()), Default::default()),
            _ => return Some(incoming),
        };
        let forwarder = Arc::clone(self);
        tokio::spawn(async move {
            let tcp = matches!(to, Place::Tcp(_));
            match forwarder.reach(to, from).await {
                Ok(fd) => {
                    if let Ok(channel) = incoming.accept() {
                        join(channel, fd, tcp).await;
                    }
                }
                Err(Refusal::Prohibited) => {
                    incoming.refuse(OpenReason::ADMINISTRATIVELY_PROHIBITED, "open failed");
                }
                Err(Refusal::Failed(why)) => incoming.refuse(OpenReason::CONNECT_FAILED, &why),
                Err(Refusal::TooMany) => {
                    incoming.refuse(OpenReason::RESOURCE_SHORTAGE, "too many connections");
                }
            }
        });
        None
    }

    /// Has the broker connect.
    async fn reach(&self, to: Place, from: (String, u32)) -> Reached {
        self.ask(|id| Ask::Dial(Dial { id, to, from })).await
    }

    /// Asks the broker for a descriptor.
    async fn ask(&self, ask: impl FnOnce(u32) -> Ask) -> Reached {
        let gone = || Refusal::Failed("open failed".to_owned());
        let _place = self.places.acquire().await.map_err(|_| gone())?;
        let id = self.number();
        let (sender, answer) = oneshot::channel();
        lock(&self.dials).insert(id, sender);
        let asked = self.line.ask(&ask(id)).await;
        asked.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Joins a channel with a network device of the broker's.
    async fn tunnel(self: Arc<Self>, incoming: Incoming<Server>, mode: u32, unit: u32) {
        let ask = |id| Ask::Tunnel(Tunnel { id, mode, unit });
        let (Some(layer), Ok(device)) = (Layer::from_mode(mode), self.ask(ask).await) else {
            // As OpenSSH, which says no more.
            return incoming.refuse(OpenReason::CONNECT_FAILED, "open failed");
        };
        let device = watch(File::from(device), Interest::READABLE);
        if let (Ok(device), Ok(channel)) = (device, incoming.accept())
            && let Err(problem) = channel.join_device(&device, layer).await
        {
            debug!("tunnel: {problem}");
        }
    }

    /// The broker has made a connection, or has not.
    pub fn dialled(&self, id: u32, reached: Reached) {
        if let Some(waiting) = lock(&self.dials).remove(&id) {
            // Whoever waited is there until it is told.
            let _ = waiting.send(reached);
        }
    }

    /// A request of the peer's on the connection as a whole.
    pub async fn global(&self, asked: IncomingGlobal<Server>) {
        let (place, listen) = match &asked.request {
            GlobalRequest::TcpipForward { address, port } => {
                // Nobody could tell the peer which port it was.
                if *port == 0 && !asked.wants_reply() {
                    return;
                }
                debug!("tcpip-forward listen {address} port {port}");
                (Place::Tcp((address.clone(), *port)), true)
            }
            GlobalRequest::StreamlocalForward { path } => {
                debug!("streamlocal-forward listen path {}", path.escape_ascii());
                (Place::Unix(path.clone()), true)
            }
            GlobalRequest::CancelTcpipForward { address, port } => {
                debug!("cancel-tcpip-forward addr {address} port {port}");
                (Place::Tcp((address.clone(), *port)), false)
            }
            GlobalRequest::CancelStreamlocalForward { path } => {
                debug!("cancel-streamlocal-forward path {}", path.escape_ascii());
                (Place::Unix(path.clone()), false)
            }
            // Dropped: refused.
            _ => return,
        };
        if listen {
            self.listen(asked, place).await;
        } else {
            self.cancel(asked, &place).await;
        }
    }

    async fn listen(&self, asked: IncomingGlobal<Server>, at: Place) {
        let id = self.number();
        lock(&self.listeners).asked.insert(id, (asked, at.clone()));
        if self
            .line
            .ask(&Ask::Listen(Listen { id, at }))
            .await
            .is_err()
        {
            lock(&self.listeners).asked.remove(&id);
        }
    }

    /// The broker listens, or does not. The peer is told before anything else
    /// can come of it: its next message may be a visitor.
    pub fn listening(&self, id: u32, outcome: Result<u32, Refusal>) {
        let mut listeners = lock(&self.listeners);
        let Some((asked, mut place)) = listeners.asked.remove(&id) else {
            return;
        };
        let Ok(chosen) = outcome else {
            return asked.reply(GlobalAnswer::Failure);
        };
        let mut data = Vec::new();
        if let Place::Tcp((_, port @ 0)) = &mut place {
            *port = chosen;
            data = chosen.to_be_bytes().to_vec();
        }
        listeners.open.insert(id, place);
        drop(listeners);
        asked.reply(GlobalAnswer::Success(data));
    }

    async fn cancel(&self, asked: IncomingGlobal<Server>, place: &Place) {
        let found = {
            let mut listeners = lock(&self.listeners);
            let mut open = listeners.open.iter();
            let id = open.find(|(_, known)| *known == place).map(|(id, _)| *id);
            id.inspect(|id| drop(listeners.open.remove(id)))
        };
        let Some(id) = found else {
            return asked.reply(GlobalAnswer::Failure);
        };
        // Without a broker nothing listens any more.
        let _ = self.line.ask(&Ask::Unlisten(id)).await;
        asked.reply(GlobalAnswer::Success(Vec::new()));
    }

    /// Takes somebody who has connected to a listener to the peer, in a task of
    /// its own.
    pub fn visitor(&self, visitor: Visitor, fd: OwnedFd) {
        // It may have been cancelled just now.
        let Some(place) = lock(&self.listeners).open.get(&visitor.listener).cloned() else {
            return;
        };
        let connection = self.connection.clone();
        tokio::spawn(async move {
            let from = visitor
                .from
                .map_or_else(Originator::default, |(address, port)| Originator {
                    address,
                    port,
                });
            let tcp = matches!(place, Place::Tcp(_));
            let channel = match place {
                Place::Tcp((address, port)) => {
                    let port = u16::try_from(port).unwrap_or_default();
                    connection.forwarded_tcpip(&address, port, &from).await
                }
                Place::Unix(path) => connection.forwarded_streamlocal(path).await,
            };
            match channel {
                Ok(channel) => join(channel, fd, tcp).await,
                Err(problem) => debug!("forwarded channel: {problem}"),
            }
        });
    }
}

/// Joins a channel with a socket. How that ends matters to the two alone, and
/// they know.
pub(super) async fn join(channel: Channel<Server>, fd: OwnedFd, tcp: bool) {
    let outcome = if tcp {
        match TcpStream::from_std(fd.into()) {
            Ok(stream) => channel.join_tcp(stream).await,
            Err(problem) => Err(problem),
        }
    } else {
        match UnixStream::from_std(fd.into()) {
            Ok(stream) => channel.join(stream).await,
            Err(problem) => Err(problem),
        }
    };
    if let Err(problem) = outcome
        && problem.kind() == io::ErrorKind::Other
    {
        debug!("forwarded connection: {problem}");
    }
}
