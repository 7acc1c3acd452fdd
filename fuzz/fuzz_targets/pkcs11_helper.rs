//! Messages between ssh-pkcs11-helper and its callers, as each side reads the
//! other's, and what tokens have their keys and signatures in.
#![no_main]

use carrick_keys::helper::pkcs11::{
    Answer, Request, Signing, certificate_key, ec_key, ecdsa_structure, rsa_key,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::parse(bytes) {
        let message = request.to_message();
        let again = Request::parse(&message[4..]).expect("our own");
        assert_eq!(again.to_message(), message);
    }
    if let Ok(answer) = Answer::parse(bytes) {
        let message = answer.to_message();
        assert_eq!(Answer::parse(&message[4..]), Ok(answer));
    }
    let split = bytes.len() / 2;
    let (first, second) = bytes.split_at(split);
    for key in [
        certificate_key(bytes),
        ec_key(first, second),
        rsa_key(first, second),
    ]
    .into_iter()
    .flatten()
    {
        let name = *key.signature_algorithms().first().expect("one at least");
        if let Some(signing) = Signing::new(&key, name, b"data") {
            // No signature is found by chance.
            assert!(signing.blob(bytes).is_err());
        }
    }
    let _ = ecdsa_structure(bytes);
});
