//! Key files made by ssh-keygen 9.2 and openssl (tests/data/make.sh): read,
//! written again, damaged.

use core::fmt::Write;

use carrick_crypto::rng::Rng;
use carrick_keys::{
    FingerprintHash, KeyFileError, PrivateKey, PublicKey, SignatureError, WriteOptions,
    parse_public_file, public_of_private_file, randomart,
};
use carrick_wire::{Reader, Secret};

const PASSPHRASE: &str = "correct horse";

macro_rules! data {
    ($($name:literal)*) => { [$(($name, &include_bytes!(concat!("data/", $name))[..])),*] };
}

fn file(name: &str) -> &'static [u8] {
    let all = data!(
        "ed25519" "ecdsa256" "ecdsa384" "ecdsa521" "rsa2048" "sk_ed25519" "sk_ecdsa"
        "ed25519.pub" "ecdsa256.pub" "ecdsa384.pub" "ecdsa521.pub" "rsa2048.pub"
        "sk_ed25519.pub" "sk_ecdsa.pub"
        "ed25519.fingerprint" "ecdsa256.fingerprint" "ecdsa384.fingerprint"
        "ecdsa521.fingerprint" "rsa2048.fingerprint" "sk_ed25519.fingerprint"
        "sk_ecdsa.fingerprint"
    );
    all.iter().find(|(n, _)| *n == name).expect("a file").1
}

fn public(name: &str) -> PublicKey {
    let line = core::str::from_utf8(file(&format!("{name}.pub"))).expect("text");
    PublicKey::from_line(line).expect("a key").0
}

fn secret(text: &str) -> Secret {
    Secret::from(text)
}

/// Gives out what it was made with, then zeros.
struct Fixed(Vec<u8>);
impl Rng for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = if self.0.is_empty() {
                0
            } else {
                self.0.remove(0)
            };
        }
    }
}

const OPENSSH: [&str; 7] = [
    "ed25519",
    "ecdsa256",
    "ecdsa384",
    "ecdsa521",
    "rsa2048",
    "sk_ed25519",
    "sk_ecdsa",
];

/// The binary inside a file's armor.
fn body(file: &[u8]) -> Vec<u8> {
    let text = core::str::from_utf8(file).expect("text");
    let inside: String = text.lines().filter(|l| !l.starts_with("-----")).collect();
    base64(&inside)
}

fn base64(text: &str) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    Base64::decode_vec(text).expect("base64")
}

fn armor(label: &str, body: &[u8]) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    let text = Base64::encode_string(body);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").into_bytes()
}

#[test]
fn openssh_files_are_read_and_written_byte_for_byte() {
    for name in OPENSSH {
        let key = PrivateKey::parse_file(file(name), None).expect(name);
        assert_eq!(*key.public(), public(name), "{name}");
        assert_eq!(public_of_private_file(file(name)), Some(public(name)));
        let comment = if name.starts_with("sk") {
            "sk test"
        } else {
            &format!("{name}@test key")
        };
        assert_eq!(key.comment(), comment);

        let body = body(file(name));
        let mut r = Reader::new(body.strip_prefix(b"openssh-key-v1\0").expect("magic"));
        for _ in 0..3 {
            r.string("header").expect("header");
        }
        r.u32("count").expect("count");
        r.string("public").expect("public");
        let check = r.string("private").expect("private")[..4].to_vec();
        let written = key
            .to_openssh(&WriteOptions::default(), &mut Fixed(check))
            .expect("file");
        assert_eq!(written.expose(), file(name), "{name}");
    }
}

