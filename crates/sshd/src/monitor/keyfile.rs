//! authorized_keys files: found, checked for who else could write them, and
//! read as the user, so that no file is opened that the user could not open.
//!
//! What is in the file is the user's own text: it is parsed, never run, and
//! a line with an option that is not enforced yet is refused.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use carrick_config::sshd::Options;
use carrick_config::tokens::expand;
use carrick_keys::{PublicKey, authorized_keys};
use carrick_sys::identity::{Identity, with_effective};
use carrick_sys::passwd::{self, Account};

use crate::log::{debug, error, info, verbose};

/// A longer file is not read.
const LONGEST: u64 = 16 << 20;

/// The options of authorized_keys lines that the daemon enforces.
const ENFORCED: &[&str] = &[];

/// Whether one of the account's files lists `key`.
pub fn lists(account: &Account, options: &Options, key: &PublicKey) -> bool {
    let user = Identity {
        uid: account.uid,
        gid: account.gid,
        groups: passwd::groups_of(account).unwrap_or_default(),
    };
    let search = || {
        options
            .authorized_keys_files
            .iter()
            .filter(|name| !name.eq_ignore_ascii_case("none"))
            .filter_map(|name| resolve(name, account))
            .any(|path| file_lists(&path, account, options, key))
    };
    with_effective(&user, search).unwrap_or_else(|problem| {
        error!("cannot look up keys as user {}: {problem}", account.name);
        false
    })
}

/// The file that a pattern of AuthorizedKeysFile means for the account.
fn resolve(name: &str, account: &Account) -> Option<PathBuf> {
    let home = account.home.to_str()?;
    let uid = account.uid.to_string();
    let tokens = [
        ('h', home),
        ('u', account.name.as_str()),
        ('U', uid.as_str()),
    ];
    match expand(name, &tokens) {
        Ok(path) => Some(account.home.join(path)),
        Err(problem) => {
            error!("AuthorizedKeysFile {name}: {problem}");
            None
        }
    }
}

fn file_lists(path: &Path, account: &Account, options: &Options, key: &PublicKey) -> bool {
    let text = match read(path, account, options.strict_modes) {
        Ok(text) => text,
        Err(Refusal::Unreadable(problem)) => {
            let shown = path.display();
            if problem.kind() == io::ErrorKind::NotFound {
                debug!(
                    "Could not open user '{}' authorized keys '{shown}': {problem}",
                    account.name
                );
            } else {
                error!(
                    "Could not open user '{}' authorized keys '{shown}': {problem}",
                    account.name
                );
            }
            return false;
        }
        Err(Refusal::Unsafe(problem)) => {
            info!("Authentication refused: {problem}");
            return false;
        }
    };
    authorized_keys::entries_for(&text, key).any(|entry| {
        let place = format!("{}:{}", path.display(), entry.line);
        match entry.parse_options(ENFORCED) {
            Err(problem) => {
                info!("{place}: bad key options: {problem}");
                false
            }
            Ok(found) if found.cert_authority || key.is_certificate() => {
                debug!("{place}: certificates are not supported yet");
                false
            }
            Ok(_) => {
                let print = key.fingerprint(crate::settings::fingerprint_hash(options));
                verbose!("Accepted key {} {print} found at {place}", key.short_name());
                true
            }
        }
    })
}

/// Why a file does not count.
enum Refusal {
    Unreadable(io::Error),
    Unsafe(String),
}

impl From<io::Error> for Refusal {
    fn from(problem: io::Error) -> Self {
        Self::Unreadable(problem)
    }
}

