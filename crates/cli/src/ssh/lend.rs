//! Lending the user's agent to the server (ForwardAgent).
//!
//! What could a hostile server do with it? Use every key in the agent, while
//! the connection lasts, for whatever it likes: that is what lending means, and
//! why it is off by default. It reaches nothing else: each of its channels leads
//! to a fresh connection to the agent, which is told first through which host
//! it comes, so that keys meant for other hosts stay out of reach. A server
//! that was not asked to borrow the agent gets nothing.

use std::sync::Arc;

use carrick::agent::SessionBinding;
use carrick::{Client, Incoming};
use carrick_config::ssh::{ForwardAgent, Options};
use tokio::net::UnixStream;

use super::agent;
use crate::agent_socket::AgentSocket;
use crate::log::{debug, debug2, error};
use crate::text::os_error;

/// What lends the agent at one socket through one session.
pub(super) struct Lender {
    socket: String,
    binding: SessionBinding,
}

impl Lender {
    /// Lends what the options say; `None`: nothing, or there is no agent.
    pub(super) fn new(options: &Options, binding: SessionBinding) -> Option<Arc<Self>> {
        let socket = match &options.forward_agent {
            ForwardAgent::No => return None,
            ForwardAgent::Yes => agent::path(options)?,
            ForwardAgent::Socket(path) => agent::named(path)?,
        };
        // A server is not bothered about an agent that is not there.
        if let Err(problem) = AgentSocket::connect(&socket) {
            debug!(
                "check_agent_present: ssh_get_authentication_socket: {}",
                os_error(&problem)
            );
            return None;
        }
        Some(Arc::new(Self { socket, binding }))
    }

    /// Serves one channel, to its end. An agent that cannot be had is a refusal.
    async fn serve(&self, incoming: Incoming<Client>) {
        let agent = UnixStream::connect(&self.socket).await;
        let mut agent = match agent {
            Ok(agent) => agent,
            Err(problem) => {
                let why = os_error(&problem);
                debug!("client_request_agent: ssh_get_authentication_socket: {why}");
                return;
            }
        };
        match self.binding.tell(&mut agent, true).await {
            Ok(true) => debug!("client_request_agent: bound agent to hostkey"),
            Ok(false) => debug2!("client_request_agent: agent does not bind to hosts"),
            Err(problem) => {
                debug!("client_request_agent: {}", os_error(&problem));
                return;
            }
        }
        let Ok(channel) = incoming.accept() else {
            // The connection has ended.
            return;
        };
        debug!("channel {}: new agent-connection", channel.id());
        if let Err(problem) = channel.join(agent).await {
            debug2!("agent connection: {}", os_error(&problem));
        }
    }
}

/// Has one channel that the server asks for lead to the agent, in a task of its
/// own: one slow answer makes no other wait.
pub(super) fn lend(lender: Option<&Arc<Lender>>, incoming: Incoming<Client>) {
    let Some(lender) = lender.map(Arc::clone) else {
        error!("Warning: ssh server tried agent forwarding.");
        error!("Warning: this is probably a break-in attempt by a malicious server.");
        return;
    };
    tokio::spawn(async move { lender.serve(incoming).await });
}
