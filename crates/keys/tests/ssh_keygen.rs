//! Files and signatures handed to the installed ssh-keygen and back. Without
//! one these tests do nothing.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "they run a program"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use carrick_crypto::hash::HashAlg;
use carrick_crypto::rng::SystemRng;
use carrick_keys::{Curve, FingerprintHash, KeyType, PrivateKey, PublicKey, WriteOptions};
use carrick_wire::{Secret, Writer};

const KINDS: [KeyType; 5] = [
    KeyType::Ed25519,
    KeyType::Ecdsa(Curve::P256),
    KeyType::Ecdsa(Curve::P384),
    KeyType::Ecdsa(Curve::P521),
    KeyType::Rsa,
];

fn ssh_keygen() -> Option<Command> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join("ssh-keygen"))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("no ssh-keygen here: skipped");
    }
    found.map(Command::new)
}

fn run(args: &[&str], stdin: &Path) -> Option<String> {
    let input = std::fs::File::open(stdin).expect("input");
    let out = ssh_keygen()?
        .args(args)
        .stdin(Stdio::from(input))
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "ssh-keygen {args:?}: {errors}");
    Some(String::from_utf8(out.stdout).expect("text"))
}

/// Writes a file that only its owner may read, as ssh-keygen insists.
fn write(path: &Path, contents: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, contents).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("mode");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("path")
}

#[test]
fn it_reads_what_we_write() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("key");
    for kind in KINDS {
        let mut key = PrivateKey::generate(kind, 2048, &mut SystemRng).expect("a key");
        key.set_comment("made here");
        let passphrase = Secret::from("pass phrase");
        let ciphers = [
            None,
            Some("aes256-ctr"),
            Some("aes128-cbc"),
            Some("3des-cbc"),
            Some("aes256-gcm@openssh.com"),
            Some("chacha20-poly1305@openssh.com"),
        ];
        for cipher in ciphers {
            let mut options = WriteOptions {
                rounds: 2,
                ..WriteOptions::default()
            };
            if let Some(cipher) = cipher {
                options.passphrase = Some(&passphrase);
                options.cipher = cipher;
            }
            let file = key.to_openssh(&options, &mut SystemRng).expect("file");
            write(&path, file.expose());
            let given = if cipher.is_some() { "pass phrase" } else { "" };
            let Some(out) = run(&["-y", "-P", given, "-f", text(&path)], &path) else {
                return;
            };
            assert_eq!(
                out,
                format!("{}\n", key.public().to_line("made here")),
                "{cipher:?}"
            );
            let again = PrivateKey::parse_file(file.expose(), options.passphrase).expect("again");
            assert_eq!(again.public(), key.public());
        }
        let out = run(&["-l", "-f", text(&path)], &path).expect("it ran before");
        let print = key.public().fingerprint(FingerprintHash::Sha256);
        assert!(out.contains(&print.to_string()), "{out}");
    }
}

#[test]
fn we_read_what_it_writes() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("key");
    let null = Path::new("/dev/null");
    let kinds = [
        ("ed25519", "256"),
        ("ecdsa", "256"),
        ("ecdsa", "521"),
        ("rsa", "1024"),
    ];
    for (kind, bits) in kinds {
        for (form, pass) in [
            ("RFC4716", ""),
            ("RFC4716", "secret"),
            ("PEM", "secret"),
            ("PKCS8", "secret"),
        ] {
            if kind == "ed25519" && form != "RFC4716" {
                continue;
            }
            let _ = std::fs::remove_file(&path);
            let args = [
                "-q", "-t", kind, "-b", bits, "-m", form, "-N", pass, "-a", "2", "-f",
            ];
            let args: Vec<&str> = args.into_iter().chain([text(&path)]).collect();
            if run(&args, null).is_none() {
                return;
            }
            let file = std::fs::read(&path).expect("file");
            let line = std::fs::read_to_string(path.with_extension("pub")).expect("public");
            let key = PrivateKey::parse_file(&file, Some(&Secret::from(pass))).expect(form);
            assert_eq!(*key.public(), PublicKey::from_line(&line).expect("line").0);
        }
    }
}

/// The bytes that an SSHSIG signature covers, for the namespace "file".
fn signed_part(message: &[u8]) -> Vec<u8> {
    let mut out = b"SSHSIG".to_vec();
    let mut w = Writer::new(&mut out);
    w.text("file");
    w.text("");
    w.text("sha512");
    w.string(&HashAlg::Sha512.digest(&[message]));
    out
}

fn sshsig(key: &PublicKey, signature: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    let mut out = b"SSHSIG".to_vec();
    let mut w = Writer::new(&mut out);
    w.u32(1);
    w.string(&key.to_blob());
    w.text("file");
    w.text("");
    w.text("sha512");
    w.string(signature);
    let body = Base64::encode_string(&out);
    format!("-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n")
}

#[test]
fn it_accepts_our_signatures() {
    let dir = tempfile::tempdir().expect("folder");
    let (message, signature) = (dir.path().join("message"), dir.path().join("signature"));
    std::fs::write(&message, b"hello").expect("written");
    for kind in KINDS {
        let key = PrivateKey::generate(kind, 2048, &mut SystemRng).expect("a key");
        for algorithm in key.signature_algorithms() {
            let blob = key
                .sign(algorithm, &signed_part(b"hello"))
                .expect("signature");
            assert_eq!(
                key.public().verify(&signed_part(b"hello"), &blob, None),
                Ok(algorithm)
            );
            if algorithm == "ssh-rsa" {
                continue; // SSHSIG does not take SHA-1.
            }
            std::fs::write(&signature, sshsig(key.public(), &blob)).expect("written");
            let args = [
                "-Y",
                "check-novalidate",
                "-n",
                "file",
                "-s",
                text(&signature),
            ];
            let Some(out) = run(&args, &message) else {
                return;
            };
            assert!(out.starts_with("Good \"file\" signature"), "{out}");
        }
    }
}

#[test]
fn it_finds_hosts_that_we_hashed() {
    use carrick_keys::known_hosts::{host_name, new_entry};
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("known_hosts");
    let key = PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).expect("a key");
    let name = host_name("Example.org", 2222);
    let entry = new_entry(
        b"",
        &name,
        Some("10.0.0.1"),
        key.public(),
        Some(&mut SystemRng),
    );
    write(&path, &entry.expect("entry"));
    for host in [name.as_str(), "10.0.0.1"] {
        let Some(out) = run(&["-F", host, "-f", text(&path)], &path) else {
            return;
        };
        assert!(out.contains(&key.public().to_line("")), "{out}");
    }
}
