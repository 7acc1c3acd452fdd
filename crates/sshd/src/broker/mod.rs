//! The broker: the user, one per login, in a program image of its own. It
//! starts shells and commands and hands the ends of their pipes and
//! terminals to the worker.
//!
//! What could each of these do with it?
//! - A hostile peer or worker can have it do what the user may do over SSH,
//!   and no more: what the configuration and the user's key say (forced
//!   command, terminals, variables, number of sessions) came from the monitor
//!   and is enforced here. A message out of place ends the process, and with
//!   it the connection.
//! - A hostile local user cannot trace it, although it has the user's uid:
//!   it took that uid after it was started by root, and is not dumpable. What
//!   the user could make it do, the user can do without it; to the monitor it
//!   can send only log lines, of bounded rate, and to the worker descriptors
//!   that are read and written, and nothing else.
//!
//! It has no more privileges than the user, and holds no secret.

pub mod agent;
pub mod agent_link;
pub mod chroot;
pub mod env;
pub mod forward;
pub mod internal;
pub mod launch;
pub mod session;
pub mod steps;
pub mod tunnel;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use carrick_sys::daemonize::has_threads;
use carrick_sys::identity::{Identity, become_for_good};
use carrick_sys::{mem, process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};

use crate::listener::EXIT_FATAL;
use crate::log::{self, Level, Sink, debug, error, fatal};
use crate::rpc::Link;
use crate::rpc::broker::{Answer, Ask, Exit, Report, Run, Start};
use crate::rpc::forward::Tunnel;
use crate::rpc::preauth::Line;
use agent::AgentSocket;
use chroot::Outside;
use env::Surroundings;
use forward::Forwarding;
use session::Session;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use steps::Steps;

/// How long a program waits until it is looked whether it can start.
const RETRY: Duration = Duration::from_millis(20);
/// Where the file of [`steps`] and the socket of [`agent`] are.
const TMP: &str = "/tmp";

/// Of how many tunnels programs are told (SSH_TUNNEL).
const TUNNELS: usize = 64;

/// Starts as the monitor's child: standard input is the line to it.
pub fn start() -> u8 {
    log::start(Level::Info, Sink::Stderr);
    let ended = match begin() {
        // Should that fail, the worker's line is closed after the log knows why.
        Ok((start, worker)) => take_on(&start)
            .and_then(|outside| Broker::new(start, &worker, outside))
            .map_err(|problem| problem.to_string())
            .and_then(|mut broker| {
                let served = broker.serve();
                served.map_err(|problem| format!("broker: {problem}"))
            })
            .inspect_err(|problem| fatal!("{problem}"))
            .is_ok(),
        Err(problem) => {
            fatal!("cannot start the broker: {problem}");
            false
        }
    };
    if ended { 0 } else { EXIT_FATAL }
}

/// On the way to a session's program: runs the user's rc file first.
pub fn run_session(args: &[OsString]) -> u8 {
    launch::after_rc(args)
}

struct Broker<'a> {
    start: Start,
    steps: Option<Steps>,
    worker: &'a Link,
    sessions: HashMap<u32, Session>,
    children: Vec<Child>,
    /// Where the user's programs reach the client's agent, once it was asked for.
    agent: Option<AgentSocket>,
    forwarding: Forwarding,
    /// Names of the interfaces that tunnels were given, as programs are told.
    tunnels: Vec<String>,
    /// Readable once this process is asked to end.
    ending: UnixStream,
    /// What was taken in from outside of a changed root directory.
    outside: Option<Outside>,
    /// Programs that start once no names are being looked up.
    waiting: Vec<Run>,
}

/// What there is to do.
struct Fired {
    asked: bool,
    ending: bool,
    connected: bool,
    ended: Vec<Pid>,
    /// What forwarding watches, in its order.
    forwarding: Vec<bool>,
}

/// A program that runs.
struct Child {
    session: u32,
    pid: Pid,
    /// Readable once it has ended.
    ended: OwnedFd,
}

