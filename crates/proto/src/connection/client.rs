//! The client's commands.

use std::time::Instant;

use carrick_crypto::rng::Rng;
use carrick_wire::Encode;
use carrick_wire::msg::auth::Banner;
use carrick_wire::msg::transport::{ExtInfo, Extension};
use carrick_wire::{Secret, names};
use zeroize::Zeroizing;

use super::dispatch::Hooks;
use super::{CommonConfig, Connection, Phase, Side};
use crate::auth::client::{ClientAuth, Outcome};
use crate::auth::{AuthRequest, publickey_signed_data};
use crate::error::{Error, Misuse, PeerFault};
use crate::event::{ClientEvent, Event, HostKeyQuestion, QuestionId};
use crate::kex::client::Client as KexClient;
use crate::kex::{self, Opening, Preferences, Step};
use crate::mux::{Mux, MuxConfig, Role};
use crate::transport::{Ident, RekeyLimit};

/// What a client is configured with.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// What both sides have.
    pub common: CommonConfig,
}

impl ClientConfig {
    /// OpenSSH 10's defaults, under the name of `software`.
    pub fn new(software: &str) -> Self {
        Self {
            common: CommonConfig {
                software: software.to_owned(),
                comment: None,
                preferences: Preferences::client(),
                rekey: RekeyLimit::default(),
                mux: MuxConfig::default(),
                keep_alive: None,
            },
        }
    }
}

/// The client's side of a connection.
pub struct Client {
    auth: Option<ClientAuth>,
    /// The host key that was accepted, with the question about it.
    accepted: Option<Vec<u8>>,
    asked: Option<QuestionId>,
}

impl Client {
    pub(super) fn new() -> Self {
        Self {
            auth: None,
            accepted: None,
            asked: None,
        }
    }
}

impl Side for Client {
    type Event = ClientEvent;
    type Step = KexClient;
    const CLIENT: bool = true;

    fn hooks() -> Hooks<Self> {
        Hooks {
            waits: |c| matches!(c.kex, Step::Side(KexClient::AwaitVerdict(_))),
            begin: Connection::<Self>::begin_kex,
            kex: Connection::<Self>::kex_step,
            expects: KexClient::expects,
            secured: Connection::<Self>::after_first_kex,
            service: Connection::<Self>::service,
            auth: Connection::<Self>::auth_message,
            may_ext_info: |_| true,
        }
    }
}

impl Connection<Client> {
    /// Starts: our identification and KEXINIT wait to be written.
    pub fn client(config: ClientConfig, rng: Box<dyn Rng>, now: Instant) -> Self {
        let mut connection = Self::start(Client::new(), config.common, rng, now);
        // RFC 4253 section 7: it begins at once, the server's lines need not
        // be waited for.
        connection.open_kex();
        connection
    }

    /// The server's host key, once it was accepted.
    pub fn host_key(&self) -> Option<&[u8]> {
        self.side.accepted.as_deref()
    }

    /// Answers [`ClientEvent::VerifyHostKey`]. A refusal ends the connection.
    pub fn answer_host_key(&mut self, id: QuestionId, accept: bool) -> Result<(), Misuse> {
        if self.dead.is_some() {
            return Err(Misuse::Over);
        }
        if self.side.asked != Some(id) {
            return Err(Misuse::NoSuchQuestion);
        }
        self.side.asked = None;
        match core::mem::replace(&mut self.kex, Step::Idle) {
            Step::Side(KexClient::AwaitVerdict(unconfirmed)) if accept => {
                self.side.accepted = Some(unconfirmed.host_key.clone());
                self.finish_kex(unconfirmed.confirm());
                self.process();
                Ok(())
            }
            Step::Side(KexClient::AwaitVerdict(_)) => {
                self.fail(Error::HostKeyRefused);
                Ok(())
            }
            other => {
                self.kex = other;
                Err(Misuse::NoSuchQuestion)
            }
        }
    }

    /// What a public key request has to sign; with `bound`, for
    /// [`AuthRequest::PublicKey`] with the server's host key.
    pub fn publickey_signed_data(
        &self,
        user: &str,
        algorithm: &str,
        key: &[u8],
        bound: bool,
    ) -> Option<Vec<u8>> {
        let host_key = if bound { Some(self.host_key()?) } else { None };
        Some(publickey_signed_data(
            self.session_id()?,
            user,
            algorithm,
            key,
            host_key,
        ))
    }

