//! Forwardings that passengers open and close.

use carrick_config::forward::ForwardKind;
use carrick_config::ssh::Options;
use carrick_config::types::{Endpoint, Forward, Target};
use carrick_wire::control;

use super::master::Master;
use crate::log::{debug2, error, info};

/// What stands for the target of a forwarding that SOCKS decides.
pub(super) const SOCKS: &str = "socks";

/// Forwardings at once; passengers open no more. Each local one costs the
/// master at least a descriptor, which its other passengers need too.
const FORWARDINGS: usize = 256;

/// A forwarding, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) remote: bool,
    pub(super) forward: Forward,
}

/// The forwardings that there are, as they were asked for; with the port that
/// the server chose.
pub(super) struct Known(Vec<(Wanted, Opened)>);

/// How a forwarding was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    AsAsked,
    /// At this port, which the server chose.
    AtPort(u16),
}

impl Known {
    /// Those of the options.
    pub(super) fn of(options: &Options) -> Self {
        let all = |forwards: &[Forward], remote| -> Vec<_> {
            let wanted = |forward: &Forward| Wanted {
                remote,
                forward: forward.clone(),
            };
            let known = |forward| (wanted(forward), Opened::AsAsked);
            forwards.iter().map(known).collect()
        };
        let mut known = all(&options.local_forwards, false);
        known.extend(all(&options.remote_forwards, true));
        Self(known)
    }

    pub(super) fn has(&self, wanted: &Wanted) -> bool {
        self.0.iter().any(|(known, _)| known == wanted)
    }

    fn find(&self, wanted: &Wanted) -> Option<Opened> {
        let found = self.0.iter().find(|(known, _)| known == wanted);
        found.map(|(_, opened)| *opened)
    }

    fn is_full(&self) -> bool {
        self.0.len() >= FORWARDINGS
    }

    fn add(&mut self, wanted: Wanted, opened: Opened) {
        self.0.push((wanted, opened));
    }

    fn remove(&mut self, wanted: &Wanted) {
        self.0.retain(|(known, _)| known != wanted);
    }
}

impl Wanted {
    /// In words, as OpenSSH has them.
    pub(super) fn shown(&self) -> String {
        let place = |at: &Endpoint, nobody: &str| match at {
            Endpoint::Tcp { host, port } => {
                format!("{}:{port}", host.as_deref().unwrap_or(nobody))
            }
            Endpoint::Unix { path } => format!("{path}:-2"),
        };
        let listen = place(&self.forward.listen, "LOCALHOST");
        match (self.remote, &self.forward.connect) {
            (false, Target::Socks) => format!("dynamic forward {listen} -> *"),
            (false, Target::To(to)) => format!("local forward {listen} -> {}", place(to, "")),
            (true, Target::Socks) => format!("remote forward {listen} -> {SOCKS}:0"),
            (true, Target::To(to)) => format!("remote forward {listen} -> {}", place(to, "")),
        }
    }

    /// As a passenger's message has it.
    pub(super) fn to_wire(&self) -> control::Forward<'_> {
        let place = |at: &'_ Endpoint| -> control::Port {
            match at {
                Endpoint::Tcp { port, .. } => control::Port::Number(*port),
                Endpoint::Unix { .. } => control::Port::Unix,
            }
        };
        let kind = match (self.remote, &self.forward.connect) {
            (true, _) => control::ForwardKind::Remote,
            (false, Target::Socks) => control::ForwardKind::Dynamic,
            (false, Target::To(_)) => control::ForwardKind::Local,
        };
        let listen = &self.forward.listen;
        let connect = match &self.forward.connect {
            Target::Socks => control::Place {
                name: SOCKS.as_bytes(),
                port: control::Port::Number(0),
            },
            Target::To(to) => control::Place {
                name: name(to, ""),
                port: place(to),
            },
        };
        control::Forward {
            kind,
            listen: control::Place {
                // An address that was given and is empty means all of them.
                name: name(listen, "*"),
                port: place(listen),
            },
            connect,
        }
    }
}

