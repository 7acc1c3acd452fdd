//! Listening at the server's side (`tcpip-forward`, RFC 4254 section 7.1, and
//! `streamlocal-forward@openssh.com`).
//!
//! A channel that the server opens for a listener of ours waits with that
//! listener; one for a listener that we do not have goes to
//! [`Connection::accept_open`], like all others. How many may wait is bounded
//! by the machine (`limits::PENDING_OPENS`).

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use bytes::Bytes;
use carrick_proto::Client;
use carrick_proto::mux::{ChannelId, GlobalId, GlobalRequest, Open, OpenReason};

use crate::connection::{AskedGlobal, Connection, Handle, Incoming};
use crate::error::Error;
use crate::shared::{State, Waiters};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a port.
    Tcp {
        /// The address asked for: empty for all, `localhost` for both loopback
        /// addresses.
        address: String,
        /// The port; 0 is left to the server.
        port: u32,
    },
    /// At a Unix socket.
    Unix {
        /// Its path.
        path: Vec<u8>,
    },
}

impl Place {
    fn request(&self) -> GlobalRequest {
        match self.clone() {
            Self::Tcp { address, port } => GlobalRequest::TcpipForward { address, port },
            Self::Unix { path } => GlobalRequest::StreamlocalForward { path },
        }
    }

    fn cancel(&self) -> GlobalRequest {
        match self.clone() {
            Self::Tcp { address, port } => GlobalRequest::CancelTcpipForward { address, port },
            Self::Unix { path } => GlobalRequest::CancelStreamlocalForward { path },
        }
    }

    /// Whether a channel of this kind comes from here.
    fn is_named_by(&self, kind: &Open) -> bool {
        match (self, kind) {
            (
                Self::Tcp { address, port },
                Open::ForwardedTcpip {
                    address: named,
                    port: number,
                    ..
                },
            ) => address == named && port == number,
            (Self::Unix { path }, Open::ForwardedStreamlocal { path: named }) => path == named,
            _ => false,
        }
    }
}

/// The listeners of one connection.
#[derive(Default)]
pub(crate) struct Listeners {
    next: u64,
    all: Vec<Listener>,
}

struct Listener {
    id: u64,
    place: Place,
    /// The request that the server has not answered yet.
    asked: Option<GlobalId>,
    offers: VecDeque<(ChannelId, Open)>,
    waiters: Waiters,
}

impl Listeners {
    fn add(&mut self, place: Place, asked: GlobalId) -> u64 {
        let id = self.next;
        self.next += 1;
        self.all.push(Listener {
            id,
            place,
            asked: Some(asked),
            offers: VecDeque::new(),
            waiters: Waiters::default(),
        });
        id
    }

    fn get(&mut self, id: u64) -> Option<&mut Listener> {
        self.all.iter_mut().find(|listener| listener.id == id)
    }

    /// Takes an offered channel that is for one of these; hands it back
    /// otherwise.
    pub(crate) fn take(&mut self, id: ChannelId, kind: Open) -> Option<Open> {
        let listener = self
            .all
            .iter_mut()
            .find(|listener| listener.asked.is_none() && listener.place.is_named_by(&kind));
        let Some(listener) = listener else {
            return Some(kind);
        };
        listener.offers.push_back((id, kind));
        listener.waiters.wake();
        None
    }

    /// The server has answered. The port that it chose counts from here on:
    /// channels that name it may come at once.
    pub(crate) fn replied(&mut self, id: GlobalId, ok: bool, data: &Bytes) {
        let mut all = self.all.iter_mut();
        if let Some(listener) = all.find(|listener| listener.asked == Some(id)) {
            if let Place::Tcp { port, .. } = &mut listener.place
                && *port == 0
            {
                *port = chosen_port(data).unwrap_or(0);
            }
            if ok {
                listener.asked = None;
            }
        }
    }

    pub(crate) fn wake_all(&mut self) {
        for listener in &mut self.all {
            listener.waiters.wake();
        }
    }
}

/// The port in the answer to a request with port 0.
fn chosen_port(data: &Bytes) -> Option<u32> {
    let port = u32::from_be_bytes(<[u8; 4]>::try_from(data.as_ref()).ok()?);
    (1..=65535).contains(&port).then_some(port)
}

/// A listener at the server's side. It stops when dropped; connections that
/// were made through it go on.
pub struct RemoteListener {
    entry: Entry,
    place: Place,
}

