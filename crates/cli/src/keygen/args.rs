//! ssh-keygen's command line.

use std::ffi::OsString;
use std::path::PathBuf;

use carrick_keys::{Curve, FingerprintHash, KeyType};
use carrick_wire::Secret;

use crate::getopt::{Getopt, text};

const SPEC: &str = "ABHKLQUXceghiklopquvyC:D:E:F:I:M:N:O:P:R:V:Y:Z:a:b:f:m:n:r:s:t:w:z:";

/// What to do.
#[derive(Debug, PartialEq, Eq, Clone, Default)]
pub(super) enum Mode {
    #[default]
    Generate,
    /// `-y`
    PrintPublic,
    /// `-l`
    Fingerprint,
    /// `-e`
    Export,
    /// `-i`
    Import,
    /// `-p`
    ChangePassphrase,
    /// `-c`
    ChangeComment,
    /// `-F host`
    FindHost(String),
    /// `-R host`
    RemoveHost(String),
    /// `-H`
    HashHosts,
}

/// Everything the command line said.
#[derive(Default)]
pub(super) struct Args {
    pub(super) mode: Mode,
    /// `-f`
    pub(super) file: Option<PathBuf>,
    /// `-t`, with the name that it was given by.
    pub(super) kind: Option<(KeyType, String)>,
    /// `-b`
    pub(super) bits: Option<u32>,
    /// `-C`
    pub(super) comment: Option<String>,
    /// `-N`
    pub(super) new_passphrase: Option<Secret>,
    /// `-P`
    pub(super) passphrase: Option<Secret>,
    /// `-a`
    pub(super) rounds: Option<u32>,
    /// `-Z`
    pub(super) cipher: Option<String>,
    /// `-E`
    pub(super) hash: FingerprintHash,
    /// `-l` beside a mode of its own (`-F -l`).
    pub(super) fingerprint: bool,
    /// `-H` beside `-F`.
    pub(super) hashed: bool,
    /// `-v`
    pub(super) verbose: bool,
    /// `-q`
    pub(super) quiet: bool,
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadArgs {
    Usage(Option<String>),
    Message(String),
}

fn bad(text: impl Into<String>) -> BadArgs {
    BadArgs::Message(text.into())
}

/// Parses the arguments after the program's name.
pub(super) fn parse(args: Vec<OsString>) -> Result<Args, BadArgs> {
    let mut opts = Getopt::new(SPEC, args);
    let mut out = Args::default();
    let mut modes = Modes::default();
    while let Some((flag, value)) = opts
        .next()
        .map_err(|e| BadArgs::Usage(Some(e.to_string())))?
    {
        take(flag, value.unwrap_or_default(), &mut out, &mut modes)?;
    }
    if !opts.rest().is_empty() {
        return Err(BadArgs::Usage(Some("Too many arguments.".into())));
    }
    modes.choose(&mut out)?;
    Ok(out)
}

/// The mode flags seen.
#[derive(Default)]
struct Modes {
    print_public: bool,
    passphrase: bool,
    comment: bool,
    export: bool,
    import: bool,
    hash: bool,
    find: Option<String>,
    remove: Option<String>,
}

impl Modes {
    fn choose(self, out: &mut Args) -> Result<(), BadArgs> {
        let hosts = self.find.is_some() || self.remove.is_some();
        if self.passphrase && self.comment {
            return Err(BadArgs::Usage(Some(
                "Can only have one of -p and -c.".into(),
            )));
        }
        if out.fingerprint && self.remove.is_some() {
            return Err(BadArgs::Usage(Some("Cannot use -l with -H or -R.".into())));
        }
        out.hashed = self.hash;
        out.mode = match (self.find, self.remove) {
            (Some(host), _) => Mode::FindHost(host),
            (_, Some(host)) => Mode::RemoveHost(host),
            _ if self.hash && out.fingerprint => {
                return Err(BadArgs::Usage(Some("Cannot use -l with -H or -R.".into())));
            }
            _ if self.hash => Mode::HashHosts,
            _ if out.fingerprint => Mode::Fingerprint,
            _ if self.passphrase => Mode::ChangePassphrase,
            _ if self.comment => Mode::ChangeComment,
            _ if self.export => Mode::Export,
            _ if self.import => Mode::Import,
            _ if self.print_public => Mode::PrintPublic,
            _ => Mode::Generate,
        };
        debug_assert!(!hosts || !matches!(out.mode, Mode::Generate));
        Ok(())
    }
}

fn take(flag: char, value: OsString, out: &mut Args, modes: &mut Modes) -> Result<(), BadArgs> {
    let words = text(&value);
    match flag {
        'y' => modes.print_public = true,
        'l' => out.fingerprint = true,
        'p' => modes.passphrase = true,
        'c' => modes.comment = true,
        'e' => modes.export = true,
        'i' | 'X' => modes.import = true,
        'H' => modes.hash = true,
        'F' => modes.find = Some(words),
        'R' => modes.remove = Some(words),
        'f' => out.file = Some(PathBuf::from(value)),
        't' => {
            let kind = key_type(&words).ok_or_else(|| bad(unknown_type(&words)))?;
            out.kind = Some((kind, words));
        }
        'b' => {
            out.bits = Some(number(&words, 1, |why| {
                format!("Bits has bad value {words} ({why})")
            })?);
        }
        'a' => {
            out.rounds = Some(number(&words, 1, |why| {
                format!("Invalid number: {words} ({why})")
            })?);
        }
        'C' => out.comment = Some(words),
        'N' => out.new_passphrase = Some(Secret::from(words.as_str())),
        'P' => out.passphrase = Some(Secret::from(words.as_str())),
        'Z' if carrick_crypto::packet::cipher(&words).is_none() => {
            return Err(bad(format!("Invalid OpenSSH-format cipher '{words}'")));
        }
        'Z' => out.cipher = Some(words),
        'E' => {
            out.hash = FingerprintHash::from_name(&words.to_ascii_lowercase())
                .ok_or_else(|| bad("Invalid hash algorithm \"".to_owned() + &words + "\""))?;
        }
        'm' => match words.to_ascii_uppercase().as_str() {
            "RFC4716" | "SSH2" => {}
            "PEM" | "PKCS8" => {
                return Err(bad(format!(
                    "writing keys in {words} format is not built yet in this version of Carrick."
                )));
            }
            _ => return Err(bad(format!("Unsupported conversion format \"{words}\""))),
        },
        'v' => out.verbose = true,
        'q' => out.quiet = true,
        // OpenSSH's own format is the only one there is: -o asks for it.
        'o' => {}
        _ => {
            return Err(bad(format!(
                "option -{flag} is not built yet in this version of Carrick."
            )));
        }
    }
    Ok(())
}

fn unknown_type(name: &str) -> String {
    match name {
        "ecdsa-sk" | "ed25519-sk" => {
            format!("key type {name} is not built yet in this version of Carrick.")
        }
        _ => format!("unknown key type {name}"),
    }
}

/// A type by its short or full name.
fn key_type(name: &str) -> Option<KeyType> {
    match name.to_ascii_lowercase().as_str() {
        "ed25519" => Some(KeyType::Ed25519),
        "ecdsa" => Some(KeyType::Ecdsa(Curve::P256)),
        "rsa" => Some(KeyType::Rsa),
        full => KeyType::from_name(full).filter(|_| !full.starts_with("sk-")),
    }
}

/// A number, or why not in strtonum(3)'s words.
fn number(text: &str, min: u32, message: impl Fn(&str) -> String) -> Result<u32, BadArgs> {
    let why = match text.parse::<i64>() {
        Ok(n) if n < i64::from(min) => "too small",
        Ok(n) => match u32::try_from(n) {
            Ok(n) if n <= i32::MAX.cast_unsigned() => return Ok(n),
            _ => "too large",
        },
        Err(_) => "invalid",
    };
    Err(bad(message(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Args, BadArgs> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn modes() {
        for (words, mode) in [
            (&[][..], Mode::Generate),
            (&["-t", "rsa", "-b", "2048"], Mode::Generate),
            (&["-y", "-f", "k"], Mode::PrintPublic),
            (&["-lf", "k"], Mode::Fingerprint),
            (&["-e", "-f", "k"], Mode::Export),
            (&["-i", "-f", "k"], Mode::Import),
            (&["-p"], Mode::ChangePassphrase),
            (&["-c", "-C", "new"], Mode::ChangeComment),
            (&["-F", "h", "-l"], Mode::FindHost("h".into())),
            (&["-R", "h"], Mode::RemoveHost("h".into())),
            (&["-H"], Mode::HashHosts),
        ] {
            assert_eq!(run(words).ok().map(|a| a.mode), Some(mode), "{words:?}");
        }
    }

    #[test]
    fn types_by_either_name() {
        for (name, kind) in [
            ("ed25519", KeyType::Ed25519),
            ("ssh-ed25519", KeyType::Ed25519),
            ("rsa", KeyType::Rsa),
            ("ssh-rsa", KeyType::Rsa),
            ("ecdsa", KeyType::Ecdsa(Curve::P256)),
            ("ecdsa-sha2-nistp521", KeyType::Ecdsa(Curve::P521)),
        ] {
            assert_eq!(key_type(name), Some(kind), "{name}");
        }
        assert_eq!(key_type("dsa"), None);
        assert_eq!(key_type("sk-ssh-ed25519@openssh.com"), None);
    }

    #[test]
    fn refusals() {
        for (words, message) in [
            (&["-t", "dsa"][..], "unknown key type dsa"),
            (&["-b", "x"], "Bits has bad value x (invalid)"),
            (&["-b", "0"], "Bits has bad value 0 (too small)"),
            (
                &["-a", "99999999999"],
                "Invalid number: 99999999999 (too large)",
            ),
            (
                &["-s", "ca"],
                "option -s is not built yet in this version of Carrick.",
            ),
        ] {
            assert_eq!(
                run(words).err(),
                Some(BadArgs::Message(message.into())),
                "{words:?}"
            );
        }
        assert_eq!(
            run(&["x"]).err(),
            Some(BadArgs::Usage(Some("Too many arguments.".into())))
        );
        assert!(matches!(run(&["-?"]).err(), Some(BadArgs::Usage(Some(_)))));
    }
}
