//! Logging in: the methods in turn, with what the user has and knows.

use std::io::Write as _;
use std::os::fd::BorrowedFd;

use carrick::client::{AuthReply, Login};
use carrick_config::ssh::Options;
use carrick_config::words::{AddKeys, PubkeyAuth};
use carrick_keys::{PrivateKey, PublicKey};
use carrick_wire::Secret;
use zeroize::Zeroizing;

use super::agent::Agent;
use super::hardware;
use super::hostbased::{self, HostKeys};
use super::identity::{self, Identity};
use super::identity_file::{self, Files};
use super::methods::{Method, Methods};
use crate::log::{self, Level, debug, debug2, debug3, error, info, verbose};
use crate::pkcs11::Provider;
use crate::prompt::{Ask, ask_or_empty};
use crate::text::visible;

/// How the login ended.
pub(super) enum Outcome {
    /// In, by this method.
    In(&'static str),
    /// Out; the text to end with.
    Denied(String),
}

/// One login.
pub(super) struct Authenticator<'a> {
    options: &'a Options,
    login: &'a mut Login,
    user: &'a str,
    /// As prompts name it.
    host: &'a str,
    methods: Methods,
    agent: Option<Agent>,
    tokens: Option<Provider>,
    /// Read, and not ordered yet.
    files: Option<Files>,
    host_keys: HostKeys,
    /// Our end of the connection, unless a proxy has it.
    socket: Option<BorrowedFd<'a>>,
    identities: Vec<Identity>,
    /// How many of them were offered; the last of those is the present one.
    offered: usize,
    passwords: u32,
    interactions: u32,
    /// keyboard-interactive has asked something.
    was_asked: bool,
}

impl<'a> Authenticator<'a> {
    /// `files` are the keys to try; `trusted`: the host key is good enough to
    /// type a password to.
    pub(super) fn new(
        options: &'a Options,
        login: &'a mut Login,
        files: Files,
        socket: Option<BorrowedFd<'a>>,
        trusted: bool,
    ) -> Self {
        let interactive = trusted && !options.batch_mode;
        let mut enabled = Vec::new();
        if options.hostbased_authentication {
            enabled.push(Method::HostBased);
        }
        if options.pubkey_authentication != PubkeyAuth::No {
            enabled.push(Method::PublicKey);
        }
        if options.kbd_interactive_authentication && interactive {
            enabled.push(Method::KeyboardInteractive);
        }
        if options.password_authentication && interactive {
            enabled.push(Method::Password);
        }
        login.allow_host_bound(options.pubkey_authentication != PubkeyAuth::Unbound);
        let methods = Methods::new(options.preferred_authentications.as_deref(), enabled);
        Self {
            options,
            login,
            user: &options.user,
            host: options.host_key_alias.as_ref().unwrap_or(&options.hostname),
            methods,
            agent: None,
            tokens: None,
            files: Some(files),
            host_keys: HostKeys::load(options),
            socket,
            identities: Vec::new(),
            offered: 0,
            passwords: 0,
            interactions: 0,
            was_asked: false,
        }
    }

    /// Tries what there is until the server is content or nothing is left.
    pub(super) async fn run(mut self) -> Result<Outcome, carrick::Error> {
        let mut reply = self.login.none(self.user).await?;
        let mut name = "none";
        loop {
            self.show_banners();
            let list = match reply {
                AuthReply::Success => return Ok(Outcome::In(name)),
                AuthReply::Failure { methods, partial } => {
                    if partial {
                        verbose!("Authenticated using \"{name}\" with partial success.");
                        // Each key may count again for what is still asked.
                        self.offered = 0;
                    }
                    debug!("Authentications that can continue: {}", methods.join(","));
                    methods
                }
                // The steps of a method do not leave it with a question open.
                _ => Vec::new(),
            };
            reply = loop {
                let Some(method) = self.methods.next(&list) else {
                    return Ok(Outcome::Denied(format!(
                        "{}@{}: Permission denied ({}).",
                        self.user,
                        self.options.hostname,
                        list.join(",")
                    )));
                };
                name = method.name();
                let tried = match method {
                    Method::HostBased => {
                        let keys = &mut self.host_keys;
                        hostbased::attempt(self.options, self.login, keys, self.socket).await?
                    }
                    Method::PublicKey => self.public_key().await?,
                    Method::KeyboardInteractive => self.keyboard_interactive().await?,
                    Method::Password => self.password().await?,
                };
                match tried {
                    Some(reply) => break reply,
                    None => {
                        debug2!("we did not send a packet, disable method");
                        self.methods.disable(method);
                    }
                }
            };
        }
    }

