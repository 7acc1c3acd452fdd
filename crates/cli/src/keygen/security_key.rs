//! Keys in security keys (FIDO): making them, and fetching those that the
//! security key keeps itself (`-K`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use carrick_keys::helper::sk::{
    Enroll, FLAG_FORCE, FLAG_RESIDENT, FLAG_USER_PRESENCE, FLAG_USER_VERIFICATION, Failure,
    ResidentKey,
};
use carrick_keys::{FingerprintHash, KeyType, PrivateKey};
use carrick_wire::Secret;

use super::args::Args;
use super::signer::Role;
use super::{Outcome, Stop, files, generate};
use crate::log::{error, info};
use crate::sk::{self, Notice};
use crate::text::{os_error, out, outln};

/// Most PINs that are tried.
const TRIES: u32 = 3;
const PIN_PROMPT: &str = "Enter PIN for authenticator: ";

/// The middleware: `-w`, or the environment, or our own.
pub(super) fn provider(args: &Args) -> String {
    let named = args.provider.clone();
    named
        .or_else(|| std::env::var("SSH_SK_PROVIDER").ok())
        .unwrap_or_else(|| sk::INTERNAL.to_owned())
}

/// What `-O` says of a new key.
struct Wishes {
    flags: u8,
    application: String,
    device: String,
    user: Option<String>,
    challenge: Vec<u8>,
    attestation: Option<PathBuf>,
}

impl Wishes {
    fn read(options: &[String]) -> Outcome<Self> {
        let mut out = Self {
            flags: FLAG_USER_PRESENCE,
            application: "ssh:".into(),
            device: String::new(),
            user: None,
            challenge: Vec::new(),
            attestation: None,
        };
        for option in options {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name.to_ascii_lowercase(), Some(value)),
                None => (option.to_ascii_lowercase(), None),
            };
            match (name.as_str(), value) {
                ("no-touch-required", None) => out.flags &= !FLAG_USER_PRESENCE,
                ("verify-required", None) => out.flags |= FLAG_USER_VERIFICATION,
                ("resident", None) => out.flags |= FLAG_RESIDENT,
                ("device", Some(value)) => value.clone_into(&mut out.device),
                ("user", Some(value)) => out.user = Some(value.to_owned()),
                ("challenge", Some(path)) => {
                    out.challenge = std::fs::read(path).map_err(|e| {
                        Stop::fatal(format!(
                            "Unable to load FIDO enrollment challenge \"{path}\": {}",
                            os_error(&e)
                        ))
                    })?;
                }
                ("write-attestation", Some(path)) => out.attestation = Some(path.into()),
                ("application", Some(value)) if value.starts_with("ssh:") => {
                    value.clone_into(&mut out.application);
                }
                ("application", Some(_)) => {
                    let why = "FIDO application string must begin with \"ssh:\"";
                    return Err(Stop::fatal(why));
                }
                _ => {
                    return Err(Stop::fatal(format!(
                        "Option \"{option}\" is unsupported for FIDO authenticator enrollment"
                    )));
                }
            }
        }
        Ok(out)
    }
}

/// A new key that is to be made; the command line has been judged.
pub(super) struct Enrollment {
    kind: KeyType,
    provider: String,
    wishes: Wishes,
}

/// What attests where a key was made, and where to write that.
pub(super) struct Attestation(Option<(PathBuf, Vec<u8>)>);

impl Enrollment {
    /// `None` for a kind of key that security keys do not have.
    pub(super) fn new(args: &Args, kind: KeyType) -> Outcome<Option<Self>> {
        if !matches!(kind, KeyType::SkEd25519 | KeyType::SkEcdsa) {
            return Ok(None);
        }
        Ok(Some(Self {
            kind,
            provider: provider(args),
            wishes: Wishes::read(&args.options)?,
        }))
    }

