//! The login: a machine that is fed the worker's questions and decides each
//! by itself. It takes no claim from the worker but what the user sent.
//!
//! The order of checks, the counting of failures and the lines in the log
//! are OpenSSH's.

mod hostbased;
mod key;
mod outcome;

use carrick_config::sshd::Options;
use carrick_config::words::PermitRootLogin;
use carrick_keys::PublicKey;
use carrick_sys::passwd::Account;
use carrick_sys::shadow::Shadow;
use carrick_wire::Secret;

use super::account;
use super::authorize::Terms;
use super::methods::Ways;
use super::password;
use super::sign::{FirstExchange, Violation};
use super::system::{Peer, System};
use super::{EXIT_ATTEMPTED, EXIT_INVALID_USER, EXIT_REFUSED};
use crate::listener::EXIT_FATAL;
use crate::log::{self, error, info};
use crate::rpc::permissions::Permissions;
use crate::rpc::preauth::{Attempt, Greeting, Judged, Method, Prompts, Verdict};

/// The only service (RFC 4254 section 1).
const CONNECTION: &str = "ssh-connection";
/// RFC 4253 section 11.1.
const PROTOCOL_ERROR: u32 = 2;
/// More attempts than any client makes in good faith.
const MAX_ATTEMPTS: u32 = 1024;

/// The proof that a user is in. Only [`Login`] makes one.
#[derive(Debug)]
pub struct Authenticated {
    account: Account,
    options: Options,
    terms: Terms,
    steps: String,
    change_password: bool,
}

impl Authenticated {
    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The options that hold for it.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What the login permits, beside the options.
    pub fn permissions(&self) -> &Permissions {
        &self.terms.permissions
    }

    /// Logs what holds for the session.
    pub fn tell(&self) {
        self.terms.tell(&self.options, "active");
    }

    /// How it was gone through, a line a step: the method, and what was shown
    /// for it (ExposeAuthInfo).
    pub fn steps(&self) -> &str {
        &self.steps
    }

    /// Whether the password is too old to be used for anything but changing it.
    pub fn must_change_password(&self) -> bool {
        self.change_password
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this and go on.
    Answer(Judged),
    /// Send this and end the connection.
    End(Judged),
    /// The user is in; the greeting may still have to go out.
    In(Greeting, Box<Authenticated>),
}

/// Who tries to log in: fixed by the first attempt.
struct Candidate {
    user: String,
    /// The name as the client wrote it, which its signatures cover.
    signs_as: String,
    service: String,
    /// `None` if there is no such account or it may not log in.
    account: Option<Account>,
    ways: Ways,
    /// Keys that were good for an earlier step, without their certificates.
    used_keys: Vec<PublicKey>,
    /// The terms of all steps up to now.
    terms: Terms,
    /// The steps that were good, for ExposeAuthInfo.
    steps: String,
    change_password: bool,
}

/// How one method went.
enum Outcome {
    Good,
    Bad,
    /// Nothing of the user's was looked at: there is no line on it in the
    /// log, as there is none in OpenSSH's.
    Unheard,
    /// Not decided yet: this goes back to the client.
    Postponed(Verdict),
}

/// The login of one connection.
pub struct Login<S> {
    system: S,
    options: Options,
    peer: Peer,
    candidate: Option<Candidate>,
    /// A prompt is out, the answer to which is awaited.
    prompting: bool,
    attempts: u32,
    failures: u32,
    /// RefuseConnection ended it.
    refused: bool,
    delay_salt: u64,
    shown: Shown,
}

/// What the user showed at an attempt.
#[derive(Default)]
struct Shown {
    /// For the line in the log on it.
    note: Option<String>,
    /// For the line in the session's list of steps.
    proof: String,
}

impl<S: System> Login<S> {
    /// A login from `peer`. `delay_salt` is a secret number of the daemon.
    pub fn new(system: S, options: Options, peer: Peer, delay_salt: u64) -> Self {
        Self {
            system,
            options,
            peer,
            candidate: None,
            prompting: false,
            attempts: 0,
            failures: 0,
            refused: false,
            delay_salt,
            shown: Shown::default(),
        }
    }

