//! One session's traffic: standard input to the channel, the channel to
//! standard output and error, signals and escapes, until the end.
//!
//! Input from a file or pipe is read straight into the space of the packet
//! that carries it, and output is written from where it was decrypted.

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use carrick::{Channel, Connection, Pieces, PtySize, Request, Stream};
use carrick_sys::{signals, tty};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::escape::{Action, Escapes, Step};
use super::forward::Forwards;
use super::forward::command::{self, Typing};
use super::stdio::{End, Fd};
use super::typed::Typed;
use super::{escape, terminal};
use crate::log::{self, Level, debug, debug2, error, verbose};

/// Most that is read into one packet.
const PACKET: usize = 64 * 1024;
/// Most that is taken from a terminal at once.
const KEYS: usize = 4096;
/// How long a BREAK is, in milliseconds.
const BREAK_MS: u32 = 1000;

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
    #[expect(
        dead_code,
        reason = "for the sessions of a shared connection, which come next"
    )]
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

    /// Input from a terminal, through the escapes.
    fn poll_keys(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        loop {
            while self.typed.len() > 0 {
                let typed = &self.typed;
                let mut copy = |space: &mut [u8]| Ok(typed.copy_to(space));
                match self
                    .channel
                    .poll_fill(cx, Stream::Data, typed.len(), &mut copy)
                {
                    // While the far side does not read, `~.` must still work:
                    // go on reading up to a bound.
                    Poll::Pending if typed.len() < KEYS => break,
                    Poll::Pending => return None,
                    Poll::Ready(Ok(n)) => self.typed.sent(n),
                    Poll::Ready(Err(_)) => self.typed.clear(),
                }
            }
            self.tell_end_of_input();
            let end = self.stdin.as_ref()?;
            let Poll::Ready(ready) = end.poll_readable(cx) else {
                return None;
            };
            let mut keys = [0; KEYS];
            match ready.map(|guard| (end.read_now(&mut keys), guard)) {
                Ok((Ok(n), guard)) if n > 0 => {
                    if let Some(mut guard) = guard
                        && end.is_drained(n, KEYS)
                    {
                        guard.clear_ready();
                    }
                    let mut input = keys.get(..n).unwrap_or_default();
                    while let Some(typing) = &mut self.typing {
                        let Some((line, used)) = typing.feed(input) else {
                            input = &[];
                            break;
                        };
                        self.end_typing(&line);
                        input = input.get(used..).unwrap_or_default();
                    }
                    if let Some(ended) = self.keys(input) {
                        return Some(ended);
                    }
                }
                Ok((Err(e), guard)) if e.kind() == io::ErrorKind::WouldBlock => match guard {
                    Some(mut guard) => guard.clear_ready(),
                    None => return None,
                },
                // The end of input in the terminal's usual mode ends the line.
                Ok((Ok(0), _)) if self.typing.is_some() => {
                    let line = self.typing.as_ref().map(Typing::line);
                    self.end_typing(&line.unwrap_or_default());
                }
                _ => {
                    self.end_of_input();
                    return None;
                }
            }
        }
    }

    fn keys(&mut self, mut input: &[u8]) -> Option<Ended> {
        while let Step::Act(action, used) = self.escapes.feed(input, self.typed.buffer()) {
            if let Some(ended) = self.act(action) {
                return Some(ended);
            }
            input = input.get(used..).unwrap_or_default();
            if let Some(typing) = &mut self.typing {
                // Typed ahead.
                let (line, used) = typing.feed(input)?;
                self.end_typing(&line);
                input = input.get(used..).unwrap_or_default();
            }
        }
        None
    }

    /// The command line is at its end.
    fn end_typing(&mut self, line: &str) {
        self.typing = None;
        terminal::enter_raw();
        command::run(&self.forwards, line, self.local_commands);
    }

    fn act(&mut self, action: Action) -> Option<Ended> {
        let c = char::from(self.escapes.character()?);
        let passenger = matches!(self.seat, Seat::Passenger { .. });
        if let (true, Some(key)) = (passenger, escape::only_alone(action)) {
            let no = "escape not available to multiplexed sessions";
            self.say(&format!("{c}{key} {no}\r\n"));
            return None;
        }
        match action {
            Action::Disconnect if passenger => {
                self.say(&format!("{c}.\r\n"));
                return Some(Ended::Left);
            }
            Action::Disconnect => return Some(Ended::Left),
            Action::Suspend => {
                self.say(&format!("{c}^Z [suspend ssh]\r\n"));
                self.suspend();
            }
            Action::Break => {
                self.say(&format!("{c}B\r\n"));
                // Without a session there is nothing to break.
                let _ = self.channel.notify(Request::Break { ms: BREAK_MS });
            }
            Action::Rekey => {
                self.connection.rekey();
            }
            Action::LessVerbose | Action::MoreVerbose => self.verbosity(c, action),
            Action::Background => self.background(c),
            Action::Help => self.say(&escape::help(c, self.command_line, passenger)),
            Action::Connections => self.say(&format!(
                "{c}#\r\nThe following connections are open:\r\n  #{} client-session\r\n{}",
                self.channel.id(),
                self.forwards.about()
            )),
            Action::CommandLine if self.command_line => {
                // The terminal lets the line be edited.
                terminal::leave_raw();
                self.say(command::PROMPT);
                self.typing = Some(Typing::default());
            }
            Action::CommandLine => self.say("commandline disabled\r\n"),
            Action::ConnectionInfo => self.say(&self.about(c)),
        }
        None
    }

    fn verbosity(&self, c: char, action: Action) {
        let (step, key) = if action == Action::MoreVerbose {
            (1, 'v')
        } else {
            (-1, 'V')
        };
        if !log::is_on_stderr() {
            self.say(&format!("{c}{key} [Logging to syslog]\r\n"));
            return;
        }
        log::set_level(Level::from_number(log::level() as i8 + step));
        self.say(&format!("{c}{key} [LogLevel {}]\r\n", log::level().name()));
    }

    /// Stops this program until the shell continues it.
    fn suspend(&self) {
        terminal::leave_raw();
        if let Err(e) = signals::raise(signals::Number::SIGTSTP) {
            error!("cannot stop: {e}");
        }
        terminal::enter_raw();
        self.send_size();
    }

    fn background(&mut self, c: char) {
        terminal::leave_raw();
        self.say(&format!("{c}& [backgrounded]\n"));
        match carrick_sys::daemonize::to_background() {
            Ok(()) => {
                self.stdin = None;
                // What a user would type to end the remote shell.
                self.typed.buffer().push(0x04);
            }
            Err(e) => {
                self.say(&format!("cannot go to the background: {e}\r\n"));
                terminal::enter_raw();
            }
        }
    }

    fn about(&self, c: char) -> String {
        let (sent, received) = self.connection.transferred();
        let server = self.connection.peer_ident();
        let mut text = format!("{c}I\r\nConnection information:\r\n  server {server}\r\n");
        if let Some(n) = self.connection.negotiated() {
            // Writing to a String cannot fail.
            let _ = write!(text, "  kex {}\r\n  host key {}\r\n", n.kex, n.host_key);
            for (name, d) in [("client->server", &n.c2s), ("server->client", &n.s2c)] {
                let mac = d.mac.unwrap_or("<implicit>");
                let _ = write!(
                    text,
                    "  {name} cipher {} mac {mac} compression {}\r\n",
                    d.cipher, d.compression
                );
            }
        }
        let _ = write!(text, "  traffic {received} in, {sent} out\r\n");
        text
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
    #[expect(
        dead_code,
        reason = "for the sessions of a shared connection, which come next"
    )]
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
