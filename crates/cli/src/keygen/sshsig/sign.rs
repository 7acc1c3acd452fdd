//! `-Y sign`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use carrick_keys::sshsig::{SigHash, SshSig, UnsignedSig};
use carrick_keys::{KeyFileError, PrivateKey, PublicKey};

use super::super::args::Args;
use super::super::signer::{NoAgentKey, Role, Signer};
use super::super::{Outcome, Stop, files, generate};
use super::{FAILED, Known, SigOptions, digest, options};
use crate::keyfile;
use crate::log::{debug, error};
use crate::text::{err, os_error, out};

/// `-Y sign`
pub(super) fn sign(args: &Args, key_path: &Path, namespace: &str) -> Outcome {
    let operands = &args.operands;
    if operands.len() > 1 && operands.iter().any(|o| o == "-") {
        return Err(Stop::fatal("Cannot sign mix of paths and standard input"));
    }
    let known = Known {
        hash: true,
        time: false,
        print_key: false,
    };
    let options = options(args, known).ok_or(FAILED)?;
    let Some((key, _)) = files::load_public(key_path) else {
        let shown = key_path.display();
        error!("Couldn't load public key {shown}: No such file or directory");
        return Err(FAILED);
    };
    let mut signer = find_signer(args, key_path, &key)?;
    if operands.is_empty() {
        return sign_one(args, &mut signer, &key, namespace, &options, None);
    }
    for operand in operands {
        let file = Some(Path::new(operand)).filter(|path| path.as_os_str() != "-");
        sign_one(args, &mut signer, &key, namespace, &options, file)?;
    }
    Ok(())
}

/// The agent, if it has the key, or else the private key's file.
fn find_signer(args: &Args, key_path: &Path, key: &PublicKey) -> Outcome<Signer> {
    let why = match Signer::from_agent(key) {
        Ok(signer) => return Ok(signer),
        Err(NoAgentKey::NoAgent(why)) => format!("Couldn't get agent socket: {why}"),
        Err(NoAgentKey::NoList(why)) => format!("Couldn't find key in agent: {why}"),
        Err(NoAgentKey::NotThere) => "Couldn't find key in agent".to_owned(),
    };
    if args.cert.agent {
        let what = why.split(':').next().unwrap_or_default();
        return Err(Stop::fatal(what));
    }
    debug!("{why}");
    let path = private_path(key_path);
    if path != key_path && !path.exists() {
        return Err(Stop::fatal(format!(
            "No private key found for public key \"{}\"",
            key_path.display()
        )));
    }
    if !is_private_key(&path) {
        return Err(Stop::fatal(format!(
            "No private key found for \"{}\"",
            path.display()
        )));
    }
    let signer = Signer::from_file(args, &path, Role::Sender)?;
    if signer.public() != key.plain() {
        error!(
            "Public key {} doesn't match private {}",
            key_path.display(),
            path.display()
        );
        return Err(FAILED);
    }
    Ok(signer)
}

/// Whether a file holds a private key, perhaps under a passphrase.
fn is_private_key(path: &Path) -> bool {
    let read = keyfile::read(path).map(|bytes| PrivateKey::parse_file(&bytes, None));
    matches!(read, Ok(Ok(_) | Err(KeyFileError::NeedsPassphrase)))
}

/// Where the private key of a public key's or certificate's file is.
fn private_path(path: &Path) -> PathBuf {
    let mut base = path.as_os_str().as_bytes();
    for end in ["-cert.pub", ".pub"] {
        base = base
            .strip_suffix(end.as_bytes())
            .filter(|base| !base.is_empty())
            .unwrap_or(base);
    }
    PathBuf::from(OsStr::from_bytes(base))
}

/// Signs one file, or standard input.
fn sign_one(
    args: &Args,
    signer: &mut Signer,
    key: &PublicKey,
    namespace: &str,
    options: &SigOptions,
    file: Option<&Path>,
) -> Outcome {
    let shown = file.map_or_else(|| "(stdin)".to_owned(), |path| path.display().to_string());
    let input: Box<dyn Read> = match file {
        None => Box::new(io::stdin()),
        Some(path) => Box::new(File::open(path).map_err(|e| {
            error!("Cannot open {shown} for signing: {}", os_error(&e));
            FAILED
        })?),
    };
    if !args.quiet {
        match file {
            None => err!("Signing data on standard input\n"),
            Some(_) => err!("Signing file {shown}\n"),
        }
    }
    let failed = |why: &str| {
        error!("Signing {shown} failed: {why}");
        FAILED
    };
    let hash = match &options.hash {
        None => SigHash::default(),
        Some(name) => SigHash::from_name(name).ok_or_else(|| {
            error!("sshsig_check_hashalg: unsupported hash algorithm \"{name}\"");
            error!("sshsig_sign_fd: hash_file: signature algorithm not supported");
            failed("signature algorithm not supported")
        })?,
    };
    let digest = digest(hash, input).map_err(|e| {
        error!("hash_file: read: {}", os_error(&e));
        failed(&os_error(&e))
    })?;
    let unsigned = UnsignedSig::new(key, namespace, hash, &digest);
    let algorithm = unsigned.algorithm().unwrap_or_default();
    let signature = signer.sign(algorithm, unsigned.to_sign()).map_err(|why| {
        error!("Couldn't sign message: {why}");
        failed(&why)
    })?;
    let signed = unsigned
        .complete(signature)
        .map_err(|e| failed(&e.to_string()))?;
    match file {
        None => out!("{}", signed.to_armored()),
        Some(path) => save(args, path, &signed)?,
    }
    Ok(())
}

/// Writes a signature beside what it is over, after asking.
fn save(args: &Args, path: &Path, signed: &SshSig) -> Outcome {
    let mut out = path.as_os_str().to_owned();
    out.push(".sig");
    let out = PathBuf::from(out);
    if generate::confirm_overwrite(&out).is_err() {
        return Ok(());
    }
    files::write_output(&out, signed.to_armored().as_bytes()).map_err(|e| {
        error!("Cannot open {}: {}", out.display(), os_error(&e));
        FAILED
    })?;
    if !args.quiet {
        err!("Write signature to {}\n", out.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_key_beside_a_public_one() {
        for (public, private) in [
            ("k.pub", "k"),
            ("k-cert.pub", "k"),
            ("a/k", "a/k"),
            (".pub", ".pub"),
            ("k.pub-cert.pub", "k"),
        ] {
            assert_eq!(private_path(Path::new(public)), PathBuf::from(private));
        }
    }
}
