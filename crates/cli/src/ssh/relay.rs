//! One session's traffic: standard input to the channel, the channel to
//! standard output and error, signals and escapes, until the end.
//!
//! Input from a file or pipe is read straight into the space of the packet
//! that carries it, and output is written from where it was decrypted.

mod keys;

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use carrick::{Channel, Connection, Pieces, PtySize, Request, Stream};
use carrick_sys::{signals, tty};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::escape::Escapes;
use super::forward::Forwards;
use super::forward::command::Typing;
use super::stdio::{End, Fd};
use super::terminal;
use super::typed::Typed;
use crate::log::{debug, debug2, error, verbose};

/// Most that is read into one packet.
const PACKET: usize = 64 * 1024;

/// A request of ours whose reply is not here yet.
struct Asked {
    what: What,
    reply: Pin<Box<dyn Future<Output = Result<bool, carrick::Error>> + Send>>,
}

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A terminal.
    Pty,
    /// `shell`, `exec` or `subsystem`: without it there is no session.
    Program(&'static str),
}

/// One way out: what is being written, and to where.
struct Output {
    stream: Stream,
    /// `None`: closed on this side; what comes is thrown away.
    end: Option<End>,
    pieces: Pieces,
    done: bool,
}

/// How a session ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The channel was closed; with the status, if there was one.
    Closed(Option<u32>),
    /// The connection broke before that: what came may not be all.
    Lost(carrick::Error),
    /// By the user: `~.`.
    Left,
    /// By a signal to this program.
    Killed(i32),
}

/// What a session needs to run.
pub(super) struct Relay {
    connection: Connection,
    channel: Channel,
    asked: Vec<Asked>,
    stdin: Option<End>,
    typed: Typed,
    escapes: Escapes,
    has_pty: bool,
    /// `~C` is allowed; in it, local commands.
    command_line: bool,
    local_commands: bool,
    forwards: Forwards,
    /// The command line that is being typed.
    typing: Option<Typing>,
    outputs: [Output; 2],
    signals: Signals,
    seat: Seat,
    status: Option<u32>,
    channel_closed: bool,
    /// The server speaks OpenSSH's extensions.
    knows_eow: bool,
}

/// How the session is set up.
pub(super) struct Setup {
    /// Standard input is not read.
    pub(super) stdin_null: bool,
    /// A terminal was asked for: raw mode, escapes, window changes.
    pub(super) has_pty: bool,
    /// The escape character.
    pub(super) escape: Option<u8>,
    /// `~C` is allowed.
    pub(super) command_line: bool,
    /// And local commands in it.
    pub(super) local_commands: bool,
    /// What else the connection carries.
    pub(super) forwards: Forwards,
}

/// The descriptors of a session.
pub(super) struct Ends {
    /// Standard input; `None`: it ends at once.
    pub(super) stdin: Option<End>,
    pub(super) stdout: End,
    pub(super) stderr: End,
}

/// Whose session it is.
pub(super) enum Seat {
    /// This program's own: its terminal is ours to switch.
    Own,
    /// Of a program that shares our connection and waits at its terminal.
    Passenger {
        /// Its terminal, for the size.
        terminal: Fd,
        /// Where it is told that the server gave it no terminal.
        no_tty: tokio::sync::mpsc::UnboundedSender<()>,
    },
}

impl Relay {
    /// Takes over the standard descriptors.
    pub(super) fn new(connection: Connection, channel: Channel, setup: &Setup) -> io::Result<Self> {
        let ends = Ends {
            stdin: (!setup.stdin_null).then(End::stdin).transpose()?,
            stdout: End::stdout()?,
            stderr: End::stderr()?,
        };
        let signals = Signals::new()?;
        Ok(Self::between(
            connection,
            channel,
            setup,
            ends,
            signals,
            Seat::Own,
        ))
    }

