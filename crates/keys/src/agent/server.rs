//! The agent itself, without sockets, processes and clocks (RFC 9987,
//! OpenSSH's PROTOCOL.agent).
//!
//! What a hostile client can do: anybody who can reach the socket may use the
//! keys, list and remove them, and add some; that is what an agent is for. It
//! cannot get a private key out, use a key against its constraints, have a
//! library loaded that is not on the list, unlock by guessing quickly, or make
//! a FIDO key sign for a web site. A client further on, over a forwarded
//! connection, is held to the destinations besides (see `binding.rs`). Each
//! request is read whole before anything is done; what is not understood is
//! refused.
//!
//! What takes time (asking the user, a token) is put out as a [`Task`], and
//! the request goes on when its [`Done`] comes in. Everything is judged anew
//! then: the key may have been removed, or the agent locked, meanwhile.

use std::sync::Arc;
use std::time::Duration;

use carrick_crypto::rng::Rng;
use carrick_wire::{Reader, Secret, Writer};
use zeroize::Zeroizing;

use super::binding::Bindings;
use super::client::AgentError;
use super::constraint::{Constraints, Kind};
use super::frame::Frames;
use super::key::Added;
use super::lock::{Lock, Unlock};
use super::msg::{Identity, QUERY, Request, Response, SESSION_BIND};
use super::refusal::Refusal;
use super::sign::{self, SignRequest};
use super::store::{Entry, Holder, Store};
use super::task::{Done, Pending, Stage, Task};
use crate::matching::pattern_list;
use crate::{FingerprintHash, PrivateKey, PublicKey};

/// The provider that needs no library.
const INTERNAL: &str = "internal";

/// What the one who starts an agent decides.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How long keys are kept that come without a lifetime.
    pub lifetime: Option<Duration>,
    /// The hash that keys are shown to the user by.
    pub fingerprint: FingerprintHash,
    /// Libraries that may be loaded, as a list of patterns.
    pub providers: String,
    /// Whether clients further on may have libraries loaded.
    pub remote_providers: bool,
    /// Applications of FIDO keys that may sign anything, as a list of
    /// patterns; `None` for all.
    pub websafe: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lifetime: None,
            fingerprint: FingerprintHash::default(),
            providers: "/usr/lib*/*,/usr/local/lib*/*".into(),
            remote_providers: false,
            websafe: Some("ssh:*".into()),
        }
    }
}

/// The time, as an agent needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since boot, the time in which the machine slept included: by this
    /// keys come to their end.
    pub uptime: Duration,
    /// Seconds since 1970: by this certificates are valid.
    pub unix: u64,
}

/// A connection to the agent.
#[derive(Default)]
pub struct Peer {
    frames: Frames,
    pub(super) bindings: Bindings,
}

impl Peer {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in bytes from the socket.
    pub fn received(&mut self, bytes: &[u8]) {
        self.frames.received(bytes);
    }

    /// Whether [`Self::next_request`] has something to say. Nothing more
    /// needs to be received as long as it has.
    pub fn is_ready(&self) -> bool {
        self.frames.is_ready()
    }

    /// The next request, once all of it is there. After an error nothing can
    /// be understood any more.
    pub fn next_request(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, AgentError> {
        Ok(self.frames.next()?)
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// This answer.
    Answer(Response),
    /// No; [`Refusal::response`] is the answer, once it is time if one is given.
    Refused(Refusal, Option<Duration>),
    /// The same request is to be brought again at this time since boot.
    Hold(Duration),
    /// Something has to be done first; then [`Agent::resume`] goes on.
    Work(Task, Pending),
}

impl From<Result<Response, Refusal>> for Outcome {
    fn from(result: Result<Response, Refusal>) -> Self {
        match result {
            Ok(response) => Self::Answer(response),
            Err(refusal) => Self::Refused(refusal, None),
        }
    }
}

/// An agent: keys, and rules for their use.
#[derive(Default)]
pub struct Agent {
    pub(super) policy: Policy,
    pub(super) store: Store,
    lock: Lock,
}

impl Agent {
    /// One without keys.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.store.entries().count()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.store.clear();
    }

    /// Forgets the keys whose time is over, and returns their comments. It is
    /// done before each request anyway.
    pub fn expire(&mut self, now: Now) -> Vec<String> {
        self.store.expire(now.uptime)
    }

    /// When the next key's time is over, since boot.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.store.next_expiry()
    }

