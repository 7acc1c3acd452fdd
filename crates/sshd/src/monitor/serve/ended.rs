//! The end of a connection in the log, in OpenSSH's words: what watches logs
//! (fail2ban and its like) looks for them.

use std::fmt;

use super::super::endpoint::Endpoint;
use super::Connection;
use crate::log::{error, info};
use crate::rpc::preauth::Ending;

impl Connection {
    /// "user name 192.0.2.1 port 22".
    pub(super) fn named(&self, who: &str) -> impl fmt::Display {
        format!("{who}{} port {}", self.peer.address, self.peer.port)
    }

    /// Logs how it ended, with `mark` behind each line.
    pub(super) fn log_end(&self, ending: &Ending, who: &str, mark: &str) {
        let Endpoint { address, port } = &self.peer;
        let id = self.named(who);
        match ending {
            Ending::Closed => info!("Connection closed by {id}{mark}"),
            Ending::Reset => info!("Connection reset by {id}{mark}"),
            Ending::Silent => info!("Timeout, client not responding from {id}{mark}"),
            Ending::Goodbye((code, text)) => {
                info!("Received disconnect from {address} port {port}:{code}: {text}{mark}");
                info!("Disconnected from {id}{mark}");
            }
            Ending::NoCommon((what, offer)) => {
                info!(
                    "Unable to negotiate with {id}: no matching {what} found. Their offer: {offer}{mark}"
                );
            }
            Ending::BadIdent(text) => {
                error!("kex_exchange_identification: {text}{mark}");
                info!("banner exchange: Connection from {id}: invalid format{mark}");
            }
            Ending::Fault(text) => {
                info!("ssh_dispatch_run_fatal: Connection from {id}: {text}{mark}");
            }
            Ending::Ours => info!("Disconnected from {id}{mark}"),
        }
    }
}
