//! The login: a machine that is fed the worker's questions and decides each
//! by itself. It takes no claim from the worker but what the user sent.
//!
//! The order of checks, the counting of failures and the lines in the log
//! are OpenSSH's.

use std::time::Duration;

use carrick_config::sshd::Options;
use carrick_config::words::PermitRootLogin;
use carrick_crypto::hash::HashAlg;
use carrick_keys::PublicKey;
use carrick_proto::auth::publickey_signed_data;
use carrick_sys::passwd::Account;
use carrick_sys::shadow::Shadow;
use carrick_wire::Secret;

use super::account;
use super::methods::Ways;
use super::password;
use super::sign::{FirstExchange, Violation};
use super::system::{Peer, System};
use super::{EXIT_ATTEMPTED, EXIT_INVALID_USER, EXIT_REFUSED};
use crate::listener::EXIT_FATAL;
use crate::log::{self, Level, debug, error, info, verbose};
use crate::rpc::preauth::{Attempt, Greeting, Judged, KeyClaim, Method, Prompts, Verdict};

/// The only service (RFC 4254 section 1).
const CONNECTION: &str = "ssh-connection";
/// RFC 4253 section 11.1.
const PROTOCOL_ERROR: u32 = 2;
/// More attempts than any client makes in good faith.
const MAX_ATTEMPTS: u32 = 1024;
/// The least time that a refusal takes, and the most that it is stretched to.
const REFUSAL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(5));

/// The proof that a user is in. Only [`Login`] makes one.
#[derive(Debug)]
pub struct Authenticated {
    account: Account,
    options: Options,
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
    /// Keys that were good for an earlier step.
    used_keys: Vec<Vec<u8>>,
    change_password: bool,
}