    /// Makes the key, asking for PINs and touches as long as it takes.
    pub(super) fn run(mut self, args: &Args) -> Outcome<(PrivateKey, Attestation)> {
        let mut pin: Option<Secret> = None;
        let mut again = "";
        let mut tries = 0;
        loop {
            if !args.quiet {
                outln!(
                    "You may need to touch your authenticator{again} to authorize key generation."
                );
            }
            let wishes = &self.wishes;
            let made = sk::enroll(Enroll {
                kind: self.kind,
                provider: &self.provider,
                device: &wishes.device,
                application: &wishes.application,
                user: wishes.user.as_deref().unwrap_or_default(),
                flags: wishes.flags,
                pin: pin.as_ref(),
                challenge: &wishes.challenge,
            });
            match made {
                Ok((key, attestation)) => {
                    let path = self.wishes.attestation.take();
                    return Ok((key, Attestation(path.map(|path| (path, attestation)))));
                }
                Err(Failure::CREDENTIAL_EXISTS) if self.may_replace()? => {
                    self.wishes.flags |= FLAG_FORCE;
                    continue;
                }
                Err(Failure::PIN_REQUIRED) => {}
                Err(why) => return Err(Stop::fatal(format!("Key enrollment failed: {why}"))),
            }
            again = " again";
            if pin.is_some() {
                error!("PIN incorrect");
            }
            tries += 1;
            if tries >= TRIES {
                return Err(Stop::fatal("Too many incorrect PINs"));
            }
            pin = Some(sk::ask_pin(PIN_PROMPT, true).unwrap_or_default());
        }
    }

    /// Asks before a resident key is replaced.
    fn may_replace(&self) -> Outcome<bool> {
        let wishes = &self.wishes;
        if wishes.flags & FLAG_RESIDENT == 0 || wishes.flags & FLAG_FORCE != 0 {
            return Ok(false);
        }
        outln!(
            "A resident key scoped to '{}' with user id '{}' already exists.",
            wishes.application,
            wishes.user.as_deref().unwrap_or("null")
        );
        out!("Overwrite key in token (y/n)? ");
        Ok(files::read_line()?.starts_with(['y', 'Y']))
    }
}

impl Attestation {
    /// Of a key that was made here.
    pub(super) const NONE: Self = Self(None);

    /// Writes it where that was asked for.
    pub(super) fn save(&self, quiet: bool) -> Outcome {
        let Some((path, bytes)) = &self.0 else {
            return Ok(());
        };
        let shown = path.display();
        files::write_private(path, bytes).map_err(|e| {
            Stop::fatal(format!(
                "Unable to write attestation data \"{shown}\": {}",
                os_error(&e)
            ))
        })?;
        if !quiet {
            outln!("Your FIDO attestation certificate has been saved in {shown}");
        }
        Ok(())
    }
}

/// Signs with a key in a security key, in the words that OpenSSH has for the
/// role.
pub(super) fn sign(
    provider: &str,
    key: &PrivateKey,
    message: &[u8],
    role: Role,
) -> Result<Vec<u8>, String> {
    let kind = key.public().short_name();
    let flags = key.security_key().map_or(0, |sk| sk.flags);
    let pin = (flags & FLAG_USER_VERIFICATION != 0).then(|| {
        let of = match role {
            Role::Authority => "CA",
            Role::Sender => &kind,
        };
        sk::ask_pin(&format!("Enter PIN for {of} key: "), false).unwrap_or_default()
    });
    let notice = (flags & FLAG_USER_PRESENCE != 0).then(|| {
        let fingerprint = key.public().fingerprint(FingerprintHash::Sha256);
        let text = format!("Confirm user presence for key {kind} {fingerprint}");
        match role {
            Role::Authority => Notice::start(&text, false),
            Role::Sender => Notice::on_stderr(&text),
        }
    });
    let signed = sk::sign(provider, key, message, pin.as_ref(), None);
    if let Some(notice) = notice {
        // Said whatever came of it, as in OpenSSH.
        notice.complete("User presence confirmed");
    }
    signed.map_err(|why| why.to_string())
}

/// `-K`: writes the keys that the security key keeps itself into files.
pub(super) fn download(args: &Args) -> Outcome {
    let mut device = "";
    for option in &args.options {
        match option.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("device") => device = value,
            _ => {
                return Err(Stop::fatal(format!(
                    "Option \"{option}\" is unsupported for FIDO authenticator download"
                )));
            }
        }
    }
    let pin = sk::ask_pin(PIN_PROMPT, true).filter(|pin| !pin.expose().is_empty());
    if !args.quiet {
        outln!("You may need to touch your authenticator to authorize key download.");
    }
    let found = sk::load_resident(&provider(args), device, pin.as_ref())
        .map_err(|why| Stop::fatal(format!("Unable to load resident keys: {why}")))?;
    if found.is_empty() {
        info!("No keys to download");
    }
    let mut passphrase = None;
    for resident in found {
        save(args, resident, &mut passphrase)?;
    }
    Ok(())
}