    /// Shows what the server wants shown before login.
    fn show_banners(&mut self) {
        while let Some(text) = self.login.next_banner() {
            if log::level() >= Level::Info {
                // Nothing can be done about a stderr that is gone.
                let _ = std::io::stderr().write_all(visible(&text).as_bytes());
            }
        }
    }

    /// Offers the next key. `None`: all were offered.
    async fn public_key(&mut self) -> Result<Option<AuthReply>, carrick::Error> {
        if let Some(files) = self.files.take() {
            self.agent = Agent::connect(self.options);
            if let Some(agent) = &mut self.agent {
                agent.bind(self.login);
            }
            self.tokens = hardware::load_tokens(self.options);
            let (agent, tokens) = (self.agent.as_mut(), self.tokens.as_ref());
            self.identities = identity::collect(self.options, files, agent, tokens);
        }
        loop {
            self.offered += 1;
            let Some(current) = self.current() else {
                self.offered -= 1;
                return Ok(None);
            };
            let sent = match current.key.clone() {
                Some(key) => {
                    let description = current.describe();
                    self.offer(&key, &description).await?
                }
                None => self.try_private().await?,
            };
            if sent.is_some() {
                return Ok(sent);
            }
        }
    }

    fn algorithm_for(&self, key: &PublicKey) -> Option<String> {
        let accepted = &self.options.pubkey_accepted_algorithms;
        identity::signature_algorithm(key, accepted, self.login.server_sig_algs())
    }

    /// The identity whose turn it is.
    fn current(&self) -> Option<&Identity> {
        self.identities.get(self.offered.checked_sub(1)?)
    }

    /// Asks whether a key would do, and signs with it if so.
    async fn offer(
        &mut self,
        key: &PublicKey,
        description: &str,
    ) -> Result<Option<AuthReply>, carrick::Error> {
        debug!("Offering public key: {description}");
        let Some(algorithm) = self.algorithm_for(key) else {
            debug!("send_pubkey_test: no mutual signature algorithm");
            return Ok(None);
        };
        let blob = key.to_blob();
        let reply = self
            .login
            .publickey_query(self.user, &algorithm, &blob)
            .await?;
        if reply != AuthReply::PkOk {
            return Ok(Some(reply));
        }
        debug!("Server accepts key: {description}");
        self.show_banners();
        let data = self
            .login
            .publickey_signed_data(self.user, &algorithm, &blob);
        let Some(signature) = self.signature(key, &data, &algorithm) else {
            return Ok(None);
        };
        let sent = self
            .login
            .publickey(self.user, &algorithm, &blob, &signature)
            .await?;
        Ok(Some(sent))
    }

    /// A signature by the agent, or by the file's key.
    fn signature(&mut self, key: &PublicKey, data: &[u8], algorithm: &str) -> Option<Vec<u8>> {
        let signer = identity::signer(&self.identities, self.offered.checked_sub(1)?)?;
        let name = &signer.name;
        let failed = |why: &str| {
            let kind = key.short_name();
            error!("sign_and_send_pubkey: signing failed for {kind} \"{name}\": {why}");
        };
        if signer.in_agent {
            // A plain key that signs for its certificate is asked for by its own name.
            let blob = signer.key.as_ref().unwrap_or(key).to_blob();
            let agent = self.agent.as_mut();
            match agent.map(|agent| agent.sign(&blob, data, algorithm)) {
                Some(Ok(signature)) => return Some(signature),
                Some(Err(why)) => {
                    failed(&why);
                    if !signer.in_token {
                        signer.path.as_ref()?;
                    }
                }
                None => {}
            }
        }
        if signer.in_token {
            let signed = self.tokens.as_mut()?.sign(key.plain(), algorithm, data);
            return signed.map_err(|why| failed(&why)).ok();
        }
        let private = open(self.options, signer, self.agent.as_mut())?;
        if private.public() != key.plain() {
            error!("identity_sign: private key {name} contents do not match public");
            return None;
        }
        hardware::sign(self.options, &private, name, algorithm, data)
            .map_err(|why| failed(&why))
            .ok()
    }

