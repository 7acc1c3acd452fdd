//! Key files of other programs' forms (tests/data/make.sh): OpenSSL's written
//! byte for byte where nothing in them is random, PuTTY's read and written.

use carrick_crypto::rng::Rng;
use carrick_keys::{
    FileForm, KeyFileError, KeyType, PrivateKey, PublicForm, PublicKey, PuttyVersion, WriteOptions,
    parse_public_file, public_of_private_file,
};
use carrick_wire::Secret;

const PASSPHRASE: &str = "correct horse";

macro_rules! data {
    ($($name:literal)*) => { [$(($name, &include_bytes!(concat!("data/", $name))[..])),*] };
}

/// Repeats itself.
struct Counter(u8);
impl Rng for Counter {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.0;
            self.0 = self.0.wrapping_add(77);
        }
    }
}

fn key(name: &str) -> PrivateKey {
    let all = data!("ed25519" "ecdsa256" "ecdsa384" "ecdsa521" "rsa2048");
    let file = all.iter().find(|(n, _)| *n == name).expect("a file").1;
    PrivateKey::parse_file(file, None).expect(name)
}

fn stem(name: &str) -> &str {
    name.split('.').next().expect("a stem")
}

fn write(key: &PrivateKey, form: FileForm, passphrase: &str) -> Secret {
    let options = WriteOptions {
        passphrase: Some(&Secret::from(passphrase)),
        rounds: 2,
        ..WriteOptions::default()
    };
    key.to_file(form, &options, &mut Counter(3))
        .expect("written")
}

fn text(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).expect("text")
}

#[test]
fn plain_pem_and_pkcs8_are_openssls_bytes() {
    for (name, file) in data!(
        "ecdsa256.PEM" "ecdsa384.PEM" "ecdsa521.PEM" "rsa2048.PEM"
        "ecdsa256.PKCS8" "ecdsa384.PKCS8" "ecdsa521.PKCS8" "rsa2048.PKCS8"
    ) {
        let form = if name.ends_with("PEM") {
            FileForm::Pem
        } else {
            FileForm::Pkcs8
        };
        let want = String::from_utf8_lossy(file);
        assert_eq!(text(&write(&key(stem(name)), form, "")), want, "{name}");
    }
    for (name, file) in data!(
        "ecdsa256.pub.pkcs8" "ecdsa384.pub.pkcs8" "ecdsa521.pub.pkcs8" "rsa2048.pub.pkcs8"
    ) {
        let public = key(stem(name)).public().to_pkcs8();
        assert_eq!(public.as_deref().map(str::as_bytes), Some(file), "{name}");
        let read = PublicKey::from_form(file, PublicForm::Pkcs8).expect(name);
        assert_eq!(read, *key(stem(name)).public());
    }
    let [(_, rsa)] = data!("rsa2048.pub.PEM");
    let public = key("rsa2048").public().to_pem();
    assert_eq!(public.as_deref().map(str::as_bytes), Some(rsa));
    assert_eq!(key("ed25519").public().to_pkcs8(), None);
    assert_eq!(key("ed25519").public().to_pem(), None);
}

#[test]
fn rfc4716_is_opensshs_bytes() {
    for (name, file) in data!(
        "ed25519.rfc4716" "ecdsa256.rfc4716" "ecdsa384.rfc4716" "ecdsa521.rfc4716"
        "rsa2048.rfc4716"
    ) {
        let (public, comment) = parse_public_file(file).expect(name);
        assert_eq!(public, *key(stem(name)).public());
        assert_eq!(public.to_rfc4716(&comment).as_bytes(), file, "{name}");
    }
}

