//! Forwarding: connections that are made for the peer, and listeners at which
//! it is reached (RFC 4254 section 7, OpenSSH's PROTOCOL section 2.4).
//!
//! What could a hostile worker do with it? Ask. Each request is judged here, by
//! what the monitor said of configuration and key, and done with the user's
//! rights; the worker gets connected descriptors and nothing else: it never
//! holds a listener, and names no address to the system. How much it may ask
//! for at a time is bounded ([`DIALS`], [`LISTENERS`]), and nothing that it or
//! a slow network does makes the broker wait: sockets do not block, and names
//! are looked up by threads ([`resolve`]).

pub mod dial;
pub mod display;
pub mod listen;
pub mod policy;
pub mod resolve;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;

use self::dial::Dialling;
use self::display::Display;
use self::listen::{Listener, Waiting};
use self::resolve::{Outcome, Resolver};
use crate::rpc::broker::{Answer, Start};
use crate::rpc::forward::{DIALS, Dial, LISTENERS, Listen, Place, Refusal};
use crate::rpc::x11::Show;

/// What is to be told to the worker, with the descriptor that goes with it.
pub type News = (Answer, Option<OwnedFd>);

/// Whose name is being looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Dial(u32),
    Listener(u32),
}

/// All forwarding of one connection.
#[derive(Default)]
pub struct Forwarding {
    dials: Vec<Dialling>,
    listeners: Vec<Listener>,
    /// Listeners whose addresses are being looked up.
    waiting: Vec<Waiting>,
    /// Of sessions; each has a listener.
    displays: Vec<Display>,
    resolver: Resolver<Asker>,
}

impl Forwarding {
    /// Begins to connect. The answer may come later; a request out of place is
    /// an error.
    pub fn dial(&mut self, start: &Start, ask: Dial) -> io::Result<Option<News>> {
        if self.dials.iter().any(|dial| dial.id() == ask.id) {
            return Err(io::Error::other("a number for two connections"));
        }
        let refused = |why| Ok(Some((Answer::NotDialled((ask.id, why)), None)));
        if self.dials.len() >= DIALS {
            return refused(Refusal::TooMany);
        }
        let Err(why) = policy::may_dial(start, &ask) else {
            return Ok(self.begin(start, ask));
        };
        why.log();
        refused(Refusal::Prohibited)
    }

    fn begin(&mut self, start: &Start, ask: Dial) -> Option<News> {
        match ask.to {
            Place::Unix(path) => Some(dial::unix(ask.id, &path)),
            Place::Tcp((host, port)) => {
                // The policy has seen to it that it is one.
                let port = u16::try_from(port).unwrap_or_default();
                let dial = Dialling::new(ask.id, &host, port);
                let ipv4 = start.forwarding.ipv4;
                match host.parse().map(|ip| SocketAddr::new(ip, port)) {
                    Ok(address) => self.go_on(dial.found(literal(address, ipv4))),
                    Err(_) => {
                        let asker = Asker::Dial(ask.id);
                        match self.resolver.ask(asker, host, port, ipv4) {
                            Ok(()) => self.go_on(dial::Next::Wait(dial)),
                            Err(problem) => self.go_on(dial.found(Err(problem.to_string()))),
                        }
                    }
                }
            }
        }
    }

    /// Keeps a connection that is still being made.
    fn go_on(&mut self, next: dial::Next) -> Option<News> {
        match next {
            dial::Next::Wait(dial) => {
                self.dials.push(dial);
                None
            }
            dial::Next::Done(news) => Some(news),
        }
    }

    /// Begins to listen, as for [`Self::dial`].
    pub fn listen(&mut self, start: &Start, ask: Listen) -> io::Result<Option<News>> {
        self.check_unused(ask.id)?;
        let refused = |why| Ok(Some((Answer::NotListening((ask.id, why)), None)));
        if self.are_too_many() {
            return refused(Refusal::TooMany);
        }
        if let Err(why) = policy::may_listen(start, &ask) {
            why.log();
            return refused(Refusal::Prohibited);
        }
        let rules = &start.forwarding;
        let (address, port) = match ask.at {
            Place::Unix(path) => {
                let listener = Listener::unix(ask.id, &path, rules);
                return Ok(Some(self.listening(ask.id, listener)));
            }
            Place::Tcp((address, port)) => (address, u16::try_from(port).unwrap_or_default()),
        };
        let at = listen::at(&address, rules.gateway);
        match at.addresses(port, rules.ipv4) {
            Some(addresses) => {
                let listener = Listener::tcp(ask.id, &addresses);
                Ok(Some(self.listening(ask.id, listener)))
            }
            None => {
                let id = ask.id;
                let waiting = Waiting {
                    id,
                    address: address.clone(),
                };
                let asker = Asker::Listener(id);
                match self.resolver.ask(asker, address, port, rules.ipv4) {
                    Ok(()) => {
                        self.waiting.push(waiting);
                        Ok(None)
                    }
                    Err(problem) => {
                        let listener = waiting.found(Err(problem.to_string()));
                        Ok(Some(self.listening(id, listener)))
                    }
                }
            }
        }
    }

