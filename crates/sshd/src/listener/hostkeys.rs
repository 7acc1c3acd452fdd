//! The host's keys: their files, certificates over them, and the agent that
//! may have them instead. The lines in the log are OpenSSH's.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use carrick_config::sshd::Options;
use carrick_keys::{PrivateKey, PublicKey};
use carrick_sys::identity;
use carrick_wire::Secret;

use super::bind::strerror;
use crate::handoff::HostKey;
use crate::log::{debug, error};
use crate::monitor::agent;

/// A longer file is no key.
const LONGEST: u64 = 1 << 20;
/// As a value of HostKeyAgent: what this variable says.
const AGENT_VARIABLE: &str = "SSH_AUTH_SOCK";

/// The keys, with their certificates, and the agent's socket, if there is one.
pub fn load(options: &Options) -> (Vec<HostKey>, Option<String>) {
    let agent = agent_socket(options);
    let mut keys = Vec::new();
    for path in &options.host_keys {
        if let Some(key) = key(options, path, agent.is_some())
            && !keys
                .iter()
                .any(|known: &HostKey| known.public == key.public)
        {
            keys.push(key);
        }
    }
    for path in &options.host_certificates {
        match certificate(path) {
            Err(problem) => error!("{problem}"),
            Ok((public, blob)) => match keys.iter_mut().find(|key| key.public == public) {
                Some(key) => key.certificate = Some(blob),
                None => error!("No matching private key for certificate: {path}"),
            },
        }
    }
    (keys, agent)
}

/// The agent's socket, if there is an agent.
fn agent_socket(options: &Options) -> Option<String> {
    let named = options.host_key_agent.as_deref()?;
    let path = if named == AGENT_VARIABLE {
        std::env::var(AGENT_VARIABLE).unwrap_or_default()
    } else {
        named.to_owned()
    };
    match agent::connect(&path) {
        Ok(_) => Some(path),
        Err(problem) => {
            error!(
                "Could not connect to agent \"{path}\": {}",
                strerror(&problem)
            );
            None
        }
    }
}

/// A host key: a private key's file, or only a public one of which the agent
/// has the rest.
fn key(options: &Options, path: &str, has_agent: bool) -> Option<HostKey> {
    // Of the default files, those that are not there are not missed.
    let named = options.is_set("HostKey");
    let missing = |text: String| {
        if named {
            error!("{text}");
        } else {
            debug!("{text}");
        }
    };
    let private = private(path).unwrap_or_else(|problem| {
        // A public key in its place is for the agent.
        if !(has_agent && public(path).is_ok()) {
            error!("Unable to load host key \"{path}\": {problem}");
        }
        None
    });
    let key = match (private, has_agent) {
        (Some((public, file)), _) => Some((public, Some(file))),
        (None, true) => public(path).ok().map(|public| (public, None)),
        (None, false) => None,
    };
    let Some((public, file)) = key else {
        missing(format!("Unable to load host key: {path}"));
        return None;
    };
    if public.is_rsa_below(options.required_rsa_size) {
        error!("Host key {path}: Invalid key length");
        return None;
    }
    let kind = if file.is_some() { "private" } else { "agent" };
    debug!("{kind} host key: {path} {}", public.key_type());
    Some(HostKey {
        public: public.to_blob(),
        certificate: None,
        file,
    })
}

/// A private key's file; `None` if there is none.
fn private(path: &str) -> Result<Option<(PublicKey, Secret)>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(strerror(&problem)),
    };
    let about = file.metadata().map_err(|problem| strerror(&problem))?;
    let bytes = read(file).map_err(|problem| strerror(&problem))?;
    if public_in(&bytes).is_some() {
        return Err("invalid format".to_owned());
    }
    if about.uid() == identity::effective_uid() && about.mode() & 0o077 != 0 {
        let line = "@".repeat(59);
        error!("{line}");
        error!("@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @");
        error!("{line}");
        error!(
            "Permissions 0{:03o} for '{path}' are too open.",
            about.mode() & 0o777
        );
        error!("It is required that your private key files are NOT accessible by others.");
        error!("This private key will be ignored.");
        return Err("bad permissions".to_owned());
    }
    let bytes = Secret::new(bytes);
    let key =
        PrivateKey::parse_file(bytes.expose(), None).map_err(|problem| problem.to_string())?;
    Ok(Some((key.public().clone(), bytes)))
}

