//! `~C`: a line in which the user opens and cancels forwardings while the
//! session runs.

use carrick_config::forward::{self, ForwardKind};
use carrick_config::types::{Endpoint, Forward};

use super::Forwards;
use crate::connect;
use crate::log::{error, info};
use crate::ssh::options::System;
use crate::text::os_error;

/// What precedes the line.
pub(in crate::ssh) const PROMPT: &str = "\r\nssh> ";

/// A line that is being typed, with the terminal in its usual mode: keys that
/// came before it was have the other end of line.
#[derive(Default)]
pub(in crate::ssh) struct Typing(Vec<u8>);

/// The longest line that is taken.
const LINE: usize = 1024;

impl Typing {
    /// Takes what was typed: the line, once it is at its end, and how many bytes
    /// belonged to it.
    pub(in crate::ssh) fn feed(&mut self, input: &[u8]) -> Option<(String, usize)> {
        for (at, byte) in input.iter().enumerate() {
            match byte {
                b'\r' | b'\n' => return Some((self.line(), at + 1)),
                _ if self.0.len() < LINE => self.0.push(*byte),
                _ => {}
            }
        }
        None
    }

    /// The end of input ends the line, too.
    pub(in crate::ssh) fn line(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Nothing,
    Help,
    /// A command for the local shell.
    Shell(String),
    Open(Forward, ForwardKind),
    Cancel(ForwardKind, Endpoint),
    /// Nothing that there is; in these words.
    Bad(&'static str),
}

/// Reads a line. `shell`: local commands are allowed (PermitLocalCommand).
fn parse(line: &str, shell: bool) -> Command {
    let line = line.trim_start();
    let line = line.strip_prefix('-').unwrap_or(line);
    match line.chars().next() {
        None => return Command::Nothing,
        Some('h' | 'H' | '?') => return Command::Help,
        Some('!') if shell => return Command::Shell(line.get(1..).unwrap_or_default().into()),
        Some(_) => {}
    }
    let (cancel, line) = match line.strip_prefix('K') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let kind = match line.chars().next() {
        Some('L') => ForwardKind::Local,
        Some('R') => ForwardKind::Remote,
        Some('D') => ForwardKind::Dynamic,
        _ => return Command::Bad("Invalid command."),
    };
    let spec = line.get(1..).unwrap_or_default().trim();
    let read = |kind| forward::forward(spec, kind, &System);
    if cancel {
        // Where it listens is all that is named.
        let dynamic = match kind {
            ForwardKind::Remote => ForwardKind::RemoteDynamic,
            _ => ForwardKind::Dynamic,
        };
        return match read(dynamic) {
            Some(named) => Command::Cancel(kind, named.listen),
            None => Command::Bad("Bad forwarding close specification."),
        };
    }
    if let Some(forward) = read(kind) {
        return Command::Open(forward, kind);
    }
    if kind != ForwardKind::Remote {
        return Command::Bad("Bad local forwarding specification.");
    }
    // Without a target it is a SOCKS proxy at the far end.
    match read(ForwardKind::RemoteDynamic) {
        Some(forward) => Command::Open(forward, ForwardKind::RemoteDynamic),
        None => Command::Bad("Bad remote forwarding specification."),
    }
}

const HELP: &[&str] = &[
    "Commands:",
    "      -L[bind_address:]port:host:hostport    Request local forward",
    "      -R[bind_address:]port:host:hostport    Request remote forward",
    "      -D[bind_address:]port                  Request dynamic forward",
    "      -KL[bind_address:]port                 Cancel local forward",
    "      -KR[bind_address:]port                 Cancel remote forward",
    "      -KD[bind_address:]port                 Cancel dynamic forward",
];
const HELP_SHELL: &str = "      !args                                  Execute local command";

/// Does what a line asks for. `shell`: local commands are allowed.
pub(in crate::ssh) fn run(forwards: &Forwards, line: &str, shell: bool) {
    match parse(line, shell) {
        Command::Nothing => {}
        Command::Bad(text) => info!("{text}"),
        Command::Help => {
            for line in HELP.iter().chain(shell.then_some(&HELP_SHELL)) {
                info!("{line}");
            }
        }
        Command::Shell(command) => {
            if let Err(e) = connect::run_local(&command) {
                error!("Couldn't execute {command}: {}", os_error(&e));
            }
        }
        Command::Cancel(kind, listen) => match forwards.cancel(kind, &listen) {
            // Told when it is so.
            Some(closed) => drop(tokio::spawn(async {
                closed.await;
                info!("Canceled forwarding.");
            })),
            None => info!("Unknown port forwarding."),
        },
        Command::Open(forward, ForwardKind::Local | ForwardKind::Dynamic) => {
            let works = forwards.listen(&forward);
            info!(
                "{}",
                if works {
                    "Forwarding port."
                } else {
                    "Port forwarding failed."
                }
            );
        }
        Command::Open(forward, _) => {
            // What the server says to it is told when it comes.
            tokio::spawn(forwards.request(&forward));
            info!("Forwarding port.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_config::types::Target;

    fn tcp(host: Option<&str>, port: u16) -> Endpoint {
        Endpoint::Tcp {
            host: host.map(str::to_owned),
            port,
        }
    }

    #[test]
    fn lines() {
        let to = Target::To(tcp(Some("h"), 80));
        let opens = |kind, listen, connect| Command::Open(Forward { listen, connect }, kind);
        for (line, command) in [
            ("", Command::Nothing),
            ("  -", Command::Nothing),
            ("-h", Command::Help),
            ("?", Command::Help),
            (
                "-L8080:h:80",
                opens(ForwardKind::Local, tcp(None, 8080), to.clone()),
            ),
            (
                " L 8080:h:80",
                opens(ForwardKind::Local, tcp(None, 8080), to.clone()),
            ),
            ("-R 0:h:80", opens(ForwardKind::Remote, tcp(None, 0), to)),
            (
                "-R*:9",
                opens(ForwardKind::RemoteDynamic, tcp(Some("*"), 9), Target::Socks),
            ),
            (
                "-D1080",
                opens(ForwardKind::Dynamic, tcp(None, 1080), Target::Socks),
            ),
            (
                "-KL8080",
                Command::Cancel(ForwardKind::Local, tcp(None, 8080)),
            ),
            (
                "-KR h:8080",
                Command::Cancel(ForwardKind::Remote, tcp(Some("h"), 8080)),
            ),
            (
                "KD1080",
                Command::Cancel(ForwardKind::Dynamic, tcp(None, 1080)),
            ),
            ("-x", Command::Bad("Invalid command.")),
            ("-KX", Command::Bad("Invalid command.")),
            ("-L", Command::Bad("Bad local forwarding specification.")),
            ("-R", Command::Bad("Bad remote forwarding specification.")),
            (
                "-KL1:h:2",
                Command::Bad("Bad forwarding close specification."),
            ),
            ("!ls", Command::Bad("Invalid command.")),
        ] {
            assert_eq!(parse(line, false), command, "{line}");
        }
        assert_eq!(parse("!ls -l", true), Command::Shell("ls -l".into()));
    }

    #[test]
    fn a_line_ends_where_the_terminal_says() {
        let mut typing = Typing::default();
        assert_eq!(typing.feed(b"-L8080:"), None);
        assert_eq!(typing.feed(b"h:80\rrest"), Some(("-L8080:h:80".into(), 5)));
        let mut typing = Typing::default();
        assert_eq!(typing.feed(&[b'x'; 2 * LINE]), None);
        assert_eq!(typing.line().len(), LINE);
    }
}
