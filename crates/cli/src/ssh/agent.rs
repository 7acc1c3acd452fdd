//! Asking the agent: a blocking conversation over its Unix socket. It is
//! short, and nothing else could go on meanwhile.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use carrick_config::ssh::Options;
use carrick_keys::agent::{AgentClient, Identity, Request, Response};

use crate::log::debug;
use crate::text::os_error;

/// A connection to an agent.
pub(super) struct Agent {
    socket: UnixStream,
    client: AgentClient,
}

/// The agent's socket by IdentityAgent, or `SSH_AUTH_SOCK`.
fn path(options: &Options) -> Option<String> {
    let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    match options.identity_agent.as_deref() {
        None | Some("SSH_AUTH_SOCK") => env("SSH_AUTH_SOCK"),
        Some(none) if none.eq_ignore_ascii_case("none") => None,
        Some(path) => match path.strip_prefix('$') {
            Some(name) => env(name.trim_start_matches('{').trim_end_matches('}')),
            None => Some(path.to_owned()),
        },
    }
}

impl Agent {
    /// Connects to the user's agent; `None` if there is none to be had.
    pub(super) fn connect(options: &Options) -> Option<Self> {
        let path = path(options)?;
        match UnixStream::connect(&path) {
            Ok(socket) => Some(Self {
                socket,
                client: AgentClient::new(),
            }),
            Err(e) => {
                debug!(
                    "get_agent_identities: ssh_get_authentication_socket: {}",
                    os_error(&e)
                );
                None
            }
        }
    }

    fn ask(&mut self, request: &[u8]) -> Result<Response, String> {
        let io = |e: io::Error| format!("communication with agent failed: {}", os_error(&e));
        self.socket.write_all(request).map_err(io)?;
        let mut buf = [0; 4096];
        loop {
            if let Some(response) = self.client.next_response().map_err(|e| e.to_string())? {
                return Ok(response);
            }
            match self.socket.read(&mut buf).map_err(io)? {
                0 => return Err("communication with agent failed".into()),
                n => self.client.received(buf.get(..n).unwrap_or_default()),
            }
        }
    }

    /// The keys it has.
    pub(super) fn identities(&mut self) -> Vec<Identity> {
        let list = self
            .ask(&AgentClient::request(&Request::Identities))
            .and_then(|r| AgentClient::identities(r).map_err(|e| e.to_string()));
        match list {
            Ok(list) => {
                debug!("get_agent_identities: agent returned {} keys", list.len());
                list
            }
            Err(why) => {
                debug!("get_agent_identities: ssh_fetch_identitylist: {why}");
                Vec::new()
            }
        }
    }

    /// A signature blob.
    pub(super) fn sign(
        &mut self,
        key: &[u8],
        data: &[u8],
        algorithm: &str,
    ) -> Result<Vec<u8>, String> {
        let response = self.ask(&AgentClient::sign_request(key, data, algorithm))?;
        AgentClient::signature(response, algorithm).map_err(|e| e.to_string())
    }
}
