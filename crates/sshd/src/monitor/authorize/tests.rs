//! Whole decisions: keys and certificates against files in a home.

use std::fs::{Permissions, create_dir, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use carrick_crypto::rng::SystemRng;
use carrick_keys::{CertFields, KeyType, PrivateKey, UnsignedCert};
use carrick_sys::identity::effective_uid;

use super::*;
use crate::settings::HOOKS;

/// 1 January 2026.
const NOW: u64 = 1_767_225_600;

/// A user with a home, who comes from somewhere.
pub(super) struct Scene {
    dir: tempfile::TempDir,
    account: Account,
    options: Options,
    peer: Peer,
    local: Endpoint,
    key: PrivateKey,
    authority: PrivateKey,
}

fn made() -> PrivateKey {
    PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).unwrap()
}

pub(super) fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let mut account = passwd::by_uid(effective_uid()).unwrap().unwrap();
    account.home = dir.path().to_owned();
    create_dir(dir.path().join(".ssh")).unwrap();
    set_permissions(dir.path().join(".ssh"), Permissions::from_mode(0o700)).unwrap();
    Scene {
        dir,
        account,
        options: Options::default(),
        peer: Peer {
            address: "192.0.2.1".into(),
            host: "192.0.2.1".into(),
            port: 7,
        },
        local: Endpoint {
            address: "192.0.2.2".into(),
            port: 22,
        },
        key: made(),
        authority: made(),
    }
}

impl Scene {
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            account: &self.account,
            options: &self.options,
            peer: &self.peer,
            local: &self.local,
            hooks: HOOKS,
            now: NOW,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the home's.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes authorized_keys, `%KEY` and `%CA` standing for the keys.
    fn keys(&self, text: &str) {
        let line = |key: &PrivateKey| key.public().to_line("x");
        let text = text
            .replace("%KEY", &line(&self.key))
            .replace("%CA", &line(&self.authority));
        self.file(".ssh/authorized_keys", &text);
    }

    fn ask(&self) -> Option<Terms> {
        key(&self.context(), self.key.public())
    }

    /// A certificate of the authority's for these principals.
    fn certificate(&self, principals: &[&str], change: impl FnOnce(&mut CertFields)) -> PublicKey {
        let mut fields = CertFields {
            serial: 7,
            kind: CertKind::User,
            key_id: "id".to_owned(),
            principals: principals.iter().map(|name| (*name).to_owned()).collect(),
            valid_after: NOW - 10,
            valid_before: NOW + 10,
            critical_options: Vec::new(),
            extensions: vec![("permit-pty".to_owned(), Vec::new())],
        };
        change(&mut fields);
        let (key, authority) = (self.key.public(), &self.authority);
        let unsigned = UnsignedCert::new(key, authority.public(), &fields, &mut SystemRng).unwrap();
        let signature = authority.sign("ssh-ed25519", unsigned.to_sign()).unwrap();
        PublicKey::Certificate(Box::new(unsigned.complete(&signature).unwrap()))
    }

    fn shows(&self, certificate: &PublicKey) -> Option<Terms> {
        key(&self.context(), certificate)
    }

    fn me(&self) -> &str {
        &self.account.name
    }
}

#[test]
fn a_listed_key_is_found_and_another_is_not() {
    let scene = scene();
    scene.keys("# x\n\n%KEY\n");
    assert_eq!(scene.ask(), Some(Terms::default()));
    scene.keys("%CA\n");
    assert_eq!(scene.ask(), None);
    scene.keys("");
    assert_eq!(scene.ask(), None);
}

#[test]
fn the_first_line_that_lets_in_counts() {
    let scene = scene();
    scene.keys("bad-option %KEY\nfrom=\"10.0.0.1\" %KEY\nno-pty %KEY\n%KEY\n");
    assert!(!scene.ask().unwrap().permissions.pty);
    scene.keys("principals=\"x\" %KEY\ncert-authority %KEY\nexpiry-time=\"20200101\" %KEY\n");
    assert_eq!(scene.ask(), None);
}

