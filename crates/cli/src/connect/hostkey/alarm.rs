//! Keys that should not be there: changed ones, revoked ones.

use carrick_keys::PublicKey;
use carrick_keys::known_hosts::{Entry, Lookup};

use super::{Accepted, HostCheck, Refusal, Verdict};
use crate::log::error;

const AT: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";

impl HostCheck<'_> {
    pub(super) fn changed(&self, key: &PublicKey, offending: &Entry) -> Verdict {
        if let Some(address) = self.checked_address() {
            self.warn_of_spoofing(key, address);
        }
        let kind = key.short_name();
        error!("{AT}");
        error!("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @");
        error!("{AT}");
        error!("IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!");
        error!("Someone could be eavesdropping on you right now (man-in-the-middle attack)!");
        error!("It is also possible that a host key has just been changed.");
        error!(
            "The fingerprint for the {kind} key sent by the remote host is\n{}.",
            key.fingerprint(self.hash())
        );
        error!("Please contact your system administrator.");
        error!(
            "Add correct host key in {} to get rid of this message.",
            self.first_file()
        );
        error!(
            "Offending {} key in {}:{}",
            offending.key.short_name(),
            offending.file,
            offending.line
        );
        tell_removal(offending, &self.name);
        if !self.strict_off() {
            error!(
                "Host key for {} has changed and you have requested strict checking.",
                self.name
            );
            return Err(Refusal::HostKey);
        }
        Ok(self.without_secrets())
    }

    fn warn_of_spoofing(&self, key: &PublicKey, address: &str) {
        let keys = self.files.for_host(address);
        let (state, offending) = match keys.lookup(key) {
            Lookup::Match(_) => return,
            Lookup::Unknown => ("is unknown", None),
            Lookup::Changed { offending, .. } => ("has a different value", Some(offending)),
            Lookup::Revoked(entry) => ("has a different value", Some(entry)),
        };
        error!("{AT}");
        error!("@       WARNING: POSSIBLE DNS SPOOFING DETECTED!          @");
        error!("{AT}");
        error!(
            "The {} host key for {} has changed,",
            key.short_name(),
            self.name
        );
        error!("and the key for the corresponding IP address {address}");
        error!("{state}. This could either mean that");
        error!("DNS SPOOFING is happening or the IP address for the host");
        error!("and its host key have changed at the same time.");
        if let Some(entry) = offending {
            error!("Offending key for IP in {}:{}", entry.file, entry.line);
            tell_removal(entry, address);
        }
    }

    pub(super) fn revoked(&self, key: &PublicKey) -> Verdict {
        let kind = key.short_name();
        error!("{AT}");
        error!("@       WARNING: REVOKED HOST KEY DETECTED!               @");
        error!("{AT}");
        error!(
            "The {kind} host key for {} is marked as revoked.",
            self.name
        );
        error!("This could mean that a stolen key is being used to");
        error!("impersonate this host.");
        if !self.strict_off() {
            error!(
                "{kind} host key for {} was revoked and you have requested strict checking.",
                self.name
            );
            return Err(Refusal::HostKey);
        }
        Ok(self.without_secrets())
    }

    fn without_secrets(&self) -> Accepted {
        if self.options.password_authentication {
            error!("Password authentication is disabled to avoid man-in-the-middle attacks.");
        }
        if self.options.kbd_interactive_authentication {
            error!(
                "Keyboard-interactive authentication is disabled to avoid man-in-the-middle attacks."
            );
        }
        Accepted::Untrusted
    }
}

/// The command that forgets `name`'s old key, ready to be pasted.
fn tell_removal(entry: &Entry, name: &str) {
    error!("  remove with:");
    error!("  ssh-keygen -f '{}' -R '{name}'", entry.file);
}
