//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use carrick_keys::algorithm::{ALGORITHMS, Algorithm, find};
use carrick_keys::sshfp::Hash;
use carrick_keys::{Curve, KeyType};

use crate::getopt::{Getopt, text};
use crate::log::Level;

pub(super) const USAGE: &str = "\
usage: ssh-keyscan [-46cDHqv] [-f file] [-O option] [-p port] [-T timeout]
                   [-t type] [host | addrlist namelist]
";

/// What is asked for where nothing is said.
const DEFAULT_KINDS: [Kind; 5] = [
    Kind(KeyType::Rsa),
    Kind(KeyType::Ecdsa(Curve::P256)),
    Kind(KeyType::Ed25519),
    Kind(KeyType::SkEcdsa),
    Kind(KeyType::SkEd25519),
];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// The port that names in known_hosts do not mention.
pub(super) const SSH_PORT: u16 = 22;

/// A kind of key to ask for; the curves are one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind(KeyType);

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.0.short_name() == other.0.short_name()
    }
}

impl Kind {
    /// By its short name in any case, or by an algorithm's name.
    fn from_word(word: &str) -> Option<Self> {
        let short = |kind: &KeyType| kind.short_name().eq_ignore_ascii_case(word);
        let named = || find(word).filter(|a| !a.certificate).and_then(signing);
        KeyType::ALL
            .into_iter()
            .find(short)
            .or_else(named)
            .map(Self)
    }

    /// The algorithms by which a host can show a key of this kind.
    pub(super) fn algorithms(self, certificates: bool) -> Vec<&'static str> {
        ALGORITHMS
            .iter()
            .filter(|a| a.certificate == certificates && signing(a).map(Self) == Some(self))
            .map(|a| a.name)
            .collect()
    }
}

/// The type of the plain key that signs.
fn signing(algorithm: &Algorithm) -> Option<KeyType> {
    KeyType::from_name(find(algorithm.signature)?.key_type)
}

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines for known_hosts.
    KnownHosts,
    /// SSHFP records with this hash, or with all.
    Sshfp(Option<Hash>),
}

/// Where hosts are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// An argument.
    Argument(OsString),
}

/// What the command line asks for.
#[derive(Debug, Clone)]
pub(super) struct Args {
    /// `Some(true)` for IPv4 only.
    pub(super) ipv4: Option<bool>,
    pub(super) port: u16,
    pub(super) timeout: Duration,
    pub(super) kinds: Vec<Kind>,
    pub(super) certificates: bool,
    pub(super) form: Form,
    /// Hide the names.
    pub(super) hash_names: bool,
    /// No comments.
    pub(super) quiet: bool,
    pub(super) level: Option<Level>,
    pub(super) sources: Vec<Source>,
}

/// A command line that cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadArgs {
    /// This and the usage, exit status 1.
    Usage(String),
    /// This line, exit status 1.
    Message(String),
    /// This message, exit status 255.
    Fatal(String),
}

/// Reads the command line.
pub(super) fn parse(argv: Vec<OsString>) -> Result<Args, BadArgs> {
    let mut args = Args {
        ipv4: None,
        port: SSH_PORT,
        timeout: DEFAULT_TIMEOUT,
        kinds: DEFAULT_KINDS.to_vec(),
        certificates: false,
        form: Form::KnownHosts,
        hash_names: false,
        quiet: false,
        level: None,
        sources: Vec::new(),
    };
    let (mut sshfp, mut hash) = (false, None);
    let mut flags = Getopt::new("cDHqvp:T:t:f:O:46", argv);
    let bad_flag = |bad| BadArgs::Usage(format!("{bad}\r\n"));
    while let Some((flag, value)) = flags.next().map_err(bad_flag)? {
        let value = value.unwrap_or_default();
        match flag {
            '4' => args.ipv4 = Some(true),
            '6' => args.ipv4 = Some(false),
            'c' => args.certificates = true,
            'D' => sshfp = true,
            'H' => args.hash_names = true,
            'q' => args.quiet = true,
            'v' => args.level = Some(more(args.level)),
            'f' if value == "-" => args.sources.push(Source::Stdin),
            'f' => args.sources.push(Source::File(value.into())),
            'p' => args.port = port(&text(&value))?,
            'T' => args.timeout = timeout(&text(&value))?,
            't' => args.kinds = kinds(&text(&value))?,
            _ => hash = Some(option(&text(&value))?),
        }
    }
    if sshfp {
        args.form = Form::Sshfp(hash);
    }
    let hosts = flags.rest().into_iter().map(Source::Argument);
    args.sources.extend(hosts);
    if args.sources.is_empty() {
        return Err(BadArgs::Usage(String::new()));
    }
    Ok(args)
}

/// One `-v` more.
fn more(level: Option<Level>) -> Level {
    Level::from_number(level.map_or(Level::Debug1 as i8, |level| level as i8 + 1))
}

