//! Whether the key that a host shows is the host's: known_hosts, the user,
//! and StrictHostKeyChecking, in OpenSSH's words.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;

use carrick_config::ssh::Options;
use carrick_config::words::{FingerprintHash as ConfigHash, StrictHostKey};
use carrick_crypto::rng::SystemRng;
use carrick_keys::algorithm::{self, Certificates};
use carrick_keys::known_hosts::{Entry, HostKeys, KnownHosts, Lookup, host_name, new_entry};
use carrick_keys::{FingerprintHash, PublicKey, randomart};

use crate::log::{debug, debug3, error, info};
use crate::text::os_error;
use crate::{home, prompt};

const AT: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
/// What stands for the address of a host behind a proxy.
const NO_ADDRESS: &str = "<no hostip for proxy command>";
/// How many other names of a new key are listed.
const MAX_OTHER_NAMES: usize = 8;

/// What is known about one host before its key is seen.
pub(crate) struct HostCheck<'a> {
    options: &'a Options,
    files: KnownHosts,
    /// As known_hosts names it.
    name: String,
    /// Its address, as known_hosts names it; none behind a proxy.
    address: Option<String>,
    host: HostKeys,
    loopback: bool,
}

/// An accepted key, and what follows from how it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accepted {
    /// Known, or confirmed.
    Trusted,
    /// Changed or revoked, and only StrictHostKeyChecking=no let it pass: no
    /// secret may be given to this host.
    Untrusted,
}

impl<'a> HostCheck<'a> {
    /// Reads the known_hosts files. `peer` is the address we are connected
    /// to, none through a proxy.
    pub(crate) fn new(options: &'a Options, peer: Option<IpAddr>) -> Self {
        let mut files = KnownHosts::new();
        for path in options
            .user_known_hosts_files
            .iter()
            .chain(&options.global_known_hosts_files)
        {
            match std::fs::read(home::expand(path)) {
                Ok(text) => files.add(&text, &home::expand(path).to_string_lossy()),
                Err(e) => debug3!("load_hostkeys: fopen {path}: {}", os_error(&e)),
            }
        }
        let name = match &options.host_key_alias {
            Some(alias) => {
                debug!("using hostkeyalias: {alias}");
                alias.clone()
            }
            None => host_name(&options.hostname, options.port),
        };
        let host = files.for_host(&name);
        for bad in host.bad_lines() {
            debug!("{}:{}: {}", bad.file, bad.line, bad.reason);
        }
        Self {
            options,
            files,
            name,
            address: peer.map(|ip| host_name(&ip.to_string(), options.port)),
            host,
            loopback: peer.is_some_and(|ip| ip.is_loopback()),
        }
    }

    /// The algorithms to ask for: those of known keys first, unless the user
    /// said which.
    pub(crate) fn algorithms(&self) -> Vec<String> {
        let configured = &self.options.host_key_algorithms;
        let ordered = if self.options.is_set("HostKeyAlgorithms") {
            configured.clone()
        } else {
            self.host.order_algorithms(configured)
        };
        // What cannot be judged is not asked for (certificates, for now).
        algorithm::offered(&ordered, Certificates::Refused)
            .map(str::to_owned)
            .collect()
    }

    /// Decides about `key`. `None` means no; the reasons have been told.
    pub(crate) fn check(&self, key: &PublicKey) -> Option<Accepted> {
        let options = self.options;
        debug!(
            "Server host key: {} {}",
            key.key_type(),
            key.fingerprint(self.hash())
        );
        if key.is_rsa_below(options.required_rsa_size) {
            error!("Bad server host key: Invalid key length");
            return None;
        }
        if options.no_host_authentication_for_localhost && self.loopback {
            debug!("Forcing accepting of host key for loopback/localhost.");
            return Some(Accepted::Trusted);
        }
        match self.host.lookup(key) {
            Lookup::Match(entry) => {
                self.known(key, entry);
                Some(Accepted::Trusted)
            }
            Lookup::Unknown => self.unknown(key),
            Lookup::Changed { offending, .. } => self.changed(key, offending),
            Lookup::Revoked(_) => self.revoked(key),
        }
    }

    fn hash(&self) -> FingerprintHash {
        match self.options.fingerprint_hash {
            ConfigHash::Md5 => FingerprintHash::Md5,
            ConfigHash::Sha1 => FingerprintHash::Sha1,
            ConfigHash::Sha256 => FingerprintHash::Sha256,
            ConfigHash::Sha384 => FingerprintHash::Sha384,
            ConfigHash::Sha512 => FingerprintHash::Sha512,
        }
    }

    fn strict_off(&self) -> bool {
        self.options.strict_host_key_checking == StrictHostKey::Off
    }

