//! ssh-keygen's command line. What a flag's value means beyond its syntax is
//! for the mode that uses it.

use std::ffi::OsString;
use std::path::PathBuf;

use carrick_keys::{FingerprintHash, PuttyVersion};
use carrick_wire::Secret;

use super::cert_args::{BadFlag, CertArgs};
use super::mode::{Mode, Modes};
use crate::getopt::{Getopt, text};
use crate::log::{self, Level};

const SPEC: &str = "ABHKLQUXceghiklopquvyC:D:E:F:I:M:N:O:P:R:V:Y:Z:a:b:f:m:n:r:s:t:w:z:";

/// The form of a key outside OpenSSH's own (`-m`).
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Form {
    /// RFC 4716 for public keys; private ones in OpenSSH's format.
    Rfc4716,
    /// PKCS#8 and SubjectPublicKeyInfo.
    Pkcs8,
    /// PKCS#1 and SEC1.
    Pem,
    /// PuTTY's private keys; ours alone, OpenSSH does not have it.
    Putty(PuttyVersion),
}

/// Everything the command line said.
#[derive(Default)]
pub(super) struct Args {
    pub(super) mode: Mode,
    /// `-f`
    pub(super) file: Option<PathBuf>,
    /// `-t`, as it was given.
    pub(super) kind: Option<String>,
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
    /// `-m`
    pub(super) form: Option<Form>,
    /// `-E`
    pub(super) hash: FingerprintHash,
    /// `-O`, in order.
    pub(super) options: Vec<String>,
    /// `-w`
    pub(super) provider: Option<String>,
    /// `-B`
    pub(super) bubblebabble: bool,
    /// `-l` beside a mode of its own (`-F -l`).
    pub(super) fingerprint: bool,
    /// `-H` beside `-F`.
    pub(super) hashed: bool,
    /// `-g`
    pub(super) generic: bool,
    /// `-v` once or more.
    pub(super) verbose: bool,
    /// `-q`
    pub(super) quiet: bool,
    /// The flags of certificates, revocation lists and signatures.
    pub(super) cert: CertArgs,
    /// What follows the flags.
    pub(super) operands: Vec<OsString>,
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
    out.operands = opts.rest();
    modes.choose(&mut out)?;
    Ok(out)
}

fn take(flag: char, value: OsString, out: &mut Args, modes: &mut Modes) -> Result<(), BadArgs> {
    let words = text(&value);
    match flag {
        'y' => modes.print_public = true,
        'l' => out.fingerprint = true,
        'B' => out.bubblebabble = true,
        'p' => modes.passphrase = true,
        'c' => modes.comment = true,
        'e' => modes.export = true,
        'i' | 'X' => modes.import = true,
        'H' => modes.hash = true,
        'A' => modes.host_keys = true,
        'K' => modes.download = true,
        'w' => out.provider = Some(words),
        'F' => {
            modes.find = true;
            modes.host = Some(words);
        }
        'R' => {
            modes.remove = true;
            modes.host = Some(words);
        }
        'r' => {
            modes.record = true;
            modes.host = Some(words);
        }
        'M' => modes.moduli = Some(moduli(&words)?),
        'g' => out.generic = true,
        'f' => out.file = Some(PathBuf::from(value)),
        't' => out.kind = Some(words),
        'b' => {
            out.bits = Some(number(&words, u32::MAX, |why| {
                format!("Bits has bad value {words} ({why})")
            })?);
        }
        'a' => {
            out.rounds = Some(number(&words, i32::MAX.cast_unsigned(), |why| {
                format!("Invalid number: {words} ({why})")
            })?);
        }
        'C' => out.comment = Some(words),
        'N' => out.new_passphrase = Some(Secret::from(words.as_str())),
        'P' => out.passphrase = Some(Secret::from(words.as_str())),
        'O' => out.options.push(words),
        'Z' if carrick_crypto::packet::cipher(&words).is_none() => {
            return Err(bad(format!("Invalid OpenSSH-format cipher '{words}'")));
        }
        'Z' => out.cipher = Some(words),
        'E' => {
            out.hash = FingerprintHash::from_name(&words)
                .ok_or_else(|| bad(format!("Invalid hash algorithm \"{words}\"")))?;
        }
        'm' => out.form = Some(form(&words)?),
        'v' => {
            out.verbose = true;
            more_verbose();
        }
        'q' => out.quiet = true,
        // OpenSSH's own format is the default: -o asks for it.
        'o' => {}
        _ => {
            return out.cert.take(flag, words, modes).map_err(|e| match e {
                BadFlag::Usage(text) => BadArgs::Usage(Some(text)),
                BadFlag::Message(text) => bad(text),
                BadFlag::NotOurs => not_built(flag),
            });
        }
    }
    Ok(())
}

pub(super) fn not_built(flag: char) -> BadArgs {
    bad(format!(
        "option -{flag} is not built yet in this version of Carrick."
    ))
}

