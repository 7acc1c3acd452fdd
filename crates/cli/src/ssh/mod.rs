//! The client.

mod agent;
mod args;
mod auth;
mod background;
mod env;
mod escape;
mod fault;
mod forward;
mod hardware;
mod hostbased;
mod identity;
mod identity_file;
mod lend;
mod methods;
mod mux;
mod options;
mod query;
mod reach;
mod relay;
mod requests;
mod run;
mod session;
mod stdio;
mod terminal;
mod tun;
mod typed;
pub(crate) mod uri;
mod vpn;
mod x11;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{BadArgs, Wanted};
pub(crate) use options::{System as HostSystem, ipv4_only};

use crate::log;
use crate::text::err;

/// What the identification says.
pub(crate) const SOFTWARE: &str = concat!(
    "Carrick_",
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR")
);

/// The exit status of every failure of our own.
const FAILED: u8 = 255;

/// Runs the program.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    match args::parse(args) {
        Ok(Wanted::Version) => {
            err!("{SOFTWARE}, AWS-LC\n");
            ExitCode::SUCCESS
        }
        Ok(Wanted::Query(what)) => match query::answer(&what) {
            Some(names) => {
                use std::io::Write as _;
                // A reader that has gone away has read enough.
                let _ = writeln!(std::io::stdout(), "{}", names.join("\n"));
                ExitCode::SUCCESS
            }
            None => {
                log::log!(Fatal, "Unsupported query \"{what}\"");
                ExitCode::from(FAILED)
            }
        },
        Ok(Wanted::Connect(args)) => ExitCode::from(run::run(&args)),
        Err(bad) => {
            complain(&bad);
            ExitCode::from(FAILED)
        }
    }
}

/// Tells what is wrong with the command line.
fn complain(bad: &BadArgs) {
    match bad {
        BadArgs::Usage(reason) => {
            if let Some(reason) = reason {
                err!("{reason}");
            }
            err!("{}", args::USAGE);
        }
        BadArgs::Message(text) => err!("{text}\n"),
        BadArgs::Fatal(text) => err!("{text}\r\n"),
    }
}