#[test]
fn encrypted_files_open_with_their_passphrase_only() {
    for (name, file) in data!(
        "ed25519.enc" "ecdsa256.enc" "ecdsa384.enc" "ecdsa521.enc" "rsa2048.enc"
        "ed25519.aes128-ctr" "ed25519.aes192-ctr" "ed25519.aes128-cbc" "ed25519.aes192-cbc"
        "ed25519.aes256-cbc" "ed25519.3des-cbc" "ed25519.aes128-gcm@openssh.com"
        "ed25519.aes256-gcm@openssh.com" "ed25519.chacha20-poly1305@openssh.com"
        "ecdsa256.PEM.enc" "ecdsa384.PEM.enc" "ecdsa521.PEM.enc" "rsa2048.PEM.enc"
        "rsa2048.PEM.aes192.enc" "rsa2048.PEM.aes256.enc" "rsa2048.PEM.des3.enc"
        "ecdsa256.PKCS8.enc" "ecdsa384.PKCS8.enc" "ecdsa521.PKCS8.enc" "rsa2048.PKCS8.enc"
        "ecdsa256.PKCS8.3des.enc"
    ) {
        let stem = name.split('.').next().expect("stem");
        let open = |passphrase: Option<&str>| {
            PrivateKey::parse_file(file, passphrase.map(secret).as_ref())
                .map(|k| k.public().clone())
        };
        assert_eq!(open(Some(PASSPHRASE)), Ok(public(stem)), "{name}");
        assert_eq!(open(None), Err(KeyFileError::NeedsPassphrase), "{name}");
        assert_eq!(open(Some("")), Err(KeyFileError::NeedsPassphrase), "{name}");
        assert_eq!(
            open(Some("wrong horse")),
            Err(KeyFileError::WrongPassphrase),
            "{name}"
        );
    }
}

#[test]
fn pem_and_pkcs8_are_read() {
    for (name, file) in data!(
        "ecdsa256.PEM" "ecdsa384.PEM" "ecdsa521.PEM" "rsa2048.PEM"
        "ecdsa256.PKCS8" "ecdsa384.PKCS8" "ecdsa521.PKCS8" "rsa2048.PKCS8"
    ) {
        let stem = name.split('.').next().expect("stem");
        let key = PrivateKey::parse_file(file, None).expect(name);
        assert_eq!(*key.public(), public(stem), "{name}");
        assert_eq!(public_of_private_file(file), None);
        let windows = String::from_utf8_lossy(file).replace('\n', "\r\n");
        assert!(PrivateKey::parse_file(windows.as_bytes(), None).is_ok());
    }
    let [(_, parameters_first)] = data!("ecparam.PEM");
    assert!(PrivateKey::parse_file(parameters_first, None).is_ok());
}

#[test]
fn ed25519_in_pkcs8() {
    let [(_, plain), (_, sealed), (_, public)] =
        data!("ed25519.PKCS8" "ed25519.PKCS8.enc" "ed25519.PKCS8.pub");
    let key = PrivateKey::parse_file(plain, None).expect("plain");
    let opened = PrivateKey::parse_file(sealed, Some(&secret(PASSPHRASE))).expect("encrypted");
    assert_eq!(key.public(), opened.public());
    assert_eq!(parse_public_file(public).expect("public").0, *key.public());
}

#[test]
fn public_files_of_every_form() {
    for (name, file) in data!(
        "ed25519.pub" "ecdsa256.pub" "ecdsa384.pub" "ecdsa521.pub" "rsa2048.pub"
        "ed25519.rfc4716" "ecdsa256.rfc4716" "ecdsa384.rfc4716" "ecdsa521.rfc4716"
        "rsa2048.rfc4716" "ecdsa256.pub.pkcs8" "ecdsa384.pub.pkcs8" "ecdsa521.pub.pkcs8"
        "rsa2048.pub.pkcs8" "rsa2048.pub.PEM"
    ) {
        let stem = name.split('.').next().expect("stem");
        let (key, comment) = parse_public_file(file).expect(name);
        assert_eq!(key, public(stem), "{name}");
        if name.ends_with(&format!("{stem}.pub")) {
            assert_eq!(format!("{}\n", key.to_line(&comment)).as_bytes(), file);
        }
        if name.ends_with("rfc4716") {
            assert!(comment.contains("converted by"), "{comment}");
        }
        for end in 0..file.len() {
            let _ = parse_public_file(&file[..end]);
        }
    }
    assert_eq!(parse_public_file(b"").err(), Some(KeyFileError::NotAKey));
    assert_eq!(
        parse_public_file(b"# nothing\n").err(),
        Some(KeyFileError::NotAKey)
    );
}

#[test]
fn fingerprints_and_pictures_are_those_of_ssh_keygen() {
    for name in OPENSSH {
        let key = public(name);
        let comment = if name.starts_with("sk") {
            "sk test"
        } else {
            &format!("{name}@test key")
        };
        let mut want = String::new();
        for hash in [FingerprintHash::Sha256, FingerprintHash::Md5] {
            let (bits, kind) = (key.bits(), key.short_name());
            let (print, art) = (key.fingerprint(hash), randomart(&key, hash));
            writeln!(want, "{bits} {print} {comment} ({kind})\n{art}").expect("text");
        }
        let listed = file(&format!("{name}.fingerprint"));
        assert_eq!(want, String::from_utf8_lossy(listed), "{name}");
    }
}

