use super::*;
use carrick_crypto::rng::SystemRng;
use carrick_keys::{CertFields, CertKind, Certificate, KeyType, PrivateKey, VALID_FOREVER};
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
        self.verdict(key).ok()
    }

    fn verdict(&self, key: &PublicKey) -> Verdict {
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

/// Regression: a file called known_hosts was made wherever ssh was started.
#[test]
fn a_new_key_with_nowhere_to_write_it_is_refused() {
    for strict in ALL {
        let mut case = case(strict, "");
        case.options.user_known_hosts_files.clear();
        assert_eq!(case.verdict(&key()), Err(Refusal::HostKey));
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
    let names = HostCheck::new(&case.options, None).algorithms().unwrap();
    // Certificates for such keys among them: the key in one may be the known one.
    let first: Vec<&str> = names.iter().map(String::as_str).take(4).collect();
    assert_eq!(
        first,
        [
            "rsa-sha2-512-cert-v01@openssh.com",
            "rsa-sha2-256-cert-v01@openssh.com",
            "rsa-sha2-512",
            "rsa-sha2-256"
        ]
    );
}

#[test]
fn short_rsa_keys_are_refused() {
    let rsa = PrivateKey::generate(KeyType::Rsa, 2048, &mut SystemRng).unwrap();
    let mut case = case(StrictHostKey::Off, "");
    case.options.required_rsa_size = 3072;
    assert_eq!(case.check(rsa.public()), None);
}

/// A certificate for `host`, and its authority.
fn certified(change: impl FnOnce(&mut CertFields)) -> (PublicKey, PublicKey) {
    let generate = || PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).unwrap();
    let (key, ca) = (generate(), generate());
    let mut fields = CertFields {
        serial: 1,
        kind: CertKind::Host,
        key_id: "a host".into(),
        principals: vec!["host".into()],
        valid_after: 0,
        valid_before: VALID_FOREVER,
        critical_options: Vec::new(),
        extensions: Vec::new(),
    };
    change(&mut fields);
    let cert = Certificate::issue(key.public(), &ca, None, &fields, &mut SystemRng).unwrap();
    (PublicKey::Certificate(Box::new(cert)), ca.public().clone())
}

#[test]
fn a_certificate_of_a_listed_authority_is_good() {
    let (cert, ca) = certified(|_| ());
    let text = line("@cert-authority host", &ca);
    for strict in ALL {
        let case = case(strict, &text);
        assert_eq!(case.check(&cert), Some(Accepted::Trusted));
        assert_eq!(case.text(), text, "nothing is written down");
    }
    let (wild, ca) = certified(|fields| fields.principals = vec!["ho*".into()]);
    let case = case(StrictHostKey::Yes, &line("@cert-authority *", &ca));
    assert!(case.check(&wild).is_some());
}

#[test]
fn a_certificate_that_proves_nothing_leaves_its_key() {
    let wrong: [fn(&mut CertFields); 5] = [
        |fields| fields.kind = CertKind::User,
        |fields| fields.principals = vec!["other".into()],
        |fields| fields.valid_before = 1,
        |fields| fields.valid_after = VALID_FOREVER - 1,
        |fields| fields.critical_options = vec![("force-command".into(), Vec::new())],
    ];
    for change in wrong {
        let (cert, ca) = certified(change);
        let authority = line("@cert-authority host", &ca);
        let strict = case(StrictHostKey::Yes, &authority);
        assert_eq!(strict.verdict(&cert), Err(Refusal::HostKey));
        let known = case(
            StrictHostKey::Yes,
            &(authority + &line("host", cert.plain())),
        );
        assert_eq!(known.check(&cert), Some(Accepted::Trusted));
    }
    // Nobody listed the authority: the key is new, and written down as such.
    let (cert, _) = certified(|_| ());
    let case = case(StrictHostKey::AcceptNew, "");
    assert_eq!(case.check(&cert), Some(Accepted::Trusted));
    assert_eq!(case.text(), line("host", cert.plain()));
}

#[test]
fn an_alias_is_the_name_that_a_certificate_must_have() {
    let (cert, ca) = certified(|fields| fields.principals = vec!["alias".into()]);
    let mut case = case(StrictHostKey::Yes, &line("@cert-authority alias", &ca));
    assert_eq!(case.check(&cert), None);
    case.options.host_key_alias = Some("alias".into());
    assert!(case.check(&cert).is_some());
}

#[test]
fn an_authority_for_the_bare_name_serves_all_ports() {
    let (cert, ca) = certified(|_| ());
    let mut case = case(StrictHostKey::Yes, &line("@cert-authority host", &ca));
    case.options.port = 2222;
    assert!(case.check(&cert).is_some());
}

#[test]
fn revoked_certificates_keys_and_authorities_are_refused() {
    let (cert, ca) = certified(|_| ());
    let authority = line("@cert-authority host", &ca);
    for revoked in [&ca, cert.plain()] {
        let text = authority.clone() + &line("@revoked *", revoked);
        assert_eq!(case(StrictHostKey::Yes, &text).check(&cert), None);
    }
    for (revoked, good) in [
        (String::new(), true),
        (ca.to_line("") + "\n", false),
        (cert.plain().to_line("") + "\n", false),
        (cert.to_line("") + "\n", false),
        ("no key\n".to_owned(), false),
    ] {
        let mut case = case(StrictHostKey::Yes, &authority);
        let file = case.file.with_file_name("revoked");
        std::fs::write(&file, &revoked).unwrap();
        case.options.revoked_host_keys = vec![file.to_str().unwrap().into()];
        assert_eq!(case.check(&cert).is_some(), good, "{revoked}");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(case.check(&cert), None, "a file that is not there");
    }
}

#[test]
fn certificates_are_asked_for_first_where_an_authority_is_listed() {
    let (_, ca) = certified(|_| ());
    let case = case(StrictHostKey::Yes, &line("@cert-authority host", &ca));
    let names = HostCheck::new(&case.options, None).algorithms().unwrap();
    let plain = names.iter().position(|name| !name.contains("-cert-"));
    assert!(
        plain > Some(0)
            && names[plain.unwrap()..]
                .iter()
                .all(|n| !n.contains("-cert-"))
    );
}

fn script(case: &Case, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = case.file.with_file_name("command");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_command_may_know_the_key() {
    let key = key();
    let mut case = case(StrictHostKey::Yes, "");
    let said = line("host", &key);
    let echo = format!("test \"$1 $2 $3\" = \"HOSTNAME ssh-ed25519 host\" && echo '{said}'");
    let command = script(&case, &echo);
    case.options.known_hosts_command = Some(format!("{command} %I %t %H"));
    assert_eq!(case.verdict(&key), Ok(Accepted::Trusted));
    let other = self::key();
    assert_eq!(case.verdict(&other), Err(Refusal::HostKey));
    for text in ["exit 1", "kill -9 $$"] {
        case.options.known_hosts_command = Some(script(&case, text));
        assert_eq!(case.verdict(&key), Err(Refusal::Broken));
    }
    for broken in ["relative", "/no/such/command", "'open", "/bin/echo %Z"] {
        case.options.known_hosts_command = Some(broken.into());
        assert_eq!(case.verdict(&key), Err(Refusal::Broken), "{broken}");
    }
}
