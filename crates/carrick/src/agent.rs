//! Lending the user's agent to the other side: agent forwarding, by the names
//! of RFC 9987 and by OpenSSH's.
//!
//! A client asks for it with [`Session::forward_agent`](crate::Session). The
//! server then opens a channel for each program that wants to reach the agent:
//!
//! ```no_run
//! # use carrick::agent::{self, SessionBinding};
//! # async fn run(connection: carrick::Connection, binding: SessionBinding) {
//! // `binding` is from `Login::session_binding`.
//! while let Some(incoming) = connection.accept_open().await {
//!     if !agent::is_wanted_by(&incoming) {
//!         continue; // Dropped: refused.
//!     }
//!     let binding = binding.clone();
//!     tokio::spawn(async move {
//!         let socket = std::env::var_os("SSH_AUTH_SOCK").unwrap_or_default();
//!         if let Ok(agent) = tokio::net::UnixStream::connect(socket).await {
//!             let _ = agent::lend(incoming, agent, &binding).await;
//!         }
//!     });
//! }
//! # }
//! ```
//!
//! Whoever controls the other host can use the agent's keys for as long as the
//! connection lasts; it cannot take them away. An agent that knows
//! `session-bind@openssh.com` is told through which host each connection comes,
//! and can keep keys from hosts that they are not meant for.
//!
//! A server learns that forwarding is wanted by a request that
//! [`Names::asked_by`] knows, and opens a channel with [`Connection::open`] of
//! [`Names::channel`] for each program.

use std::io;

use carrick_keys::agent::{AgentClient, Request as AgentRequest, Response, SESSION_BIND};
use carrick_proto::Client;
use carrick_proto::mux::{Open, Request};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::connection::{Connection, Incoming};
use crate::error::Error;
use crate::session::Session;

/// By which names the two sides speak of agent forwarding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// `auth-agent-req@openssh.com` and `auth-agent@openssh.com`, which all
    /// that forward agents know.
    #[default]
    OpenSsh,
    /// `agent-req` and `agent-connect` (RFC 9987), for servers that list
    /// `agent-forward` in EXT_INFO.
    Rfc,
}

impl Names {
    /// The request that asks for forwarding.
    pub fn request(self) -> Request {
        match self {
            Self::OpenSsh => Request::AuthAgent,
            Self::Rfc => Request::AgentReq,
        }
    }

    /// The kind of channel that leads to the agent.
    pub fn channel(self) -> Open {
        match self {
            Self::OpenSsh => Open::AuthAgent,
            Self::Rfc => Open::AgentConnect,
        }
    }

    /// The names of a request that asks for forwarding; `None`: it asks for
    /// something else.
    pub fn asked_by(request: &Request) -> Option<Self> {
        match request {
            Request::AuthAgent => Some(Self::OpenSsh),
            Request::AgentReq => Some(Self::Rfc),
            _ => None,
        }
    }
}

/// What binds a connection to an agent to a session: the host's key, and that
/// it owns it (`session-bind@openssh.com`, OpenSSH's PROTOCOL.agent).
#[derive(Debug, Clone)]
pub struct SessionBinding {
    /// The host key's blob.
    pub host_key: Vec<u8>,
    /// The session identifier.
    pub session_id: Vec<u8>,
    /// The host key's signature over it.
    pub signature: Vec<u8>,
}

impl SessionBinding {
    /// The request to the agent, framed. `forwards`: what follows on this
    /// connection to the agent comes from the other side of the session.
    pub fn request(&self, forwards: bool) -> Vec<u8> {
        let contents =
            AgentRequest::session_bind(&self.host_key, &self.session_id, &self.signature, forwards);
        AgentClient::request(&AgentRequest::Extension {
            name: SESSION_BIND,
            contents: &contents,
        })
    }

    /// Tells an agent with which session it speaks; whether it took note.
    /// Agents that do not know the extension have no keys that depend on it.
    pub async fn tell<T>(&self, agent: &mut T, forwards: bool) -> io::Result<bool>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        agent.write_all(&self.request(forwards)).await?;
        let mut client = AgentClient::new();
        let mut buf = [0; 64];
        loop {
            let response = client.next_response().map_err(io::Error::other)?;
            if let Some(response) = response {
                return Ok(response == Response::Success);
            }
            match agent.read(&mut buf).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => client.received(buf.get(..len).unwrap_or_default()),
            }
        }
    }
}

/// Whether the channel that is asked for would lead to the agent.
pub fn is_wanted_by(incoming: &Incoming<Client>) -> bool {
    matches!(incoming.kind, Open::AuthAgent | Open::AgentConnect)
}

/// Opens the channel that the server asks for and joins it with a connection
/// to the agent, which is first told that it is lent through this session.
/// Ends with the channel. An agent that fails before is no channel: the server
/// hears a refusal.
pub async fn lend<T>(
    incoming: Incoming<Client>,
    mut agent: T,
    binding: &SessionBinding,
) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    binding.tell(&mut agent, true).await?;
    incoming.accept()?.join(agent).await
}

impl Connection<Client> {
    /// By which names this server is to be asked for agent forwarding.
    pub fn agent_names(&self) -> Names {
        self.with(|state| state.agent_names)
    }
}

impl Session {
    /// Asks the server to let the session's programs reach the user's agent.
    /// It must be asked before the program starts.
    pub async fn forward_agent(&self) -> Result<(), Error> {
        let names = self.channel().agent_names();
        if self.channel().request(names.request()).await? {
            Ok(())
        } else {
            Err(Error::RequestRefused("agent forwarding"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_together() {
        for names in [Names::OpenSsh, Names::Rfc] {
            assert_eq!(Names::asked_by(&names.request()), Some(names));
        }
        assert_eq!(Names::asked_by(&Request::Shell), None);
    }

    fn binding() -> SessionBinding {
        SessionBinding {
            host_key: b"key".to_vec(),
            session_id: b"id".to_vec(),
            signature: b"sig".to_vec(),
        }
    }

    #[tokio::test]
    async fn an_agent_may_refuse_or_know_nothing_but_must_answer() {
        for (answer, noted) in [(&b"\0\0\0\x01\x06"[..], true), (b"\0\0\0\x01\x05", false)] {
            let (mut agent, mut other) = tokio::io::duplex(1024);
            other.write_all(answer).await.unwrap();
            assert_eq!(binding().tell(&mut agent, true).await.unwrap(), noted);
            let mut asked = vec![0; binding().request(true).len()];
            other.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, binding().request(true));
        }
        let (mut agent, other) = tokio::io::duplex(1024);
        drop(other);
        assert!(binding().tell(&mut agent, true).await.is_err());
        let (mut agent, mut other) = tokio::io::duplex(1024);
        other.write_all(&[0xff; 4]).await.unwrap();
        assert!(binding().tell(&mut agent, true).await.is_err());
    }
}
