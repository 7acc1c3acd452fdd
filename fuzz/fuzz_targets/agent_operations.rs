//! Several clients of one agent, in any order: what they see agrees with a
//! model, keys that are to be confirmed never sign without leave, restricted
//! ones never sign outside of a bound session, and nothing happens while the
//! agent is locked.
#![no_main]

use std::time::Duration;

use carrick_fuzz::Counter;
use carrick_keys::agent::{
    Agent, AgentClient, Constraints, Destination, Done, Hop, HopKey, Now, Outcome, Peer, Pending,
    Policy, Refusal, Request, Response, SESSION_BIND, Task,
};
use carrick_keys::{KeyType, PrivateKey};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const PEERS: usize = 3;
const KEYS: usize = 4;

#[derive(Arbitrary, Debug)]
enum Op {
    Add {
        peer: u8,
        key: u8,
        lifetime: Option<u8>,
        confirm: bool,
        restricted: bool,
    },
    Remove(u8, u8),
    RemoveAll(u8),
    List(u8),
    Sign(u8, u8),
    Finish {
        which: u8,
        allow: bool,
    },
    Bind {
        peer: u8,
        host: u8,
        session: u8,
        forwards: bool,
    },
    Lock(u8, bool),
    Unlock(u8, bool),
    Sleep(u8),
    Reconnect(u8),
}

#[derive(Clone, Copy)]
struct Held {
    expires: Option<u64>,
    confirm: bool,
    restricted: bool,
}

struct World {
    agent: Agent,
    peers: Vec<Peer>,
    bound: [bool; PEERS],
    keys: Vec<PrivateKey>,
    model: [Option<Held>; KEYS],
    pending: Vec<(usize, usize, Pending)>,
    /// The passphrase it was locked with: the right one or the other.
    locked: Option<bool>,
    now: u64,
    not_before: Duration,
    rng: Counter,
}

fuzz_target!(|ops: Vec<Op>| {
    let mut rng = Counter::default();
    let keys = (0..KEYS).filter_map(|_| PrivateKey::generate(KeyType::Ed25519, 0, &mut rng).ok());
    let mut world = World {
        agent: Agent::new(Policy::default()),
        peers: (0..PEERS).map(|_| Peer::new()).collect(),
        bound: [false; PEERS],
        keys: keys.collect(),
        model: [None; KEYS],
        pending: Vec::new(),
        locked: None,
        now: 1000,
        not_before: Duration::ZERO,
        rng,
    };
    for op in ops.iter().take(100) {
        world.apply(op);
        world.expire();
        let now = world.time();
        world.agent.expire(now);
        let held = world.model.iter().flatten().count();
        assert_eq!(world.agent.len(), held);
    }
});

fn passphrase(right: bool) -> &'static [u8] {
    if right { b"right" } else { b"other" }
}

impl World {
    fn time(&self) -> Now {
        Now {
            uptime: Duration::from_secs(self.now),
            unix: self.now,
        }
    }

    fn expire(&mut self) {
        for place in &mut self.model {
            if place.is_some_and(|held| held.expires.is_some_and(|at| at <= self.now)) {
                *place = None;
            }
        }
    }

    fn send(&mut self, peer: usize, frame: &[u8]) -> Outcome {
        let now = self.time();
        self.expire();
        let connection = &mut self.peers[peer];
        connection.received(frame);
        let request = connection.next_request().expect("sound").expect("whole");
        self.agent.request(connection, &request, now, &mut self.rng)
    }

