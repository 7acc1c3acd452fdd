//! The loop that accepts connections and starts monitors.

use std::collections::HashMap;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use carrick_config::sshd::Options;
use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_sys::process;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};

use super::bind::Listening;
use super::penalties::{Book, Offence};
use super::startups;
use crate::handoff::Handoff;
use crate::log::{Level, debug, error, info};
use crate::monitor::lines::Lines;
use crate::monitor::{
    EXIT_ATTEMPTED, EXIT_CRASH, EXIT_GRACE, EXIT_INVALID_USER, EXIT_REFUSED, Role,
};
use crate::rpc::preauth::Line;

/// Lines on dropped connections at once, and per second after that.
const DROPS: u32 = 60;
const DROPS_PER_SECOND: u32 = 4;

/// Why the loop ended.
pub enum Over {
    /// In debug mode: the one connection.
    Debug(Box<Handoff>, TcpStream),
    /// By this signal.
    Terminate(i32),
    /// SIGHUP.
    Restart,
}

/// A monitor.
struct Child {
    /// Closed by the monitor once its user has logged in.
    waiting: Option<PipeReader>,
    peer: IpAddr,
    /// For the log.
    name: String,
}

/// What signals have left behind.
struct Signals {
    wake: UnixStream,
    restart: Arc<AtomicBool>,
    children: Arc<AtomicBool>,
    terminate: Arc<AtomicUsize>,
    _write: Option<UnixStream>,
}

impl Signals {
    /// Watches for signals; in debug mode, where this process becomes the
    /// monitor, they keep their usual effect.
    fn watch(debug: bool) -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let out = Self {
            wake,
            restart: Arc::default(),
            children: Arc::default(),
            terminate: Arc::default(),
            _write: None,
        };
        if debug {
            // Kept open: a closed end would be readable for ever.
            return Ok(Self {
                _write: Some(write),
                ..out
            });
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&out.restart))?;
        signal_hook::flag::register(SIGCHLD, Arc::clone(&out.children))?;
        for (signal, number) in [(SIGTERM, 15), (SIGQUIT, 3), (SIGINT, 2)] {
            signal_hook::flag::register_usize(signal, Arc::clone(&out.terminate), number)?;
        }
        for signal in [SIGHUP, SIGCHLD, SIGTERM, SIGQUIT, SIGINT] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(out)
    }

    fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!(io::Read::read(&mut &self.wake, &mut bytes), Ok(n) if n > 0) {}
    }
}

struct Server<'a> {
    options: &'a Options,
    handoff: OwnedFd,
    children: HashMap<Pid, Child>,
    penalties: Book,
    /// Bounds what is logged of dropped connections.
    drops: Lines,
    rng: SystemRng,
}

/// Accepts connections until a signal ends it.
pub fn serve(
    options: &Options,
    sockets: &[Listening],
    handoff: Handoff,
    debug: bool,
) -> io::Result<Over> {
    let signals = Signals::watch(debug)?;
    let mut server = Server {
        options,
        handoff: super::shared(&handoff)?,
        children: HashMap::new(),
        penalties: Book::new(options),
        drops: Lines::bounded(Instant::now(), DROPS, DROPS_PER_SECOND),
        rng: SystemRng,
    };
    loop {
        let ready = wait(&signals, sockets, &mut server.children)?;
        signals.drain();
        if signals.children.swap(false, Ordering::Relaxed) {
            server.reap();
        }
        if let number @ 1.. = signals.terminate.load(Ordering::Relaxed) {
            return Ok(Over::Terminate(i32::try_from(number).unwrap_or(SIGTERM)));
        }
        if signals.restart.load(Ordering::Relaxed) {
            return Ok(Over::Restart);
        }
        for listening in ready.into_iter().filter_map(|at| sockets.get(at)) {
            let Some((socket, peer)) = take(listening) else {
                continue;
            };
            if debug {
                return Ok(Over::Debug(Box::new(handoff), socket));
            }
            server.begin(socket, peer, listening.address);
        }
    }
}

/// Waits for something to happen: the listening sockets that have a
/// connection. Monitors whose pipe has closed are no longer on the way to a
/// login afterwards.
fn wait(
    signals: &Signals,
    sockets: &[Listening],
    children: &mut HashMap<Pid, Child>,
) -> io::Result<Vec<usize>> {
    let (ready, closed) = {
        let early: Vec<_> = children
            .iter()
            .filter_map(|(pid, child)| child.waiting.as_ref().map(|pipe| (*pid, pipe)))
            .collect();
        let mut fds = vec![PollFd::new(&signals.wake, PollFlags::IN)];
        fds.extend(
            sockets
                .iter()
                .map(|listening| PollFd::new(&listening.socket, PollFlags::IN)),
        );
        fds.extend(
            early
                .iter()
                .map(|(_, pipe)| PollFd::new(*pipe, PollFlags::IN)),
        );
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(problem) => return Err(problem.into()),
        }
        let fired: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (listeners, pipes) = fired[1..].split_at(sockets.len());
        let ready: Vec<usize> = listeners
            .iter()
            .enumerate()
            .filter_map(|(at, fired)| fired.then_some(at))
            .collect();
        let closed: Vec<Pid> = early
            .iter()
            .zip(pipes)
            .filter_map(|((pid, _), fired)| fired.then_some(*pid))
            .collect();
        (ready, closed)
    };
    for pid in closed {
        if let Some(child) = children.get_mut(&pid) {
            child.waiting = None;
        }
    }
    Ok(ready)
}

