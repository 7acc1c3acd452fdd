//! A client and a server machine, joined in virtual time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use carrick_keys::{KeyType, PrivateKey, PublicKey};
use carrick_proto::auth::{
    AuthAnswer, AuthAttempt, AuthRequest, ClientAuthEvent, InfoRequest, Method,
};
use carrick_proto::mux::ChannelEvent;
use carrick_proto::{
    Client, ClientConfig, ClientEvent, Connection, Event, Server, ServerConfig, ServerEvent,
};
use carrick_wire::Secret;

use crate::SeededRng;

/// The user that the pair's server lets in.
const USER: &str = "tester";
/// With this password.
const PASSWORD: &str = "hunter2";

/// In what pieces bytes reach a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// All at once.
    Whole,
    /// One by one.
    Bytes,
    /// In pieces of random size.
    Random,
}

/// What a side saw, in short.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// A key exchange was finished.
    Kex {
        /// It opened the connection.
        first: bool,
    },
    /// The user logged in.
    LoggedIn,
    /// A channel event.
    Channel(ChannelEvent),
    /// Anything else, printed.
    Other(String),
}

/// A client, a server, and the two directions of bytes between them.
pub struct Pair {
    /// The client.
    pub client: Connection<Client>,
    /// The server.
    pub server: Connection<Server>,
    /// What the client saw and the test has not taken.
    pub client_seen: VecDeque<Seen>,
    /// What the server saw and the test has not taken.
    pub server_seen: VecDeque<Seen>,
    /// How many EXT_INFO the client saw.
    pub client_ext_info: usize,
    /// How many EXT_INFO the server saw.
    pub server_ext_info: usize,
    /// Bytes on their way to the server.
    pub to_server: VecDeque<u8>,
    /// Bytes on their way to the client.
    pub to_client: VecDeque<u8>,
    /// The present.
    pub now: Instant,
    /// In what pieces bytes arrive.
    pub feed: Feed,
    /// What the client tries to log in with.
    pub password: &'static str,
    /// The group that the server has for group exchange.
    pub group: Option<(Vec<u8>, Vec<u8>)>,
    asked_early: bool,
    asked_password: bool,
    rng: SeededRng,
    host_keys: Vec<PrivateKey>,
}

impl Pair {
    /// A pair with OpenSSH's defaults.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, |_, _| {})
    }

    /// A pair whose configurations `change` may change.
    ///
    /// # Panics
    /// When no host key can be made.
    pub fn with(seed: u64, change: impl FnOnce(&mut ClientConfig, &mut ServerConfig)) -> Self {
        let mut rng = SeededRng::new(seed);
        let host_keys: Vec<PrivateKey> = [
            (KeyType::Ed25519, 256),
            (KeyType::Ecdsa(carrick_crypto::sign::Curve::P256), 256),
        ]
        .into_iter()
        .map(|(kind, bits)| PrivateKey::generate(kind, bits, &mut rng).expect("a host key"))
        .collect();
        let named = host_keys.iter().flat_map(|key| {
            let blob = key.public().to_blob();
            let algorithms = key.signature_algorithms().into_iter();
            algorithms.map(move |name| (name.to_owned(), blob.clone()))
        });
        let mut client = ClientConfig::new("Carrick_test");
        let mut server = ServerConfig::new("Carrick_test", named.collect());
        change(&mut client, &mut server);
        let now = Instant::now();
        let (crng, srng) = (SeededRng::new(rng.number()), SeededRng::new(rng.number()));
        Self {
            client: Connection::client(client, Box::new(crng), now),
            server: Connection::server(server, Box::new(srng), now),
            client_seen: VecDeque::new(),
            server_seen: VecDeque::new(),
            client_ext_info: 0,
            server_ext_info: 0,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            now,
            feed: Feed::Whole,
            password: PASSWORD,
            group: None,
            rng,
            asked_early: false,
            asked_password: false,
            host_keys,
        }
    }

    /// A pair with the user logged in.
    pub fn logged_in(seed: u64, change: impl FnOnce(&mut ClientConfig, &mut ServerConfig)) -> Self {
        let mut pair = Self::with(seed, change);
        pair.log_in();
        pair
    }

    /// Runs until the user is logged in.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn log_in(&mut self) {
        self.run();
        assert!(
            self.client.is_open(),
            "client: {:?} {:?}",
            self.client.error(),
            self.client_seen
        );
        assert!(
            self.server.is_open(),
            "server: {:?} {:?}",
            self.server.error(),
            self.server_seen
        );
    }

    /// Lets time pass.
    pub fn sleep(&mut self, time: Duration) {
        self.now += time;
        if self.client.poll_timeout().is_some_and(|at| at <= self.now) {
            self.client.handle_timeout(self.now);
        }
        if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now);
        }
    }

    /// Moves bytes and events until nothing moves any more.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Runs until `done`, or until nothing moves any more.
    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) && self.step() {}
    }

    /// One round of both sides. Whether anything happened.
    pub fn step(&mut self) -> bool {
        let mut moved = self.client_events() | self.server_events();
        moved |= flush(&mut self.client, &mut self.to_server);
        moved |= flush(&mut self.server, &mut self.to_client);
        moved | self.deliver_to_server() | self.deliver_to_client()
    }

    /// One round of the client alone.
    pub fn step_client(&mut self) -> bool {
        let moved = self.client_events() | flush(&mut self.client, &mut self.to_server);
        moved | self.deliver_to_client()
    }

    /// One round of the server alone.
    pub fn step_server(&mut self) -> bool {
        let moved = self.server_events() | flush(&mut self.server, &mut self.to_client);
        moved | self.deliver_to_server()
    }

    fn deliver_to_server(&mut self) -> bool {
        let (feed, now) = (self.feed, self.now);
        deliver(
            &mut self.server,
            &mut self.to_server,
            feed,
            now,
            &mut self.rng,
        )
    }

    fn deliver_to_client(&mut self) -> bool {
        let (feed, now) = (self.feed, self.now);
        deliver(
            &mut self.client,
            &mut self.to_client,
            feed,
            now,
            &mut self.rng,
        )
    }

    fn client_events(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.client.poll_event() {
            moved = true;
            match event {
                Event::Side(ClientEvent::VerifyHostKey(question)) => {
                    self.client
                        .answer_host_key(question.id, true)
                        .expect("the question is open");
                    // Along with the request for the service, where that is done.
                    let early = self.client.authenticate(USER, &AuthRequest::None);
                    self.asked_early = early.is_ok();
                }
                Event::Side(ClientEvent::Auth(ClientAuthEvent::Ready)) if self.asked_early => {}
                Event::Side(ClientEvent::Auth(
                    ClientAuthEvent::Ready | ClientAuthEvent::Failure { .. },
                )) if !core::mem::replace(&mut self.asked_password, true) => {
                    let password = Secret::from(self.password);
                    let attempt = AuthRequest::Password(&password);
                    self.client
                        .authenticate(USER, &attempt)
                        .expect("the time is right");
                }
                Event::Side(ClientEvent::Auth(ClientAuthEvent::Success)) => {
                    self.client_seen.push_back(Seen::LoggedIn);
                }
                Event::ExtInfo(_) => self.client_ext_info += 1,
                other => self.client_seen.extend(seen(other)),
            }
        }
        moved
    }

    fn server_events(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.server.poll_event() {
            moved = true;
            match event {
                Event::Side(ServerEvent::SignKex(question)) => {
                    let blob = &question.transcript.host_key;
                    // The key itself, or the one in a certificate.
                    let shown = PublicKey::from_blob(blob).ok();
                    let key = self
                        .host_keys
                        .iter()
                        .find(|key| shown.as_ref().is_some_and(|s| s.plain() == key.public()));
                    let hash = question.transcript.hash(question.hash);
                    let signature = key.and_then(|key| key.sign(&question.algorithm, &hash).ok());
                    let answered = self
                        .server
                        .answer_signature(question.id, signature.as_deref());
                    answered.expect("the question is open");
                }
                Event::Side(ServerEvent::ChooseGroup { id, .. }) => {
                    let group = self.group.clone();
                    self.server
                        .answer_group(id, group)
                        .expect("the question is open");
                }
                Event::Side(ServerEvent::Auth(attempt)) => {
                    let answer = decide(&attempt);
                    self.server
                        .answer_auth(attempt.id, answer)
                        .expect("the question is open");
                }
                Event::ExtInfo(_) => self.server_ext_info += 1,
                other => self.server_seen.extend(seen(other)),
            }
        }
        moved
    }
}