    /// With descriptors that may be another program's.
    pub(super) fn between(
        connection: Connection,
        channel: Channel,
        setup: &Setup,
        ends: Ends,
        signals: Signals,
        seat: Seat,
    ) -> Self {
        if ends.stdin.is_none() {
            // The end of input comes at once, as from /dev/null.
            let _ = channel.send_eof();
        }
        let output = |stream, end| Output {
            stream,
            end: Some(end),
            pieces: Pieces::default(),
            done: false,
        };
        let ident = connection.peer_ident();
        Self {
            knows_eow: ident.contains("OpenSSH") || ident.contains("Carrick"),
            connection,
            channel,
            asked: Vec::new(),
            stdin: ends.stdin,
            typed: Typed::default(),
            escapes: Escapes::new(setup.escape.filter(|_| setup.has_pty)),
            has_pty: setup.has_pty,
            command_line: setup.command_line,
            local_commands: setup.local_commands,
            forwards: setup.forwards.clone(),
            typing: None,
            outputs: [
                output(Stream::Data, ends.stdout),
                output(Stream::Stderr, ends.stderr),
            ],
            signals,
            seat,
            status: None,
            channel_closed: false,
        }
    }

    /// A request was made whose reply matters.
    pub(super) fn expect(
        &mut self,
        what: What,
        reply: impl Future<Output = Result<bool, carrick::Error>> + Send + 'static,
    ) {
        self.asked.push(Asked {
            what,
            reply: Box::pin(reply),
        });
    }

    /// Runs the session to its end.
    pub(super) async fn run(mut self) -> Ended {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.poll_signals(cx) {
            return Poll::Ready(ended);
        }
        self.poll_replies(cx);
        self.poll_requests(cx);
        for i in 0..self.outputs.len() {
            self.poll_output(cx, i);
        }
        if let Some(ended) = self.poll_input(cx) {
            return Poll::Ready(ended);
        }
        if self.channel_closed && self.outputs.iter().all(|o| o.done) {
            return Poll::Ready(match self.channel.lost() {
                Some(why) => Ended::Lost(why),
                None => Ended::Closed(self.status),
            });
        }
        Poll::Pending
    }

    fn poll_signals(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        while self.signals.resized.poll_recv(cx).is_ready() {
            if self.has_pty {
                self.send_size();
            }
        }
        let mut stopped = false;
        for (number, stream) in &mut self.signals.ending {
            while stream.poll_recv(cx).is_ready() {
                if self.typing.is_none() || *number != signals::Number::SIGINT as i32 {
                    return Some(Ended::Killed(*number));
                }
                stopped = true;
            }
        }
        if stopped {
            // It was meant for the command line.
            self.end_typing("");
        }
        None
    }

    fn send_size(&self) {
        debug2!("client_check_window_change: changed");
        // The session may be over; then the size does not matter.
        let _ = self.channel.notify(Request::WindowChange(self.size()));
    }

    fn size(&self) -> PtySize {
        match &self.seat {
            Seat::Own => pty_size(rustix::stdio::stdin()),
            Seat::Passenger { terminal, .. } => pty_size(terminal),
        }
    }

