//! The client's way in: connect, decide about the host key, log in.
//!
//! Each step is a type, and each is had from the one before only: there is no
//! login to a host whose key was not decided on, and no session without a login.

use std::collections::VecDeque;
use std::time::Instant;

use carrick_crypto::rng::SystemRng;
use carrick_keys::PublicKey;
use carrick_proto::auth::{AuthRequest, ClientAuthEvent, InfoRequest};
use carrick_proto::kex::Negotiated;
use carrick_proto::{Client, ClientEvent, Event, HostKeyQuestion};
use carrick_wire::msg::transport::DisconnectReason;
use carrick_wire::{NameList, Secret, names};
use tokio::io::{AsyncRead, AsyncWrite};

pub use carrick_proto::ClientConfig;

use crate::agent::SessionBinding;
use crate::connection::{Connection, Handle};
use crate::driver::Driver;
use crate::error::{Error, printable};
use crate::shared::Shared;

/// A connection to a server whose host key has not been decided on.
pub struct Unverified {
    handle: Handle<Client>,
    question: HostKeyQuestion,
    key: PublicKey,
    news: News,
}

/// A connection to the right server, with nobody logged in yet.
pub struct Login {
    handle: Handle<Client>,
    /// The host key that was accepted.
    host: HostKeyQuestion,
    news: Box<News>,
    /// Requests are not to be bound to the host key.
    unbound: bool,
    done: bool,
    /// An attempt is on its way, and its reply has not been taken: perhaps
    /// nobody waits for it any more.
    open: bool,
    /// For this user `none` was asked already.
    pub(crate) asked: Option<Box<str>>,
}

/// What an attempt to log in came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthReply {
    /// Logged in: [`Login::into_connection`].
    Success,
    /// Refused, or not enough yet.
    Failure {
        /// What can continue.
        methods: Vec<String>,
        /// The attempt itself succeeded, but more is needed.
        partial: bool,
    },
    /// The key that was asked about would do.
    PkOk,
    /// Questions to answer with [`Login::respond`].
    Prompts(InfoRequest),
    /// The password has expired: [`Login::password_change`].
    ChangePassword {
        /// What to tell the user.
        prompt: String,
    },
}

/// What the server said in passing.
#[derive(Default)]
struct News {
    sig_algs: Option<String>,
    host_bound: bool,
    banners: VecDeque<String>,
    preamble: VecDeque<String>,
}

impl News {
    fn note(&mut self, event: Event<ClientEvent>) -> Option<ClientEvent> {
        match event {
            Event::Side(ClientEvent::Auth(ClientAuthEvent::Banner(text))) => {
                self.banners.push_back(text);
                None
            }
            Event::Side(event) => Some(event),
            Event::ExtInfo(list) => {
                for (name, value) in list {
                    match name.as_str() {
                        names::ext::SERVER_SIG_ALGS => {
                            self.sig_algs = Some(String::from_utf8_lossy(&value).into_owned());
                        }
                        names::ext::PUBLICKEY_HOSTBOUND => self.host_bound = value == b"0",
                        _ => {}
                    }
                }
                None
            }
            Event::Preamble(line) => {
                self.preamble.push_back(printable(&line));
                None
            }
            _ => None,
        }
    }
}