    /// Makes an attempt to log in. One at a time: the next when this one was
    /// answered. The first may be made when [`Ready`] says so;
    /// only `none` may go along with the request for the service, which saves
    /// a round trip, to peers that [take it](Ident::takes_early_attempt).
    ///
    /// [`Ready`]: crate::auth::ClientAuthEvent::Ready
    pub fn authenticate(&mut self, user: &str, attempt: &AuthRequest<'_>) -> Result<(), Misuse> {
        let early = self.peer_ident().is_some_and(Ident::takes_early_attempt);
        let auth = self.auth()?;
        if auth.awaits_service() && !early {
            return Err(Misuse::WrongPhase);
        }
        let payload = Zeroizing::new(auth.attempt(user, attempt)?);
        self.output.secret_message(&payload);
        Ok(())
    }

    /// Answers the prompts of keyboard-interactive.
    pub fn respond(&mut self, answers: &[Secret]) -> Result<(), Misuse> {
        let auth = self.auth()?;
        let payload = Zeroizing::new(auth.respond(answers)?);
        self.output.secret_message(&payload);
        Ok(())
    }

    fn auth(&mut self) -> Result<&mut ClientAuth, Misuse> {
        if self.dead.is_some() {
            return Err(Misuse::Over);
        }
        self.side.auth.as_mut().ok_or(Misuse::WrongPhase)
    }

    fn begin_kex(&mut self, opening: Box<Opening>) -> Result<(), Error> {
        let (message, step) = kex::client::begin(opening, &mut *self.output.rng)?;
        self.trace_kex(&step);
        self.output.transport(&message);
        self.rtt.start(self.now);
        self.kex = Step::Side(step);
        Ok(())
    }

    fn trace_kex(&mut self, step: &KexClient) {
        self.events.extend(step.trace().map(Event::Trace));
    }

    fn kex_step(&mut self, step: KexClient, payload: &[u8]) -> Result<(), Error> {
        self.rtt.stop(self.now);
        let (message, next) = step.handle(payload, &mut *self.output.rng)?;
        if let Some(message) = message {
            self.output.transport(&message);
        }
        let KexClient::AwaitVerdict(unconfirmed) = next else {
            self.trace_kex(&next);
            self.kex = Step::Side(next);
            return Ok(());
        };
        match &self.side.accepted {
            Some(known) if *known == unconfirmed.host_key => {
                self.finish_kex(unconfirmed.confirm());
            }
            Some(_) => return Err(PeerFault::HostKeyChanged.into()),
            None => {
                let id = self.question();
                self.side.asked = Some(id);
                let algorithm = self.negotiated.as_ref().map(|n| n.host_key.clone());
                let question = HostKeyQuestion {
                    id,
                    host_key: unconfirmed.host_key.clone(),
                    algorithm: algorithm.unwrap_or_default(),
                    signature: unconfirmed.signature.clone(),
                };
                self.events
                    .push_back(Event::Side(ClientEvent::VerifyHostKey(question)));
                self.kex = Step::Side(KexClient::AwaitVerdict(unconfirmed));
            }
        }
        Ok(())
    }

    /// The first keys are in force: what we can do, and the wish to log in.
    fn after_first_kex(&mut self) {
        if self.peer_ext_info {
            let extensions = vec![Extension {
                name: names::ext::EXT_INFO_IN_AUTH,
                value: b"0",
            }];
            self.output.transport(&ExtInfo { extensions }.to_vec());
        }
        let (request, auth) = ClientAuth::start();
        self.side.auth = Some(auth);
        self.output.message(&request);
        self.rtt.start(self.now);
    }

    fn service(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.rtt.stop(self.now);
        match &mut self.side.auth {
            Some(auth) => {
                let outcome = auth.service_accept(payload)?;
                self.outcome(outcome);
                Ok(())
            }
            None => Err(self.out_of_place(payload)),
        }
    }

    fn auth_message(&mut self, payload: &[u8]) -> Result<(), Error> {
        if self.is_open() {
            return Err(self.out_of_place(payload));
        }
        if payload.first() == Some(&Banner::NUMBER) {
            self.idle_message()?;
        }
        match &mut self.side.auth {
            Some(auth) => {
                let outcome = auth.handle(payload)?;
                self.outcome(outcome);
                Ok(())
            }
            None => Err(self.out_of_place(payload)),
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        if let Some(proof) = outcome.proof {
            let mut mux = Mux::new(proof, self.config.mux.clone(), Role::Client);
            if let Some(rtt) = self.rtt.best {
                mux.set_rtt(rtt);
            }
            self.phase = Phase::Open(Box::new(mux));
            self.alive.heard = self.now;
            self.logged_in();
        }
        self.events
            .push_back(Event::Side(ClientEvent::Auth(outcome.event)));
    }
}
