//! What of forwarding is allowed: by the configuration, and by the options of
//! the key that the user came with. Both must allow it.

use carrick_keys::matching::pattern;

use crate::log::info;
use crate::rpc::broker::Start;
use crate::rpc::forward::{Dial, Listen, Place};

/// Ports below this are root's.
const RESERVED: u32 = 1024;

/// Why not, in the words that the log has for it; some is told to nobody.
#[derive(Debug, PartialEq, Eq)]
pub struct Denied(Option<String>);

impl Denied {
    /// Tells it.
    pub fn log(&self) {
        if let Some(text) = &self.0 {
            info!("{text}");
        }
    }
}

fn denied(text: String) -> Denied {
    Denied(Some(text))
}

/// Whether a connection may be made.
pub fn may_dial(start: &Start, ask: &Dial) -> Result<(), Denied> {
    let (rules, permissions) = (&start.forwarding, &start.permissions);
    let (from, from_port) = &ask.from;
    // Said by the peer: nothing that a log could be made to lie with.
    let from = from.escape_default();
    match &ask.to {
        Place::Tcp((host, port)) => {
            if !(rules.tcp_local && permissions.port_forwarding) {
                return Err(denied(format!(
                    "refused local port forward: originator {from} port {from_port}, \
                     target {} port {port}",
                    host.escape_default()
                )));
            }
            let wrong_port = u16::try_from(*port).is_err();
            if wrong_port || !opens(start, host, *port) {
                return Err(denied(format!(
                    "Received request from {} port {} to connect to host {} port {port}, \
                     but the request was denied.",
                    start.peer.0,
                    start.peer.1,
                    host.escape_default()
                )));
            }
        }
        Place::Unix(path) => {
            let shown = path.escape_ascii();
            if !(rules.unix_local && permissions.port_forwarding) {
                return Err(denied(format!(
                    "refused streamlocal port forward: originator {from} port {from_port}, \
                     target {shown}"
                )));
            }
            // As in OpenSSH, lists of hosts have no paths in them but what
            // stands for all, and whoever may reach no port reaches no socket.
            if !rules.tcp_local || !opens(start, &String::from_utf8_lossy(path), NO_PORT) {
                return Err(denied(format!(
                    "Received request to connect to path {shown}, but the request was denied."
                )));
            }
        }
    }
    Ok(())
}

/// What stands for the port of a Unix socket: no list has it.
const NO_PORT: u32 = u32::MAX;

/// Whether the lists of configuration and key let a connection through.
fn opens(start: &Start, host: &str, port: u32) -> bool {
    let fits = |(permitted, number): &(String, u32)| {
        (*number == 0 || *number == port) && (permitted == "*" || permitted == host)
    };
    let by_rules = start.forwarding.permit_open.as_ref();
    let by_key = &start.permissions.permit_open;
    by_rules.is_none_or(|list| list.iter().any(fits))
        && (by_key.is_empty() || by_key.iter().any(fits))
}

/// Whether may be listened.
pub fn may_listen(start: &Start, ask: &Listen) -> Result<(), Denied> {
    let (rules, permissions) = (&start.forwarding, &start.permissions);
    let (address, port) = match &ask.at {
        // Lists of hosts say nothing about paths.
        Place::Unix(_) if rules.unix_remote && permissions.port_forwarding => return Ok(()),
        Place::Unix(_) => return Err(Denied(None)),
        Place::Tcp((address, port)) => (address, *port),
    };
    let reserved = (1..RESERVED).contains(&port) && !start.account.root;
    let wrong_port = u16::try_from(port).is_err();
    if !(rules.tcp_remote && permissions.port_forwarding) || reserved || wrong_port {
        return Err(Denied(None));
    }
    let address = address.to_ascii_lowercase();
    let fits = |(permitted, number): &(String, u32)| {
        (*number == 0 || *number == port) && pattern(&address, permitted)
    };
    let by_rules = rules.permit_listen.as_ref();
    let by_key = &permissions.permit_listen;
    let listed = by_rules.is_none_or(|list| list.iter().any(fits))
        && (by_key.is_empty() || by_key.iter().any(fits));
    if listed {
        return Ok(());
    }
    Err(denied(format!(
        "Received request from {} port {} to remote forward to host {} port {port}, \
         but the request was denied.",
        start.peer.0,
        start.peer.1,
        address.escape_default()
    )))
}

#[cfg(test)]
mod tests;
