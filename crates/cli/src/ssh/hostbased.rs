//! Host-based login (RFC 4252 section 9): this host vouches for its user. The
//! host's keys are `ssh-keysign`'s alone.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use carrick::client::{AuthReply, Login};
use carrick::proto::auth::{AuthRequest, hostbased_signed_data};
use carrick_config::ssh::Options;
use carrick_keys::keysign::{self, KeysignRequest};
use carrick_keys::{FingerprintHash, PublicKey, algorithm, parse_public_file};
use carrick_sys::{descriptors, hostname, process};

use crate::account;
use crate::log::{debug, debug2, debug3, error};
use crate::text::os_error;

/// The host's keys, without `.pub`.
const HOST_KEYS: [&str; 3] = [
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_rsa_key",
];
const PROGRAM: &str = "ssh-keysign";
/// Where it is where we are not in its folder.
const PLACES: [&str; 4] = [
    "/usr/libexec",
    "/usr/libexec/openssh",
    "/usr/lib/openssh",
    "/usr/lib/ssh",
];

/// The keys that have not been tried yet.
pub(super) struct HostKeys {
    keys: Vec<PublicKey>,
    /// Which of HostbasedAcceptedAlgorithms is being tried.
    at: usize,
}

impl HostKeys {
    /// The host's certificates and keys, if logins by them are wanted.
    pub(super) fn load(options: &Options) -> Self {
        let mut keys = Vec::new();
        if options.hostbased_authentication {
            let files = ["-cert.pub", ".pub"]
                .iter()
                .flat_map(|suffix| HOST_KEYS.iter().map(move |path| format!("{path}{suffix}")));
            for path in files {
                let text = std::fs::read(&path).ok();
                let key = text.and_then(|text| Some(parse_public_file(&text).ok()?.0));
                if let Some(key) = key {
                    debug2!("hostbased pubkey \"{path}\" in slot {}", keys.len());
                    keys.push(key);
                }
            }
            if keys.is_empty() {
                debug!(
                    "HostbasedAuthentication enabled but no local public host keys could be loaded."
                );
            }
        }
        Self { keys, at: 0 }
    }

    /// The next key to try, and with which algorithm.
    fn next<'a>(&mut self, accepted: &'a [String]) -> Option<(&'a str, PublicKey)> {
        while let Some(name) = accepted.get(self.at) {
            debug3!("trying key type {name}");
            let kind = algorithm::find(name).map(|a| a.key_type);
            let found = self
                .keys
                .iter()
                .position(|key| Some(key.key_type()) == kind);
            if let Some(found) = found {
                return Some((name, self.keys.remove(found)));
            }
            self.at += 1;
        }
        None
    }
}

/// Tries the next key. `None`: there is none, or it could not be signed with.
pub(super) async fn attempt(
    options: &Options,
    login: &mut Login,
    keys: &mut HostKeys,
    connection: Option<BorrowedFd<'_>>,
) -> Result<Option<AuthReply>, carrick::Error> {
    let Some((algorithm, key)) = keys.next(&options.hostbased_accepted_algorithms) else {
        debug!("No more client hostkeys for hostbased authentication.");
        return Ok(None);
    };
    let fingerprint = key.fingerprint(FingerprintHash::Sha256);
    let kind = key.key_type();
    debug!("userauth_hostbased: trying hostkey {kind} {fingerprint} using sigalg {algorithm}");
    let Some(me) = account::me() else {
        return Ok(None);
    };
    let name = connection
        .and_then(hostname::local_address)
        .and_then(hostname::of_address)
        .unwrap_or_else(hostname::own);
    let host = format!("{name}.");
    debug2!("userauth_hostbased: chost {host}");
    let blob = key.to_blob();
    let data = hostbased_signed_data(
        &login.session_id(),
        &options.user,
        algorithm,
        &blob,
        &host,
        &me.name,
    );
    let signature = match sign(&data, connection) {
        Ok(signature) => signature,
        Err(why) => {
            error!("ssh_keysign: {why}");
            error!("sign using hostkey {kind} {fingerprint} failed");
            return Ok(None);
        }
    };
    let attempt = AuthRequest::HostBased {
        algorithm,
        key: &blob,
        host: &host,
        local_user: &me.name,
        signature: &signature,
    };
    login.attempt(&options.user, &attempt).await.map(Some)
}

/// Where `ssh-keysign` is: beside this program, or in the system's places.
fn find() -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    let places = PLACES.iter().map(Path::new);
    beside
        .into_iter()
        .chain(places)
        .map(|folder| folder.join(PROGRAM))
        .find(|path| path.is_file())
}

/// Has `ssh-keysign` sign, which looks at our end of the connection too.
fn sign(data: &[u8], connection: Option<BorrowedFd<'_>>) -> Result<Vec<u8>, String> {
    let program = find().ok_or("not installed: No such file or directory")?;
    let io = |e: io::Error| os_error(&e);
    // A proxy's pipe says as little as this does.
    let nothing;
    let connection = match connection {
        Some(connection) => connection,
        None => {
            nothing = File::open("/dev/null").map_err(io)?;
            nothing.as_fd()
        }
    };
    let shared: OwnedFd = connection.try_clone_to_owned().map_err(io)?;
    process::leave_open(&shared).map_err(io)?;
    let mut child = descriptors::program(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("exec({}): {}", program.display(), os_error(&e)))?;
    let request = KeysignRequest {
        descriptor: shared.as_raw_fd().cast_unsigned(),
        data,
    };
    if let Some(mut input) = child.stdin.take() {
        // One that has ended already has said why.
        let _ = input.write_all(&request.to_message());
    }
    let reply = child.stdout.take().map(|mut output| receive(&mut output));
    let status = child.wait().map_err(io)?;
    match status.code() {
        None => return Err("exited abnormally".into()),
        Some(0) => {}
        Some(code) => {
            error!("ssh_keysign: no reply");
            return Err(format!("exited with status {code}"));
        }
    }
    match reply {
        Some(Ok(message)) => keysign::parse_reply(&message).map_err(|e| e.to_string()),
        _ => Err("no reply".into()),
    }
}

fn receive(output: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    output.read_exact(&mut head)?;
    let len = keysign::message_len(head).map_err(io::Error::other)?;
    let mut message = vec![0; len];
    output.read_exact(&mut message)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_crypto::rng::SystemRng;
    use carrick_keys::{KeyType, PrivateKey};

    #[test]
    fn keys_are_tried_in_the_order_of_the_algorithms() {
        let generate = |kind, bits| {
            let key = PrivateKey::generate(kind, bits, &mut SystemRng).unwrap();
            key.public().clone()
        };
        let (ed, rsa) = (generate(KeyType::Ed25519, 0), generate(KeyType::Rsa, 2048));
        let mut keys = HostKeys {
            keys: vec![ed.clone(), rsa.clone()],
            at: 0,
        };
        let accepted: Vec<String> = ["rsa-sha2-512", "ssh-ed25519", "ecdsa-sha2-nistp256"]
            .map(str::to_owned)
            .into();
        assert_eq!(keys.next(&accepted), Some(("rsa-sha2-512", rsa)));
        assert_eq!(keys.next(&accepted), Some(("ssh-ed25519", ed)));
        assert_eq!(keys.next(&accepted), None);
    }
}