fn take(listening: &Listening) -> Option<(TcpStream, SocketAddr)> {
    use rustix::net::{SocketFlags, acceptfrom_with};
    match acceptfrom_with(&listening.socket, SocketFlags::CLOEXEC) {
        Ok((socket, Some(peer))) => {
            let peer = SocketAddr::try_from(peer).ok()?;
            Some((TcpStream::from(socket), peer))
        }
        Ok((_, None)) => None,
        Err(
            rustix::io::Errno::AGAIN | rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED,
        ) => None,
        Err(problem) => {
            error!("accept: {problem}");
            // Out of descriptors, mostly: time frees some.
            std::thread::sleep(std::time::Duration::from_millis(100));
            None
        }
    }
}

impl Server<'_> {
    /// Starts a monitor for a connection, or drops it.
    fn begin(&mut self, socket: TcpStream, peer: SocketAddr, local: SocketAddr) {
        let local = socket.local_addr().unwrap_or(local);
        let early = self
            .children
            .values()
            .filter(|child| child.waiting.is_some())
            .count();
        if let Some(reason) = self.drop_reason(early, peer.ip()) {
            let text = format!(
                "drop connection #{early} from [{}]:{} on [{}]:{} {reason}",
                peer.ip(),
                peer.port(),
                local.ip(),
                local.port()
            );
            let level = Level::Info.number();
            self.drops.write(&Line { level, text }, "", Instant::now());
            // It fits in the socket's buffer, which is empty.
            let _ = (&socket).write_all(b"Not allowed at this time\r\n");
            return;
        }
        let name = format!("connection from {} to {}", peer.ip(), local.ip());
        match self.spawn(socket) {
            Ok((pid, pipe)) => {
                debug!("Forked child {}.", pid.as_raw_nonzero());
                let child = Child {
                    waiting: Some(pipe),
                    peer: peer.ip(),
                    name,
                };
                self.children.insert(pid, child);
            }
            Err(problem) => error!("cannot start a monitor: {problem}"),
        }
    }

    fn drop_reason(&mut self, early: usize, peer: IpAddr) -> Option<&'static str> {
        let mut number = [0; 4];
        self.rng.fill(&mut number);
        let dice = u32::from_le_bytes(number) % 100;
        let waiting = u32::try_from(early).unwrap_or(u32::MAX);
        if startups::drops(self.options.max_startups, waiting, dice) {
            return Some("Maxstartups");
        }
        if let Some(reason) = self.penalties.refuses(peer, Instant::now()) {
            return Some(reason);
        }
        let most = self.options.per_source_max_startups?;
        let (v4, v6) = self.options.per_source_net_block_size;
        let same = |child: &&Child| {
            child.waiting.is_some() && startups::same_network(child.peer, peer, v4, v6)
        };
        let from_there = self.children.values().filter(same).count();
        (u32::try_from(from_there).unwrap_or(u32::MAX) >= most).then_some("PerSourceMaxStartups")
    }

    fn spawn(&self, socket: TcpStream) -> io::Result<(Pid, PipeReader)> {
        let (reader, writer): (PipeReader, PipeWriter) = io::pipe()?;
        let child = Command::new(process::own_executable())
            .arg0("sshd-session: [accepted]")
            .arg(Role::Monitor.argument())
            .arg(self.handoff.as_fd().as_raw_fd().to_string())
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .stdout(writer)
            .spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
        Ok((pid, reader))
    }

    /// Takes note of the monitors that have ended.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = waitpid(None, WaitOptions::NOHANG) {
            let Some(child) = self.children.remove(&pid) else {
                continue;
            };
            if let Some(offence) = note_end(pid, &child, status) {
                self.penalties.note(child.peer, offence, Instant::now());
            }
        }
    }
}

/// Logs how a monitor ended, and says what that tells of its peer.
fn note_end(pid: Pid, child: &Child, status: WaitStatus) -> Option<Offence> {
    let (number, name) = (pid.as_raw_nonzero(), &child.name);
    if let Some(signal) = status.terminating_signal() {
        error!("session process {number} for {name} killed by signal {signal}");
        // An administrator's is no fault of the peer's.
        return (![SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGKILL].contains(&signal))
            .then_some(Offence::Crash);
    }
    match u8::try_from(status.exit_status()?).ok()? {
        0 => None,
        EXIT_GRACE => {
            info!("Timeout before authentication for {name}, pid = {number}");
            Some(Offence::Grace)
        }
        EXIT_CRASH => {
            info!("Session process {number} unpriv child crash for {name}");
            Some(Offence::Crash)
        }
        EXIT_ATTEMPTED => {
            debug!("preauth child {number} for {name} exited after unsuccessful auth attempt");
            Some(Offence::AuthFail)
        }
        EXIT_INVALID_USER => {
            debug!("preauth child {number} for {name} exited after attempt by invalid user");
            Some(Offence::InvalidUser)
        }
        EXIT_REFUSED => {
            debug!("preauth child {number} for {name} prohibited by RefuseConnection");
            Some(Offence::Refused)
        }
        code => {
            debug!("preauth child {number} for {name} exited with status {code}");
            Some(Offence::NoAuth)
        }
    }
}