    /// A file that does not show its public half: opened, and signed with at
    /// once.
    async fn try_private(&mut self) -> Result<Option<AuthReply>, carrick::Error> {
        let at = self.offered.checked_sub(1);
        let Some(current) = at.and_then(|at| self.identities.get(at)) else {
            return Ok(None);
        };
        let name = &current.name;
        debug!("Trying private key: {name}");
        let Some(private) = open(self.options, current, self.agent.as_mut()) else {
            return Ok(None);
        };
        let key = private.public();
        if key.is_rsa_below(self.options.required_rsa_size) {
            debug!("Skipping RSA key {name} - Invalid key length");
            return Ok(None);
        }
        let Some(algorithm) = self.algorithm_for(key) else {
            error!("sign_and_send_pubkey: no mutual signature supported");
            return Ok(None);
        };
        let blob = key.to_blob();
        let data = self
            .login
            .publickey_signed_data(self.user, &algorithm, &blob);
        match hardware::sign(self.options, &private, name, &algorithm, &data) {
            Ok(signature) => Ok(Some(
                self.login
                    .publickey(self.user, &algorithm, &blob, &signature)
                    .await?,
            )),
            Err(e) => {
                error!("sign_and_send_pubkey: signing failed: {e}");
                Ok(None)
            }
        }
    }

    /// Asks for a password. `None`: often enough.
    async fn password(&mut self) -> Result<Option<AuthReply>, carrick::Error> {
        self.passwords += 1;
        if self.passwords > self.options.number_of_password_prompts {
            return Ok(None);
        }
        if self.passwords != 1 {
            error!("Permission denied, please try again.");
        }
        let prompt = format!("{}@{}'s password: ", self.user, self.host);
        let password = secret(&prompt, false);
        let mut reply = self.login.password(self.user, &password).await?;
        while let AuthReply::ChangePassword { prompt } = reply {
            reply = self.change_password(&prompt).await?;
        }
        Ok(Some(reply))
    }

    /// The server wants a new password (RFC 4252 section 8).
    async fn change_password(&mut self, text: &str) -> Result<AuthReply, carrick::Error> {
        self.show_banners();
        if !text.is_empty() {
            info!("{text}");
        }
        let place = format!("{}@{}", self.user, self.host);
        let old = secret(&format!("Enter {place}'s old password: "), false);
        let new = loop {
            let first = secret(&format!("Enter {place}'s new password: "), false);
            if first.expose().is_empty() {
                break first;
            }
            let second = secret(&format!("Retype {place}'s new password: "), false);
            if first.expose() == second.expose() {
                break first;
            }
            info!("Mismatch; try again, EOF to quit.");
        };
        self.login.password_change(self.user, &old, &new).await
    }

    /// Lets the server ask. `None`: often enough, or it never asks.
    async fn keyboard_interactive(&mut self) -> Result<Option<AuthReply>, carrick::Error> {
        self.interactions += 1;
        if self.interactions > self.options.number_of_password_prompts {
            return Ok(None);
        }
        if self.interactions > 1 && !self.was_asked {
            debug3!("userauth_kbdint: disable: no info_req_seen");
            return Ok(None);
        }
        let devices = self
            .options
            .kbd_interactive_devices
            .as_deref()
            .unwrap_or("");
        let mut reply = self.login.keyboard_interactive(self.user, devices).await?;
        while let AuthReply::Prompts(info) = reply {
            self.was_asked = true;
            self.show_banners();
            for text in [&info.name, &info.instruction] {
                if !text.is_empty() {
                    info!("{text}");
                }
            }
            let answers: Vec<Secret> = info
                .prompts
                .iter()
                .map(|p| {
                    let text = visible(&p.text);
                    secret(&format!("({}@{}) {text}", self.user, self.host), p.echo)
                })
                .collect();
            reply = self.login.respond(&answers).await?;
        }
        Ok(Some(reply))
    }
}

/// Opens an identity's file, and lets the agent have the key if that is wanted.
fn open(options: &Options, identity: &Identity, agent: Option<&mut Agent>) -> Option<PrivateKey> {
    let private = identity_file::open(options, identity)?;
    if options.add_keys_to_agent.mode != AddKeys::No {
        match agent {
            Some(agent) => agent.add(options, &private, &identity.name),
            None => debug3!("no authentication agent, not adding key"),
        }
    }
    Some(private)
}

fn secret(prompt: &str, echo: bool) -> Secret {
    let answer: Zeroizing<Vec<u8>> = ask_or_empty(prompt, Ask { echo, stdin: false });
    Secret::from(answer.as_slice())
}
