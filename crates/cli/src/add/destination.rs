//! `-h`: where a key may be used, with the hosts' keys from known_hosts.

use carrick_keys::agent::{Destination, Hop, HopKey};
use carrick_keys::known_hosts::{KnownHosts, Marker};

use super::Fatal;
use super::args::Args;
use crate::home;
use crate::log::{debug2, debug3};

/// Files of known hosts when `-H` names none: the user's, and the system's.
const USER_FILES: [&str; 2] = ["known_hosts", "known_hosts2"];
const SYSTEM_FILES: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// All of the command line's destinations.
pub(super) fn parse_all(args: &Args) -> Result<Vec<Destination>, Fatal> {
    if args.destinations.is_empty() {
        return Ok(Vec::new());
    }
    let hosts = known_hosts(args);
    let parse = |text: &String| parse(text, &hosts);
    args.destinations.iter().map(parse).collect()
}

fn known_hosts(args: &Args) -> KnownHosts {
    let files = if args.host_files.is_empty() {
        let mine = USER_FILES.map(home::ssh_file);
        mine.into_iter()
            .chain(SYSTEM_FILES.map(Into::into))
            .collect()
    } else {
        let named = args.host_files.iter();
        named.map(|file| home::expand(file)).collect::<Vec<_>>()
    };
    let mut hosts = KnownHosts::new();
    for file in files {
        // A file that is not there knows nobody.
        if let Ok(text) = std::fs::read(&file) {
            hosts.add(&text, &file.display().to_string());
        }
    }
    hosts
}

/// `[user@]host`, or `host>[user@]host`.
fn parse(text: &str, hosts: &KnownHosts) -> Result<Destination, Fatal> {
    let destination = match text.split_once('>') {
        None => Destination {
            from: Hop::default(),
            to: hop(text, hosts)?,
        },
        Some((from, to)) => {
            let from_hop = hop(from, hosts)?;
            let to = hop(to, hosts)?;
            if from_hop.user.is_some() {
                return Err(Fatal(format!(
                    "Invalid key constraint {from}: cannot specify user on 'from' host"
                )));
            }
            Destination { from: from_hop, to }
        }
    };
    debug2!("constraint {}", destination.describe());
    Ok(destination)
}

fn hop(text: &str, hosts: &KnownHosts) -> Result<Hop, Fatal> {
    let (user, host) = match text.rsplit_once('@') {
        None => (None, text),
        Some((user, host)) => (Some(user.to_owned()), host),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() {
        // Any host as that user, which the agent then refuses: it has no key
        // to tell it by.
        return match user {
            Some(user) => Ok(Hop {
                user: Some(user),
                ..Hop::default()
            }),
            None => Err(Fatal(format!(
                "Invalid key destination constraint \"{text}\": does not specify user or host"
            ))),
        };
    }
    let mut keys = Vec::new();
    for entry in hosts.for_host(host).entries() {
        if entry.marker == Marker::Revoked {
            continue;
        }
        debug3!(
            "{text}: adding {} key from {}:{} as key {}",
            entry.key.short_name(),
            entry.file,
            entry.line,
            keys.len()
        );
        keys.push(HopKey {
            key: entry.key.clone(),
            authority: entry.marker == Marker::Authority,
        });
    }
    if keys.is_empty() {
        return Err(Fatal(format!(
            "No host keys found for destination \"{host}\""
        )));
    }
    Ok(Hop {
        user,
        host: Some(host.to_owned()),
        keys,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDAjkQXnQeOQFfS6NYVc6Lp0Aj8Dv0rsYw8eJ2TgqPm";

    fn hosts() -> KnownHosts {
        let text = format!("a {KEY}\n@cert-authority *.b {KEY}\n@revoked r {KEY}\n");
        KnownHosts::parse(text.as_bytes(), "file")
    }

    #[test]
    fn steps_with_their_hosts_keys() {
        let hosts = hosts();
        let direct = parse("me@a", &hosts).ok().unwrap();
        assert_eq!(direct.from, Hop::default());
        assert_eq!(direct.to.user.as_deref(), Some("me"));
        assert!(!direct.to.keys[0].authority);
        let onward = parse("[a]>c.b", &hosts).ok().unwrap();
        assert_eq!(onward.from.host.as_deref(), Some("a"));
        assert_eq!(onward.to.host.as_deref(), Some("c.b"));
        assert!(onward.to.keys[0].authority && onward.to.user.is_none());
    }

    #[test]
    fn refusals() {
        for (text, why) in [
            ("x", "No host keys found for destination \"x\""),
            ("r", "No host keys found for destination \"r\""),
            (
                "me@a>a",
                "Invalid key constraint me@a: cannot specify user on 'from' host",
            ),
            (
                "a>",
                "Invalid key destination constraint \"\": does not specify user or host",
            ),
        ] {
            let Err(Fatal(got)) = parse(text, &hosts()) else {
                panic!("{text}");
            };
            assert_eq!(got, why);
        }
    }
}
