//! From a name to a byte stream: resolving, dialling each address in turn,
//! or starting a proxy command.

pub(crate) mod duplex;
pub(crate) mod hostkey;
pub(crate) mod jump;
mod proxy;
pub(crate) mod resolve;

use std::io::{self, PipeReader, PipeWriter};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use carrick_config::ssh::Options;
use carrick_config::types::Qos;
use carrick_sys::socket::{self, Connect};

use crate::log::{debug, error, info};
use crate::ssh::ipv4_only;
use crate::text::os_error;
pub(crate) use proxy::{Proxy, dial as dial_proxy, run_local, start as start_proxy};

/// A connected stream, not yet registered with the runtime.
pub(crate) enum Dialled {
    /// To the host itself.
    Direct {
        /// The connection, non-blocking.
        stream: TcpStream,
        /// Whom it reached.
        peer: SocketAddr,
    },
    /// Through a command's standard input and output.
    Proxy {
        /// The command's output.
        input: PipeReader,
        /// The command's input.
        output: PipeWriter,
        /// The command, ended with the session.
        proxy: Proxy,
    },
    /// A socket that a command has passed to us.
    Passed(OwnedFd),
    /// Standard input and output.
    Stdio(OwnedFd, OwnedFd),
}

/// Connects to the host that `options` names. All messages of a failure have
/// been written when this returns `None`.
pub(crate) fn dial(options: &Options, program: &str) -> Option<Dialled> {
    let addresses = match resolve::addresses(&options.hostname, options.port, ipv4_only(options)) {
        Ok(addresses) => addresses,
        Err(text) => {
            error!(
                "{program}: Could not resolve hostname {}: {text}",
                options.hostname
            );
            return None;
        }
    };
    let mut how = Connect {
        interface: options.bind_interface.clone(),
        ..Connect::default()
    };
    let mut budget = options.connect_timeout;
    let mut last = None;
    for attempt in 0..options.connection_attempts.max(1) {
        if attempt > 0 {
            std::thread::sleep(Duration::from_secs(1));
            debug!("Trying again...");
        }
        for address in &addresses {
            debug!(
                "Connecting to {} [{}] port {}.",
                options.hostname,
                address.ip(),
                address.port()
            );
            match source(options, address) {
                Ok(bind) => how.bind = bind,
                Err(text) => {
                    error!("{text}");
                    continue;
                }
            }
            how.timeout = budget;
            let start = Instant::now();
            let result = socket::connect_to(*address, &how);
            budget = budget.map(|b| b.saturating_sub(start.elapsed()));
            match result {
                Ok(stream) => {
                    debug!("Connection established.");
                    prepare(&stream, options);
                    return Some(Dialled::Direct {
                        stream,
                        peer: *address,
                    });
                }
                Err(e) => {
                    debug!(
                        "connect to address {} port {}: {}",
                        address.ip(),
                        address.port(),
                        os_error(&e)
                    );
                    last = Some(e);
                }
            }
        }
    }
    let why = last.map_or_else(|| "no usable address".to_owned(), |e| os_error(&e));
    error!(
        "{program}: connect to host {} port {}: {why}",
        options.hostname, options.port
    );
    None
}

/// The address to connect from, of the same family as `to`.
fn source(options: &Options, to: &SocketAddr) -> Result<Option<IpAddr>, String> {
    let candidates = match (&options.bind_address, &options.bind_interface) {
        (None, None) => return Ok(None),
        (Some(name), _) => resolve::addresses(name, 0, None)
            .map_err(|e| format!("getaddrinfo: {name}: {e}"))?
            .into_iter()
            .map(|a| a.ip())
            .collect(),
        (None, Some(interface)) => socket::interface_addresses(interface)
            .map_err(|e| format!("getifaddrs: {interface}: {}", os_error(&e)))?,
    };
    candidates
        .into_iter()
        .find(|ip| ip.is_ipv4() == to.is_ipv4())
        .map(Some)
        .ok_or_else(|| format!("no source address fits {}", to.ip()))
}

/// Options of a fresh connection. None of them is worth failing for.
fn prepare(stream: &TcpStream, options: &Options) {
    let tell = |what: &str, result: io::Result<()>| {
        if let Err(e) = result {
            info!("{what}: {}", os_error(&e));
        }
    };
    tell("setsockopt TCP_NODELAY", socket::set_nodelay(stream));
    tell(
        "setsockopt TCP_NOTSENT_LOWAT",
        carrick_sys::queue::keep_unsent_low(stream),
    );
    if options.tcp_keep_alive {
        tell("setsockopt SO_KEEPALIVE", socket::set_keepalive(stream));
    }
}

/// Marks the connection's packets for an interactive or a bulk session.
pub(crate) fn set_qos(stream: &impl std::os::fd::AsFd, ipv4: bool, qos: Qos) {
    if let Qos::Tos(tos) = qos
        && let Err(e) = socket::set_tos(stream, ipv4, tos)
    {
        debug!("setsockopt IP_TOS {tos}: {}", os_error(&e));
    }
}
