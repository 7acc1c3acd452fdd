//! ssh-keygen, by itself and against the installed one: each reads what the
//! other wrote and prints the same.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Runs our ssh-keygen without a terminal to ask on.
fn ours(dir: &Path, args: &[&str], input: &str) -> Output {
    run(
        Command::new(env!("CARGO_BIN_EXE_carrick")).arg("ssh-keygen"),
        dir,
        args,
        input,
    )
}

/// Runs the installed one; `None` if there is none.
fn theirs(dir: &Path, args: &[&str]) -> Option<Output> {
    let path = Path::new("/usr/bin/ssh-keygen");
    path.exists()
        .then(|| run(&mut Command::new(path), dir, args, ""))
}

fn run(command: &mut Command, dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = command
        .args(args)
        .current_dir(dir)
        .env_remove("DISPLAY")
        .env_remove("SSH_ASKPASS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn good(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn generate(dir: &Path, name: &str, args: &[&str]) -> PathBuf {
    let all = [&["-q", "-N", "", "-C", "a comment", "-f", name], args].concat();
    good(&ours(dir, &all, ""));
    dir.join(name)
}

const KINDS: &[(&str, &[&str], &str)] = &[
    ("ed", &["-t", "ed25519"], "256"),
    ("p256", &["-t", "ecdsa"], "256"),
    ("p384", &["-t", "ecdsa", "-b", "384"], "384"),
    ("p521", &["-t", "ecdsa-sha2-nistp521"], "521"),
    ("rsa", &["-t", "rsa", "-b", "2048"], "2048"),
];

#[test]
fn each_kind_is_read_by_both() {
    let dir = TempDir::new().unwrap();
    for (name, args, bits) in KINDS {
        let path = generate(dir.path(), name, args);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        assert!(public.trim_end().ends_with(" a comment"));
        assert_eq!(good(&ours(dir.path(), &["-y", "-f", name], "")), public);
        let shown = good(&ours(dir.path(), &["-lv", "-f", name], ""));
        assert!(shown.starts_with(bits), "{shown}");
        let exported = good(&ours(dir.path(), &["-e", "-f", name], ""));
        fs::write(dir.path().join("exported"), &exported).unwrap();
        let imported = good(&ours(dir.path(), &["-i", "-f", "exported"], ""));
        assert!(public.starts_with(imported.trim_end()));
        if let Some(output) = theirs(dir.path(), &["-y", "-f", name]) {
            assert_eq!(
                good(&theirs(dir.path(), &["-e", "-f", name]).unwrap()),
                exported
            );
            assert_eq!(good(&output), public, "{name}");
            assert_eq!(
                good(&theirs(dir.path(), &["-lv", "-f", name]).unwrap()),
                shown
            );
        }
    }
}

#[test]
fn theirs_is_read_by_ours() {
    let dir = TempDir::new().unwrap();
    for (name, args, _) in KINDS {
        let all = [&["-q", "-N", "secret words", "-f", name, "-a", "4"], *args].concat();
        let Some(output) = theirs(dir.path(), &all) else {
            return;
        };
        good(&output);
        let public = fs::read_to_string(dir.path().join(name).with_extension("pub")).unwrap();
        let shown = good(&ours(
            dir.path(),
            &["-y", "-P", "secret words", "-f", name],
            "",
        ));
        assert_eq!(shown, public, "{name}");
        let md5 = ["-l", "-E", "md5", "-f", name];
        assert_eq!(
            good(&ours(dir.path(), &md5, "")),
            good(&theirs(dir.path(), &md5).unwrap())
        );
    }
}

#[test]
fn the_words_of_a_generation() {
    let dir = TempDir::new().unwrap();
    let output = ours(
        dir.path(),
        &["-t", "ed25519", "-N", "", "-C", "c", "-f", "k"],
        "",
    );
    let shown = good(&output);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "Generating public/private ed25519 key pair.");
    assert_eq!(lines[1], "Your identification has been saved in k");
    assert_eq!(lines[2], "Your public key has been saved in k.pub");
    assert_eq!(lines[3], "The key fingerprint is:");
    assert!(lines[4].starts_with("SHA256:") && lines[4].ends_with(" c"));
    assert_eq!(lines[5], "The key's randomart image is:");
    assert_eq!(lines[6], "+--[ED25519 256]--+");
    assert_eq!(lines.len(), 17);
}

