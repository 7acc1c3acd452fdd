//! Whether an account may be logged in to at all, whatever the credentials.

use std::path::Path;

use carrick_config::sshd::Options;
use carrick_keys::matching::{Match, pattern, pattern_list};
use carrick_sys::passwd::Account;

use super::system::{Peer, System};
use crate::log::{error, info, printable};
use crate::settings;

/// Whether `account` may log in from `peer`; if not, the log says why.
pub fn is_allowed(
    system: &mut dyn System,
    options: &Options,
    account: &Account,
    peer: &Peer,
) -> bool {
    let name = &account.name;
    if !system.can_become(account) {
        info!("User {name} not allowed because this server does not run as root");
        return false;
    }
    let shadow = system.shadow(name);
    let today = system.today();
    if shadow
        .as_ref()
        .and_then(|entry| entry.expires)
        .is_some_and(|day| day > 0 && day < today)
    {
        info!("Account {name} has expired");
        return false;
    }
    let field = shadow
        .as_ref()
        .map_or(account.password.as_slice(), |entry| &entry.hash);
    // PAM's account modules decide alone where they are asked to, and a
    // locked password shuts nobody out there.
    if !options.use_pam && is_locked(field) {
        info!("User {name} not allowed because account is locked");
        return false;
    }
    if settings::chroot_directory(options).is_none()
        && let Some(problem) = system.shell_problem(&account.shell)
    {
        let shell = Path::new(&account.shell).display();
        info!("User {name} not allowed because shell {shell} {problem}");
        return false;
    }
    users(options, name, peer) && groups(system, options, account, peer)
}

/// A password field that shuts the account, rather than only passwords out.
fn is_locked(field: &[u8]) -> bool {
    field.starts_with(b"!")
}

fn users(options: &Options, name: &str, peer: &Peer) -> bool {
    let Peer { address, host, .. } = peer;
    let listed = |list: &[String], keyword: &str| {
        list.iter().find_map(
            |item| match carrick_keys::matching::user(name, host, address, item) {
                Ok(true) => Some(true),
                Ok(false) => None,
                Err(problem) => {
                    error!(
                        "invalid {keyword} pattern \"{}\": {problem}",
                        printable(item)
                    );
                    Some(false)
                }
            },
        )
    };
    // A pattern that cannot be read lets nobody in.
    match listed(&options.deny_users, "DenyUsers") {
        None => {}
        Some(true) => {
            info!("User {name} from {host} not allowed because listed in DenyUsers");
            return false;
        }
        Some(false) => return false,
    }
    if !options.allow_users.is_empty() {
        match listed(&options.allow_users, "AllowUsers") {
            Some(true) => {}
            Some(false) => return false,
            None => {
                info!("User {name} from {host} not allowed because not listed in AllowUsers");
                return false;
            }
        }
    }
    true
}

fn groups(system: &mut dyn System, options: &Options, account: &Account, peer: &Peer) -> bool {
    if options.allow_groups.is_empty() && options.deny_groups.is_empty() {
        return true;
    }
    let (name, host) = (&account.name, &peer.host);
    let groups = system.groups(account);
    if groups.is_empty() {
        info!("User {name} from {host} not allowed because not in any group");
        return false;
    }
    let in_any = |list: &[String]| {
        groups
            .iter()
            .any(|group| list.iter().any(|item| matches_group(group, item)))
    };
    if in_any(&options.deny_groups) {
        info!("User {name} from {host} not allowed because a group is listed in DenyGroups");
        return false;
    }
    if !options.allow_groups.is_empty() && !in_any(&options.allow_groups) {
        info!(
            "User {name} from {host} not allowed because none of user's groups are listed in AllowGroups"
        );
        return false;
    }
    true
}

fn matches_group(group: &str, item: &str) -> bool {
    if item.contains(',') || item.starts_with('!') {
        pattern_list(group, item) == Match::Yes
    } else {
        pattern(group, item)
    }
}
