//! What a passenger has behind its descriptors: a session, or a connection to
//! somewhere (`-W`).

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;

use carrick::{Channel, Open};
use carrick_config::types::Endpoint;
use carrick_keys::matching;
use carrick_wire::control::{NewSession, Place, Port};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::guest::shown;
use super::master::Master;
use crate::log::{debug2, debug3, error};
use crate::ssh::forward::stdio;
use crate::ssh::relay::{Ended, Ends, Relay, Seat, Setup, Signals};
use crate::ssh::requests::{self, Program, Terminal, Wanted};
use crate::ssh::stdio::{End, Fd};
use crate::text::printable_bytes;

/// What a passenger wants.
pub(super) enum Seated {
    Session(Box<Session>),
    /// A connection to there.
    Stdio {
        to: Endpoint,
        shown: String,
    },
}

pub(super) struct Session {
    tty: bool,
    x11: bool,
    agent: bool,
    escape: Option<u8>,
    term: String,
    program: Program,
    env: Vec<(String, Vec<u8>)>,
}

/// What is heard of it. All of it is little, and there is little of it.
pub(super) enum News {
    /// It is there, under this number.
    Opened { id: u32, session: u32 },
    /// The server did not agree.
    Refused { id: u32 },
    /// There is no terminal.
    NoTty { session: u32 },
    /// It is over; with the command's status, if there was one.
    Ended { session: u32, status: Option<u32> },
}

/// It ends when this is dropped.
pub(super) struct Ride {
    task: JoinHandle<()>,
    news: UnboundedReceiver<News>,
}

impl Drop for Ride {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seated {
    pub(super) fn session(wanted: &NewSession<'_>) -> Self {
        debug2!(
            "mux_master_process_new_session: request tty {}, X {}, agent {}, subsys {}, \
             term \"{}\", cmd \"{}\", env {}",
            u8::from(wanted.tty),
            u8::from(wanted.x11),
            u8::from(wanted.agent),
            u8::from(wanted.subsystem),
            printable_bytes(wanted.term),
            printable_bytes(wanted.command),
            wanted.env.len()
        );
        let variable = |pair: &&[u8]| {
            let at = pair.iter().position(|b| *b == b'=').filter(|at| *at > 0)?;
            let (name, value) = pair.split_at_checked(at)?;
            let name = String::from_utf8(name.to_vec()).ok()?;
            Some((name, value.get(1..)?.to_vec()))
        };
        Self::Session(Box::new(Session {
            tty: wanted.tty,
            x11: wanted.x11,
            agent: wanted.agent,
            escape: wanted.escape.and_then(|c| u8::try_from(c).ok()),
            term: String::from_utf8_lossy(wanted.term).into_owned(),
            program: Program::new(wanted.subsystem, wanted.command),
            env: wanted.env.iter().filter_map(variable).collect(),
        }))
    }

    /// `None`: it leads nowhere that can be.
    pub(super) fn stdio(place: &Place<'_>) -> Option<Self> {
        let name = String::from_utf8(place.name.to_vec()).ok()?;
        let shown = shown(place);
        debug2!("mux_master_process_stdio_fwd: stdio fwd to {shown}");
        let to = match place.port {
            Port::Number(port) => Endpoint::Tcp {
                host: Some(name),
                port,
            },
            Port::Unix => Endpoint::Unix { path: name },
        };
        Some(Self::Stdio { to, shown })
    }

    /// What the user is asked about it.
    pub(super) fn question(&self, host: &str) -> String {
        match self {
            Self::Session(_) => format!("Allow shared connection to {host}? "),
            Self::Stdio { shown, .. } => format!("Allow forward to {shown}? "),
        }
    }
}

impl Ride {
    /// Starts it, with the descriptors that were passed.
    pub(super) fn start(master: Master, id: u32, wanted: Seated, fds: Vec<OwnedFd>) -> Self {
        let (tell, news) = unbounded_channel();
        let task = tokio::spawn(async move {
            let fds = fds.into_iter().map(Fd::passed).collect();
            if let Err(e) = run(&master, id, wanted, fds, &tell).await {
                error!("mux session: {e}");
                // Who waits for it has gone.
                let _ = tell.send(News::Refused { id });
            }
        });
        Self { task, news }
    }