    fn ask(&mut self, peer: usize, request: &Request<'_>) -> Outcome {
        self.send(peer, &AgentClient::request(request))
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Add {
                peer,
                key,
                lifetime,
                confirm,
                restricted,
            } => {
                let held = Held {
                    expires: lifetime.map(|seconds| self.now + u64::from(seconds)),
                    confirm,
                    restricted,
                };
                self.add(usize::from(peer) % PEERS, usize::from(key) % KEYS, held);
            }
            Op::Remove(peer, key) => {
                let (peer, key) = (usize::from(peer) % PEERS, usize::from(key) % KEYS);
                let blob = self.keys[key].public().to_blob();
                let outcome = self.ask(peer, &Request::Remove { key: &blob });
                if is_done(&outcome) {
                    assert!(self.locked.is_none() && self.model[key].is_some());
                    self.model[key] = None;
                }
            }
            Op::RemoveAll(peer) => {
                let outcome = self.ask(usize::from(peer) % PEERS, &Request::RemoveAll);
                assert_eq!(is_done(&outcome), self.locked.is_none());
                if is_done(&outcome) {
                    self.model = [None; KEYS];
                }
            }
            Op::List(peer) => self.list(usize::from(peer) % PEERS),
            Op::Sign(peer, key) => self.sign(usize::from(peer) % PEERS, usize::from(key) % KEYS),
            Op::Finish { which, allow } => self.finish(usize::from(which), allow),
            Op::Bind {
                peer,
                host,
                session,
                forwards,
            } => {
                let host = &self.keys[usize::from(host) % KEYS];
                let session = [session % 4];
                let signed = host.sign("ssh-ed25519", &session).expect("signs");
                let blob = host.public().to_blob();
                let contents = Request::session_bind(&blob, &session, &signed, forwards);
                let peer = usize::from(peer) % PEERS;
                let name = SESSION_BIND;
                let contents = &contents[..];
                let outcome = self.ask(peer, &Request::Extension { name, contents });
                self.bound[peer] |= is_done(&outcome);
            }
            Op::Lock(peer, right) => {
                let passphrase = passphrase(right);
                let outcome = self.ask(usize::from(peer) % PEERS, &Request::Lock { passphrase });
                assert_eq!(is_done(&outcome), self.locked.is_none());
                self.locked = self.locked.or(Some(right));
            }
            Op::Unlock(peer, right) => self.unlock(usize::from(peer) % PEERS, right),
            Op::Sleep(seconds) => self.now += u64::from(seconds),
            Op::Reconnect(peer) => {
                let peer = usize::from(peer) % PEERS;
                self.peers[peer] = Peer::new();
                self.bound[peer] = false;
                // Whose connection is gone gives its requests up.
                self.pending.retain(|(of, ..)| *of != peer);
            }
        }
    }

    fn add(&mut self, peer: usize, key: usize, held: Held) {
        let hop = Hop {
            user: None,
            host: Some("host".into()),
            keys: vec![HopKey {
                key: self.keys[0].public().clone(),
                authority: false,
            }],
        };
        let destination = Destination {
            from: Hop::default(),
            to: hop,
        };
        let lifetime = held
            .expires
            .map(|at| u32::try_from(at - self.now).expect("short"));
        let constraints = Constraints {
            lifetime,
            confirm: held.confirm,
            destinations: held.restricted.then_some(destination).into_iter().collect(),
            ..Constraints::default()
        };
        let frame = AgentClient::add_request(&self.keys[key], None, &constraints).expect("fits");
        let outcome = self.send(peer, &frame);
        if is_done(&outcome) {
            assert!(self.locked.is_none());
            self.model[key] = Some(held);
        } else {
            // Only what a connection may not see cannot be replaced.
            let hidden = self.model[key].is_some_and(|held| held.restricted);
            assert!(self.locked.is_some() || hidden);
        }
    }

    fn list(&mut self, peer: usize) {
        let Outcome::Answer(Response::Identities(list)) = self.ask(peer, &Request::Identities)
        else {
            panic!("no list");
        };
        let free = self.model.iter().flatten().filter(|h| !h.restricted);
        let all = self.model.iter().flatten().count();
        if self.locked.is_some() {
            assert!(list.is_empty());
        } else {
            assert!((free.count()..=all).contains(&list.len()));
        }
    }

    fn sign(&mut self, peer: usize, key: usize) {
        let blob = self.keys[key].public().to_blob();
        let outcome = self.send(peer, &AgentClient::sign_request(&blob, b"data", "ssh-ed25519"));
        match outcome {
            Outcome::Answer(Response::Signature(made)) => {
                let held = self.model[key].expect("a key that is there");
                assert!(self.locked.is_none() && !held.confirm && !held.restricted);
                assert!(self.keys[key].public().verify(b"data", &made, None).is_ok());
            }
            Outcome::Work(Task::Confirm { .. }, pending) => {
                let held = self.model[key].expect("a key that is there");
                assert!(self.locked.is_none() && held.confirm && !held.restricted);
                self.pending.push((peer, key, pending));
            }
            Outcome::Refused(refusal, None) => match refusal {
                Refusal::Locked => assert!(self.locked.is_some()),
                Refusal::UnknownKey => assert!(self.model[key].is_none()),
                _ => assert!(self.model[key].is_some_and(|held| held.restricted)),
            },
            other => panic!("{other:?}"),
        }
    }

    fn finish(&mut self, which: usize, allow: bool) {
        if self.pending.is_empty() {
            return;
        }
        let (peer, key, pending) = self.pending.remove(which % self.pending.len());
        self.expire();
        let now = self.time();
        let done = Done::Confirmed(allow);
        let outcome = self.agent.resume(&mut self.peers[peer], pending, done, now);
        let signed = matches!(outcome, Outcome::Answer(Response::Signature(_)));
        let free = self.model[key].is_some_and(|held| !held.restricted);
        assert_eq!(signed, allow && self.locked.is_none() && free);
    }

    fn unlock(&mut self, peer: usize, right: bool) {
        let passphrase = passphrase(right);
        let now = Duration::from_secs(self.now);
        match self.ask(peer, &Request::Unlock { passphrase }) {
            Outcome::Answer(Response::Success) => {
                assert_eq!(self.locked, Some(right));
                assert!(now >= self.not_before);
                self.locked = None;
                self.not_before = Duration::ZERO;
            }
            Outcome::Refused(Refusal::NotUnlocked, Some(until)) => {
                assert!(self.locked == Some(!right) && until > now);
                self.not_before = until;
            }
            Outcome::Refused(Refusal::NotUnlocked, None) => assert!(self.locked.is_none()),
            Outcome::Hold(until) => assert!(until == self.not_before && now < until),
            other => panic!("{other:?}"),
        }
    }
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answer(Response::Success))
}
