//! The command line, with the script's optional argument of `-i`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::getopt::{BadFlag, Getopt, text};

/// The flags, as getopt(3) wants them.
const FLAGS: &str = "io:p:F:t:fnsxh?";
/// Where keys go.
const DEFAULT_TARGET: &str = ".ssh/authorized_keys";

/// How to use the program called `name`.
pub(super) fn usage(name: &str) -> String {
    format!(
        "Usage: {name} [-h|-?|-f|-n|-s|-x] [-i [identity_file]] [-t target_path] [-F ssh_config] \
         [[-o ssh_option] ...] [-p port] [user@]hostname
\t-f: force mode -- copy keys without trying to check if they are already installed
\t-n: dry run    -- no keys are actually copied
\t-s: use sftp   -- use sftp instead of executing remote-commands. Can be useful if the remote \
         only allows sftp
\t-x: debug      -- enables -x in this shell, for debugging
\t-h|-?: print this help
"
    )
}

/// Which key `-i` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The newest of the user's own.
    Newest,
    /// This file.
    File(PathBuf),
}

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) identity: Option<Chosen>,
    pub(super) force: bool,
    pub(super) dry_run: bool,
    pub(super) sftp: bool,
    /// Show what is run.
    pub(super) trace: bool,
    pub(super) port: Option<String>,
    /// The file on the other machine; `None` for the usual one.
    pub(super) target: Option<String>,
    /// `-o` and `-F`, for ssh, in order.
    pub(super) passed_on: Vec<(char, OsString)>,
    pub(super) destination: OsString,
}

impl Args {
    /// The file on the other machine.
    pub(super) fn target(&self) -> &str {
        self.target.as_deref().unwrap_or(DEFAULT_TARGET)
    }
}

/// A command line that cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadArgs {
    /// The usage says all.
    Usage,
    /// This, as a shell's getopts says it.
    Flag(String),
    /// An error to tell.
    Error(String),
    /// An error with an empty line before it.
    Apart(String),
}

/// Reads the command line.
pub(super) fn parse(argv: Vec<OsString>) -> Result<Args, BadArgs> {
    let mut args = Args::default();
    let mut flags = Getopt::new(FLAGS, argv);
    let bad = |bad: BadFlag| {
        BadArgs::Flag(match bad {
            BadFlag::Unknown(flag) => format!("Illegal option -{flag}"),
            BadFlag::MissingValue(flag) => format!("No arg for -{flag} option"),
        })
    };
    while let Some((flag, value)) = flags.next().map_err(bad)? {
        let value = value.unwrap_or_default();
        match flag {
            'i' if args.identity.is_some() => {
                let text = "-i option must not be specified more than once";
                return Err(BadArgs::Apart(text.into()));
            }
            'i' => args.identity = Some(identity(&mut flags)?),
            'f' => args.force = true,
            'n' => args.dry_run = true,
            's' => args.sftp = true,
            'x' => args.trace = true,
            'p' => args.port = Some(text(&value)),
            't' => args.target = Some(text(&value)),
            'o' | 'F' => args.passed_on.push((flag, value)),
            _ => return Err(BadArgs::Usage),
        }
    }
    let mut operands = flags.rest();
    match operands.len() {
        0 => return Err(BadArgs::Usage),
        1 => args.destination = operands.remove(0),
        _ => {
            let got: Vec<_> = operands.iter().map(|word| text(word)).collect();
            return Err(BadArgs::Error(format!(
                "Too many arguments.  Expecting a target hostname, got: {}",
                got.join(" ")
            )));
        }
    }
    Ok(args)
}

/// The argument of `-i`: what follows, unless that is a flag, or the last
/// word and so the host.
fn identity(flags: &mut Getopt) -> Result<Chosen, BadArgs> {
    let value = match flags.ahead() {
        [last] if is_key_file(last) => {
            let last = last.display();
            return Err(BadArgs::Apart(format!(
                "Missing hostname. Use \"-i -- {last}\" if you really mean to use this as the \
                 hostname"
            )));
        }
        [] | [_] => None,
        [next, ..] if is_flag(next) => None,
        _ => flags.take_operand(),
    };
    Ok(value.map_or(Chosen::Newest, |path| Chosen::File(path.into())))
}

fn is_flag(word: &OsStr) -> bool {
    match word.as_bytes() {
        [b'-', flag, ..] => *flag == b'-' || (*flag != b':' && FLAGS.as_bytes().contains(flag)),
        _ => false,
    }
}

/// Whether a word that stands where the host should is a key's file.
fn is_key_file(word: &OsStr) -> bool {
    std::fs::read(word).is_ok_and(|text| {
        text.windows(3)
            .any(|three| three.eq_ignore_ascii_case(b"ssh"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<Args, BadArgs> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn every_flag() {
        let args = run("-fnsx -p 22 -t a/b -F conf -o A=b -oC=d -i key me@host").unwrap();
        assert!(args.force && args.dry_run && args.sftp && args.trace);
        assert_eq!((args.port.as_deref(), args.target()), (Some("22"), "a/b"));
        let passed = [('F', "conf"), ('o', "A=b"), ('o', "C=d")];
        assert!(
            args.passed_on
                .iter()
                .map(|(f, v)| (*f, v.to_str().unwrap()))
                .eq(passed)
        );
        assert_eq!(args.identity, Some(Chosen::File("key".into())));
        assert_eq!(args.destination, "me@host");
    }

    #[test]
    fn the_argument_of_i_is_optional() {
        let identity = |line| run(line).unwrap().identity;
        assert_eq!(identity("host"), None);
        assert_eq!(identity("-i host"), Some(Chosen::Newest));
        assert_eq!(identity("-i -- host"), Some(Chosen::Newest));
        assert_eq!(identity("-i -p 22 host"), Some(Chosen::Newest));
        assert_eq!(
            identity("-i -zkey host"),
            Some(Chosen::File("-zkey".into()))
        );
        assert_eq!(
            identity("-i key -p 22 host"),
            Some(Chosen::File("key".into()))
        );
    }

    #[test]
    fn what_is_wrong() {
        assert_eq!(run("-h"), Err(BadArgs::Usage));
        assert_eq!(run("-?"), Err(BadArgs::Usage));
        assert_eq!(run("-f"), Err(BadArgs::Usage));
        assert_eq!(
            run("-z host"),
            Err(BadArgs::Flag("Illegal option -z".into()))
        );
        assert_eq!(run("-p"), Err(BadArgs::Flag("No arg for -p option".into())));
        assert!(matches!(run("a b"), Err(BadArgs::Error(text)) if text.ends_with("got: a b")));
        assert!(
            matches!(run("-i a -i b host"), Err(BadArgs::Apart(text)) if text.contains("once"))
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pub");
        std::fs::write(&path, "ssh-ed25519 AAAA").unwrap();
        let line = format!("-i {}", path.display());
        assert!(matches!(run(&line), Err(BadArgs::Apart(text)) if text.starts_with("Missing")));
    }
}