    /// The address to check as well (CheckHostIP).
    fn checked_address(&self) -> Option<&str> {
        let wanted =
            self.options.check_host_ip && !self.loopback && self.options.host_key_alias.is_none();
        self.address
            .as_deref()
            .filter(|a| wanted && *a != self.name)
    }

    fn known(&self, key: &PublicKey, entry: &Entry) {
        let kind = key.short_name();
        debug!(
            "Host '{}' is known and matches the {kind} host key.",
            self.name
        );
        debug!("Found key in {}:{}", entry.file, entry.line);
        if let Some(address) = self.checked_address() {
            match self.files.for_host(address).lookup(key) {
                Lookup::Unknown => self.add_address(key, address),
                Lookup::Changed { offending, .. } => {
                    info!(
                        "Warning: the {kind} host key for '{}' differs from the key for the IP \
                         address '{address}'\nOffending key for IP in {}:{}",
                        self.name, offending.file, offending.line
                    );
                }
                Lookup::Match(_) | Lookup::Revoked(_) => {}
            }
        }
        if self.options.visual_host_key {
            info!(
                "Host key fingerprint is {}\n{}",
                key.fingerprint(self.hash()),
                randomart(key, self.hash())
            );
        }
    }

    fn add_address(&self, key: &PublicKey, address: &str) {
        let kind = key.short_name();
        match self.record(key, address, None) {
            Ok(_) => info!(
                "Warning: Permanently added the {kind} host key for IP address '{address}' to \
                 the list of known hosts."
            ),
            Err(why) => info!(
                "Failed to add the {kind} host key for IP address '{address}' to the list of \
                 known hosts ({why})."
            ),
        }
    }

    fn unknown(&self, key: &PublicKey) -> Option<Accepted> {
        let options = self.options;
        let kind = key.short_name();
        if options.host_key_alias.is_none() && options.port != 22 {
            debug!("checking without port identifier");
            let bare = self.files.for_host(&host_name(&options.hostname, 22));
            if let Lookup::Match(entry) = bare.lookup(key) {
                debug!("found matching key w/out port");
                self.known(key, entry);
                return Some(Accepted::Trusted);
            }
        }
        match options.strict_host_key_checking {
            StrictHostKey::Yes => {
                error!(
                    "No {kind} host key is known for {} and you have requested strict checking.",
                    self.name
                );
                return None;
            }
            StrictHostKey::Ask => {
                let fingerprint = key.fingerprint(self.hash()).to_string();
                let question = self.question(key, &fingerprint);
                if options.batch_mode || !prompt::confirm(&question, Some(&fingerprint)) {
                    return None;
                }
            }
            StrictHostKey::Off | StrictHostKey::AcceptNew => {}
        }
        match self.record(key, &self.name, self.checked_address()) {
            Ok(names) => {
                info!("Warning: Permanently added '{names}' ({kind}) to the list of known hosts.");
            }
            Err(why) => info!("Failed to add the host to the list of known hosts ({why})."),
        }
        Some(Accepted::Trusted)
    }

    /// The question about a new key.
    fn question(&self, key: &PublicKey, fingerprint: &str) -> String {
        let address = self.address.as_deref().unwrap_or(NO_ADDRESS);
        let mut text = format!(
            "The authenticity of host '{} ({address})' can't be established.\n\
             {} key fingerprint is {fingerprint}.\n",
            self.name,
            key.short_name()
        );
        if self.options.visual_host_key {
            text.push_str(&randomart(key, self.hash()));
            text.push('\n');
        }
        let others = self.files.other_names(key);
        if others.is_empty() {
            text.push_str("This key is not known by any other names.\n");
        } else {
            text.push_str("This host key is known by the following other names/addresses:\n");
            for (file, line, names) in others.iter().take(MAX_OTHER_NAMES) {
                let names = if names.starts_with('|') {
                    "[hashed name]"
                } else {
                    names
                };
                let _ = writeln!(text, "    {file}:{line}: {names}");
            }
            if let Some(more) = others.len().checked_sub(MAX_OTHER_NAMES).filter(|n| *n > 0) {
                let _ = writeln!(text, "    ({more} additional names omitted)");
            }
        }
        text.push_str("Are you sure you want to continue connecting (yes/no/[fingerprint])? ");
        text
    }

