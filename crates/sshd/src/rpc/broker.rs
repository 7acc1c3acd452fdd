//! Between the broker and its two neighbours.

use super::field::{choice, record};
use super::forward::{self, Dial, Listen, Refusal, Tunnel, Visitor};
use super::permissions::Permissions;
use super::preauth::Line;
use super::x11;

record! {
    /// The monitor's only message to the broker: whose it is, and what it may do.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Start {
        /// The uid to take on, the gid, the other groups; `None` without root.
        pub become_user: Option<(u32, (u32, Vec<u32>))>,
        /// What becomes the root directory before that (ChrootDirectory).
        pub chroot: Option<Vec<u8>>,
        /// The account.
        pub account: Account,
        /// The rules.
        pub rules: Rules,
        /// The rules of forwarding.
        pub forwarding: forward::Rules,
        /// The rules of displays; `None`: there are none (X11Forwarding).
        pub x11: Option<x11::Rules>,
        /// What the login permits, beside the rules.
        pub permissions: Permissions,
        /// How the login was gone through, if the session may know.
        pub steps: Option<String>,
        /// The client's address and port, and ours.
        pub peer: (String, u32),
        /// Our address and port.
        pub local: (String, u32),
        /// Log lines above this level are not wanted.
        pub log_level: u8,
    }
}

impl Start {
    /// Whether whatever is asked for, it is the server of files in here.
    pub fn forces_internal_sftp(&self) -> bool {
        let forced = self.forced_command();
        forced.is_some_and(|(command, _)| is_internal_sftp(command))
    }

    /// What is run whatever is asked for, and where that is said.
    pub fn forced_command(&self) -> Option<(&[u8], &'static str)> {
        let config = self.rules.forced_command.as_ref();
        let key = self.permissions.command.as_ref();
        config
            .map(|command| (command.as_bytes(), "(config)"))
            .or(key.map(|command| (command.as_slice(), "(key-option)")))
    }
}

/// Whether a command line means a program inside the daemon.
pub fn is_internal_sftp(line: &[u8]) -> bool {
    line.strip_prefix(b"internal-sftp")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b" ") || rest.starts_with(b"\t"))
}

record! {
    /// The account that the user logged in to.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Account {
        /// The login name.
        pub name: String,
        /// The home directory.
        pub home: Vec<u8>,
        /// The login shell.
        pub shell: Vec<u8>,
        /// Whether it is root, for the search path.
        pub root: bool,
    }
}

record! {
    /// What the configuration says on sessions.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rules {
        /// Run this whatever is asked for (ForceCommand).
        pub forced_command: Option<String>,
        /// Whether there may be a terminal.
        pub permit_tty: bool,
        /// Whether programs may reach the client's agent.
        pub permit_agent: bool,
        /// A name that leads to the agent lent last (AgentSocketLink).
        pub agent_link: Option<String>,
        /// Patterns of variables that the client may set.
        pub accept_env: Vec<String>,
        /// Variables that are set, whatever the client says.
        pub set_env: Vec<(String, String)>,
        /// Whether ~/.ssh/environment is read: not at all, whole, or by pattern.
        pub user_environment: Option<String>,
        /// Whether ~/.ssh/rc is run.
        pub user_rc: bool,
        /// Name and command line of each subsystem.
        pub subsystems: Vec<(String, String)>,
        /// The most sessions at a time.
        pub max_sessions: u32,
        /// The password is too old: it is changed, and nothing else done.
        pub change_password: bool,
    }
}

record! {
    /// A pseudo terminal for a session (RFC 4254 section 6.2).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Terminal {
        /// The session.
        pub session: u32,
        /// `TERM`.
        pub term: String,
        /// Columns and rows.
        pub chars: (u32, u32),
        /// Width and height in pixels.
        pub pixels: (u32, u32),
        /// Modes as encoded by the client.
        pub modes: Vec<u8>,
    }
}