#[test]
fn certificates_are_read_whole() {
    for (name, line) in data!("ecdsa256-cert.pub" "ed25519-cert.pub" "rsa2048-cert.pub") {
        let line = core::str::from_utf8(line).expect("text");
        let (key, comment) = PublicKey::from_line(line).expect(name);
        assert_eq!(format!("{}\n", key.to_line(&comment)), line);
        let PublicKey::Certificate(cert) = &key else {
            panic!("{name}")
        };
        let stem = name.split('-').next().expect("stem");
        assert_eq!(*key.plain(), public(stem));
        let signed = cert
            .authority
            .verify(cert.signed_part(), &cert.signature, None);
        assert!(signed.is_ok(), "{name}: {signed:?}");
        assert_eq!(cert.check_signature(), Ok(()));
        // The authority's signature is not one by the key in it.
        assert!(
            key.verify(cert.signed_part(), &cert.signature, None)
                .is_err()
        );
        let blob = key.to_blob();
        for end in 0..blob.len() {
            assert!(PublicKey::from_blob(&blob[..end]).is_err());
        }
        match stem {
            "ecdsa256" => {
                assert_eq!((cert.serial, cert.key_id.as_str()), (7, "user id"));
                assert_eq!(cert.principals, ["ann", "bob"]);
                let names: Vec<_> = cert.critical_options.iter().map(|(n, _)| n).collect();
                assert_eq!(names, ["force-command", "source-address"]);
                assert_eq!(cert.extensions.len(), 5);
            }
            "ed25519" => assert_eq!(cert.kind, carrick_keys::CertKind::Host),
            _ => assert_eq!((cert.valid_after, cert.valid_before), (0, u64::MAX)),
        }
    }
}

/// What `ssh-keygen -Y sign -n file` signs for the message "hello\n", and
/// the signature blob in its output.
fn sshsig(armored: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let body = body(armored);
    let mut r = Reader::new(body.strip_prefix(b"SSHSIG").expect("magic"));
    r.u32("version").expect("version");
    for _ in 0..3 {
        r.string("key, namespace, reserved").expect("field");
    }
    assert_eq!(r.text("hash"), Ok("sha512"));
    let signature = r.string("signature").expect("signature").to_vec();
    let hash = carrick_crypto::hash::HashAlg::Sha512.digest(&[b"hello\n"]);
    let signed = [
        &b"SSHSIG\0\0\0\x04file\0\0\0\0\0\0\0\x06sha512\0\0\0\x40"[..],
        &hash,
    ]
    .concat();
    (signed, signature)
}

#[test]
fn security_keys_verify_with_flags_and_counter() {
    for (name, armored) in data!("sk_ed25519.sshsig" "sk_ecdsa.sshsig") {
        let key = public(name.split('.').next().expect("stem"));
        let (signed, signature) = sshsig(armored);
        let good = key
            .verify_with_details(&signed, &signature, None)
            .expect(name);
        let sk = good.sk.expect("details");
        assert_eq!((sk.user_present(), sk.counter), (true, 0x1234_5678));
        assert_eq!(key.verify(&signed, &signature, None), Ok(key.key_type()));
        assert_eq!(
            key.verify(b"other", &signature, None),
            Err(SignatureError::Bad)
        );
        for at in 0..signature.len() {
            let mut bad = signature.clone();
            bad[at] ^= 1;
            assert!(
                key.verify_with_details(&signed, &bad, None).is_err(),
                "{name} {at}"
            );
            assert!(
                key.verify_with_details(&signed, &signature[..at], None)
                    .is_err()
            );
        }
    }
    let key = PrivateKey::parse_file(file("sk_ed25519"), None).expect("key");
    assert!(key.sign("sk-ssh-ed25519@openssh.com", b"").is_err());
    assert_eq!(key.security_key().map(|sk| sk.flags), Some(1));
}