#[test]
fn encrypted_pem_and_pkcs8_open_with_their_passphrase_only() {
    for name in ["ecdsa256", "ecdsa384", "ecdsa521", "rsa2048"] {
        let key = key(name);
        for form in [FileForm::Pem, FileForm::Pkcs8] {
            let file = write(&key, form, PASSPHRASE);
            let open = |passphrase: Option<&str>| {
                PrivateKey::parse_file(file.expose(), passphrase.map(Secret::from).as_ref())
                    .map(|k| k.public().clone())
            };
            assert_eq!(open(Some(PASSPHRASE)), Ok(key.public().clone()), "{name}");
            assert_eq!(open(None), Err(KeyFileError::NeedsPassphrase));
            assert_eq!(open(Some("wrong")), Err(KeyFileError::WrongPassphrase));
            let short = WriteOptions {
                passphrase: Some(&Secret::from("four")),
                ..WriteOptions::default()
            };
            assert_eq!(
                key.to_file(form, &short, &mut Counter(0)).err(),
                Some(KeyFileError::ShortPassphrase)
            );
        }
    }
    // OpenSSL's forms do not have it, or OpenSSH does not use them for it.
    let ed25519 = write(&key("ed25519"), FileForm::Pem, "abc");
    assert!(text(&ed25519).starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
}

#[test]
fn plain_putty_files_are_puttys_bytes() {
    for (name, file) in data!(
        "ed25519.ppk2" "ecdsa256.ppk2" "ecdsa384.ppk2" "ecdsa521.ppk2" "rsa2048.ppk2"
        "ed25519.ppk3" "ecdsa256.ppk3" "ecdsa384.ppk3" "ecdsa521.ppk3" "rsa2048.ppk3"
    ) {
        let key = key(stem(name));
        let read = PrivateKey::parse_file(file, None).expect(name);
        assert_eq!(read.public(), key.public(), "{name}");
        assert_eq!(read.comment(), key.comment(), "{name}");
        assert_eq!(public_of_private_file(file).as_ref(), Some(key.public()));
        let (public, comment) = parse_public_file(file).expect(name);
        assert_eq!((&public, &*comment), (key.public(), &*key.comment()));
        let version = if name.ends_with('2') {
            PuttyVersion::Two
        } else {
            PuttyVersion::Three
        };
        let written = write(&key, FileForm::Putty(version), "");
        assert_eq!(text(&written), String::from_utf8_lossy(file), "{name}");
    }
}

#[test]
fn encrypted_putty_files_open_with_their_passphrase_only() {
    for (name, file) in data!(
        "ed25519.ppk2.enc" "ecdsa256.ppk2.enc" "ecdsa384.ppk2.enc" "ecdsa521.ppk2.enc"
        "rsa2048.ppk2.enc" "ed25519.ppk3.enc" "ecdsa256.ppk3.enc" "ecdsa384.ppk3.enc"
        "ecdsa521.ppk3.enc" "rsa2048.ppk3.enc" "ed25519.ppk3.argon2i.enc"
        "ed25519.ppk3.argon2d.enc"
    ) {
        opens_alone(name, file);
        let key = key(stem(name));
        for version in [PuttyVersion::Two, PuttyVersion::Three] {
            let written = write(&key, FileForm::Putty(version), PASSPHRASE);
            opens_alone(name, written.expose());
        }
    }
}

fn opens_alone(name: &str, file: &[u8]) {
    let open = |passphrase: Option<&str>| {
        PrivateKey::parse_file(file, passphrase.map(Secret::from).as_ref())
            .map(|k| k.public().clone())
    };
    let public = key(stem(name)).public().clone();
    assert_eq!(public_of_private_file(file).as_ref(), Some(&public));
    assert_eq!(open(Some(PASSPHRASE)), Ok(public), "{name}");
    assert_eq!(open(None), Err(KeyFileError::NeedsPassphrase), "{name}");
    assert_eq!(open(Some("wrong")), Err(KeyFileError::WrongPassphrase));
}

#[test]
fn keys_that_putty_does_not_have_are_refused() {
    let key = PrivateKey::generate(KeyType::MlDsa44Ed25519, 0, &mut Counter(1)).expect("a key");
    let form = FileForm::Putty(PuttyVersion::Three);
    let refused = key.to_file(form, &WriteOptions::default(), &mut Counter(0));
    assert!(matches!(refused, Err(KeyFileError::Unsupported { .. })));
}

/// No change in a byte goes unnoticed where a MAC covers it, and none
/// anywhere makes the parser panic.
#[test]
fn damaged_putty_files() {
    let [(_, plain), (_, sealed)] = data!("ed25519.ppk3" "ed25519.ppk3.enc");
    for file in [plain, sealed] {
        let passphrase = Secret::from(PASSPHRASE);
        let whole = PrivateKey::parse_file(file, Some(&passphrase)).expect("whole");
        // But for the last newline.
        for end in 0..file.len() - 1 {
            let cut = file.get(..end).expect("shorter");
            assert!(
                PrivateKey::parse_file(cut, Some(&passphrase)).is_err(),
                "{end}"
            );
        }
        for at in 0..file.len() {
            let mut damaged = file.to_vec();
            *damaged.get_mut(at).expect("inside") ^= 2;
            if let Ok(key) = PrivateKey::parse_file(&damaged, Some(&passphrase)) {
                // A digit in another case, base64 that means the same.
                assert_eq!(key.public(), whole.public(), "{at}");
                assert_eq!(key.comment(), whole.comment(), "{at}");
            }
        }
    }
}

#[test]
fn damaged_pem_and_rfc4716() {
    for (name, file) in data!(
        "ecdsa256.PEM" "ecdsa256.PEM.enc" "ecdsa256.PKCS8" "ecdsa256.PKCS8.enc"
        "ecdsa256.rfc4716" "ecdsa256.pub.pkcs8" "rsa2048.pub.PEM"
    ) {
        let passphrase = Secret::from(PASSPHRASE);
        let look = |file: &[u8]| {
            let key = PrivateKey::parse_file(file, Some(&passphrase));
            (key.is_ok(), parse_public_file(file).is_ok())
        };
        assert_ne!(look(file), (false, false), "{name}");
        for end in 0..file.len() - 6 {
            assert_eq!(
                look(file.get(..end).expect("shorter")),
                (false, false),
                "{name} {end}"
            );
        }
        for at in 0..file.len() {
            let mut damaged = file.to_vec();
            *damaged.get_mut(at).expect("inside") ^= 4;
            let _ = look(&damaged);
        }
    }
}

/// A file may not name any price for opening it.
#[test]
fn costly_files_are_refused() {
    let [(_, sealed)] = data!("ed25519.ppk3.enc");
    let text = String::from_utf8(sealed.to_vec()).expect("text");
    for (from, to) in [
        ("Argon2-Memory: 64", "Argon2-Memory: 4294967295"),
        ("Argon2-Passes: 2", "Argon2-Passes: 4294967295"),
        ("Argon2-Parallelism: 2", "Argon2-Parallelism: 16777215"),
    ] {
        let dear = text.replace(from, to);
        assert_ne!(dear, text);
        let opened = PrivateKey::parse_file(dear.as_bytes(), Some(&Secret::from(PASSPHRASE)));
        assert!(
            matches!(opened, Err(KeyFileError::Unsupported { .. })),
            "{to}"
        );
    }
    let options = WriteOptions {
        passphrase: Some(&Secret::from(PASSPHRASE)),
        rounds: u32::MAX,
        ..WriteOptions::default()
    };
    for form in [FileForm::OpenSsh, FileForm::Putty(PuttyVersion::Three)] {
        let written = key("ed25519").to_file(form, &options, &mut Counter(0));
        assert!(matches!(written, Err(KeyFileError::Unsupported { .. })));
    }
}

#[test]
fn mldsa44_ed25519_keys_sign_and_survive_their_file() {
    let mut key = PrivateKey::generate(KeyType::MlDsa44Ed25519, 0, &mut Counter(1)).expect("a key");
    key.set_comment("both");
    for passphrase in ["", PASSPHRASE] {
        let file = write(&key, FileForm::OpenSsh, passphrase);
        let read = PrivateKey::parse_file(file.expose(), Some(&Secret::from(passphrase)));
        let read = read.expect("reads");
        assert_eq!(read.public(), key.public());
        assert_eq!(read.comment(), "both");
    }
    let name = "ssh-mldsa44-ed25519@openssh.com";
    assert_eq!(key.public().key_type(), name);
    assert_eq!(key.public().to_blob().len(), 4 + name.len() + 4 + 1312 + 32);
    assert_eq!(key.signature_algorithms(), [name]);
    let signature = key.sign(name, b"message").expect("signs");
    assert_eq!(signature.len(), 4 + name.len() + 4 + 2420 + 64);
    let public = key.public();
    assert_eq!(public.verify(b"message", &signature, None), Ok(name));
    assert!(public.verify(b"massage", &signature, None).is_err());
    for end in 0..signature.len() {
        let cut = signature.get(..end).expect("shorter");
        assert!(public.verify(b"message", cut, None).is_err());
    }
    assert!(
        public
            .verify(b"message", &[&signature[..], &[0]].concat(), None)
            .is_err()
    );
}
