//! Adding keys from files, and the certificates beside them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use carrick_keys::agent::{AgentClient, Constraints, Destination};
use carrick_keys::{Certificate, KeyFileError, PrivateKey, PublicKey};
use carrick_wire::Secret;

use super::args::Args;
use super::{ask_hidden, sk_provider};
use crate::agent_socket::AgentSocket;
use crate::keyfile::{self, Unread, with_suffix};
use crate::log::{error, info};
use crate::text::{err, os_error};

/// How long a certificate is kept beyond its end: clocks differ.
const GRACE: u64 = 5 * 60;

/// Adds one file after another, and tries the last passphrase on the next.
pub(super) struct Adder<'a> {
    args: &'a Args,
    destinations: Vec<Destination>,
    passphrase: Option<Secret>,
}

impl<'a> Adder<'a> {
    pub(super) fn new(args: &'a Args, destinations: Vec<Destination>) -> Self {
        Self {
            args,
            destinations,
            passphrase: None,
        }
    }

    /// Adds the key in `path` (`-` is standard input) and its certificate.
    /// Whether the key was added; a certificate alone does not count, as with
    /// OpenSSH.
    pub(super) fn file(&mut self, agent: &mut AgentSocket, path: &Path) -> bool {
        let (path, bytes) = if path == Path::new("-") {
            let read = keyfile::read_all(std::io::stdin().lock());
            (PathBuf::from("(stdin)"), read)
        } else {
            (path.to_owned(), keyfile::read_private(path))
        };
        let name = path.display();
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(Unread::Open(e)) => {
                err!("{name}: {}\n", os_error(&e));
                return false;
            }
            Err(Unread::Permissions) => return false,
            Err(Unread::Other(why)) => {
                err!("Error loading key \"{name}\": {why}\n");
                return false;
            }
        };
        let Some(mut key) = self.open(&name.to_string(), &bytes) else {
            self.passphrase = None;
            return false;
        };
        if key.comment_bytes().is_empty() {
            key.set_comment(name.to_string());
        }
        let added = !self.args.certs_only && self.add_key(agent, &path, &key);
        if !self.args.keys_only {
            self.add_certificate(agent, &path, &key);
        }
        added
    }

    /// Opens a private key, with the passphrase before or one that is asked
    /// for. What went wrong has been told.
    fn open(&mut self, name: &str, bytes: &[u8]) -> Option<PrivateKey> {
        let failed = |e: &KeyFileError| {
            err!("Error loading key \"{name}\": {}\n", keyfile::reason(e));
        };
        let last = self.passphrase.take();
        for passphrase in [None, last] {
            match PrivateKey::parse_file(bytes, passphrase.as_ref()) {
                Ok(key) => {
                    self.passphrase = passphrase;
                    return Some(key);
                }
                Err(KeyFileError::NeedsPassphrase | KeyFileError::WrongPassphrase) => {}
                Err(e) => {
                    failed(&e);
                    return None;
                }
            }
        }
        let each_use = if self.args.confirm {
            " (will confirm each use)"
        } else {
            ""
        };
        let mut prompt = format!("Enter passphrase for {name}{each_use}: ");
        loop {
            let answer = ask_hidden(&prompt);
            if answer.is_empty() {
                return None;
            }
            let passphrase = Secret::from(answer.as_slice());
            match PrivateKey::parse_file(bytes, Some(&passphrase)) {
                Ok(key) => {
                    self.passphrase = Some(passphrase);
                    return Some(key);
                }
                Err(KeyFileError::NeedsPassphrase | KeyFileError::WrongPassphrase) => {}
                Err(e) => {
                    failed(&e);
                    return None;
                }
            }
            prompt = format!("Bad passphrase, try again for {name}{each_use}: ");
        }
    }

    fn constraints(&self, key: &PrivateKey, lifetime: Option<u32>) -> Constraints {
        let sk_provider = key.security_key().map(|_| sk_provider(self.args));
        Constraints {
            lifetime,
            confirm: self.args.confirm,
            sk_provider,
            destinations: self.destinations.clone(),
            certificates: None,
        }
    }

    fn send(
        &self,
        agent: &mut AgentSocket,
        key: &PrivateKey,
        certificate: Option<&Certificate>,
        lifetime: Option<u32>,
    ) -> Result<(), String> {
        let constraints = self.constraints(key, lifetime);
        let request = AgentClient::add_request(key, certificate, &constraints)
            .map_err(|e| keyfile::reason(&e))?;
        agent.tell(&request)
    }

    fn add_key(&self, agent: &mut AgentSocket, path: &Path, key: &PrivateKey) -> bool {
        let name = path.display();
        match self.send(agent, key, None, self.args.lifetime) {
            Ok(()) => {
                self.say(
                    &format!("Identity added: {name} ({})", key.comment()),
                    self.args.lifetime,
                );
                true
            }
            Err(why) => {
                err!("Could not add identity \"{name}\": {why}\n");
                false
            }
        }
    }

    /// Adds the certificate in `path-cert.pub`, if there is one.
    fn add_certificate(&self, agent: &mut AgentSocket, path: &Path, key: &PrivateKey) {
        let beside = with_suffix(path, "-cert.pub");
        let name = beside.display();
        let Some((public, _)) = keyfile::load_public(&beside) else {
            return;
        };
        if public.plain() != key.public() {
            error!(
                "Certificate {name} does not match private key {}",
                path.display()
            );
            return;
        }
        let PublicKey::Certificate(cert) = &public else {
            error!("Failed to load certificate \"{name}\": not a certificate");
            return;
        };
        let lifetime = if self.args.keep_expired {
            self.args.lifetime
        } else {
            match capped(self.args.lifetime, cert, unix_time()) {
                Ok(lifetime) => lifetime,
                Err(Expired) => {
                    info!("Certificate {name} has already expired; ignored");
                    return;
                }
            }
        };
        match self.send(agent, key, Some(cert), lifetime) {
            Ok(()) => self.say(
                &format!("Certificate added: {name} ({})", cert.key_id),
                lifetime,
            ),
            Err(why) => error!("Certificate {name} ({}) add failed: {why}", cert.key_id),
        }
    }

    /// Tells what was added, and how it is kept.
    fn say(&self, what: &str, lifetime: Option<u32>) {
        if self.args.quiet {
            return;
        }
        err!("{what}\n");
        if let Some(seconds) = lifetime {
            err!("Lifetime set to {}\n", timeframe(seconds));
        }
        if self.args.confirm {
            err!("The user must confirm each use of the key\n");
        }
    }
}

