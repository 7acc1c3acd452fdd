//! ssh-add's command line.

use std::ffi::OsString;
use std::time::Duration;

use carrick_keys::FingerprintHash;

use crate::getopt::{Getopt, text};
use crate::log::Level;

const SPEC: &str = "vkKlLNCcdDTxXE:e:h:H:M:m:Qqs:S:t:";

/// How to use ssh-add, as OpenSSH 10.5 says it.
pub(super) const USAGE: &str = "\
usage: ssh-add [-CcDdKkLlqvXx] [-E fingerprint_hash] [-H hostkey_file]
               [-h destination_constraint] [-S provider] [-t life]
               [file ...]
       ssh-add -s pkcs11 [-Cv] [certificate ...]
       ssh-add -e pkcs11
       ssh-add -T pubkey ...
";

/// What to do.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) enum Action {
    /// Add keys from files, or with `-d` remove them.
    Files { remove: bool },
    /// `-x`, `-X`
    Lock { lock: bool },
    /// `-l`, `-L`
    List { fingerprints: bool },
    /// `-D`
    RemoveAll,
    /// `-Q`
    Query,
    /// `-T`
    Test,
    /// `-s`, `-e`
    Token { provider: String, remove: bool },
    /// `-K`
    Resident,
}

/// Everything the command line said.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) action: Action,
    /// `-k`
    pub(super) keys_only: bool,
    /// `-C`
    pub(super) certs_only: bool,
    /// `-c`
    pub(super) confirm: bool,
    /// `-t`, in seconds.
    pub(super) lifetime: Option<u32>,
    /// `-N`: certificates stay beyond their end.
    pub(super) keep_expired: bool,
    /// `-q`
    pub(super) quiet: bool,
    /// `-E`
    pub(super) hash: FingerprintHash,
    /// `-S`
    pub(super) sk_provider: Option<String>,
    /// `-h`, each.
    pub(super) destinations: Vec<String>,
    /// `-H`, each.
    pub(super) host_files: Vec<String>,
    /// `-v`
    pub(super) level: Level,
    pub(super) operands: Vec<OsString>,
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadArgs {
    /// The usage is shown, after a line if there is one.
    Usage(Option<String>),
    /// Shown as it is.
    Message(&'static str),
    /// A fatal message.
    Fatal(String),
}

/// The actions asked for, as far as they are judged together.
#[derive(Default)]
struct Asked {
    lock: Option<char>,
    list: Option<char>,
    remove_all: bool,
    query: bool,
    test: bool,
    remove: bool,
    resident: bool,
    token: Option<String>,
}

/// Parses the arguments after the program's name.
pub(super) fn parse(args: Vec<OsString>) -> Result<Args, BadArgs> {
    let mut opts = Getopt::new(SPEC, args);
    let mut asked = Asked::default();
    let mut out = Args {
        action: Action::RemoveAll,
        keys_only: false,
        certs_only: false,
        confirm: false,
        lifetime: None,
        keep_expired: false,
        quiet: false,
        hash: FingerprintHash::default(),
        sk_provider: None,
        destinations: Vec::new(),
        host_files: Vec::new(),
        level: Level::Info,
        operands: Vec::new(),
    };
    loop {
        match opts.next() {
            Err(e) => return Err(BadArgs::Usage(Some(e.to_string()))),
            Ok(None) => break,
            Ok(Some((flag, value))) => {
                let words = text(&value.unwrap_or_default());
                if !take_action(flag, &words, &mut asked)? {
                    take(flag, words, &mut out)?;
                }
            }
        }
    }
    out.operands = opts.rest();
    out.action = asked.choose()?;
    Ok(out)
}

impl Asked {
    fn choose(self) -> Result<Action, BadArgs> {
        let count = [
            self.lock.is_some(),
            self.list.is_some(),
            self.remove_all,
            self.query,
        ];
        if count.into_iter().filter(|b| *b).count() > 1 {
            return Err(BadArgs::Fatal("Invalid combination of actions".into()));
        }
        Ok(match (self.lock, self.list, self.token) {
            (Some(c), ..) => Action::Lock { lock: c == 'x' },
            (_, Some(c), _) => Action::List {
                fingerprints: c == 'l',
            },
            _ if self.remove_all => Action::RemoveAll,
            _ if self.query => Action::Query,
            _ if self.test => Action::Test,
            (.., Some(provider)) => Action::Token {
                provider,
                remove: self.remove,
            },
            _ if self.resident => Action::Resident,
            _ => Action::Files {
                remove: self.remove,
            },
        })
    }
}

/// Takes a flag that asks for an action. `false`: it does not.
fn take_action(flag: char, words: &str, asked: &mut Asked) -> Result<bool, BadArgs> {
    let once = |place: &mut Option<char>| match place.replace(flag) {
        None => Ok(()),
        Some(first) => Err(BadArgs::Fatal(format!("-{first} flag already specified"))),
    };
    match flag {
        'l' | 'L' => once(&mut asked.list)?,
        'x' | 'X' => once(&mut asked.lock)?,
        'd' => asked.remove = true,
        'D' => asked.remove_all = true,
        'Q' => asked.query = true,
        'T' => asked.test = true,
        'K' => asked.resident = true,
        's' => asked.token = Some(words.to_owned()),
        'e' => {
            asked.token = Some(words.to_owned());
            asked.remove = true;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn take(flag: char, words: String, out: &mut Args) -> Result<(), BadArgs> {
    match flag {
        'v' => {
            out.level = match out.level {
                Level::Info => Level::Debug1,
                Level::Debug1 => Level::Debug2,
                _ => Level::Debug3,
            };
        }
        'k' => out.keys_only = true,
        'C' => out.certs_only = true,
        'c' => out.confirm = true,
        'N' => out.keep_expired = true,
        'q' => out.quiet = true,
        'S' => out.sk_provider = Some(words),
        'h' => out.destinations.push(words),
        'H' => out.host_files.push(words),
        'E' => {
            out.hash = FingerprintHash::from_name(&words)
                .ok_or_else(|| BadArgs::Fatal(format!("Invalid hash algorithm \"{words}\"")))?;
        }
        't' => {
            let time =
                carrick_config::time(&words).ok_or(BadArgs::Message("Invalid lifetime\n"))?;
            let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
            // None is for ever.
            out.lifetime = (time > Duration::ZERO).then_some(seconds);
        }
        // -m and -M asked for limits on a key's uses; nobody had them.
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Args, BadArgs> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn actions() {
        let token = |remove| Action::Token {
            provider: "p".into(),
            remove,
        };
        for (words, action) in [
            (&[][..], Action::Files { remove: false }),
            (&["-d", "-"], Action::Files { remove: true }),
            (&["-x"], Action::Lock { lock: true }),
            (&["-X"], Action::Lock { lock: false }),
            (&["-l"], Action::List { fingerprints: true }),
            (
                &["-L", "-d"],
                Action::List {
                    fingerprints: false,
                },
            ),
            (&["-D"], Action::RemoveAll),
            (&["-Q"], Action::Query),
            (&["-T", "f"], Action::Test),
            (&["-sp"], token(false)),
            (&["-ep"], token(true)),
            (&["-K"], Action::Resident),
        ] {
            assert_eq!(run(words).map(|a| a.action).ok(), Some(action), "{words:?}");
        }
    }

    #[test]
    fn values() {
        let args = run(&[
            "-cCkNq", "-t", "2m", "-hx", "-hy", "-Hz", "-vv", "-S", "lib", "f",
        ])
        .unwrap();
        assert!(args.confirm && args.certs_only && args.keys_only);
        assert!(args.keep_expired && args.quiet);
        assert_eq!(args.lifetime, Some(120));
        assert_eq!(args.destinations, ["x", "y"]);
        assert_eq!(args.host_files, ["z"]);
        assert_eq!(args.level, Level::Debug2);
        assert_eq!(args.sk_provider.as_deref(), Some("lib"));
        assert_eq!(args.operands, ["f"]);
        assert_eq!(run(&["-t0"]).unwrap().lifetime, None);
    }

    #[test]
    fn refusals() {
        for (words, why) in [
            (&["-lL"][..], "-l flag already specified"),
            (&["-xx"], "-x flag already specified"),
            (&["-lD"], "Invalid combination of actions"),
            (&["-E", "x"], "Invalid hash algorithm \"x\""),
        ] {
            assert_eq!(run(words).err(), Some(BadArgs::Fatal(why.into())));
        }
        assert_eq!(
            run(&["-t", "x"]).err(),
            Some(BadArgs::Message("Invalid lifetime\n"))
        );
        assert!(matches!(run(&["-?"]), Err(BadArgs::Usage(Some(_)))));
    }
}
