//! Signatures: agreement of algorithm and key, lists, damage.

use carrick_crypto::rng::SystemRng;
use carrick_keys::{Curve, KeyType, PrivateKey, PublicKey, SignError, SignatureError};
use carrick_wire::Writer;

fn key(kind: KeyType) -> PrivateKey {
    PrivateKey::generate(kind, 2048, &mut SystemRng).expect("a key")
}

#[test]
fn every_kind_signs_and_verifies_and_damage_shows() {
    for kind in [
        KeyType::Ed25519,
        KeyType::Ecdsa(Curve::P256),
        KeyType::Ecdsa(Curve::P384),
        KeyType::Ecdsa(Curve::P521),
        KeyType::Rsa,
    ] {
        let key = key(kind);
        let other = self::key(kind);
        for algorithm in key.signature_algorithms() {
            let blob = key.sign(algorithm, b"message").expect("signature");
            let public = key.public();
            assert_eq!(public.verify(b"message", &blob, None), Ok(algorithm));
            assert_eq!(
                public.verify(b"message", &blob, Some(&[algorithm])),
                Ok(algorithm)
            );
            assert_eq!(
                public.verify(b"message", &blob, Some(&["rsa-sha2-257"])),
                Err(SignatureError::NotAllowed { name: algorithm })
            );
            assert_eq!(
                public.verify(b"massage", &blob, None),
                Err(SignatureError::Bad)
            );
            assert!(other.public().verify(b"message", &blob, None).is_err());
            for at in 0..blob.len() {
                let mut bad = blob.clone();
                bad[at] ^= 1 << (at % 8);
                assert!(
                    public.verify(b"message", &bad, None).is_err(),
                    "{algorithm} {at}"
                );
                assert!(public.verify(b"message", &blob[..at], None).is_err());
            }
            let longer = [&blob[..], &[0]].concat();
            assert!(public.verify(b"message", &longer, None).is_err());
        }
    }
}

#[test]
fn algorithms_must_go_with_the_key() {
    let (ed, rsa) = (key(KeyType::Ed25519), key(KeyType::Rsa));
    let blob = ed.sign("ssh-ed25519", b"m").expect("signature");
    assert_eq!(
        rsa.public().verify(b"m", &blob, None),
        Err(SignatureError::WrongAlgorithm {
            name: "ssh-ed25519",
            key_type: "ssh-rsa"
        })
    );
    assert!(matches!(
        ed.sign("rsa-sha2-256", b"m"),
        Err(SignError::WrongAlgorithm { .. })
    ));
    assert!(matches!(
        ed.sign("nonsense", b"m"),
        Err(SignError::WrongAlgorithm { .. })
    ));
    // A SHA-256 signature under the SHA-512 name is not one.
    let blob = rsa.sign("rsa-sha2-256", b"m").expect("signature");
    let mut renamed = blob.clone();
    renamed[4..16].copy_from_slice(b"rsa-sha2-512");
    assert_eq!(
        rsa.public().verify(b"m", &renamed, None),
        Err(SignatureError::Bad)
    );
    let mut unknown = Vec::new();
    Writer::new(&mut unknown).text("rsa-sha2-999");
    let error = rsa.public().verify(b"m", &unknown, None);
    assert_eq!(
        error,
        Err(SignatureError::UnknownAlgorithm {
            name: "rsa-sha2-999".into()
        })
    );
}

#[test]
fn certificate_algorithms_sign_with_the_plain_one() {
    let rsa = key(KeyType::Rsa);
    let blob = rsa
        .sign("rsa-sha2-512-cert-v01@openssh.com", b"m")
        .expect("signature");
    assert_eq!(rsa.public().verify(b"m", &blob, None), Ok("rsa-sha2-512"));
}

#[test]
fn short_rsa_and_odd_points_are_not_keys() {
    let blob = |n: usize| {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.text("ssh-rsa");
        w.string(&[1, 0, 1]);
        w.string(&[&[0x7f][..], &vec![0xff; n / 8 - 1]].concat());
        out
    };
    assert!(PublicKey::from_blob(&blob(1024)).is_err());
    let key = PublicKey::from_blob(&blob(1032)).expect("long enough");
    assert_eq!(key.bits(), 1031);
    assert!(key.is_rsa_below(2048) && !key.is_rsa_below(1024));
    assert!(PublicKey::from_blob(&blob(16400)).is_err());

    let point = |first: u8, len: usize| {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.text("ecdsa-sha2-nistp256");
        w.text("nistp256");
        w.string(&[&[first][..], &vec![1; len]].concat());
        out
    };
    assert!(PublicKey::from_blob(&point(2, 64)).is_err());
    assert!(PublicKey::from_blob(&point(4, 63)).is_err());
    let off_curve = PublicKey::from_blob(&point(4, 64)).expect("its form is right");
    let blob = key_signature();
    assert!(off_curve.verify(b"m", &blob, None).is_err());
}

fn key_signature() -> Vec<u8> {
    key(KeyType::Ecdsa(Curve::P256))
        .sign("ecdsa-sha2-nistp256", b"m")
        .expect("signature")
}