/// Takes in what this process is for, and from whom; the log is open then.
fn begin() -> io::Result<(Start, Link)> {
    let (stdin, _) = process::take_stdin_and_stdout()?;
    let monitor = Link::inherited(stdin);
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let (start, fds) = monitor.receive::<Start>()?.ok_or_else(wrong)?;
    let [worker] = <[OwnedFd; 1]>::try_from(fds).map_err(|_| wrong())?;
    let level = Level::from_number(start.log_level);
    let carry = move |level: Level, text: &str| {
        let line = Line {
            level: level.number(),
            text: text.to_owned(),
        };
        // Without a monitor there is nobody to tell.
        let _ = monitor.send(&Report::Log(line), &[]);
    };
    log::start(level, Sink::Process(Box::new(carry)));
    log::instead_of_stderr()?;
    Ok((start, Link::inherited(worker)))
}

/// Takes on the root directory and the identity that this process is to have.
fn take_on(start: &Start) -> io::Result<Option<Outside>> {
    let Some((uid, (gid, groups))) = &start.become_user else {
        return match start.chroot {
            None => Ok(None),
            Some(_) => Err(io::Error::other(
                "server lacks privileges to chroot to ChrootDirectory",
            )),
        };
    };
    let user = Identity {
        uid: *uid,
        gid: *gid,
        groups: groups.clone(),
    };
    let mut outside = None;
    if let Some(root) = &start.chroot {
        outside = Some(Outside::take(start, &user)?);
        chroot::enter(root)?;
    }
    become_for_good(&user)?;
    Ok(outside)
}

/// The file on the steps of the login. Sessions go on without.
fn write_steps(start: &Start) -> Option<Steps> {
    let written = Steps::write(Path::new(TMP), start.steps.as_deref()?);
    written
        .inspect_err(|problem| error!("cannot write authentication information: {problem}"))
        .ok()
}

/// Signals that end this process, as something to read: what it made is removed
/// first.
fn on_signals() -> io::Result<UnixStream> {
    let (ending, write) = UnixStream::pair()?;
    write.set_nonblocking(true)?;
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(ending)
}

impl<'a> Broker<'a> {
    /// Now that this process is the user's.
    fn new(start: Start, worker: &'a Link, outside: Option<Outside>) -> io::Result<Self> {
        process::hide_from_debuggers()?;
        mem::stay_small();
        Ok(Self {
            steps: write_steps(&start),
            start,
            worker,
            sessions: HashMap::new(),
            children: Vec::new(),
            agent: None,
            forwarding: Forwarding::default(),
            tunnels: Vec::new(),
            ending: on_signals()?,
            outside,
            waiting: Vec::new(),
        })
    }

