//! The server's half of user authentication. It decides nothing: each request
//! becomes a question to the application, one at a time.

use carrick_wire::msg::auth::{
    Failure, InfoRequest as WireInfo, InfoResponse, MethodBody, PasswdChangeReq, PkOk,
    Prompt as WirePrompt, Request, Success,
};
use carrick_wire::msg::transport::{ServiceAccept, ServiceRequest};
use carrick_wire::{Encode, NameList, Secret, names};

use super::client::InfoRequest;
use super::{Authenticated, decode};
use crate::error::{Error, Misuse, PeerFault};
use crate::event::QuestionId;
use crate::limits;

/// A user's attempt to log in, for the application to decide.
#[derive(Debug, Clone)]
pub struct AuthAttempt {
    /// To answer with.
    pub id: QuestionId,
    /// Who they say they are.
    pub user: String,
    /// How they mean to show it.
    pub method: Method,
}

/// An authentication method, with what the user showed.
#[derive(Debug, Clone)]
pub enum Method {
    /// Nothing.
    None,
    /// A public key, with or without a signature.
    PublicKey {
        /// The signature algorithm.
        algorithm: String,
        /// The public key blob.
        key: Vec<u8>,
        /// The host key blob that the client believes to be ours, if it bound
        /// the request to it. It was checked to be the one of this connection.
        host_key: Option<Vec<u8>>,
        /// The signature blob over [`super::publickey_signed_data`]; without
        /// one the client only asks whether the key would do.
        signature: Option<Vec<u8>>,
    },
    /// A password, and a new one if the old had expired.
    Password {
        /// The password.
        password: Secret,
        /// The one to replace it with.
        new: Option<Secret>,
    },
    /// Wants to be asked.
    KeyboardInteractive {
        /// The devices it would like, comma-separated.
        devices: String,
    },
    /// The answers to the prompts of [`AuthAnswer::Prompts`].
    Responses(Vec<Secret>),
    /// Trusts the client's host (RFC 4252 section 9).
    HostBased {
        /// The signature algorithm.
        algorithm: String,
        /// The client host's key blob.
        key: Vec<u8>,
        /// The client host's name.
        host: String,
        /// The user's name there.
        local_user: String,
        /// The signature blob.
        signature: Vec<u8>,
    },
    /// A method that we do not know.
    Unknown(String),
}

/// The application's decision.
#[derive(Debug, Clone)]
pub enum AuthAnswer {
    /// They are who they say, and nothing more is needed.
    Success,
    /// No; or, with `partial`, yes but more is needed.
    Failure {
        /// What can continue.
        methods: Vec<String>,
        /// Whether this attempt succeeded as far as it goes.
        partial: bool,
    },
    /// The key of a query would do.
    PkOk,
    /// Questions for the user.
    Prompts(InfoRequest),
    /// The password has expired.
    ChangePassword {
        /// What to tell the user.
        prompt: String,
    },
}

/// What may answer the open question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    /// A query about this algorithm and key.
    Query {
        algorithm: String,
        key: Vec<u8>,
    },
    Interactive,
    Password,
    Other,
}

#[derive(Debug)]
enum State {
    ExpectService,
    ExpectRequest,
    /// Prompts are out.
    ExpectResponse,
    AwaitAnswer {
        id: QuestionId,
        open: Open,
    },
}

/// The server's half.
#[derive(Debug)]
pub(crate) struct ServerAuth {
    state: State,
    /// The user, fixed by the first request.
    user: Option<String>,
    requests: u32,
}

/// What an answer leads to.
pub(crate) struct Answered {
    pub(crate) payload: Vec<u8>,
    pub(crate) proof: Option<Authenticated>,
}

impl ServerAuth {
    pub(crate) fn new() -> Self {
        Self {
            state: State::ExpectService,
            user: None,
            requests: 0,
        }
    }

