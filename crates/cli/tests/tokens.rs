//! Security keys and PKCS#11 tokens whose libraries crash, keep silent and
//! lie (`providers/`): whoever asked gets an error, and no more than that.
//! Sound ones are in `tests/peers`.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use carrick_keys::helper::{message_len, pkcs11, sk};
use carrick_keys::{PublicKey, SignatureError};
use carrick_wire::Secret;
use tempfile::TempDir;

/// The built libraries, for as long as this process runs.
fn library(name: &str) -> PathBuf {
    static DIR: OnceLock<TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        for name in ["sk", "pkcs11"] {
            let source = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/providers")
                .join(format!("{name}.c"));
            let built = Command::new("cc")
                .args(["-shared", "-fPIC", "-o"])
                .arg(dir.path().join(format!("{name}.so")))
                .arg(source)
                .arg("-ldl")
                .status()
                .unwrap();
            assert!(built.success());
        }
        dir
    });
    dir.path().join(format!("{name}.so"))
}

/// One of our programs, which finds its own helpers: ssh-keygen as the binary
/// that has no helper in it.
fn program(name: &str) -> Command {
    if name == "ssh-keygen" {
        return prepared(Command::new(env!("CARGO_BIN_EXE_carrick-keygen")));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_carrick"));
    command.arg(name);
    prepared(command)
}

fn prepared(mut command: Command) -> Command {
    command
        .env_remove("SSH_SK_HELPER")
        .env_remove("SSH_PKCS11_HELPER")
        .env_remove("DISPLAY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs ssh-keygen with the library in one of its modes.
fn keygen(dir: &Path, mode: &str, args: &[&str], input: &str) -> Output {
    run_keygen(program("ssh-keygen"), dir, mode, args, input)
}

fn run_keygen(mut keygen: Command, dir: &Path, mode: &str, args: &[&str], input: &str) -> Output {
    let mut child = keygen
        .args(["-w", library("sk").to_str().unwrap()])
        .args(args)
        .current_dir(dir)
        .env("SK_TEST_MODE", mode)
        .env("SK_TEST_FAILURE", "-4")
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

const ENROLL: &[&str] = &["-q", "-t", "ed25519-sk", "-N", "", "-f", "k"];

#[test]
fn a_library_that_makes_no_key_is_an_error_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    for (mode, why) in [
        ("crash", "unexpected internal error"),
        ("crash-loading", "unexpected internal error"),
        ("exit", "unexpected internal error"),
        ("null", "invalid format"),
        ("short", "invalid format"),
        ("no-handle", "invalid format"),
        ("huge", "invalid format"),
        ("old", "invalid format"),
        ("fail", "device not found"),
    ] {
        let out = keygen(dir.path(), mode, ENROLL, "");
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(255), "{mode}: {said}");
        assert!(
            said.contains(&format!("Key enrollment failed: {why}")),
            "{mode}: {said}"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{mode}");
    }
}

#[test]
fn every_ssh_keygen_finds_its_helper() {
    use std::os::unix::fs::symlink;
    let (all, small) = (
        env!("CARGO_BIN_EXE_carrick"),
        env!("CARGO_BIN_EXE_carrick-keygen"),
    );
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = |name: &str| dir.path().join(name);
    for folder in ["drop-in", "copied", "alone"] {
        std::fs::create_dir(place(folder)).unwrap();
    }
    symlink(small, place("drop-in/ssh-keygen")).unwrap();
    std::fs::hard_link(small, place("copied/ssh-keygen")).unwrap();
    symlink(all, place("copied/ssh-sk-helper")).unwrap();
    std::fs::hard_link(small, place("alone/ssh-keygen")).unwrap();
    let by_name = |folder: &str| {
        let mut command = Command::new("ssh-keygen");
        command.env("PATH", place(folder));
        command
    };
    let mut role = Command::new(all);
    role.arg("ssh-keygen");
    let enroll = |command: Command, name: &str| {
        let args = ["-q", "-t", "ed25519-sk", "-N", "", "-f", name];
        let mut command = prepared(command);
        command.env("SSH_SK_PROVIDER", library("sk"));
        run_keygen(command, dir.path(), "", &args, "")
    };
    for (name, command) in [
        ("key-role", role),
        ("key-linked", Command::new(place("drop-in/ssh-keygen"))),
        ("key-linked-by-name", by_name("drop-in")),
        ("key-copied", Command::new(place("copied/ssh-keygen"))),
        ("key-copied-by-name", by_name("copied")),
    ] {
        let out = enroll(command, name);
        assert!(out.status.success(), "{name}: {}", text(&out.stderr));
        assert!(place(name).exists(), "{name}");
    }
    let out = enroll(by_name("alone"), "none");
    assert_eq!(out.status.code(), Some(255));
    let said = text(&out.stderr);
    assert!(
        said.starts_with("ssh-sk-helper: No such file or directory"),
        "{said}"
    );
}

#[test]
fn what_is_no_such_library_is_not_loaded() {
    let dir = TempDir::new().unwrap();
    let out = program("ssh-keygen")
        .args(ENROLL)
        .args(["-w", library("pkcs11").to_str().unwrap()])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = text(&out.stderr);
    assert!(said.contains("is not an OpenSSH FIDO library"), "{said}");
}

#[test]
fn keys_are_made_and_attested() {
    let dir = TempDir::new().unwrap();
    for kind in ["ed25519-sk", "ecdsa-sk"] {
        let args = [
            "-t",
            kind,
            "-N",
            "",
            "-C",
            "c",
            "-f",
            kind,
            "-O",
            "application=ssh:x",
            "-O",
            "write-attestation=att",
            "-O",
            "verify-required",
        ];
        let out = keygen(dir.path(), "", &args, "");
        let said = text(&out.stdout);
        assert!(out.status.success(), "{said}{}", text(&out.stderr));
        for line in [
            "You may need to touch your authenticator to authorize key generation.",
            "Your FIDO attestation certificate has been saved in att",
        ] {
            assert!(said.contains(line), "{said}");
        }
        let attestation = std::fs::read(dir.path().join("att")).unwrap();
        assert!(attestation.starts_with(b"\0\0\0\x11ssh-sk-attest-v01"));
        let file = std::fs::read(dir.path().join(kind)).unwrap();
        let key = carrick_keys::PrivateKey::parse_file(&file, None).unwrap();
        let flags = key.security_key().unwrap().flags;
        assert_eq!(flags, sk::FLAG_USER_PRESENCE | sk::FLAG_USER_VERIFICATION);
        assert_eq!(key.comment(), "c");
    }
}

#[test]
fn a_resident_key_is_replaced_only_with_leave() {
    let dir = TempDir::new().unwrap();
    let args = [ENROLL, &["-O", "resident", "-O", "user=me"]].concat();
    for (answer, status) in [("n\n", Some(255)), ("y\n", Some(0))] {
        let out = keygen(dir.path(), "exists", &args, answer);
        assert_eq!(out.status.code(), status, "{}", text(&out.stderr));
        let question = "A resident key scoped to 'ssh:' with user id 'me' already exists.\n\
                        Overwrite key in token (y/n)? ";
        assert!(text(&out.stdout).contains(question));
    }
}

#[test]
fn resident_keys_are_fetched() {
    let dir = TempDir::new().unwrap();
    let out = keygen(dir.path(), "", &["-K", "-N", ""], "1234\n");
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(
        text(&out.stdout),
        "You may need to touch your authenticator to authorize key download.\n\
         Saved ED25519-SK key to id_ed25519_sk_rk\n\
         Saved ED25519-SK key ssh:work to id_ed25519_sk_rk_work_uuuu\n"
    );
    let mut flags = Vec::new();
    for name in ["id_ed25519_sk_rk", "id_ed25519_sk_rk_work_uuuu"] {
        let file = std::fs::read(dir.path().join(name)).unwrap();
        let key = carrick_keys::PrivateKey::parse_file(&file, None).unwrap();
        flags.push(key.security_key().unwrap().flags);
    }
    assert_eq!(flags, [0x21, 0x25]);
    for mode in ["null", "huge", "crash"] {
        let out = keygen(dir.path(), mode, &["-K", "-N", ""], "1234\n");
        assert_eq!(out.status.code(), Some(255), "{mode}");
        let said = text(&out.stderr);
        assert!(said.contains("Unable to load resident keys: "), "{said}");
    }
}

/// A helper that is spoken to as a program of ours would.
struct Helper(Child);

impl Helper {
    fn start(name: &str, variable: &str, mode: &str) -> Self {
        let child = program(name)
            .env(variable, mode)
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn send(&mut self, message: &[u8]) {
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all(message).unwrap();
        input.flush().unwrap();
    }

    /// The answer; `None` if the helper ended instead.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let output = self.0.stdout.as_mut().unwrap();
        let mut head = [0; 4];
        output.read_exact(&mut head).ok()?;
        let mut body = vec![0; message_len(head).unwrap()];
        output.read_exact(&mut body).unwrap();
        Some(body)
    }

    fn ask(&mut self, request: &pkcs11::Request<'_>) -> Option<pkcs11::Answer> {
        self.send(&request.to_message());
        let body = self.receive()?;
        Some(pkcs11::Answer::parse(&body).unwrap())
    }

    /// Goes away, and waits until the helper does.
    fn leave(mut self) -> bool {
        drop(self.0.stdin.take());
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if self.0.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn add(pin: &str) -> pkcs11::Request<'static> {
    static PATH: OnceLock<String> = OnceLock::new();
    pkcs11::Request::AddProvider {
        provider: PATH.get_or_init(|| library("pkcs11").to_str().unwrap().to_owned()),
        pin: Secret::from(pin),
        knows_all: true,
    }
}

#[test]
fn a_helper_with_a_silent_library_ends_with_its_caller() {
    let mut helper = Helper::start("ssh-sk-helper", "SK_TEST_MODE", "hang");
    let provider = library("sk");
    let request = sk::Request::LoadResident {
        provider: provider.to_str().unwrap(),
        device: "",
        pin: None,
    };
    let log = sk::Log {
        stderr: true,
        level: 3,
    };
    helper.send(&request.to_message(log));
    assert!(helper.leave());
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "hang");
    helper.send(&add("").to_message());
    assert!(helper.leave());
}

#[test]
fn a_module_that_cannot_be_used_is_an_error() {
    for (mode, want) in [
        ("crash", None),
        ("null", None),
        ("fail", Some(pkcs11::Answer::Failed(pkcs11::NO_PROVIDER))),
    ] {
        let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", mode);
        assert_eq!(helper.ask(&add("")), want, "{mode}");
    }
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "huge");
    // It may run out of memory for the keys, or leave them out.
    let answer = helper.ask(&add(""));
    assert!(
        matches!(answer, None | Some(pkcs11::Answer::Keys(_))),
        "{answer:?}"
    );
}

fn only_key(answer: Option<pkcs11::Answer>) -> PublicKey {
    match answer {
        Some(pkcs11::Answer::Keys(keys)) => {
            assert_eq!((keys.len(), keys[0].label.as_str()), (1, "label"));
            keys[0].key.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_that_lies_about_a_signature_is_not_believed() {
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "lie");
    let key = only_key(helper.ask(&add("")));
    let signing = pkcs11::Signing::new(&key, "ssh-ed25519", b"data").unwrap();
    let request = pkcs11::Request::Sign {
        key: &signing.key(),
        data: signing.data(),
    };
    match helper.ask(&request) {
        Some(pkcs11::Answer::Signature(made)) => {
            assert_eq!(signing.blob(&made), Err(SignatureError::Bad));
        }
        other => panic!("{other:?}"),
    }
    let request_of_openssh = match add("") {
        pkcs11::Request::AddProvider { provider, pin, .. } => pkcs11::Request::AddProvider {
            provider,
            pin,
            knows_all: false,
        },
        other => other,
    };
    assert_eq!(
        helper.ask(&request_of_openssh),
        Some(pkcs11::Answer::Keys(vec![]))
    );
    let unknown = pkcs11::Request::Sign {
        key: b"other",
        data: b"",
    };
    assert_eq!(helper.ask(&unknown), Some(pkcs11::Answer::Failed(0)));
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "crash-signing");
    only_key(helper.ask(&add("")));
    assert_eq!(helper.ask(&request), None);
}

#[test]
fn a_token_is_unlocked_by_its_pin_alone() {
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "locked");
    let key = only_key(helper.ask(&add(""))).to_blob();
    let sign = pkcs11::Request::Sign {
        key: &key,
        data: b"",
    };
    let needed = Some(pkcs11::Answer::LoginNeeded("test".into()));
    assert_eq!(helper.ask(&sign), needed);
    for (pin, want) in [
        ("9999", pkcs11::Answer::Failed(pkcs11::PIN_INCORRECT)),
        ("1234", pkcs11::Answer::LoggedIn),
    ] {
        let request = pkcs11::Request::Login {
            key: &key,
            pin: Secret::from(pin),
        };
        assert_eq!(helper.ask(&request), Some(want));
    }
    let answer = helper.ask(&sign);
    assert!(
        matches!(answer, Some(pkcs11::Answer::Signature(_))),
        "{answer:?}"
    );
    // An agent has it at once, and a wrong one is no keys.
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "locked");
    let wrong = Some(pkcs11::Answer::Failed(pkcs11::PIN_INCORRECT));
    assert_eq!(helper.ask(&add("1")), wrong);
    only_key(helper.ask(&add("1234")));
}

#[test]
fn a_key_that_wants_its_pin_at_each_use_gets_it_each_time() {
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "each-time");
    let key = only_key(helper.ask(&add("1234"))).to_blob();
    let sign = pkcs11::Request::Sign {
        key: &key,
        data: b"",
    };
    let login = |pin: &str| pkcs11::Request::Login {
        key: &key,
        pin: Secret::from(pin),
    };
    let needed = Some(pkcs11::Answer::LoginNeeded("test".into()));
    assert_eq!(helper.ask(&sign), needed);
    // The token is open: only a signature tells whether a PIN is right, and
    // a wrong one leaves nothing that would be in the way of the next.
    assert_eq!(helper.ask(&login("9")), Some(pkcs11::Answer::LoggedIn));
    let wrong = Some(pkcs11::Answer::Failed(pkcs11::PIN_INCORRECT));
    assert_eq!(helper.ask(&sign), wrong);
    for _ in 0..2 {
        assert_eq!(helper.ask(&sign), needed);
        assert_eq!(helper.ask(&login("1234")), Some(pkcs11::Answer::LoggedIn));
        let answer = helper.ask(&sign);
        assert!(
            matches!(answer, Some(pkcs11::Answer::Signature(_))),
            "{answer:?}"
        );
    }
    // One that was not open is opened with the PIN of its first signature.
    let mut helper = Helper::start("ssh-pkcs11-helper", "P11_TEST_MODE", "each-time");
    only_key(helper.ask(&add("")));
    assert_eq!(helper.ask(&sign), needed);
    assert_eq!(helper.ask(&login("9")), wrong);
    assert_eq!(helper.ask(&login("1234")), Some(pkcs11::Answer::LoggedIn));
    let answer = helper.ask(&sign);
    assert!(
        matches!(answer, Some(pkcs11::Answer::Signature(_))),
        "{answer:?}"
    );
}