    /// Whether a number of the worker's means no listener yet.
    fn check_unused(&self, id: u32) -> io::Result<()> {
        let known = self.listeners.iter().map(Listener::id);
        let waiting = self.waiting.iter().map(|waiting| waiting.id);
        if known.chain(waiting).any(|known| known == id) {
            return Err(io::Error::other("a number for two listeners"));
        }
        Ok(())
    }

    fn are_too_many(&self) -> bool {
        self.listeners.len() + self.waiting.len() >= LISTENERS
    }

    /// Makes a display for a session: `Err`, why it has none. A request out of
    /// place is an error.
    pub fn show(&mut self, start: &Start, ask: Show) -> io::Result<Result<(), display::Refused>> {
        self.check_unused(ask.listener)?;
        if self.display(ask.session).is_some() {
            return Ok(Err(display::Refused::Active(ask.session)));
        }
        if self.are_too_many() {
            return Ok(Err(display::Refused::TooMany));
        }
        Ok(Display::make(start, ask).map(|(display, listener)| {
            self.displays.push(display);
            self.listeners.push(listener);
        }))
    }

    /// A session's display.
    pub fn display(&self, session: u32) -> Option<&Display> {
        let mut displays = self.displays.iter();
        displays.find(|display| display.session() == session)
    }

    /// Takes a session's display away. Programs that have connected to it stay
    /// connected, for as long as the client lets them.
    pub fn hide(&mut self, session: u32) {
        while let Some(at) = self
            .displays
            .iter()
            .position(|one| one.session() == session)
        {
            let gone = self.displays.swap_remove(at);
            self.unlisten(gone.listener());
        }
    }

    fn listening(&mut self, id: u32, listener: Option<Listener>) -> News {
        let answer = match listener {
            Some(listener) => {
                let port = listener.port();
                self.listeners.push(listener);
                Answer::Listening((id, u32::from(port)))
            }
            None => Answer::NotListening((id, Refusal::Failed(String::new()))),
        };
        (answer, None)
    }

    /// Stops listening. Connections that were made go on.
    pub fn unlisten(&mut self, id: u32) {
        self.listeners.retain(|listener| listener.id() != id);
        self.waiting.retain(|waiting| waiting.id != id);
    }

    /// What to wait for, in an order that [`Self::serve`] knows.
    pub fn watched(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let resolver = self.resolver.watched().map(|fd| (fd, PollFlags::IN));
        let dials = self.dials.iter().filter_map(Dialling::watched);
        let listeners = self.listeners.iter().flat_map(Listener::watched);
        resolver
            .into_iter()
            .chain(dials.map(|fd| (fd, PollFlags::OUT)))
            .chain(listeners.map(|fd| (fd, PollFlags::IN)))
    }

    /// How long to wait at most: a listener takes a pause.
    pub fn pause(&self) -> Option<Duration> {
        self.listeners.iter().filter_map(Listener::pause).min()
    }

    /// Goes on with what `fired` says has something to do, of what was watched.
    pub fn serve(&mut self, fired: &[bool]) -> Vec<News> {
        let mut news = Vec::new();
        let mut fired = fired.iter().copied();
        let mut next = || fired.next().unwrap_or(false);
        let found = self.resolver.watched().is_some() && next();
        // Sockets of connections and listeners as they were watched: looked at
        // before what was looked up adds to them.
        let (mut ready, mut waits) = (Vec::new(), Vec::new());
        for dial in std::mem::take(&mut self.dials) {
            if dial.watched().is_some() && next() {
                ready.push(dial);
            } else {
                waits.push(dial);
            }
        }
        self.dials = waits;
        for listener in &mut self.listeners {
            listener.accept(&mut next, &mut news);
        }
        self.listeners.retain(|listener| !listener.is_spent());
        for dial in ready {
            let next = dial.ready();
            news.extend(self.go_on(next));
        }
        if found {
            for (asker, outcome) in self.resolver.take() {
                news.extend(self.found(asker, outcome));
            }
        }
        news
    }

    /// What was looked up.
    fn found(&mut self, asker: Asker, outcome: Outcome) -> Option<News> {
        match asker {
            Asker::Dial(id) => {
                let at = self.dials.iter().position(|dial| dial.id() == id)?;
                let dial = self.dials.swap_remove(at);
                self.go_on(dial.found(outcome))
            }
            Asker::Listener(id) => {
                let at = self.waiting.iter().position(|waiting| waiting.id == id)?;
                let waiting = self.waiting.swap_remove(at);
                let listener = waiting.found(outcome);
                Some(self.listening(id, listener))
            }
        }
    }
}

/// An address that nobody needs to look up.
fn literal(address: SocketAddr, ipv4: Option<bool>) -> Outcome {
    if ipv4.is_none_or(|ipv4| address.is_ipv4() == ipv4) {
        Ok(vec![address])
    } else {
        Err("Address family for hostname not supported".to_owned())
    }
}

#[cfg(test)]
mod tests;
