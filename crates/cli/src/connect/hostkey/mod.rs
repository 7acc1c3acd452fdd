//! Whether the key that a host shows is the host's: RevokedHostKeys,
//! known_hosts and KnownHostsCommand, certificates and their authorities, the
//! user, and StrictHostKeyChecking, in OpenSSH's words.
//!
//! A hostile server can show any key that it has, and any certificate. A
//! certificate counts when its authority is listed for this very name and
//! [`Certificate::judge`](carrick_keys::Certificate::judge) finds it good;
//! otherwise it is as if the server had shown the key alone. What is revoked,
//! or cannot be told from what is revoked, is refused before all else.

mod alarm;
mod cert;
mod command;
mod plain;
mod record;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use carrick_config::ssh::Options;
use carrick_config::words::{FingerprintHash as ConfigHash, StrictHostKey};
use carrick_keys::algorithm::{self, Certificates};
use carrick_keys::known_hosts::{HostKeys, KnownHosts, host_name};
use carrick_keys::{FingerprintHash, PublicKey, RevokedKeys};

use crate::home;
use crate::log::{debug, debug3, error};
use crate::text::os_error;
use command::Wanted;

/// What is known about one host before its key is seen.
pub(crate) struct HostCheck<'a> {
    options: &'a Options,
    files: KnownHosts,
    /// As known_hosts names it.
    name: String,
    /// Its address, as known_hosts names it; none behind a proxy.
    address: Option<String>,
    loopback: bool,
}

/// An accepted key, and what follows from how it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accepted {
    /// Known, or confirmed.
    Trusted,
    /// Changed or revoked, and only StrictHostKeyChecking=no let it pass: no
    /// secret may be given to this host.
    Untrusted,
}

/// Why there is no accepted key. The reasons have been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// It is not the host's, or nobody said that it is.
    HostKey,
    /// It could not be found out.
    Broken,
}

type Verdict = Result<Accepted, Refusal>;

impl<'a> HostCheck<'a> {
    /// Reads the known_hosts files. `peer` is the address we are connected
    /// to, none through a proxy.
    pub(crate) fn new(options: &'a Options, peer: Option<IpAddr>) -> Self {
        let mut files = KnownHosts::new();
        for path in options
            .user_known_hosts_files
            .iter()
            .chain(&options.global_known_hosts_files)
        {
            match std::fs::read(home::expand(path)) {
                Ok(text) => files.add(&text, &home::expand(path).to_string_lossy()),
                Err(e) => debug3!("load_hostkeys: fopen {path}: {}", os_error(&e)),
            }
        }
        let name = match &options.host_key_alias {
            Some(alias) => {
                debug!("using hostkeyalias: {alias}");
                alias.clone()
            }
            None => host_name(&options.hostname, options.port),
        };
        Self {
            options,
            files,
            name,
            address: peer.map(|ip| host_name(&ip.to_string(), options.port)),
            loopback: peer.is_some_and(|ip| ip.is_loopback()),
        }
    }

    /// The algorithms to ask for: those of known keys first, unless the user
    /// said which.
    pub(crate) fn algorithms(&self) -> Result<Vec<String>, Refusal> {
        let configured = &self.options.host_key_algorithms;
        let ordered = if self.options.is_set("HostKeyAlgorithms") {
            configured.clone()
        } else {
            self.keys_of(&self.name, Wanted::Order)?
                .order_algorithms(configured)
        };
        // Certificates are judged in `cert`.
        let offered = algorithm::offered(&ordered, Certificates::Judged);
        Ok(offered.map(str::to_owned).collect())
    }

    /// Decides about `key`.
    pub(crate) fn check(&self, key: &PublicKey) -> Verdict {
        let options = self.options;
        if let PublicKey::Certificate(cert) = key {
            self.describe(cert);
        } else {
            let fingerprint = key.fingerprint(self.hash());
            debug!("Server host key: {} {fingerprint}", key.key_type());
        }
        if key.is_rsa_below(options.required_rsa_size) {
            error!("Bad server host key: Invalid key length");
            return Err(Refusal::HostKey);
        }
        self.check_revoked(key)?;
        if options.no_host_authentication_for_localhost
            && options.host_key_alias.is_none()
            && self.loopback
        {
            debug!("Forcing accepting of host key for loopback/localhost.");
            return Ok(Accepted::Trusted);
        }
        let host = self.keys_of(&self.name, Wanted::Host(key))?;
        for bad in host.bad_lines() {
            debug!("{}:{}: {}", bad.file, bad.line, bad.reason);
        }
        if let PublicKey::Certificate(cert) = key {
            if let Some(verdict) = self.check_certificate(&host, key, cert) {
                return verdict;
            }
            debug!("No matching CA found. Retry with plain key");
        }
        self.check_plain(&host, key.plain())
    }

    /// RevokedHostKeys: each file must be there, be understood, and not have
    /// the key.
    fn check_revoked(&self, key: &PublicKey) -> Result<(), Refusal> {
        for path in &self.options.revoked_host_keys {
            let shown = || format!("{} {}", key.short_name(), key.fingerprint(self.hash()));
            let revoked = std::fs::read(path)
                .map_err(|e| os_error(&e))
                .and_then(|bytes| RevokedKeys::parse(bytes).map_err(|e| e.to_string()));
            match revoked {
                Ok(revoked) if !revoked.is_revoked(key) => {}
                Ok(_) => {
                    error!("Host key {} revoked by file {path}", shown());
                    return Err(Refusal::HostKey);
                }
                Err(why) => {
                    let shown = shown();
                    error!("Error checking host key {shown} in revoked keys file {path}: {why}");
                    return Err(Refusal::HostKey);
                }
            }
        }
        Ok(())
    }

    /// What files and command say of a host by that name.
    fn keys_of(&self, name: &str, wanted: Wanted<'_>) -> Result<HostKeys, Refusal> {
        let Some(command) = &self.options.known_hosts_command else {
            return Ok(self.files.for_host(name));
        };
        let (text, source) = command::run(self.options, command, name, wanted, self.hash())?;
        let mut all = self.files.clone();
        all.add(&text, &source);
        Ok(all.for_host(name))
    }

    fn hash(&self) -> FingerprintHash {
        match self.options.fingerprint_hash {
            ConfigHash::Md5 => FingerprintHash::Md5,
            ConfigHash::Sha1 => FingerprintHash::Sha1,
            ConfigHash::Sha256 => FingerprintHash::Sha256,
            ConfigHash::Sha384 => FingerprintHash::Sha384,
            ConfigHash::Sha512 => FingerprintHash::Sha512,
        }
    }

    fn strict_off(&self) -> bool {
        self.options.strict_host_key_checking == StrictHostKey::Off
    }

    /// The name without a port, where that is another name.
    fn bare_name(&self) -> Option<String> {
        let options = self.options;
        let other = options.host_key_alias.is_none() && options.port != 22;
        other.then(|| host_name(&options.hostname, 22))
    }

    /// The address to check as well (CheckHostIP).
    fn checked_address(&self) -> Option<&str> {
        let wanted =
            self.options.check_host_ip && !self.loopback && self.options.host_key_alias.is_none();
        self.address
            .as_deref()
            .filter(|a| wanted && *a != self.name)
    }
}