    /// The user's name as log lines give it: nothing before the first attempt.
    pub fn who(&self) -> Option<(String, bool)> {
        self.candidate
            .as_ref()
            .map(|who| (who.user.clone(), who.account.is_some()))
    }

    /// The exit status of a monitor whose login came to nothing.
    pub fn exit_status(&self) -> u8 {
        match &self.candidate {
            _ if self.refused => EXIT_REFUSED,
            Some(who) if self.failures > 0 && who.account.is_none() => EXIT_INVALID_USER,
            Some(_) if self.failures > 0 => EXIT_ATTEMPTED,
            _ => EXIT_FATAL,
        }
    }

    /// Decides an attempt.
    pub fn attempt(
        &mut self,
        exchange: Option<&FirstExchange>,
        ask: Attempt,
    ) -> Result<Step, Violation> {
        let exchange = exchange.ok_or(Violation("login before the key exchange"))?;
        let start = self.system.now();
        // A new request abandons a prompt (RFC 4252 section 5.1).
        self.prompting = false;
        self.attempts += 1;
        // `user:style`: no method here has styles.
        let user = ask
            .user
            .split_once(':')
            .map_or(ask.user.as_str(), |(user, _)| user)
            .to_owned();
        let mut greeting = Greeting::default();
        match &self.candidate {
            None => match self.begin(user, ask.user, ask.service) {
                Ok(first) => greeting = first,
                Err(end) => return Ok(end),
            },
            Some(who) if who.user != user || who.service != ask.service => {
                let text = format!(
                    "Change of username or service not allowed: ({},{}) -> ({user},{})",
                    who.user, who.service, ask.service
                );
                return Ok(end(text));
            }
            Some(_) if self.attempts > MAX_ATTEMPTS => {
                return Ok(end("too many attempts".to_owned()));
            }
            Some(_) => {}
        }
        self.shown = Shown::default();
        let name = method_name(&ask.method).to_owned();
        let open = self
            .candidate
            .as_ref()
            .is_some_and(|who| who.ways.allows(&name));
        let outcome = if open && self.failures < self.options.max_auth_tries {
            self.try_method(exchange, ask.method)
        } else {
            Outcome::Unheard
        };
        self.finish(start, &name, None, outcome, greeting)
    }

    /// Decides the answer to a prompt (RFC 4256 section 3.4).
    pub fn responses(&mut self, responses: &[Secret]) -> Result<Step, Violation> {
        if !std::mem::take(&mut self.prompting) {
            return Err(Violation("answer to a prompt that was not shown"));
        }
        let start = self.system.now();
        self.shown = Shown::default();
        let good = match responses {
            [password] => self.check_password(password),
            // A client's mistake, not the worker's.
            _ => false,
        };
        let outcome = if good { Outcome::Good } else { Outcome::Bad };
        self.finish(
            start,
            "keyboard-interactive",
            Some("bsdauth"),
            outcome,
            Greeting::default(),
        )
    }

    /// Looks the user up. The error is what ends the connection.
    fn begin(&mut self, user: String, signs_as: String, service: String) -> Result<Greeting, Step> {
        let told = signature_names(&self.options.pubkey_accepted_algorithms);
        let found = self.system.account(&user);
        match self.system.options_for(&user, found.is_none()) {
            Ok(options) => self.options = options,
            Err(problem) => {
                error!("{problem}");
                return Err(end("internal error".to_owned()));
            }
        }
        log::set_level(crate::settings::level_of(self.options.log_level));
        if found.is_none() {
            let Peer { address, port, .. } = &self.peer;
            info!("Invalid user {user} from {address} port {port}");
        }
        let account = found
            .filter(|account| {
                account::is_allowed(&mut self.system, &self.options, account, &self.peer)
            })
            .filter(|_| service == CONNECTION);
        if self.options.refuse_connection {
            let who = if account.is_some() {
                ""
            } else {
                "invalid user "
            };
            let Peer { address, port, .. } = &self.peer;
            info!(
                "administratively prohibited connection for {who}{user} from {address} port {port}"
            );
            self.refused = true;
            return Err(end("Connection refused".to_owned()));
        }
        let Some(ways) = Ways::new(&self.options, self.system.knows_passwords()) else {
            return Err(end("no authentication methods enabled".to_owned()));
        };
        self.candidate = Some(Candidate {
            user,
            signs_as,
            service,
            account,
            ways,
            used_keys: Vec::new(),
            terms: Terms::default(),
            steps: String::new(),
            change_password: false,
        });
        let path = self
            .options
            .banner
            .clone()
            .filter(|path| !path.eq_ignore_ascii_case("none"));
        let banner = path
            .and_then(|path| self.system.banner(&path))
            .filter(|text| !text.is_empty());
        let own = signature_names(&self.options.pubkey_accepted_algorithms);
        Ok(Greeting {
            banner,
            user_key_algorithms: (own != told).then_some(own),
        })
    }

