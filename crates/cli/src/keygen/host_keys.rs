//! `-A`: the host keys that are missing, one of each kind.

use std::path::{Path, PathBuf};

use carrick_keys::{Curve, KeyType, PrivateKey};
use carrick_wire::Secret;

use super::args::Args;
use super::kernel::KernelRng;
use super::{files, generate};
use crate::log::error;
use crate::text::{os_error, out, outln};

/// The kinds, in the order of OpenSSH 10.5.
const KINDS: [KeyType; 4] = [
    KeyType::Rsa,
    KeyType::Ecdsa(Curve::P256),
    KeyType::Ed25519,
    KeyType::MlDsa44Ed25519,
];

/// Makes what is missing under the prefix of `-f`. A kind that fails is told
/// of and the next is tried.
pub(super) fn run(args: &Args) {
    let mut begun = false;
    for kind in KINDS {
        let name = format!("/etc/ssh/ssh_host_{}_key", kind.file_stem());
        let path = under(args.file.as_deref(), &name);
        match std::fs::metadata(&path) {
            // An empty file is as good as none.
            Ok(meta) if meta.len() != 0 => continue,
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                error!("Could not stat {name}: {}", os_error(&e));
                begun = false;
                continue;
            }
            Ok(_) | Err(_) => {}
        }
        if !begun {
            out!("ssh-keygen: generating new host keys: ");
            begun = true;
        }
        out!("{} ", kind.short_name());
        if let Err(why) = make(args, kind, &path) {
            error!("{why}");
            begun = false;
        }
    }
    if begun {
        outln!("");
    }
}

/// OpenSSH puts the prefix in front as text, without a slash of its own.
fn under(prefix: Option<&Path>, name: &str) -> PathBuf {
    let mut path = prefix.map(|p| p.as_os_str().to_owned()).unwrap_or_default();
    path.push(name);
    PathBuf::from(path)
}

fn make(args: &Args, kind: KeyType, path: &Path) -> Result<(), String> {
    let mut key = PrivateKey::generate(kind, 0, &mut KernelRng).map_err(|e| e.to_string())?;
    key.set_comment(generate::default_comment());
    let text = generate::private_text(args, &key, &Secret::from(""))
        .map_err(|why| format!("Saving key \"{}\" failed: {why}", path.display()))?;
    // The public half first: the private file says that both are there.
    let public = files::public_path(path);
    files::write_public(&public, generate::public_line(&key).as_bytes()).map_err(|e| {
        format!(
            "Could not save your public key in {}: {}",
            public.display(),
            os_error(&e)
        )
    })?;
    files::write_private(path, text.expose()).map_err(|e| {
        format!(
            "Could not save your private key in {}: {}",
            path.display(),
            os_error(&e)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_text() {
        assert_eq!(under(None, "/etc/x"), Path::new("/etc/x"));
        assert_eq!(
            under(Some(Path::new("/a")), "/etc/x"),
            Path::new("/a/etc/x")
        );
        assert_eq!(under(Some(Path::new("a")), "/etc/x"), Path::new("a/etc/x"));
    }
}