/// A port by number or by the service's name.
fn port(value: &str) -> Result<u16, BadArgs> {
    crate::services::port(value).ok_or_else(|| BadArgs::Message(format!("Bad port '{value}'")))
}

fn timeout(value: &str) -> Result<Duration, BadArgs> {
    carrick_config::time(value)
        .filter(|t| !t.is_zero())
        .ok_or_else(|| BadArgs::Usage(format!("Bad timeout '{value}'\n")))
}

fn kinds(value: &str) -> Result<Vec<Kind>, BadArgs> {
    let mut kinds = Vec::new();
    for word in value.split(',').filter(|w| !w.is_empty()) {
        let unknown = || BadArgs::Fatal(format!("Unknown key type \"{word}\""));
        let kind = Kind::from_word(word).ok_or_else(unknown)?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// `-O hashalg=sha1|sha256`.
fn option(value: &str) -> Result<Hash, BadArgs> {
    let Some(name) = value.strip_prefix("hashalg=") else {
        return Err(BadArgs::Fatal("Unsupported -O option".into()));
    };
    match name.to_ascii_lowercase().as_str() {
        "sha1" => Ok(Hash::Sha1),
        "sha256" => Ok(Hash::Sha256),
        _ => Err(BadArgs::Fatal("Unsupported hash algorithm".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Args, BadArgs> {
        parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn defaults_and_every_flag() {
        let args = run(&["host"]).unwrap();
        assert_eq!((args.port, args.kinds.len()), (22, 5));
        assert_eq!(args.timeout, Duration::from_secs(5));
        assert_eq!(args.form, Form::KnownHosts);
        let all = "-46cHqvvD -p2222 -T 1m30s -t rsa,,ECDSA -f - -f list -O hashalg=SHA1 a -q";
        let args = run(&all.split(' ').collect::<Vec<_>>()).unwrap();
        assert_eq!((args.ipv4, args.port), (Some(false), 2222));
        assert_eq!(args.timeout, Duration::from_secs(90));
        assert_eq!(
            args.kinds,
            [Kind(KeyType::Rsa), Kind(KeyType::Ecdsa(Curve::P521))]
        );
        assert!(args.certificates && args.hash_names && args.quiet);
        assert_eq!(args.form, Form::Sshfp(Some(Hash::Sha1)));
        assert_eq!(args.level, Some(Level::Debug2));
        let names = ["a", "-q"].map(|name| Source::Argument(name.into()));
        assert_eq!(
            args.sources[..2],
            [Source::Stdin, Source::File("list".into())]
        );
        assert_eq!(args.sources[2..], names);
    }

    #[test]
    fn kinds_and_their_algorithms() {
        let kind = |word| Kind::from_word(word).map(|k| k.algorithms(false).join(","));
        assert_eq!(kind("rsa").unwrap(), "rsa-sha2-512,rsa-sha2-256,ssh-rsa");
        assert_eq!(kind("rsa-sha2-256"), kind("RSA"));
        assert_eq!(kind("ecdsa-sha2-nistp521"), kind("ecdsa"));
        assert_eq!(kind("ed25519").unwrap(), "ssh-ed25519");
        assert!(kind("ed25519-sk").unwrap().starts_with("sk-ssh-ed25519@"));
        for word in [
            "dsa",
            "SSH-RSA",
            "ed25519-cert",
            "ssh-ed25519-cert-v01@openssh.com",
            "all",
        ] {
            assert_eq!(kind(word), None, "{word}");
        }
        let certificates = Kind(KeyType::Rsa).algorithms(true);
        assert_eq!(certificates.len(), 3);
        assert!(certificates.iter().all(|name| name.contains("-cert-")));
    }

    #[test]
    fn what_is_wrong_is_said_as_openssh_says_it() {
        let usage = |text: &str| Some(BadArgs::Usage(text.into()));
        let fatal = |text: &str| Some(BadArgs::Fatal(text.into()));
        for (args, want) in [
            (&["-q"][..], usage("")),
            (&["-z", "h"], usage("unknown option -- z\r\n")),
            (&["-p"], usage("option requires an argument -- p\r\n")),
            (&["-T", "0", "h"], usage("Bad timeout '0'\n")),
            (&["-T", "-1", "h"], usage("Bad timeout '-1'\n")),
            (
                &["-p", "99999", "h"],
                Some(BadArgs::Message("Bad port '99999'".into())),
            ),
            (
                &["-p", "0", "h"],
                Some(BadArgs::Message("Bad port '0'".into())),
            ),
            (&["-t", "rsa,foo", "h"], fatal("Unknown key type \"foo\"")),
            (&["-O", "foo", "h"], fatal("Unsupported -O option")),
            (
                &["-O", "hashalg=md5", "h"],
                fatal("Unsupported hash algorithm"),
            ),
        ] {
            assert_eq!(run(args).err(), want, "{args:?}");
        }
    }
}