#[test]
fn an_existing_file_is_replaced_on_yes_alone() {
    let dir = TempDir::new().unwrap();
    let path = generate(dir.path(), "k", &[]);
    let before = fs::read(&path).unwrap();
    let args = ["-N", "", "-f", "k"];
    for (answer, replaced) in [("", false), ("n\n", false), ("y\n", true)] {
        let output = ours(dir.path(), &args, answer);
        assert_eq!(
            output.status.code(),
            Some(i32::from(!replaced)),
            "{answer:?}"
        );
        assert!(text(&output.stdout).contains("k already exists.\nOverwrite (y/n)? "));
        assert_eq!(fs::read(&path).unwrap() != before, replaced);
    }
}

#[test]
fn passphrases_and_comments_change() {
    let dir = TempDir::new().unwrap();
    let d = dir.path();
    generate(d, "k", &[]);
    let public = fs::read_to_string(d.join("k.pub")).unwrap();
    let shown = good(&ours(
        d,
        &["-p", "-N", "first one", "-a", "1", "-f", "k"],
        "",
    ));
    assert_eq!(
        shown,
        "Key has comment 'a comment'\n\
         Your identification has been saved with the new passphrase.\n"
    );
    let wrong = ours(d, &["-y", "-P", "wrong", "-f", "k"], "");
    assert_eq!(wrong.status.code(), Some(255));
    assert_eq!(
        text(&wrong.stderr),
        "Load key \"k\": incorrect passphrase supplied to decrypt private key\r\n"
    );
    if let Some(output) = theirs(d, &["-y", "-P", "first one", "-f", "k"]) {
        assert_eq!(good(&output), public);
    }
    // OpenSSH's own format has no shortest passphrase.
    for (old, new) in [("first one", "abc"), ("abc", "first one")] {
        good(&ours(d, &["-p", "-P", old, "-N", new, "-f", "k"], ""));
    }
    let shown = good(&ours(
        d,
        &["-c", "-P", "first one", "-C", "new", "-f", "k", "-a", "1"],
        "",
    ));
    assert_eq!(shown, "Old comment: a comment\nComment 'new' applied\n");
    assert!(
        fs::read_to_string(d.join("k.pub"))
            .unwrap()
            .ends_with(" new\n")
    );
    good(&ours(
        d,
        &["-p", "-P", "first one", "-N", "", "-f", "k"],
        "",
    ));
    assert_eq!(
        good(&ours(d, &["-y", "-f", "k"], "")),
        public.replace("a comment", "new")
    );
}