/// How one method went.
enum Outcome {
    Good,
    Bad,
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
    /// Names the key in the line on it.
    key_note: Option<String>,
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
            key_note: None,
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
        self.key_note = None;
        let name = method_name(&ask.method).to_owned();
        let open = self
            .candidate
            .as_ref()
            .is_some_and(|who| who.ways.allows(&name));
        let outcome = if open && self.failures < self.options.max_auth_tries {
            self.try_method(exchange, ask.method)
        } else {
            Outcome::Bad
        };
        self.finish(start, &name, None, outcome, greeting)
    }

    /// Decides the answer to a prompt (RFC 4256 section 3.4).
    pub fn responses(&mut self, responses: &[Secret]) -> Result<Step, Violation> {
        if !std::mem::take(&mut self.prompting) {
            return Err(Violation("answer to a prompt that was not shown"));
        }
        let start = self.system.now();
        self.key_note = None;
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
        let told = self.options.pubkey_accepted_algorithms.clone();
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
        let own = &self.options.pubkey_accepted_algorithms;
        Ok(Greeting {
            banner,
            user_key_algorithms: (*own != told).then(|| own.clone()),
        })
    }

    fn try_method(&mut self, exchange: &FirstExchange, method: Method) -> Outcome {
        let good = match method {
            Method::None => {
                self.options.permit_empty_passwords
                    && self.options.password_authentication
                    && self.system.knows_passwords()
                    && self.check_password(&Secret::default())
            }
            Method::Password((_, Some(_))) => {
                info!("password change not supported");
                false
            }
            Method::Password((password, None)) => self.check_password(&password),
            Method::PublicKey(claim) => return self.check_key(exchange, &claim),
            Method::KeyboardInteractive(_) => {
                self.prompting = true;
                return Outcome::Postponed(Verdict::Prompts(Prompts {
                    name: String::new(),
                    instruction: String::new(),
                    prompts: vec![("Password: ".to_owned(), false)],
                }));
            }
            Method::Other(_) => false,
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

    /// Decides on a public key: whether it would do, or whether the
    /// signature is good (RFC 4252 section 7).
    fn check_key(&mut self, exchange: &FirstExchange, claim: &KeyClaim) -> Outcome {
        let Some(who) = &self.candidate else {
            return Outcome::Bad;
        };
        let Some(key) = self.acceptable_key(exchange, who, claim) else {
            return Outcome::Bad;
        };
        let print = key.fingerprint(crate::settings::fingerprint_hash(&self.options));
        self.key_note = Some(format!("{} {print}", key.short_name()));
        let Some(account) = who.account.clone() else {
            return Outcome::Bad;
        };
        if !self.system.lists_key(&account, &self.options, &key) {
            return Outcome::Bad;
        }
        let Some(signature) = &claim.signature else {
            return Outcome::Postponed(Verdict::KeyWouldDo);
        };
        let Some(who) = &mut self.candidate else {
            return Outcome::Bad;
        };
        let message = publickey_signed_data(
            exchange.session_id(),
            &who.signs_as,
            &claim.algorithm,
            &claim.key,
            claim.host_key.as_deref(),
        );
        match key.verify(&message, signature, Some(&[claim.algorithm.as_str()])) {
            Ok(_) => {
                who.used_keys.push(claim.key.clone());
                Outcome::Good
            }
            Err(problem) => {
                debug!(
                    "signature of {} key not accepted: {problem}",
                    key.short_name()
                );
                Outcome::Bad
            }
        }
    }

    /// The key, if keys of this kind are taken and it was not used before.
    fn acceptable_key(
        &self,
        exchange: &FirstExchange,
        who: &Candidate,
        claim: &KeyClaim,
    ) -> Option<PublicKey> {
        if claim
            .host_key
            .as_deref()
            .is_some_and(|host_key| host_key != exchange.host_key())
        {
            error!("publickey request is bound to another host key");
            return None;
        }
        let Some(algorithm) = carrick_keys::algorithm::find(&claim.algorithm) else {
            verbose!("unsupported public key algorithm: {}", claim.algorithm);
            return None;
        };
        let key = match PublicKey::from_blob(&claim.key) {
            Ok(key) => key,
            Err(problem) => {
                error!("cannot read public key: {problem}");
                return None;
            }
        };
        if key.key_type() != algorithm.key_type {
            let (is, wanted) = (key.key_type(), algorithm.key_type);
            error!("type mismatch for decoded key (received {is}, expected {wanted})");
            return None;
        }
        if who.used_keys.contains(&claim.key) {
            info!("refusing previously-used {} key", key.short_name());
            return None;
        }
        if !self
            .options
            .pubkey_accepted_algorithms
            .contains(&claim.algorithm)
        {
            info!(
                "signature algorithm {} not in PubkeyAcceptedAlgorithms",
                claim.algorithm
            );
            return None;
        }
        if key.is_rsa_below(self.options.required_rsa_size) {
            info!("refusing RSA key: Invalid key length");
            return None;
        }
        Some(key)
    }

    /// Counts, logs, and makes the answer.
    fn finish(
        &mut self,
        start: Duration,
        method: &str,
        device: Option<&str>,
        outcome: Outcome,
        greeting: Greeting,
    ) -> Result<Step, Violation> {
        let mut partial = false;
        let mut good = false;
        let postponed = match outcome {
            Outcome::Postponed(verdict) => Some(verdict),
            Outcome::Bad => None,
            Outcome::Good => {
                good = self.root_may(method);
                if good
                    && let Some(who) = &mut self.candidate
                    && !who.ways.done(method)
                {
                    good = false;
                    partial = true;
                }
                None
            }
        };
        self.log_attempt(method, device, good, partial, postponed.is_some());
        if let Some(verdict) = postponed {
            return Ok(Step::Answer(Judged { greeting, verdict }));
        }
        if good {
            let who = self.candidate.take().ok_or(Violation("login of nobody"))?;
            let account = who.account.ok_or(Violation("login of an invalid user"))?;
            return Ok(Step::In(
                greeting,
                Box::new(Authenticated {
                    account,
                    options: self.options.clone(),
                    change_password: who.change_password,
                }),
            ));
        }
        if method != "none" {
            self.stretch(start);
        }
        if !partial && (self.attempts > 1 || method != "none") {
            self.failures += 1;
        }
        if self.failures >= self.options.max_auth_tries {
            let (whom, Peer { address, port, .. }) = (self.whom(), &self.peer);
            error!(
                "maximum authentication attempts exceeded for {whom} from {address} port {port} ssh2"
            );
            return Ok(end("Too many authentication failures".to_owned()));
        }
        let names = self
            .candidate
            .as_ref()
            .map(|who| who.ways.names())
            .unwrap_or_default();
        Ok(Step::Answer(Judged {
            greeting,
            verdict: Verdict::Failure((names, partial)),
        }))
    }

    fn root_may(&self, method: &str) -> bool {
        let root = self
            .candidate
            .as_ref()
            .and_then(|who| who.account.as_ref())
            .is_some_and(|account| account.uid == 0);
        // `forced-commands-only` waits for options in authorized_keys.
        let may = match self.options.permit_root_login {
            PermitRootLogin::Yes => true,
            PermitRootLogin::ProhibitPassword => method == "publickey",
            _ => false,
        };
        if root && !may {
            info!(
                "ROOT LOGIN REFUSED FROM {} port {}",
                self.peer.address, self.peer.port
            );
        }
        !root || may
    }

    fn whom(&self) -> String {
        self.candidate.as_ref().map_or_else(String::new, |who| {
            let mark = if who.account.is_some() {
                ""
            } else {
                "invalid user "
            };
            format!("{mark}{}", who.user)
        })
    }

    fn log_attempt(
        &self,
        method: &str,
        device: Option<&str>,
        good: bool,
        partial: bool,
        postponed: bool,
    ) {
        let valid = self
            .candidate
            .as_ref()
            .is_some_and(|who| who.account.is_some());
        let many = self.failures >= self.options.max_auth_tries / 2;
        let level = if good || !valid || many || method == "password" {
            Level::Info
        } else {
            Level::Verbose
        };
        let word = match (postponed, partial, good) {
            (true, ..) => "Postponed",
            (_, true, _) => "Partial",
            (_, _, true) => "Accepted",
            _ => "Failed",
        };
        let Peer { address, port, .. } = &self.peer;
        let device = device.map_or_else(String::new, |device| format!("/{device}"));
        let note = self
            .key_note
            .as_ref()
            .map_or_else(String::new, |note| format!(": {note}"));
        let whom = self.whom();
        log::write(
            level,
            format_args!(
                "{word} {method}{device} for {whom} from {address} port {port} ssh2{note}"
            ),
        );
    }

    /// Waits until a refusal has taken a time that depends on the user's name
    /// in a way only this daemon knows, so that it tells nothing about the user.
    fn stretch(&mut self, start: Duration) {
        let user = self.candidate.as_ref().map_or("", |who| who.user.as_str());
        let digest = HashAlg::Sha512.digest(&[format!("{}{user}", self.delay_salt).as_bytes()]);
        let number = digest
            .first_chunk()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let mut whole = REFUSAL.0 + Duration::from_nanos(u64::from(number) / 1000);
        let elapsed = self.system.now().saturating_sub(start);
        if elapsed > REFUSAL.1 {
            return;
        }
        while whole < elapsed {
            whole *= 2;
        }
        self.system.wait(whole.saturating_sub(elapsed));
    }
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::None => "none",
        Method::Password(_) => "password",
        Method::PublicKey(_) => "publickey",
        Method::KeyboardInteractive(_) => "keyboard-interactive",
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
#[path = "login_tests.rs"]
mod tests;