    /// Whether the application owes an answer.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.state, State::AwaitAnswer { .. })
    }

    /// Whether the client asked for the service.
    pub(crate) fn is_begun(&self) -> bool {
        !matches!(self.state, State::ExpectService)
    }

    fn count(&mut self) -> Result<(), Error> {
        self.requests += 1;
        if self.requests > limits::AUTH_REQUESTS {
            return Err(PeerFault::TooMany("authentication requests").into());
        }
        Ok(())
    }

    /// Takes SERVICE_REQUEST: the payload to send.
    pub(crate) fn service_request(&mut self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        let request: ServiceRequest<'_> = decode(payload, "SSH_MSG_SERVICE_REQUEST")?;
        // Some clients ask again before each attempt; OpenSSH lets them.
        if !matches!(self.state, State::ExpectService) {
            self.count()?;
        }
        if self.waits() {
            return Err(self.unexpected(payload));
        }
        if request.service != names::service::USERAUTH {
            let service: String = request.service.chars().take(64).collect();
            return Err(PeerFault::NoSuchService(service).into());
        }
        self.state = State::ExpectRequest;
        Ok(ServiceAccept {
            service: names::service::USERAUTH,
        }
        .to_vec())
    }

    /// Takes a message of the numbers 50 to 79: the question for the
    /// application. `host_key` is the blob that this connection was signed with.
    pub(crate) fn handle(
        &mut self,
        payload: &[u8],
        host_key: &[u8],
        id: QuestionId,
    ) -> Result<AuthAttempt, Error> {
        let number = payload.first().copied().unwrap_or(0);
        self.count()?;
        match (number, &self.state) {
            (Request::NUMBER, State::ExpectRequest | State::ExpectResponse) => {
                let request: Request<'_> = decode(payload, "SSH_MSG_USERAUTH_REQUEST")?;
                self.request(&request, host_key, id)
            }
            (InfoResponse::NUMBER, State::ExpectResponse) => {
                let info: InfoResponse<'_> = decode(payload, "SSH_MSG_USERAUTH_INFO_RESPONSE")?;
                if info.responses.len() > limits::PROMPTS {
                    return Err(PeerFault::TooMany("answers").into());
                }
                let answers = info.responses.iter().map(|r| Secret::from(*r)).collect();
                self.state = State::AwaitAnswer {
                    id,
                    open: Open::Interactive,
                };
                let user = self.user.clone().unwrap_or_default();
                Ok(AuthAttempt {
                    id,
                    user,
                    method: Method::Responses(answers),
                })
            }
            _ => Err(self.unexpected(payload)),
        }
    }

    fn request(
        &mut self,
        request: &Request<'_>,
        host_key: &[u8],
        id: QuestionId,
    ) -> Result<AuthAttempt, Error> {
        if request.service != names::service::CONNECTION {
            let service: String = request.service.chars().take(64).collect();
            return Err(PeerFault::NoSuchService(service).into());
        }
        match &self.user {
            Some(user) if user != request.user => {
                return Err(PeerFault::UserChanged {
                    from: user.clone(),
                    to: request.user.chars().take(100).collect(),
                }
                .into());
            }
            _ => self.user = Some(request.user.to_owned()),
        }
        let (open, method) = method(&request.method, host_key)?;
        self.state = State::AwaitAnswer { id, open };
        Ok(AuthAttempt {
            id,
            user: request.user.to_owned(),
            method,
        })
    }

    /// The application decided.
    pub(crate) fn answer(
        &mut self,
        id: QuestionId,
        answer: AuthAnswer,
    ) -> Result<Answered, Misuse> {
        let open = match &self.state {
            State::AwaitAnswer { id: asked, open } if *asked == id => open.clone(),
            _ => return Err(Misuse::NoSuchQuestion),
        };
        let mut proof = None;
        let mut next = State::ExpectRequest;
        let payload = match (answer, open) {
            // A query carries no signature: it proves nothing.
            (AuthAnswer::Success, Open::Interactive | Open::Password | Open::Other) => {
                proof = Some(Authenticated(()));
                Success {}.to_vec()
            }
            (AuthAnswer::Failure { methods, partial }, _) => {
                let methods = methods.join(",");
                Failure {
                    methods: NameList::new(&methods),
                    partial,
                }
                .to_vec()
            }
            (AuthAnswer::PkOk, Open::Query { algorithm, key }) => PkOk {
                algorithm: &algorithm,
                key: &key,
            }
            .to_vec(),
            (AuthAnswer::Prompts(info), Open::Interactive) => {
                next = State::ExpectResponse;
                wire_info(&info)
            }
            (AuthAnswer::ChangePassword { prompt }, Open::Password) => PasswdChangeReq {
                prompt: prompt.as_str().into(),
                language: "",
            }
            .to_vec(),
            _ => return Err(Misuse::WrongPhase),
        };
        self.state = next;
        Ok(Answered { payload, proof })
    }

    fn unexpected(&self, payload: &[u8]) -> Error {
        let (state, expected) = match self.state {
            State::ExpectService => ("before authentication", "SSH_MSG_SERVICE_REQUEST"),
            State::ExpectRequest => ("during authentication", "SSH_MSG_USERAUTH_REQUEST"),
            State::ExpectResponse => ("during authentication", "SSH_MSG_USERAUTH_INFO_RESPONSE"),
            State::AwaitAnswer { .. } => ("during authentication", "nothing until we answer"),
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

fn wire_info(info: &InfoRequest) -> Vec<u8> {
    WireInfo {
        name: info.name.as_str().into(),
        instruction: info.instruction.as_str().into(),
        language: "",
        prompts: info
            .prompts
            .iter()
            .map(|p| WirePrompt {
                text: p.text.as_str().into(),
                echo: p.echo,
            })
            .collect(),
    }
    .to_vec()
}

/// The owned form of a request's method, and what may answer it.
fn method(body: &MethodBody<'_>, our_host_key: &[u8]) -> Result<(Open, Method), Error> {
    let publickey =
        |algorithm: &str, key: &[u8], host_key: Option<&[u8]>, signature: Option<&[u8]>| {
            let open = match signature {
                None => Open::Query {
                    algorithm: algorithm.to_owned(),
                    key: key.to_vec(),
                },
                Some(_) => Open::Other,
            };
            let method = Method::PublicKey {
                algorithm: algorithm.to_owned(),
                key: key.to_vec(),
                host_key: host_key.map(<[u8]>::to_vec),
                signature: signature.map(<[u8]>::to_vec),
            };
            (open, method)
        };
    Ok(match body {
        MethodBody::None => (Open::Other, Method::None),
        MethodBody::PublicKey {
            algorithm,
            key,
            signature,
        } => publickey(algorithm, key, None, *signature),
        MethodBody::PublicKeyHostBound {
            algorithm,
            key,
            host_key,
            signature,
        } => {
            if *host_key != our_host_key {
                return Err(PeerFault::WrongHostKeyBinding.into());
            }
            publickey(algorithm, key, Some(host_key), *signature)
        }
        MethodBody::Password { password, new } => (
            Open::Password,
            Method::Password {
                password: Secret::from(*password),
                new: new.map(Secret::from),
            },
        ),
        MethodBody::KeyboardInteractive { submethods, .. } => {
            let devices = (*submethods).to_owned();
            (Open::Interactive, Method::KeyboardInteractive { devices })
        }
        MethodBody::HostBased {
            algorithm,
            key,
            host,
            local_user,
            signature,
        } => (
            Open::Other,
            Method::HostBased {
                algorithm: (*algorithm).to_owned(),
                key: key.to_vec(),
                host: (*host).to_owned(),
                local_user: (*local_user).to_owned(),
                signature: signature.to_vec(),
            },
        ),
        MethodBody::Unknown { method, .. } => (Open::Other, Method::Unknown((*method).to_owned())),
    })
}