fn unix_time() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .as_ref()
        .map_or(0, Duration::as_secs)
}

/// A certificate that is not valid any more.
#[derive(Debug, PartialEq, Eq)]
struct Expired;

/// The lifetime that a certificate is added with: no longer than it is valid.
fn capped(wanted: Option<u32>, cert: &Certificate, now: u64) -> Result<Option<u32>, Expired> {
    if cert.valid_before == u64::MAX {
        return Ok(wanted);
    }
    let end = cert.valid_before.saturating_add(GRACE);
    let left = end.checked_sub(now).ok_or(Expired)?;
    let left = u32::try_from(left)
        .unwrap_or(u32::MAX)
        .min(i32::MAX.unsigned_abs());
    Ok(Some(wanted.map_or(left, |wanted| wanted.min(left))))
}

/// A length of time as OpenSSH shows it.
fn timeframe(seconds: u32) -> String {
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    let (days, hour) = (hours / 24, hours % 24);
    let (week, day) = (days / 7, days % 7);
    if week > 0 {
        format!("{week:02}w{day}d{hour:02}h")
    } else if day > 0 {
        format!("{day}d{hour:02}h{minute:02}m")
    } else {
        format!("{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_crypto::rng::SystemRng;
    use carrick_keys::{CertFields, CertKind, KeyType};

    #[test]
    fn times_as_openssh_shows_them() {
        for (seconds, text) in [
            (0, "00:00:00"),
            (61, "00:01:01"),
            (86_399, "23:59:59"),
            (86_400, "1d00h00m"),
            (604_800 + 3600, "01w0d01h"),
        ] {
            assert_eq!(timeframe(seconds), text);
        }
    }

    #[test]
    fn a_certificate_is_kept_no_longer_than_it_is_valid() {
        let key = PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).unwrap();
        let until = |valid_before| {
            let fields = CertFields {
                serial: 0,
                kind: CertKind::User,
                key_id: String::new(),
                principals: Vec::new(),
                valid_after: 0,
                valid_before,
                critical_options: Vec::new(),
                extensions: Vec::new(),
            };
            Certificate::issue(key.public(), &key, None, &fields, &mut SystemRng).unwrap()
        };
        let forever = until(u64::MAX);
        assert_eq!(capped(None, &forever, 5), Ok(None));
        assert_eq!(capped(Some(9), &forever, 5), Ok(Some(9)));
        let cert = until(1000);
        assert_eq!(capped(None, &cert, 900), Ok(Some(400)));
        assert_eq!(capped(Some(30), &cert, 900), Ok(Some(30)));
        assert_eq!(capped(Some(900), &cert, 900), Ok(Some(400)));
        assert_eq!(capped(None, &cert, 1301), Err(Expired));
    }
}
