//! What is left when all files are read: defaults that depend on other
//! options, checks across options, and tokens.

use super::load::{Config, expansion};
use super::options::{ControlPersist, ForwardAgent, Options};
use crate::error::Error;
use crate::forward::is_valid_remote_user;
use crate::glob::expand_tilde;
use crate::hooks::{Hooks, Level};
use crate::tokens::{self, ClientTokens};
use crate::types::{Endpoint, Target};
use crate::words::{LogLevel, RequestTty, SessionType, Tunnel, YesNoAsk};
use carrick_crypto::hash::HashAlg;
use std::fmt::Write;

impl Config<'_> {
    /// The options to use, complete and checked.
    pub fn finish(mut self) -> Result<Options, Error> {
        self.dependent_defaults();
        self.check()?;
        let tokens = self.user_and_tokens()?;
        let mut options = std::mem::take(&mut self.options);
        expand(&mut options, &tokens, self.hooks)?;
        options.tokens = tokens;
        Ok(options)
    }

    fn dependent_defaults(&mut self) {
        let stdio = self.stdio_forward;
        let o = &mut self.options;
        if !o.set.has("User") {
            o.user.clone_from(&self.user.name);
        }
        if stdio && !o.set.has("ExitOnForwardFailure") {
            o.exit_on_forward_failure = true;
        }
        if stdio && !o.set.has("ClearAllForwardings") {
            o.clear_all_forwardings = true;
        }
        if o.clear_all_forwardings {
            o.local_forwards.clear();
            o.remote_forwards.clear();
            o.tunnel = Tunnel::No;
        }
        if !o.set.has("UpdateHostKeys") {
            let plain = !o.set.has("UserKnownHostsFile")
                || o.user_known_hosts_files == ["~/.ssh/known_hosts"];
            let dns = o.verify_host_key_dns != YesNoAsk::No;
            o.update_host_keys = if plain && !dns {
                YesNoAsk::Yes
            } else {
                YesNoAsk::No
            };
        }
        for list in [
            &mut o.user_known_hosts_files,
            &mut o.global_known_hosts_files,
        ] {
            if list.len() == 1 && list.iter().all(|f| f.eq_ignore_ascii_case("none")) {
                list.clear();
            }
        }
        if let Some(alias) = &mut o.host_key_alias {
            alias.make_ascii_lowercase();
        }
        if o.proxy_jump.is_some() {
            // What reaches the last jump host is a command of ours.
            o.proxy_use_fdpass = false;
        }
        self.asking_update();
    }

    /// UpdateHostKeys=ask needs somebody to ask.
    fn asking_update(&mut self) {
        let o = &mut self.options;
        if o.update_host_keys != YesNoAsk::Ask {
            return;
        }
        let shared = o.control_persist != ControlPersist::No && o.control_path.is_some();
        let command = !self.command.is_empty()
            || o.remote_command.is_some()
            || o.request_tty == RequestTty::No;
        let quiet = matches!(
            o.log_level,
            LogLevel::Quiet | LogLevel::Fatal | LogLevel::Error
        );
        let text = match (shared, command) {
            (true, _) => "UpdateHostKeys=ask is incompatible with ControlPersist; disabling",
            (_, true) => {
                "UpdateHostKeys=ask is incompatible with remote command execution; disabling"
            }
            _ if quiet => "",
            _ => return,
        };
        if !text.is_empty() {
            self.hooks.note(Level::Debug1, text);
        }
        o.update_host_keys = YesNoAsk::No;
    }

    fn check(&self) -> Result<(), Error> {
        let o = &self.options;
        let has_command = !self.command.is_empty();
        let remote = o.remote_command.is_some();
        let same_host = o.proxy_jump.as_ref().is_some_and(|jump| {
            jump.last.host == o.hostname
                && jump.last.port.unwrap_or(22) == o.port
                && jump.last.user.as_deref().unwrap_or(&o.user) == o.user
        });
        let text = if same_host {
            format!("jumphost loop via {}", o.hostname)
        } else if o.proxy_command.as_deref() == Some("-") && o.proxy_use_fdpass {
            "ProxyCommand=- and ProxyUseFDPass are incompatible".to_owned()
        } else if o.connection_attempts == 0 {
            "Invalid number of ConnectionAttempts".to_owned()
        } else if has_command && remote {
            "Cannot execute command-line and remote command.".to_owned()
        } else if o.fork_after_authentication
            && !has_command
            && !remote
            && o.session_type != SessionType::None
        {
            "Cannot fork into background without a command to execute.".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new("", 0, text))
    }

    /// Expands User, which the other tokens depend on.
    fn user_and_tokens(&mut self) -> Result<ClientTokens, Error> {
        let host = self.options.hostname.clone();
        let alias = self.options.host_key_alias.clone();
        let alias = alias.unwrap_or_else(|| self.options.host_argument.clone());
        let plain = self.client_tokens(&host, &alias, "");
        // The user is a part of %C and %r, so they cannot stand in it.
        let table: Vec<(char, &str)> = plain
            .table()
            .into_iter()
            .filter(|(c, _)| !matches!(c, 'C' | 'r'))
            .collect();
        let env = |name: &str| self.hooks.env(name);
        let user = tokens::expand_all(&self.options.user, &table, &env)
            .map_err(|why| expansion(&why, BAD_ENV))?;
        if !is_valid_remote_user(&user) {
            return Err(Error::new(
                "",
                0,
                "remote username contains invalid characters",
            ));
        }
        self.options.user = user;
        Ok(self.client_tokens(&host, &alias, &self.options.user))
    }

    pub(super) fn client_tokens(&self, host: &str, alias: &str, user: &str) -> ClientTokens {
        let port = self.options.port.to_string();
        let jump = self
            .options
            .proxy_jump
            .as_ref()
            .map_or("", |j| j.last.host.as_str());
        ClientTokens {
            connection_hash: connection_hash(&self.local_host, host, &port, user, jump),
            short_host: self.local_host.split('.').next().unwrap_or("").to_owned(),
            local_host: self.local_host.clone(),
            home: self.user.home.clone(),
            host: host.to_owned(),
            key_alias: alias.to_owned(),
            original_host: self.options.host_argument.clone(),
            port,
            remote_user: user.to_owned(),
            local_user: self.user.name.clone(),
            uid: self.user.uid.to_string(),
            jump_host: jump.to_owned(),
        }
    }
}

