//! Public key and certificate blobs, and the same as lines of text.
#![no_main]

use carrick_keys::{Fingerprint, FingerprintHash, PublicKey, randomart};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|blob: &[u8]| {
    // A signature blob that the fuzzer can shape too: the end of the input.
    let signature = &blob[blob.len() - blob.len() / 2..];
    if let Ok(key) = PublicKey::from_blob(blob) {
        // RSA numbers may come padded; what is written is always the same.
        let own = key.to_blob();
        assert!(own.len() <= blob.len());
        assert_eq!(PublicKey::from_blob(&own).as_ref(), Ok(&key));
        let line = key.to_line("a comment");
        assert_eq!(
            PublicKey::from_line(&line),
            Ok((key.clone(), "a comment".to_owned()))
        );
        let _ = (key.bits(), key.short_name(), key.signature_algorithms());
        let plain = key.plain().to_blob();
        assert_eq!(
            key.fingerprint(FingerprintHash::Sha256),
            Fingerprint::sha256(&plain)
        );
        assert!(randomart(&key, FingerprintHash::Sha256).lines().count() > 2);
        assert!(
            key.verify(b"message", signature, None).is_err(),
            "a signature out of noise"
        );
    }
    if let Ok(line) = core::str::from_utf8(blob) {
        if let Ok((key, comment)) = PublicKey::from_line(line) {
            assert_eq!(
                PublicKey::from_line(&key.to_line(&comment)).map(|k| k.0),
                Ok(key)
            );
        }
    }
});