#[test]
fn messages_that_are_none_end_a_helper() {
    for name in ["ssh-sk-helper", "ssh-pkcs11-helper"] {
        for message in [&b"\0\0\0\0"[..], b"\xff\xff\xff\xff", b"\0\0\0\x02\x63\x63"] {
            let mut helper = Helper::start(name, "P11_TEST_MODE", "");
            helper.send(message);
            assert_eq!(helper.receive(), None, "{name}");
            assert!(!helper.0.wait().unwrap().success(), "{name}");
        }
    }
}

#[test]
fn a_library_that_lies_about_a_signature_is_not_believed() {
    let dir = TempDir::new().unwrap();
    assert!(keygen(dir.path(), "", ENROLL, "").status.success());
    std::fs::write(dir.path().join("m"), "message").unwrap();
    for (mode, why) in [
        ("lie", "incorrect signature"),
        ("null", "invalid format"),
        ("huge", "invalid format"),
        ("crash", "unexpected internal error"),
    ] {
        let args = ["-Y", "sign", "-n", "file", "-f", "k", "m"];
        let out = keygen(dir.path(), mode, &args, "");
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(255), "{mode}: {said}");
        assert!(
            said.contains(&format!("Couldn't sign message: {why}")),
            "{mode}: {said}"
        );
        assert!(!dir.path().join("m.sig").exists(), "{mode}");
    }
}