/// Writes one of them. The passphrase is asked for once.
fn save(args: &Args, resident: ResidentKey, passphrase: &mut Option<Secret>) -> Outcome {
    let ResidentKey { mut key, user } = resident;
    let application = sk::application(key.public()).to_owned();
    let suffix = suffix(&application, &user);
    let stem = key.public().kind().file_stem();
    let gap = if suffix.is_empty() { "" } else { "_" };
    let path = format!("id_{stem}_rk{gap}{suffix}");
    let path = Path::new(&path);
    generate::confirm_overwrite(path)?;
    let passphrase = match passphrase {
        Some(passphrase) => passphrase,
        none => none.insert(generate::first_passphrase(args, path)?),
    };
    key.set_comment(application.as_str());
    generate::save_private(args, &key, path, passphrase)?;
    if !args.quiet {
        let of = if suffix.is_empty() {
            String::new()
        } else {
            format!(" {application}")
        };
        outln!(
            "Saved {} key{of} to {}",
            key.public().short_name(),
            path.display()
        );
    }
    generate::save_public(&key, path)
}

/// What tells a resident key's file from others: what its application and
/// user are called, without what would lead a file name astray. All of it
/// comes from the security key.
fn suffix(application: &str, user: &[u8]) -> String {
    let name = application
        .strip_prefix("ssh://")
        .or_else(|| application.strip_prefix("ssh:"))
        .unwrap_or(application);
    let mut out: String = name
        .chars()
        .map(|c| if harmless(c) { c } else { '_' })
        .collect();
    let len = user.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    let user = &user[..len];
    if user.is_empty() {
        return out;
    }
    out.push('_');
    match std::str::from_utf8(user) {
        Ok(text) if text.chars().all(harmless) && !text.contains("..") => out.push_str(text),
        _ => {
            for byte in user {
                // Writing to a String cannot fail.
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
    out
}

/// Whether a file name may have it.
fn harmless(c: char) -> bool {
    !c.is_control() && c != '/' && c != '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_new_key() {
        let read = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|w| (*w).to_owned()).collect();
            Wishes::read(&words)
        };
        let Ok(wishes) = read(&[
            "no-touch-required",
            "Verify-Required",
            "resident",
            "application=ssh:a=b",
            "DEVICE=/dev/x",
            "user=me",
        ]) else {
            panic!("refused");
        };
        assert_eq!(wishes.flags, FLAG_USER_VERIFICATION | FLAG_RESIDENT);
        assert_eq!(wishes.application, "ssh:a=b");
        assert_eq!(
            (wishes.device.as_str(), wishes.user.as_deref()),
            ("/dev/x", Some("me"))
        );
        for (words, why) in [
            (
                "touch",
                "Option \"touch\" is unsupported for FIDO authenticator enrollment",
            ),
            (
                "resident=1",
                "Option \"resident=1\" is unsupported for FIDO authenticator enrollment",
            ),
            (
                "application=web",
                "FIDO application string must begin with \"ssh:\"",
            ),
        ] {
            match read(&[words]) {
                Err(Stop::Fatal(text)) => assert_eq!(text, why),
                _ => panic!("{words} is taken"),
            }
        }
    }

    #[test]
    fn file_names_of_resident_keys() {
        for (application, user, want) in [
            ("ssh:", &[0; 32][..], ""),
            ("ssh:", b"me\0\0", "_me"),
            ("ssh:work", b"", "work"),
            ("ssh:work", b"u u", "work_u u"),
            ("ssh://host/x", b"", "host_x"),
            ("ssh:../../etc/x", b"", ".._.._etc_x"),
            ("ssh:a", b"../x", "a_2e2e2f78"),
            ("ssh:a", b"\xff\x01", "a_ff01"),
            ("ssh:a", b"x\ny", "a_780a79"),
        ] {
            assert_eq!(suffix(application, user), want, "{application} {user:?}");
        }
    }
}
