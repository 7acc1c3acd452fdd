//! Programs of the user's that want to reach the client's agent: each gets a
//! channel to it (RFC 9987, agent forwarding).

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, Mutex};

use carrick::agent::Names;
use carrick::{Connection, Server};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use crate::log::debug;

/// How many programs at a time. Each is a descriptor here and a channel at the
/// client; more are turned away, as by an agent that has ended.
const PROGRAMS: usize = 256;

/// The way to the agent.
pub struct AgentDoor {
    connection: Connection<Server>,
    names: Mutex<Names>,
    places: Arc<Semaphore>,
}

impl AgentDoor {
    /// A way that nobody has asked for yet.
    pub fn new(connection: Connection<Server>) -> Self {
        Self {
            connection,
            names: Mutex::default(),
            places: Arc::new(Semaphore::new(PROGRAMS)),
        }
    }

    /// By which names the client asked for it, and is to be asked.
    pub fn open(&self, names: Names) {
        if let Ok(mut known) = self.names.lock() {
            *known = names;
        }
    }

    /// Takes a program to the agent, in a task of its own: an agent that is
    /// slow with one makes no other wait.
    pub fn enter(&self, program: OwnedFd) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            debug!("no more than {PROGRAMS} connections to the agent at a time");
            return;
        };
        let names = self.names.lock().map(|names| *names).unwrap_or_default();
        let connection = self.connection.clone();
        let program = StdStream::from(program);
        tokio::spawn(async move {
            let _place = place;
            let watched = program
                .set_nonblocking(true)
                .and_then(|()| UnixStream::from_std(program));
            let Ok(program) = watched else {
                return;
            };
            match connection.open(names.channel()).await {
                // How it ended matters to the two ends alone, and they know.
                Ok(channel) => drop(channel.join(program).await),
                Err(problem) => debug!("agent channel: {problem}"),
            }
        });
    }
}