fn name<'a>(at: &'a Endpoint, empty: &'a str) -> &'a [u8] {
    match at {
        Endpoint::Tcp { host: None, .. } => b"",
        Endpoint::Tcp {
            host: Some(host), ..
        } if host.is_empty() => empty.as_bytes(),
        Endpoint::Tcp {
            host: Some(host), ..
        } => host.as_bytes(),
        Endpoint::Unix { path } => path.as_bytes(),
    }
}

/// What a message asks for, if it makes sense.
pub(super) fn understand(asked: &control::Forward<'_>) -> Result<Wanted, &'static str> {
    let invalid = |why: &str| {
        info!("mux_master_process_open_fwd: {why}");
        "Invalid forwarding request"
    };
    let (remote, dynamic) = match asked.kind {
        control::ForwardKind::Local => (false, false),
        control::ForwardKind::Remote => (true, false),
        control::ForwardKind::Dynamic => (false, true),
        control::ForwardKind::Unknown(kind) => {
            return Err(invalid(&format!("invalid forwarding type {kind}")));
        }
    };
    let endpoint = |place: &control::Place<'_>| -> Option<Endpoint> {
        let name = String::from_utf8(place.name.to_vec()).ok()?;
        Some(match place.port {
            control::Port::Number(port) => Endpoint::Tcp {
                host: Some(name).filter(|name| !name.is_empty()),
                port,
            },
            control::Port::Unix => Endpoint::Unix { path: name },
        })
    };
    let (Some(listen), Some(connect)) = (endpoint(&asked.listen), endpoint(&asked.connect)) else {
        return Err(invalid("a name is not text"));
    };
    let socks = match &connect {
        Endpoint::Tcp { host, port: 0 } => host.as_deref() == Some(SOCKS),
        _ => false,
    };
    let connect = match (dynamic, remote, connect) {
        (true, ..) if matches!(listen, Endpoint::Unix { .. }) => {
            return Err(invalid(
                "streamlocal and dynamic forwards are mutually exclusive",
            ));
        }
        (true, ..) => Target::Socks,
        (false, true, _) if socks => Target::Socks,
        (_, _, Endpoint::Tcp { port: 0, .. }) => return Err(invalid("invalid connect port 0")),
        (_, _, Endpoint::Tcp { host: None, .. }) => return Err(invalid("missing connect host")),
        (_, _, Endpoint::Unix { path }) if path.is_empty() => {
            return Err(invalid("missing connect host"));
        }
        (_, _, to) => Target::To(to),
    };
    let forward = Forward { listen, connect };
    Ok(Wanted { remote, forward })
}

/// Opens a forwarding, unless it is there. An error is for the passenger.
pub(super) async fn open(master: &Master, wanted: Wanted) -> Result<Opened, String> {
    debug2!("mux_master_process_open_fwd: request {}", wanted.shown());
    if let Some(opened) = master.known().find(&wanted) {
        debug2!("mux_master_process_open_fwd: found existing forwarding");
        return Ok(opened);
    }
    if master.known().is_full() {
        return Err("too many forwardings".into());
    }
    let forward = &wanted.forward;
    if !wanted.remote {
        if !master.forwards().listen(forward) {
            info!(
                "mux_master_process_open_fwd: requested {} failed",
                wanted.shown()
            );
            return Err("Port forwarding failed".into());
        }
        master.known().add(wanted, Opened::AsAsked);
        return Ok(Opened::AsAsked);
    }
    let listening = master.forwards().request(forward).await;
    let Some(place) = listening else {
        let what = match &forward.listen {
            Endpoint::Tcp { port, .. } => format!("listen port {port}"),
            Endpoint::Unix { path } => format!("listen path {path}"),
        };
        return Err(format!("remote port forwarding failed for {what}"));
    };
    let opened = match (&forward.listen, &place) {
        (Endpoint::Tcp { port: 0, .. }, Endpoint::Tcp { port, .. }) => Opened::AtPort(*port),
        _ => Opened::AsAsked,
    };
    master.known().add(wanted, opened);
    Ok(opened)
}

