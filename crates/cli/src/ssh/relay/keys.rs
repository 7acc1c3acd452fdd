//! Input from a terminal: keys for the far side, escapes, and the command line.

use std::io;
use std::task::{Context, Poll};

use carrick::{Request, Stream};
use carrick_sys::signals;

use super::{Ended, Relay, Seat, terminal};
use crate::log::{self, Level, error};
use crate::ssh::escape::{self, Action, Step};
use crate::ssh::forward::command::{self, Typing};
use crate::ssh::mux;

/// Most that is taken from a terminal at once.
const KEYS: usize = 4096;
/// How long a BREAK is, in milliseconds.
const BREAK_MS: u32 = 1000;

impl Relay {
    /// Input from a terminal, through the escapes.
    pub(super) fn poll_keys(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
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
    pub(super) fn end_typing(&mut self, line: &str) {
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
        format!("{c}I\r\n{}", mux::about(&self.connection))
    }
}