impl Unverified {
    /// Speaks SSH over `stream` up to the point where the server has proved
    /// that it owns a host key. Whether it is the right one is for the caller
    /// to decide. Must be called within a tokio runtime; a task of its own
    /// drives the connection.
    pub async fn connect<T>(stream: T, config: ClientConfig) -> Result<Self, Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let rng = Box::new(SystemRng);
        let machine = carrick_proto::Connection::client(config, rng, Instant::now());
        let shared = Shared::new(machine);
        let handle = Handle::new(shared.clone());
        shared.lock().dispatch();
        tokio::spawn(Driver::new(shared, stream));
        let mut news = News::default();
        loop {
            let event = handle.side_event().await?;
            if let Some(ClientEvent::VerifyHostKey(question)) = news.note(event) {
                let key = PublicKey::from_blob(&question.host_key).map_err(|_| {
                    Error::Protocol(carrick_proto::Error::Crypto("reading the host key"))
                })?;
                return Ok(Self {
                    handle,
                    question,
                    key,
                    news,
                });
            }
        }
    }

    /// The server's host key.
    pub fn host_key(&self) -> &PublicKey {
        &self.key
    }

    /// The server's host key as it came.
    pub fn host_key_blob(&self) -> &[u8] {
        &self.question.host_key
    }

    /// What was agreed on.
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.handle.shared().lock().conn.negotiated().cloned()
    }

    /// The server's identification line.
    pub fn server_ident(&self) -> String {
        let state = self.handle.shared().lock();
        state
            .conn
            .peer_ident()
            .map(|ident| ident.as_str().to_owned())
            .unwrap_or_default()
    }

    /// Lines that the server sent before its identification.
    pub fn preamble(&self) -> impl Iterator<Item = &str> {
        self.news.preamble.iter().map(String::as_str)
    }

    /// It is the right key: go on to the login.
    pub async fn accept(self) -> Result<Login, Error> {
        self.accepted(None).await
    }

    /// As [`Self::accept`], for a caller whose first attempt is
    /// [`Login::none`] for this user: where the server is known to take it, it
    /// is asked along with the request for the service, a round trip sooner.
    pub async fn accept_for(self, user: &str) -> Result<Login, Error> {
        self.accepted(Some(user)).await
    }

    async fn accepted(self, user: Option<&str>) -> Result<Login, Error> {
        let id = self.question.id;
        let asked = self.handle.shared().with(|state| {
            state.conn.answer_host_key(id, true)?;
            // If it is too soon, or nothing for this server, it comes later.
            let none = &AuthRequest::None;
            let asked = user.filter(|user| state.conn.authenticate(user, none).is_ok());
            Ok::<_, carrick_proto::Misuse>(asked.map(Box::from))
        })?;
        let mut login = Login {
            handle: self.handle,
            host: self.question,
            news: Box::new(self.news),
            unbound: false,
            done: false,
            open: asked.is_some(),
            asked,
        };
        loop {
            if let ClientEvent::Auth(ClientAuthEvent::Ready) = login.event().await? {
                return Ok(login);
            }
        }
    }

    /// It is not the right key. Dropping does the same, less politely.
    pub fn reject(self) {
        let id = self.question.id;
        // The connection may have ended meanwhile: all the same.
        let _ = self
            .handle
            .shared()
            .with(|state| state.conn.answer_host_key(id, false));
    }
}

impl Login {
    /// The server's host key as it came.
    pub fn host_key_blob(&self) -> &[u8] {
        &self.host.host_key
    }

    /// The host key's signature over [`Self::session_id`]: what an agent asks
    /// for before it signs for keys that are meant for certain hosts.
    pub fn host_key_signature(&self) -> &[u8] {
        &self.host.signature
    }

    /// The session identifier, which signatures cover.
    pub fn session_id(&self) -> Vec<u8> {
        self.handle
            .shared()
            .lock()
            .conn
            .session_id()
            .unwrap_or_default()
            .to_vec()
    }

    /// What tells an agent with which session it speaks.
    pub fn session_binding(&self) -> SessionBinding {
        SessionBinding {
            host_key: self.host.host_key.clone(),
            session_id: self.session_id(),
            signature: self.host.signature.clone(),
        }
    }

    /// Whether the server takes signatures of `algorithm`; `None` when it did
    /// not say (RFC 8308 section 3.1).
    pub fn server_takes(&self, algorithm: &str) -> Option<bool> {
        self.news
            .sig_algs
            .as_ref()
            .map(|list| NameList::new(list).contains(algorithm))
    }

    /// The signature algorithms that the server takes, comma-separated.
    pub fn server_sig_algs(&self) -> Option<&str> {
        self.news.sig_algs.as_deref()
    }

    /// Whether the server takes requests that are bound to its host key.
    pub fn is_host_bound_offered(&self) -> bool {
        self.news.host_bound
    }

    /// Binds requests to the server's host key only if `allowed`, even where
    /// the server takes such. They are bound unless this is called.
    pub fn allow_host_bound(&mut self, allowed: bool) {
        self.unbound = !allowed;
    }

    /// The next text that the server wants the user to see before login. It is
    /// the server's: control characters are still in it.
    pub fn next_banner(&mut self) -> Option<String> {
        self.news.banners.pop_front()
    }