#[test]
fn several_files_and_wildcards_are_searched_in_order() {
    let mut scene = scene();
    let line = scene.key.public().to_line("x");
    let one = scene.file("keys_a", "nothing\n");
    scene.file("keys_b", &format!("no-pty {line}\n"));
    scene.file("keys_c", &format!("{line}\n"));
    scene.options.authorized_keys_files = vec![one.clone()];
    assert_eq!(scene.ask(), None);
    scene.options.authorized_keys_files = vec!["none".into(), one, "%h/keys_c".into()];
    assert!(scene.ask().unwrap().permissions.pty);
    scene.options.authorized_keys_files = vec!["keys_*".into()];
    assert!(!scene.ask().unwrap().permissions.pty);
    scene.options.authorized_keys_files = vec!["%x/keys_c".into(), "/nonexistent/*".into()];
    assert_eq!(scene.ask(), None);
}

#[test]
fn only_regular_files_are_read_and_not_for_ever() {
    use std::os::unix::fs::symlink;
    let mut scene = scene();
    scene.options.strict_modes = false;
    let path = scene.path(".ssh/authorized_keys");
    for target in ["/dev/zero", "/dev/tty", "/", "fifo", "authorized_keys"] {
        if target == "fifo" {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            let fifo = path.with_file_name(target);
            rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, mode, 0)
                .unwrap();
        }
        symlink(target, &path).unwrap();
        assert_eq!(scene.ask(), None, "{target}");
        std::fs::remove_file(&path).unwrap();
    }
    // What lies beyond the bound of a file without an end is not seen.
    let line = scene.key.public().to_line("");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(userfile::LONGEST + 1).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, line.as_bytes(), userfile::LONGEST).unwrap();
    assert_eq!(scene.ask(), None);
    // A link to a good file does.
    scene.file(".ssh/other", &line);
    std::fs::remove_file(&path).unwrap();
    symlink("other", &path).unwrap();
    assert!(scene.ask().is_some());
}

#[test]
fn a_file_or_directory_that_others_write_is_refused() {
    let scene = scene();
    scene.keys("%KEY\n");
    let mode = |name: &str, mode| {
        set_permissions(scene.path(name), Permissions::from_mode(mode)).unwrap();
    };
    let keys = ".ssh/authorized_keys";
    for (bits, good) in [(0o620, false), (0o602, false), (0o644, true)] {
        mode(keys, bits);
        assert_eq!(scene.ask().is_some(), good, "{bits:o}");
    }
    mode(".ssh", 0o777);
    assert_eq!(scene.ask(), None);
    mode(".ssh", 0o755);
    // Above the home it does not matter.
    assert!(scene.dir.path().starts_with(std::env::temp_dir()));
    assert!(scene.ask().is_some());
}

#[test]
fn an_authority_in_the_file_certifies_and_does_not_log_in() {
    let scene = scene();
    let mine = scene.certificate(&[scene.me()], |_| {});
    scene.keys("%CA\n");
    assert_eq!(scene.shows(&mine), None);
    scene.keys("cert-authority %KEY\n");
    assert_eq!((scene.shows(&mine), scene.ask()), (None, None));
    scene.keys("cert-authority %CA\n");
    let terms = scene.shows(&mine).unwrap();
    // The certificate names nothing but a terminal.
    assert!(terms.permissions.pty && !terms.permissions.user_rc);
    assert_eq!(scene.ask(), None);
    scene.keys("cert-authority,no-pty %CA\n");
    assert!(!scene.shows(&mine).unwrap().permissions.pty);
}

#[test]
fn a_certificate_is_judged_before_it_counts() {
    let scene = scene();
    scene.keys("cert-authority %CA\n");
    let refused = |certificate: &PublicKey| scene.shows(certificate).is_none();
    let me = scene.me();
    assert!(refused(&scene.certificate(&["somebody"], |_| {})));
    assert!(refused(&scene.certificate(&[me], |f| f.valid_before = NOW)));
    assert!(refused(
        &scene.certificate(&[me], |f| f.kind = CertKind::Host)
    ));
    let unknown = |f: &mut CertFields| f.critical_options = vec![("new".into(), Vec::new())];
    assert!(refused(&scene.certificate(&[me], unknown)));
    let PublicKey::Certificate(good) = scene.certificate(&[me], |_| {}) else {
        panic!()
    };
    let mut forged = good.blob().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert!(PublicKey::from_blob(&forged).map_or(true, |forged| refused(&forged)));
}