/// An agent of ours in the foreground, and what speaks to it.
struct Agent {
    child: Child,
    dir: TempDir,
}

impl Agent {
    fn start(variable: &str, mode: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let child = program("ssh-agent")
            .args(["-D", "-P", "/*", "-a", "sock"])
            .current_dir(dir.path())
            .env(variable, mode)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, dir };
        let end = Instant::now() + Duration::from_secs(20);
        while !agent.dir.path().join("sock").exists() {
            assert!(Instant::now() < end, "no agent");
            std::thread::sleep(Duration::from_millis(20));
        }
        agent
    }

    /// An ssh-add that is about to speak to it.
    fn add(&self, args: &[&str]) -> Command {
        let mut command = program("ssh-add");
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("SSH_AUTH_SOCK", "sock")
            .env("SSH_SK_PROVIDER", library("sk"));
        command
    }

    fn status(&self, args: &[&str]) -> Option<i32> {
        self.add(args).output().unwrap().status.code()
    }

    /// How many keys it lists.
    fn keys(&self) -> usize {
        text(&self.add(&["-l"]).output().unwrap().stdout)
            .lines()
            .count()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_outlives_the_libraries_of_security_keys() {
    for mode in ["crash", "lie", "null"] {
        let agent = Agent::start("SK_TEST_MODE", mode);
        assert!(keygen(agent.dir.path(), "", ENROLL, "").status.success());
        assert_eq!(agent.status(&["k"]), Some(0), "{mode}");
        assert_ne!(agent.status(&["-T", "k.pub"]), Some(0), "{mode}");
        assert_eq!(agent.keys(), 1, "{mode}");
    }
    // One that keeps silent keeps nobody else waiting.
    let agent = Agent::start("SK_TEST_MODE", "hang");
    assert!(keygen(agent.dir.path(), "", ENROLL, "").status.success());
    assert_eq!(agent.status(&["k"]), Some(0));
    let mut waiting = agent.add(&["-T", "k.pub"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    assert_eq!(agent.keys(), 1);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(waiting.try_wait().unwrap().is_none());
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn an_agent_outlives_pkcs11_modules() {
    let module = library("pkcs11");
    let module = module.to_str().unwrap();
    let with_pin = |agent: &Agent, pin: &str| {
        let askpass = agent.dir.path().join("askpass");
        std::fs::write(&askpass, format!("#!/bin/sh\necho {pin}\n")).unwrap();
        std::fs::set_permissions(&askpass, PermissionsExt::from_mode(0o700)).unwrap();
        let mut command = agent.add(&["-s", module]);
        command
            .env("SSH_ASKPASS", askpass)
            .env("SSH_ASKPASS_REQUIRE", "force");
        command.output().unwrap().status.code()
    };
    for (mode, added, keys) in [
        ("crash", Some(1), 0),
        ("fail", Some(1), 0),
        ("crash-signing", Some(0), 1),
        ("lie", Some(0), 1),
        ("locked", Some(0), 1),
    ] {
        let agent = Agent::start("P11_TEST_MODE", mode);
        assert_eq!(with_pin(&agent, "1234"), added, "{mode}");
        if keys == 0 {
            assert_eq!(agent.status(&["-l"]), Some(1), "{mode}");
            continue;
        }
        assert_eq!(agent.keys(), keys, "{mode}");
        let public = agent.add(&["-L"]).output().unwrap().stdout;
        std::fs::write(agent.dir.path().join("k.pub"), public).unwrap();
        assert_ne!(agent.status(&["-T", "k.pub"]), Some(0), "{mode}");
        assert_eq!(agent.keys(), keys, "{mode}");
        assert_eq!(agent.status(&["-e", module]), Some(0), "{mode}");
        assert_eq!(agent.status(&["-l"]), Some(1), "{mode}");
    }
    let agent = Agent::start("P11_TEST_MODE", "locked");
    assert_eq!(with_pin(&agent, "9999"), Some(1));
}
