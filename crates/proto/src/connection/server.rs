//! The server's commands.

use std::time::Instant;

use carrick_crypto::rng::Rng;
use carrick_wire::Encode;
use carrick_wire::msg::auth::{Banner, Request};
use carrick_wire::msg::transport::{ExtInfo, Extension};
use carrick_wire::names;

use super::dispatch::Hooks;
use super::{CommonConfig, Connection, Phase, Side};
use crate::auth::AuthAnswer;
use crate::auth::server::ServerAuth;
use crate::error::{Error, Misuse};
use crate::event::{Event, QuestionId, ServerEvent, SignQuestion};
use crate::kex::negotiate::default_algorithms;
use crate::kex::server::{Next, Server as KexServer};
use crate::kex::{self, Opening, Preferences, Step};
use crate::mux::{Mux, MuxConfig, Role};
use crate::transport::RekeyLimit;

/// What a server is configured with.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// What both sides have. The host key algorithms must be ones that
    /// `host_keys` can sign with.
    pub common: CommonConfig,
    /// The public host keys, as (signature algorithm, blob): which key signs
    /// under which algorithm.
    pub host_keys: Vec<(String, Vec<u8>)>,
    /// Signature algorithms taken from users, for `server-sig-algs`.
    pub user_algorithms: Vec<String>,
}

impl ServerConfig {
    /// OpenSSH 10's defaults, under the name of `software`.
    pub fn new(software: &str, host_keys: Vec<(String, Vec<u8>)>) -> Self {
        let mut preferences = Preferences::server();
        preferences
            .host_key
            .retain(|name| host_keys.iter().any(|(alg, _)| alg == name));
        let user_algorithms = default_algorithms();
        Self {
            common: CommonConfig {
                software: software.to_owned(),
                comment: None,
                preferences,
                rekey: RekeyLimit::default(),
                mux: MuxConfig::default(),
                keep_alive: None,
            },
            host_keys,
            user_algorithms,
        }
    }
}

/// The server's side of a connection.
pub struct Server {
    host_keys: Vec<(String, Vec<u8>)>,
    user_algorithms: Vec<String>,
    auth: ServerAuth,
    asked: Option<QuestionId>,
    /// The blob of the key that signed the first exchange.
    host_key: Vec<u8>,
}

impl Server {
    pub(super) fn new(host_keys: Vec<(String, Vec<u8>)>, user_algorithms: Vec<String>) -> Self {
        Self {
            host_keys,
            user_algorithms,
            auth: ServerAuth::new(),
            asked: None,
            host_key: Vec::new(),
        }
    }
}

impl Side for Server {
    type Event = ServerEvent;
    type Step = KexServer;
    const CLIENT: bool = false;

    fn hooks() -> Hooks<Self> {
        Hooks {
            waits: |c| {
                let kex = matches!(
                    c.kex,
                    Step::Side(KexServer::AwaitSignature(_) | KexServer::AwaitGroup { .. })
                );
                kex || c.side.auth.waits()
            },
            begin: |connection, opening| {
                connection.begin_kex(opening);
                Ok(())
            },
            kex: Connection::<Self>::kex_step,
            expects: KexServer::expects,
            secured: Connection::<Self>::after_first_kex,
            service: Connection::<Self>::service,
            auth: Connection::<Self>::auth_message,
            may_ext_info: |c| c.kex_count == 1 && !c.is_open(),
        }
    }
}

impl Connection<Server> {
    /// Starts: our identification and KEXINIT wait to be written.
    pub fn server(config: ServerConfig, rng: Box<dyn Rng>, now: Instant) -> Self {
        let side = Server::new(config.host_keys, config.user_algorithms);
        let mut connection = Self::start(side, config.common, rng, now);
        // RFC 4253 section 7: it begins at once, and half a round trip sooner
        // than if the client's line were waited for.
        connection.open_kex();
        connection
    }

    /// Answers [`ServerEvent::SignKex`] with a signature blob; `None`, when
    /// there is none to be had, ends the connection.
    pub fn answer_signature(
        &mut self,
        id: QuestionId,
        signature: Option<&[u8]>,
    ) -> Result<(), Misuse> {
        self.answered(id)?;
        match core::mem::replace(&mut self.kex, Step::Idle) {
            Step::Side(KexServer::AwaitSignature(unsigned)) => {
                let Some(signature) = signature else {
                    self.fail(Error::Crypto("signing with the host key"));
                    return Ok(());
                };
                let (reply, finished) = unsigned.signed(signature);
                self.output.transport(&reply);
                self.rtt.start(self.now);
                self.finish_kex(finished);
                self.process();
                Ok(())
            }
            other => {
                self.kex = other;
                Err(Misuse::NoSuchQuestion)
            }
        }
    }

