//! The client's half of user authentication.

use carrick_wire::msg::auth::{
    Banner, Failure, InfoRequest as WireInfo, InfoResponse, MethodBody, PasswdChangeReq, PkOk,
    Success,
};
use carrick_wire::msg::transport::{ServiceAccept, ServiceRequest};
use carrick_wire::{Encode, NameList, Secret, Writer, names};

use super::{Authenticated, decode, request};
use crate::error::{Error, Misuse, PeerFault};
use crate::limits;

/// One attempt.
#[derive(Debug)]
pub enum AuthRequest<'a> {
    /// `none`: asks what there is, or logs in where nothing is needed.
    None,
    /// `publickey` without a signature: would this key do?
    PublicKeyQuery {
        /// The signature algorithm.
        algorithm: &'a str,
        /// The public key blob.
        key: &'a [u8],
        /// The server's host key blob, to bind the request to it.
        host_key: Option<&'a [u8]>,
    },
    /// `publickey` with a signature over [`super::publickey_signed_data`].
    PublicKey {
        /// The signature algorithm.
        algorithm: &'a str,
        /// The public key blob.
        key: &'a [u8],
        /// The server's host key blob, if the signature covers it.
        host_key: Option<&'a [u8]>,
        /// The signature blob.
        signature: &'a [u8],
    },
    /// `password`.
    Password(&'a Secret),
    /// `password` with a new one in place of an expired one.
    PasswordChange {
        /// The present password.
        old: &'a Secret,
        /// The one to be.
        new: &'a Secret,
    },
    /// `keyboard-interactive`, with a comma-separated list of devices.
    KeyboardInteractive {
        /// Which devices; empty leaves it to the server.
        devices: &'a str,
    },
    /// `hostbased` with its signature (RFC 4252 section 9).
    HostBased {
        /// The signature algorithm.
        algorithm: &'a str,
        /// The client host's public key blob.
        key: &'a [u8],
        /// The client host's name.
        host: &'a str,
        /// The user's name on the client host.
        local_user: &'a str,
        /// The signature blob.
        signature: &'a [u8],
    },
}

/// A question of keyboard-interactive (RFC 4256 section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The text to show.
    pub text: String,
    /// Whether what is typed may be seen.
    pub echo: bool,
}

/// A set of questions of keyboard-interactive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfoRequest {
    /// A title.
    pub name: String,
    /// What to tell the user first.
    pub instruction: String,
    /// The questions.
    pub prompts: Vec<Prompt>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthEvent {
    /// Attempts may begin.
    Ready,
    /// Text for the user.
    Banner(String),
    /// The key of the query would do.
    PkOk {
        /// The algorithm that was asked about.
        algorithm: String,
        /// The key that was asked about.
        key: Vec<u8>,
    },
    /// Refused, or not enough yet.
    Failure {
        /// What can continue.
        methods: Vec<String>,
        /// The attempt itself succeeded, but more is needed.
        partial: bool,
    },
    /// Questions to answer.
    Prompts(InfoRequest),
    /// The password is right but expired.
    ChangePassword {
        /// What to tell the user.
        prompt: String,
    },
    /// Logged in.
    Success,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    AwaitService,
    /// The first attempt went along with the request for the service.
    AwaitServiceFor(Flight),
    Idle,
    /// An attempt is in flight; which one decides what the numbers 60 and up mean.
    Flight(Flight),
    /// The application owes answers to prompts.
    Prompted,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    Query,
    Password,
    Interactive,
    Other,
}

/// The client's half.
#[derive(Debug)]
pub(crate) struct ClientAuth {
    state: State,
}

/// What handling a message led to.
pub(crate) struct Outcome {
    pub(crate) event: ClientAuthEvent,
    pub(crate) proof: Option<Authenticated>,
}

impl From<ClientAuthEvent> for Outcome {
    fn from(event: ClientAuthEvent) -> Self {
        Self { event, proof: None }
    }
}

impl ClientAuth {
    /// Starts: the service request to send.
    pub(crate) fn start() -> (Vec<u8>, Self) {
        let request = ServiceRequest {
            service: names::service::USERAUTH,
        };
        (
            request.to_vec(),
            Self {
                state: State::AwaitService,
            },
        )
    }

    /// The payload for an attempt. `none` need not wait for SERVICE_ACCEPT.
    pub(crate) fn attempt(
        &mut self,
        user: &str,
        attempt: &AuthRequest<'_>,
    ) -> Result<Vec<u8>, Misuse> {
        let early = self.state == State::AwaitService && matches!(attempt, AuthRequest::None);
        if !early && self.state != State::Idle && self.state != State::Prompted {
            return Err(Misuse::WrongPhase);
        }
        let (flight, method) = match attempt {
            AuthRequest::None => (Flight::Other, MethodBody::None),
            AuthRequest::PublicKeyQuery {
                algorithm,
                key,
                host_key,
            } => (Flight::Query, publickey(algorithm, key, *host_key, None)),
            AuthRequest::PublicKey {
                algorithm,
                key,
                host_key,
                signature,
            } => (
                Flight::Other,
                publickey(algorithm, key, *host_key, Some(signature)),
            ),
            AuthRequest::Password(password) => (
                Flight::Password,
                MethodBody::Password {
                    password: password.expose(),
                    new: None,
                },
            ),
            AuthRequest::PasswordChange { old, new } => (
                Flight::Password,
                MethodBody::Password {
                    password: old.expose(),
                    new: Some(new.expose()),
                },
            ),
            AuthRequest::KeyboardInteractive { devices } => (
                Flight::Interactive,
                MethodBody::KeyboardInteractive {
                    language: "",
                    submethods: devices,
                },
            ),
            AuthRequest::HostBased {
                algorithm,
                key,
                host,
                local_user,
                signature,
            } => (
                Flight::Other,
                MethodBody::HostBased {
                    algorithm,
                    key,
                    host,
                    local_user,
                    signature,
                },
            ),
        };
        self.state = if early {
            State::AwaitServiceFor(flight)
        } else {
            State::Flight(flight)
        };
        Ok(request(user, method))
    }