#[test]
fn bad_input() {
    let dir = TempDir::new().unwrap();
    let d = dir.path();
    fs::write(d.join("junk"), "junk\n").unwrap();
    fs::set_permissions(d.join("junk"), fs::Permissions::from_mode(0o600)).unwrap();
    let path = generate(d, "open", &[]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for (args, code, message) in [
        (
            &["-y", "-f", "none"][..],
            255,
            "none: No such file or directory",
        ),
        (&["-l", "-f", "junk"], 255, "junk is not a public key file."),
        (
            &["-y", "-f", "junk"],
            255,
            "Load key \"junk\": error in libcrypto",
        ),
        (
            &["-y", "-f", "open"],
            255,
            "WARNING: UNPROTECTED PRIVATE KEY FILE!",
        ),
        (
            &["-y", "-f", "open"],
            255,
            "Load key \"open\": bad permissions",
        ),
        (
            &["-t", "ecdsa", "-b", "255", "-f", "x"],
            255,
            "Invalid ECDSA key length",
        ),
        (
            &["-t", "rsa", "-b", "512", "-f", "x"],
            255,
            "Invalid RSA key length: minimum is 1024",
        ),
        (&["-t", "dsa", "-f", "x"], 255, "unknown key type dsa"),
        (&["-?"], 1, "usage: ssh-keygen"),
        (&["-s", "ca"], 1, "Too few arguments."),
        (
            &["-p", "-N", "", "-Z", "foo", "-f", "x"],
            255,
            "Invalid OpenSSH-format cipher 'foo'",
        ),
        (
            &["-N", "", "-f", "no/such/dir/k"],
            1,
            "Saving key \"no/such/dir/k\" failed: No such",
        ),
    ] {
        let output = ours(d, args, "");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(
            text(&output.stderr).contains(message),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
    assert!(!d.join("x").exists());
}

#[test]
fn known_hosts_are_found_hashed_and_removed() {
    let dir = TempDir::new().unwrap();
    let d = dir.path();
    generate(d, "k", &[]);
    let public = fs::read_to_string(d.join("k.pub")).unwrap();
    let hosts = format!("# mine\nalpha,10.0.0.1 {public}[beta]:2222 {public}");
    fs::write(d.join("kh"), &hosts).unwrap();
    fs::set_permissions(d.join("kh"), fs::Permissions::from_mode(0o640)).unwrap();
    let shown = good(&ours(d, &["-F", "alpha", "-f", "kh"], ""));
    assert!(shown.starts_with("# Host alpha found: line 2 \nalpha,10.0.0.1 ssh-ed25519 "));
    assert_eq!(
        ours(d, &["-F", "gamma", "-f", "kh"], "").status.code(),
        Some(1)
    );
    let shown = good(&ours(d, &["-lF", "[beta]:2222", "-f", "kh"], ""));
    assert!(shown.contains("\n[beta]:2222 ED25519 SHA256:"), "{shown}");
    if let Some(output) = theirs(d, &["-lF", "[beta]:2222", "-f", "kh"]) {
        assert_eq!(good(&output), shown);
    }
    let shown = good(&ours(d, &["-H", "-f", "kh"], ""));
    assert_eq!(shown, "kh updated.\nOriginal contents retained as kh.old\n");
    assert_eq!(fs::read_to_string(d.join("kh.old")).unwrap(), hosts);
    for name in ["kh", "kh.old"] {
        let mode = fs::metadata(d.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }
    let hashed = fs::read_to_string(d.join("kh")).unwrap();
    assert!(hashed.starts_with("# mine\n|1|") && !hashed.contains("alpha"));
    if let Some(output) = theirs(d, &["-F", "10.0.0.1", "-f", "kh"]) {
        good(&output);
    }
    let shown = good(&ours(d, &["-R", "[beta]:2222", "-f", "kh"], ""));
    assert!(
        shown.starts_with("# Host [beta]:2222 found: line 4\nkh updated.\n"),
        "{shown}"
    );
    assert_eq!(
        ours(d, &["-F", "[beta]:2222", "-f", "kh"], "")
            .status
            .code(),
        Some(1)
    );
    good(&ours(d, &["-F", "alpha", "-f", "kh"], ""));
    let none = ours(d, &["-R", "nobody", "-f", "kh"], "");
    assert!(none.status.success());
    assert_eq!(text(&none.stderr), "Host nobody not found in kh\r\n");
    let missing = ours(d, &["-R", "x", "-f", "none"], "");
    assert_eq!(missing.status.code(), Some(255));
}

#[test]
fn askpass_is_asked() {
    let dir = TempDir::new().unwrap();
    let d = dir.path();
    generate(d, "k", &[]);
    good(&ours(
        d,
        &["-p", "-N", "the words", "-a", "1", "-f", "k"],
        "",
    ));
    let script = d.join("ask");
    fs::write(&script, "#!/bin/sh\necho \"$1\" >> asked\necho the words\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_carrick"))
        .args(["ssh-keygen", "-y", "-f", "k"])
        .current_dir(d)
        .env("SSH_ASKPASS", &script)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .output()
        .unwrap();
    assert_eq!(good(&output), fs::read_to_string(d.join("k.pub")).unwrap());
    assert_eq!(
        fs::read_to_string(d.join("asked")).unwrap(),
        "Enter passphrase for \"k\": \n"
    );
}
