//! Global requests (RFC 4254 section 4) and the order of their replies.

use std::collections::VecDeque;

use bytes::Bytes;
use carrick_wire::msg::connection as msg;
use carrick_wire::msg::connection::GlobalBody;

use super::text::{bytes, text};
use super::{ChannelError, ChannelEvent, Mux, MuxFault, Outbox, Role, emit};
use crate::limits;

/// A request about the connection as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GlobalRequest {
    /// `tcpip-forward` (RFC 4254 section 7.1). With port 0 the data of a
    /// success is the port chosen, as a `uint32`.
    TcpipForward {
        /// Address to listen on.
        address: String,
        /// Port to listen on.
        port: u32,
    },
    /// `cancel-tcpip-forward` (RFC 4254 section 7.1).
    CancelTcpipForward {
        /// Address as it was asked for.
        address: String,
        /// Port as it was asked for.
        port: u32,
    },
    /// `streamlocal-forward@openssh.com`.
    StreamlocalForward {
        /// Path of the socket to listen on.
        path: Vec<u8>,
    },
    /// `cancel-streamlocal-forward@openssh.com`.
    CancelStreamlocalForward {
        /// Path of the socket.
        path: Vec<u8>,
    },
    /// `keepalive@openssh.com`: never an event, as it is answered here.
    Keepalive,
    /// `no-more-sessions@openssh.com`: never an event, as it is obeyed here.
    NoMoreSessions,
    /// `hostkeys-00@openssh.com`: all host keys the server has.
    HostKeys {
        /// Public key blobs.
        keys: Vec<Vec<u8>>,
    },
    /// `hostkeys-prove-00@openssh.com`: prove that you have these keys.
    HostKeysProve {
        /// Public key blobs.
        keys: Vec<Vec<u8>>,
    },
    /// A request that this crate has no type for; never an event, as it is
    /// refused here.
    Unknown {
        /// Its name.
        name: String,
        /// What follows, encoded.
        body: Vec<u8>,
    },
}

impl GlobalRequest {
    fn from_wire(body: &GlobalBody<'_>) -> Result<Self, MuxFault> {
        Ok(match *body {
            GlobalBody::TcpipForward { address, port } => Self::TcpipForward {
                address: text("address", address)?,
                port,
            },
            GlobalBody::CancelTcpipForward { address, port } => Self::CancelTcpipForward {
                address: text("address", address)?,
                port,
            },
            GlobalBody::StreamlocalForward { path } => Self::StreamlocalForward {
                path: bytes("socket path", path)?,
            },
            GlobalBody::CancelStreamlocalForward { path } => Self::CancelStreamlocalForward {
                path: bytes("socket path", path)?,
            },
            GlobalBody::NoMoreSessions => Self::NoMoreSessions,
            GlobalBody::Keepalive => Self::Keepalive,
            GlobalBody::HostKeys { ref keys } => Self::HostKeys {
                keys: host_keys(keys)?,
            },
            GlobalBody::HostKeysProve { ref keys } => Self::HostKeysProve {
                keys: host_keys(keys)?,
            },
            GlobalBody::Unknown { name, body } => Self::Unknown {
                name: text("request name", name)?,
                body: body.to_vec(),
            },
        })
    }

    fn to_wire(&self) -> GlobalBody<'_> {
        match self {
            Self::TcpipForward { address, port } => GlobalBody::TcpipForward {
                address,
                port: *port,
            },
            Self::CancelTcpipForward { address, port } => GlobalBody::CancelTcpipForward {
                address,
                port: *port,
            },
            Self::StreamlocalForward { path } => GlobalBody::StreamlocalForward { path },
            Self::CancelStreamlocalForward { path } => {
                GlobalBody::CancelStreamlocalForward { path }
            }
            Self::Keepalive => GlobalBody::Keepalive,
            Self::NoMoreSessions => GlobalBody::NoMoreSessions,
            Self::HostKeys { keys } => GlobalBody::HostKeys {
                keys: keys.iter().map(Vec::as_slice).collect(),
            },
            Self::HostKeysProve { keys } => GlobalBody::HostKeysProve {
                keys: keys.iter().map(Vec::as_slice).collect(),
            },
            Self::Unknown { name, body } => GlobalBody::Unknown { name, body },
        }
    }
}

fn host_keys(keys: &[&[u8]]) -> Result<Vec<Vec<u8>>, MuxFault> {
    if keys.len() > limits::HOST_KEYS {
        return Err(MuxFault::TooManyHostKeys {
            max: limits::HOST_KEYS,
        });
    }
    Ok(keys.iter().map(|key| key.to_vec()).collect())
}

/// One global request, ours or the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GlobalId(u64);

/// The answer to a global request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalAnswer {
    /// Done; the data is specific to the request, and mostly empty.
    Success(Vec<u8>),
    /// Not done.
    Failure,
}

