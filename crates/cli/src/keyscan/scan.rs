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

use carrick::proto::{Error, PeerFault};
use carrick_wire::NameList;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tokio::sync::oneshot::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::args::{Args, Kind};
use super::exchange::{self, Answer, NoKey, within};
use super::output;
use super::sources::{self, Target};
use crate::connect::resolve;
use crate::log::{debug, error};
use crate::text::os_error;

/// Connections at a time, if there are descriptors for so many.
const CONNECTIONS: u64 = 1000;
/// Names that are looked up at a time.
const LOOKUPS: u8 = 32;
/// Descriptors that are needed for other things than connections.
const RESERVED: u64 = 32 + LOOKUPS as u64;

/// Asks everybody: whether any key was found. An error is the text to end with.
pub(super) fn run(args: Args) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOKUPS.into())
        .build()
        .map_err(|e| format!("cannot start: {}", os_error(&e)))?;
    let found = runtime.block_on(scan(args));
    // A lookup of a name that nobody waits for any more does not keep us.
    runtime.shutdown_background();
    found
}

async fn scan(mut args: Args) -> Result<bool, String> {
    let mut targets = sources::start(std::mem::take(&mut args.sources));
    let scan = Arc::new(Scan {
        args,
        free: Arc::new(Semaphore::new(connections())),
        found: AtomicBool::new(false),
        deaf: AtomicBool::new(false),
    });
    let mut hosts = JoinSet::new();
    while let Some(target) = targets.recv().await {
        let target = target?;
        let turn = scan.turn().await;
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

/// As many connections as there can be descriptors, up to [`CONNECTIONS`].
fn connections() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS + RESERVED;
    if limit.current.is_some_and(|now| now < wanted) {
        let more = limit.maximum.map_or(wanted, |most| most.min(wanted));
        let raised = Rlimit {
            current: Some(more),
            ..limit
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let usable = limit.current.unwrap_or(wanted).min(wanted);
    usize::try_from(usable.saturating_sub(RESERVED))
        .unwrap_or(1)
        .max(1)
}

/// Leave to have one connection.
type Turn = OwnedSemaphorePermit;

/// What all connections share.
struct Scan {
    args: Args,
    free: Arc<Semaphore>,
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
            None => scan.turn().await,
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
        let stream = match scan.connect(place).await {
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
            let answer = answer.await;
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
            let turn = scan.turn().await;
            match within(scan.args.timeout, TcpStream::connect(peer)).await {
                Ok(Ok(stream)) => {
                    let answer = scan.ask(stream, kind, |_, _| ()).await;
                    scan.report(&place, &target, &answer);
                }
                other => debug!("{place}: no second connection: {other:?}"),
            }
            drop(turn);
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
    /// Waits for leave to have one more connection.
    async fn turn(&self) -> Turn {
        match self.free.clone().acquire_owned().await {
            Ok(turn) => turn,
            // Nobody closes it.
            Err(_) => std::future::pending().await,
        }
    }

    async fn ask(&self, stream: TcpStream, kind: Kind, heard: impl FnOnce(&str, &str)) -> Answer {
        let algorithms = kind.algorithms(self.args.certificates);
        exchange::ask(stream, &algorithms, self.args.timeout, heard).await
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