    fn changed(&self, key: &PublicKey, offending: &Entry) -> Option<Accepted> {
        if let Some(address) = self.checked_address() {
            self.warn_of_spoofing(key, address);
        }
        let kind = key.short_name();
        error!("{AT}");
        error!("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @");
        error!("{AT}");
        error!("IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!");
        error!("Someone could be eavesdropping on you right now (man-in-the-middle attack)!");
        error!("It is also possible that a host key has just been changed.");
        error!(
            "The fingerprint for the {kind} key sent by the remote host is\n{}.",
            key.fingerprint(self.hash())
        );
        error!("Please contact your system administrator.");
        error!(
            "Add correct host key in {} to get rid of this message.",
            self.first_file()
        );
        error!(
            "Offending {} key in {}:{}",
            offending.key.short_name(),
            offending.file,
            offending.line
        );
        tell_removal(offending, &self.name);
        if !self.strict_off() {
            error!(
                "Host key for {} has changed and you have requested strict checking.",
                self.name
            );
            return None;
        }
        Some(self.without_secrets())
    }

    fn warn_of_spoofing(&self, key: &PublicKey, address: &str) {
        let keys = self.files.for_host(address);
        let (state, offending) = match keys.lookup(key) {
            Lookup::Match(_) => return,
            Lookup::Unknown => ("is unknown", None),
            Lookup::Changed { offending, .. } => ("has a different value", Some(offending)),
            Lookup::Revoked(entry) => ("has a different value", Some(entry)),
        };
        error!("{AT}");
        error!("@       WARNING: POSSIBLE DNS SPOOFING DETECTED!          @");
        error!("{AT}");
        error!(
            "The {} host key for {} has changed,",
            key.short_name(),
            self.name
        );
        error!("and the key for the corresponding IP address {address}");
        error!("{state}. This could either mean that");
        error!("DNS SPOOFING is happening or the IP address for the host");
        error!("and its host key have changed at the same time.");
        if let Some(entry) = offending {
            error!("Offending key for IP in {}:{}", entry.file, entry.line);
            tell_removal(entry, address);
        }
    }

    fn revoked(&self, key: &PublicKey) -> Option<Accepted> {
        let kind = key.short_name();
        error!("{AT}");
        error!("@       WARNING: REVOKED HOST KEY DETECTED!               @");
        error!("{AT}");
        error!(
            "The {kind} host key for {} is marked as revoked.",
            self.name
        );
        error!("This could mean that a stolen key is being used to");
        error!("impersonate this host.");
        if !self.strict_off() {
            error!(
                "{kind} host key for {} was revoked and you have requested strict checking.",
                self.name
            );
            return None;
        }
        Some(self.without_secrets())
    }

    fn without_secrets(&self) -> Accepted {
        if self.options.password_authentication {
            error!("Password authentication is disabled to avoid man-in-the-middle attacks.");
        }
        if self.options.kbd_interactive_authentication {
            error!(
                "Keyboard-interactive authentication is disabled to avoid man-in-the-middle attacks."
            );
        }
        Accepted::Untrusted
    }

    fn first_file(&self) -> String {
        let first = self.options.user_known_hosts_files.first();
        first.map_or_else(
            || "known_hosts".to_owned(),
            |p| home::expand(p).to_string_lossy().into_owned(),
        )
    }

    /// Appends the key to the user's file and returns the names it is there
    /// under; on failure the file's name.
    fn record(&self, key: &PublicKey, name: &str, address: Option<&str>) -> Result<String, String> {
        let file = self.first_file();
        let mut rng = SystemRng;
        let text = |before: &[u8]| {
            let hashed = self.options.hash_known_hosts;
            let rng: Option<&mut dyn carrick_crypto::rng::Rng> =
                if hashed { Some(&mut rng) } else { None };
            new_entry(before, name, address, key, rng)
        };
        append(Path::new(&file), text).map_err(|e| {
            debug!("{file}: {}", os_error(&e));
            file
        })?;
        Ok(address.map_or_else(|| name.to_owned(), |a| format!("{name},{a}")))
    }
}

/// The command that forgets `name`'s old key, ready to be pasted.
fn tell_removal(entry: &Entry, name: &str) {
    error!("  remove with:");
    error!("  ssh-keygen -f '{}' -R '{name}'", entry.file);
}

