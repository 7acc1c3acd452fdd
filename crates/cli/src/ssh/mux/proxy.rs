//! Proxy mode: the passenger speaks the connection protocol on the control
//! connection, and the master stands between it and the server.
//!
//! OpenSSH's master translates channel numbers and hands everything on. Ours
//! ends the passenger's conversation here and has one of its own with the
//! server: what a passenger sends is decoded, its channels, requests and
//! windows are bounded as a server bounds a client's, and a mistake of its own
//! ends no other's connection. What it cannot do: X11 (its cookies are for its
//! master to check), tunnels of network devices (a frame that does not fit into
//! a packet of one side would be cut), and speak of the server's host keys.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use carrick::forward::RemoteListener;
use carrick::proto::Side;
use carrick::{
    Channel, Client, Connection, GlobalAnswer, GlobalRequest, Incoming, IncomingGlobal,
    IncomingRequest, Open, OpenReason, Request, Server, Stream, plain,
};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::master::Master;
use crate::log::{debug, debug2};

/// Channels of one passenger at once.
const CHANNELS: usize = 1024;

/// Listeners at the server for one passenger.
const LISTENERS: usize = 128;

/// Serves a passenger to its end. All that it opened ends with it.
pub(super) async fn serve(master: &Master, socket: UnixStream) {
    let mut proxy = Proxy {
        down: plain::server(socket),
        up: master.connection().clone(),
        room: Arc::new(Semaphore::new(CHANNELS)),
        tasks: JoinSet::new(),
        listeners: HashMap::new(),
    };
    loop {
        tokio::select! {
            incoming = proxy.down.accept_open() => match incoming {
                Some(incoming) => proxy.open(incoming),
                None => break,
            },
            asked = proxy.down.next_global_request() => match asked {
                Some(asked) => proxy.global(asked).await,
                None => break,
            },
            // So that those that are done are forgotten.
            Some(_) = proxy.tasks.join_next() => {}
            why = proxy.up.closed() => {
                debug2!("mux proxy: {why}");
                break;
            }
        }
    }
    debug!("mux proxy: client has gone");
}

struct Proxy {
    down: Connection<Server>,
    up: Connection<Client>,
    room: Arc<Semaphore>,
    tasks: JoinSet<()>,
    /// Where the server listens for the passenger.
    listeners: HashMap<Where, AbortHandle>,
}

/// Where a server listens, as it was asked for, or answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Where {
    Tcp(String, u32),
    Unix(Vec<u8>),
}

impl Proxy {
    /// A channel of the passenger's.
    fn open(&mut self, incoming: Incoming<Server>) {
        // What a client may ask a server for.
        let may = matches!(
            incoming.kind,
            Open::Session | Open::DirectTcpip { .. } | Open::DirectStreamlocal { .. }
        );
        if !may {
            let why = OpenReason::UNKNOWN_CHANNEL_TYPE;
            return incoming.refuse(why, "not through a shared connection");
        }
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return incoming.refuse(OpenReason::RESOURCE_SHORTAGE, "too many channels");
        };
        let up = self.up.clone();
        self.tasks.spawn(async move {
            match up.open(incoming.kind.clone()).await {
                Ok(up) => {
                    if let Ok(down) = incoming.accept() {
                        bridge(up, down).await;
                    }
                }
                Err(carrick::Error::OpenRefused { reason, text, .. }) => {
                    incoming.refuse(reason, &text);
                }
                Err(_) => incoming.refuse(OpenReason::CONNECT_FAILED, "open failed"),
            }
            drop(place);
        });
    }

    async fn global(&mut self, asked: IncomingGlobal<Server>) {
        self.listeners.retain(|_, task| !task.is_finished());
        let answer = match asked.request.clone() {
            GlobalRequest::TcpipForward { address, port } => {
                let Ok(number) = u16::try_from(port) else {
                    return;
                };
                let listening = self.up.listen_remote(&address, number).await;
                self.listening(listening, Where::Tcp(address, port))
            }
            GlobalRequest::StreamlocalForward { path } => {
                let listening = self.up.listen_remote_unix(&path).await;
                self.listening(listening, Where::Unix(path))
            }
            GlobalRequest::CancelTcpipForward { address, port } => {
                self.cancel(&Where::Tcp(address, port))
            }
            GlobalRequest::CancelStreamlocalForward { path } => self.cancel(&Where::Unix(path)),
            _ => GlobalAnswer::Failure,
        };
        asked.reply(answer);
    }

    fn cancel(&mut self, place: &Where) -> GlobalAnswer {
        match self.listeners.remove(place) {
            Some(task) => {
                task.abort();
                GlobalAnswer::Success(Vec::new())
            }
            None => GlobalAnswer::Failure,
        }
    }

    fn listening(
        &mut self,
        listening: Result<RemoteListener, carrick::Error>,
        asked: Where,
    ) -> GlobalAnswer {
        let Ok(listener) = listening else {
            return GlobalAnswer::Failure;
        };
        if self.listeners.len() >= LISTENERS {
            return GlobalAnswer::Failure;
        }
        let (mut data, mut place) = (Vec::new(), asked);
        if let (Where::Tcp(_, port @ 0), Some(chosen)) = (&mut place, listener.port()) {
            *port = chosen.into();
            data = u32::from(chosen).to_be_bytes().to_vec();
        }
        let (down, room) = (self.down.clone(), Arc::clone(&self.room));
        let task = self.tasks.spawn(listen(listener, down, room));
        self.listeners.insert(place, task);
        GlobalAnswer::Success(data)
    }
}