#[test]
fn damaged_plain_files_fail_or_give_the_same_key() {
    for name in OPENSSH {
        let whole = body(file(name));
        for at in 0..whole.len() {
            let cut = armor("OPENSSH PRIVATE KEY", &whole[..at]);
            assert!(
                PrivateKey::parse_file(&cut, None).is_err(),
                "{name} cut at {at}"
            );
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            let flipped = armor("OPENSSH PRIVATE KEY", &flipped);
            if let Ok(key) = PrivateKey::parse_file(&flipped, None) {
                assert_eq!(*key.public(), public(name), "{name} flipped at {at}");
            }
        }
        for end in 0..file(name).len() - 1 {
            assert!(PrivateKey::parse_file(&file(name)[..end], None).is_err());
        }
    }
}

#[test]
fn damaged_pem_fails_or_gives_the_same_key() {
    for (name, file, label) in [
        (
            "ecdsa256.PEM",
            &include_bytes!("data/ecdsa256.PEM")[..],
            "EC PRIVATE KEY",
        ),
        (
            "ecdsa384.PKCS8",
            include_bytes!("data/ecdsa384.PKCS8"),
            "PRIVATE KEY",
        ),
        (
            "rsa2048.PEM",
            include_bytes!("data/rsa2048.PEM"),
            "RSA PRIVATE KEY",
        ),
        (
            "rsa2048.PKCS8.enc",
            include_bytes!("data/rsa2048.PKCS8.enc"),
            "ENCRYPTED PRIVATE KEY",
        ),
    ] {
        let whole = body(file);
        for at in 0..whole.len() {
            let cut = armor(label, &whole[..at]);
            assert!(
                PrivateKey::parse_file(&cut, None).is_err(),
                "{name} cut at {at}"
            );
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            let _ = PrivateKey::parse_file(&armor(label, &flipped), None);
        }
    }
}

/// With the passphrase, only the encrypted part is damaged: elsewhere a flip
/// may ask for four thousand million rounds, which is the file's right.
#[test]
fn damaged_encrypted_files_fail_or_give_the_same_key() {
    for (name, file) in data!(
        "ed25519.enc" "ed25519.aes256-cbc" "ed25519.aes128-gcm@openssh.com"
        "ed25519.chacha20-poly1305@openssh.com"
    ) {
        let whole = body(file);
        for at in (whole.len() - 100..whole.len()).step_by(9) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            let flipped = armor("OPENSSH PRIVATE KEY", &flipped);
            let key = PrivateKey::parse_file(&flipped, Some(&secret(PASSPHRASE)));
            if let Ok(key) = key {
                assert!(
                    !name.contains("openssh.com"),
                    "{name}: the tag must catch it"
                );
                assert_eq!(*key.public(), public("ed25519"));
            }
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x01;
            assert!(PrivateKey::parse_file(&armor("OPENSSH PRIVATE KEY", &flipped), None).is_err());
        }
    }
}

#[test]
fn other_files_are_not_keys() {
    for junk in [
        &b""[..],
        b"\xff\xfe\x00",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
        file("rsa2048.pub"),
    ] {
        assert_eq!(
            PrivateKey::parse_file(junk, None).err(),
            Some(KeyFileError::NotAKey)
        );
    }
    let dsa = b"-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n";
    let error = PrivateKey::parse_file(dsa, None).expect_err("dsa");
    assert_eq!(error.to_string(), "a dsa key is not supported");
}

#[test]
fn known_hosts_hashed_by_ssh_keygen() {
    use carrick_keys::known_hosts::{KnownHosts, Lookup, host_name, remove};
    for (name, text) in data!("known_hosts" "known_hosts.hashed") {
        let hosts = KnownHosts::parse(text, name);
        for (host, port, key) in [
            ("HOST.example.com", 22, "ed25519"),
            ("host.example.com", 2222, "rsa2048"),
            ("10.0.0.1", 22, "rsa2048"),
        ] {
            let found = hosts.for_host(&host_name(host, port));
            assert!(
                matches!(found.lookup(&public(key)), Lookup::Match(_)),
                "{name} {host}"
            );
            let other = found.lookup(&public("ecdsa256"));
            assert!(matches!(other, Lookup::Changed { .. }));
        }
        let unknown = hosts.for_host("host.example.co");
        assert_eq!(unknown.lookup(&public("ed25519")), Lookup::Unknown);
        let left = remove(text, "host.example.com").text;
        assert_eq!(
            left,
            text[text.iter().position(|b| *b == b'\n').expect("line") + 1..]
        );
    }
}
