//! The library's log lines, in OpenSSH's words where scripts look for them:
//! `debug!` is OpenSSH's debug1, `trace!` debug2.

use carrick_proto::kex::{Direction, Negotiated};
use carrick_proto::{Connection, Event, Side, Trace};
use tracing::{debug, info, trace as trace2};

/// Tells of an event what belongs into a log. The library's own driver does
/// so; who drives a `proto` connection otherwise may do it too.
pub fn event<S: Side>(conn: &Connection<S>, event: &Event<S::Event>) {
    match event {
        Event::Trace(step) => trace(step),
        Event::KexStarted { .. } => conn.negotiated().into_iter().for_each(negotiated),
        Event::PeerIdent => idents(conn),
        Event::PeerDebug { display, text } => peer_debug(*display, text),
        _ => {}
    }
}

fn trace(step: &Trace) {
    match step {
        Trace::KexInitSent => debug!("SSH2_MSG_KEXINIT sent"),
        Trace::KexInitReceived => debug!("SSH2_MSG_KEXINIT received"),
        Trace::NewKeysSent => debug!("SSH2_MSG_NEWKEYS sent"),
        Trace::NewKeysReceived => debug!("SSH2_MSG_NEWKEYS received"),
        Trace::GroupRequestSent(sizes) => debug!(
            "SSH2_MSG_KEX_DH_GEX_REQUEST({}<{}<{}) sent",
            sizes.min.unwrap_or(0),
            sizes.preferred,
            sizes.max.unwrap_or(0)
        ),
        Trace::PublicValue { set, of } => trace2!("bits set: {set}/{of}"),
        _ => {}
    }
}

fn negotiated(negotiated: &Negotiated) {
    debug!("kex: algorithm: {}", negotiated.kex);
    debug!("kex: host key algorithm: {}", negotiated.host_key);
    direction("server->client", &negotiated.s2c);
    direction("client->server", &negotiated.c2s);
}

fn direction(name: &str, direction: &Direction) {
    debug!(
        "kex: {name} cipher: {} MAC: {} compression: {}",
        direction.cipher,
        direction.mac.unwrap_or("<implicit>"),
        direction.compression
    );
}

fn idents<S: Side>(conn: &Connection<S>) {
    debug!("Local version string {}", conn.our_ident().as_str());
    if let Some(peer) = conn.peer_ident() {
        debug!(
            "Remote protocol version 2.0, remote software version {}",
            peer.software()
        );
    }
}

fn peer_debug(display: bool, text: &str) {
    let text = crate::error::printable(text);
    if display {
        info!("Remote: {text}");
    } else {
        debug!("Remote: {text}");
    }
}
