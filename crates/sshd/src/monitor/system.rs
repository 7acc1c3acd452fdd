//! What the login needs from the machine; a seam so that tests can put a
//! made-up machine under a hostile worker.

use std::path::Path;
use std::time::Duration;

use carrick_config::sshd::Options;
use carrick_keys::PublicKey;
use carrick_sys::passwd::Account;
use carrick_sys::shadow::Shadow;

use super::authorize::Terms;
use crate::rpc::preauth::HostClaim;

/// A user who wants in from somewhere.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address as text.
    pub address: String,
    /// The name, when UseDNS found one; else the address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The machine.
pub trait System {
    /// The account called `name`.
    fn account(&mut self, name: &str) -> Option<Account>;
    /// The account's entry in the shadow database.
    fn shadow(&mut self, name: &str) -> Option<Shadow>;
    /// The names of the groups it is in.
    fn groups(&mut self, account: &Account) -> Vec<String>;
    /// Whether this process could start a session for it.
    fn can_become(&mut self, account: &Account) -> bool;
    /// Whether passwords can be checked at all.
    fn knows_passwords(&self) -> bool;
    /// What is wrong with a login shell, in the words of the log.
    fn shell_problem(&mut self, shell: &Path) -> Option<&'static str>;
    /// The terms on which `key` lets the account in, if it does.
    fn authorize(&mut self, account: &Account, options: &Options, key: &PublicKey)
    -> Option<Terms>;
    /// Whether the host of `claim` is known by `key`, and trusted to say who
    /// its user is who wants to be `account`.
    fn trusts_host(
        &mut self,
        account: &Account,
        options: &Options,
        claim: &HostClaim,
        key: &PublicKey,
    ) -> bool;
    /// The options that hold for a user from the connection's peer.
    fn options_for(&mut self, user: &str, invalid: bool) -> Result<Options, String>;
    /// The text of the banner file.
    fn banner(&mut self, path: &str) -> Option<String>;
    /// Days since 1970.
    fn today(&self) -> i64;
    /// Seconds on a clock that only goes forward.
    fn now(&self) -> Duration;
    /// Waits.
    fn wait(&mut self, time: Duration);
}
