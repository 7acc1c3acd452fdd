//! Keys in tokens: the agent loads PKCS#11 libraries itself; keys that live in
//! a FIDO authenticator are fetched here.

use std::path::Path;

use carrick_keys::agent::{AgentClient, Constraints, Request, TokenCertificates};
use carrick_wire::{Encode as _, Secret};

use super::args::Args;
use super::{Fatal, Outcome, ask_hidden, destination, sk_provider};
use crate::agent_socket::AgentSocket;
use crate::keyfile;
use crate::log::error;
use crate::sk;
use crate::text::err;

/// `-s`, `-e`: has the agent add or remove the keys of a library. Operands
/// are certificates for them.
pub(super) fn update(
    args: &Args,
    agent: &mut AgentSocket,
    provider: &str,
    remove: bool,
) -> Outcome {
    let destinations = destination::parse_all(args)?;
    let mut list = Vec::new();
    for file in &args.operands {
        let path = Path::new(file);
        let (key, _) = keyfile::load_public(path).ok_or_else(|| {
            let name = path.display();
            Fatal(format!(
                "main: load certificate {name}: No such file or directory"
            ))
        })?;
        list.push(key);
    }
    let certificates = (!list.is_empty() && !args.keys_only).then_some(TokenCertificates {
        only: args.certs_only,
        list,
    });
    let constraints = Constraints {
        lifetime: args.lifetime,
        confirm: args.confirm,
        sk_provider: None,
        destinations,
        certificates,
    };
    let done = if remove {
        agent.tell(&AgentClient::request(&Request::RemoveToken {
            provider,
            pin: b"",
        }))
    } else {
        let pin = ask_hidden("Enter passphrase for PKCS#11: ");
        agent.tell(&AgentClient::secret_request(&Request::AddToken {
            constrained: constraints != Constraints::default(),
            provider,
            pin: &pin,
            constraints: &constraints.to_vec(),
        }))
    };
    let (did, do_it) = if remove {
        ("removed", "remove")
    } else {
        ("added", "add")
    };
    match done {
        Ok(()) => {
            if !args.quiet {
                err!("Card {did}: {provider}\n");
            }
            Ok(true)
        }
        Err(why) => {
            err!("Could not {do_it} card \"{provider}\": {why}\n");
            Ok(false)
        }
    }
}

/// `-K`: adds the keys that an authenticator keeps itself.
pub(super) fn resident(args: &Args, agent: &mut AgentSocket) -> Outcome {
    let destinations = destination::parse_all(args)?;
    let provider = sk_provider(args);
    let pin = ask_hidden("Enter PIN for authenticator: ");
    let pin = Secret::from(pin.as_slice());
    let found = match sk::load_resident(&provider, "", Some(&pin)) {
        Ok(found) => found,
        Err(why) => {
            error!("Unable to load resident keys: {why}");
            return Ok(false);
        }
    };
    let constraints = Constraints {
        lifetime: args.lifetime,
        confirm: args.confirm,
        sk_provider: Some(provider),
        destinations,
        certificates: None,
    };
    let mut good = !found.is_empty();
    for resident in found {
        let mut key = resident.key;
        key.set_comment(sk::application(key.public()).to_owned());
        let name = key.public().short_name();
        let fingerprint = key.public().fingerprint(args.hash);
        let request = AgentClient::add_request(&key, None, &constraints);
        let added = request.map_err(|e| e.to_string());
        if added.and_then(|request| agent.tell(&request)).is_err() {
            error!("Unable to add key {name} {fingerprint}");
            good = false;
        } else if !args.quiet {
            err!("Resident identity added: {name} {fingerprint}\n");
            if let Some(seconds) = args.lifetime {
                err!("Lifetime set to {seconds} seconds\n");
            }
            if args.confirm {
                err!("The user must confirm each use of the key\n");
            }
        }
    }
    Ok(good)
}
