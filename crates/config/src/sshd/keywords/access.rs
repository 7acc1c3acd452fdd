//! Who may log in, and what forwarding they may do.

use super::super::options::{Options, Permit};
use super::{Done, choice, flag, keyword, patterns};
use crate::error::Fault;
use crate::forward::host_and_rest;
use crate::keyword::{Dump, Keyword, Line};
use crate::value;
use crate::words::{PermitTunnel, Words};
use carrick_keys::matching;

pub(super) static KEYWORDS: &[Keyword<Options>] = &[
    // Ours.
    keyword!(Anywhere First "AgentSocketLink", "a name that leads to the agent lent last",
        |l, o| { o.agent_socket_link = link(l)?; Ok(()) },
        |o, d| d.line("AgentSocketLink", o.agent_socket_link.as_deref().unwrap_or("none"))),
    flag!(Anywhere "AllowAgentForwarding", allow_agent_forwarding, "forward agents"),
    keyword!(Anywhere Append "AllowGroups", "groups that may log in",
        |l, o| patterns(l, &mut o.allow_groups, group), |o, d| d.each("AllowGroups", &o.allow_groups)),
    choice!(Anywhere "AllowStreamLocalForwarding", allow_stream_local_forwarding,
        "forward Unix sockets"),
    choice!(Anywhere "AllowTcpForwarding", allow_tcp_forwarding, "forward TCP"),
    keyword!(Anywhere Append "AllowUsers", "users that may log in",
        |l, o| patterns(l, &mut o.allow_users, user), |o, d| d.each("AllowUsers", &o.allow_users)),
    keyword!(Anywhere Append "DenyGroups", "groups that may not log in",
        |l, o| patterns(l, &mut o.deny_groups, group), |o, d| d.each("DenyGroups", &o.deny_groups)),
    keyword!(Anywhere Append "DenyUsers", "users that may not log in",
        |l, o| patterns(l, &mut o.deny_users, user), |o, d| d.each("DenyUsers", &o.deny_users)),
    flag!(Anywhere "DisableForwarding", disable_forwarding, "no forwarding of any kind"),
    choice!(Anywhere "GatewayPorts", gateway_ports, "other machines may use remote forwardings"),
    keyword!(Anywhere First "PermitListen", "where remote forwardings may listen",
        |l, o| { o.permit_listen = permit(l, true)?; Ok(()) },
        |o, d| dump_permit("PermitListen", &o.permit_listen, d)),
    keyword!(Anywhere First "PermitOpen", "where forwardings may go",
        |l, o| { o.permit_open = permit(l, false)?; Ok(()) },
        |o, d| dump_permit("PermitOpen", &o.permit_open, d)),
    keyword!(Anywhere First "PermitTunnel", "forward network devices",
        |l, o| {
            let word = l.word()?;
            let mode = PermitTunnel::WORDS.iter().find(|(name, _)| *name == word);
            let bad = || l.fatal(format!("bad {} argument {word}", l.keyword));
            o.permit_tunnel = mode.ok_or_else(bad)?.1;
            Ok(())
        },
        |o, d| d.line("PermitTunnel", o.permit_tunnel.word())),
    keyword!(Anywhere Last "StreamLocalBindMask", "file mode mask of forwarded sockets",
        |l, o| {
            let word = l.word()?;
            let mask = value::octal(&word);
            o.stream_local_bind_mask =
                mask.ok_or_else(|| l.fatal(format!("Invalid {}.", l.keyword)))?;
            Ok(())
        },
        |o, d| d.line("StreamLocalBindMask", format!("0{:o}", o.stream_local_bind_mask))),
    flag!(Anywhere "StreamLocalBindUnlink", stream_local_bind_unlink,
        "remove a socket that is in the way"),
];

/// An absolute path, or one that begins with the user's home directory; or
/// `none`. A relative one would be found from wherever the daemon happens to be.
fn link(line: &mut Line<'_>) -> Result<Option<String>, Fault> {
    let path = line.optional()?;
    let fits = |path: &String| {
        path.starts_with('/') || path == "~" || path.starts_with("~/") || path.starts_with("%h")
    };
    if path.as_ref().is_some_and(|path| !fits(path)) {
        return Err(line.fatal(format!("{} must be an absolute path", line.keyword)));
    }
    Ok(path)
}

/// `USER` or `USER@HOST`, whose host may be a network.
fn user(line: &Line<'_>, word: &str) -> Done {
    let bad_host = word
        .rsplit_once('@')
        .is_some_and(|(_, host)| matching::address_list(None, host).is_err());
    if word.is_empty() || bad_host {
        let text = format!("invalid {} pattern: \"{word}\"", line.keyword);
        return Err(line.fatal(text));
    }
    Ok(())
}

fn group(line: &Line<'_>, word: &str) -> Done {
    if word.is_empty() {
        return Err(line.fatal(format!("empty {} pattern", line.keyword)));
    }
    Ok(())
}

fn permit(line: &mut Line<'_>, listen: bool) -> Result<Permit, Fault> {
    let mut list = Vec::new();
    let mut whole = None;
    while let Some(word) = line.next() {
        if word == "any" || word == "none" {
            if !list.is_empty() || whole.is_some() {
                let text = format!("{word} must appear alone on a {} line.", line.keyword);
                return Err(line.fatal(text));
            }
            whole = Some(if word == "any" {
                Permit::Any
            } else {
                Permit::None
            });
            continue;
        }
        let (entry, port) = if listen && !word.contains(':') {
            // A port alone stands for all addresses.
            (format!("*:{word}"), Some(word.clone()))
        } else {
            let Some((_, port)) = host_and_rest(&word) else {
                return Err(line.fatal(format!("{} missing host", line.keyword)));
            };
            (word.clone(), port.map(str::to_owned))
        };
        let fine = port.is_some_and(|p| p == "*" || value::real_port(&p, line.hooks).is_some());
        if !fine {
            return Err(line.fatal(format!("{} bad port number", line.keyword)));
        }
        list.push(entry);
    }
    match (whole, list.is_empty()) {
        (Some(whole), true) => Ok(whole),
        (None, true) => Err(line.fatal(format!("{} missing argument.", line.keyword))),
        (None, false) => Ok(Permit::Only(list)),
        (Some(_), false) => {
            let text = format!("any or none must appear alone on a {} line.", line.keyword);
            Err(line.fatal(text))
        }
    }
}

fn dump_permit(name: &str, permit: &Permit, dump: &mut Dump) {
    let shown = match permit {
        Permit::Any => "any".to_owned(),
        Permit::None => "none".to_owned(),
        Permit::Only(list) => list.join(" "),
    };
    dump.line(name, shown);
}
