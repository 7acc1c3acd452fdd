//! Listeners for the peer, and who connects to them.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use carrick::forward::bind::{At, Gateway as Choice};
use carrick_sys::{listen as sockets, socket};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, acceptfrom_with};

use super::News;
use crate::listener::bind::strerror;
use crate::log::{debug, error, verbose};
use crate::rpc::broker::Answer;
use crate::rpc::forward::{Gateway, Rules, Visitor};

/// How long no connection is taken after one could not be, for want of
/// descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);

/// Connections that are taken from one socket before others have their turn.
const AT_ONCE: usize = 32;

/// Where a peer that asked for `address` is listened for.
pub fn at(address: &str, gateway: Gateway) -> At {
    let choice = match gateway {
        Gateway::No => Choice::Loopback,
        Gateway::Yes => Choice::Always,
        Gateway::ClientSpecified => Choice::Asked,
    };
    At::new(Some(address), choice)
}

/// A listener whose addresses are being looked up.
pub struct Waiting {
    /// The worker's number for it.
    pub id: u32,
    /// The name that it goes by.
    pub address: String,
}

impl Waiting {
    /// The addresses, or why there are none.
    pub fn found(self, outcome: Result<Vec<SocketAddr>, String>) -> Option<Listener> {
        match outcome {
            Ok(addresses) => Listener::tcp(self.id, &addresses),
            Err(why) => {
                error!("getaddrinfo({}): {why}", self.address);
                None
            }
        }
    }
}

/// A listener: one socket, or one for each family.
pub struct Listener {
    id: u32,
    port: u16,
    sockets: Vec<Socket>,
    resume: Option<Instant>,
    /// How many may still connect, where that is bounded.
    left: Option<usize>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl Listener {
    /// Listens at as many of the addresses as it can. A port that is left to
    /// the system is the same for all of them.
    pub fn tcp(id: u32, addresses: &[SocketAddr]) -> Option<Self> {
        let asked = addresses.first().map_or(0, SocketAddr::port);
        let (mut sockets, mut port) = (Vec::new(), asked);
        for (number, address) in addresses.iter().enumerate() {
            let address = SocketAddr::new(address.ip(), port);
            debug!(
                "Local forwarding listening on {} port {port}.",
                address.ip()
            );
            match sockets::tcp(address) {
                Ok(listener) => {
                    if port == 0
                        && let Ok(local) = listener.local_addr()
                    {
                        port = local.port();
                        debug!("Allocated listen port {port}");
                    }
                    sockets.push(Socket::Tcp(listener));
                }
                Err((step, problem)) => {
                    let (ip, why) = (address.ip(), strerror(&problem));
                    // Without one of the families the other may do.
                    if step != sockets::Step::Socket && number + 1 == addresses.len() {
                        error!("{step} [{ip}]:{port}: {why}");
                    } else {
                        verbose!("{step} [{ip}]:{port}: {why}");
                    }
                }
            }
        }
        if sockets.is_empty() {
            error!("channel_setup_fwd_listener_tcpip: cannot listen to port: {asked}");
            return None;
        }
        Some(Self {
            id,
            port,
            sockets,
            resume: None,
            left: None,
        })
    }

    /// For a display, with sockets that listen already; `single`: one may
    /// connect.
    pub fn display(id: u32, port: u16, sockets: Vec<TcpListener>, single: bool) -> Self {
        Self {
            id,
            port,
            sockets: sockets.into_iter().map(Socket::Tcp).collect(),
            resume: None,
            left: single.then_some(1),
        }
    }

    /// Nobody may connect any more.
    pub fn is_spent(&self) -> bool {
        self.left == Some(0)
    }

    /// Listens at a Unix socket.
    pub fn unix(id: u32, path: &[u8], rules: &Rules) -> Option<Self> {
        let path = Path::new(OsStr::from_bytes(path));
        let shown = path.display();
        debug!("Local forwarding listening on path {shown}.");
        match sockets::unix(path, rules.bind_mask, rules.bind_unlink) {
            Ok(listener) => Some(Self {
                id,
                port: 0,
                sockets: vec![Socket::Unix(listener)],
                resume: None,
                left: None,
            }),
            Err((step, problem)) => {
                let why = strerror(&problem);
                match step {
                    sockets::Step::Unlink => error!("unlink({shown}): {why}"),
                    sockets::Step::Listen => error!("cannot listen on path {shown}: {why}"),
                    _ => error!("unix_listener: cannot bind to path {shown}: {why}"),
                }
                None
            }
        }
    }

    /// The worker's number for it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The port, if it has one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How long nothing is to be accepted yet.
    pub fn pause(&self) -> Option<Duration> {
        let left = self.resume?.checked_duration_since(Instant::now())?;
        (!left.is_zero()).then_some(left)
    }

    /// Can be read from when somebody has connected.
    pub fn watched(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        // Decided by the field alone, so that it is the same until `accept`.
        let sockets = self.sockets.iter().filter(|_| self.resume.is_none());
        sockets.map(AsFd::as_fd)
    }

    /// Takes who has connected, from those sockets for which `fired` says so.
    pub fn accept(&mut self, fired: &mut impl FnMut() -> bool, news: &mut Vec<News>) {
        if self.resume.is_some() {
            // None was watched.
            if self.pause().is_none() {
                self.resume = None;
            }
            return;
        }
        let mut short = false;
        for socket in &self.sockets {
            if !fired() {
                continue;
            }
            for _ in 0..AT_ONCE {
                if self.left == Some(0) {
                    break;
                }
                match accept_one(socket) {
                    Ok((visitor, from)) => {
                        let visitor_of = Visitor {
                            listener: self.id,
                            from,
                        };
                        news.push((Answer::Visitor(visitor_of), Some(visitor)));
                        self.left = self.left.map(|left| left.saturating_sub(1));
                    }
                    // Gone again.
                    Err(Errno::INTR | Errno::CONNABORTED) => {}
                    Err(Errno::AGAIN) => break,
                    Err(problem) => {
                        error!("accept: {}", strerror(&problem.into()));
                        short = true;
                        break;
                    }
                }
            }
        }
        if short {
            self.resume = Instant::now().checked_add(PAUSE);
        }
    }
}

type Origin = Option<(String, u32)>;

fn accept_one(socket: &Socket) -> Result<(OwnedFd, Origin), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    match socket {
        Socket::Unix(listener) => Ok((accept_with(listener, flags)?, None)),
        Socket::Tcp(listener) => {
            let (visitor, from) = acceptfrom_with(listener, flags)?;
            // Better small packets than late ones.
            let _ = socket::set_nodelay(&visitor);
            let from = from.and_then(|from| SocketAddr::try_from(from).ok());
            let from = from.map(|from| (from.ip().to_string(), u32::from(from.port())));
            Ok((visitor, from))
        }
    }
}
