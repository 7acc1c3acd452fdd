//! Asking an agent: a blocking conversation over its Unix socket. It is
//! short, and nothing else could go on meanwhile.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use carrick_keys::agent::{AgentClient, AgentError, Identity, QUERY, Request, Response};
use zeroize::Zeroize as _;

/// The environment variable that names the agent's socket.
pub(crate) const AUTH_SOCK: &str = "SSH_AUTH_SOCK";

/// A connection to an agent.
pub(crate) struct AgentSocket {
    socket: UnixStream,
    client: AgentClient,
}

/// What went wrong, as OpenSSH words it.
fn fault(error: &AgentError) -> String {
    match error {
        AgentError::Refused => error.to_string(),
        _ => "invalid format".into(),
    }
}

impl AgentSocket {
    /// Connects to the agent at `path`.
    pub(crate) fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self {
            socket: UnixStream::connect(path)?,
            client: AgentClient::new(),
        })
    }

    /// Connects to the agent that `SSH_AUTH_SOCK` names; `None` if it names
    /// none.
    pub(crate) fn from_environment() -> Option<io::Result<Self>> {
        let path = std::env::var_os(AUTH_SOCK).filter(|path| !path.is_empty())?;
        Some(Self::connect(path))
    }

    /// Sends a request's bytes and waits for the answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Response, String> {
        self.exchange(request)
            .unwrap_or_else(|_| Err("communication with agent failed".into()))
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Result<Response, String>> {
        self.socket.write_all(request)?;
        let mut buf = [0; 4096];
        loop {
            match self.client.next_response() {
                Ok(Some(response)) => return Ok(Ok(response)),
                Ok(None) => {}
                Err(e) => return Ok(Err(fault(&e))),
            }
            let n = self.socket.read(&mut buf)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let got = buf.get_mut(..n).unwrap_or_default();
            self.client.received(got);
            got.zeroize();
        }
    }

    /// A request whose answer is only yes or no.
    pub(crate) fn tell(&mut self, request: &[u8]) -> Result<(), String> {
        let response = self.ask(request)?;
        AgentClient::done(response).map_err(|e| fault(&e))
    }

    /// The keys it has.
    pub(crate) fn identities(&mut self) -> Result<Vec<Identity>, String> {
        let response = self.ask(&AgentClient::request(&Request::Identities))?;
        AgentClient::identities(response).map_err(|e| fault(&e))
    }

    /// A signature blob over `data`, by the key of that blob.
    pub(crate) fn sign(
        &mut self,
        key: &[u8],
        data: &[u8],
        algorithm: &str,
    ) -> Result<Vec<u8>, String> {
        let response = self.ask(&AgentClient::sign_request(key, data, algorithm))?;
        AgentClient::signature(response, algorithm).map_err(|e| fault(&e))
    }

    /// The names of the extensions it has.
    pub(crate) fn extensions(&mut self) -> Result<Vec<String>, String> {
        let response = self.ask(&AgentClient::request(&Request::Extension {
            name: QUERY,
            contents: &[],
        }))?;
        AgentClient::extensions(response).map_err(|e| fault(&e))
    }
}
