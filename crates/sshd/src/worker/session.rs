//! One session: a channel at the peer's side, and pipes or a terminal from the
//! broker at ours (RFC 4254 section 6).

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use carrick::agent::Names;
use carrick::{Channel, IncomingRequest, PtySize, Request, Secret, Server, Stream};
use carrick_keys::matching::pattern;
use carrick_sys::pty;
use tokio::io::Interest;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::connection::Broker;
use super::line::News;
use super::relay::{self, Fd, Sink};
use super::stream::watch;
use crate::log::debug;
use crate::rpc::broker::{Answer, Ask, Exit, Program, Run, Terminal};
use crate::rpc::x11::Show;

/// The longest command: the system starts none that is longer.
const COMMAND: usize = 128 * 1024;
/// The most variables of one session, and their bytes.
const VARIABLES: usize = 128;
const VARIABLE_BYTES: usize = 32 * 1024;

/// How long the end of a program's output waits for the program's end.
const HOLD_EOF: Duration = Duration::from_millis(150);

struct Session {
    id: u32,
    channel: Channel<Server>,
    broker: Arc<Broker>,
    news: UnboundedReceiver<News>,
    env: Vec<(String, Vec<u8>)>,
    terminal: Option<Fd>,
}

/// The ends of a program's pipes; none with a terminal.
struct Pipes {
    stdin: Sink,
    stdout: Fd,
    stderr: Option<Fd>,
}

fn watched(fd: OwnedFd, interest: Interest) -> io::Result<Fd> {
    Ok(Arc::new(watch(fd, interest)?))
}

/// Serves a session until its channel is closed.
pub(super) async fn serve(
    id: u32,
    channel: Channel<Server>,
    broker: Arc<Broker>,
    news: UnboundedReceiver<News>,
) {
    let mut session = Session {
        id,
        channel,
        broker,
        news,
        env: Vec::new(),
        terminal: None,
    };
    if let Some(pipes) = session.until_started().await {
        session.run(pipes).await;
    }
    session.end().await;
}

impl Session {
    /// Answers requests until a program runs. `None`: the channel is closed.
    async fn until_started(&mut self) -> Option<Pipes> {
        while let Some(incoming) = self.channel.next_request().await {
            let program = match &incoming.request {
                Request::Shell => Program::Shell,
                Request::Exec { command } if command.len() < COMMAND => {
                    Program::Exec(command.clone())
                }
                Request::Subsystem { name } => Program::Subsystem(name.clone()),
                Request::Pty { term, size, modes } => {
                    let ok = self.make_terminal(term.clone(), *size, modes.clone()).await;
                    incoming.reply(ok);
                    continue;
                }
                Request::X11 {
                    single,
                    protocol,
                    cookie,
                    screen,
                } => {
                    let show = Show {
                        session: self.id,
                        listener: self.broker.forwarder.number(),
                        single: *single,
                        protocol: protocol.clone(),
                        cookie: Secret::from(cookie.as_slice()),
                        screen: *screen,
                    };
                    let ok = self.make_display(show).await;
                    incoming.reply(ok);
                    continue;
                }
                Request::Env { name, value } => {
                    let ok = self.take_variable(name, value);
                    incoming.reply(ok);
                    continue;
                }
                other => {
                    match Names::asked_by(other) {
                        Some(names) => {
                            let ok = self.lend_agent(names).await;
                            incoming.reply(ok);
                        }
                        None => self.other(incoming).await,
                    }
                    continue;
                }
            };
            let started = self.start(program).await;
            incoming.reply(started.is_some());
            if started.is_some() {
                return started;
            }
        }
        None
    }

    fn take_variable(&mut self, name: &str, value: &[u8]) -> bool {
        let accepted = self
            .broker
            .accept_env
            .iter()
            .any(|allowed| pattern(name, allowed));
        let bytes: usize = self
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let fits = self.env.len() < VARIABLES && bytes + name.len() + value.len() <= VARIABLE_BYTES;
        if accepted && fits {
            self.env.push((name.to_owned(), value.to_vec()));
        } else {
            debug!("Ignoring env request {name}: disallowed name");
        }
        accepted && fits
    }

    async fn make_terminal(&mut self, term: String, size: PtySize, modes: Vec<u8>) -> bool {
        if self.terminal.is_some() {
            return false;
        }
        let ask = Ask::Terminal(Terminal {
            session: self.id,
            term,
            chars: (size.cols, size.rows),
            pixels: (size.width_px, size.height_px),
            modes,
        });
        if self.broker.line.ask(&ask).await.is_err() {
            return false;
        }
        let Some((Answer::Terminal(_), fds)) = self.news.recv().await else {
            return false;
        };
        let Ok([fd]) = <[OwnedFd; 1]>::try_from(fds) else {
            return false;
        };
        self.terminal = watched(fd, Interest::READABLE).ok();
        self.terminal.is_some()
    }