fn read(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The public key in a file, or in the one beside it that has `.pub` behind
/// its name.
fn public(path: &str) -> Result<PublicKey, String> {
    let beside = format!("{path}.pub");
    let load = |path: &str| -> Result<PublicKey, String> {
        let bytes = File::open(path)
            .and_then(read)
            .map_err(|problem| strerror(&problem))?;
        public_in(&bytes).ok_or("invalid format".to_owned())
    };
    load(path).or_else(|problem| load(&beside).map_err(|_| problem))
}

/// The key on the first line that has one.
fn public_in(bytes: &[u8]) -> Option<PublicKey> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .find_map(|line| Some(PublicKey::from_line(line).ok()?.0))
}

/// A certificate's file: the blob of the key in it, and its own.
fn certificate(path: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
    let key = public(path)
        .map_err(|problem| format!("Could not load host certificate \"{path}\": {problem}"))?;
    match &key {
        PublicKey::Certificate(cert) => Ok((cert.key().to_blob(), cert.blob().to_vec())),
        _ => Err(format!("Certificate file is not a certificate: {path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_crypto::rng::SystemRng;
    use carrick_keys::{KeyType, WriteOptions};
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    use std::os::unix::net::UnixListener;

    fn options(keys: &[&std::path::Path]) -> Options {
        let mut options = Options::default();
        options.host_keys = keys
            .iter()
            .map(|p| p.to_str().unwrap().to_owned())
            .collect();
        options
    }

    #[test]
    fn a_key_is_a_private_file_that_nobody_else_reads_or_the_agents() {
        let dir = tempfile::tempdir().unwrap();
        let made = PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).unwrap();
        let private = made
            .to_openssh(&WriteOptions::default(), &mut SystemRng)
            .unwrap();
        let path = dir.path().join("key");
        let mut file = File::options();
        let mut file = file
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        io::Write::write_all(&mut file, private.expose()).unwrap();
        let public = dir.path().join("key.pub");
        std::fs::write(&public, made.public().to_line("me")).unwrap();

        let mut options = options(&[&path, &path]);
        let (keys, agent) = load(&options);
        assert_eq!((keys.len(), agent), (1, None));
        assert!(keys[0].file.is_some() && keys[0].public == made.public().to_blob());
        file.set_permissions(std::fs::Permissions::from_mode(0o640))
            .unwrap();
        assert!(load(&options).0.is_empty());
        // A public key alone is of use where there is an agent.
        std::fs::remove_file(&path).unwrap();
        assert!(load(&options).0.is_empty());
        let socket = dir.path().join("agent");
        options.host_key_agent = Some(socket.to_str().unwrap().to_owned());
        assert!(load(&options).0.is_empty());
        let _listener = UnixListener::bind(&socket).unwrap();
        let (keys, agent) = load(&options);
        assert!(keys.len() == 1 && keys[0].file.is_none() && agent.is_some());
        options.host_keys = vec![public.to_str().unwrap().to_owned()];
        assert_eq!(load(&options).0.len(), 1);
    }

    #[test]
    fn a_certificate_goes_with_its_key() {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../keys/tests/data");
        let certificate = format!("{data}/ed25519-cert.pub");
        let (public, _) = super::certificate(&certificate).unwrap();
        assert_eq!(
            super::public(&format!("{data}/ed25519")).unwrap().to_blob(),
            public
        );
        assert!(super::certificate(&format!("{data}/ed25519.pub")).is_err());
        assert!(super::certificate("/nonexistent").is_err());
    }
}
