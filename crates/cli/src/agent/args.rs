//! ssh-agent's command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use carrick_keys::FingerprintHash;
use carrick_keys::agent::Policy;

use crate::getopt::{Getopt, text};

const SPEC: &str = "cDdksTuUVE:a:O:P:t:";

/// How to use ssh-agent, as OpenSSH 10.5 says it.
pub(super) const USAGE: &str = "\
usage: ssh-agent [-c | -s] [-DdTU] [-a bind_address] [-E fingerprint_hash]
                 [-O option] [-P allowed_providers] [-t life]
       ssh-agent [-TU] [-a bind_address] [-E fingerprint_hash] [-O option]
                 [-P allowed_providers] [-t life] command [arg ...]
       ssh-agent [-c | -s] -k
       ssh-agent -u
       ssh-agent -V
";

/// What to do.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Mode {
    /// Go to the background.
    Background,
    /// `-D`: stay.
    Foreground,
    /// `-d`: stay, and tell everything.
    Debug,
    /// `-k`
    Kill,
    /// `-u`; with another, sockets of any host.
    CleanUp { any_host: bool },
    /// `-V`
    Version,
}

/// Where the socket is to be.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) enum Place {
    /// `~/.ssh/agent`; `-U` leaves what is there alone.
    Home { clean_up: bool },
    /// `-T`: a folder of its own in `$TMPDIR`.
    Temporary,
    /// `-a`
    At(PathBuf),
}

/// Whose commands are printed.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Shell {
    Bourne,
    C,
}

/// Everything the command line said.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) mode: Mode,
    pub(super) place: Place,
    /// `-c`, `-s`, or by the name of the user's shell.
    pub(super) shell: Shell,
    pub(super) policy: Policy,
    /// What to run with the agent.
    pub(super) command: Vec<OsString>,
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadArgs {
    /// The usage is shown, after a line if there is one.
    Usage(Option<String>),
    /// A fatal message.
    Fatal(String),
}

/// The flags seen, as far as they are judged together.
#[derive(Default)]
struct Seen {
    c: bool,
    s: bool,
    kill: bool,
    clean_up: u32,
    foreground: Option<Mode>,
    temporary: bool,
    leave: bool,
    at: Option<PathBuf>,
    providers: bool,
    websafe: bool,
}

/// Parses the arguments after the program's name. `shell` is the user's.
pub(super) fn parse(args: Vec<OsString>, shell: Option<&str>) -> Result<Args, BadArgs> {
    let mut opts = Getopt::new(SPEC, args);
    let mut seen = Seen::default();
    let mut policy = Policy::default();
    loop {
        match opts.next() {
            Err(e) => return Err(BadArgs::Usage(Some(e.to_string()))),
            Ok(None) => break,
            Ok(Some(('V', _))) => return Ok(seen.finish(Mode::Version, policy, Vec::new(), shell)),
            Ok(Some((flag, value))) => {
                take(flag, value.unwrap_or_default(), &mut seen, &mut policy)?;
            }
        }
    }
    let command = opts.rest();
    let alone = seen.c || seen.s || seen.kill || seen.clean_up > 0 || seen.foreground.is_some();
    if !command.is_empty() && alone {
        return Err(BadArgs::Usage(None));
    }
    let mode = match seen.foreground {
        _ if seen.kill => Mode::Kill,
        _ if seen.clean_up > 0 => Mode::CleanUp {
            any_host: seen.clean_up > 1,
        },
        Some(mode) => mode,
        None => Mode::Background,
    };
    Ok(seen.finish(mode, policy, command, shell))
}

impl Seen {
    fn finish(
        self,
        mode: Mode,
        policy: Policy,
        command: Vec<OsString>,
        shell: Option<&str>,
    ) -> Args {
        let c_shell = shell.is_some_and(|s| s.len() > 2 && s.ends_with("csh"));
        Args {
            mode,
            place: match self.at {
                // With both, the folder wins.
                _ if self.temporary => Place::Temporary,
                Some(path) => Place::At(path),
                None => Place::Home {
                    clean_up: !self.leave,
                },
            },
            shell: if self.c || (c_shell && !self.s && command.is_empty()) {
                Shell::C
            } else {
                Shell::Bourne
            },
            policy,
            command,
        }
    }
}

