//! Which connections are made, and when: one thread, many hosts side by side.
//!
//! A host is asked for one kind of key first. From what it says meanwhile it
//! is known which other kinds it has, and only those are asked for, all at
//! once. A host that cannot be reached costs one connection and one timeout,
//! not one for every kind.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use carrick::proto::{Error, PeerFault};
use carrick_wire::NameList;
use tokio::net::TcpStream;
use tokio::sync::oneshot::{Receiver, channel};
use tokio::task::JoinSet;

use super::args::{Args, Kind};
use super::exchange::{self, Answer, NoKey, within};
use super::output;
use super::pace::{Pace, Turn};
use super::sources::{self, Target};
use crate::connect::resolve;
use crate::log::{debug, error};
use crate::text::os_error;

/// Names that are looked up at a time.
const LOOKUPS: usize = 32;

/// Asks everybody: whether any key was found. An error is the text to end with.
pub(super) fn run(args: Args) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOKUPS)
        .build()
        .map_err(|e| format!("cannot start: {}", os_error(&e)))?;
    let found = runtime.block_on(scan(args));
    // A lookup of a name that nobody waits for any more does not keep us.
    runtime.shutdown_background();
    found
}

async fn scan(mut args: Args) -> Result<bool, String> {
    let mut targets = sources::start(std::mem::take(&mut args.sources));
    let pace = Pace::new(args.timeout);
    let scan = Arc::new(Scan {
        args,
        pace,
        found: AtomicBool::new(false),
        deaf: AtomicBool::new(false),
    });
    let mut hosts = JoinSet::new();
    while let Some(target) = targets.recv().await {
        let target = target?;
        let turn = scan.pace.turn().await;
        hosts.spawn(host(scan.clone(), Arc::new(target), turn));
        while hosts.try_join_next().is_some() {}
        if scan.deaf.load(Ordering::Relaxed) {
            break;
        }
    }
    while hosts.join_next().await.is_some() {
        if scan.deaf.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(scan.found.load(Ordering::Relaxed))
}

/// What all connections share.
struct Scan {
    args: Args,
    pace: Arc<Pace>,
    found: AtomicBool,
    /// Nobody reads our output any more.
    deaf: AtomicBool,
}

/// What came of asking for the first kind.
enum First {
    /// The host said which kinds it has: all is asked.
    Told,
    /// It said who it is, and nothing more.
    Mute(String),
    /// It hung up, or spoke another language: another time may be better.
    Failed(Vec<String>),
    /// It is not there.
    Absent(Vec<String>),
}

/// Asks one host for all kinds of keys.
async fn host(scan: Arc<Scan>, target: Arc<Target>, turn: Turn) {
    let mut turn = Some(turn);
    let mut kinds = scan.args.kinds.as_slice();
    while let [kind, others @ ..] = kinds {
        kinds = others;
        let turn = match turn.take() {
            Some(turn) => turn,
            None => scan.pace.turn().await,
        };
        let (messages, again) = match first(&scan, &target, *kind, others, turn).await {
            First::Told => return,
            First::Mute(comment) => return scan.write(&comment.repeat(others.len())),
            First::Failed(messages) => (messages, true),
            First::Absent(messages) => (messages, false),
        };
        // A host that is not asked again is told of as if it had been.
        tell(&messages, if again { 1 } else { others.len() + 1 });
        if !again {
            return;
        }
    }
}

fn tell(messages: &[String], times: usize) {
    for text in std::iter::repeat_n(messages, times).flatten() {
        error!("{text}");
    }
}

/// Asks for one kind wherever the host can be reached, and for the others as
/// soon as it says which it has.
async fn first(
    scan: &Arc<Scan>,
    target: &Arc<Target>,
    kind: Kind,
    others: &[Kind],
    turn: Turn,
) -> First {
    let (mut messages, mut turn, mut was_there) = (Vec::new(), Some(turn), false);
    for place in &target.places {
        let connecting = scan.connect(place);
        let stream = match counted(turn.as_ref(), connecting).await {
            Ok(stream) => stream,
            Err(message) => {
                messages.extend(message);
                continue;
            }
        };
        let Ok(peer) = stream.peer_addr() else {
            continue;
        };
        let (hear, told) = channel();
        let asking = async {
            let answer = scan.ask(stream, kind, move |ident, kinds| {
                // Told once, and waited for below.
                let _ = hear.send((ident.to_owned(), kinds.to_owned()));
            });
            let answer = counted(turn.as_ref(), answer).await;
            if answer.ident.is_some() {
                scan.report(place, target, &answer);
                turn = None;
            }
            answer
        };
        let following = follow(scan, target, place, peer, others, told);
        let (answer, told) = tokio::join!(asking, following);
        match (answer.ident, answer.key) {
            _ if told => {
                tell(&messages, others.len() + 1);
                return First::Told;
            }
            (Some(ident), Err(NoKey::Slow)) => {
                return First::Mute(output::comment(&scan.args, place, &ident));
            }
            (Some(_), _) => return First::Failed(messages),
            (None, Err(why)) => {
                was_there |= !matches!(why, NoKey::Slow);
                messages.extend(complaint(place, &why));
            }
            (None, Ok(_)) => {}
        }
    }
    if was_there {
        First::Failed(messages)
    } else {
        First::Absent(messages)
    }
}

/// Waits for what a connection comes to, with its turn if it still has one.
async fn counted<T>(turn: Option<&Turn>, what: impl Future<Output = T>) -> T {
    match turn {
        Some(turn) => turn.wait(what).await,
        None => what.await,
    }
}

/// Waits until it is known which kinds the host has, and asks for those.
/// False if that is never known.
async fn follow(
    scan: &Arc<Scan>,
    target: &Arc<Target>,
    place: &str,
    peer: SocketAddr,
    others: &[Kind],
    told: Receiver<(String, String)>,
) -> bool {
    let Ok((ident, offered)) = told.await else {
        return false;
    };
    let offered = NameList::new(&offered);
    let mut asked = JoinSet::new();
    for kind in others {
        let algorithms = kind.algorithms(scan.args.certificates);
        if !algorithms.iter().any(|name| offered.contains(name)) {
            scan.write(&output::comment(&scan.args, place, &ident));
            continue;
        }
        let (scan, target) = (scan.clone(), target.clone());
        let (kind, place) = (*kind, place.to_owned());
        asked.spawn(async move {
            let turn = scan.pace.turn().await;
            turn.wait(scan.ask_again(&place, peer, &target, kind)).await;
        });
    }
    while asked.join_next().await.is_some() {}
    true
}

/// What to say of a host that did not so much as identify itself; none where
/// OpenSSH says nothing.
fn complaint(place: &str, why: &NoKey) -> Option<String> {
    match why {
        NoKey::Slow => None,
        // It need not have read what we said.
        NoKey::Io(e) if e.kind() == io::ErrorKind::ConnectionReset => {
            Some(format!("{place}: Connection closed by remote host"))
        }
        NoKey::Io(e) => Some(format!("read ({place}): {}", os_error(e))),
        NoKey::Protocol(Error::Closed) => {
            Some(format!("{place}: Connection closed by remote host"))
        }
        NoKey::Protocol(Error::Fault(PeerFault::TooMuchPreamble)) => {
            Some(format!("{place}: greeting exceeds allowable length"))
        }
        NoKey::Protocol(other) => {
            debug!("{place}: {other}");
            None
        }
    }
}

impl Scan {
    async fn ask(&self, stream: TcpStream, kind: Kind, heard: impl FnOnce(&str, &str)) -> Answer {
        let algorithms = kind.algorithms(self.args.certificates);
        let begun = Instant::now();
        let heard = |ident: &str, offered: &str| {
            self.pace.heard(begun.elapsed());
            heard(ident, offered);
        };
        exchange::ask(stream, &algorithms, self.args.timeout, heard).await
    }

    /// Asks a host that was reached before for another kind.
    async fn ask_again(&self, place: &str, peer: SocketAddr, target: &Target, kind: Kind) {
        match within(self.args.timeout, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => {
                let answer = self.ask(stream, kind, |_, _| ()).await;
                self.report(place, target, &answer);
            }
            other => debug!("{place}: no further connection: {other:?}"),
        }
    }

    /// Connects to the first address that answers. An error may have a
    /// message: as with OpenSSH, a host that refuses or is silent has none.
    async fn connect(&self, place: &str) -> Result<TcpStream, Option<String>> {
        let addresses = self.resolve(place).await;
        let addresses = addresses.map_err(|e| Some(format!("getaddrinfo {place}: {e}")))?;
        let mut last = None;
        for address in addresses {
            match within(self.args.timeout, TcpStream::connect(address)).await {
                Err(_) => return Err(None),
                Ok(Ok(stream)) => {
                    if let Err(e) = stream.set_nodelay(true) {
                        debug!("setsockopt TCP_NODELAY: {}", os_error(&e));
                    }
                    return Ok(stream);
                }
                Ok(Err(e)) => last = Some(e),
            }
        }
        Err(last.and_then(|e| match e.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut => None,
            _ => Some(format!("connect (`{place}'): {}", os_error(&e))),
        }))
    }

    async fn resolve(&self, place: &str) -> Result<Vec<SocketAddr>, String> {
        let (port, ipv4) = (self.args.port, self.args.ipv4);
        if place.parse::<IpAddr>().is_ok() {
            return resolve::addresses(place, port, ipv4);
        }
        let place = place.to_owned();
        let lookup = move || resolve::addresses(&place, port, ipv4);
        let resolved = tokio::task::spawn_blocking(lookup).await;
        resolved.unwrap_or_else(|e| Err(e.to_string()))
    }

    /// Writes what a host said: its comment, and its key if there is one.
    fn report(&self, place: &str, target: &Target, answer: &Answer) {
        let Some(ident) = &answer.ident else { return };
        let mut text = output::comment(&self.args, place, ident);
        match &answer.key {
            Ok(key) => {
                self.found.store(true, Ordering::Relaxed);
                text.push_str(&output::key_lines(&self.args, &target.names, key));
            }
            Err(NoKey::Protocol(Error::Fault(fault @ PeerFault::BadLength(_)))) => {
                error!("{fault}");
            }
            Err(why) => debug!("{place}: no key: {why:?}"),
        }
        self.write(&text);
    }

    fn write(&self, text: &str) {
        if output::write(text).is_err() {
            self.deaf.store(true, Ordering::Relaxed);
        }
    }
}
