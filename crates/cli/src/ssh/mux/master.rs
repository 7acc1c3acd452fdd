//! The master: who uses the connection, and until when.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carrick::Connection;
use carrick_config::ssh::{ControlPersist, Options};
use carrick_config::words::ControlMaster;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::forwarding::Known;
use super::guest;
use super::socket::{self, ControlSocket, Unshared};
use crate::log::{debug, error};
use crate::prompt;
use crate::ssh::forward::Forwards;
use crate::ssh::x11::Display;
use crate::text::os_error;

/// Passengers at once; more are turned away.
const GUESTS: usize = 512;

/// How long none is taken after one could not be, for want of descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// The master. Clones are handles to the same one.
#[derive(Clone)]
pub(in crate::ssh) struct Master(Arc<Inner>);

struct Inner {
    options: &'static Options,
    connection: Connection,
    forwards: Forwards,
    lent: Lent,
    state: watch::Sender<State>,
    door: Mutex<Option<Door>>,
    sessions: Mutex<BTreeMap<u32, &'static str>>,
    known: Mutex<Known>,
}

/// What is lent to whoever asks.
pub(in crate::ssh) struct Lent {
    /// The agent.
    pub(in crate::ssh) agent: bool,
    pub(in crate::ssh) display: Option<Arc<Display>>,
}

/// The way in.
struct Door {
    /// Removes it when dropped.
    place: ControlSocket,
    /// Until the first is taken.
    listener: Option<StdListener>,
    /// Takes those who come.
    porter: Option<AbortHandle>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.porter.iter().for_each(AbortHandle::abort);
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Passengers who are connected.
    guests: usize,
    /// How many there were in all.
    came: u64,
    /// One of them has asked for the end.
    quit: bool,
    /// No more of them are taken.
    stopped: bool,
}

/// A passenger's presence.
pub(super) struct Presence(Master);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.0.state.send_modify(|state| state.guests -= 1);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Master {
    /// Becomes one, if the options want it, who takes passengers after
    /// [`Self::admit`]. `Ok(None)`: the connection is not shared. `Err`: it
    /// should be and cannot, which was told.
    pub(in crate::ssh) fn start(
        connection: &Connection,
        options: &'static Options,
        forwards: &Forwards,
        lent: Lent,
    ) -> Result<Option<Self>, ()> {
        let path = match (&options.control_path, options.control_master) {
            (None, _) | (_, ControlMaster::No) => return Ok(None),
            (Some(path), _) => path,
        };
        let (listener, place) = match socket::listen(path) {
            Ok(listening) => listening,
            Err(Unshared::Taken) => return Ok(None),
            Err(Unshared::Failed) => return Err(()),
        };
        let door = Door {
            place,
            listener: Some(listener),
            porter: None,
        };
        Ok(Some(Self(Arc::new(Inner {
            options,
            connection: connection.clone(),
            forwards: forwards.clone(),
            lent,
            state: watch::Sender::new(State::default()),
            door: Mutex::new(Some(door)),
            sessions: Mutex::default(),
            known: Mutex::new(Known::of(options)),
        }))))
    }

    /// Takes passengers from now on: not before this process is the one that
    /// stays, as what the runtime registers is not to be divided.
    pub(in crate::ssh) fn admit(&self) -> io::Result<()> {
        let mut door = locked(&self.0.door);
        if let Some(door) = &mut *door
            && let Some(listener) = door.listener.take()
        {
            let listener = UnixListener::from_std(listener)?;
            let task = tokio::spawn(accept(self.clone(), listener));
            door.porter = Some(task.abort_handle());
        }
        Ok(())
    }

    /// Another process is the master: this one has no part in its socket.
    pub(in crate::ssh) fn leave(&self) {
        if let Some(mut door) = locked(&self.0.door).take() {
            door.place.keep();
        }
    }

    pub(super) fn options(&self) -> &'static Options {
        self.0.options
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    pub(super) fn forwards(&self) -> &Forwards {
        &self.0.forwards
    }

    pub(super) fn lent(&self) -> &Lent {
        &self.0.lent
    }

