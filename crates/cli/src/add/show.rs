//! Listing keys, and testing them.

use std::io::Write as _;
use std::path::Path;

use carrick_crypto::rng::{Rng as _, SystemRng};
use carrick_keys::{KeyType, PublicKey};

use super::args::Args;
use super::{Fatal, Outcome};
use crate::agent_socket::AgentSocket;
use crate::keyfile;
use crate::log::error;
use crate::text::{err, outln};

/// What is signed for a test.
const TEST_LEN: usize = 1024;

/// `-l`, `-L`. Keys of types that are not known here are left out.
pub(super) fn list(args: &Args, agent: &mut AgentSocket, fingerprints: bool) -> bool {
    let list = match agent.identities() {
        Ok(list) => list,
        Err(why) => {
            err!("error fetching identities: {why}\n");
            return false;
        }
    };
    if list.is_empty() {
        outln!("The agent has no identities.");
        return false;
    }
    for held in list {
        let Ok(key) = PublicKey::from_blob(&held.blob) else {
            continue;
        };
        let mut line = if fingerprints {
            format!("{} {} ", key.bits(), key.fingerprint(args.hash))
        } else {
            format!("{} ", key.to_line(""))
        }
        .into_bytes();
        // The comment as it is: it need not be text.
        line.extend_from_slice(&held.comment);
        if fingerprints {
            line.extend_from_slice(format!(" ({})", key.short_name()).as_bytes());
        }
        line.push(b'\n');
        // A reader that has gone away has read enough.
        let _ = std::io::stdout().write_all(&line);
    }
    true
}

/// `-T`: has each key sign, and verifies it.
pub(super) fn test(args: &Args, agent: &mut AgentSocket) -> Outcome {
    if args.operands.is_empty() {
        return Err(Fatal("no keys to test".into()));
    }
    let mut good = true;
    for file in &args.operands {
        good &= test_one(agent, Path::new(file));
    }
    Ok(good)
}

fn test_one(agent: &mut AgentSocket, path: &Path) -> bool {
    let name = path.display();
    let Some((key, _)) = keyfile::load_public(path) else {
        error!("Couldn't read public key {name}: No such file or directory");
        return false;
    };
    let algorithm = match key.kind() {
        KeyType::Rsa => "rsa-sha2-256",
        _ => key.plain().key_type(),
    };
    let mut data = [0; TEST_LEN];
    SystemRng.fill(&mut data);
    let signature = match agent.sign(&key.to_blob(), &data, algorithm) {
        Ok(signature) => signature,
        Err(why) => {
            error!("Agent signature failed for {name}: {why}");
            return false;
        }
    };
    match key
        .plain()
        .verify_with_details(&data, &signature, Some(&[algorithm]))
    {
        Ok(_) => true,
        Err(why) => {
            error!("Signature verification failed for {name}: {why}");
            false
        }
    }
}
