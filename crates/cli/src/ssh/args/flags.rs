//! What each flag means: mostly a keyword and its value, as `-o` would give.

use std::ffi::OsString;

use carrick_config::forward::ForwardKind;

use super::super::mux::Command;
use super::super::uri;
use super::super::vpn::network as vpn;
use super::{Args, BadArgs, Setting, Wanted};
use crate::getopt::{Getopt, text};
use crate::log::Level;
use crate::services;
use crate::text::err;

/// The flag `-` is what stands before a long option.
const SPEC: &str = "-:1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYyZ";

/// The words, and what they have come to so far.
pub(super) struct Parser {
    pub(super) opts: Getopt,
    pub(super) out: Args,
    /// How many `-t`.
    pub(super) tty: u32,
}

impl Parser {
    pub(super) fn new(args: Vec<OsString>) -> Self {
        Self {
            opts: Getopt::new(SPEC, args),
            out: Args::default(),
            tty: 0,
        }
    }

    /// Takes flags up to the next operand.
    pub(super) fn flags(&mut self) -> Result<Option<Wanted>, BadArgs> {
        loop {
            let flag = self
                .opts
                .next()
                .map_err(|e| BadArgs::Usage(Some(format!("{e}\r\n"))))?;
            let Some((flag, value)) = flag else {
                return Ok(None);
            };
            let value = value.unwrap_or_default();
            match (flag, text(&value)) {
                ('V', _) => return Ok(Some(Wanted::Version)),
                ('Q', what) => return Ok(Some(Wanted::Query(what))),
                ('-', word) => self.long(&word)?,
                (flag, value) => self.flag(flag, value)?,
            }
        }
    }

    fn set(&mut self, keyword: &'static str, value: &str) {
        self.out
            .settings
            .push(Setting::Set(keyword, value.to_owned()));
    }

    fn flag(&mut self, flag: char, value: String) -> Result<(), BadArgs> {
        match flag {
            '1' => {
                return Err(BadArgs::Fatal(
                    "SSH protocol v.1 is no longer supported".into(),
                ));
            }
            '4' => self.set("AddressFamily", "inet"),
            '6' => self.set("AddressFamily", "inet6"),
            'C' => self.set("Compression", "yes"),
            'E' => self.out.log_file = Some(value),
            'F' => self.out.config_file = Some(value),
            'G' => self.out.dump = true,
            'B' => self.set("BindInterface", &value),
            'b' => self.set("BindAddress", &value),
            'N' => self.set("SessionType", "none"),
            'P' => self.set("Tag", &value),
            'T' => self.set("RequestTTY", "no"),
            't' => self.tty += 1,
            'f' => {
                self.set("ForkAfterAuthentication", "yes");
                self.set("StdinNull", "yes");
            }
            'n' => self.set("StdinNull", "yes"),
            's' => self.set("SessionType", "subsystem"),
            // Judged with its tokens expanded.
            'l' => self.set("User", &value),
            'p' => {
                let Some(port) = services::port(&value) else {
                    return Err(BadArgs::Message(format!("Bad port '{value}'")));
                };
                self.set("Port", &port.to_string());
            }
            'o' => self.out.settings.push(Setting::Option(value)),
            'i' => self.identity(&value),
            'c' | 'm' => self.algorithms(flag, &value)?,
            'e' => self.escape(&value)?,
            'q' => self.out.level = Some(Level::Quiet),
            'v' => self.out.level = Some(more_verbose(self.out.level)),
            'y' => self.out.syslog = true,
            'I' => self.set("PKCS11Provider", &value),
            'S' => self.insist("ControlPath", &value),
            'M' => self.master(),
            'O' => self.control(&value)?,
            'W' => {
                if self.out.control.is_some() {
                    let why = "Cannot specify stdio forward with -O";
                    return Err(BadArgs::Fatal(why.into()));
                }
                if self.out.stdio_forward.is_some() {
                    return Err(BadArgs::Fatal("stdio forward already specified".into()));
                }
                self.out.stdio_forward = Some(value);
                self.insist("RequestTTY", "no");
                self.insist("SessionType", "none");
            }
            _ => self.forwarding(flag, value),
        }
        Ok(())
    }

    /// `-M`; twice, and the user is asked.
    fn master(&mut self) {
        let once = Setting::Set("ControlMaster", "yes".into());
        let value = if self.out.settings.contains(&once) {
            "ask"
        } else {
            "yes"
        };
        self.insist("ControlMaster", value);
    }

    fn control(&mut self, name: &str) -> Result<(), BadArgs> {
        let command = Command::named(name);
        let why = if self.out.stdio_forward.is_some() {
            "Cannot specify multiplexing command with -W"
        } else if self.out.control.is_some() {
            "Multiplexing command already specified"
        } else if command.is_none() {
            "Invalid multiplex command."
        } else {
            self.out.control = command;
            return Ok(());
        };
        Err(BadArgs::Fatal(why.into()))
    }