    /// What was agreed on.
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.handle.shared().lock().conn.negotiated().cloned()
    }

    /// Asks what there is, or logs in where nothing is needed.
    pub async fn none(&mut self, user: &str) -> Result<AuthReply, Error> {
        if self.open && self.asked.take().as_deref() == Some(user) {
            return self.reply().await;
        }
        self.attempt(user, &AuthRequest::None).await
    }

    /// Asks whether a key would do.
    pub async fn publickey_query(
        &mut self,
        user: &str,
        algorithm: &str,
        key: &[u8],
    ) -> Result<AuthReply, Error> {
        let host_key = self.bound_to();
        let host_key = host_key.as_deref();
        self.attempt(
            user,
            &AuthRequest::PublicKeyQuery {
                algorithm,
                key,
                host_key,
            },
        )
        .await
    }

    /// What a signature for [`Self::publickey`] has to cover.
    pub fn publickey_signed_data(&self, user: &str, algorithm: &str, key: &[u8]) -> Vec<u8> {
        let bound = self.is_bound();
        let state = self.handle.shared().lock();
        state
            .conn
            .publickey_signed_data(user, algorithm, key, bound)
            .unwrap_or_default()
    }

    /// Logs in with a public key, by a signature over
    /// [`Self::publickey_signed_data`].
    pub async fn publickey(
        &mut self,
        user: &str,
        algorithm: &str,
        key: &[u8],
        signature: &[u8],
    ) -> Result<AuthReply, Error> {
        let host_key = self.bound_to();
        let host_key = host_key.as_deref();
        self.attempt(
            user,
            &AuthRequest::PublicKey {
                algorithm,
                key,
                host_key,
                signature,
            },
        )
        .await
    }

    /// Logs in with a password.
    pub async fn password(&mut self, user: &str, password: &Secret) -> Result<AuthReply, Error> {
        self.attempt(user, &AuthRequest::Password(password)).await
    }

    /// Logs in with an expired password and the one that is to replace it.
    pub async fn password_change(
        &mut self,
        user: &str,
        old: &Secret,
        new: &Secret,
    ) -> Result<AuthReply, Error> {
        self.attempt(user, &AuthRequest::PasswordChange { old, new })
            .await
    }

    /// Asks to be asked; `devices` may name, comma-separated, by what.
    pub async fn keyboard_interactive(
        &mut self,
        user: &str,
        devices: &str,
    ) -> Result<AuthReply, Error> {
        self.attempt(user, &AuthRequest::KeyboardInteractive { devices })
            .await
    }

    /// Answers [`AuthReply::Prompts`], one answer for each.
    pub async fn respond(&mut self, answers: &[Secret]) -> Result<AuthReply, Error> {
        self.handle
            .shared()
            .with(|state| state.conn.respond(answers))?;
        self.open = true;
        self.reply().await
    }

    /// Makes any attempt. When an earlier one was dropped before its reply
    /// came, that reply is waited for first; if it is success, it is this one's.
    pub async fn attempt(
        &mut self,
        user: &str,
        attempt: &AuthRequest<'_>,
    ) -> Result<AuthReply, Error> {
        if self.open && self.reply().await? == AuthReply::Success {
            return Ok(AuthReply::Success);
        }
        self.handle
            .shared()
            .with(|state| state.conn.authenticate(user, attempt))?;
        self.open = true;
        self.reply().await
    }

    /// After [`AuthReply::Success`]: the connection. Before, the login back.
    pub fn into_connection(self) -> Result<Connection<Client>, Self> {
        if self.done {
            Ok(Connection::new(self.handle))
        } else {
            Err(self)
        }
    }

    /// Ends the connection, with a word to the server.
    pub fn disconnect(self, description: &str) {
        let reason = DisconnectReason::BY_APPLICATION;
        self.handle
            .shared()
            .with(|state| state.conn.disconnect(reason, description));
    }

    fn bound_to(&self) -> Option<Vec<u8>> {
        let state = self.handle.shared().lock();
        self.is_bound()
            .then(|| state.conn.host_key().map(<[u8]>::to_vec))
            .flatten()
    }

    fn is_bound(&self) -> bool {
        self.news.host_bound && !self.unbound
    }

    async fn event(&mut self) -> Result<ClientEvent, Error> {
        loop {
            let event = self.handle.side_event().await?;
            if let Some(event) = self.news.note(event) {
                return Ok(event);
            }
        }
    }

    async fn reply(&mut self) -> Result<AuthReply, Error> {
        loop {
            let ClientEvent::Auth(event) = self.event().await? else {
                continue;
            };
            if !matches!(event, ClientAuthEvent::Ready | ClientAuthEvent::Banner(_)) {
                self.open = false;
            }
            return Ok(match event {
                ClientAuthEvent::Success => {
                    self.done = true;
                    AuthReply::Success
                }
                ClientAuthEvent::Failure { methods, partial } => {
                    AuthReply::Failure { methods, partial }
                }
                ClientAuthEvent::PkOk { .. } => AuthReply::PkOk,
                ClientAuthEvent::Prompts(info) => AuthReply::Prompts(info),
                ClientAuthEvent::ChangePassword { prompt } => AuthReply::ChangePassword { prompt },
                ClientAuthEvent::Ready | ClientAuthEvent::Banner(_) => continue,
            });
        }
    }
}
