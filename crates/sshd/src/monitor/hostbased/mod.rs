//! Whether a host is trusted to say who its user is (HostbasedAuthentication):
//! who may log in from there (hosts.equiv and the like), and whether the key
//! is the host's (known_hosts).
//!
//! What could each of these do with it?
//! - A hostile host that is trusted can log in as every user who trusts it, or
//!   whom /etc/hosts.equiv trusts it with: that is what the method means, and
//!   why it is off by default. Root is not among the latter.
//! - A hostile peer that is no trusted host has no key that is known for a
//!   name or address that is listed. Unless HostbasedUsesNameFromPacketOnly
//!   says so, the name that counts is not what it calls itself.
//! - A hostile local user writes ~/.shosts and ~/.ssh/known_hosts as it likes,
//!   and lets whom it likes in as itself. They are read with its rights.

mod rhosts;

use std::path::{Path, PathBuf};

use carrick_keys::known_hosts::{KnownHosts, Lookup, host_name};
use carrick_keys::{CertDemand, CertKind, CertName, PublicKey};

use super::authorize::userfile;
use super::authorize::{Context, ca_algorithms, is_revoked};
use crate::log::{self, Level, debug, error, info, verbose};
use crate::rpc::preauth::HostClaim;

/// Where the machine's own files are.
pub struct Places<'a> {
    /// Hosts whose users are ours, for every user but root.
    pub equivalent: [&'a str; 2],
    /// Keys of hosts; the second only if the first ones know nothing.
    pub known_hosts: [&'a str; 2],
}

/// The system's.
const SYSTEM: Places<'_> = Places {
    equivalent: ["/etc/hosts.equiv", "/etc/ssh/shosts.equiv"],
    known_hosts: ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
};
/// The users' files that go with [`Places::known_hosts`].
const USER_KNOWN_HOSTS: [&str; 2] = [".ssh/known_hosts", ".ssh/known_hosts2"];

macro_rules! debug2 {
    ($($text:tt)*) => { log::write(Level::Debug2, format_args!($($text)*)) };
}
use debug2;

/// Whether the host of `claim` is trusted with the account.
pub fn trusts(context: &Context<'_>, claim: &HostClaim, key: &PublicKey) -> bool {
    trusts_by(&SYSTEM, context, claim, key)
}

fn trusts_by(
    places: &Places<'_>,
    context: &Context<'_>,
    claim: &HostClaim,
    key: &PublicKey,
) -> bool {
    if is_revoked(context.options, key) {
        return false;
    }
    let (resolved, address) = (&context.peer.host, &context.peer.address);
    let said = claim.host.strip_suffix('.').unwrap_or(&claim.host);
    debug2!("chost {said} resolvedname {resolved} ipaddr {address}");
    let (name, address) = if context.options.hostbased_uses_name_from_packet_only {
        (said, said)
    } else {
        if !resolved.eq_ignore_ascii_case(said) {
            info!(
                "userauth_hostbased mismatch: client sends {said}, but we resolve {address} to {resolved}"
            );
        }
        (resolved.as_str(), address.as_str())
    };
    let user = &claim.local_user;
    if !rhosts::accept(places, context, name, address, user) {
        debug2!("auth_rhosts2 refused user \"{user}\" host \"{name}\" addr \"{address}\"");
        return false;
    }
    debug2!("access allowed by auth_rhosts2");
    if let PublicKey::Certificate(cert) = key {
        let host = name.to_ascii_lowercase();
        let allowed = ca_algorithms(context.options);
        let demand = CertDemand {
            kind: CertKind::Host,
            name: CertName::Host(&host),
            unlisted_is_any: true,
            now: context.now,
            ca_algorithms: Some(&allowed),
            rsa_min: context.options.required_rsa_size,
        };
        if let Err(problem) = cert.judge(&demand) {
            error!("{problem}");
            return false;
        }
    }
    if !is_known(places, context, name, key) {
        return false;
    }
    match key {
        PublicKey::Certificate(cert) => verbose!(
            "Accepted certificate ID \"{}\" signed by {} CA {} from {user}@{name}",
            cert.key_id,
            cert.authority.short_name(),
            context.print(&cert.authority)
        ),
        plain => verbose!(
            "Accepted {} public key {} from {user}@{name}",
            plain.short_name(),
            context.print(plain)
        ),
    }
    true
}

/// Whether the key is known to be the host's, and not revoked.
fn is_known(places: &Places<'_>, context: &Context<'_>, host: &str, key: &PublicKey) -> bool {
    let name = host_name(host, 0);
    for (system, own) in places.known_hosts.iter().zip(USER_KNOWN_HOSTS) {
        let mut known = KnownHosts::new();
        // Most systems have no such file.
        if let Ok(text) = userfile::read_plain(system) {
            known.add(&text, system);
        }
        if !context.options.ignore_user_known_hosts
            && let Some((text, path)) = own_file(context, own)
        {
            known.add(&text, &path.to_string_lossy());
        }
        match known.for_host(&name).lookup(key) {
            Lookup::Match(entry) => {
                debug!("key for {host} found at {}:{}", entry.file, entry.line);
                return true;
            }
            Lookup::Revoked(_) => {
                error!("WARNING: revoked key for {host} attempted authentication");
                return false;
            }
            Lookup::Changed { .. } => {
                debug!("key for host {host} not found");
                return false;
            }
            Lookup::Unknown => debug!("key for host {host} not found"),
        }
    }
    false
}

/// A file in the user's home, unless others could write to it.
fn own_file(context: &Context<'_>, name: &str) -> Option<(Vec<u8>, PathBuf)> {
    let path = context.account.home.join(name);
    let text = userfile::as_user(context, || {
        let about = path.metadata().ok()?;
        if context.options.strict_modes && !userfile::is_safe(&about, context.account.uid) {
            let (user, shown) = (&context.account.name, path.display());
            info!("Authentication refused for {user}: bad owner or modes for {shown}");
            return None;
        }
        read_own(&path)
    })?;
    Some((text, path))
}

/// What a user's file holds. To be called as the user.
fn read_own(path: &Path) -> Option<Vec<u8>> {
    let (file, about) = userfile::open(path).ok()?;
    about.is_file().then(|| userfile::text(file).ok())?
}

#[cfg(test)]
mod tests;
