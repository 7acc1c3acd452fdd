use carrick_crypto::rng::SystemRng;

use super::*;
use crate::Curve;

fn key(kind: KeyType) -> PrivateKey {
    PrivateKey::generate(kind, 2048, &mut SystemRng).expect("a key")
}

fn digest(hash: SigHash, message: &[u8]) -> Vec<u8> {
    hash.algorithm().digest(&[message])
}

#[test]
fn signed_and_verified() {
    for kind in [
        KeyType::Ed25519,
        KeyType::Ecdsa(Curve::P256),
        KeyType::Ecdsa(Curve::P521),
        KeyType::Rsa,
    ] {
        let key = key(kind);
        for hash in [SigHash::Sha256, SigHash::Sha512] {
            let message = digest(hash, b"hello");
            let made = SshSig::sign(&key, "file", hash, &message).expect("signed");
            let text = made.to_armored();
            assert!(text.lines().all(|line| line.len() <= 70));
            let blob = SshSig::dearmor(text.as_bytes()).expect("armored");
            let read = SshSig::from_blob(&blob).expect("sound");
            assert_eq!((&read, read.hash()), (&made, hash));
            let signer = read.verify("file", &message).expect("good");
            assert_eq!((signer.key(), signer.namespace()), (key.public(), "file"));
            assert_eq!(read.verify("git", &message), Err(SshSigFault::Namespace));
            assert_eq!(
                read.verify("file", &digest(hash, b"hallo")),
                Err(SshSigFault::Signature(SignatureError::Bad))
            );
            assert_eq!(read.verify("file", b"short"), Err(SshSigFault::Digest));
        }
    }
}

#[test]
fn rsa_with_sha1_does_not_count() {
    let key = key(KeyType::Rsa);
    let message = digest(SigHash::Sha512, b"hello");
    let unsigned = UnsignedSig::new(key.public(), "file", SigHash::Sha512, &message);
    let signature = key.sign("ssh-rsa", unsigned.to_sign()).expect("signed");
    let made = unsigned.complete(signature).expect("it is the key's");
    assert!(matches!(
        made.verify("file", &message),
        Err(SshSigFault::RsaAlgorithm { .. })
    ));
}

#[test]
fn an_agents_rubbish_is_no_signature() {
    let (mine, other) = (key(KeyType::Ed25519), key(KeyType::Ed25519));
    let message = digest(SigHash::Sha512, b"hello");
    let unsigned = || UnsignedSig::new(mine.public(), "file", SigHash::Sha512, &message);
    let signature = other
        .sign("ssh-ed25519", unsigned().to_sign())
        .expect("signed");
    assert!(unsigned().complete(signature).is_err());
    assert!(unsigned().complete(Vec::new()).is_err());
}

#[test]
fn armor_that_is_none() {
    let body = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n";
    assert_eq!(SshSig::dearmor(body.as_bytes()), Ok(b"SSH".to_vec()));
    let dos = body.replace('\n', "\r\n");
    assert_eq!(SshSig::dearmor(dos.as_bytes()), Ok(b"SSH".to_vec()));
    let more = format!("{body}and more");
    assert!(SshSig::dearmor(more.as_bytes()).is_ok());
    for (text, error) in [
        (String::new(), ArmorError::NoHeader),
        (format!(" {body}"), ArmorError::NoHeader),
        (body.replacen('\n', " \n", 1), ArmorError::NoHeaderEnd),
        (body.replace("END", "AND"), ArmorError::NoFooter),
        (body.replace("U1NI", "U1N"), ArmorError::NotBase64),
    ] {
        assert_eq!(SshSig::dearmor(text.as_bytes()), Err(error), "{text}");
    }
}

#[test]
fn blobs_that_are_none() {
    assert_eq!(SshSig::from_blob(b"SSHSIK"), Err(SshSigError::Magic));
    assert_eq!(
        SshSig::from_blob(b"SSHSIG\0\0\0\x02"),
        Err(SshSigError::Version(2))
    );
    let key = key(KeyType::Ed25519);
    let message = digest(SigHash::Sha512, b"");
    let made = SshSig::sign(&key, "n", SigHash::Sha512, &message).expect("signed");
    let mut blob = made.to_blob();
    blob.push(0);
    let error = SshSig::from_blob(&blob).expect_err("too long");
    assert_eq!(error.to_string(), "Signature contains trailing data");
}

#[test]
fn truncated_and_flipped() {
    let key = key(KeyType::Ed25519);
    let message = digest(SigHash::Sha256, b"hello");
    let made = SshSig::sign(&key, "file", SigHash::Sha256, &message).expect("signed");
    let blob = made.to_blob();
    for at in 0..blob.len() {
        assert!(SshSig::from_blob(&blob[..at]).is_err());
        let mut flipped = blob.clone();
        flipped[at] ^= 0x41;
        if let Ok(read) = SshSig::from_blob(&flipped) {
            assert!(read.verify("file", &message).is_err(), "byte {at}");
        }
    }
}