/// Appends what `text` makes of the file's present end, in one write.
fn append(path: &Path, text: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> std::io::Result<()> {
    if home::ensure_ssh_directory(path)? {
        debug!(
            "Created directory '{}'.",
            home::directory().join(".ssh").display()
        );
    }
    let before = match std::fs::read(path) {
        Ok(before) => before,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e),
    };
    let line = text(&before)
        .ok_or_else(|| std::io::Error::other("the host's name cannot stand in known_hosts"))?;
    std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_keys::{KeyType, PrivateKey};
    use std::path::PathBuf;

    struct Case {
        options: Options,
        file: PathBuf,
        _dir: tempfile::TempDir,
    }

    fn key() -> PublicKey {
        PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng)
            .unwrap()
            .public()
            .clone()
    }

    /// Options for `host`:22 with a known_hosts file of this text.
    fn case(strict: StrictHostKey, text: &str) -> Case {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("kh");
        std::fs::write(&file, text).unwrap();
        let mut options = Options::default();
        options.hostname = "host".into();
        options.host_argument = "host".into();
        options.batch_mode = true;
        options.strict_host_key_checking = strict;
        options.user_known_hosts_files = vec![file.to_str().unwrap().into()];
        options.global_known_hosts_files.clear();
        Case {
            options,
            file,
            _dir: dir,
        }
    }

    impl Case {
        fn check(&self, key: &PublicKey) -> Option<Accepted> {
            HostCheck::new(&self.options, Some("192.0.2.1".parse().unwrap())).check(key)
        }

        fn text(&self) -> String {
            std::fs::read_to_string(&self.file).unwrap()
        }
    }

    fn line(names: &str, key: &PublicKey) -> String {
        format!("{names} {}\n", key.to_line(""))
    }

    const ALL: [StrictHostKey; 4] = [
        StrictHostKey::Yes,
        StrictHostKey::Ask,
        StrictHostKey::AcceptNew,
        StrictHostKey::Off,
    ];

    #[test]
    fn a_known_key_is_good_whatever_the_setting() {
        let key = key();
        for strict in ALL {
            let case = case(strict, &line("host", &key));
            assert_eq!(case.check(&key), Some(Accepted::Trusted));
            assert_eq!(case.text(), line("host", &key));
        }
    }

    #[test]
    fn a_new_key_is_recorded_only_where_that_is_allowed() {
        let key = key();
        for strict in ALL {
            let case = case(strict, "# mine");
            let accepted = case.check(&key);
            if matches!(strict, StrictHostKey::Yes | StrictHostKey::Ask) {
                // Nobody can be asked in batch mode.
                assert_eq!((accepted, case.text().as_str()), (None, "# mine"));
            } else {
                assert_eq!(accepted, Some(Accepted::Trusted));
                assert_eq!(case.text(), format!("# mine\n{}", line("host", &key)));
            }
        }
    }

    #[test]
    fn a_changed_key_never_touches_the_file() {
        let (old, new) = (key(), key());
        for strict in ALL {
            let case = case(strict, &line("host", &old));
            let want = (strict == StrictHostKey::Off).then_some(Accepted::Untrusted);
            assert_eq!(case.check(&new), want);
            assert_eq!(case.text(), line("host", &old));
        }
    }

    #[test]
    fn a_revoked_key_is_refused_though_it_is_listed() {
        let key = key();
        let text = line("host", &key) + &line("@revoked *", &key);
        for strict in ALL {
            let want = (strict == StrictHostKey::Off).then_some(Accepted::Untrusted);
            assert_eq!(case(strict, &text).check(&key), want);
        }
    }

    #[test]
    fn ports_aliases_and_hashes() {
        let key = key();
        let mut case = case(StrictHostKey::AcceptNew, "");
        case.options.port = 2222;
        assert!(case.check(&key).is_some());
        assert_eq!(case.text(), line("[host]:2222", &key));
        case.options.host_key_alias = Some("alias".into());
        case.options.hash_known_hosts = true;
        assert!(case.check(&key).is_some());
        let added = case.text().lines().nth(1).unwrap().to_owned();
        assert!(added.starts_with("|1|"), "{added}");
        case.options.strict_host_key_checking = StrictHostKey::Yes;
        assert!(case.check(&key).is_some());
    }

    #[test]
    fn a_port_falls_back_to_the_bare_name() {
        let key = key();
        let mut case = case(StrictHostKey::Yes, &line("host", &key));
        case.options.port = 2222;
        assert!(case.check(&key).is_some());
        assert_eq!(case.text(), line("host", &key));
    }

    #[test]
    fn the_address_is_recorded_too_when_it_is_checked() {
        let key = key();
        let mut case = case(StrictHostKey::AcceptNew, "");
        case.options.check_host_ip = true;
        assert!(case.check(&key).is_some());
        assert_eq!(case.text(), line("host,192.0.2.1", &key));
    }

    #[test]
    fn known_types_are_asked_for_first() {
        let rsa = PrivateKey::generate(KeyType::Rsa, 2048, &mut SystemRng).unwrap();
        let case = case(StrictHostKey::Yes, &line("host", rsa.public()));
        let check = HostCheck::new(&case.options, None);
        assert_eq!(
            check.algorithms().first().map(String::as_str),
            Some("rsa-sha2-512")
        );
    }

    #[test]
    fn short_rsa_keys_are_refused() {
        let rsa = PrivateKey::generate(KeyType::Rsa, 2048, &mut SystemRng).unwrap();
        let mut case = case(StrictHostKey::Off, "");
        case.options.required_rsa_size = 3072;
        assert_eq!(case.check(rsa.public()), None);
    }
}
