//! Keys in RFC 4716's form, in PEM and PKCS#8, and ssh.com's private keys:
//! what is read is written in every form that has it and read again.
#![no_main]

use carrick_fuzz::Counter;
use carrick_keys::{
    FileForm, PrivateKey, PublicForm, PublicKey, WriteOptions, parse_public_file, parse_ssh_com,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    for form in [PublicForm::Rfc4716, PublicForm::Pkcs8, PublicForm::Pem] {
        if let Ok(key) = PublicKey::from_form(input, form) {
            public(&key);
        }
    }
    if let Some(Ok(key)) = parse_ssh_com(input) {
        private(&key);
    }
    if let Ok(key) = PrivateKey::parse_file(input, None) {
        private(&key);
    }
});

fn public(key: &PublicKey) {
    let text = key.to_rfc4716("a comment");
    let read = parse_public_file(text.as_bytes()).unwrap();
    assert_eq!(read, (key.clone(), "a comment".to_owned()));
    for text in [key.to_pkcs8(), key.to_pem()].into_iter().flatten() {
        assert_eq!(&parse_public_file(text.as_bytes()).unwrap().0, key.plain());
    }
}

fn private(key: &PrivateKey) {
    public(key.public());
    for form in [FileForm::Pem, FileForm::Pkcs8, FileForm::OpenSsh] {
        let options = WriteOptions::default();
        let written = key
            .to_file(form, &options, &mut Counter::default())
            .unwrap();
        let again = PrivateKey::parse_file(written.expose(), None).unwrap();
        assert_eq!(again.public(), key.public());
    }
}