    /// As a flag whose last use counts, whatever `-o` says before or after it.
    fn insist(&mut self, keyword: &'static str, value: &str) {
        let settings = &mut self.out.settings;
        settings.retain(|s| !matches!(s, Setting::Set(known, _) if *known == keyword));
        settings.insert(0, Setting::Set(keyword, value.to_owned()));
    }

    /// A long option, without its dashes; those are ours.
    fn long(&mut self, word: &str) -> Result<(), BadArgs> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        match name {
            "vpn" => {
                let value = value.or_else(|| self.opts.take_operand().map(|word| text(&word)));
                let Some(value) = value else {
                    let reason = "option requires an argument -- vpn\r\n";
                    return Err(BadArgs::Usage(Some(reason.into())));
                };
                let bad = |word| BadArgs::Message(format!("Bad network '{word}'"));
                self.out
                    .vpn
                    .networks
                    .extend(vpn::list(&value).map_err(bad)?);
            }
            "vpn-dns" => {
                self.out.vpn.resolver = Some(match value {
                    None => vpn::Resolver::Servers,
                    Some(word) => match word.parse() {
                        Ok(address) => vpn::Resolver::At(address),
                        Err(_) => {
                            return Err(BadArgs::Message(format!("Bad resolver address '{word}'")));
                        }
                    },
                });
            }
            // As getopt says of two dashes that mean nothing.
            _ => return Err(BadArgs::Usage(Some("unknown option -- -\r\n".into()))),
        }
        Ok(())
    }

    /// What is forwarded.
    fn forwarding(&mut self, flag: char, value: String) {
        let mut forward = |kind| {
            self.out
                .settings
                .push(Setting::Forward(kind, value.clone()));
        };
        match flag {
            'L' => forward(ForwardKind::Local),
            'R' => forward(ForwardKind::Remote),
            'D' => forward(ForwardKind::Dynamic),
            'J' => self.set("ProxyJump", &value),
            'w' => {
                self.set("Tunnel", "point-to-point");
                self.set("TunnelDevice", &value);
            }
            'g' => self.set("GatewayPorts", "yes"),
            'A' => self.insist("ForwardAgent", "yes"),
            'a' => self.insist("ForwardAgent", "no"),
            'X' => self.insist("ForwardX11", "yes"),
            'x' => self.insist("ForwardX11", "no"),
            'Y' => {
                self.insist("ForwardX11Trusted", "yes");
                self.insist("ForwardX11", "yes");
            }
            'K' => {
                self.set("GSSAPIAuthentication", "yes");
                self.set("GSSAPIDelegateCredentials", "yes");
            }
            'k' => self.set("GSSAPIDelegateCredentials", "no"),
            // Ignored, as in OpenSSH.
            _ => {}
        }
    }

    /// `-i`: a file that is not there is told and left out.
    fn identity(&mut self, path: &str) {
        let real = match path.strip_prefix("~/") {
            Some(rest) => crate::home::directory().join(rest),
            None => path.into(),
        };
        match std::fs::metadata(real) {
            Ok(_) => self.out.settings.push(Setting::Identity(path.to_owned())),
            Err(e) => err!(
                "Warning: Identity file {path} not accessible: {}.\n",
                crate::text::os_error(&e)
            ),
        }
    }

    fn algorithms(&mut self, flag: char, list: &str) -> Result<(), BadArgs> {
        let (keyword, known): (_, fn(&str) -> bool) = if flag == 'c' {
            ("Ciphers", |n| carrick_crypto::packet::cipher(n).is_some())
        } else {
            ("MACs", |n| carrick_crypto::packet::mac(n).is_some())
        };
        let names = list.strip_prefix(['+', '^']).unwrap_or(list);
        let good = list.starts_with('-')
            || (!names.is_empty() && names.split(',').all(|n| known(n) || n.contains('*')));
        if !good {
            let what = if flag == 'c' { "cipher" } else { "mac" };
            return Err(BadArgs::Message(format!("Unknown {what} type '{list}'")));
        }
        self.set(keyword, list);
        Ok(())
    }

    fn escape(&mut self, value: &str) -> Result<(), BadArgs> {
        let good = match value.as_bytes() {
            [b'^', 64..128] | [_] => true,
            _ => value == "none",
        };
        if !good {
            return Err(BadArgs::Message(format!("Bad escape character '{value}'.")));
        }
        self.set("EscapeChar", value);
        Ok(())
    }

    pub(super) fn destination(&mut self, given: &str) -> Result<(), BadArgs> {
        let destination = uri::parse(given).ok_or(BadArgs::Usage(None))?;
        if !uri::is_safe_host(&destination.host) {
            return Err(BadArgs::Fatal(
                "hostname contains invalid characters".into(),
            ));
        }
        if let Some(user) = &destination.user {
            self.set("User", user);
        }
        if let Some(port) = destination.port {
            self.set("Port", &port.to_string());
        }
        given.clone_into(&mut self.out.destination_text);
        self.out.destination = destination;
        Ok(())
    }
}

fn more_verbose(level: Option<Level>) -> Level {
    match level {
        None => Level::Debug1,
        Some(level) if level < Level::Debug1 => Level::Debug1,
        Some(level) => Level::from_number(level as i8 + 1),
    }
}
