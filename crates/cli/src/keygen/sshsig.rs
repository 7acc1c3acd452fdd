//! `-Y`: signatures over files.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use carrick_crypto::hash::Hasher;
use carrick_keys::allowed_signers::{self, Query, Remark};
use carrick_keys::sshsig::{SigHash, Signer as Signed, SshSig, UnsignedSig};
use carrick_keys::{PublicKey, RevokedKeys};

use super::args::Args;
use super::signer::{NoAgentKey, Signer};
use super::{Outcome, Stop, files, generate, time};
use crate::log::{debug, debug3, error};
use crate::text::{err, os_error, out, outln, printable};

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
            find_principals(args, signature, file)
        }
        Operation::MatchPrincipals => {
            let file = file.ok_or_else(|| need("match-principals:missing allowed keys file"))?;
            let id = flags.id.as_deref();
            let id = id.ok_or_else(|| need("match-principals: missing principal ID"))?;
            match_principals(args, file, id)
        }
        Operation::Sign => {
            let namespace = namespace.ok_or_else(|| need("sign: missing namespace"))?;
            sign(
                args,
                file.ok_or_else(|| need("sign: missing key"))?,
                namespace,
            )
        }
        Operation::CheckNovalidate => {
            let namespace = namespace.ok_or_else(|| need("check-novalidate: missing namespace"))?;
            let signature =
                signature.ok_or_else(|| need("check-novalidate: missing signature file"))?;
            verify(args, signature, namespace, None)
        }
        Operation::Verify => {
            let namespace = namespace.ok_or_else(|| need("verify: missing namespace"))?;
            let signature = signature.ok_or_else(|| need("verify: missing signature file"))?;
            let file = file.ok_or_else(|| need("sign: missing allowed keys file"))?;
            let id = flags.id.as_deref();
            let id = id.ok_or_else(|| need("verify: missing principal identity"))?;
            verify(args, signature, namespace, Some((id, file)))
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

/// `-Y sign`
fn sign(args: &Args, key_path: &Path, namespace: &str) -> Outcome {
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
    let signer = Signer::from_file(args, &path).map_err(|stop| match stop {
        Stop::Fatal(text) if !text.contains("passphrase") => {
            debug!("{text}");
            Stop::fatal(format!("No private key found for \"{}\"", path.display()))
        }
        other => other,
    })?;
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

/// `-Y verify` and `-Y check-novalidate`: whether standard input was signed
/// and, for `verify`, by the key of the one who is named.
fn verify(
    args: &Args,
    signature: &str,
    namespace: &str,
    allowed: Option<(&str, &Path)>,
) -> Outcome {
    let known = Known {
        hash: false,
        time: true,
        print_key: true,
    };
    let verified = options(args, known).and_then(|options| {
        let signed = check(signature, namespace)?;
        let good = not_revoked(args, signed.key())
            && allowed.is_none_or(|(who, file)| is_allowed(&signed, who, file, options.time));
        good.then_some((signed, options))
    });
    let Some((signed, options)) = verified else {
        if !args.quiet {
            outln!("Could not verify signature.");
        }
        return Err(FAILED);
    };
    if !args.quiet {
        let key = signed.key();
        outln!(
            "Good \"{namespace}\" signature{} with {} key {}",
            allowed.map_or(String::new(), |(who, _)| format!(" for {who}")),
            key.short_name(),
            key.fingerprint(args.hash)
        );
    }
    if options.print_key {
        outln!("{}", signed.key().to_line(""));
    }
    Ok(())
}

/// Checks the signature over standard input.
fn check(path: &str, namespace: &str) -> Option<Signed> {
    let signature = read_signature(path, "sig_verify")?;
    let hash = signature.hash();
    debug!("signature made with hash \"{}\"", hash.name());
    let digest = digest(hash, io::stdin())
        .inspect_err(|e| error!("hash_file: read: {}", os_error(e)))
        .ok()?;
    let signed = signature
        .verify(namespace, &digest)
        .inspect_err(|e| error!("{e}"))
        .ok()?;
    debug!(
        "Valid (unverified) signature from key {}",
        signed
            .key()
            .fingerprint(carrick_keys::FingerprintHash::Sha256)
    );
    Some(signed)
}

/// `-r`: a file of revoked keys. One that cannot be read revokes all.
fn not_revoked(args: &Args, key: &PublicKey) -> bool {
    let Some(path) = &args.cert.revoked else {
        return true;
    };
    let read = std::fs::read(path).map_err(|e| os_error(&e));
    let revoked = read.and_then(|bytes| RevokedKeys::parse(bytes).map_err(|e| e.to_string()));
    match revoked {
        Ok(revoked) => !revoked.is_revoked(key),
        Err(why) => {
            debug3!("sig_verify: sshkey_check_revoked: {why}");
            false
        }
    }
}

/// Reads an allowed_signers file.
fn read_allowed(path: &Path) -> Result<Vec<u8>, io::Error> {
    std::fs::read(path).inspect_err(|e| {
        error!(
            "Unable to open allowed keys file \"{}\": {}",
            path.display(),
            os_error(e)
        );
    })
}

fn is_allowed(signed: &Signed, who: &str, file: &Path, at: u64) -> bool {
    let Ok(text) = read_allowed(file) else {
        return false;
    };
    let query = Query {
        key: signed.key(),
        principal: Some(who),
        namespace: Some(signed.namespace()),
        time: at,
        zone: &time::seconds,
    };
    search(file, &text, &query).is_some()
}

/// Searches a file, telling what it notes. Returns the principals.
fn search(file: &Path, text: &[u8], query: &Query<'_>) -> Option<String> {
    let found = allowed_signers::search(text, query);
    for (line, remark) in &found.remarks {
        let at = format!("{}:{line}", file.display());
        let now = || time::show(query.time);
        match remark {
            Remark::NotYetValid(after) => error!(
                "{at}: key is not yet valid: verify time {} < valid-after {}",
                now(),
                time::show(*after)
            ),
            Remark::Expired(before) => error!(
                "{at}: key has expired: verify time {} > valid-before {}",
                now(),
                time::show(*before)
            ),
            other if other.is_error() => error!("{at}: {other}"),
            other => debug!("{at}: {other}"),
        }
    }
    found.allowed.map(|allowed| allowed.principals)
}

/// `-Y find-principals`: whose key it may be that claims to have signed.
fn find_principals(args: &Args, signature: &str, file: &Path) -> Outcome {
    let known = Known {
        hash: false,
        time: true,
        print_key: false,
    };
    let found = options(args, known).and_then(|options| {
        let signature = read_signature(signature, "sig_find_principals")?;
        let text = read_allowed(file)
            .inspect_err(|e| {
                error!(
                    "sig_find_principals: sshsig_find_principal: {}",
                    os_error(e)
                );
            })
            .ok()?;
        let query = Query {
            key: signature.claimed_key(),
            principal: None,
            namespace: None,
            time: options.time,
            zone: &time::seconds,
        };
        search(file, &text, &query)
    });
    let Some(principals) = found else {
        err!("No principal matched.\n");
        return Err(FAILED);
    };
    for name in principals.split(',').take_while(|name| !name.is_empty()) {
        outln!("{}", printable(name));
    }
    Ok(())
}

/// Exit statuses of match-principals, which are OpenSSH's error numbers.
const NO_MATCH: Stop = Stop::Status(210);
const BAD_FILE: Stop = Stop::Status(252);
const NO_FILE: Stop = Stop::Status(232);
const BAD_OPTION: Stop = Stop::Status(246);

/// `-Y match-principals`: which lines' principals match a name.
fn match_principals(args: &Args, file: &Path, who: &str) -> Outcome {
    let known = Known {
        hash: false,
        time: false,
        print_key: false,
    };
    options(args, known).ok_or(BAD_OPTION)?;
    let Ok(text) = read_allowed(file) else {
        err!("No principal matched.\n");
        return Err(NO_FILE);
    };
    match allowed_signers::match_principals(&text, who, &time::seconds) {
        Ok(found) if !found.is_empty() => {
            for principals in found {
                outln!("{}", printable(&principals));
            }
            Ok(())
        }
        Ok(_) => {
            err!("No principal matched.\n");
            Err(NO_MATCH)
        }
        Err((line, bad)) => {
            error!("{}:{line}: {bad}", file.display());
            err!("No principal matched.\n");
            Err(BAD_FILE)
        }
    }
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
