//! scp: copies files from host to host.
//!
//! By default a conversation with the far end's SFTP server; with `-O` the
//! legacy protocol, spoken by an scp at either end. Both run through ssh.
//!
//! The far end may be hostile. What it must not do, and where it is kept from
//! it: write outside the target or under other names than those asked for
//! ([`sink`], [`crate::transfer`]), send what a terminal obeys ([`peer`]), or
//! have us hold more than a little ([`record`], [`peer`]).

mod args;
mod asked;
mod carrier;
mod children;
mod copy;
mod far;
mod legacy;
mod meter;
mod peer;
mod record;
mod session;
mod sink;
mod source;
mod talk;
#[cfg(test)]
mod tests;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::log::{self, log};
use crate::transfer::option::FATAL;
use args::Role;
use peer::Ended;

/// Runs the program.
pub(crate) fn main(argv: Vec<OsString>) -> ExitCode {
    log::begin_lines_with(&name());
    let args = match args::parse(argv) {
        Ok(args) => args,
        Err(bad) => return bad.tell(args::USAGE),
    };
    if let Some(level) = args.verbose {
        log::set_level(level);
    }
    let well = match args.role {
        Role::Caller => {
            // Without it a signal ends scp alone, and ssh notices soon after.
            let _ = children::end_with_us();
            copy::run(&args)
        }
        Role::Source | Role::Sink => Ok(far::run(&args)),
    };
    match well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Stop::Ended(status)) => ExitCode::from(status),
        Err(Stop::Fatal(Fatal(text))) => {
            log!(Fatal, "{text}");
            ExitCode::from(FATAL)
        }
    }
}

/// The message of what leaves nothing to be tried.
struct Fatal(String);

/// Why the program ends at once.
enum Stop {
    /// With this exit status; all has been said.
    Ended(u8),
    /// With a message.
    Fatal(Fatal),
}

impl From<Fatal> for Stop {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

impl From<Ended> for Stop {
    fn from(Ended: Ended) -> Self {
        Self::Ended(1)
    }
}

/// What this program was called.
fn name() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = called.to_string_lossy();
    if called.ends_with("scp") {
        called.into_owned()
    } else {
        "scp".into()
    }
}