/// A string inside an option's data.
fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    carrick_wire::Writer::new(&mut out).text(text);
    out
}

#[test]
fn a_certificates_options_are_put_with_the_lines() {
    let scene = scene();
    let with = |name: &str, value: &str| {
        let option = (name.to_owned(), string(value));
        scene.certificate(&[scene.me()], |f| f.critical_options = vec![option])
    };
    let forced = with("force-command", "true");
    for (line, command) in [
        ("cert-authority %CA", Some("true")),
        ("cert-authority,command=\"true\" %CA", Some("true")),
        ("cert-authority,command=\"false\" %CA", None),
    ] {
        scene.keys(line);
        let terms = scene.shows(&forced);
        let found = terms.and_then(|terms| terms.permissions.command);
        assert_eq!(found.as_deref(), command.map(str::as_bytes), "{line}");
    }
    scene.keys("cert-authority %CA");
    assert!(
        scene
            .shows(&with("source-address", "192.0.2.0/24"))
            .is_some()
    );
    assert!(scene.shows(&with("source-address", "10.0.0.0/8")).is_none());
}

#[test]
fn principals_of_the_line_stand_in_place_of_the_users_name() {
    let scene = scene();
    let other = scene.certificate(&["admins", "x,y"], |_| {});
    let nobody = scene.certificate(&[], |_| {});
    for (list, lets) in [
        ("\"admins\"", true),
        ("\"a,admins\"", true),
        ("\"admin\"", false),
        // A name with a comma in it is on no list.
        ("\"x,y\"", false),
        ("\"*\"", false),
    ] {
        scene.keys(&format!("cert-authority,principals={list} %CA\n"));
        assert_eq!(scene.shows(&other).is_some(), lets, "{list}");
        assert_eq!(scene.shows(&nobody), None);
    }
    let mine = scene.certificate(&[scene.me()], |_| {});
    assert_eq!(scene.shows(&mine), None);
}

#[test]
fn a_trusted_authority_needs_no_file_of_the_users() {
    let mut scene = scene();
    let line = scene.authority.public().to_line("ca");
    scene.options.trusted_user_ca_keys = Some(scene.file("ca", &format!("# cas\n{line}\n")));
    let mine = scene.certificate(&[scene.me()], |_| {});
    assert!(
        scene
            .shows(&mine)
            .is_some_and(|terms| terms.permissions.pty)
    );
    assert_eq!(scene.ask(), None);
    assert_eq!(scene.shows(&scene.certificate(&["other"], |_| {})), None);
    assert_eq!(scene.shows(&scene.certificate(&[], |_| {})), None);
    scene.options.ca_signature_algorithms = vec!["rsa-sha2-512".into()];
    assert_eq!(scene.shows(&mine), None);
    scene.options.ca_signature_algorithms = vec!["ssh-ed25519".into()];
    scene.options.trusted_user_ca_keys = Some(scene.file("ca", &scene.key.public().to_line("")));
    assert_eq!(scene.shows(&mine), None);
    scene.options.trusted_user_ca_keys = Some("/nonexistent".into());
    assert_eq!(scene.shows(&mine), None);
}

#[test]
fn a_file_of_principals_stands_in_place_of_the_users_name() {
    let mut scene = scene();
    let line = scene.authority.public().to_line("ca");
    scene.options.trusted_user_ca_keys = Some(scene.file("ca", &line));
    scene.options.authorized_principals_file = Some("%h/.ssh/principals".into());
    let mine = scene.certificate(&[scene.me()], |_| {});
    let admins = scene.certificate(&["admins"], |_| {});
    assert_eq!((scene.shows(&mine), scene.shows(&admins)), (None, None));
    for (text, pty) in [
        ("admins", Some(true)),
        ("others\n no-pty  admins # these\n", Some(false)),
        ("blah admins", None),
        ("from=\"10.0.0.1\" admins", None),
        ("cert-authority admins", None),
        ("#admins", None),
        ("", None),
    ] {
        scene.file(".ssh/principals", text);
        let found = scene.shows(&admins).map(|terms| terms.permissions.pty);
        assert_eq!(found, pty, "{text}");
        assert_eq!(scene.shows(&mine), None);
    }
}