    /// The server has not answered the request for the service yet.
    pub(crate) fn awaits_service(&self) -> bool {
        matches!(self.state, State::AwaitService | State::AwaitServiceFor(_))
    }

    /// The payload for the answers to [`ClientAuthEvent::Prompts`].
    pub(crate) fn respond(&mut self, answers: &[Secret]) -> Result<Vec<u8>, Misuse> {
        if self.state != State::Prompted {
            return Err(Misuse::WrongPhase);
        }
        self.state = State::Flight(Flight::Interactive);
        let responses = answers.iter().map(Secret::expose).collect();
        let mut out = Vec::with_capacity(super::ROOM);
        InfoResponse { responses }.encode(&mut Writer::new(&mut out));
        Ok(out)
    }

    /// Takes SERVICE_ACCEPT.
    pub(crate) fn service_accept(&mut self, payload: &[u8]) -> Result<Outcome, Error> {
        let accept: ServiceAccept<'_> = decode(payload, "SSH_MSG_SERVICE_ACCEPT")?;
        if accept.service != names::service::USERAUTH {
            return Err(self.unexpected(payload));
        }
        self.state = match self.state {
            State::AwaitService => State::Idle,
            State::AwaitServiceFor(flight) => State::Flight(flight),
            _ => return Err(self.unexpected(payload)),
        };
        Ok(ClientAuthEvent::Ready.into())
    }

    /// Takes a message of the numbers 50 to 79.
    pub(crate) fn handle(&mut self, payload: &[u8]) -> Result<Outcome, Error> {
        let number = payload.first().copied().unwrap_or(0);
        if number == Banner::NUMBER && !self.awaits_service() {
            let banner: Banner<'_> = decode(payload, "SSH_MSG_USERAUTH_BANNER")?;
            return Ok(ClientAuthEvent::Banner(banner.message.to_lossy().into_owned()).into());
        }
        let State::Flight(flight) = self.state else {
            return Err(self.unexpected(payload));
        };
        match (number, flight) {
            (Success::NUMBER, _) => {
                decode::<Success>(payload, "SSH_MSG_USERAUTH_SUCCESS")?;
                self.state = State::Done;
                Ok(Outcome {
                    event: ClientAuthEvent::Success,
                    proof: Some(Authenticated(())),
                })
            }
            (Failure::NUMBER, _) => {
                let failure: Failure<'_> = decode(payload, "SSH_MSG_USERAUTH_FAILURE")?;
                self.state = State::Idle;
                let methods = names_of(&failure.methods);
                Ok(ClientAuthEvent::Failure {
                    methods,
                    partial: failure.partial,
                }
                .into())
            }
            (PkOk::NUMBER, Flight::Query) => {
                let ok: PkOk<'_> = decode(payload, "SSH_MSG_USERAUTH_PK_OK")?;
                self.state = State::Idle;
                let (algorithm, key) = (ok.algorithm.to_owned(), ok.key.to_vec());
                Ok(ClientAuthEvent::PkOk { algorithm, key }.into())
            }
            (PasswdChangeReq::NUMBER, Flight::Password) => {
                let req: PasswdChangeReq<'_> =
                    decode(payload, "SSH_MSG_USERAUTH_PASSWD_CHANGEREQ")?;
                self.state = State::Idle;
                Ok(ClientAuthEvent::ChangePassword {
                    prompt: req.prompt.to_lossy().into_owned(),
                }
                .into())
            }
            (WireInfo::NUMBER, Flight::Interactive) => {
                let info: WireInfo<'_> = decode(payload, "SSH_MSG_USERAUTH_INFO_REQUEST")?;
                if info.prompts.len() > limits::PROMPTS {
                    return Err(PeerFault::TooMany("prompts").into());
                }
                self.state = State::Prompted;
                Ok(ClientAuthEvent::Prompts(owned(&info)).into())
            }
            _ => Err(self.unexpected(payload)),
        }
    }

    fn unexpected(&self, payload: &[u8]) -> Error {
        let (state, expected) = match self.state {
            State::AwaitService | State::AwaitServiceFor(_) => {
                ("before authentication", "SSH_MSG_SERVICE_ACCEPT")
            }
            State::Idle | State::Prompted => ("between authentication requests", "a banner"),
            State::Flight(_) => ("during authentication", "an answer to our request"),
            State::Done => (
                "after authentication",
                "a message of the connection protocol",
            ),
        };
        let got = payload.first().copied().unwrap_or(0);
        PeerFault::Unexpected {
            state,
            expected,
            got,
        }
        .into()
    }
}

fn publickey<'a>(
    algorithm: &'a str,
    key: &'a [u8],
    host_key: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
) -> MethodBody<'a> {
    match host_key {
        Some(host_key) => MethodBody::PublicKeyHostBound {
            algorithm,
            key,
            host_key,
            signature,
        },
        None => MethodBody::PublicKey {
            algorithm,
            key,
            signature,
        },
    }
}

fn names_of(list: &NameList<'_>) -> Vec<String> {
    list.iter().map(str::to_owned).collect()
}

fn owned(info: &WireInfo<'_>) -> InfoRequest {
    InfoRequest {
        name: info.name.to_lossy().into_owned(),
        instruction: info.instruction.to_lossy().into_owned(),
        prompts: info
            .prompts
            .iter()
            .map(|p| Prompt {
                text: p.text.to_lossy().into_owned(),
                echo: p.echo,
            })
            .collect(),
    }
}
