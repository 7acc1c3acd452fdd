//! The loop: one thread, one poll, any number of clients.
//!
//! A slow or hostile client costs itself only: in each turn every client is
//! read from once, has one request done and is written to once, never waited
//! for; one that does not take its answers is not read from; what takes long
//! is done elsewhere (`jobs.rs`). When descriptors run out, those who are
//! connected are served and others wait in the listener's queue.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use carrick_crypto::rng::SystemRng;
use carrick_keys::agent::{Agent, Now, Outcome, Refusal, Response};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, getrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use zeroize::Zeroizing;

use super::client::{Client, State};
use super::jobs::Jobs;
use crate::account;
use crate::log::{self, Level, debug, error, info};
use crate::text::os_error;

/// Descriptors that are not for clients: the standard ones, the listener, the
/// log, signals, wake-ups, those of a child that is started, a few spare.
const RESERVED: u64 = 16;
/// Connections taken in one turn.
const ACCEPTS: usize = 16;

/// Signals, as they are noticed.
struct Signals {
    /// Readable when one has come.
    pipe: OwnedFd,
    /// The one that ends the agent, if it has come.
    end: Arc<AtomicUsize>,
    /// How the keys are dropped.
    drop: Arc<AtomicUsize>,
}

impl Signals {
    fn new(foreground: bool) -> io::Result<Self> {
        let (pipe, write) = std::os::unix::net::UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let out = Self {
            pipe: pipe.into(),
            end: Arc::default(),
            drop: Arc::default(),
        };
        let mut ends = vec![SIGHUP, SIGTERM];
        if foreground {
            ends.push(SIGINT);
        } else {
            carrick_sys::signals::ignore(carrick_sys::signals::Number::SIGINT)?;
        }
        let kinds = ends.into_iter().map(|signal| (signal, &out.end));
        for (signal, flag) in kinds.chain([(SIGUSR1, &out.drop)]) {
            let number = usize::try_from(signal).map_err(io::Error::other)?;
            signal_hook::flag::register_usize(signal, Arc::clone(flag), number)?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(out)
    }

    fn clear(&self) {
        let mut bytes = [0; 64];
        // Nothing there is no error.
        let _ = rustix::io::read(&self.pipe, &mut bytes);
    }
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By this signal.
    Signal(usize),
    /// The command that the agent was for has ended.
    Command,
}

/// What the loop works on.
pub(super) struct Server {
    agent: Agent,
    listener: UnixListener,
    clients: Vec<Client>,
    jobs: Jobs,
    signals: Signals,
    /// The process that the agent lives for.
    command: Option<OwnedFd>,
    most_clients: usize,
    next_id: u64,
}

/// What a poll found; clients in their order.
struct Ready {
    listener: bool,
    jobs: bool,
    command: bool,
    clients: Vec<PollFlags>,
}

fn now() -> Now {
    use rustix::time::{ClockId, clock_gettime};
    let uptime = clock_gettime(ClockId::Boottime);
    let unix = clock_gettime(ClockId::Realtime).tv_sec;
    Now {
        uptime: Duration::try_from(uptime).unwrap_or_default(),
        unix: u64::try_from(unix).unwrap_or_default(),
    }
}

impl Server {
    /// `command`: a descriptor that is readable once the agent is not needed
    /// any more.
    pub(super) fn new(
        agent: Agent,
        listener: UnixListener,
        foreground: bool,
        command: Option<OwnedFd>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let clients = descriptors.saturating_sub(RESERVED).max(1);
        Ok(Self {
            agent,
            listener,
            clients: Vec::new(),
            jobs: Jobs::new()?,
            signals: Signals::new(foreground)?,
            command,
            most_clients: usize::try_from(clients).unwrap_or(usize::MAX),
            next_id: 0,
        })
    }

