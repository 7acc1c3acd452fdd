//! PuTTY's key files. What is read is written again in both versions, and is
//! the same key when read once more.
#![no_main]

use carrick_fuzz::Counter;
use carrick_keys::{
    FileForm, PrivateKey, PuttyVersion, WriteOptions, parse_public_file, public_of_private_file,
};
use carrick_wire::Secret;
use libfuzzer_sys::fuzz_target;

const START: &[u8] = b"PuTTY-User-Key-File-";

fuzz_target!(|input: &[u8]| {
    let file = [START, input].concat();
    let public = public_of_private_file(&file);
    assert_eq!(public, parse_public_file(&file).ok().map(|(key, _)| key));
    let passphrase = Secret::from("passphrase");
    let key = PrivateKey::parse_file(&file, cheap(&file).then_some(&passphrase));
    let Ok(key) = key else { return };
    assert_eq!(public.as_ref(), Some(key.public()));
    for version in [PuttyVersion::Two, PuttyVersion::Three] {
        let form = FileForm::Putty(version);
        let options = WriteOptions::default();
        let written = key
            .to_file(form, &options, &mut Counter::default())
            .unwrap();
        let again = PrivateKey::parse_file(written.expose(), None).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(again.comment_bytes().len(), key.comment_bytes().len());
    }
});

/// Whether the key derivation costs nothing that a fuzzer would feel.
fn cheap(file: &[u8]) -> bool {
    let text = String::from_utf8_lossy(file);
    ["Argon2-Memory: ", "Argon2-Passes: "].iter().all(|name| {
        text.lines()
            .filter_map(|line| line.strip_prefix(name))
            .all(|value| value.parse::<u32>().is_ok_and(|n| n <= 64))
    })
}
