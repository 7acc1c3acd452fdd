//! `ssh-keysign`: signs host-based logins with the host's keys, for `ssh`.
//!
//! In use it is set-uid root, as only root can read those keys; everything that
//! reaches it comes from the user who started it. What could a hostile user do?
//! - Choose arguments, environment, descriptors and limits. Arguments are not
//!   looked at; of the environment nothing is used while there are privileges:
//!   the first thing done is to open three files of fixed names, and the second
//!   to become that user for good. A crash or a bug after that has the user's
//!   own rights, with the keys in memory; no other process of the user can read
//!   them there, as it is not dumpable, and no core file is left.
//! - Have the program do something else by another `argv[0]`: a process with
//!   more rights than its starter is `ssh-keysign` whatever it is called (see
//!   `main.rs`).
//! - Ask for any signature. Only a well-formed host-based login (RFC 4252
//!   section 9) is signed, that names this very user, by the password database,
//!   and this very host, by its own address or name: nothing that could pass
//!   for a key exchange, another user, another host or a file. For whom at the
//!   server it is, the server decides.
//! - Lie about the descriptor, and so about the address at our end: the name is
//!   this machine's in any case.
//!
//! It does nothing unless `EnableSSHKeysign yes` stands in the system's
//! configuration; the user's own is not read.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use carrick_config::ssh::{Config, LocalUser, Sources};
use carrick_keys::keysign::{self, HostBased, KeysignRequest};
use carrick_keys::{FILE_MAX, FingerprintHash, PrivateKey};
use carrick_sys::identity::{self, Identity};
use carrick_sys::{hostname, process};
use zeroize::Zeroizing;

use crate::account;
use crate::log::{debug, log};
use crate::ssh::{HostSystem, SOFTWARE};

/// The configuration that counts.
const CONFIG: &str = "/etc/ssh/ssh_config";
/// The private keys that it signs with.
const HOST_KEYS: [&str; 3] = [
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_rsa_key",
];
/// The last of the standard descriptors, none of which is the connection.
const STDERR: u32 = 2;

/// Runs the program, whatever its arguments.
pub(crate) fn main(_: Vec<OsString>) -> ExitCode {
    // Before anything else: see above.
    let files = HOST_KEYS.map(|path| File::open(path).ok());
    let dropped = Identity::real()
        .and_then(|user| identity::become_for_good(&user))
        .and_then(|()| process::hide_from_debuggers());
    let outcome = dropped
        .map_err(|e| e.to_string())
        .and_then(|()| serve(files));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            log!(Fatal, "{why}");
            ExitCode::from(255)
        }
    }
}

/// Answers the one request, as the user.
fn serve(files: [Option<File>; 3]) -> Result<(), String> {
    let user = account::me().ok_or("getpwuid failed")?;
    if !is_enabled(user.name.clone(), user.home.to_string_lossy().into_owned()) {
        return Err(format!("ssh-keysign not enabled in {CONFIG}"));
    }
    if files.iter().all(Option::is_none) {
        return Err("could not open any host key".into());
    }
    let keys: Vec<PrivateKey> = files.into_iter().flatten().filter_map(read_key).collect();
    if keys.is_empty() {
        return Err("no hostkey found".into());
    }
    let message = receive().map_err(|_| "ssh-keysign: ssh_msg_recv failed")?;
    let request = KeysignRequest::parse(&message).map_err(|e| format!("ssh-keysign: {e}"))?;
    let number = i32::try_from(request.descriptor).unwrap_or(-1);
    if request.descriptor <= STDERR || number < 0 {
        return Err(format!("ssh-keysign: bad fd = {number}"));
    }
    let address = hostname::local_address_of(number)
        .map_err(|_| "ssh-keysign: cannot get local name for fd")?;
    let host = address
        .and_then(hostname::of_address)
        .unwrap_or_else(hostname::own);
    let asked = HostBased::parse_for(request.data, &user.name, &host)
        .map_err(|why| format!("ssh-keysign: bad request: {why}"))?;
    let plain = asked.key.plain();
    let key = keys.iter().find(|key| key.public() == plain);
    let key = key.ok_or_else(|| {
        format!(
            "ssh-keysign: no matching hostkey found for key {} {}",
            asked.key.short_name(),
            asked.key.fingerprint(FingerprintHash::Sha256)
        )
    })?;
    let signature = key
        .sign(&asked.algorithm, request.data)
        .map_err(|e| format!("ssh-keysign: sshkey_sign failed: {e}"))?;
    let mut out = io::stdout();
    out.write_all(&keysign::reply(&signature))
        .and_then(|()| out.flush())
        .map_err(|_| "ssh-keysign: ssh_msg_send failed".into())
}

/// Whether the system's configuration lets it run.
fn is_enabled(name: String, home: String) -> bool {
    let user = LocalUser {
        name,
        uid: account::uid(),
        home,
    };
    let mut config = Config::new(&HostSystem, user, &hostname::own(), SOFTWARE);
    let sources = Sources {
        only: Some(CONFIG.into()),
        ..Sources::default()
    };
    let read = config.load(&sources, "", "");
    read.is_ok() && config.options().enable_ssh_keysign
}

fn read_key(file: File) -> Option<PrivateKey> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = u64::try_from(FILE_MAX).ok()?;
    file.take(limit).read_to_end(&mut bytes).ok()?;
    PrivateKey::parse_file(&bytes, None)
        .map_err(|e| debug!("parse key: {e}"))
        .ok()
}

/// Reads the request from standard input.
fn receive() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut head = [0; 4];
    input.read_exact(&mut head)?;
    let len = keysign::message_len(head).map_err(io::Error::other)?;
    let mut message = vec![0; len];
    input.read_exact(&mut message)?;
    Ok(message)
}