/// Hands the connections that the server took for the passenger to it.
async fn listen(listener: RemoteListener, down: Connection<Server>, room: Arc<Semaphore>) {
    while let Some(incoming) = listener.accept().await {
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            incoming.refuse(OpenReason::RESOURCE_SHORTAGE, "too many channels");
            continue;
        };
        let down = down.clone();
        // Like those of any listener, they outlast it.
        tokio::spawn(async move {
            match down.open(incoming.kind.clone()).await {
                Ok(down) => {
                    if let Ok(up) = incoming.accept() {
                        bridge(up, down).await;
                    }
                }
                Err(carrick::Error::OpenRefused { reason, text, .. }) => {
                    incoming.refuse(reason, &text);
                }
                Err(_) => {}
            }
            drop(place);
        });
    }
}

/// Joins a channel of the server's with one of the passenger's: data, ends,
/// requests and their answers, until one of them is closed. Dropping the two
/// closes both.
async fn bridge(up: Channel<Client>, down: Channel<Server>) {
    let mut bridge = Bridge {
        to_down: [Flow::new(Stream::Data), Flow::new(Stream::Stderr)],
        to_up: Flow::new(Stream::Data),
        from_up: Asking::default(),
        from_down: Asking::default(),
        up,
        down,
    };
    poll_fn(|cx| bridge.poll(cx)).await;
}

struct Bridge {
    up: Channel<Client>,
    down: Channel<Server>,
    to_down: [Flow; 2],
    to_up: Flow,
    from_up: Asking<Client>,
    from_down: Asking<Server>,
}

impl Bridge {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for flow in &mut self.to_down {
            // Whether it is at its end is looked at below.
            let _ = flow.poll(cx, &self.up, &self.down);
        }
        // Requests that stand behind data, as an exit status does, are looked
        // at in the same turn: the other side reads them in any order.
        let up_closed = self.from_up.poll(cx, &self.up, &self.down).is_ready();
        let down_closed = self.from_down.poll(cx, &self.down, &self.up).is_ready();
        let [data, stderr] = &mut self.to_down;
        if data.done && stderr.done {
            data.end(&self.up, &self.down);
            if up_closed {
                return Poll::Ready(());
            }
        }
        if self.to_up.poll(cx, &self.down, &self.up).is_ready() {
            self.to_up.end(&self.down, &self.up);
            if down_closed {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

/// One stream in one direction.
struct Flow {
    stream: Stream,
    left: Bytes,
    done: bool,
    /// Its end was passed on.
    ended: bool,
}

impl Flow {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            left: Bytes::new(),
            done: false,
            ended: false,
        }
    }

    /// Moves what there is; ready at the end.
    fn poll<A: Side, B: Side>(
        &mut self,
        cx: &mut Context<'_>,
        from: &Channel<A>,
        to: &Channel<B>,
    ) -> Poll<()> {
        while !self.done {
            if self.left.is_empty() {
                match ready!(from.poll_take(cx, self.stream)) {
                    Some(piece) => self.left = piece,
                    None => self.done = true,
                }
                continue;
            }
            let left = &self.left;
            let mut copy = |space: &mut [u8]| {
                let mut len = 0;
                for (to, from) in space.iter_mut().zip(left.iter()) {
                    *to = *from;
                    len += 1;
                }
                Ok(len)
            };
            match ready!(to.poll_fill(cx, self.stream, left.len(), &mut copy)) {
                Ok(len) => self.left.advance(len),
                Err(_) => {
                    // Nobody takes it any more.
                    let _ = from.discard();
                    self.left = Bytes::new();
                    self.done = true;
                }
            }
        }
        Poll::Ready(())
    }

    /// Passes the end on, once; a channel that was cut off had none.
    fn end<A: Side, B: Side>(&mut self, from: &Channel<A>, to: &Channel<B>) {
        if !std::mem::replace(&mut self.ended, true) && !from.is_cut() {
            // It may be closed meanwhile.
            let _ = to.send_eof();
        }
    }
}

/// Whether a request was granted, once that is known.
type Granted = Pin<Box<dyn Future<Output = Result<bool, carrick::Error>> + Send>>;

/// Requests in one direction, with those that wait for their answers. The
/// machine bounds how many there are.
struct Asking<A: Side> {
    open: Vec<(IncomingRequest<A>, Granted)>,
}

impl<A: Side> Default for Asking<A> {
    fn default() -> Self {
        Self { open: Vec::new() }
    }
}

impl<A: Side> Asking<A> {
    /// Passes on what is asked and answered; ready when nothing more will be.
    fn poll<B>(&mut self, cx: &mut Context<'_>, from: &Channel<A>, to: &Channel<B>) -> Poll<()>
    where
        B: Side + Send + 'static,
        B::Event: Send,
        B::Step: Send,
    {
        let closed = loop {
            match from.poll_request(cx) {
                Poll::Pending => break false,
                Poll::Ready(None) => break true,
                Poll::Ready(Some(incoming)) => self.pass(incoming, to),
            }
        };
        let mut at = 0;
        while let Some((_, granted)) = self.open.get_mut(at) {
            match granted.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(outcome) => {
                    let (incoming, _) = self.open.swap_remove(at);
                    incoming.reply(outcome.unwrap_or(false));
                }
            }
        }
        if closed {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn pass<B>(&mut self, incoming: IncomingRequest<A>, to: &Channel<B>)
    where
        B: Side + Send + 'static,
        B::Event: Send,
        B::Step: Send,
    {
        match &incoming.request {
            // Said by our machines themselves.
            Request::EndOfWrite => drop(to.discard()),
            // Dropping it refuses.
            Request::X11 { .. } => debug2!("mux proxy: no X11"),
            request if incoming.wants_reply() => {
                if let Ok(asked) = to.request_later(request.clone()) {
                    self.open.push((incoming, Box::pin(asked.granted())));
                }
            }
            // A closed channel takes none, and needs none.
            request => drop(to.notify(request.clone())),
        }
    }
}
