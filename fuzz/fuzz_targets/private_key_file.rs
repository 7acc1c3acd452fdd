//! Private key files of every form. Input that begins with OpenSSH's magic is
//! the inside of such a file, so that the fuzzer need not learn base64.
#![no_main]

use base64ct::{Base64, Encoding};
use carrick_fuzz::Counter;
use carrick_keys::{PrivateKey, WriteOptions, parse_public_file, public_of_private_file};
use carrick_wire::{Reader, Secret};
use libfuzzer_sys::fuzz_target;

const MAGIC: &[u8] = b"openssh-key-v1\0";

fuzz_target!(|input: &[u8]| {
    if let Some(body) = input.strip_prefix(MAGIC) {
        let text = Base64::encode_string(input);
        let file = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n"
        );
        check(
            file.as_bytes(),
            kdf_rounds(body).is_some_and(|rounds| rounds <= 2),
        );
    } else {
        // Rounds may be any number in these; a passphrase would only cost time.
        let slow = [
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "PuTTY-User-Key-File-3",
        ];
        check(
            input,
            !slow.iter().any(|label| contains(input, label.as_bytes())),
        );
    }
});

fn check(file: &[u8], quick: bool) {
    let _ = (public_of_private_file(file), parse_public_file(file));
    let passphrase = Secret::from("passphrase");
    let key = PrivateKey::parse_file(file, quick.then_some(&passphrase));
    let Ok(key) = key else { return };
    // What was read can be written, and is the same key when read again.
    let written = key
        .to_openssh(&WriteOptions::default(), &mut Counter::default())
        .unwrap();
    let again = PrivateKey::parse_file(written.expose(), None).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(again.comment_bytes(), key.comment_bytes());
    // A key file that was accepted holds a pair: what it signs, it verifies.
    for algorithm in key.signature_algorithms() {
        if let Ok(signature) = key.sign(algorithm, b"message") {
            key.public()
                .plain()
                .verify(b"message", &signature, None)
                .unwrap();
        }
    }
}

/// The work factor that OpenSSH's format asks for.
fn kdf_rounds(body: &[u8]) -> Option<u32> {
    let mut r = Reader::new(body);
    r.string("cipher").ok()?;
    r.string("kdf").ok()?;
    let mut options = r.sub("options").ok()?;
    options.string("salt").ok()?;
    options.u32("rounds").ok()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
