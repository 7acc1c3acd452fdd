//! ssh-copy-id: puts public keys into the authorized_keys file of an account
//! on another machine, in the words of the script that OpenSSH has for it.
//!
//! It logs in with `ssh` itself: once to see whether the keys let in already
//! (several keys at a time), once to add those that do not.
//!
//! What leaves this machine is public keys: a file with anything else is
//! refused, and what an agent says about a key cannot end its line. What the
//! other machine says reaches the terminal escaped; it may lie about what it
//! did, and no more.

mod args;
mod install;
mod keys;
mod quote;
mod run;
mod sftp;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::text::{err, outln};
use args::{Args, BadArgs};
use keys::Source;
use run::Runner;

/// Why a run ends early.
pub(super) enum Stop {
    /// A message, after `NAME: ERROR: `.
    Error(String),
    /// The same, with an empty line before it.
    Apart(String),
    /// What went wrong has been told; this exit status.
    Status(u8),
    /// This signal came.
    Signal(carrick_sys::signals::Number),
}

/// Runs the program.
pub(crate) fn main(argv: Vec<OsString>) -> ExitCode {
    let name = name();
    let done = args::parse(argv)
        .map_err(|bad| complain(&name, bad))
        .and_then(|args| copy(&name, &args));
    match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Stop::Error(text)) => err!("{name}: ERROR: {text}\n"),
        Err(Stop::Apart(text)) => err!("\n{name}: ERROR: {text}\n"),
        Err(Stop::Status(status)) => return ExitCode::from(status),
        Err(Stop::Signal(signal)) => {
            // It ends this program as it would have without us in its way.
            let _ = carrick_sys::signals::raise(signal);
        }
    }
    ExitCode::FAILURE
}

/// What this program was called.
fn name() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if called.ends_with("ssh-copy-id") {
        called
    } else {
        "ssh-copy-id".into()
    }
}

fn complain(name: &str, bad: BadArgs) -> Stop {
    match bad {
        BadArgs::Usage => {}
        BadArgs::Flag(text) => err!("{text}\n"),
        BadArgs::Error(text) => err!("{name}: ERROR: {text}\n\n"),
        BadArgs::Apart(text) => err!("\n{name}: ERROR: {text}\n\n"),
    }
    err!("{}", args::usage(name));
    Stop::Status(1)
}

fn copy(name: &str, args: &Args) -> Result<(), Stop> {
    let source = keys::source(args)?;
    err!("{name}: INFO: Source of key(s) to be installed: {source}\n");
    let mut keys = source.keys()?;
    if keys.is_empty() {
        return Err(Stop::Error("No identities found".into()));
    }
    let runner = Runner::new(args)?;
    if !args.force {
        err!(
            "{name}: INFO: attempting to log in with the new key(s), to filter out any that are \
             already installed\n"
        );
        keys = runner.not_installed(&source, keys)?;
        if keys.is_empty() {
            err!(
                "\n{name}: WARNING: All keys were skipped because they already exist on the \
                 remote system.\n\t\t(if you think this is a mistake, you may want to use -f \
                 option)\n\n"
            );
            return Ok(());
        }
        err!(
            "{name}: INFO: {} key(s) remain to be installed -- if you are prompted now it is to \
             install the new keys\n",
            keys.len()
        );
    }
    if args.dry_run {
        const RULE: &str = "=-=-=-=-=-=-=-=";
        let lines = keys.join("\n");
        outln!("{RULE}\nWould have added the following key(s):\n\n{lines}\n{RULE}");
        return Ok(());
    }
    let added = if args.sftp {
        sftp::install(&runner, &keys)?
    } else {
        install::install(&runner, &keys)?
    };
    outln!(
        "\nNumber of key(s) added: {added}\n\nNow try logging into the machine, with: \"{}\"\n\
         and check to make sure that only the key(s) you wanted were added.\n",
        login_command(args, &source)
    );
    Ok(())
}

/// The command that ought to work now.
fn login_command(args: &Args, source: &Source) -> String {
    let (program, port_flag) = if args.sftp {
        ("sftp", "-P")
    } else {
        ("ssh", "-p")
    };
    let mut words = vec![program.to_owned()];
    if let (Source::File { private, .. }, true) = (source, args.identity.is_some()) {
        words.extend(["-i".into(), quote::if_needed(&private.to_string_lossy())]);
    }
    if let Some(port) = &args.port {
        words.extend([port_flag.into(), quote::if_needed(port)]);
    }
    for (flag, value) in &args.passed_on {
        words.extend([format!("-{flag}"), quote::shell(&value.to_string_lossy())]);
    }
    words.push(quote::shell(&args.destination.to_string_lossy()));
    words.join(" ")
}
