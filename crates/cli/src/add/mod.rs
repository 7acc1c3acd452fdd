//! ssh-add: gives keys to an agent, takes them back, and asks about them.

mod adder;
mod args;
mod destination;
mod remove;
mod show;
mod token;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use carrick_keys::agent::{AgentClient, Request};

use crate::agent_socket::AgentSocket;
use crate::log::{self, log};
use crate::prompt::{Answer, Ask, ask_or_empty};
use crate::text::{err, os_error, outln};
use crate::{account, home, sk};
use args::{Action, Args, BadArgs};

/// The exit status when something did not work.
const FAILED: u8 = 1;
/// The exit status when there is no agent to talk to.
const NO_AGENT: u8 = 2;
/// The exit status of failures that OpenSSH calls fatal.
const FATAL: u8 = 255;

/// Identities that are taken when none is named, in this order.
const DEFAULT_FILES: [&str; 6] = [
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_mldsa44_ed25519",
];

/// Something that ends the program at once, for which OpenSSH has a word.
struct Fatal(String);

/// Whether all went well. What did not has been told.
type Outcome = Result<bool, Fatal>;

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let status = match args::parse(args) {
        Ok(args) => {
            log::set_level(args.level);
            run(&args)
        }
        Err(BadArgs::Usage(reason)) => {
            if let Some(reason) = reason {
                err!("{reason}\n");
            }
            err!("{}", args::USAGE);
            FAILED
        }
        Err(BadArgs::Message(text)) => {
            err!("{text}");
            FAILED
        }
        Err(BadArgs::Fatal(text)) => {
            log!(Fatal, "{text}");
            FATAL
        }
    };
    let flushed = std::io::stdout().flush();
    match flushed {
        Err(_) if status == 0 => ExitCode::from(FATAL),
        _ => ExitCode::from(status),
    }
}

fn run(args: &Args) -> u8 {
    let mut agent = match AgentSocket::from_environment() {
        Some(Ok(agent)) => agent,
        Some(Err(e)) => {
            err!("Error connecting to agent: {}\n", os_error(&e));
            return NO_AGENT;
        }
        None => {
            err!("Could not open a connection to your authentication agent.\n");
            return NO_AGENT;
        }
    };
    let done = match &args.action {
        Action::Lock { lock } => Ok(set_lock(&mut agent, *lock)),
        Action::List { fingerprints } => Ok(show::list(args, &mut agent, *fingerprints)),
        Action::RemoveAll => Ok(remove::all(args, &mut agent)),
        Action::Query => query(&mut agent),
        Action::Test => show::test(args, &mut agent),
        Action::Token { provider, remove } => token::update(args, &mut agent, provider, *remove),
        Action::Resident => token::resident(args, &mut agent),
        Action::Files { remove } => files(args, &mut agent, *remove),
    };
    match done {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(Fatal(text)) => {
            log!(Fatal, "{text}");
            FATAL
        }
    }
}

/// Adds or removes the files that are named, or those that are there of the
/// usual ones.
fn files(args: &Args, agent: &mut AgentSocket, remove: bool) -> Outcome {
    let destinations = destination::parse_all(args)?;
    let mut adder = adder::Adder::new(args, destinations);
    let mut one = |agent: &mut AgentSocket, file: PathBuf| {
        if remove {
            remove::file(args, agent, &file)
        } else {
            Ok(adder.file(agent, &file))
        }
    };
    let mut good = true;
    if args.operands.is_empty() {
        if account::me().is_none() {
            err!("No user found with uid {}\n", account::uid());
            return Ok(false);
        }
        let mut any = false;
        for name in DEFAULT_FILES {
            let file = home::ssh_file(name);
            if std::fs::metadata(&file).is_ok() {
                let done = one(agent, file)?;
                good &= done;
                any |= done;
            }
        }
        return Ok(good && any);
    }
    for file in &args.operands {
        good &= one(agent, file.into())?;
    }
    Ok(good)
}

/// Asks for something that must not be shown.
fn ask_hidden(prompt: &str) -> Answer {
    ask_or_empty(
        prompt,
        Ask {
            echo: false,
            stdin: true,
        },
    )
}

/// The middleware for FIDO keys: `-S`, `SSH_SK_PROVIDER`, or what is built in.
fn sk_provider(args: &Args) -> String {
    let named = args.sk_provider.clone();
    named
        .or_else(|| std::env::var("SSH_SK_PROVIDER").ok())
        .unwrap_or_else(|| sk::INTERNAL.into())
}

/// `-x`, `-X`
fn set_lock(agent: &mut AgentSocket, lock: bool) -> bool {
    let passphrase = ask_hidden("Enter lock password: ");
    if lock && *ask_hidden("Again: ") != *passphrase {
        err!("Passwords do not match.\n");
        return false;
    }
    let (request, un) = if lock {
        (
            Request::Lock {
                passphrase: &passphrase,
            },
            "",
        )
    } else {
        (
            Request::Unlock {
                passphrase: &passphrase,
            },
            "un",
        )
    };
    match agent.tell(&AgentClient::secret_request(&request)) {
        Ok(()) => {
            err!("Agent {un}locked.\n");
            true
        }
        Err(why) => {
            err!("Failed to {un}lock agent: {why}\n");
            false
        }
    }
}

/// `-Q`
fn query(agent: &mut AgentSocket) -> Outcome {
    let names = agent
        .extensions()
        .map_err(|why| Fatal(format!("unable to query supported extensions: {why}")))?;
    for name in names {
        outln!("{name}");
    }
    Ok(true)
}
