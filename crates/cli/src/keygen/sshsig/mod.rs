//! `-Y`: signatures over files.

mod principals;
mod sign;
mod verify;

use std::io::{self, Read};

use carrick_crypto::hash::Hasher;
use carrick_keys::sshsig::{SigHash, SshSig};

use super::args::Args;
use super::{Outcome, Stop, time};
use crate::log::error;
use crate::text::os_error;

/// Bytes read at once from what is signed.
const CHUNK: usize = 64 * 1024;

/// What `-Y` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    FindPrincipals,
    MatchPrincipals,
    Sign,
    CheckNovalidate,
    Verify,
}

impl Operation {
    /// By the word behind `-Y`. Longer words count as well, as in OpenSSH.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [
            ("find-principals", Self::FindPrincipals),
            ("match-principals", Self::MatchPrincipals),
            ("sign", Self::Sign),
            ("check-novalidate", Self::CheckNovalidate),
            ("verify", Self::Verify),
        ]
        .into_iter()
        .find(|(name, _)| word.starts_with(name))
        .map(|(_, operation)| operation)
    }
}

/// Does what `-Y` asks for.
pub(super) fn run(args: &Args, operation: Operation) -> Outcome {
    let flags = &args.cert;
    // The same flags mean other things with certificates.
    let namespace = flags.names.as_deref().filter(|name| !name.is_empty());
    let signature = flags.authority.as_deref();
    let file = args.file.as_deref();
    let need = |what: &str| missing(what);
    match operation {
        Operation::FindPrincipals => {
            let signature =
                signature.ok_or_else(|| need("find-principals:missing signature file"))?;
            let file = file.ok_or_else(|| need("find-principals:missing allowed keys file"))?;
            principals::find_principals(args, signature, file)
        }
        Operation::MatchPrincipals => {
            let file = file.ok_or_else(|| need("match-principals:missing allowed keys file"))?;
            let id = flags.id.as_deref();
            let id = id.ok_or_else(|| need("match-principals: missing principal ID"))?;
            principals::match_principals(args, file, id)
        }
        Operation::Sign => {
            let namespace = namespace.ok_or_else(|| need("sign: missing namespace"))?;
            let key = file.ok_or_else(|| need("sign: missing key"))?;
            sign::sign(args, key, namespace)
        }
        Operation::CheckNovalidate => {
            let namespace = namespace.ok_or_else(|| need("check-novalidate: missing namespace"))?;
            let signature =
                signature.ok_or_else(|| need("check-novalidate: missing signature file"))?;
            verify::verify(args, signature, namespace, None)
        }
        Operation::Verify => {
            let namespace = namespace.ok_or_else(|| need("verify: missing namespace"))?;
            let signature = signature.ok_or_else(|| need("verify: missing signature file"))?;
            let file = file.ok_or_else(|| need("sign: missing allowed keys file"))?;
            let id = flags.id.as_deref();
            let id = id.ok_or_else(|| need("verify: missing principal identity"))?;
            verify::verify(args, signature, namespace, Some((id, file)))
        }
    }
}

fn missing(what: &str) -> Stop {
    error!("Too few arguments for {what}");
    Stop::Status(1)
}

/// Fails after what is the matter was told.
const FAILED: Stop = Stop::Status(255);

/// What the `-O` of these modes say.
struct SigOptions {
    hash: Option<String>,
    time: u64,
    print_key: bool,
}

/// Which `-O` a mode knows.
#[derive(Clone, Copy)]
struct Known {
    hash: bool,
    time: bool,
    print_key: bool,
}

fn options(args: &Args, known: Known) -> Option<SigOptions> {
    let mut out = SigOptions {
        hash: None,
        time: time::now(),
        print_key: false,
    };
    for option in &args.options {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option.as_str(), None),
        };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("hashalg", Some(value)) if known.hash => out.hash = Some(value.to_owned()),
            ("verify-time", Some(value)) if known.time => {
                let Some(at) = time::absolute(value).filter(|at| *at != 0) else {
                    error!("Invalid \"verify-time\" option");
                    return None;
                };
                out.time = at;
            }
            ("print-pubkey", None) if known.print_key => out.print_key = true,
            _ => {
                error!("Invalid option \"{option}\"");
                return None;
            }
        }
    }
    Some(out)
}

/// The hash of all that `input` gives.
fn digest(hash: SigHash, mut input: impl Read) -> io::Result<Vec<u8>> {
    let mut hasher = Hasher::new(hash.algorithm());
    let mut buf = vec![0; CHUNK];
    loop {
        match input.read(&mut buf) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buf[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reads a signature's file. What is the matter is told.
fn read_signature(path: &str, who: &str) -> Option<SshSig> {
    let text = std::fs::read(path)
        .inspect_err(|e| error!("Couldn't read signature file: {}", os_error(e)))
        .ok()?;
    let blob = SshSig::dearmor(&text)
        .inspect_err(|e| {
            error!("{e}");
            error!("{who}: sshsig_armor: invalid format");
        })
        .ok()?;
    SshSig::from_blob(&blob).inspect_err(|e| error!("{e}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_by_their_words() {
        assert_eq!(Operation::from_word("sign"), Some(Operation::Sign));
        assert_eq!(Operation::from_word("verify"), Some(Operation::Verify));
        assert_eq!(Operation::from_word("signx"), Some(Operation::Sign));
        assert_eq!(Operation::from_word("sig"), None);
    }
}