fn take(flag: char, value: OsString, seen: &mut Seen, policy: &mut Policy) -> Result<(), BadArgs> {
    let words = text(&value);
    match flag {
        'c' if seen.s => return Err(BadArgs::Usage(None)),
        's' if seen.c => return Err(BadArgs::Usage(None)),
        'c' => seen.c = true,
        's' => seen.s = true,
        'd' | 'D' if seen.foreground.is_some() => return Err(BadArgs::Usage(None)),
        'd' => seen.foreground = Some(Mode::Debug),
        'D' => seen.foreground = Some(Mode::Foreground),
        'k' => seen.kill = true,
        'T' => seen.temporary = true,
        'u' => seen.clean_up += 1,
        'U' => seen.leave = true,
        'a' => seen.at = Some(value.into()),
        'E' => {
            policy.fingerprint = FingerprintHash::from_name(&words)
                .ok_or_else(|| BadArgs::Fatal(format!("Invalid hash algorithm \"{words}\"")))?;
        }
        'P' if seen.providers => {
            return Err(BadArgs::Fatal("-P option already specified".into()));
        }
        'P' => {
            seen.providers = true;
            policy.providers = words;
        }
        't' => {
            let time = carrick_config::time(&words)
                .ok_or_else(|| BadArgs::Usage(Some("Invalid lifetime".into())))?;
            // None is for ever.
            policy.lifetime = (time > Duration::ZERO).then_some(time);
        }
        // O
        _ => option(&words, seen, policy)?,
    }
    Ok(())
}

/// `-O`
fn option(words: &str, seen: &mut Seen, policy: &mut Policy) -> Result<(), BadArgs> {
    match words {
        "no-restrict-websafe" => policy.websafe = None,
        "allow-remote-pkcs11" => policy.remote_providers = true,
        _ => match words.strip_prefix("websafe-allow=") {
            Some(_) if seen.websafe => {
                return Err(BadArgs::Fatal("websafe-allow already set".into()));
            }
            Some(list) => {
                seen.websafe = true;
                // no-restrict-websafe, given before, stays.
                policy.websafe = policy.websafe.take().map(|_| list.to_owned());
            }
            None => return Err(BadArgs::Fatal("Unknown -O option".into())),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Args, BadArgs> {
        parse(words.iter().map(OsString::from).collect(), Some("/bin/sh"))
    }

    #[test]
    fn modes_and_places() {
        for (words, mode) in [
            (&[][..], Mode::Background),
            (&["-D"], Mode::Foreground),
            (&["-d", "-s"], Mode::Debug),
            (&["-ck"], Mode::Kill),
            (&["-u"], Mode::CleanUp { any_host: false }),
            (&["-uu"], Mode::CleanUp { any_host: true }),
            (&["-kV"], Mode::Version),
            (&["-T", "sh", "-c", "x"], Mode::Background),
        ] {
            assert_eq!(run(words).map(|a| a.mode).ok(), Some(mode), "{words:?}");
        }
        let place = |words| run(words).map(|a| a.place).ok();
        assert_eq!(place(&[]), Some(Place::Home { clean_up: true }));
        assert_eq!(place(&["-U"]), Some(Place::Home { clean_up: false }));
        assert_eq!(place(&["-a", "x", "-T"]), Some(Place::Temporary));
        assert_eq!(place(&["-ax"]), Some(Place::At("x".into())));
    }

    #[test]
    fn shells() {
        let shell = |words: &[&str], shell| {
            let words = words.iter().map(OsString::from).collect();
            parse(words, shell).map(|a| a.shell).ok()
        };
        assert_eq!(shell(&[], Some("/bin/tcsh")), Some(Shell::C));
        assert_eq!(shell(&["-s"], Some("/bin/tcsh")), Some(Shell::Bourne));
        assert_eq!(shell(&["x"], Some("/bin/tcsh")), Some(Shell::Bourne));
        assert_eq!(shell(&["-c"], None), Some(Shell::C));
        assert_eq!(shell(&[], Some("sh")), Some(Shell::Bourne));
    }

    #[test]
    fn policies() {
        let policy = |words| run(words).map(|a| a.policy).unwrap();
        let p = policy(&[
            "-t",
            "1h",
            "-E",
            "MD5",
            "-P",
            "/x/*",
            "-Oallow-remote-pkcs11",
        ]);
        assert_eq!(p.lifetime, Some(Duration::from_secs(3600)));
        assert_eq!(p.fingerprint, FingerprintHash::Md5);
        assert!(p.providers == "/x/*" && p.remote_providers);
        assert_eq!(policy(&["-t0"]).lifetime, None);
        let list = policy(&["-O", "websafe-allow=ssh:*,a.example"]);
        assert_eq!(list.websafe.as_deref(), Some("ssh:*,a.example"));
        let both = policy(&["-Ono-restrict-websafe", "-Owebsafe-allow=x"]);
        assert_eq!(both.websafe, None);
    }

    #[test]
    fn refusals() {
        for words in [&["-cs"][..], &["-dD"], &["-c", "x"], &["-k", "x"], &["-?"]] {
            assert!(matches!(run(words), Err(BadArgs::Usage(_))), "{words:?}");
        }
        for (words, message) in [
            (&["-Ofoo"][..], "Unknown -O option"),
            (&["-E", "x"], "Invalid hash algorithm \"x\""),
            (&["-Pa", "-Pb"], "-P option already specified"),
        ] {
            assert_eq!(run(words).err(), Some(BadArgs::Fatal(message.into())));
        }
        assert_eq!(
            run(&["-t", "x"]).err(),
            Some(BadArgs::Usage(Some("Invalid lifetime".into())))
        );
    }
}