    /// Serves the worker until it is gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let fired = self.wait()?;
            if fired.ending {
                return Ok(());
            }
            for pid in fired.ended {
                self.report_end(pid)?;
            }
            if fired.connected
                && let Some(agent) = &mut self.agent
                && let Some(program) = agent.accept()?
            {
                let program = [program.as_fd()];
                self.worker.send(&Answer::AgentProgram, &program)?;
            }
            for news in self.forwarding.serve(&fired.forwarding) {
                self.tell(news)?;
            }
            for run in std::mem::take(&mut self.waiting) {
                self.run(run)?;
            }
            if fired.asked {
                let Some((ask, fds)) = self.worker.receive::<Ask>()? else {
                    return Ok(());
                };
                if !fds.is_empty() {
                    return Err(io::Error::other("descriptors from the worker"));
                }
                self.answer(ask)?;
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> io::Result<Fired> {
        let agent_pause = self.agent.as_ref().and_then(AgentSocket::pause);
        let agent = self.agent.as_ref().filter(|_| agent_pause.is_none());
        let retry = (!self.waiting.is_empty()).then_some(RETRY);
        let pauses = [agent_pause, self.forwarding.pause(), retry];
        let pause = pauses.into_iter().flatten().min();
        let mut fds = vec![
            PollFd::new(self.worker, PollFlags::IN),
            PollFd::new(&self.ending, PollFlags::IN),
        ];
        let children = self.children.iter().map(|child| &child.ended);
        fds.extend(children.map(|ended| PollFd::new(ended, PollFlags::IN)));
        fds.extend(agent.map(|agent| PollFd::new(agent, PollFlags::IN)));
        let watched = self.forwarding.watched();
        fds.extend(watched.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
        let pause = pause.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, pause.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(problem) => return Err(problem.into()),
        }
        // Interrupted, none has.
        let mut fired = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = || fired.next().unwrap_or(false);
        let (asked, ending) = (next(), next());
        let ended = self.children.iter().filter(|_| next());
        let ended = ended.map(|child| child.pid).collect();
        let connected = agent.is_some() && next();
        Ok(Fired {
            asked,
            ending,
            connected,
            ended,
            forwarding: fired.collect(),
        })
    }

    fn answer(&mut self, ask: Ask) -> io::Result<()> {
        match ask {
            Ask::Terminal(terminal) => {
                let id = terminal.session;
                let most = usize::try_from(self.start.rules.max_sessions).unwrap_or(usize::MAX);
                if self.sessions.len() >= most.saturating_add(1) || self.sessions.contains_key(&id)
                {
                    return self.refuse(id);
                }
                if !(self.start.rules.permit_tty && self.start.permissions.pty) {
                    log::write(
                        Level::Debug1,
                        format_args!("Allocating a pty not permitted for this connection."),
                    );
                    return self.refuse(id);
                }
                let outside = self.outside.as_mut();
                let ready = outside.and_then(|outside| outside.terminal.take());
                match Session::with_terminal(&terminal, ready) {
                    Ok((session, master)) => {
                        self.sessions.insert(id, session);
                        self.worker.send(&Answer::Terminal(id), &[master.as_fd()])
                    }
                    Err(problem) => {
                        error!("session_pty_req: session {id} alloc failed: {problem}");
                        self.refuse(id)
                    }
                }
            }
            Ask::Run(run) => self.run(run),
            Ask::Signal((id, name)) => {
                self.signal(id, &name);
                Ok(())
            }
            Ask::Forget(id) => {
                self.waiting.retain(|run| run.session != id);
                self.sessions.remove(&id);
                self.forwarding.hide(id);
                Ok(())
            }
            Ask::Agent(id) => match self.lend_agent() {
                Ok(()) => self.worker.send(&Answer::Agent(id), &[]),
                Err(problem) => {
                    debug!("session {id}: {problem}");
                    self.refuse(id)
                }
            },
            Ask::Show(show) => {
                let id = show.session;
                match self.forwarding.show(&self.start, show)? {
                    Ok(()) => self.worker.send(&Answer::Shown(id), &[]),
                    Err(why) => {
                        why.log();
                        self.refuse(id)
                    }
                }
            }
            Ask::Dial(dial) => {
                let news = self.forwarding.dial(&self.start, dial)?;
                news.map_or(Ok(()), |news| self.tell(news))
            }
            Ask::Listen(listen) => {
                let news = self.forwarding.listen(&self.start, listen)?;
                news.map_or(Ok(()), |news| self.tell(news))
            }
            Ask::Tunnel(ask) => {
                let news = self.tunnel(&ask);
                self.tell(news)
            }
            Ask::Unlisten(id) => {
                self.forwarding.unlisten(id);
                Ok(())
            }
        }
    }

    /// Opens a device for a tunnel.
    fn tunnel(&mut self, ask: &Tunnel) -> forward::News {
        match tunnel::open(&self.start, ask) {
            Ok((device, name)) => {
                if self.tunnels.len() < TUNNELS && !self.tunnels.contains(&name) {
                    self.tunnels.push(name);
                }
                (Answer::Dialled(ask.id), Some(device))
            }
            Err(why) => (Answer::NotDialled((ask.id, why)), None),
        }
    }

    /// Tells the worker what came of a forwarding.
    fn tell(&self, (answer, fd): forward::News) -> io::Result<()> {
        let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
        self.worker.send(&answer, &fds)
    }

    /// Starts a session's program, or has it wait.
    fn run(&mut self, run: Run) -> io::Result<()> {
        let most = usize::try_from(self.start.rules.max_sessions).unwrap_or(usize::MAX);
        // What runs in a copy of this process needs it to have one thread: a
        // name server that is silent must hold nothing else up meanwhile.
        if launch::is_internal(&self.start, &run) && has_threads() == Some(true) {
            if self.waiting.len() >= most {
                return self.refuse(run.session);
            }
            self.waiting.push(run);
            return Ok(());
        }
        let id = run.session;
        let running = self.children.len();
        let session = self.sessions.entry(id).or_default();
        if session.started || running >= most {
            return self.refuse(id);
        }
        let around = Surroundings {
            tty: None,
            steps: self.steps.as_ref().map(Steps::path),
            agent: self.agent.as_ref().map(AgentSocket::path),
            display: self.forwarding.display(id),
            outside: self.outside.as_ref(),
            tunnels: &self.tunnels,
        };
        match session.run(&self.start, &run, around) {
            Ok((pid, fds)) => {
                self.watch(id, pid)?;
                let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                self.worker.send(&Answer::Running(id), &fds)
            }
            Err(problem) => {
                error!("session {id}: {problem}");
                self.refuse(id)
            }
        }
    }

    /// Makes the way to the client's agent, one for the whole connection.
    fn lend_agent(&mut self) -> io::Result<()> {
        let start = &self.start;
        if !(start.rules.permit_agent && start.permissions.agent_forwarding) {
            return Err(io::Error::other("agent forwarding disabled"));
        }
        if self.agent.is_none() {
            let link = start.rules.agent_link.as_deref().map(Path::new);
            self.agent = Some(AgentSocket::make(link)?);
        }
        Ok(())
    }

    fn refuse(&self, session: u32) -> io::Result<()> {
        self.worker.send(&Answer::Refused(session), &[])
    }

    fn watch(&mut self, session: u32, pid: Pid) -> io::Result<()> {
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        self.children.push(Child {
            session,
            pid,
            ended,
        });
        Ok(())
    }

    fn signal(&self, session: u32, name: &str) {
        let Some(child) = self.children.iter().find(|child| child.session == session) else {
            error!("no session process for signal {name}");
            return;
        };
        let subsystem = self
            .sessions
            .get(&session)
            .is_some_and(|session| session.subsystem);
        let kind = match (self.start.forced_command(), subsystem) {
            (Some(_), _) => "forced-command",
            (None, true) => "subsystem",
            (None, false) => "",
        };
        if !kind.is_empty() {
            error!("refusing to send signal {name} to {kind} session");
            return;
        }
        let Some(signal) = launch::signal_number(name) else {
            error!("unsupported signal \"{name}\"");
            return;
        };
        if let Err(problem) = rustix::process::kill_process_group(child.pid, signal) {
            error!("kill({}, {name}): {problem}", child.pid.as_raw_nonzero());
        }
    }

    fn report_end(&mut self, pid: Pid) -> io::Result<()> {
        let Some((_, status)) = waitpid(Some(pid), WaitOptions::NOHANG)? else {
            return Ok(());
        };
        let Some(at) = self.children.iter().position(|child| child.pid == pid) else {
            return Ok(());
        };
        let session = self.children.swap_remove(at).session;
        let exit = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Status(u32::try_from(code).unwrap_or(255)),
            (None, Some(signal)) => {
                Exit::Signal((launch::signal_name(signal).to_owned(), has_core(status)))
            }
            (None, None) => Exit::Status(255),
        };
        self.worker.send(&Answer::Exited((session, exit)), &[])
    }
}

/// The bit of a wait status that says a core file was written.
fn has_core(status: rustix::process::WaitStatus) -> bool {
    status.as_raw() & 0x80 != 0
}