    fn poll_replies(&mut self, cx: &mut Context<'_>) {
        let mut refused = None;
        self.asked
            .retain_mut(|asked| match asked.reply.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(true)) => false,
                // The connection is over: told elsewhere.
                Poll::Ready(Err(carrick::Error::Protocol(_) | carrick::Error::Io(_))) => false,
                Poll::Ready(_) => {
                    refused.get_or_insert(asked.what);
                    false
                }
            });
        match refused {
            None => {}
            Some(What::Pty) => {
                self.complain("PTY allocation");
                match &self.seat {
                    Seat::Own => terminal::leave_raw(),
                    // Gone with its session, which ends for that reason.
                    Seat::Passenger { no_tty, .. } => drop(no_tty.send(())),
                }
                self.has_pty = false;
            }
            Some(What::Program(what)) => {
                self.complain(what);
                self.channel.close();
                self.channel_closed = true;
                self.outputs.iter_mut().for_each(|o| o.done = true);
            }
        }
    }

    /// Tells whose session it is what the server refused.
    fn complain(&self, what: &str) {
        let text = format!("{what} request failed on channel {}", self.channel.id());
        match self.seat {
            Seat::Own => error!("{text}"),
            Seat::Passenger { .. } => {
                debug2!("{text}");
                self.say(&format!("{text}\r\n"));
            }
        }
    }

    /// Writes to the user's terminal, past the log.
    fn say(&self, text: &str) {
        let [_, stderr] = &self.outputs;
        if let Some(end) = &stderr.end {
            end.remark(text);
        }
    }

    fn poll_requests(&mut self, cx: &mut Context<'_>) {
        while !self.channel_closed {
            match self.channel.poll_request(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => self.channel_closed = true,
                Poll::Ready(Some(incoming)) => match &incoming.request {
                    Request::ExitStatus { code } => {
                        debug!("client_input_channel_req: channel 0 rtype exit-status reply 0");
                        self.status = Some(*code);
                    }
                    Request::ExitSignal { name, message, .. } => {
                        debug!("client_input_channel_req: channel 0 rtype exit-signal reply 0");
                        debug!("command was ended by signal {name} {message}");
                    }
                    // The far side reads no more: neither need we.
                    Request::EndOfWrite => {
                        debug2!("client_input_channel_req: channel 0 rtype eow@openssh.com");
                        self.stdin = None;
                        self.typed.clear();
                    }
                    // Dropping it refuses.
                    other => debug2!("channel 0: unknown request {other:?}"),
                },
            }
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, which: usize) {
        let Some(out) = self.outputs.get_mut(which) else {
            return;
        };
        while !out.done {
            match out.pieces.poll_gather(cx, &self.channel, out.stream) {
                Poll::Pending => return,
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    out.done = true;
                    // A reader of our output sees the end as soon as it is there.
                    debug2!("channel 0: output drained");
                    return;
                }
            }
            let Some(end) = &mut out.end else {
                out.pieces.clear();
                continue;
            };
            match end.poll_write(cx, &mut out.pieces) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(e)) => {
                    debug!("channel 0: write failed: {}", crate::text::os_error(&e));
                    out.end = None;
                    if out.stream == Stream::Data {
                        if self.knows_eow {
                            // Nobody reads on; the command need not write on.
                            let _ = self.channel.notify(Request::EndOfWrite);
                        } else {
                            self.channel.close();
                        }
                    }
                }
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        if self.escapes.character().is_some() {
            return self.poll_keys(cx);
        }
        let mut finished = false;
        if let Some(end) = &self.stdin {
            while let Poll::Ready(ready) = end.poll_readable(cx) {
                let Ok(guard) = ready else {
                    finished = true;
                    break;
                };
                let mut read = |space: &mut [u8]| end.read_now(space);
                match self.channel.poll_fill(cx, Stream::Data, PACKET, &mut read) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(n)) if n > 0 => {}
                    Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => match guard {
                        Some(mut guard) => guard.clear_ready(),
                        None => break,
                    },
                    Poll::Ready(_) => {
                        finished = true;
                        break;
                    }
                }
            }
        }
        if finished {
            self.end_of_input();
        }
        None
    }

    fn end_of_input(&mut self) {
        self.stdin = None;
        self.typed.end();
        self.tell_end_of_input();
    }

    /// Sends the end of input once nothing typed waits before it.
    fn tell_end_of_input(&mut self) {
        if self.typed.take_end() {
            // After the channel's end there is nobody to tell.
            let _ = self.channel.send_eof();
        }
    }
}

/// A terminal's size, as requests carry it.
pub(super) fn pty_size(terminal: impl AsFd) -> PtySize {
    let size = tty::size(terminal);
    PtySize {
        cols: size.cols,
        rows: size.rows,
        width_px: size.width_px,
        height_px: size.height_px,
    }
}

/// The signals that matter while a session runs.
pub(super) struct Signals {
    resized: Signal,
    ending: Vec<(i32, Signal)>,
}

impl Signals {
    /// Starts listening. A hangup that whoever started us ignores stays ignored.
    pub(super) fn new() -> io::Result<Self> {
        let mut ending = Vec::new();
        for (number, kind) in [
            (signals::Number::SIGINT, SignalKind::interrupt()),
            (signals::Number::SIGQUIT, SignalKind::quit()),
            (signals::Number::SIGTERM, SignalKind::terminate()),
            (signals::Number::SIGHUP, SignalKind::hangup()),
        ] {
            if !signals::is_ignored(number)? {
                ending.push((number as i32, signal(kind)?));
            }
        }
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            ending,
        })
    }

    /// Those of another program's session: none of them ends it.
    pub(super) fn of_passenger() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            ending: Vec::new(),
        })
    }

    /// Waits for one that ends the program.
    pub(super) async fn ended(&mut self) -> i32 {
        std::future::poll_fn(|cx| {
            for (number, stream) in &mut self.ending {
                if stream.poll_recv(cx).is_ready() {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The note that a program ended by a signal leaves.
pub(super) fn tell_killed(number: i32) {
    verbose!("Killed by signal {number}.");
}
