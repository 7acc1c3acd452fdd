//! Forwarding: what listens here and at the server, and the connections that
//! are carried.
//!
//! What could a hostile server do with it? Have us connect to what a remote
//! forwarding leads to (with a remote dynamic one: anywhere, which is why
//! PermitRemoteOpen exists), and nowhere else: a channel for a listener that
//! was not asked for is refused. Whoever can connect to a local listener can
//! use the tunnel; that is other machines only with GatewayPorts.

pub(super) mod command;
mod dynamic;
mod local;
mod open;
mod remote;
pub(super) mod stdio;
mod target;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrick::Connection;
use carrick::forward::Originator;
use carrick_config::forward::{ForwardKind, permitted_place};
use carrick_config::ssh::{Options, PermitRemoteOpen};
use carrick_config::types::{Endpoint, Forward, Target};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::open::{Carried, Connections};
use super::options::{System, ipv4_only};
use crate::log::{debug, error, info, log};

/// What the options say on forwarding.
pub(super) struct Settings {
    /// GatewayPorts.
    gateway_ports: bool,
    /// AddressFamily.
    ipv4: Option<bool>,
    /// StreamLocalBindMask and StreamLocalBindUnlink.
    bind_mask: u32,
    bind_unlink: bool,
    /// Where remote dynamic forwardings may lead; `None`: anywhere.
    permit_remote_open: Option<Vec<(String, u32)>>,
    /// A forwarding that fails is the end.
    exit_on_failure: bool,
}

impl Settings {
    fn new(options: &Options) -> Self {
        Self {
            gateway_ports: options.gateway_ports,
            ipv4: ipv4_only(options),
            bind_mask: options.stream_local_bind_mask,
            bind_unlink: options.stream_local_bind_unlink,
            permit_remote_open: match &options.permit_remote_open {
                PermitRemoteOpen::Any => None,
                PermitRemoteOpen::None => Some(Vec::new()),
                PermitRemoteOpen::Only(list) => {
                    let places = list
                        .iter()
                        .filter_map(|place| permitted_place(place, &System));
                    Some(places.collect())
                }
            },
            exit_on_failure: options.exit_on_forward_failure,
        }
    }
}

/// All forwarding of a connection. Clones are handles to the same.
#[derive(Clone)]
pub(super) struct Forwards(Arc<Inner>);

struct Inner {
    connection: Connection,
    settings: Settings,
    listeners: Mutex<Vec<Listener>>,
    connections: Connections,
    /// Requests that the server has not answered yet; told when there are none.
    unanswered: AtomicUsize,
    answered: Notify,
    /// A forwarding has failed that must not, and that was told.
    broken: AtomicBool,
    breaks: Notify,
}

/// Something that listens.
struct Listener {
    /// As it was asked for; with the port that the server chose.
    forward: Forward,
    remote: bool,
    /// What accepts, and has the sockets.
    tasks: Vec<JoinHandle<()>>,
}

