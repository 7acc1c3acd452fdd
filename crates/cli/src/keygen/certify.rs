//! `-s`: certificates.

use std::path::{Path, PathBuf};

use carrick_keys::{CertFields, CertKind, PublicKey, UnsignedCert, algorithm};

use super::args::Args;
use super::cert_options::CertExtras;
use super::kernel::KernelRng;
use super::signer::{NoAgentKey, Role, Signer, load_public};
use super::{Outcome, Stop, files, time};
use crate::home;
use crate::log::info;
use crate::text::os_error;

/// Most principals in a certificate, as in OpenSSH.
const PRINCIPALS_MAX: usize = 256;

/// Certifies every key that was named.
pub(super) fn run(args: &Args, authority: &str) -> Outcome {
    let flags = &args.cert;
    let Some(id) = &flags.id else {
        return Err(Stop::fatal("Must specify key id (-I) when certifying"));
    };
    let mut extras = CertExtras::new(flags.host);
    for option in &args.options {
        extras.add(option).map_err(Stop::fatal)?;
    }
    let mut signer = find_authority(args, authority)?;
    let algorithm = choose_algorithm(args.kind.as_deref(), signer.public())?;
    let (critical_options, extensions) = extras.finish();
    let (valid_after, valid_before) = flags.validity.unwrap_or((0, carrick_keys::VALID_FOREVER));
    let mut fields = CertFields {
        serial: flags.serial,
        kind: if flags.host {
            CertKind::Host
        } else {
            CertKind::User
        },
        key_id: id.clone(),
        principals: principals(flags.names.as_deref())?,
        valid_after,
        valid_before,
        critical_options,
        extensions,
    };
    for file in &args.operands {
        let path = home::expand(&file.to_string_lossy());
        one(args, &mut signer, &algorithm, &fields, &path)?;
        if flags.serials_grow {
            fields.serial = fields.serial.wrapping_add(1);
        }
    }
    Ok(())
}

fn find_authority(args: &Args, authority: &str) -> Outcome<Signer> {
    let path = home::expand(authority);
    if let Some(library) = &args.cert.token {
        let what = format!("Couldn't load CA public key \"{authority}\"");
        let (key, _) = load_public(&path, &what)?;
        return Signer::from_token(library, &key)?
            .ok_or_else(|| Stop::fatal(format!("No PKCS#11 key matching {authority} found")));
    }
    if !args.cert.agent {
        return Signer::from_file(args, &path, Role::Authority);
    }
    let what = format!("Cannot load CA public key {}", path.display());
    let (key, _) = load_public(&path, &what)?;
    Signer::from_agent(&key).map_err(|why| {
        Stop::fatal(match why {
            NoAgentKey::NoAgent(why) => format!("Cannot use public key for CA signature: {why}"),
            NoAgentKey::NoList(why) => format!("Retrieve agent key list: {why}"),
            NoAgentKey::NotThere => format!("CA key {} not found in agent", path.display()),
        })
    })
}

/// `-t`, which must go with the authority's key, or the best that it has.
/// What is no signature algorithm is found out when it is to sign.
fn choose_algorithm(wanted: Option<&str>, authority: &PublicKey) -> Outcome<String> {
    let kind = authority.key_type();
    let Some(name) = wanted else {
        let best = authority.signature_algorithms();
        let best = best.first().copied().unwrap_or(kind);
        return Ok(best.to_owned());
    };
    let of_type = algorithm::find(name).is_some_and(|a| a.key_type == kind);
    let short = authority.kind().short_name();
    if of_type || short.eq_ignore_ascii_case(name) {
        return Ok(name.to_owned());
    }
    Err(Stop::fatal(format!(
        "CA key type {kind} doesn't match specified {name}"
    )))
}

fn principals(list: Option<&str>) -> Outcome<Vec<String>> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = list.split(',').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        return Err(Stop::fatal("Empty principal name"));
    }
    if names.len() > PRINCIPALS_MAX {
        return Err(Stop::fatal("Too many certificate principals specified"));
    }
    Ok(names)
}

/// Certifies the key of one file, and writes the certificate beside it.
fn one(
    args: &Args,
    signer: &mut Signer,
    algorithm: &str,
    fields: &CertFields,
    path: &Path,
) -> Outcome {
    let shown = path.display().to_string();
    let (key, comment) = load_public(path, &format!("load pubkey \"{shown}\""))?;
    if key.is_certificate() {
        return Err(Stop::fatal(format!(
            "do_ca_sign: key \"{shown}\" type {} cannot be certified",
            key.short_name()
        )));
    }
    let failed = if matches!(signer, Signer::Agent(..)) {
        |shown: &str, why: &str| Stop::fatal(format!("Couldn't certify {shown} via agent: {why}"))
    } else {
        |shown: &str, why: &str| Stop::fatal(format!("Couldn't certify key {shown}: {why}"))
    };
    let failed = |why: &str| failed(&shown, why);
    let unsigned = UnsignedCert::new(&key, signer.public(), fields, &mut KernelRng)
        .map_err(|e| failed(&e.to_string()))?;
    let signature = signer
        .sign(algorithm, unsigned.to_sign())
        .map_err(|why| failed(&why))?;
    let cert = unsigned
        .complete(&signature)
        .map_err(|e| failed(&e.to_string()))?;
    let out = certificate_path(path);
    let kind = cert.kind.name();
    let line = format!(
        "{} {comment}\n",
        PublicKey::Certificate(Box::new(cert)).to_line("")
    );
    files::write_public(&out, line.as_bytes()).map_err(|e| {
        Stop::fatal(format!(
            "Unable to save public key to {}: {}",
            out.display(),
            os_error(&e)
        ))
    })?;
    if !args.quiet {
        let names = args.cert.names.as_deref();
        info!(
            "Signed {kind} key {}: id \"{}\" serial {}{}{} valid {}",
            out.display(),
            fields.key_id,
            fields.serial,
            names.map_or("", |_| " for "),
            names.unwrap_or_default(),
            time::show_validity(fields.valid_after, fields.valid_before)
        );
    }
    Ok(())
}

/// `key-cert.pub` for `key.pub` or `key`.
fn certificate_path(path: &Path) -> PathBuf {
    let mut name = match path.extension() {
        Some(end) if end == "pub" => path.with_extension("").into_os_string(),
        _ => path.as_os_str().to_owned(),
    };
    name.push("-cert.pub");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_certificates_go() {
        for (key, cert) in [
            ("k.pub", "k-cert.pub"),
            ("/a.b/k", "/a.b/k-cert.pub"),
            ("k.old", "k.old-cert.pub"),
        ] {
            assert_eq!(certificate_path(Path::new(key)), PathBuf::from(cert));
        }
    }

    #[test]
    fn lists_of_principals() {
        let of = |list| principals(list).ok();
        assert_eq!(of(None), Some(Vec::new()));
        assert_eq!(of(Some("a,b")), Some(vec!["a".into(), "b".into()]));
        assert_eq!(of(Some("a,,b")), None);
        assert_eq!(of(Some("")), None);
        assert_eq!(of(Some(&vec!["x"; PRINCIPALS_MAX + 1].join(","))), None);
    }
}