/// The right password lets in, and so does keyboard-interactive with no prompts.
fn decide(attempt: &AuthAttempt) -> AuthAnswer {
    let right = attempt.user == USER;
    match &attempt.method {
        Method::Password { password, .. } if right && password.expose() == PASSWORD.as_bytes() => {
            AuthAnswer::Success
        }
        Method::KeyboardInteractive { .. } => AuthAnswer::Prompts(InfoRequest {
            name: "nothing".into(),
            instruction: "to ask".into(),
            prompts: Vec::new(),
        }),
        Method::Responses(answers) if right && answers.is_empty() => AuthAnswer::Success,
        _ => AuthAnswer::Failure {
            methods: vec!["password".into()],
            partial: false,
        },
    }
}

fn seen<E: std::fmt::Debug>(event: Event<E>) -> Option<Seen> {
    match event {
        Event::KexDone { first } => Some(Seen::Kex { first }),
        Event::Channel(event) => Some(Seen::Channel(event)),
        Event::Trace(_) | Event::PeerIdent | Event::KexStarted { .. } | Event::ExtInfo(_) => None,
        other => Some(Seen::Other(format!("{other:?}"))),
    }
}

fn flush<S: carrick_proto::Side>(conn: &mut Connection<S>, wire: &mut VecDeque<u8>) -> bool {
    let mut moved = false;
    while let Some(batch) = conn.poll_transmit() {
        let sealed = batch.seal();
        wire.extend(sealed.bytes());
        conn.recycle(sealed);
        moved = true;
    }
    moved
}

fn deliver<S: carrick_proto::Side>(
    conn: &mut Connection<S>,
    wire: &mut VecDeque<u8>,
    feed: Feed,
    now: Instant,
    rng: &mut SeededRng,
) -> bool {
    conn.look(now);
    conn.resume(now);
    if wire.is_empty() || !conn.wants_read() {
        return false;
    }
    let len = match feed {
        Feed::Whole => wire.len(),
        Feed::Bytes => 1,
        Feed::Random => 1 + usize::try_from(rng.below(wire.len() as u64)).expect("fits"),
    };
    let mut buf = conn.take_recv_buf();
    let (front, back) = wire.as_slices();
    let first = len.min(front.len());
    buf.extend_from_slice(&front[..first]);
    buf.extend_from_slice(&back[..len - first]);
    wire.drain(..len);
    conn.handle_recv(buf, now);
    true
}
