//! From the command line and the files to the options of one connection.

use std::io;
use std::net::IpAddr;

use carrick_config::forward::{self, ForwardKind};
use carrick_config::hooks::{self, FileText, Hooks, Level};
use carrick_config::ssh::{Config, LocalUser, Options, Sources};
use carrick_config::types::Endpoint;
use carrick_config::words::{AddressFamily, CanonicalizeHostname, LogLevel};

use super::args::{Args, Setting};
use crate::log::{self, debug};
use crate::{account, connect, services};

/// The system, for the configuration.
pub(crate) struct System;

impl Hooks for System {
    fn read(&self, path: &str) -> io::Result<FileText> {
        hooks::local::read(path)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        hooks::local::list(directory)
    }

    fn env(&self, name: &str) -> Option<String> {
        hooks::local::env(name)
    }

    fn home(&self, user: Option<&str>) -> Option<String> {
        let home = match user {
            None => account::me()?.home.clone(),
            Some(user) => carrick_sys::passwd::by_name(user).ok()??.home,
        };
        home.into_os_string().into_string().ok()
    }

    fn uid(&self) -> u32 {
        account::uid()
    }

    fn exec(&self, command: &str) -> io::Result<bool> {
        Ok(connect::run_local(command)? == 0)
    }

    fn local_addresses(&self) -> io::Result<Vec<IpAddr>> {
        carrick_sys::socket::all_addresses()
    }

    fn service_port(&self, name: &str) -> Option<u16> {
        services::by_name(name)
    }

    fn note(&self, level: Level, text: &str) {
        let level = match level {
            Level::Error => log::Level::Error,
            Level::Info => log::Level::Info,
            Level::Debug1 => log::Level::Debug1,
            Level::Debug2 => log::Level::Debug2,
            Level::Debug3 => log::Level::Debug3,
        };
        log::write(level, format_args!("{text}"));
    }
}

/// Reads everything; an error is the text to end with.
pub(super) fn load(args: &Args) -> Result<Options, String> {
    let account =
        account::me().ok_or_else(|| format!("No user exists for uid {}", account::uid()))?;
    let user = LocalUser {
        name: account.name.clone(),
        uid: account.uid,
        home: account.home.to_string_lossy().into_owned(),
    };
    let mut config = Config::new(&System, user, &account::host_name(), super::SOFTWARE);
    let text = |e: carrick_config::Error| e.to_string();
    for setting in &args.settings {
        match setting {
            Setting::Option(line) => config.option(line).map_err(text)?,
            Setting::Set(keyword, value) => config.set(keyword, &[value]).map_err(text)?,
            Setting::Identity(path) => config.add_identity(path, true),
            Setting::Forward(kind, spec) => add_forward(&mut config, *kind, spec)?,
        }
    }
    if args.stdio_forward.is_some() {
        config.set_stdio_forward();
    }
    if args.level.is_none() && config.options().is_set("LogLevel") {
        log::set_level(level(config.options().log_level));
    }
    let sources = Sources {
        only: args.config_file.clone(),
        ..Sources::default()
    };
    let command = String::from_utf8_lossy(&args.command);
    config
        .load(&sources, &args.destination.host, &command)
        .map_err(text)?;
    if config.wants_final_pass() {
        let name = config.connect_host();
        config.final_pass(&name).map_err(text)?;
    }
    config.finish().map_err(text)
}

/// Where `-W` leads.
pub(super) fn stdio_forward(args: &Args) -> Result<Option<Endpoint>, String> {
    let Some(spec) = &args.stdio_forward else {
        return Ok(None);
    };
    let read = forward::forward(spec, ForwardKind::Dynamic, &System);
    match read.map(|forward| forward.listen) {
        // A port alone is a port of nobody.
        Some(to @ (Endpoint::Unix { .. } | Endpoint::Tcp { host: Some(_), .. })) => Ok(Some(to)),
        _ => Err(format!("Bad stdio forwarding specification '{spec}'")),
    }
}

/// Which addresses may be used: `Some(true)` for IPv4 only.
pub(crate) fn ipv4_only(options: &Options) -> Option<bool> {
    match options.address_family {
        AddressFamily::Any => None,
        AddressFamily::Inet => Some(true),
        AddressFamily::Inet6 => Some(false),
    }
}

fn add_forward(config: &mut Config<'_>, kind: ForwardKind, spec: &str) -> Result<(), String> {
    let (what, alternative) = match kind {
        ForwardKind::Local => ("local", None),
        ForwardKind::Dynamic => ("dynamic", None),
        // Without a target it is a SOCKS proxy at the far end.
        ForwardKind::Remote | ForwardKind::RemoteDynamic => {
            ("remote", Some(ForwardKind::RemoteDynamic))
        }
    };
    config
        .add_forward(kind, spec)
        .or_else(|| config.add_forward(alternative?, spec))
        .ok_or_else(|| format!("Bad {what} forwarding specification '{spec}'"))
}

/// A LogLevel as a level of our log.
pub(super) fn level(level: LogLevel) -> log::Level {
    match level {
        LogLevel::Quiet => log::Level::Quiet,
        LogLevel::Fatal => log::Level::Fatal,
        LogLevel::Error => log::Level::Error,
        LogLevel::Info => log::Level::Info,
        LogLevel::Verbose => log::Level::Verbose,
        LogLevel::Debug1 => log::Level::Debug1,
        LogLevel::Debug2 => log::Level::Debug2,
        LogLevel::Debug3 => log::Level::Debug3,
    }
}

/// Refuses what was asked for and is not built: without it the session would
/// not be what the user thinks it is. What merely makes it faster or more
/// comfortable is left out with a word in the log.
pub(super) fn refuse_unbuilt(options: &Options) -> Result<(), String> {
    let refused = [
        (
            "CanonicalizeHostname",
            options.canonicalize_hostname != CanonicalizeHostname::No,
        ),
        ("ChannelTimeout", !options.channel_timeouts.is_empty()),
    ];
    for (keyword, wanted) in refused {
        if let (true, Some(origin)) = (wanted, options.set_keywords().origin(keyword)) {
            return Err(format!(
                "{origin}: {keyword} is not built yet in this version of Carrick."
            ));
        }
    }
    if let Some(origin) = options.set_keywords().origin("VerifyHostKeyDNS") {
        debug!("{origin}: VerifyHostKeyDNS is not built yet, ignored");
    }
    Ok(())
}