/// The listener's place in the table, from the request on.
struct Entry {
    handle: Handle<Client>,
    id: u64,
    /// The server does not listen: there is nothing to cancel.
    idle: bool,
}

impl Connection<Client> {
    /// Has the server listen at `port` (0: one of its choice) of `address`:
    /// empty for all its addresses, `localhost` for its loopback ones. What a
    /// server lets its clients listen at is its own decision.
    ///
    /// The request goes out at once, and not when the answer is awaited.
    pub fn listen_remote(
        &self,
        address: &str,
        port: u16,
    ) -> impl Future<Output = Result<RemoteListener, Error>> + Send + use<> {
        let address = address.to_owned();
        let port = u32::from(port);
        listening(self, Place::Tcp { address, port })
    }

    /// The same with a Unix socket.
    pub fn listen_remote_unix(
        &self,
        path: &[u8],
    ) -> impl Future<Output = Result<RemoteListener, Error>> + Send + use<> {
        let path = path.to_vec();
        listening(self, Place::Unix { path })
    }
}

fn listening(
    connection: &Connection<Client>,
    place: Place,
) -> impl Future<Output = Result<RemoteListener, Error>> + Send + use<> {
    let mut id = 0;
    let asked = connection.ask(&place.request(), |state, asked| {
        id = state.listeners.add(place, asked);
    });
    let handle = connection.handle().clone();
    answered(asked.map(|asked| {
        let entry = Entry {
            handle,
            id,
            idle: false,
        };
        (asked, entry)
    }))
}

async fn answered(
    asked: Result<(AskedGlobal<Client>, Entry), Error>,
) -> Result<RemoteListener, Error> {
    let (asked, mut entry) = asked?;
    if asked.reply().await?.is_none() {
        entry.idle = true;
        return Err(Error::RequestRefused("remote forwarding"));
    }
    let place = entry.with(|state, id| {
        let listener = state.listeners.get(id);
        listener.map(|listener| listener.place.clone())
    });
    match place {
        Some(Place::Tcp { port: 0, .. }) => Err(Error::NoPort),
        Some(place) => Ok(RemoteListener { entry, place }),
        None => Err(Error::ChannelClosed),
    }
}

impl Entry {
    fn with<T>(&self, step: impl FnOnce(&mut State<Client>, u64) -> T) -> T {
        self.handle.shared().with(|state| step(state, self.id))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let gone = self.with(|state, id| {
            let all = &mut state.listeners.all;
            let at = all.iter().position(|listener| listener.id == id)?;
            let gone = all.swap_remove(at);
            for (offer, _) in &gone.offers {
                state.refuse(*offer, OpenReason::CONNECT_FAILED, "listener is gone");
            }
            if let (false, Some(mut channels)) = (self.idle, state.conn.channels()) {
                // With the connection the listener goes, too.
                let _ = channels.global_request(&gone.place.cancel(), false);
            }
            Some(gone)
        });
        // Wakers are dropped outside the lock: they may own what needs it.
        drop(gone);
    }
}

impl RemoteListener {
    /// Where it listens, with the port that the server chose.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The port at which it listens, if it is one.
    pub fn port(&self) -> Option<u16> {
        match self.place {
            Place::Tcp { port, .. } => u16::try_from(port).ok(),
            Place::Unix { .. } => None,
        }
    }

    /// The next connection; `None` at the end of the SSH connection. It is to be
    /// accepted, or refused with a reason that the other side may see.
    pub async fn accept(&self) -> Option<Incoming<Client>> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`Self::accept`], to poll.
    pub fn poll_accept(&self, cx: &Context<'_>) -> Poll<Option<Incoming<Client>>> {
        let handle = &self.entry.handle;
        let mut state = handle.shared().lock();
        let over = state.over.is_some();
        let Some(listener) = state.listeners.get(self.entry.id) else {
            return Poll::Ready(None);
        };
        if let Some((id, kind)) = listener.offers.pop_front() {
            // The handle is made outside the lock, which it takes.
            drop(state);
            return Poll::Ready(Some(Incoming::new(handle.clone(), id, kind)));
        }
        if over {
            return Poll::Ready(None);
        }
        listener.waiters.add(cx);
        Poll::Pending
    }

    /// Stops listening, and waits for the server's word on it: whether it
    /// knew of the listener.
    pub async fn cancel(mut self) -> Result<bool, Error> {
        self.entry.idle = true;
        let connection = Connection::new(self.entry.handle.clone());
        let cancel = self.place.cancel();
        drop(self);
        Ok(connection.global_request(cancel).await?.is_some())
    }
}