    /// Takes one request.
    pub fn request(
        &mut self,
        peer: &mut Peer,
        message: &[u8],
        now: Now,
        rng: &mut dyn Rng,
    ) -> Outcome {
        self.expire(now);
        let request = match Reader::all::<Request<'_>>(message) {
            Ok(request) => request,
            Err(e) => return Outcome::Refused(e.into(), None),
        };
        if self.lock.is_locked() {
            return self.while_locked(peer, request, now);
        }
        let done = match request {
            Request::Identities => Ok(self.list(peer, now)),
            Request::Sign { key, data, flags } => {
                return sign::begin(self, peer, SignRequest::new(key, data, flags), now);
            }
            Request::Add { constrained, body } => return self.add(peer, constrained, body, now),
            Request::Remove { key } => self.remove(peer, key, now),
            Request::RemoveAll | Request::RemoveAllSsh1 => {
                self.clear();
                Ok(Response::Success)
            }
            Request::AddToken {
                provider,
                pin,
                constraints,
                ..
            } => return self.add_token(peer, provider, pin, constraints),
            Request::RemoveToken { provider, .. } => {
                let path = provider.to_owned();
                return Outcome::Work(
                    Task::FindProvider { path },
                    Pending(Stage::RemoveToken {
                        named: provider.to_owned(),
                    }),
                );
            }
            Request::Lock { passphrase } => {
                if self.lock.lock(passphrase, rng) {
                    Ok(Response::Success)
                } else {
                    Err(Refusal::NotLocked)
                }
            }
            Request::Unlock { .. } => Err(Refusal::NotUnlocked),
            Request::Extension { name, contents } => extension(peer, name, contents),
        };
        done.into()
    }

    /// Goes on with a request whose task is done.
    pub fn resume(&mut self, peer: &mut Peer, pending: Pending, done: Done, now: Now) -> Outcome {
        self.expire(now);
        if self.lock.is_locked() {
            return Outcome::Refused(Refusal::Locked, None);
        }
        match (pending.0, done) {
            (Stage::Confirm(request), Done::Confirmed(true)) => {
                sign::confirmed(self, peer, request, now)
            }
            (Stage::Confirm(_), Done::Confirmed(false)) => {
                Outcome::Refused(Refusal::UserRefused, None)
            }
            (Stage::Sign, Done::Signature(signature)) => signature
                .map(Response::Signature)
                .map_err(|why| Refusal::Helper { why })
                .into(),
            (Stage::AddFido { added, constraints }, Done::Provider(found)) => {
                let named = constraints.sk_provider.as_deref().unwrap_or_default();
                self.allowed_provider(named, found)
                    .and_then(|provider| self.put(peer, *added, &constraints, Some(provider), now))
                    .into()
            }
            (
                Stage::AddToken {
                    named,
                    pin,
                    constraints,
                },
                Done::Provider(found),
            ) => match self.allowed_provider(&named, found) {
                Err(refusal) => Outcome::Refused(refusal, None),
                Ok(provider) => Outcome::Work(
                    Task::LoadToken {
                        provider: provider.clone(),
                        pin,
                    },
                    Pending(Stage::LoadToken {
                        provider,
                        constraints,
                    }),
                ),
            },
            (
                Stage::LoadToken {
                    provider,
                    constraints,
                },
                Done::Keys(keys),
            ) => keys
                .map_err(|why| Refusal::Helper { why })
                .and_then(|keys| self.put_token(&provider, keys, &constraints, now))
                .into(),
            (Stage::RemoveToken { named }, Done::Provider(found)) => match found {
                Err(why) => {
                    let provider = named;
                    Outcome::Refused(Refusal::ProviderPath { provider, why }, None)
                }
                Ok(provider) => {
                    self.store.remove_token(&provider);
                    Outcome::Work(Task::UnloadToken { provider }, Pending(Stage::UnloadToken))
                }
            },
            (Stage::UnloadToken, Done::Unloaded(unloaded)) => unloaded
                .map(|()| Response::Success)
                .map_err(|why| Refusal::Helper { why })
                .into(),
            _ => Outcome::Refused(Refusal::Mixup, None),
        }
    }

    /// What is answered while locked: an empty list, bindings (channels may
    /// be opened meanwhile), and the right passphrase.
    fn while_locked(&mut self, peer: &mut Peer, request: Request<'_>, now: Now) -> Outcome {
        match request {
            Request::Identities => Outcome::Answer(Response::Identities(Vec::new())),
            Request::Unlock { passphrase } => match self.lock.unlock(passphrase, now.uptime) {
                Unlock::Done => Outcome::Answer(Response::Success),
                Unlock::Refused => Outcome::Refused(Refusal::NotUnlocked, None),
                Unlock::Wrong { until } => Outcome::Refused(Refusal::NotUnlocked, Some(until)),
                Unlock::Wait { until } => Outcome::Hold(until),
            },
            Request::Extension { name, contents } if name == SESSION_BIND => {
                extension(peer, name, contents).into()
            }
            _ => Outcome::Refused(Refusal::Locked, None),
        }
    }

    fn list(&self, peer: &Peer, now: Now) -> Response {
        let visible = |e: &&Entry| {
            peer.bindings
                .permit(&e.destinations, None, now.unix)
                .is_ok()
        };
        let identity = |e: &Entry| Identity {
            blob: e.blob.clone(),
            comment: e.comment.clone(),
        };
        Response::Identities(self.store.entries().filter(visible).map(identity).collect())
    }

    fn add(&mut self, peer: &Peer, constrained: bool, body: &[u8], now: Now) -> Outcome {
        let read = || -> Result<(Added, Constraints), Refusal> {
            let mut r = Reader::new(body);
            let added = Added::decode(&mut r)?;
            if !constrained {
                r.finish()?;
                return Ok((added, Constraints::default()));
            }
            Ok((added, Constraints::decode(&mut r, Kind::Key)?))
        };
        let (added, constraints) = match read() {
            Ok(read) => read,
            Err(refusal) => return Outcome::Refused(refusal, None),
        };
        match constraints.sk_provider.as_deref() {
            Some(_) if added.key.security_key().is_none() => {
                Outcome::Refused(Refusal::NotASecurityKey, None)
            }
            Some(path) if !path.eq_ignore_ascii_case(INTERNAL) => {
                if let Err(refusal) = self.may_load(peer, path) {
                    return Outcome::Refused(refusal, None);
                }
                let path = path.to_owned();
                let added = Box::new(added);
                Outcome::Work(
                    Task::FindProvider { path },
                    Pending(Stage::AddFido { added, constraints }),
                )
            }
            internal => {
                let provider = internal.map(|_| INTERNAL.to_owned());
                self.put(peer, added, &constraints, provider, now).into()
            }
        }
    }

    /// Keeps a key, new or with other constraints.
    fn put(
        &mut self,
        peer: &Peer,
        added: Added,
        constraints: &Constraints,
        provider: Option<String>,
        now: Now,
    ) -> Result<Response, Refusal> {
        let Added { key, certificate } = added;
        let public = match certificate {
            Some(cert) => PublicKey::Certificate(Box::new(cert)),
            None => key.public().clone(),
        };
        let blob = public.to_blob();
        if let Some(known) = self.store.find(&blob) {
            let destinations = &known.destinations;
            peer.bindings.permit(destinations, None, now.unix)?;
        }
        let comment = key.comment_bytes().to_vec();
        let holder = holder_of(key, provider);
        self.store
            .put(self.entry(public, comment, holder, constraints, now));
        Ok(Response::Success)
    }

    fn entry(
        &self,
        public: PublicKey,
        comment: Vec<u8>,
        holder: Holder,
        constraints: &Constraints,
        now: Now,
    ) -> Entry {
        let lifetime = constraints
            .lifetime
            .map(|seconds| Duration::from_secs(u64::from(seconds)))
            .or(self.policy.lifetime);
        Entry {
            blob: public.to_blob(),
            public,
            comment,
            holder,
            expires: lifetime.map(|time| now.uptime.saturating_add(time)),
            confirm: constraints.confirm,
            destinations: constraints.destinations.clone(),
        }
    }

    fn remove(&mut self, peer: &Peer, blob: &[u8], now: Now) -> Result<Response, Refusal> {
        let entry = self.store.find(blob).ok_or(Refusal::UnknownKey)?;
        peer.bindings.permit(&entry.destinations, None, now.unix)?;
        self.store.remove(blob);
        Ok(Response::Success)
    }

    /// Whether this client may name libraries at all.
    fn may_load(&self, peer: &Peer, provider: &str) -> Result<(), Refusal> {
        if peer.bindings.is_remote() && !self.policy.remote_providers {
            let provider = provider.to_owned();
            return Err(Refusal::RemoteProvider { provider });
        }
        Ok(())
    }

    /// The library's true path, if it is on the list.
    fn allowed_provider(
        &self,
        named: &str,
        found: Result<String, String>,
    ) -> Result<String, Refusal> {
        let provider = found.map_err(|why| Refusal::ProviderPath {
            provider: named.to_owned(),
            why,
        })?;
        if pattern_list(&provider, &self.policy.providers).is_yes() {
            Ok(provider)
        } else {
            Err(Refusal::ProviderNotAllowed { provider })
        }
    }

    fn add_token(&self, peer: &Peer, provider: &str, pin: &[u8], constraints: &[u8]) -> Outcome {
        let mut r = Reader::new(constraints);
        let read = Constraints::decode(&mut r, Kind::Token).map_err(Refusal::from);
        match read.and_then(|c| self.may_load(peer, provider).map(|()| c)) {
            Err(refusal) => Outcome::Refused(refusal, None),
            Ok(constraints) => Outcome::Work(
                Task::FindProvider {
                    path: provider.to_owned(),
                },
                Pending(Stage::AddToken {
                    named: provider.to_owned(),
                    pin: Secret::from(pin),
                    constraints,
                }),
            ),
        }
    }

    /// Keeps a token's keys that are not here yet, and the certificates that
    /// came for them.
    fn put_token(
        &mut self,
        provider: &str,
        keys: Vec<(PublicKey, String)>,
        constraints: &Constraints,
        now: Now,
    ) -> Result<Response, Refusal> {
        let certificates = constraints.certificates.as_ref();
        let mut any = false;
        for (key, label) in keys {
            let comment = if label.is_empty() { provider } else { &label };
            let certified = certificates.iter().flat_map(|c| &c.list);
            let mut wanted: Vec<PublicKey> = certified
                .filter(|cert| cert.is_certificate() && *cert.plain() == key)
                .cloned()
                .collect();
            any |= !wanted.is_empty();
            if !certificates.is_some_and(|c| c.only) && self.store.find(&key.to_blob()).is_none() {
                wanted.push(key);
                any = true;
            }
            for public in wanted {
                if self.store.find(&public.to_blob()).is_none() {
                    let holder = Holder::Token {
                        provider: provider.to_owned(),
                    };
                    let comment = comment.as_bytes().to_vec();
                    self.store
                        .put(self.entry(public, comment, holder, constraints, now));
                }
            }
        }
        if any {
            Ok(Response::Success)
        } else {
            Err(Refusal::NoTokenKeys)
        }
    }
}

fn holder_of(key: PrivateKey, provider: Option<String>) -> Holder {
    if key.security_key().is_some() {
        let key = Arc::new(key);
        Holder::Fido { key, provider }
    } else {
        Holder::Memory(key)
    }
}

fn extension(peer: &mut Peer, name: &str, contents: &[u8]) -> Result<Response, Refusal> {
    match name {
        SESSION_BIND => {
            peer.bindings.bind(contents)?;
            Ok(Response::Success)
        }
        QUERY => {
            Reader::new(contents).finish()?;
            let mut known = Vec::new();
            Writer::new(&mut known).text(SESSION_BIND);
            Ok(Response::Extension(QUERY.to_owned(), known))
        }
        _ => Err(Refusal::UnknownExtension {
            name: name.chars().take(64).collect(),
        }),
    }
}
