//! The machine behind the login.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use carrick_config::sshd::{ConnectionSpec, Options};
use carrick_keys::PublicKey;
use carrick_sys::identity;
use carrick_sys::passwd::{self, Account};
use carrick_sys::shadow::{self, Shadow};

use super::authorize::{self, Context, Terms};
use super::endpoint::Endpoint;
use super::hostbased;
use super::system::{Peer, System};
use crate::log::error;
use crate::rpc::preauth::HostClaim;
use crate::settings::{self, Config};

/// A longer banner is cut: it goes to the worker in one message.
const LONGEST_BANNER: u64 = 128 * 1024;

/// This machine.
pub struct Machine {
    /// The configuration.
    pub config: Rc<Config>,
    /// The client's end.
    pub peer: Endpoint,
    /// Ours.
    pub local: Endpoint,
    start: Instant,
}

impl Machine {
    /// For a connection between these ends.
    pub fn new(config: Rc<Config>, peer: Endpoint, local: Endpoint) -> Self {
        Self {
            config,
            peer,
            local,
            start: Instant::now(),
        }
    }

    /// The peer as files and patterns may name it.
    pub fn named_peer(&self) -> Peer {
        let Endpoint { address, port } = self.peer.clone();
        Peer {
            host: address.clone(),
            address,
            port,
        }
    }

    fn context<'a>(
        &'a self,
        account: &'a Account,
        options: &'a Options,
        peer: &'a Peer,
    ) -> Context<'a> {
        Context {
            account,
            options,
            peer,
            local: &self.local,
            hooks: settings::HOOKS,
            now: since_1970().as_secs(),
        }
    }
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

impl System for Machine {
    fn account(&mut self, name: &str) -> Option<Account> {
        passwd::by_name(name).unwrap_or_else(|problem| {
            error!("cannot look up user: {problem}");
            None
        })
    }

    fn shadow(&mut self, name: &str) -> Option<Shadow> {
        shadow::by_name(name).unwrap_or_else(|problem| {
            error!("cannot read the shadow database: {problem}");
            None
        })
    }

    fn groups(&mut self, account: &Account) -> Vec<String> {
        passwd::groups_of(account)
            .map(|gids| passwd::group_names(&gids))
            .unwrap_or_default()
    }

    fn can_become(&mut self, account: &Account) -> bool {
        identity::is_root() || account.uid == identity::effective_uid()
    }

    fn knows_passwords(&self) -> bool {
        identity::is_root()
    }

    fn shell_problem(&mut self, shell: &Path) -> Option<&'static str> {
        match shell.metadata() {
            Err(_) => Some("does not exist"),
            Ok(about) if !about.is_file() || about.permissions().mode() & 0o111 == 0 => {
                Some("is not executable")
            }
            Ok(_) => None,
        }
    }

    fn authorize(
        &mut self,
        account: &Account,
        options: &Options,
        key: &PublicKey,
    ) -> Option<Terms> {
        let peer = self.named_peer();
        authorize::key(&self.context(account, options, &peer), key)
    }

    fn trusts_host(
        &mut self,
        account: &Account,
        options: &Options,
        claim: &HostClaim,
        key: &PublicKey,
    ) -> bool {
        let peer = self.named_peer();
        hostbased::trusts(&self.context(account, options, &peer), claim, key)
    }

    fn options_for(&mut self, user: &str, invalid: bool) -> Result<Options, String> {
        let spec = ConnectionSpec {
            user: Some(user.to_owned()),
            invalid_user: invalid,
            host: Some(self.peer.address.clone()),
            address: Some(self.peer.address.clone()),
            local_address: Some(self.local.address.clone()),
            local_port: Some(self.local.port),
            rdomain: None,
            test: false,
        };
        let options = self
            .config
            .for_connection(&spec)
            .map_err(|problem| problem.to_string())?;
        match settings::unbuilt_in(&options) {
            None => Ok(options),
            Some(keyword) => Err(format!(
                "{keyword}, which a Match block sets, is not supported yet"
            )),
        }
    }

    fn banner(&mut self, path: &str) -> Option<String> {
        use std::io::Read;
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .ok()?
            .take(LONGEST_BANNER)
            .read_to_end(&mut bytes)
            .ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn today(&self) -> i64 {
        i64::try_from(since_1970().as_secs() / 86_400).unwrap_or(i64::MAX)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