    /// Serves until the end.
    pub(super) fn run(&mut self) -> io::Result<End> {
        loop {
            self.signals.clear();
            match self.signals.end.load(Ordering::Relaxed) {
                0 => {}
                signal => {
                    self.agent.clear();
                    return Ok(End::Signal(signal));
                }
            }
            match self.signals.drop.swap(0, Ordering::Relaxed) {
                0 => {}
                signal => {
                    info!("signal {signal} received; removing all keys");
                    self.agent.clear();
                }
            }
            let ready = self.wait()?;
            if ready.command {
                self.agent.clear();
                return Ok(End::Command);
            }
            self.turn(&ready);
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> io::Result<Ready> {
        let mut fds = vec![
            PollFd::new(&self.signals.pipe, PollFlags::IN),
            PollFd::new(&self.jobs, PollFlags::IN),
            PollFd::new(
                &self.listener,
                if self.clients.len() < self.most_clients {
                    PollFlags::IN
                } else {
                    PollFlags::empty()
                },
            ),
        ];
        fds.extend(self.command.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let first = fds.len();
        fds.extend(self.clients.iter().map(|c| PollFd::new(c, c.interest())));
        match poll(&mut fds, self.timeout().as_ref()) {
            // A signal has come; nothing else is known.
            Err(rustix::io::Errno::INTR) => fds.iter_mut().for_each(PollFd::clear_revents),
            other => drop(other?),
        }
        let has = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Ready {
            jobs: has(1),
            listener: has(2),
            command: self.command.is_some() && has(3),
            clients: fds.iter().skip(first).map(PollFd::revents).collect(),
        })
    }

    /// Until something happens by itself.
    fn timeout(&self) -> Option<Timespec> {
        let is_waiting = |c: &Client| c.is_free() && c.peer.is_ready();
        let due = if self.clients.iter().any(is_waiting) {
            Some(Duration::ZERO)
        } else {
            let dues = self.clients.iter().filter_map(Client::due);
            let next = dues.chain(self.agent.next_expiry()).min();
            next.map(|at| at.saturating_sub(now().uptime))
        };
        Timespec::try_from(due?).ok()
    }

    fn turn(&mut self, ready: &Ready) {
        let now = now();
        for comment in self.agent.expire(now) {
            debug!("expiring key '{comment}'");
        }
        if ready.jobs {
            self.finish_jobs(now);
        }
        let Self { agent, jobs, .. } = self;
        let mut found = ready.clients.iter().copied();
        self.clients.retain_mut(|client| {
            let flags = found.next().unwrap_or(PollFlags::empty());
            serve(agent, jobs, client, flags, now)
        });
        if ready.listener {
            self.accept();
        }
    }

    /// Goes on with the requests whose jobs are done.
    fn finish_jobs(&mut self, now: Now) {
        for (id, done) in self.jobs.take() {
            // The client may be gone.
            let Some(client) = self.clients.iter_mut().find(|c| c.id == id) else {
                continue;
            };
            let State::Working { pending, .. } = std::mem::replace(&mut client.state, State::Idle)
            else {
                continue;
            };
            let outcome = self.agent.resume(&mut client.peer, pending, done, now);
            settle(&self.agent, &mut self.jobs, client, None, outcome);
        }
    }

    /// Takes new connections, of root and of the agent's own user.
    fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            if self.clients.len() >= self.most_clients {
                return;
            }
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) => {
                    error!("accept from AUTH_SOCKET: {}", os_error(&e));
                    return;
                }
            };
            match carrick_sys::peercred::of(socket.as_fd()) {
                Ok(peer) if peer.uid == 0 || peer.uid == account::uid() => {}
                Ok(peer) => {
                    let (peer, own) = (peer.uid, account::uid());
                    error!("uid mismatch: peer euid {peer} != uid {own}");
                    continue;
                }
                Err(e) => {
                    error!("getpeereid failed: {}", os_error(&e));
                    continue;
                }
            }
            self.next_id += 1;
            match Client::new(self.next_id, socket) {
                Ok(client) => self.clients.push(client),
                Err(e) => error!("new connection: {}", os_error(&e)),
            }
        }
    }
}

