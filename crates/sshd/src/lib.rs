//! The daemon. Which of its processes this is, its first argument tells; a
//! person's arguments make a listener.
//!
//! A library only so that tests and fuzzers reach its parts.

#![forbid(unsafe_code)]

pub mod args;
pub mod broker;
pub mod handoff;
pub mod listener;
pub mod log;
pub mod monitor;
pub mod rpc;
pub mod settings;
pub mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Task;
use monitor::Role;

/// First argument of a listener that took over from one that got SIGHUP.
pub const RESTARTED: &str = "--restarted";
/// What `-V` shows.
pub const VERSION: &str = concat!(
    "Carrick_",
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR")
);

/// Runs the process that the command line asks for.
pub fn main() -> ExitCode {
    let mut given: Vec<OsString> = std::env::args_os().collect();
    let first = given
        .get(1)
        .and_then(|arg| arg.to_str())
        .unwrap_or_default();
    if let Some(role) = Role::from_argument(first) {
        return ExitCode::from(match role {
            Role::Monitor => monitor::start(given.get(2).and_then(|arg| arg.to_str())),
            Role::Worker => worker::start(),
            Role::Broker => broker::start(),
            Role::Session => broker::run_session(given.get(2..).unwrap_or_default()),
        });
    }
    let restarted = first == RESTARTED;
    if restarted {
        given.remove(1);
    }
    match args::parse(given) {
        Err(text) => {
            eprint!("{text}");
            ExitCode::from(1)
        }
        Ok(args) if args.task == Task::Version => {
            eprintln!("{VERSION}");
            ExitCode::SUCCESS
        }
        Ok(args) => ExitCode::from(listener::run(&args, restarted)),
    }
}
