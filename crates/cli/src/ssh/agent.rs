//! The user's agent, as a login uses it.

use carrick::client::Login;
use carrick_config::ssh::{ForwardAgent, Options};
use carrick_config::words::AddKeys;
use carrick_keys::PrivateKey;
use carrick_keys::agent::{AgentClient, Constraints, Identity};

use crate::agent_socket::{AUTH_SOCK, AgentSocket};
use crate::log::{debug, debug2, debug3};
use crate::prompt;
use crate::text::os_error;

/// A connection to an agent.
pub(super) struct Agent(AgentSocket);

/// Whether an agent is to be lent to the server.
pub(super) fn is_lent(options: &Options) -> bool {
    options.forward_agent != ForwardAgent::No
}

/// The agent's socket by IdentityAgent, or `SSH_AUTH_SOCK`.
pub(super) fn path(options: &Options) -> Option<String> {
    match options.identity_agent.as_deref() {
        None | Some(AUTH_SOCK) => from_env(AUTH_SOCK),
        Some(none) if none.eq_ignore_ascii_case("none") => None,
        Some(path) => named(path),
    }
}

/// A socket as an option names it: a path, or `$VARIABLE` for the one that the
/// environment has.
pub(super) fn named(path: &str) -> Option<String> {
    match path.strip_prefix('$') {
        Some(name) => from_env(name.trim_start_matches('{').trim_end_matches('}')),
        None => Some(path.to_owned()),
    }
}

fn from_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Agent {
    /// Connects to the user's agent; `None` if there is none to be had.
    pub(super) fn connect(options: &Options) -> Option<Self> {
        let path = path(options)?;
        match AgentSocket::connect(&path) {
            Ok(socket) => Some(Self(socket)),
            Err(e) => {
                debug!(
                    "get_agent_identities: ssh_get_authentication_socket: {}",
                    os_error(&e)
                );
                None
            }
        }
    }

    /// Tells it which host this session is with, so that it lets us use keys
    /// that are meant for that host alone.
    pub(super) fn bind(&mut self, login: &Login) {
        match self.0.tell(&login.session_binding().request(false)) {
            Ok(()) => debug!("get_agent_identities: bound agent to hostkey"),
            // An older agent, which has no such keys.
            Err(why) => debug2!("get_agent_identities: ssh_agent_bind_hostkey: {why}"),
        }
    }

    /// Gives it a key that was read from `file` (AddKeysToAgent).
    pub(super) fn add(&mut self, options: &Options, key: &PrivateKey, file: &str) {
        let wanted = options.add_keys_to_agent;
        let comment = key.comment();
        if wanted.mode == AddKeys::Ask
            && !prompt::permit(&format!("Add key {file} ({comment}) to agent?"))
        {
            debug3!("user denied adding this key");
            return;
        }
        let seconds = u32::try_from(wanted.lifetime.as_secs()).unwrap_or(u32::MAX);
        let constraints = Constraints {
            lifetime: (seconds > 0).then_some(seconds),
            confirm: wanted.mode == AddKeys::Confirm,
            ..Constraints::default()
        };
        let added = AgentClient::add_request(key, None, &constraints)
            .map_err(|e| e.to_string())
            .and_then(|request| self.0.tell(&request));
        match added {
            Ok(()) => debug!("identity added to agent: {file}"),
            Err(why) => debug!("could not add identity to agent: {file} ({why})"),
        }
    }

    /// The keys it has.
    pub(super) fn identities(&mut self) -> Vec<Identity> {
        match self.0.identities() {
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
        self.0.sign(key, data, algorithm)
    }
}
