//! Programs of the user's that have connected to a session's display: each gets
//! a channel to the client's (RFC 4254 section 6.3.2).
//!
//! The broker makes the display, and hands over who connects; the client checks
//! the cookie. Nothing is read of what they say to each other.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use carrick::forward::Originator;
use carrick::{Connection, Server};

use super::forward::join;
use crate::log::debug;
use crate::rpc::forward::Visitor;

/// The ways from the sessions' displays to the client's.
pub struct Displays {
    connection: Connection<Server>,
    /// By the number of the listener: whose it is.
    sessions: Mutex<HashMap<u32, u32>>,
}

impl Displays {
    /// None yet.
    pub fn new(connection: Connection<Server>) -> Self {
        Self {
            connection,
            sessions: Mutex::default(),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u32, u32>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session is to have a display with that listener.
    pub fn expect(&self, listener: u32, session: u32) {
        self.sessions().insert(listener, session);
    }

    /// It gets none.
    pub fn refused(&self, listener: u32) {
        self.sessions().remove(&listener);
    }

    /// A session has ended, and its display with it.
    pub fn forget(&self, session: u32) {
        self.sessions().retain(|_, known| *known != session);
    }

    /// Whether somebody has connected to a display, and to no other listener.
    pub fn are_visited_by(&self, visitor: &Visitor) -> bool {
        self.sessions().contains_key(&visitor.listener)
    }

    /// Takes a program to the client's display, in a task of its own.
    pub fn enter(&self, visitor: Visitor, program: OwnedFd) {
        debug!("X11 connection requested.");
        let connection = self.connection.clone();
        tokio::spawn(async move {
            let from = visitor.from;
            let from = from.map_or_else(Originator::default, |(address, port)| Originator {
                address,
                port,
            });
            match connection.x11(&from).await {
                Ok(channel) => join(channel, program, true).await,
                Err(problem) => debug!("X11 channel: {problem}"),
            }
        });
    }
}