choice! {
    /// What a session runs (RFC 4254 section 6.5).
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Program {
        /// The login shell.
        0 = Shell,
        /// A command line for it.
        1 = Exec(Vec<u8>),
        /// A subsystem.
        2 = Subsystem(String),
    }
}

record! {
    /// Start a session's program.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Run {
        /// The session.
        pub session: u32,
        /// The client's variables.
        pub env: Vec<(String, Vec<u8>)>,
        /// The program.
        pub program: Program,
    }
}

choice! {
    /// From the worker.
    #[derive(Debug, Clone)]
    pub enum Ask {
        /// Make a terminal.
        1 = Terminal(Terminal),
        /// Start the program.
        2 = Run(Run),
        /// Send a signal to the session's program (its number and the name).
        3 = Signal((u32, String)),
        /// The session's channel is closed.
        4 = Forget(u32),
        /// Let programs reach the client's agent: which session asks.
        5 = Agent(u32),
        /// Connect to a port or a socket for the peer.
        6 = Dial(Dial),
        /// Listen at one for the peer.
        7 = Listen(Listen),
        /// Listen no more: the listener's number.
        8 = Unlisten(u32),
        /// Make a display for a session.
        9 = Show(x11::Show),
        /// Open a network device for a tunnel; answered as a connection is.
        10 = Tunnel(Tunnel),
    }
}

choice! {
    /// How a program ended.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Exit {
        /// By itself, with a status.
        0 = Status(u32),
        /// By a signal: its name without SIG, and whether it left a core.
        1 = Signal((String, bool)),
    }
}

choice! {
    /// To the worker.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Answer {
        /// The terminal's descriptor comes with this.
        1 = Terminal(u32),
        /// The program runs. Without a terminal its three descriptors come
        /// with this: to its standard input, from its output, from its errors.
        2 = Running(u32),
        /// No.
        3 = Refused(u32),
        /// The program ended.
        4 = Exited((u32, Exit)),
        /// The session's programs can reach the agent.
        5 = Agent(u32),
        /// A program wants to: its connection comes with this.
        6 = AgentProgram,
        /// The connection is made; its descriptor comes with this.
        7 = Dialled(u32),
        /// It is not.
        8 = NotDialled((u32, Refusal)),
        /// The listener listens, at this port if it is one.
        9 = Listening((u32, u32)),
        /// It does not.
        10 = NotListening((u32, Refusal)),
        /// Somebody has connected to a listener.
        11 = Visitor(Visitor),
        /// The session has a display.
        12 = Shown(u32),
    }
}

choice! {
    /// To the monitor.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Report {
        /// For the log.
        1 = Log(Line),
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::round_trip;
    use super::*;

    #[test]
    fn messages_survive_the_line() {
        let terminal = Terminal {
            session: 1,
            term: "xterm".into(),
            chars: (80, 24),
            pixels: (0, 0),
            modes: vec![0],
        };
        for ask in [
            Ask::Terminal(terminal),
            Ask::Run(Run {
                session: 1,
                env: vec![("LANG".into(), b"C".to_vec())],
                program: Program::Exec(b"true".to_vec()),
            }),
            Ask::Signal((1, "TERM".into())),
            Ask::Forget(1),
            Ask::Agent(1),
            Ask::Unlisten(2),
        ] {
            round_trip(&ask);
        }
        for answer in [
            Answer::Terminal(1),
            Answer::Running(2),
            Answer::Refused(3),
            Answer::Exited((4, Exit::Status(255))),
            Answer::Exited((4, Exit::Signal(("KILL".into(), false)))),
            Answer::Agent(5),
            Answer::AgentProgram,
            Answer::Dialled(6),
            Answer::NotDialled((7, Refusal::Prohibited)),
            Answer::Listening((8, 80)),
            Answer::NotListening((9, Refusal::TooMany)),
            Answer::Shown(10),
        ] {
            assert_eq!(round_trip(&answer), answer);
        }
    }
}