    fn try_method(&mut self, exchange: &FirstExchange, method: Method) -> Outcome {
        let good = match method {
            Method::None => {
                let may_be = self.options.permit_empty_passwords
                    && self.options.password_authentication
                    && self.system.knows_passwords();
                if !may_be {
                    return Outcome::Unheard;
                }
                self.check_password(&Secret::default())
            }
            Method::Password((_, Some(_))) => {
                info!("password change not supported");
                false
            }
            Method::Password((password, None)) => self.check_password(&password),
            Method::PublicKey(claim) => return self.check_key(exchange, &claim),
            Method::HostBased(claim) => return self.check_host(exchange, &claim),
            Method::KeyboardInteractive(_) => {
                self.prompting = true;
                return Outcome::Postponed(Verdict::Prompts(Prompts {
                    name: String::new(),
                    instruction: String::new(),
                    prompts: vec![("Password: ".to_owned(), false)],
                }));
            }
            Method::Other(_) => return Outcome::Unheard,
        };
        if good { Outcome::Good } else { Outcome::Bad }
    }

    /// Whether the password is the candidate's. Takes its time for a user
    /// that does not exist as well.
    fn check_password(&mut self, password: &Secret) -> bool {
        let Some(who) = &mut self.candidate else {
            return false;
        };
        if password.expose().len() > password::LONGEST_PASSWORD
            || (password.expose().is_empty() && !self.options.permit_empty_passwords)
        {
            return false;
        }
        let Some(account) = &who.account else {
            let like = self.system.shadow("root");
            password::pretend(like.as_ref().map(|entry| entry.hash.as_slice()), password);
            return false;
        };
        let shadow = self.system.shadow(&account.name);
        let hash = shadow
            .as_ref()
            .map_or(account.password.as_slice(), |entry| &entry.hash);
        if !hash.is_empty() && !password::is_known(hash) {
            password::pretend(None, password);
            return false;
        }
        let good = password::matches(hash, password);
        let root_may = self.options.permit_root_login == PermitRootLogin::Yes;
        if account.uid == 0 && !root_may {
            return false;
        }
        if good && shadow.is_some_and(|entry| is_too_old(&entry, self.system.today())) {
            info!("User {} password has expired", account.name);
            who.change_password = true;
        }
        good
    }
}

/// What a client is told (`server-sig-algs`, RFC 8308 section 3.1) of the
/// algorithms that are accepted: the signatures, for a certificate's are
/// those of the key in it.
pub fn signature_names(accepted: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in accepted {
        let found = carrick_keys::algorithm::find(name);
        let signature = found.map_or(name.as_str(), |algorithm| algorithm.signature);
        if !names.iter().any(|known| known == signature) {
            names.push(signature.to_owned());
        }
    }
    names
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::None => "none",
        Method::Password(_) => "password",
        Method::PublicKey(_) => "publickey",
        Method::KeyboardInteractive(_) => "keyboard-interactive",
        Method::HostBased(_) => "hostbased",
        Method::Other(name) => name,
    }
}

fn end(text: String) -> Step {
    Step::End(Judged {
        greeting: Greeting::default(),
        verdict: Verdict::Disconnect((PROTOCOL_ERROR, text)),
    })
}

/// Whether the password must be changed before anything else.
fn is_too_old(shadow: &Shadow, today: i64) -> bool {
    match (shadow.changed, shadow.max) {
        (Some(0), _) => true,
        (Some(changed), Some(max)) if max >= 0 => today > changed + max,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
