//! The client's command line, turned into configuration values (which go
//! before every file) and what is not configuration.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use carrick_config::forward::ForwardKind;

use super::mux::Command;
use super::uri::{self, Destination};
use super::vpn::network as vpn;
use crate::getopt::{Getopt, text};
use crate::log::Level;
use crate::services;
use crate::text::err;

/// The flag `-` is what stands before a long option.
const SPEC: &str = "-:1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYyZ";

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
    let mut parser = Parser {
        opts: Getopt::new(SPEC, args),
        out: Args::default(),
        tty: 0,
    };
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

struct Parser {
    opts: Getopt,
    out: Args,
    /// How many `-t`.
    tty: u32,
}

impl Parser {
    /// Takes flags up to the next operand.
    fn flags(&mut self) -> Result<Option<Wanted>, BadArgs> {
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

    fn destination(&mut self, given: &str) -> Result<(), BadArgs> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Box<Args> {
        match parse(words.iter().map(OsString::from).collect()) {
            Ok(Wanted::Connect(a)) => a,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn bad(words: &[&str]) -> BadArgs {
        parse(words.iter().map(OsString::from).collect()).unwrap_err()
    }

    #[test]
    fn flags_become_lines_in_order() {
        for (words, lines) in [
            (&["-p", "22", "h"][..], &["Port=22"][..]),
            (&["-p22", "-oPort=1", "h"], &["Port=22", "Port=1"]),
            (
                &["-4", "-C", "u@h"],
                &["AddressFamily=inet", "Compression=yes", "User=u"],
            ),
            (&["h", "-l", "me"], &["User=me"]),
            (&["ssh://u@h:5"], &["User=u", "Port=5"]),
            (&["-tt", "h"], &["RequestTTY=force"]),
            (&["-t", "h"], &["RequestTTY=yes"]),
            (&["-T", "h"], &["RequestTTY=no"]),
            (
                &["-f", "h"],
                &["ForkAfterAuthentication=yes", "StdinNull=yes"],
            ),
            (
                &["-N", "-s", "h"],
                &["SessionType=none", "SessionType=subsystem"],
            ),
            (&["-e", "^A", "h"], &["EscapeChar=^A"]),
            (&["-p1", "-A", "-a", "h"], &["ForwardAgent=no", "Port=1"]),
            (&["-e", "none", "h"], &["EscapeChar=none"]),
            (&["-2", "-v", "h"], &["LogLevel=DEBUG1"]),
            (
                &["-S", "none", "-Y", "h"],
                &[
                    "ForwardX11=yes",
                    "ForwardX11Trusted=yes",
                    "ControlPath=none",
                ],
            ),
            (
                &["-Y", "-x", "h"],
                &["ForwardX11=no", "ForwardX11Trusted=yes"],
            ),
            (
                &["-L", "1:h:2", "-R3:h:4", "-D", "5", "-w1", "h"],
                &[
                    "Local=1:h:2",
                    "Remote=3:h:4",
                    "Dynamic=5",
                    "Tunnel=point-to-point",
                    "TunnelDevice=1",
                ],
            ),
        ] {
            let got: Vec<String> = args(words)
                .settings
                .iter()
                .map(|s| match s {
                    Setting::Option(text) | Setting::Identity(text) => text.clone(),
                    Setting::Set(keyword, value) => format!("{keyword}={value}"),
                    Setting::Forward(kind, spec) => format!("{kind:?}={spec}"),
                })
                .collect();
            assert_eq!(got, lines, "{words:?}");
        }
    }

    #[test]
    fn the_command_is_what_follows_the_host() {
        let a = args(&["-v", "h", "-v", "ls", "-l", "-p", "x"]);
        assert_eq!(a.command, b"ls -l -p x");
        assert_eq!(a.level, Some(Level::Debug2));
        assert_eq!(args(&["h", "--", "-x", "y"]).command, b"-x y");
        assert_eq!(args(&["h"]).command, b"");
        assert_eq!(args(&["-vvvvv", "h"]).level, Some(Level::Debug3));
    }

    #[test]
    fn not_a_connection() {
        assert!(matches!(parse(vec!["-V".into()]), Ok(Wanted::Version)));
        let q = parse(vec!["-Q".into(), "kex".into()]);
        assert!(matches!(q, Ok(Wanted::Query(q)) if q == "kex"));
    }

    #[test]
    fn refusals() {
        assert_eq!(bad(&[]), BadArgs::Usage(None));
        assert_eq!(
            bad(&["-?"]),
            BadArgs::Usage(Some("unknown option -- ?\r\n".into()))
        );
        assert_eq!(
            bad(&["-p"]),
            BadArgs::Usage(Some("option requires an argument -- p\r\n".into()))
        );
        for (words, text) in [
            (&["-p", "99999", "h"][..], "Bad port '99999'"),
            (&["-e", "xx", "h"], "Bad escape character 'xx'."),
        ] {
            assert_eq!(bad(words), BadArgs::Message(text.into()), "{words:?}");
        }
        for (words, text) in [
            (&["a;b"][..], "hostname contains invalid characters"),
            (&["-1", "h"], "SSH protocol v.1 is no longer supported"),
        ] {
            assert_eq!(bad(words), BadArgs::Fatal(text.into()), "{words:?}");
        }
    }

    #[test]
    fn masters_are_asked_once() {
        let args = args(&["-MM", "-S", "a", "-oControlPath=b", "-S", "c", "h"]);
        let set = |keyword: &'static str, value: &str| Setting::Set(keyword, value.into());
        assert!(args.settings.contains(&set("ControlMaster", "ask")));
        assert_eq!(args.settings[0], set("ControlPath", "c"));
        for (words, why) in [
            (
                &["-O", "exit", "-O", "exit", "h"][..],
                "Multiplexing command already specified",
            ),
            (&["-O", "leave", "h"], "Invalid multiplex command."),
            (
                &["-W", "a:1", "-O", "exit", "h"],
                "Cannot specify multiplexing command with -W",
            ),
            (
                &["-O", "exit", "-W", "a:1", "h"],
                "Cannot specify stdio forward with -O",
            ),
        ] {
            assert_eq!(bad(words), BadArgs::Fatal(why.into()), "{words:?}");
        }
    }

    #[test]
    fn networks_and_their_resolver() {
        let a = args(&[
            "--vpn",
            "10/8,fd00::/8",
            "h",
            "--vpn=192.0.2.1",
            "--vpn-dns=10.0.0.53",
        ]);
        assert_eq!(a.vpn.networks.len(), 3);
        assert_eq!(
            a.vpn.resolver,
            Some(vpn::Resolver::At([10, 0, 0, 53].into()))
        );
        let none = Setting::Set("SessionType", "none".into());
        assert!(a.settings.contains(&none));
        let a = args(&["--vpn-dns", "--vpn", "0/0", "h", "command", "--vpn"]);
        assert_eq!(a.vpn.resolver, Some(vpn::Resolver::Servers));
        assert_eq!(
            (&a.command[..], a.vpn.networks.len()),
            (&b"command --vpn"[..], 1)
        );
        assert!(!a.settings.contains(&none));
        let unknown = BadArgs::Usage(Some("unknown option -- -\r\n".into()));
        assert_eq!(bad(&["--else", "h"]), unknown);
        assert!(matches!(bad(&["--vpn"]), BadArgs::Usage(Some(_))));
        for words in [
            &["--vpn=x", "h"][..],
            &["--vpn-dns", "h"],
            &["--vpn=0/0", "--vpn-dns=x", "h"],
        ] {
            assert!(matches!(bad(words), BadArgs::Message(_)), "{words:?}");
        }
    }

    #[test]
    fn standard_input_is_forwarded_once() {
        let args = args(&["-t", "-W", "a:1", "h"]);
        assert_eq!(args.stdio_forward.as_deref(), Some("a:1"));
        let twice = bad(&["-W", "a:1", "-W", "a:1", "h"]);
        assert_eq!(
            twice,
            BadArgs::Fatal("stdio forward already specified".into())
        );
    }
}
