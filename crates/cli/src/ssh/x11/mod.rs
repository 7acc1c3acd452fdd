//! The user's display, lent to the server (ForwardX11).
//!
//! What could a hostile server do with it? Connect programs to the display, for
//! as long as the connection lasts: that is what lending means, and why it is
//! off by default. With `-X` they are strangers to the X server, by a cookie of
//! their own that its SECURITY extension knows as untrusted, and are let in for
//! ForwardX11Timeout; with `-Y` they are as good as the user's own and can read
//! every key that is typed. The server never sees a cookie of the display's
//! (see [`carrick::x11`]), and one that was not asked to borrow it gets nothing.
//!
//! Another user of the server's machine, who can connect to the port there,
//! must show the made-up cookie before a connection to the display is made:
//! without it, not even one of the few clients that an X server takes is spent.

mod place;
mod xauth;

use std::sync::Arc;
use std::time::{Duration, Instant};

use carrick::forward::Originator;
use carrick::x11::{self, Problem, Spoof, SystemRng};
use carrick::{Asked, Channel, Incoming, Open, Request};
use carrick_config::ssh::Options;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OnceCell;

use self::place::{Place, Stream};
use self::xauth::Key;
use super::forward::Forwards;
use crate::log::{debug, debug2, error, info, verbose};

/// The display that the environment names, and how it is lent.
pub(super) struct Display {
    name: String,
    ipv4: Option<bool>,
    xauth: xauth::Settings,
    /// From when it is lent: made as the first session asks for it. `None`: it
    /// cannot be.
    lent: OnceCell<Option<Lent>>,
}

/// How to get in.
struct Lent {
    spoof: Spoof,
    /// From when on nobody is let in.
    until: Option<Instant>,
}

impl Display {
    /// As the options say; `None`: it is not wanted. Nothing is asked of the
    /// display yet.
    pub(super) fn new(options: &Options) -> Option<Arc<Self>> {
        options.forward_x11.then(|| {
            Arc::new(Self {
                name: std::env::var("DISPLAY").unwrap_or_default(),
                ipv4: super::ipv4_only(options),
                xauth: xauth::Settings::new(options),
                lent: OnceCell::new(),
            })
        })
    }

    /// What asks the server to let a session's programs reach it; `None`: they
    /// cannot, and why was told.
    pub(super) async fn request(&self) -> Option<Request> {
        let lent = self.lent.get_or_init(|| self.lend()).await.as_ref()?;
        debug!("Requesting X11 forwarding with authentication spoofing.");
        Some(lent.spoof.request(false, place::screen(&self.name)))
    }

    async fn lend(&self) -> Option<Lent> {
        let name = &self.name;
        if name.is_empty() {
            debug!("X11 forwarding requested but DISPLAY not set");
            return None;
        }
        // It becomes an argument of xauth's.
        if !x11::is_plain(name.as_bytes()) {
            info!("DISPLAY \"{name}\" invalid; disabling X11 forwarding");
            return None;
        }
        let until = self.xauth.timeout().and_then(|timeout| {
            // As OpenSSH: a little late rather than early.
            Instant::now().checked_add(timeout.saturating_add(Duration::from_secs(1)))
        });
        let spoof = match xauth::key(&self.xauth, name).await? {
            Key::Cookie(protocol, cookie) => Spoof::new(&protocol, cookie, &mut SystemRng),
            Key::Nothing => {
                info!(
                    "Warning: No xauth data; \
                     using fake authentication data for X11 forwarding."
                );
                Spoof::without_cookie(&mut SystemRng)
            }
        };
        Some(Lent {
            spoof: spoof?,
            until,
        })
    }

    /// Serves one channel, to its end.
    async fn serve(&self, incoming: Incoming, from: &Originator, forwards: &Forwards) {
        let Some(lent) = self.lent.get().and_then(Option::as_ref) else {
            error!("DISPLAY not set.");
            return;
        };
        if lent.until.is_some_and(|until| Instant::now() >= until) {
            return tell_expired();
        }
        let (address, port) = (&from.address, from.port);
        debug!("client_request_x11: request from {address} {port}");
        let Ok(channel) = incoming.accept() else {
            // The connection has ended.
            return;
        };
        let id = channel.id();
        let carried = forwards.carry_x11(from);
        carried.opened(id);
        match self.join(channel, lent).await {
            Ok(()) => {}
            Err(Problem::Refused(fault)) => {
                debug2!("{fault}");
                info!("X11 connection rejected because of wrong authentication.");
                debug2!("X11 rejected {id}");
            }
            Err(problem) => debug2!("channel {id}: X11 connection: {problem}"),
        }
    }

    async fn join(&self, channel: Channel, lent: &Lent) -> Result<(), Problem> {
        let greeting = x11::greet(&channel, &lent.spoof);
        let greeted = match lent.until {
            None => greeting.await,
            Some(until) => match tokio::time::timeout_at(until.into(), greeting).await {
                Ok(greeted) => greeted,
                Err(_) => {
                    tell_expired();
                    return Ok(());
                }
            },
        };
        let message = greeted?;
        let Some(stream) = self.connect().await else {
            // Told; the channel is closed.
            return Ok(());
        };
        let outcome = match stream {
            Stream::Unix(mut stream) => {
                stream.write_all(message.expose()).await?;
                channel.join(stream).await
            }
            Stream::Tcp(mut stream) => {
                stream.write_all(message.expose()).await?;
                channel.join_tcp(stream).await
            }
        };
        Ok(outcome?)
    }

    /// Connects to the X server; `None`: that failed, and was told.
    async fn connect(&self) -> Option<Stream> {
        let reached = match Place::of(&self.name) {
            Ok(place) => place.connect(self.ipv4).await,
            Err(why) => Err(why),
        };
        reached.inspect_err(|why| error!("{why}")).ok()
    }
}

fn tell_expired() {
    verbose!("Rejected X11 connection after ForwardX11Timeout expired");
}

/// Waits for the server's answer to [`Display::request`]: the session goes on
/// without.
pub(super) fn warn_if_refused(channel: &Channel, asked: Asked) {
    let id = channel.id();
    tokio::spawn(async move {
        if let Ok(false) = asked.granted().await {
            info!("X11 forwarding request failed on channel {id}");
        }
    });
}

/// Has one channel that the server asks for lead to the display, in a task of
/// its own. `None`: it was not asked to borrow it.
pub(super) fn lend(display: Option<&Arc<Display>>, incoming: Incoming, forwards: &Forwards) {
    let Some(display) = display.map(Arc::clone) else {
        error!("Warning: ssh server tried X11 forwarding.");
        error!("Warning: this is probably a break-in attempt by a malicious server.");
        return;
    };
    let from = match &incoming.kind {
        Open::X11 {
            originator,
            originator_port,
        } => Originator {
            address: originator.clone(),
            port: *originator_port,
        },
        _ => Originator::default(),
    };
    let forwards = forwards.clone();
    tokio::spawn(async move { display.serve(incoming, &from, &forwards).await });
}
