//! Removing keys.

use std::io::BufRead as _;
use std::path::Path;

use carrick_keys::PublicKey;
use carrick_keys::agent::{AgentClient, Request};

use super::args::Args;
use super::{Fatal, Outcome};
use crate::agent_socket::AgentSocket;
use crate::keyfile::{self, with_suffix};
use crate::log::error;
use crate::text::{err, outln};

/// `-D`. Agents that hold keys of SSH 1 too are told in both languages; what
/// they say to the old one does not matter.
pub(super) fn all(args: &Args, agent: &mut AgentSocket) -> bool {
    let done = agent.tell(&AgentClient::request(&Request::RemoveAll));
    let _ = agent.tell(&AgentClient::request(&Request::RemoveAllSsh1));
    match done {
        Ok(()) => {
            if !args.quiet {
                err!("All identities removed.\n");
            }
            true
        }
        Err(_) => {
            err!("Failed to remove all identities.\n");
            false
        }
    }
}

/// `-d`: the key whose public half is in `path` or beside it, and its
/// certificate (`-` is standard input). Whether anything was removed.
pub(super) fn file(args: &Args, agent: &mut AgentSocket, path: &Path) -> Outcome {
    if path == Path::new("-") {
        return Ok(stdin(args, agent));
    }
    let name = path.display();
    let Some((public, comment)) = keyfile::load_public(path) else {
        outln!("Bad key file {name}: No such file or directory");
        return Ok(false);
    };
    let mut any = false;
    if is_wanted(args, &public) {
        any |= one(args, agent, &public, comment.as_deref(), &name);
    }
    if args.keys_only {
        return Ok(any);
    }
    let beside = with_suffix(path, "-cert.pub");
    if let Some((cert, comment)) = keyfile::load_public(&beside) {
        let name = beside.display();
        if cert.plain() != public.plain() {
            return Err(Fatal(format!(
                "Certificate {name} does not match private key {}",
                path.display()
            )));
        }
        any |= one(args, agent, &cert, comment.as_deref(), &name);
    }
    Ok(any)
}

/// By `-k` and `-C`.
fn is_wanted(args: &Args, key: &PublicKey) -> bool {
    let cert = key.is_certificate();
    match (args.keys_only, args.certs_only) {
        (false, false) => true,
        (keys, certs) => (keys && !cert) || (certs && cert),
    }
}

/// Keys from standard input, one a line.
fn stdin(args: &Args, agent: &mut AgentSocket) -> bool {
    let mut any = false;
    for (number, line) in (1..).zip(std::io::stdin().lock().split(b'\n')) {
        // What cannot be read is the end.
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match PublicKey::from_line(line) {
            Ok((key, comment)) if is_wanted(args, &key) => {
                any |= one(args, agent, &key, Some(&comment), &"(stdin)");
            }
            Ok(_) => {}
            Err(_) => error!("(stdin):{number}: invalid key: invalid format"),
        }
    }
    any
}

fn one(
    args: &Args,
    agent: &mut AgentSocket,
    key: &PublicKey,
    comment: Option<&str>,
    name: &dyn std::fmt::Display,
) -> bool {
    let blob = key.to_blob();
    match agent.tell(&AgentClient::request(&Request::Remove { key: &blob })) {
        Ok(()) => {
            if !args.quiet {
                let comment = comment.unwrap_or("no comment");
                err!(
                    "Identity removed: {name} {} ({comment})\n",
                    key.short_name()
                );
            }
            true
        }
        Err(why) => {
            err!("Could not remove identity \"{name}\": {why}\n");
            false
        }
    }
}
