//! ssh-keyscan: asks hosts for their host keys.
//!
//! Nothing is logged in to: each connection is a key exchange that ends when
//! the host has proved that it owns the key it shows. All connections share
//! one thread; hosts, files and names are read as connections become free, so
//! that neither a long list nor a large network is ever held in memory.
//!
//! What a hostile host can do: be slow (each silence is limited, and so is
//! the whole of a connection), send much (the protocol's own bounds), show a
//! key that is not its own to others (the exchange proves that it owns it),
//! or put control characters into its identification (shown escaped). What it
//! writes never reaches the output as more than one comment and one key.

mod args;
mod exchange;
mod output;
mod pace;
mod scan;
mod sources;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::log::{log, set_level};
use crate::text::err;
use args::BadArgs;

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let args = match args::parse(args) {
        Ok(args) => args,
        Err(bad) => return complain(&bad),
    };
    if let Some(level) = args.level {
        set_level(level);
    }
    match scan::run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            log!(Fatal, "{text}");
            ExitCode::from(255)
        }
    }
}

/// Tells what is wrong with the command line.
fn complain(bad: &BadArgs) -> ExitCode {
    match bad {
        BadArgs::Usage(reason) => {
            err!("{reason}{}", args::USAGE);
            ExitCode::FAILURE
        }
        BadArgs::Message(text) => {
            err!("{text}\n");
            ExitCode::FAILURE
        }
        BadArgs::Fatal(text) => {
            err!("{text}\r\n");
            ExitCode::from(255)
        }
    }
}