/// Closes one, and waits until nobody listens there any more. An error is for
/// the passenger.
pub(super) async fn close(
    master: &Master,
    asked: &control::Forward<'_>,
) -> Result<(), &'static str> {
    let wanted = understand(asked)?;
    debug2!(
        "mux_master_process_close_fwd: request cancel {}",
        wanted.shown()
    );
    let Some(opened) = master.known().find(&wanted) else {
        return Err("port not forwarded");
    };
    let mut listen = wanted.forward.listen.clone();
    if let (Opened::AtPort(chosen), Endpoint::Tcp { port, .. }) = (opened, &mut listen) {
        *port = chosen;
    }
    let kind = match (wanted.remote, &wanted.forward.connect) {
        (true, _) => ForwardKind::Remote,
        (false, Target::Socks) => ForwardKind::Dynamic,
        (false, Target::To(_)) => ForwardKind::Local,
    };
    let Some(closed) = master.forwards().cancel(kind, &listen) else {
        error!("mux_master_process_close_fwd: {} is gone", wanted.shown());
        return Err(if wanted.remote {
            "port not in permitted opens"
        } else {
            "port not found"
        });
    };
    // Whoever asks for it while it is being closed asks for a new one.
    master.known().remove(&wanted);
    closed.await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: Option<&str>, port: u16) -> Endpoint {
        let host = host.map(str::to_owned);
        Endpoint::Tcp { host, port }
    }

    fn wanted(remote: bool, listen: Endpoint, connect: Target) -> Wanted {
        let forward = Forward { listen, connect };
        Wanted { remote, forward }
    }

    #[test]
    fn what_a_passenger_sends_is_what_the_master_understands() {
        let unix = || Endpoint::Unix { path: "/s".into() };
        for (wanted, shown) in [
            (
                wanted(false, tcp(None, 80), Target::To(tcp(Some("h"), 22))),
                "local forward LOCALHOST:80 -> h:22",
            ),
            (
                wanted(false, tcp(Some("*"), 80), Target::Socks),
                "dynamic forward *:80 -> *",
            ),
            (
                wanted(true, tcp(None, 0), Target::Socks),
                "remote forward LOCALHOST:0 -> socks:0",
            ),
            (
                wanted(true, unix(), Target::To(unix())),
                "remote forward /s:-2 -> /s:-2",
            ),
        ] {
            assert_eq!(understand(&wanted.to_wire()), Ok(wanted.clone()));
            assert_eq!(wanted.shown(), shown);
        }
        // An empty address is a star on the way.
        let all = wanted(false, tcp(Some(""), 80), Target::Socks);
        assert_eq!(all.to_wire().listen.name, b"*");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let place = |name, port| control::Place { name, port };
        let number = control::Port::Number;
        let (http, ssh) = (place(b"".as_slice(), number(80)), place(b"h", number(22)));
        for (kind, listen, connect) in [
            (control::ForwardKind::Unknown(9), http, ssh),
            (control::ForwardKind::Local, http, place(b"h", number(0))),
            (control::ForwardKind::Local, http, place(b"", number(22))),
            (
                control::ForwardKind::Local,
                http,
                place(b"", control::Port::Unix),
            ),
            (
                control::ForwardKind::Local,
                http,
                place(b"\xff", number(22)),
            ),
            (
                control::ForwardKind::Local,
                http,
                place(b"socks", number(0)),
            ),
            (
                control::ForwardKind::Dynamic,
                place(b"/s", control::Port::Unix),
                ssh,
            ),
        ] {
            let asked = control::Forward {
                kind,
                listen,
                connect,
            };
            assert_eq!(understand(&asked), Err("Invalid forwarding request"));
        }
    }
}