    /// Answers [`ServerEvent::ChooseGroup`] with a safe prime and a generator,
    /// as big-endian magnitudes; `None`, when there is none to be had, ends the
    /// connection.
    pub fn answer_group(
        &mut self,
        id: QuestionId,
        group: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<(), Misuse> {
        self.answered(id)?;
        match core::mem::replace(&mut self.kex, Step::Idle) {
            Step::Side(KexServer::AwaitGroup { opening, sizes }) => {
                let Some((prime, generator)) = group else {
                    self.fail(Error::Crypto(
                        "finding a Diffie-Hellman group of the size asked for",
                    ));
                    return Ok(());
                };
                let (message, next) = KexServer::group(opening, sizes, prime, generator);
                self.output.transport(&message);
                self.kex = Step::Side(next);
                self.process();
                Ok(())
            }
            other => {
                self.kex = other;
                Err(Misuse::NoSuchQuestion)
            }
        }
    }

    /// Answers [`ServerEvent::Auth`].
    pub fn answer_auth(&mut self, id: QuestionId, answer: AuthAnswer) -> Result<(), Misuse> {
        if self.dead.is_some() {
            return Err(Misuse::Over);
        }
        let answered = self.side.auth.answer(id, answer)?;
        self.output.message(&answered.payload);
        self.rtt.start(self.now);
        if let Some(proof) = answered.proof {
            let mut mux = Mux::new(proof, self.config.mux.clone(), Role::Server);
            if let Some(rtt) = self.rtt.best {
                mux.set_rtt(rtt);
            }
            self.phase = Phase::Open(Box::new(mux));
            self.alive.heard = self.now;
            self.logged_in();
        }
        self.process();
        Ok(())
    }

    /// Tells the client that other signature algorithms are taken from this
    /// user than EXT_INFO said when nobody knew who it would be. Clients that
    /// did not ask for it (`ext-info-in-auth@openssh.com`) are not told.
    pub fn set_user_algorithms(&mut self, algorithms: Vec<String>) -> Result<(), Misuse> {
        if self.is_open() {
            return Err(Misuse::WrongPhase);
        }
        if self.ext_info_in_auth && self.side.user_algorithms != algorithms {
            let list = algorithms.join(",");
            let name = names::ext::SERVER_SIG_ALGS;
            let value = list.as_bytes();
            let extensions = vec![Extension { name, value }];
            self.output.message(&ExtInfo { extensions }.to_vec());
        }
        self.side.user_algorithms = algorithms;
        Ok(())
    }

    /// Shows text to the user before they are logged in (RFC 4252 section 5.4).
    /// Not before the client has asked for the authentication service.
    pub fn banner(&mut self, text: &str) -> Result<(), Misuse> {
        if self.dead.is_some() {
            return Err(Misuse::Over);
        }
        if self.is_open() || !self.side.auth.is_begun() {
            return Err(Misuse::WrongPhase);
        }
        let banner = Banner {
            message: text.into(),
            language: "",
        };
        self.output.message(&banner.to_vec());
        Ok(())
    }

    fn answered(&mut self, id: QuestionId) -> Result<(), Misuse> {
        if self.dead.is_some() {
            return Err(Misuse::Over);
        }
        match self.side.asked.take_if(|asked| *asked == id) {
            Some(_) => Ok(()),
            None => Err(Misuse::NoSuchQuestion),
        }
    }

    fn begin_kex(&mut self, opening: Box<Opening>) {
        self.kex = Step::Side(kex::server::begin(opening));
    }

    fn kex_step(&mut self, step: KexServer, payload: &[u8]) -> Result<(), Error> {
        let algorithm = self.negotiated.as_ref().map(|n| n.host_key.as_str());
        let host_key = self
            .side
            .host_keys
            .iter()
            .find(|(name, _)| Some(name.as_str()) == algorithm)
            .map(|(_, blob)| blob.clone())
            .ok_or(Error::Crypto("finding the host key that was offered"))?;
        let next = step.handle(payload, &host_key, &mut *self.output.rng)?;
        let id = self.question();
        let step = match next {
            Next::Group(step, sizes) => {
                self.asked(id, ServerEvent::ChooseGroup { id, sizes });
                step
            }
            Next::Sign(step) => {
                if let KexServer::AwaitSignature(unsigned) = &step {
                    let question = SignQuestion {
                        id,
                        algorithm: unsigned.algorithm().to_owned(),
                        hash: unsigned.hash_alg(),
                        transcript: unsigned.transcript().clone(),
                    };
                    self.asked(id, ServerEvent::SignKex(question));
                    if self.session_id.is_none() {
                        self.side.host_key = host_key;
                    }
                }
                step
            }
        };
        self.kex = Step::Side(step);
        Ok(())
    }

    fn asked(&mut self, id: QuestionId, event: ServerEvent) {
        self.side.asked = Some(id);
        self.events.push_back(Event::Side(event));
    }

    /// The first keys are in force: what we can do.
    fn after_first_kex(&mut self) {
        if !self.peer_ext_info {
            return;
        }
        let algorithms = self.side.user_algorithms.join(",");
        let extension = |name, value| Extension { name, value };
        let extensions = vec![
            extension(names::ext::SERVER_SIG_ALGS, algorithms.as_bytes()),
            extension(names::ext::PUBLICKEY_HOSTBOUND, b"0"),
            extension(names::ext::PING, b"0"),
            extension(names::ext::AGENT_FORWARD, b"0"),
        ];
        self.output.transport(&ExtInfo { extensions }.to_vec());
    }

    fn service(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.is_open() {
            return Err(self.out_of_place(payload));
        }
        let accept = self.side.auth.service_request(payload)?;
        // How long the first attempt takes says nothing: it may have come along.
        self.output.message(&accept);
        Ok(())
    }

    fn auth_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        let number = payload.first().copied().unwrap_or(0);
        // RFC 4252 section 5.3: requests that a client sent before it saw the
        // success are ignored.
        if self.is_open() && number == Request::NUMBER {
            return Ok(());
        }
        if self.is_open() {
            return Err(self.out_of_place(payload));
        }
        self.rtt.stop(self.now);
        let id = self.question();
        let attempt = self.side.auth.handle(payload, &self.side.host_key, id)?;
        self.events
            .push_back(Event::Side(ServerEvent::Auth(attempt)));
        Ok(())
    }
}