/// A program that nobody but root can change, as tests find one anywhere.
const ECHO: &str = "/bin/echo";

#[test]
fn a_command_prints_keys_for_the_user_it_is_asked_about() {
    let mut scene = scene();
    scene.options.authorized_keys_command = Some(format!("{ECHO} no-pty %t %k"));
    // Nobody to run it as.
    assert_eq!(scene.ask(), None);
    scene.options.authorized_keys_command_user = Some("%u".into());
    assert!(scene.ask().is_some_and(|terms| !terms.permissions.pty));
    for bad in [
        "/bin/false",
        "/nonexistent/program",
        "echo %t %k",
        "/bin/echo \"%t %k",
        "/bin/echo %q",
    ] {
        scene.options.authorized_keys_command = Some(bad.into());
        assert_eq!(scene.ask(), None, "{bad}");
    }
    scene.options.authorized_keys_command = Some(format!("{ECHO} %t %k"));
    assert!(scene.ask().is_some());
    scene.options.authorized_keys_command_user = Some("no-such-user-here".into());
    assert_eq!(scene.ask(), None);
}

#[test]
fn a_command_that_others_could_change_is_not_run() {
    let mut scene = scene();
    let path = scene.file("command", "#!/bin/sh\nexec /bin/echo \"$@\"\n");
    set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    scene.options.authorized_keys_command = Some(format!("{path} %t %k"));
    scene.options.authorized_keys_command_user = Some("%u".into());
    // It is below the folder for temporary files, where all may write.
    assert_eq!(scene.ask(), None);
}

#[test]
fn what_a_command_is_given_is_one_argument_each_and_no_shells() {
    let mut scene = scene();
    let line = scene.authority.public().to_line("ca");
    scene.options.trusted_user_ca_keys = Some(scene.file("ca", &line));
    scene.options.authorized_principals_command_user = Some("%u".into());
    scene.options.authorized_principals_command = Some("/usr/bin/printf '%%s\\n' %i".into());
    let named = |id: &str| {
        let id = id.to_owned();
        scene.certificate(&["$(echo hi) 'x"], |f| f.key_id = id)
    };
    // The last word of a line is the name, the rest options.
    assert_eq!(scene.shows(&named("$(echo hi) 'x")), None);
    let one = scene.certificate(&["$(id)"], |f| f.key_id = "$(id)".to_owned());
    assert!(scene.shows(&one).is_some());
    // A hostile identifier cannot start a line of its own that is believed
    // for more than its certificate says: its authority wrote it.
    let two = scene.certificate(&["b"], |f| f.key_id = "a".to_owned());
    assert_eq!(scene.shows(&two), None);
}

#[test]
fn what_is_revoked_lets_nobody_in() {
    let mut scene = scene();
    scene.keys("%KEY\ncert-authority %CA\n");
    let mine = scene.certificate(&[scene.me()], |_| {});
    let (key, ca) = (
        scene.key.public().to_line(""),
        scene.authority.public().to_line(""),
    );
    for (list, key_counts, certificate_counts) in [
        (String::new(), true, true),
        (format!("# x\n{key}\n"), false, false),
        (ca, true, false),
        // What cannot be understood may have said anything.
        ("nonsense\n".to_owned(), false, false),
    ] {
        scene.options.revoked_keys = vec![scene.file("revoked", &list)];
        assert_eq!(scene.ask().is_some(), key_counts, "{list}");
        assert_eq!(scene.shows(&mine).is_some(), certificate_counts, "{list}");
    }
    scene.options.revoked_keys = vec!["/nonexistent".into()];
    assert_eq!((scene.ask(), scene.shows(&mine)), (None, None));
    // Any one of several files is enough.
    let empty = scene.file("empty", "");
    scene.options.revoked_keys = vec![empty, scene.file("revoked", &key)];
    assert_eq!(scene.ask(), None);
}
