//! The connections that are carried: how many, and which.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrick::forward::Originator;
use carrick::proto::mux::ChannelId;
use carrick_config::types::{Endpoint, Forward, Target};
use tokio::sync::Notify;

/// All of them.
#[derive(Default)]
pub(super) struct Connections {
    table: Mutex<Table>,
    emptied: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, About>,
}

/// What is known of one.
struct About {
    kind: Kind,
    channel: Option<ChannelId>,
}

/// What it is carried for.
enum Kind {
    /// A listener here, or (`remote`) at the server.
    Forward {
        forward: Arc<Forward>,
        remote: bool,
        /// The addresses of a TCP connection that was made to us: its own, ours.
        ends: Option<(SocketAddr, SocketAddr)>,
    },
    /// The user's display; where it comes from.
    X11(Originator),
    /// Network devices; the one here.
    Tunnel(String),
}

/// One of them, for as long as the value lives.
pub(in crate::ssh) struct Carried<'a> {
    all: &'a Connections,
    number: u64,
}

impl Connections {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one in that a listener is the beginning of.
    pub(super) fn begin(
        &self,
        forward: &Arc<Forward>,
        remote: bool,
        ends: Option<(SocketAddr, SocketAddr)>,
    ) -> Carried<'_> {
        self.count_in(Kind::Forward {
            forward: Arc::clone(forward),
            remote,
            ends,
        })
    }

    /// Counts one in that leads to the user's display.
    pub(super) fn begin_x11(&self, from: &Originator) -> Carried<'_> {
        self.count_in(Kind::X11(from.clone()))
    }

    /// Counts in the tunnel of a network device of ours.
    pub(super) fn begin_tunnel(&self, device: &str) -> Carried<'_> {
        self.count_in(Kind::Tunnel(device.to_owned()))
    }

    fn count_in(&self, kind: Kind) -> Carried<'_> {
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        let about = About {
            kind,
            channel: None,
        };
        table.open.insert(number, about);
        drop(table);
        Carried { all: self, number }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table().open.is_empty()
    }

    /// How many there were in all.
    pub(super) fn count(&self) -> u64 {
        self.table().next
    }

    /// Waits until there are none.
    pub(super) async fn idle(&self) {
        loop {
            let told = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            told.await;
        }
    }

    /// A line about each whose channel is open.
    pub(super) fn about(&self) -> String {
        let mut text = String::new();
        for about in self.table().open.values() {
            if let Some(channel) = about.channel {
                // Writing to a String cannot fail.
                let _ = write!(text, "  #{channel} {}\r\n", about.kind.line());
            }
        }
        text
    }
}

impl Carried<'_> {
    /// Its channel is open.
    pub(in crate::ssh) fn opened(&self, channel: ChannelId) {
        if let Some(about) = self.all.table().open.get_mut(&self.number) {
            about.channel = Some(channel);
        }
    }
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        let mut table = self.all.table();
        table.open.remove(&self.number);
        let empty = table.open.is_empty();
        drop(table);
        if empty {
            self.all.emptied.notify_waiters();
        }
    }
}

impl Kind {
    fn line(&self) -> String {
        let (forward, remote, ends) = match self {
            Self::Forward {
                forward,
                remote,
                ends,
            } => (forward, *remote, ends),
            Self::X11(Originator { address, port }) => {
                return format!("x11: connect from {address} port {port}");
            }
            Self::Tunnel(device) => return format!("tun-connection: {device}"),
        };
        let place = |at: &Endpoint| match at {
            Endpoint::Tcp { host, port } => {
                format!("{} port {port}", host.as_deref().unwrap_or("localhost"))
            }
            Endpoint::Unix { path } => path.clone(),
        };
        let to = match &forward.connect {
            Target::Socks => "*".to_owned(),
            Target::To(to) => place(to),
        };
        let mut line = match &forward.listen {
            Endpoint::Unix { path } if remote => {
                format!("forwarded-streamlocal: listening {path} for {to}")
            }
            Endpoint::Tcp { port, .. } if remote => {
                format!("forwarded-tcpip: listening port {port} for {to}")
            }
            Endpoint::Tcp { port, .. } => format!("direct-tcpip: listening port {port} for {to}"),
            Endpoint::Unix { path } => format!("direct-tcpip: listening {path} for {to}"),
        };
        if let Some((from, here)) = ends {
            // Writing to a String cannot fail.
            let _ = write!(
                line,
                ", connect from {} port {} to {} port {}",
                from.ip(),
                from.port(),
                here.ip(),
                here.port()
            );
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn they_are_counted_and_told_of() {
        let all = Connections::default();
        all.idle().await;
        let forward = Arc::new(Forward {
            listen: Endpoint::Tcp {
                host: None,
                port: 8080,
            },
            connect: Target::To(Endpoint::Tcp {
                host: Some("h".into()),
                port: 80,
            }),
        });
        let ends = (
            "127.0.0.1:5".parse().unwrap(),
            "127.0.0.1:8080".parse().unwrap(),
        );
        let one = all.begin(&forward, false, Some(ends));
        let two = all.begin(&forward, true, None);
        let three = all.begin_x11(&Originator {
            address: "::1".into(),
            port: 7,
        });
        let four = all.begin_tunnel("tun5");
        assert_eq!(all.about(), "");
        let line = all
            .table()
            .open
            .values()
            .map(|about| about.kind.line())
            .collect::<Vec<_>>();
        assert_eq!(
            line,
            [
                "direct-tcpip: listening port 8080 for h port 80, \
                 connect from 127.0.0.1 port 5 to 127.0.0.1 port 8080",
                "forwarded-tcpip: listening port 8080 for h port 80",
                "x11: connect from ::1 port 7",
                "tun-connection: tun5"
            ]
        );
        drop((one, three, four));
        assert!(!all.is_empty());
        let waits = all.idle();
        tokio::join!(waits, async {
            tokio::task::yield_now().await;
            drop(two);
        });
    }
}