const BAD_ENV: &str = "invalid environment variable expansion";

/// `%C`: the SHA-1 of what makes a connection the same, in hexadecimal.
fn connection_hash(local: &str, host: &str, port: &str, user: &str, jump: &str) -> String {
    let parts = [local, host, port, user, jump].map(str::as_bytes);
    let mut hex = String::new();
    for byte in HashAlg::Sha1.digest(&parts) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn expand(o: &mut Options, tokens: &ClientTokens, hooks: &dyn Hooks) -> Result<(), Error> {
    let table = tokens.table();
    let env = |name: &str| hooks.env(name);
    let percent = |text: &mut String| -> Result<(), Error> {
        *text = tokens::expand(text, &table)
            .map_err(|why| expansion(&why, "percent_expand: failed"))?;
        Ok(())
    };
    let all = |text: &mut String| -> Result<(), Error> {
        *text = tokens::expand_all(text, &table, &env).map_err(|why| expansion(&why, BAD_ENV))?;
        Ok(())
    };
    let path = |text: &mut String| -> Result<(), Error> {
        if let Some(expanded) = home(text, hooks)? {
            *text = expanded;
        }
        all(text)
    };
    if let Some(command) = &mut o.remote_command {
        percent(command)?;
    }
    for text in [&mut o.control_path, &mut o.identity_agent]
        .into_iter()
        .flatten()
    {
        path(text)?;
    }
    for text in &mut o.revoked_host_keys {
        path(text)?;
    }
    if let ForwardAgent::Socket(socket) = &mut o.forward_agent {
        path(socket)?;
    }
    if let Some(addendum) = &mut o.version_addendum {
        all(addendum)?;
    }
    for file in &mut o.user_known_hosts_files {
        path(file)?;
    }
    for pair in &mut o.set_env {
        all(&mut pair.value)?;
    }
    for forward in o.local_forwards.iter_mut().chain(&mut o.remote_forwards) {
        let ends = [
            Some(&mut forward.listen),
            match &mut forward.connect {
                Target::To(end) => Some(end),
                Target::Socks => None,
            },
        ];
        for end in ends.into_iter().flatten() {
            if let Endpoint::Unix { path } = end {
                percent(path)?;
            }
        }
    }
    Ok(())
}

fn home(text: &str, hooks: &dyn Hooks) -> Result<Option<String>, Error> {
    if !text.starts_with('~') {
        return Ok(None);
    }
    if let Some(mut path) = expand_tilde(text, hooks) {
        // A folder, and written as one.
        if !text.contains('/') {
            path.push('/');
        }
        return Ok(Some(path));
    }
    let user = text.trim_start_matches('~').split('/').next().unwrap_or("");
    Err(Error::new(
        "",
        0,
        format!("tilde_expand: No such user {user}"),
    ))
}