fn read(path: &Path, account: &Account, strict: bool) -> Result<Vec<u8>, Refusal> {
    // A FIFO must not hold the daemon up.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Refusal::Unsafe(format!(
            "User '{}' authorized keys '{}' is not a regular file",
            account.name,
            path.display()
        )));
    }
    if strict {
        check_path(path, &about, account).map_err(Refusal::Unsafe)?;
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Nobody but the user and root may be able to change the file, or put
/// another in its place in a directory up to the user's home.
fn check_path(path: &Path, about: &Metadata, account: &Account) -> Result<(), String> {
    let safe = |about: &Metadata| {
        (about.uid() == 0 || about.uid() == account.uid) && about.mode() & 0o022 == 0
    };
    let shown =
        |path: &Path, problem: &io::Error| format!("realpath {} failed: {problem}", path.display());
    let real = path
        .canonicalize()
        .map_err(|problem| shown(path, &problem))?;
    let home = account.home.canonicalize().ok();
    if !safe(about) {
        return Err(format!(
            "bad ownership or modes for file {}",
            real.display()
        ));
    }
    for directory in real.ancestors().skip(1) {
        let about = directory
            .metadata()
            .map_err(|problem| shown(directory, &problem))?;
        if !safe(&about) {
            return Err(format!(
                "bad ownership or modes for directory {}",
                directory.display()
            ));
        }
        if home.as_deref() == Some(directory) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE3SqtHqBEnM1CLdYMPjXJeS5GgVKJzV0rDyHa0q9gkB";

    struct Home(tempfile::TempDir, Account);

    fn home() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let uid = carrick_sys::identity::effective_uid();
        let mut account = passwd::by_uid(uid).unwrap().unwrap();
        account.home = dir.path().to_owned();
        create_dir(dir.path().join(".ssh")).unwrap();
        set_permissions(dir.path().join(".ssh"), Permissions::from_mode(0o700)).unwrap();
        Home(dir, account)
    }

    impl Home {
        fn lists(&self, text: &str, mode: u32) -> bool {
            let path = self.0.path().join(".ssh/authorized_keys");
            write(&path, text).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let (key, _) = PublicKey::from_line(KEY).unwrap();
            lists(&self.1, &Options::default(), &key)
        }
    }

    #[test]
    fn a_listed_key_is_found() {
        let home = home();
        assert!(home.lists(&format!("# x\n\n{KEY} me\n"), 0o600));
        assert!(!home.lists("", 0o600));
    }

    #[test]
    fn only_regular_files_are_read_and_not_for_ever() {
        use std::os::unix::fs::symlink;
        let home = home();
        let path = home.0.path().join(".ssh/authorized_keys");
        let (key, _) = PublicKey::from_line(KEY).unwrap();
        let listed = || {
            let mut options = Options::default();
            options.strict_modes = false;
            lists(&home.1, &options, &key)
        };
        for target in ["/dev/zero", "/dev/tty", "/", "fifo", "authorized_keys"] {
            if target == "fifo" {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                let fifo = path.with_file_name(target);
                rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, mode, 0)
                    .unwrap();
            }
            symlink(target, &path).unwrap();
            assert!(!listed(), "{target}");
            std::fs::remove_file(&path).unwrap();
        }
        // What lies beyond the bound of a file without an end is not seen.
        let file = File::create(&path).unwrap();
        file.set_len(LONGEST + 1).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, KEY.as_bytes(), LONGEST).unwrap();
        assert!(!listed());
        // A link to a good file does.
        write(path.with_file_name("other"), KEY).unwrap();
        std::fs::remove_file(&path).unwrap();
        symlink("other", &path).unwrap();
        assert!(listed());
    }

    #[test]
    fn an_option_that_is_not_enforced_refuses_the_line() {
        let home = home();
        assert!(!home.lists(&format!("command=\"/bin/false\" {KEY}\n"), 0o600));
        assert!(!home.lists(&format!("restrict {KEY}\n"), 0o600));
        assert!(home.lists(&format!("restrict {KEY}\n{KEY}\n"), 0o600));
    }

    #[test]
    fn a_file_or_directory_that_others_write_is_refused() {
        let home = home();
        assert!(!home.lists(KEY, 0o620));
        assert!(!home.lists(KEY, 0o602));
        let ssh = home.0.path().join(".ssh");
        set_permissions(&ssh, Permissions::from_mode(0o777)).unwrap();
        assert!(!home.lists(KEY, 0o600));
        set_permissions(&ssh, Permissions::from_mode(0o755)).unwrap();
        assert!(home.lists(KEY, 0o644));
        // Above the home it does not matter.
        assert!(home.0.path().starts_with(std::env::temp_dir()));
    }
}