    /// The forwardings that passengers asked for, and those of the options.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.0.known)
    }

    /// Asks the user for leave, where ControlMaster says so. Nobody else waits
    /// for the answer.
    pub(super) async fn permits(&self, question: String) -> bool {
        let asks = self.options().control_master;
        if !matches!(asks, ControlMaster::Ask | ControlMaster::AutoAsk) {
            return true;
        }
        let asking = tokio::task::spawn_blocking(move || prompt::permit(&question));
        asking.await.unwrap_or(false)
    }

    /// Lets one in; `None`: there are enough.
    fn enter(&self) -> Option<Presence> {
        let mut room = true;
        self.0.state.send_modify(|state| {
            room = state.guests < GUESTS;
            if room {
                state.guests += 1;
                state.came += 1;
            }
        });
        room.then(|| Presence(self.clone()))
    }

    /// A session has begun, or (`None`) ended.
    pub(super) fn note_session(&self, number: u32, kind: Option<&'static str>) {
        let mut sessions = locked(&self.0.sessions);
        match kind {
            Some(kind) => drop(sessions.insert(number, kind)),
            None => drop(sessions.remove(&number)),
        }
    }

    /// The passengers' sessions, a line each.
    pub(super) fn sessions(&self) -> Vec<(u32, &'static str)> {
        let sessions = locked(&self.0.sessions);
        sessions.iter().map(|(n, kind)| (*n, *kind)).collect()
    }

    /// How many passengers there are.
    pub(super) fn guests(&self) -> usize {
        self.0.state.borrow().guests
    }

    /// Takes no more passengers, and removes the socket.
    pub(super) fn stop(&self) {
        self.close();
        self.0.state.send_modify(|state| state.stopped = true);
    }

    /// Has the connection end.
    pub(super) fn quit(&self) {
        self.0.state.send_modify(|state| state.quit = true);
    }

    /// Removes the socket.
    pub(in crate::ssh) fn close(&self) {
        let door = locked(&self.0.door).take();
        drop(door);
    }

    /// Waits until somebody has asked for the end.
    pub(in crate::ssh) async fn asked_to_quit(&self) {
        let mut state = self.0.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| state.quit).await;
    }

    /// Waits until nobody is on board and no connection is carried, or somebody
    /// has asked for the end.
    pub(in crate::ssh) async fn empty(&self) {
        let mut state = self.0.state.subscribe();
        loop {
            tokio::select! {
                () = self.0.forwards.idle() => {}
                () = self.asked_to_quit() => return,
            }
            let _ = state
                .wait_for(|state| state.guests == 0 || state.quit)
                .await;
            if self.0.forwards.is_idle() || self.0.state.borrow().quit {
                return;
            }
        }
    }

    /// Waits for the end of a master without a session of its own: when it has
    /// had nothing to do for as long as ControlPersist says, or is to stop.
    pub(in crate::ssh) async fn idled(&self) {
        let limit = match self.options().control_persist {
            ControlPersist::For(limit) => Some(limit),
            ControlPersist::No | ControlPersist::Forever => None,
        };
        let mut state = self.0.state.subscribe();
        loop {
            self.empty().await;
            let now = *state.borrow_and_update();
            if now.quit || now.stopped {
                return;
            }
            let carried = self.0.forwards.carried();
            if let Some(limit) = limit {
                debug!(
                    "set_control_persist_exit_time: schedule exit in {} seconds",
                    limit.as_secs()
                );
                let busy =
                    state.wait_for(|state| state.quit || state.stopped || state.came > now.came);
                let waited = tokio::time::timeout(limit, busy).await.is_err();
                if waited && self.0.forwards.carried() == carried && self.0.forwards.is_idle() {
                    debug!("ControlPersist timeout expired");
                    return;
                }
            } else {
                let _ = state
                    .wait_for(|state| state.quit || state.stopped || state.came > now.came)
                    .await;
            }
        }
    }
}

/// Takes passengers, each in a task of its own.
async fn accept(master: Master, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                debug!("multiplexing control connection");
                if !socket::is_ours(&socket) {
                    continue;
                }
                let Some(presence) = master.enter() else {
                    debug!("multiplexing control connection: {GUESTS} are enough");
                    continue;
                };
                let master = master.clone();
                tokio::spawn(async move {
                    guest::serve(master, socket).await;
                    drop(presence);
                });
            }
            Err(e) => {
                error!("channel_post_mux_listener: accept: {}", os_error(&e));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
