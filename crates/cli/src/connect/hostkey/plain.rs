//! Hosts that show a key, or whose certificate proves nothing here.

use std::fmt::Write as _;

use carrick_config::words::StrictHostKey;
use carrick_keys::known_hosts::{Entry, HostKeys, Lookup};
use carrick_keys::{PublicKey, randomart};

use super::command::{self, Wanted};
use super::{Accepted, HostCheck, Refusal, Verdict};
use crate::log::{debug, error, info};
use crate::prompt;

/// What stands for the address of a host behind a proxy.
const NO_ADDRESS: &str = "<no hostip for proxy command>";
/// How many other names of a new key are listed.
const MAX_OTHER_NAMES: usize = 8;

impl HostCheck<'_> {
    pub(super) fn check_plain(&self, host: &HostKeys, key: &PublicKey) -> Verdict {
        match host.lookup(key) {
            Lookup::Match(entry) => self.known(key, entry),
            Lookup::Unknown => self.unknown(key),
            Lookup::Changed { offending, .. } => self.changed(key, offending),
            Lookup::Revoked(_) => self.revoked(key),
        }
    }

    fn known(&self, key: &PublicKey, entry: &Entry) -> Verdict {
        let kind = key.short_name();
        debug!(
            "Host '{}' is known and matches the {kind} host key.",
            self.name
        );
        debug!("Found key in {}:{}", entry.file, entry.line);
        if let Some(address) = self.checked_address() {
            match self.keys_of(address, Wanted::Address(key))?.lookup(key) {
                Lookup::Unknown => self.add_address(key, address, entry),
                Lookup::Changed { offending, .. } => {
                    info!(
                        "Warning: the {kind} host key for '{}' differs from the key for the IP \
                         address '{address}'\nOffending key for IP in {}:{}",
                        self.name, offending.file, offending.line
                    );
                }
                Lookup::Match(_) | Lookup::Revoked(_) => {}
            }
        }
        self.show(key);
        Ok(Accepted::Trusted)
    }

    /// VisualHostKey.
    pub(super) fn show(&self, key: &PublicKey) {
        if self.options.visual_host_key {
            info!(
                "Host key fingerprint is {}\n{}",
                key.fingerprint(self.hash()),
                randomart(key, self.hash())
            );
        }
    }

    fn add_address(&self, key: &PublicKey, address: &str, entry: &Entry) {
        let kind = key.short_name();
        if command::is_source(&entry.file) || !self.can_record() {
            info!("{kind} host key for IP address '{address}' not in list of known hosts.");
            return;
        }
        match self.record(key, address, None) {
            Ok(_) => info!(
                "Warning: Permanently added the {kind} host key for IP address '{address}' to \
                 the list of known hosts."
            ),
            Err(why) => info!(
                "Failed to add the {kind} host key for IP address '{address}' to the list of \
                 known hosts ({why})."
            ),
        }
    }

    fn unknown(&self, key: &PublicKey) -> Verdict {
        let options = self.options;
        let kind = key.short_name();
        if let Some(bare) = self.bare_name() {
            debug!("checking without port identifier");
            if let Lookup::Match(entry) = self.files.for_host(&bare).lookup(key) {
                debug!("found matching key w/out port");
                return self.known(key, entry);
            }
        }
        if !self.can_record() {
            return Err(Refusal::HostKey);
        }
        match options.strict_host_key_checking {
            StrictHostKey::Yes => {
                error!(
                    "No {kind} host key is known for {} and you have requested strict checking.",
                    self.name
                );
                return Err(Refusal::HostKey);
            }
            StrictHostKey::Ask => {
                let fingerprint = key.fingerprint(self.hash()).to_string();
                let question = self.question(key, &fingerprint);
                if options.batch_mode || !prompt::confirm(&question, Some(&fingerprint)) {
                    return Err(Refusal::HostKey);
                }
            }
            StrictHostKey::Off | StrictHostKey::AcceptNew => {}
        }
        match self.record(key, &self.name, self.checked_address()) {
            Ok(names) => {
                info!("Warning: Permanently added '{names}' ({kind}) to the list of known hosts.");
            }
            Err(why) => info!("Failed to add the host to the list of known hosts ({why})."),
        }
        Ok(Accepted::Trusted)
    }

    /// The question about a new key.
    fn question(&self, key: &PublicKey, fingerprint: &str) -> String {
        let address = self.address.as_deref().unwrap_or(NO_ADDRESS);
        let mut text = format!(
            "The authenticity of host '{} ({address})' can't be established.\n\
             {} key fingerprint is {fingerprint}.\n",
            self.name,
            key.short_name()
        );
        if self.options.visual_host_key {
            text.push_str(&randomart(key, self.hash()));
            text.push('\n');
        }
        let others = self.files.other_names(key);
        if others.is_empty() {
            text.push_str("This key is not known by any other names.\n");
        } else {
            text.push_str("This host key is known by the following other names/addresses:\n");
            for (file, line, names) in others.iter().take(MAX_OTHER_NAMES) {
                let names = if names.starts_with('|') {
                    "[hashed name]"
                } else {
                    names
                };
                let _ = writeln!(text, "    {file}:{line}: {names}");
            }
            if let Some(more) = others.len().checked_sub(MAX_OTHER_NAMES).filter(|n| *n > 0) {
                let _ = writeln!(text, "    ({more} additional names omitted)");
            }
        }
        text.push_str("Are you sure you want to continue connecting (yes/no/[fingerprint])? ");
        text
    }
}
