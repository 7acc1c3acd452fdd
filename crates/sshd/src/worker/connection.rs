//! After the login: what the peer opens and asks for goes to a session or to
//! the forwarder, and what the broker says to whom it is for.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carrick::proto::KeepAlive;
use carrick::{Channel, Connection, Error, Open, OpenReason, Server};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::agent::AgentDoor;
use super::desk::Granted;
use super::forward::Forwarder;
use super::line::{Line, News};
use super::session;
use super::x11::Displays;
use crate::log::debug;
use crate::rpc::broker::Answer;
use crate::rpc::postauth;

/// The broker's line, and who waits for what on it.
pub(super) struct Broker {
    pub(super) line: Arc<Line>,
    /// What is said on one session goes to it. The broker answers questions, of
    /// which each session puts one at a time, and reports one end: so the
    /// queues are bounded.
    waiting: Mutex<HashMap<u32, UnboundedSender<News>>>,
    pub(super) accept_env: Vec<String>,
    pub(super) agent: AgentDoor,
    pub(super) displays: Displays,
    pub(super) forwarder: Arc<Forwarder>,
}

/// Serves the connection until it is over: why it ended.
pub async fn serve(connection: Connection<Server>, granted: Granted) -> io::Result<Error> {
    connection.set_keep_alive(keep_alive(&granted.session));
    let line = Arc::new(Line::new(granted.broker)?);
    let broker = Arc::new(Broker {
        forwarder: Forwarder::new(connection.clone(), Arc::clone(&line)),
        line,
        waiting: Mutex::default(),
        accept_env: granted.session.accept_env,
        agent: AgentDoor::new(connection.clone()),
        displays: Displays::new(connection.clone()),
    });
    let most = usize::try_from(granted.session.max_sessions).unwrap_or(usize::MAX);
    let listen = broker.listen();
    let globals = async {
        while let Some(asked) = connection.next_global_request().await {
            broker.forwarder.global(asked).await;
        }
        connection.closed().await
    };
    let opens = async {
        let mut next = 0_u32;
        while let Some(incoming) = connection.accept_open().await {
            let Some(incoming) = broker.forwarder.open(incoming) else {
                continue;
            };
            let count = broker.count();
            match incoming.kind {
                Open::Session if count < most => {
                    let id = next;
                    next = next.wrapping_add(1);
                    if let Ok(channel) = incoming.accept() {
                        broker.begin(id, channel);
                    }
                }
                Open::Session => {
                    debug!("no more sessions: {count} are open");
                    incoming.refuse(OpenReason::CONNECT_FAILED, "open failed");
                }
                Open::Unknown { .. } => {
                    incoming.refuse(OpenReason::UNKNOWN_CHANNEL_TYPE, "open failed");
                }
                _ => incoming.refuse(OpenReason::ADMINISTRATIVELY_PROHIBITED, "open failed"),
            }
        }
        connection.closed().await
    };
    tokio::select! {
        error = opens => Ok(error),
        error = globals => Ok(error),
        problem = listen => Err(problem),
    }
}

/// ClientAliveInterval and ClientAliveCountMax, as they hold for the user.
fn keep_alive(session: &postauth::Session) -> Option<KeepAlive> {
    let (interval, count) = (session.alive_interval, session.alive_count);
    (interval > 0).then(|| KeepAlive {
        interval: Duration::from_secs(interval),
        // As OpenSSH: with 0 it is asked and never given up.
        count: if count == 0 { u32::MAX } else { count },
    })
}

impl Broker {
    fn count(&self) -> usize {
        self.waiting
            .lock()
            .map_or(usize::MAX, |waiting| waiting.len())
    }

    /// Takes what the broker says to whom it is for, until it is gone.
    async fn listen(&self) -> io::Error {
        loop {
            match self.line.next().await {
                Ok(news) => self.deliver(news),
                Err(problem) => return problem,
            }
        }
    }

    fn deliver(&self, (answer, fds): News) {
        let id = match answer {
            Answer::Terminal(id)
            | Answer::Running(id)
            | Answer::Refused(id)
            | Answer::Agent(id)
            | Answer::Shown(id)
            | Answer::Exited((id, _)) => id,
            Answer::AgentProgram => {
                return fds.into_iter().for_each(|fd| self.agent.enter(fd));
            }
            Answer::Dialled(id) => {
                return fds
                    .into_iter()
                    .for_each(|fd| self.forwarder.dialled(id, Ok(fd)));
            }
            Answer::NotDialled((id, why)) => return self.forwarder.dialled(id, Err(why)),
            Answer::Listening((id, port)) => return self.forwarder.listening(id, Ok(port)),
            Answer::NotListening((id, why)) => return self.forwarder.listening(id, Err(why)),
            Answer::Visitor(visitor) => {
                let to_display = self.displays.are_visited_by(&visitor);
                for fd in fds {
                    if to_display {
                        self.displays.enter(visitor.clone(), fd);
                    } else {
                        self.forwarder.visitor(visitor.clone(), fd);
                    }
                }
                return;
            }
        };
        let Ok(waiting) = self.waiting.lock() else {
            return;
        };
        if let Some(session) = waiting.get(&id) {
            // A session that has just ended does not care.
            let _ = session.send((answer, fds));
        }
    }

    /// Serves a session in a task of its own.
    fn begin(self: &Arc<Self>, id: u32, channel: Channel<Server>) {
        let (sender, news) = unbounded_channel();
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.insert(id, sender);
        }
        tokio::spawn(session::serve(id, channel, Arc::clone(self), news));
    }

    /// What comes for the session from now on is for nobody.
    pub(super) fn forget(&self, id: u32) {
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.remove(&id);
        }
        self.displays.forget(id);
    }
}