/// One `-v` more.
fn more_verbose() {
    log::set_level(match log::level() {
        Level::Debug1 => Level::Debug2,
        Level::Debug2 | Level::Debug3 => Level::Debug3,
        _ => Level::Debug1,
    });
}

/// `-m`
fn form(name: &str) -> Result<Form, BadArgs> {
    match name.to_ascii_uppercase().as_str() {
        "RFC4716" | "SSH2" => Ok(Form::Rfc4716),
        "PKCS8" => Ok(Form::Pkcs8),
        "PEM" => Ok(Form::Pem),
        "PPK" => Ok(Form::Putty(PuttyVersion::Three)),
        "PPK2" => Ok(Form::Putty(PuttyVersion::Two)),
        _ => Err(bad(format!("Unsupported conversion format \"{name}\""))),
    }
}

/// `-M`
fn moduli(what: &str) -> Result<Mode, BadArgs> {
    match what {
        "generate" => Ok(Mode::GenerateModuli),
        "screen" => Ok(Mode::ScreenModuli),
        _ => Err(bad(format!("Unsupported moduli option {what}"))),
    }
}

/// A number from 1, or why not in strtonum(3)'s words.
pub(super) fn number(
    text: &str,
    max: u32,
    message: impl Fn(&str) -> String,
) -> Result<u32, BadArgs> {
    strtonum(text, max).map_err(|why| bad(message(why)))
}

/// strtonum(3) from 1 to `max`.
pub(super) fn strtonum(text: &str, max: u32) -> Result<u32, &'static str> {
    let text = text.trim_start();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid");
    }
    match text.parse::<i64>() {
        Ok(n) if n < 1 => Err("too small"),
        Ok(n) => u32::try_from(n)
            .ok()
            .filter(|n| *n <= max)
            .ok_or("too large"),
        Err(_) if text.starts_with('-') => Err("too small"),
        Err(_) => Err("too large"),
    }
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
            (&["-Bf", "k"], Mode::Fingerprint),
            (&["-e", "-f", "k"], Mode::Export),
            (&["-i", "-f", "k"], Mode::Import),
            (&["-X", "-f", "k"], Mode::Import),
            (&["-p"], Mode::ChangePassphrase),
            (&["-c", "-C", "new"], Mode::ChangeComment),
            (&["-F", "h", "-l"], Mode::FindHost("h".into())),
            (&["-R", "h"], Mode::RemoveHost("h".into())),
            (&["-H"], Mode::HashHosts),
            (&["-r", "h", "-g"], Mode::ResourceRecord("h".into())),
            (&["-M", "generate", "out"], Mode::GenerateModuli),
            (&["-M", "screen", "out"], Mode::ScreenModuli),
            (&["-A"], Mode::HostKeys),
            (&["-K", "-w", "p"], Mode::Download),
            (&["-lD", "p"], Mode::ListToken("p".into())),
        ] {
            assert_eq!(run(words).ok().map(|a| a.mode), Some(mode), "{words:?}");
        }
    }

    #[test]
    fn numbers_as_strtonum_takes_them() {
        for (text, want) in [
            ("7", Ok(7)),
            (" +7", Ok(7)),
            ("8", Err("too large")),
            ("0", Err("too small")),
            ("-1", Err("too small")),
            ("99999999999999999999", Err("too large")),
            ("-99999999999999999999", Err("too small")),
            ("", Err("invalid")),
            ("7x", Err("invalid")),
            ("+-7", Err("invalid")),
        ] {
            assert_eq!(strtonum(text, 7), want, "{text}");
        }
    }

    #[test]
    fn refusals() {
        for (words, message) in [
            (&["-b", "x"][..], "Bits has bad value x (invalid)"),
            (&["-b", "0"], "Bits has bad value 0 (too small)"),
            (
                &["-a", "99999999999"],
                "Invalid number: 99999999999 (too large)",
            ),
            (&["-m", "X509"], "Unsupported conversion format \"X509\""),
            (&["-M", "sift"], "Unsupported moduli option sift"),
            (&["-E", "crc"], "Invalid hash algorithm \"crc\""),
        ] {
            assert_eq!(
                run(words).err(),
                Some(BadArgs::Message(message.into())),
                "{words:?}"
            );
        }
        for (words, message) in [
            (&["x"][..], "Too many arguments."),
            (&["-p", "-c"], "Can only have one of -p and -c."),
            (&["-l", "-H"], "Cannot use -l with -H or -R."),
            (&["-l", "-R", "h"], "Cannot use -l with -H or -R."),
        ] {
            assert_eq!(
                run(words).err(),
                Some(BadArgs::Usage(Some(message.into()))),
                "{words:?}"
            );
        }
        assert!(matches!(run(&["-?"]).err(), Some(BadArgs::Usage(Some(_)))));
    }
}