/// One client's turn. `false`: it is gone.
fn serve(
    agent: &mut Agent,
    jobs: &mut Jobs,
    client: &mut Client,
    flags: PollFlags,
    now: Now,
) -> bool {
    let mut step = |client: &mut Client| -> io::Result<bool> {
        if flags.contains(PollFlags::OUT) {
            client.write()?;
        }
        let ended = flags.intersects(PollFlags::HUP | PollFlags::ERR);
        if flags.contains(PollFlags::IN) {
            if !client.read()? {
                return Ok(false);
            }
        } else if ended {
            return Ok(false);
        }
        if let Some(message) = next_message(client, now)? {
            debug!(
                "process_message: client {} type {}",
                client.id,
                message.first().unwrap_or(&0)
            );
            let outcome = agent.request(&mut client.peer, &message, now, &mut SystemRng);
            settle(agent, jobs, client, Some(message), outcome);
        }
        // Most answers can go at once.
        client.write()?;
        Ok(true)
    };
    step(client).unwrap_or_else(|e| {
        debug!("client {}: {}", client.id, os_error(&e));
        false
    })
}

/// The request that is this client's next, if it is time for it.
fn next_message(client: &mut Client, now: Now) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    match std::mem::replace(&mut client.state, State::Idle) {
        State::Held { until, message } if until <= now.uptime => return Ok(Some(message)),
        State::Late { at, answer } if at <= now.uptime => client.answer(&answer),
        State::Idle => {}
        waiting => {
            client.state = waiting;
            return Ok(None);
        }
    }
    if !client.is_free() {
        return Ok(None);
    }
    client.peer.next_request().map_err(io::Error::other)
}

/// How loud a refusal is told: what hints at an attack or a fault is not
/// missed, what happens every day is for those who ask.
fn level(refusal: &Refusal) -> Level {
    match refusal {
        Refusal::Helper { .. }
        | Refusal::Sign(_)
        | Refusal::Bind(_)
        | Refusal::WebOrigin
        | Refusal::ProviderNotAllowed { .. }
        | Refusal::OtherSession
        | Refusal::NoHostKey
        | Refusal::OtherHostKey
        | Refusal::Mixup => Level::Error,
        Refusal::Unbound | Refusal::NotALogin => Level::Info,
        _ => Level::Verbose,
    }
}

/// Does with a request what was decided.
fn settle(
    agent: &Agent,
    jobs: &mut Jobs,
    client: &mut Client,
    message: Option<Zeroizing<Vec<u8>>>,
    outcome: Outcome,
) {
    match outcome {
        Outcome::Answer(response) => {
            if response == Response::Success && !agent.is_empty() {
                // A key may have come, to memory that is new. Without the
                // right to lock it, it stays as it is.
                let _ = carrick_sys::mem::lock_data();
            }
            client.answer(&response);
        }
        Outcome::Refused(refusal, at) => {
            log::write(
                level(&refusal),
                format_args!("client {}: {refusal}", client.id),
            );
            let answer = refusal.response();
            match at {
                Some(at) => client.state = State::Late { at, answer },
                None => client.answer(&answer),
            }
        }
        Outcome::Hold(until) => match message {
            Some(message) => client.state = State::Held { until, message },
            None => client.answer(&Response::Failure),
        },
        Outcome::Work(task, pending) => {
            debug!("client {}: {task:?}", client.id);
            match jobs.start(client.id, task) {
                Ok(ticket) => {
                    client.state = State::Working {
                        pending,
                        _ticket: ticket,
                    };
                }
                Err(e) => {
                    error!("client {}: {}", client.id, os_error(&e));
                    client.answer(&Response::Failure);
                }
            }
        }
    }
}