    /// The next news of `ride`; without one, never.
    pub(super) async fn news(ride: &mut Option<Self>) -> News {
        match ride {
            Some(ride) => match ride.news.recv().await {
                Some(news) => news,
                None => pending().await,
            },
            None => pending().await,
        }
    }
}

/// The number that a passenger knows a channel by.
fn number(channel: &Channel) -> u32 {
    channel.id().into()
}

/// Tells of the end, whichever way it comes.
struct Listed<'a> {
    master: &'a Master,
    session: u32,
}

impl<'a> Listed<'a> {
    fn new(master: &'a Master, session: u32, kind: &'static str) -> Self {
        master.note_session(session, Some(kind));
        Self { master, session }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.master.note_session(self.session, None);
    }
}

async fn run(
    master: &Master,
    id: u32,
    wanted: Seated,
    fds: Vec<Fd>,
    tell: &UnboundedSender<News>,
) -> io::Result<()> {
    match (wanted, <[Fd; 3]>::try_from(fds)) {
        (Seated::Session(session), Ok([stdin, stdout, stderr])) => {
            let ends = Ends {
                stdin: Some(End::input(stdin.clone())?),
                stdout: End::output(stdout)?,
                stderr: End::output(stderr)?,
            };
            run_session(master, id, *session, ends, stdin, tell).await
        }
        (Seated::Stdio { to, .. }, Err(fds)) => {
            let Ok([stdin, stdout]) = <[Fd; 2]>::try_from(fds) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let ends = (End::input(stdin)?, End::output(stdout)?);
            run_stdio(master, id, &to, ends, tell).await;
            Ok(())
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

async fn run_session(
    master: &Master,
    id: u32,
    session: Session,
    ends: Ends,
    stdin: Fd,
    tell: &UnboundedSender<News>,
) -> io::Result<()> {
    let connection = master.connection();
    // Its terminal's modes, before it is switched to raw.
    let terminal = session.tty.then(|| Terminal::of(&stdin, session.term));
    let Ok(channel) = connection.open(Open::Session).await else {
        let _ = tell.send(News::Refused { id });
        return Ok(());
    };
    let number = number(&channel);
    let _listed = Listed::new(master, number, "client-session");
    debug2!("channel {number}: of a mux client");
    let patterns = &master.options().send_env;
    let mut env = session.env;
    env.retain(|(name, _)| patterns.iter().any(|p| matching::pattern(name, p)));
    let lent = master.lent();
    let wanted = Wanted {
        display: match lent.display.as_ref().filter(|_| session.x11) {
            Some(display) => display.request().await,
            None => None,
        },
        agent: session.agent && lent.agent,
        terminal,
        env,
        program: session.program,
    };
    let setup = Setup {
        stdin_null: false,
        has_pty: session.tty,
        escape: session.escape,
        command_line: false,
        local_commands: false,
        forwards: master.forwards().clone(),
    };
    let (no_tty, mut has_no_tty) = unbounded_channel();
    let seat = Seat::Passenger {
        terminal: stdin,
        no_tty,
    };
    let asked = requests::make(connection, &channel, wanted).map_err(io::Error::from)?;
    let signals = Signals::of_passenger()?;
    let connection = connection.clone();
    let mut relay = Relay::between(connection, channel, &setup, ends, signals, seat);
    for (what, reply) in asked {
        relay.expect(what, reply.granted());
    }
    let _ = tell.send(News::Opened {
        id,
        session: number,
    });
    let mut running = std::pin::pin!(relay.run());
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            Some(()) = has_no_tty.recv() => {
                let _ = tell.send(News::NoTty { session: number });
            }
        }
    };
    let status = match ended {
        Ended::Closed(status) => status,
        Ended::Lost(_) | Ended::Left | Ended::Killed(_) => None,
    };
    debug3!("channel {number}: session of a mux client has ended");
    let _ = tell.send(News::Ended {
        session: number,
        status,
    });
    Ok(())
}

async fn run_stdio(
    master: &Master,
    id: u32,
    to: &Endpoint,
    (stdin, stdout): (End, End),
    tell: &UnboundedSender<News>,
) {
    let Ok(channel) = stdio::dial(master.connection(), to).await else {
        let _ = tell.send(News::Refused { id });
        return;
    };
    let session = number(&channel);
    let _listed = Listed::new(master, session, "stdio-forward");
    let _ = tell.send(News::Opened { id, session });
    // How it ended is for its two sides to know.
    stdio::pipe(channel, Some(stdin), stdout, false).await;
    let _ = tell.send(News::Ended {
        session,
        status: None,
    });
}