    /// Makes a display that leads to the client's.
    async fn make_display(&mut self, show: Show) -> bool {
        let listener = show.listener;
        // Before somebody can come.
        self.broker.displays.expect(listener, self.id);
        let asked = self.broker.line.ask(&Ask::Show(show)).await.is_ok();
        let shown = asked && matches!(self.news.recv().await, Some((Answer::Shown(_), _)));
        if !shown {
            self.broker.displays.refused(listener);
        }
        shown
    }

    /// Lets the session's programs reach the client's agent.
    async fn lend_agent(&mut self, names: Names) -> bool {
        if self.broker.line.ask(&Ask::Agent(self.id)).await.is_err() {
            return false;
        }
        let granted = matches!(self.news.recv().await, Some((Answer::Agent(_), _)));
        if granted {
            self.broker.agent.open(names);
        }
        granted
    }

    async fn start(&mut self, program: Program) -> Option<Pipes> {
        let env = std::mem::take(&mut self.env);
        let run = Run {
            session: self.id,
            env,
            program,
        };
        self.broker.line.ask(&Ask::Run(run)).await.ok()?;
        let (Answer::Running(_), fds) = self.news.recv().await? else {
            return None;
        };
        if let Some(terminal) = &self.terminal {
            return Some(Pipes {
                stdin: Sink::Free(terminal.get_ref().try_clone().ok()?),
                stdout: Arc::clone(terminal),
                stderr: None,
            });
        }
        let [stdin, stdout, stderr] = <[OwnedFd; 3]>::try_from(fds).ok()?;
        Some(Pipes {
            stdin: Sink::Free(stdin),
            stdout: watched(stdout, Interest::READABLE).ok()?,
            stderr: Some(watched(stderr, Interest::READABLE).ok()?),
        })
    }

    /// Moves bytes until the program has ended and said all, or the peer
    /// closes the channel.
    async fn run(&mut self, pipes: Pipes) {
        let channel = self.channel.clone();
        let mut output = pin!(async {
            let out = relay::outward(Arc::clone(&pipes.stdout), channel.clone(), Stream::Data);
            match &pipes.stderr {
                Some(stderr) => {
                    let err = relay::outward(Arc::clone(stderr), channel.clone(), Stream::Stderr);
                    tokio::join!(out, err);
                }
                None => out.await,
            }
        });
        // It holds the only handle to the program's standard input, so that
        // the program sees its end as soon as the peer has sent it.
        let mut input = pin!(relay::inward(pipes.stdin, channel.clone()));
        let (mut reading, mut said_all, mut ended) = (true, false, false);
        // Some clients answer the end of output with the end of the channel,
        // and would miss the exit status: it goes first if it comes soon.
        let mut hold = pin!(tokio::time::sleep(HOLD_EOF));
        let mut holding = false;
        while !(said_all && ended) {
            tokio::select! {
                () = &mut output, if !said_all => {
                    said_all = true;
                    holding = true;
                    hold.as_mut().reset(Instant::now() + HOLD_EOF);
                }
                () = &mut hold, if holding => {
                    holding = false;
                    // The peer may have closed the channel just now.
                    let _ = channel.send_eof();
                }
                () = &mut input, if reading => reading = false,
                request = channel.next_request() => match request {
                    Some(request) => self.other(request).await,
                    None => return,
                },
                news = self.news.recv() => match news {
                    Some((Answer::Exited((_, exit)), _)) => {
                        ended = true;
                        report(&channel, exit);
                        if let Some(terminal) = &self.terminal && !said_all {
                            relay::rest(terminal, &channel).await;
                            said_all = true;
                        }
                    }
                    Some(_) => {}
                    None => return,
                },
            }
        }
        // As above.
        let _ = channel.send_eof();
        channel.close();
    }

    /// Requests that may come at any time.
    async fn other(&self, incoming: IncomingRequest<Server>) {
        let ok = match &incoming.request {
            Request::WindowChange(size) => self.terminal.as_ref().is_some_and(|terminal| {
                let PtySize {
                    cols,
                    rows,
                    width_px,
                    height_px,
                } = *size;
                pty::set_size(terminal.get_ref(), cols, rows, width_px, height_px).is_ok()
            }),
            Request::Signal { name } => self
                .broker
                .line
                .ask(&Ask::Signal((self.id, name.clone())))
                .await
                .is_ok(),
            Request::Break { .. } => self
                .terminal
                .as_ref()
                .is_some_and(|terminal| rustix::termios::tcsendbreak(terminal.get_ref()).is_ok()),
            _ => false,
        };
        incoming.reply(ok);
    }

    async fn end(&self) {
        self.channel.close();
        self.broker.forget(self.id);
        // Without a broker there is nothing to forget.
        let _ = self.broker.line.ask(&Ask::Forget(self.id)).await;
    }
}

/// Tells the peer how the program ended.
fn report(channel: &Channel<Server>, exit: Exit) {
    let request = match exit {
        Exit::Status(code) => Request::ExitStatus { code },
        Exit::Signal((name, core_dumped)) => Request::ExitSignal {
            name,
            core_dumped,
            message: String::new(),
            language: String::new(),
        },
    };
    // The peer may have closed the channel just now.
    let _ = channel.notify(request);
}
