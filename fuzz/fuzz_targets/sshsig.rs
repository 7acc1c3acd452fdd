//! Signatures over files, armored and bare.
#![no_main]

use carrick_keys::sshsig::SshSig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Bare, so that the fuzzer need not learn base64.
    if let Ok(signature) = SshSig::from_blob(input) {
        let own = signature.to_blob();
        assert_eq!(SshSig::from_blob(&own).as_ref(), Ok(&signature));
        let text = signature.to_armored();
        assert_eq!(SshSig::dearmor(text.as_bytes()), Ok(own));
        let digest = signature.hash().algorithm().digest(&[b"hello\n"]);
        // The seeds sign this for this.
        let good = signature.verify("file", &digest);
        let _ = good.map(|signer| assert_eq!(signer.key(), signature.claimed_key()));
        assert!(signature.verify("another", &digest).is_err());
    }
    if let Ok(blob) = SshSig::dearmor(input) {
        assert!(blob.len() < input.len());
    }
});
