//! The flags of `sftp-server`, which `internal-sftp` has too.

use std::ffi::OsString;

use carrick_config::getopt::{Getopt, text};
use carrick_config::tokens::expand;
use carrick_config::words::{LogLevel, SyslogFacility, Words as _};

use super::Home;
use crate::server::{Level, Policy, REQUESTS};

const SPEC: &str = "d:f:l:P:p:Q:u:cehR";

/// What the program was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flags {
    /// What clients may ask.
    pub(super) policy: Policy,
    /// The umask, if not the one that is in force.
    pub(super) umask: Option<u32>,
    /// Where it starts, if not in the current folder.
    pub(super) start: Option<String>,
    /// The last level that is logged.
    pub(super) level: Level,
    /// The system log's facility; `None` is standard error.
    pub(super) facility: Option<u8>,
}

/// What is to be done instead of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instead {
    /// To show this.
    Show(String),
    /// To complain, and to end with a status.
    Fail(String, u8),
}

/// How the program is used.
fn usage() -> Instead {
    let text = "usage: sftp-server [-ehR] [-d start_directory] [-f log_facility] [-l log_level]\n\
         \t[-P denied_requests] [-p allowed_requests] [-u umask]\n\
         \x20      sftp-server -Q protocol_feature\n";
    Instead::Fail(text.to_owned(), 1)
}

fn fatal(text: String) -> Instead {
    Instead::Fail(text + "\n", 255)
}

/// Takes the arguments after the program's name.
pub(super) fn parse(args: Vec<OsString>, home: &Home) -> Result<Flags, Instead> {
    let mut flags = Flags {
        policy: Policy::default(),
        umask: None,
        start: None,
        level: Level::Error,
        facility: None,
    };
    let (mut to_stderr, mut facility) = (false, Some(SyslogFacility::Auth));
    let mut level = Some(LogLevel::Error);
    let mut getopt = Getopt::new(SPEC, args);
    while let Some((flag, value)) = getopt.next().map_err(|_| usage())? {
        let value = text(&value.unwrap_or_default());
        match flag {
            'Q' => return Err(query(&value)),
            'R' => flags.policy.read_only = true,
            'c' => {
                // Since OpenSSH 5 it does nothing.
            }
            'd' => flags.start = Some(start(&value, home)?),
            'e' => to_stderr = true,
            'f' => facility = SyslogFacility::find(&value),
            'l' => level = LogLevel::find(&value),
            'p' if flags.policy.allowed.is_some() => {
                return Err(fatal("Permitted requests already set".to_owned()));
            }
            'p' => flags.policy.allowed = Some(list(&value)),
            'P' if !flags.policy.denied.is_empty() => {
                return Err(fatal("Refused requests already set".to_owned()));
            }
            'P' => flags.policy.denied = list(&value),
            'u' => flags.umask = Some(umask(&value)?),
            _ => return Err(usage()),
        }
    }
    let unknown = |what| Instead::Fail(format!("Unrecognized internal syslog {what} code -1\n"), 1);
    flags.level = level_of(level.ok_or_else(|| unknown("level"))?);
    if !to_stderr {
        flags.facility = Some(facility.ok_or_else(|| unknown("facility"))?.number());
    }
    Ok(flags)
}

fn query(what: &str) -> Instead {
    if what == "requests" {
        Instead::Show(REQUESTS.map(|name| format!("{name}\n")).concat())
    } else {
        Instead::Fail("Invalid query type\n".to_owned(), 1)
    }
}

fn list(names: &str) -> Vec<String> {
    names.split(',').map(str::to_owned).collect()
}

fn start(value: &str, home: &Home) -> Result<String, Instead> {
    let directory = String::from_utf8_lossy(&home.directory);
    expand(value, &[('d', &directory), ('u', &home.user)])
        .map_err(|problem| fatal(format!("percent_expand: {problem}")))
}

/// Octal, as umask(2) takes it.
fn umask(value: &str) -> Result<u32, Instead> {
    let octal = value.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let bits = u32::from_str_radix(value, 8).ok();
    bits.filter(|bits| octal && *bits <= 0o777)
        .ok_or_else(|| fatal(format!("Invalid umask \"{value}\"")))
}

fn level_of(level: LogLevel) -> Level {
    match level {
        LogLevel::Quiet => Level::Quiet,
        LogLevel::Fatal => Level::Fatal,
        LogLevel::Error => Level::Error,
        LogLevel::Info => Level::Info,
        LogLevel::Verbose => Level::Verbose,
        LogLevel::Debug1 => Level::Debug1,
        LogLevel::Debug2 => Level::Debug2,
        LogLevel::Debug3 => Level::Debug3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Flags, Instead> {
        let home = Home {
            user: "me".into(),
            directory: b"/home/me".to_vec(),
        };
        parse(args.iter().map(OsString::from).collect(), &home)
    }

    fn status(args: &[&str]) -> Option<u8> {
        match run(args) {
            Err(Instead::Fail(_, status)) => Some(status),
            _ => None,
        }
    }

    #[test]
    fn flags_say_what_they_say_in_openssh() {
        let flags = run(&["-ReP", "open,read", "-pstat", "-l", "debug", "-u", "027"]).unwrap();
        assert_eq!(flags.policy.denied, ["open", "read"]);
        assert_eq!(flags.policy.allowed, Some(vec!["stat".to_owned()]));
        assert!(flags.policy.read_only);
        assert_eq!((flags.level, flags.umask), (Level::Debug1, Some(0o27)));
        assert_eq!(flags.facility, None);
        let flags = run(&["-f", "local3", "-d", "%d/%u/%%", "ignored", "-R"]).unwrap();
        assert_eq!((flags.facility, flags.level), (Some(19), Level::Error));
        assert_eq!(flags.start.as_deref(), Some("/home/me/me/%"));
        assert!(!flags.policy.read_only);
        assert_eq!(run(&[]).unwrap().facility, Some(4));
        // Nobody asks the system log.
        assert_eq!(run(&["-e", "-f", "nonsense"]).unwrap().facility, None);
    }

    #[test]
    fn what_cannot_be_is_refused_as_in_openssh() {
        for args in [
            &["-h"][..],
            &["-z"],
            &["-Q"],
            &["-l", "x"],
            &["-f", "x"],
            &["-Q", "x"],
        ] {
            assert_eq!(status(args), Some(1), "{args:?}");
        }
        for args in [
            &["-u", "08"][..],
            &["-u", "1000"],
            &["-u", ""],
            &["-u", "+7"],
            &["-d", "%z"],
            &["-p", "a", "-p", "b"],
            &["-P", "a", "-P", "b"],
        ] {
            assert_eq!(status(args), Some(255), "{args:?}");
        }
        let Err(Instead::Show(names)) = run(&["-Q", "requests"]) else {
            panic!()
        };
        assert!(names.starts_with("open\nclose\n") && names.ends_with("\ncheck-file\n"));
    }
}