impl Forwards {
    /// Sets up what the options ask for. `None`: it failed, and must not; why
    /// was told.
    pub(super) fn start(connection: &Connection, options: &Options) -> Option<Self> {
        let forwards = Self(Arc::new(Inner {
            connection: connection.clone(),
            settings: Settings::new(options),
            listeners: Mutex::default(),
            connections: Connections::default(),
            unanswered: AtomicUsize::new(0),
            answered: Notify::new(),
            broken: AtomicBool::new(false),
            breaks: Notify::new(),
        }));
        let locals = &options.local_forwards;
        let works = locals
            .iter()
            .filter(|forward| forwards.listen(forward))
            .count();
        let all_or_none = forwards.0.settings.exit_on_failure;
        if works < locals.len() && all_or_none {
            log!(Fatal, "Could not request local forwarding.");
            return None;
        }
        if works == 0 && !locals.is_empty() {
            error!("Could not request local forwarding.");
        }
        for forward in &options.remote_forwards {
            let (listen, to) = (shown_listen(&forward.listen), shown_target(forward));
            debug!("Remote connections from {listen} forwarded to local address {to}");
            let answer = forwards.request(forward);
            let forwards = forwards.clone();
            forwards.0.unanswered.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let granted = answer.await.is_some();
                if !granted && forwards.0.settings.exit_on_failure {
                    forwards.0.broken.store(true, Ordering::Relaxed);
                    forwards.0.breaks.notify_waiters();
                }
                if forwards.0.unanswered.fetch_sub(1, Ordering::Relaxed) == 1 {
                    debug!("forwarding_success: all expected forwarding replies received");
                    forwards.0.answered.notify_waiters();
                }
            });
        }
        Some(forwards)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens here, for `-L` and `-D`; whether it does. What went wrong was told.
    pub(super) fn listen(&self, forward: &Forward) -> bool {
        let (listen, to) = (shown_listen(&forward.listen), shown_target(forward));
        debug!("Local connections to {listen} forwarded to remote address {to}");
        let sockets = local::bind(&self.0.settings, &forward.listen);
        let mut tasks = Vec::new();
        let shared = Arc::new(forward.clone());
        for socket in sockets {
            let task = local::serve(self.clone(), socket, Arc::clone(&shared));
            tasks.push(tokio::spawn(task));
        }
        let works = !tasks.is_empty();
        if works {
            self.listeners().push(Listener {
                forward: forward.clone(),
                remote: false,
                tasks,
            });
        }
        works
    }

    /// Has the server listen, for `-R`: where it does, if it does. What went
    /// wrong, and the port that it chose, is told. The request goes out at once.
    pub(super) fn request(
        &self,
        forward: &Forward,
    ) -> impl Future<Output = Option<Endpoint>> + use<> {
        let answer = remote::request(&self.0.connection, &forward.listen);
        let (forwards, mut forward) = (self.clone(), forward.clone());
        async move {
            let exits = forwards.0.settings.exit_on_failure;
            let listener = remote::answered(answer.await, &mut forward, exits)?;
            let place = forward.listen.clone();
            let task = remote::serve(forwards.clone(), listener, Arc::new(forward.clone()));
            let tasks = vec![tokio::spawn(task)];
            forwards.listeners().push(Listener {
                forward,
                remote: true,
                tasks,
            });
            Some(place)
        }
    }

    /// Listens no more: `None` if it did not, and else what ends when the last
    /// socket is closed. Connections that were made go on.
    pub(super) fn cancel(
        &self,
        kind: ForwardKind,
        listen: &Endpoint,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let remote = matches!(kind, ForwardKind::Remote | ForwardKind::RemoteDynamic);
        let dynamic = kind == ForwardKind::Dynamic;
        let mut listeners = self.listeners();
        let at = listeners.iter().position(|listener| {
            let is_dynamic = listener.forward.connect == Target::Socks;
            listener.remote == remote
                && same_place(&listener.forward.listen, listen)
                && (remote || is_dynamic == dynamic)
        })?;
        let gone = listeners.swap_remove(at);
        gone.tasks.iter().for_each(JoinHandle::abort);
        Some(async move {
            for task in gone.tasks {
                // An error: it was aborted, as told.
                let _ = task.await;
            }
        })
    }

    /// Waits until the server has answered all that it was asked for at first.
    pub(super) async fn answered(&self) {
        loop {
            let told = self.0.answered.notified();
            if self.0.unanswered.load(Ordering::Relaxed) == 0 {
                return;
            }
            told.await;
        }
    }

    /// Does `work`, unless a forwarding fails meanwhile that must not: `None`.
    pub(super) async fn unless_broken<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        // Nothing that the server has still to say can be the end of it.
        let may_break = self.0.settings.exit_on_failure
            && self.0.unanswered.load(Ordering::Relaxed) > 0
            || self.0.broken.load(Ordering::Relaxed);
        if !may_break {
            return Some(work.await);
        }
        let broken = async {
            loop {
                let told = self.0.breaks.notified();
                if self.0.broken.load(Ordering::Relaxed) {
                    return;
                }
                told.await;
            }
        };
        tokio::select! {
            // What waits for the answers must not go on with a bad one.
            biased;
            () = broken => None,
            outcome = work => Some(outcome),
        }
    }

    /// Counts a program in that draws on the user's display.
    pub(super) fn carry_x11(&self, from: &Originator) -> Carried<'_> {
        self.0.connections.begin_x11(from)
    }

    /// Counts in the tunnel of this network device.
    pub(super) fn carry_tunnel(&self, device: &str) -> Carried<'_> {
        self.0.connections.begin_tunnel(device)
    }

    /// Whether connections are carried now.
    pub(super) fn is_idle(&self) -> bool {
        self.0.connections.is_empty()
    }

    /// How many were carried so far.
    pub(super) fn carried(&self) -> u64 {
        self.0.connections.count()
    }

    /// Waits until no connections are carried.
    pub(super) async fn idle(&self) {
        self.0.connections.idle().await;
    }

    /// Lines about the connections, for `~#`.
    pub(super) fn about(&self) -> String {
        self.0.connections.about()
    }
}

/// Whether two listeners would be at the same place, as they are written.
fn same_place(one: &Endpoint, two: &Endpoint) -> bool {
    let plain = |host: &Option<String>| host.clone().filter(|host| host != "localhost");
    match (one, two) {
        (Endpoint::Tcp { host, port }, Endpoint::Tcp { host: h, port: p }) => {
            port == p && plain(host) == plain(h)
        }
        (one, two) => one == two,
    }
}

/// Where it listens, for the log.
fn shown_listen(listen: &Endpoint) -> String {
    match listen {
        Endpoint::Tcp { host, port } => {
            format!("{}:{port}", host.as_deref().unwrap_or("LOCALHOST"))
        }
        Endpoint::Unix { path } => format!("{path}:-2"),
    }
}

/// Where it leads, for the log.
fn shown_target(forward: &Forward) -> String {
    match &forward.connect {
        Target::Socks => "*:0".to_owned(),
        Target::To(Endpoint::Tcp { host, port }) => {
            format!("{}:{port}", host.as_deref().unwrap_or_default())
        }
        Target::To(Endpoint::Unix { path }) => format!("{path}:-2"),
    }
}

/// Tells that a channel was not opened.
fn tell_refused(why: &carrick::Error) {
    match why {
        carrick::Error::OpenRefused { id, reason, text } if text.is_empty() => {
            info!("channel {id}: open failed: {reason}");
        }
        carrick::Error::OpenRefused { id, reason, text } => {
            info!("channel {id}: open failed: {reason}: {text}");
        }
        // The connection has ended: told elsewhere.
        other => debug!("forwarded connection: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_as_they_are_written() {
        let tcp = |host: Option<&str>, port| Endpoint::Tcp {
            host: host.map(str::to_owned),
            port,
        };
        assert!(same_place(&tcp(None, 80), &tcp(Some("localhost"), 80)));
        assert!(same_place(&tcp(Some("*"), 80), &tcp(Some("*"), 80)));
        assert!(!same_place(&tcp(None, 80), &tcp(None, 81)));
        assert!(!same_place(&tcp(None, 80), &tcp(Some("*"), 80)));
        let unix = Endpoint::Unix { path: "/s".into() };
        assert!(same_place(&unix, &unix.clone()));
        assert!(!same_place(&unix, &tcp(None, 80)));
    }
}