/// The replies that are due, in both directions.
#[derive(Debug)]
pub(super) struct Globals {
    next: u64,
    /// The peer's, oldest first, with the answer once there is one: replies
    /// carry no number, so they go out in the order of the requests.
    questions: VecDeque<(GlobalId, Option<GlobalAnswer>)>,
    /// Ours, oldest first.
    unreplied: VecDeque<GlobalId>,
    /// The client said `no-more-sessions@openssh.com`.
    pub(super) no_more_sessions: bool,
}

impl Globals {
    pub(super) fn new() -> Self {
        Self {
            next: 0,
            questions: VecDeque::new(),
            unreplied: VecDeque::new(),
            no_more_sessions: false,
        }
    }

    fn new_id(&mut self) -> GlobalId {
        let id = GlobalId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.questions.is_empty() && self.unreplied.is_empty()
    }
}

impl Mux {
    /// Asks something of the peer that is not about one channel. With
    /// `want_reply` a `GlobalReply` with the same id follows.
    ///
    /// `no-more-sessions@openssh.com` is sent only to peers that know it.
    pub(crate) fn global_request(
        &mut self,
        out: &mut dyn Outbox,
        request: &GlobalRequest,
        want_reply: bool,
    ) -> Result<GlobalId, ChannelError> {
        if want_reply && self.globals.unreplied.len() >= limits::PENDING_REPLIES {
            return Err(ChannelError::TooManyRequests);
        }
        let id = self.globals.new_id();
        if *request == GlobalRequest::NoMoreSessions && !self.config.openssh_peer {
            if want_reply {
                let event = ChannelEvent::GlobalReply {
                    id,
                    ok: false,
                    data: Bytes::new(),
                };
                self.events.push(event, 0);
            }
            return Ok(id);
        }
        if want_reply {
            self.globals.unreplied.push_back(id);
        }
        emit(
            out,
            &msg::GlobalRequest {
                want_reply,
                body: request.to_wire(),
            },
        );
        Ok(id)
    }

    /// Answers a global request of the peer.
    pub(crate) fn answer_global(
        &mut self,
        out: &mut dyn Outbox,
        id: GlobalId,
        answer: GlobalAnswer,
    ) -> Result<(), ChannelError> {
        let slot = self
            .globals
            .questions
            .iter_mut()
            .find(|(question, answer)| *question == id && answer.is_none())
            .ok_or(ChannelError::NotAsked)?;
        slot.1 = Some(answer);
        self.send_global_answers(out);
        Ok(())
    }

    /// Sends the answers that are due: those before the first open question.
    fn send_global_answers(&mut self, out: &mut dyn Outbox) {
        while let Some((_, Some(answer))) = self
            .globals
            .questions
            .pop_front_if(|(_, answer)| answer.is_some())
        {
            match answer {
                GlobalAnswer::Success(data) => emit(out, &msg::RequestSuccess { data: &data }),
                GlobalAnswer::Failure => emit(out, &msg::RequestFailure {}),
            }
        }
    }

    /// A global request of the peer: what needs no decision is answered at
    /// once, though in its turn.
    pub(super) fn on_global_request(
        &mut self,
        out: &mut dyn Outbox,
        message: &msg::GlobalRequest<'_>,
        len: usize,
    ) -> Result<(), MuxFault> {
        let request = GlobalRequest::from_wire(&message.body)?;
        let answer = match request {
            GlobalRequest::NoMoreSessions if self.role == Role::Server => {
                self.globals.no_more_sessions = true;
                Some(GlobalAnswer::Success(Vec::new()))
            }
            GlobalRequest::NoMoreSessions
            | GlobalRequest::Keepalive
            | GlobalRequest::Unknown { .. } => Some(GlobalAnswer::Failure),
            _ => None,
        };
        let decided = answer.is_some();
        let mut reply = None;
        if message.want_reply {
            if self.globals.questions.len() >= limits::PENDING_GLOBAL_REQUESTS {
                let max = limits::PENDING_GLOBAL_REQUESTS;
                return Err(MuxFault::TooManyGlobalRequests { max });
            }
            let id = self.globals.new_id();
            self.globals.questions.push_back((id, answer));
            reply = Some(id);
        }
        if decided {
            self.send_global_answers(out);
        } else {
            self.events
                .push(ChannelEvent::GlobalRequest { request, reply }, len);
        }
        Ok(())
    }

    /// The peer's reply to the oldest of our global requests.
    pub(super) fn on_global_reply(&mut self, ok: bool, data: Bytes) -> Result<(), MuxFault> {
        let id = self
            .globals
            .unreplied
            .pop_front()
            .ok_or(MuxFault::UnexpectedGlobalReply)?;
        let len = data.len();
        self.events
            .push(ChannelEvent::GlobalReply { id, ok, data }, len);
        Ok(())
    }
}
