//! The client's command line, turned into configuration values (which go
//! before every file) and what is not configuration. Here is what comes of it
//! as a whole; the flags one by one are in [`flags`].

mod flags;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use carrick_config::forward::ForwardKind;

use super::mux::Command;
use super::uri::Destination;
use super::vpn::network as vpn;
use crate::getopt::text;
use crate::log::Level;
use flags::Parser;

/// How to use it, as OpenSSH says it.
pub(crate) const USAGE: &str = "\
usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface] [-b bind_address]
           [-c cipher_spec] [-D [bind_address:]port] [-E log_file]
           [-e escape_char] [-F configfile] [-I pkcs11] [-i identity_file]
           [-J destination] [-L address] [-l login_name] [-m mac_spec]
           [-O ctl_cmd] [-o option] [-P tag] [-p port] [-R address]
           [-S ctl_path] [-W host:port] [-w local_tun[:remote_tun]]
           [--vpn network[,network ...]] [--vpn-dns[=address]]
           destination [command [argument ...]]
       ssh [-Q query_option]
";

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// Configuration values in order.
    pub(crate) settings: Vec<Setting>,
    /// `-F`.
    pub(crate) config_file: Option<String>,
    /// `-G`.
    pub(crate) dump: bool,
    /// `-O`.
    pub(crate) control: Option<Command>,
    /// `-W`.
    pub(crate) stdio_forward: Option<String>,
    /// `-E`.
    pub(crate) log_file: Option<String>,
    /// `-y`.
    pub(crate) syslog: bool,
    /// `-q`, `-v`: the level that they give, which no file changes.
    pub(crate) level: Option<Level>,
    /// Where to, unless `-Q` or `-V` came first.
    pub(crate) destination: Destination,
    /// The destination as typed.
    pub(crate) destination_text: String,
    /// `--vpn`, `--vpn-dns`.
    pub(crate) vpn: vpn::Wanted,
    /// The command, its words joined by single spaces; empty for a shell.
    pub(crate) command: Vec<u8>,
}

/// One configuration value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// `-o`, to be parsed.
    Option(String),
    /// A flag: keyword and its one argument.
    Set(&'static str, String),
    /// `-i`.
    Identity(String),
    /// `-L`, `-R`, `-D`.
    Forward(ForwardKind, String),
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// `-V`.
    Version,
    /// `-Q`.
    Query(String),
    /// Connect, or with `-G` print the configuration.
    Connect(Box<Args>),
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadArgs {
    /// Print this (if anything) and the usage.
    Usage(Option<String>),
    /// Print this alone, as a line.
    Message(String),
    /// Print this alone, as the log would.
    Fatal(String),
}

/// Parses the arguments after the program's name.
pub(crate) fn parse(args: Vec<OsString>) -> Result<Wanted, BadArgs> {
    let mut parser = Parser::new(args);
    if let Some(wanted) = parser.flags()? {
        return Ok(wanted);
    }
    let Some(destination) = parser.opts.take_operand() else {
        return Err(BadArgs::Usage(None));
    };
    parser.destination(&text(&destination))?;
    // Flags may follow the destination; the first operand after it is the command.
    if let Some(wanted) = parser.flags()? {
        return Ok(wanted);
    }
    let Parser { opts, mut out, tty } = parser;
    let words = opts.rest();
    out.command = words
        .iter()
        .map(|w| w.as_bytes())
        .collect::<Vec<_>>()
        .join(&b' ');
    if let Some(level) = out.level {
        // No file changes it, and -G shows it.
        out.settings
            .insert(0, Setting::Set("LogLevel", level.name().into()));
    }
    if out.vpn.resolver.is_some() && out.vpn.networks.is_empty() {
        return Err(BadArgs::Message("--vpn-dns goes with --vpn".into()));
    }
    if out.control.is_some() && !out.vpn.networks.is_empty() {
        return Err(BadArgs::Message("--vpn does not go with -O".into()));
    }
    if !out.vpn.networks.is_empty() && out.command.is_empty() {
        // The networks are what is wanted, unless a command is too.
        out.settings
            .push(Setting::Set("SessionType", "none".into()));
    }
    match tty {
        0 => {}
        1 => out.settings.push(Setting::Set("RequestTTY", "yes".into())),
        _ => out
            .settings
            .push(Setting::Set("RequestTTY", "force".into())),
    }
    Ok(Wanted::Connect(Box::new(out)))
}
