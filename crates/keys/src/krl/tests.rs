use carrick_crypto::rng::SystemRng;

use super::*;
use crate::{CertFields, CertKind, KeyType, PrivateKey, RevokedKeys};

fn key() -> PrivateKey {
    PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).expect("a key")
}

fn cert(ca: &PrivateKey, serial: u64, key_id: &str) -> PublicKey {
    let fields = CertFields {
        serial,
        kind: CertKind::User,
        key_id: key_id.into(),
        principals: vec!["ann".into()],
        valid_after: 0,
        valid_before: u64::MAX,
        critical_options: Vec::new(),
        extensions: Vec::new(),
    };
    let issued = Certificate::issue(key().public(), ca, None, &fields, &mut SystemRng);
    PublicKey::Certificate(Box::new(issued.expect("issued")))
}

/// What both ways of asking say, which must be the same.
fn revoked(krl: &Krl, key: &PublicKey) -> bool {
    let asked = RevokedKeys::parse(krl.to_blob())
        .expect("sound")
        .is_revoked(key);
    assert_eq!(krl.revokes(key), asked);
    asked
}

#[test]
fn ranges_join_what_they_touch() {
    let mut serials = Serials::default();
    for (low, high) in [(10, 20), (30, 40), (21, 21), (5, 9), (50, 60), (35, 55)] {
        serials.insert(low, high);
    }
    assert_eq!(serials.iter().collect::<Vec<_>>(), [(5, 21), (30, 60)]);
    serials.insert(u64::MAX, u64::MAX);
    serials.insert(u64::MAX - 1, u64::MAX - 1);
    serials.insert(1, 100);
    let all: Vec<_> = serials.iter().collect();
    assert_eq!(all, [(1, 100), (u64::MAX - 1, u64::MAX)]);
    for (serial, in_it) in [
        (0, false),
        (1, true),
        (100, true),
        (101, false),
        (u64::MAX, true),
    ] {
        assert_eq!(serials.contains(serial), in_it, "{serial}");
    }
}

#[test]
fn keys_are_revoked_in_each_form_and_with_them_all_that_hangs_on_them() {
    let (a, ca) = (key(), key());
    let of_ca = cert(&ca, 1, "x");
    let PublicKey::Certificate(inner) = &of_ca else {
        panic!("a certificate")
    };
    let hash = |key: &PublicKey, hash| Fingerprint::new(hash, &key.to_blob()).digest().to_vec();
    for revoke in [
        (|krl: &mut Krl, key: &PublicKey, _: &dyn Fn(FingerprintHash) -> Vec<u8>| {
            krl.revoke_plain_key(key);
        }) as fn(&mut Krl, &PublicKey, &dyn Fn(FingerprintHash) -> Vec<u8>),
        |krl, _, hash| krl.revoke_sha1(hash(FingerprintHash::Sha1).try_into().expect("20")),
        |krl, _, hash| krl.revoke_sha256(hash(FingerprintHash::Sha256).try_into().expect("32")),
    ] {
        for (which, is_revoked) in [
            (a.public(), false),
            (ca.public(), true),
            (inner.key(), true),
        ] {
            let mut krl = Krl::new();
            revoke(&mut krl, which, &|alg| hash(which, alg));
            assert!(revoked(&krl, which));
            // The certificate goes with its key, and with its authority.
            assert_eq!(revoked(&krl, &of_ca), is_revoked);
        }
    }
}

#[test]
fn certificates_are_revoked_by_serial_and_name_of_their_authority() {
    let (ca, other) = (key(), key());
    let mut krl = Krl::new();
    krl.revoke_serials(Some(ca.public()), 5, 9)
        .expect("a range");
    krl.revoke_key_id(Some(ca.public()), b"mallory");
    for (cert, want) in [
        (cert(&ca, 5, "ann"), true),
        (cert(&ca, 9, "ann"), true),
        (cert(&ca, 4, "ann"), false),
        (cert(&ca, 10, "ann"), false),
        (cert(&ca, 0, "mallory"), true),
        (cert(&ca, 1, "mallory2"), false),
        (cert(&other, 5, "mallory"), false),
    ] {
        assert_eq!(revoked(&krl, &cert), want, "{cert:?}");
        assert!(!revoked(&krl, cert.plain()));
    }
    krl.revoke_key_id(None, b"mallory");
    assert!(revoked(&krl, &cert(&other, 5, "mallory")));
    assert!(!revoked(&krl, &cert(&other, 5, "ann")));
    assert_eq!(krl.revoke_serials(None, 0, 3), Err(KrlError::Serial));
    assert_eq!(krl.revoke_serials(None, 4, 3), Err(KrlError::Serial));
}

#[test]
fn what_is_written_is_read() {
    let ca = key();
    let mut krl = Krl::new();
    (krl.version, krl.generated, krl.flags) = (3, 1_750_000_000, 0);
    krl.comment = b"a comment".to_vec();
    for scope in [Some(ca.public()), None] {
        // Alone, in runs, in bitmaps with holes, far away, at the end.
        for serial in (2..100_000).step_by(2).chain([1 << 40, u64::MAX]) {
            krl.revoke_serials(scope, serial, serial).expect("one");
        }
        krl.revoke_serials(scope, 1 << 20, 1 << 30).expect("many");
        krl.revoke_serials(scope, u64::MAX - 100, u64::MAX - 2)
            .expect("many");
        krl.revoke_key_id(scope, b"id");
    }
    krl.revoke(key().public());
    krl.revoke(&cert(&ca, 0, "no serial"));
    krl.revoke_sha1([1; 20]);
    krl.revoke_sha256([2; 32]);
    let blob = krl.to_blob();
    assert_eq!(Krl::from_blob(&blob), Ok(krl.clone()));
    let asked = RevokedKeys::parse(blob).expect("sound");
    let (even, odd) = (cert(&ca, 51_234, "x"), cert(&ca, 51_235, "x"));
    assert!(asked.is_revoked(&even) && !asked.is_revoked(&odd));
    assert!(krl.revokes(&even) && !krl.revokes(&odd));
}

fn section(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Krl::new().to_blob();
    let mut w = carrick_wire::Writer::new(&mut out);
    w.u8(kind);
    w.string(body);
    out
}

/// A section about all certificates.
fn certs(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut inner = vec![0; 8];
    let mut w = carrick_wire::Writer::new(&mut inner);
    w.u8(kind);
    w.string(body);
    section(CERTIFICATES, &inner)
}

#[test]
fn what_is_not_understood_is_refused_whole() {
    let extension = |critical| [&b"\0\0\0\x01a"[..], &[critical], &[0; 4]].concat();
    for fine in [
        section(EXTENSION, &extension(0)),
        certs(CERT_EXTENSION, &extension(0)),
        certs(SERIAL_LIST, b""),
        certs(SERIAL_BITMAP, &[0; 12]),
    ] {
        assert!(Krl::from_blob(&fine).is_ok());
    }
    let name = "a".to_owned();
    for (blob, error) in [
        (
            section(EXTENSION, &extension(1)),
            KrlError::CriticalExtension { name: name.clone() },
        ),
        (
            certs(CERT_EXTENSION, &extension(1)),
            KrlError::CriticalCertExtension { name },
        ),
        (section(SIGNATURE, b"key"), KrlError::Signed),
        (section(9, b""), KrlError::UnknownSection(9)),
        (certs(0x24, b""), KrlError::UnknownCertSection(0x24)),
        (section(SHA1, &[0, 0, 0, 1, 9]), KrlError::HashLength),
        (certs(SERIAL_LIST, &[0; 8]), KrlError::Serial),
        (
            certs(SERIAL_BITMAP, b"\0\0\0\0\0\0\0\0\0\0\0\x01\x01"),
            KrlError::Serial,
        ),
        (
            certs(
                SERIAL_BITMAP,
                b"\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01\x02",
            ),
            KrlError::Serial,
        ),
        (b"ssh-rsa AAAA".to_vec(), KrlError::NotAKrl),
        (b"SSHKRL\n\0\0\0\0\x02".to_vec(), KrlError::Version(2)),
    ] {
        assert_eq!(Krl::from_blob(&blob), Err(error.clone()));
        if error != KrlError::NotAKrl {
            assert!(RevokedKeys::parse(blob).is_err());
        }
    }
}

/// A zero byte in a key id made a list that nobody could read.
#[test]
fn a_line_ends_at_a_zero_byte() {
    let mut krl = Krl::new();
    assert_eq!(krl.revoke_spec(b"id: a\0b\n", SpecAuthority::Any), Ok(()));
    assert_eq!(Krl::from_blob(&krl.to_blob()).as_ref(), Ok(&krl));
    let ca = key();
    assert!(krl.revokes(&cert(&ca, 1, "a")));
}

#[test]
fn truncated_and_flipped() {
    let ca = key();
    let mut krl = Krl::new();
    for serial in [1, 3, 4, 9, 1000, 1 << 40] {
        krl.revoke_serials(Some(ca.public()), serial, serial)
            .expect("one");
    }
    krl.revoke_key_id(None, b"an id");
    krl.revoke(ca.public());
    krl.revoke_sha1([1; 20]);
    krl.revoke_sha256([2; 32]);
    let blob = krl.to_blob();
    let shown = cert(&ca, 3, "x");
    for at in 0..blob.len() {
        // Cut between two sections it is a shorter list.
        assert_ne!(Krl::from_blob(&blob[..at]).as_ref(), Ok(&krl), "{at}");
        let mut flipped = blob.clone();
        flipped[at] ^= 0x41;
        // A reserved field has no meaning and, here, no bytes.
        assert_ne!(Krl::from_blob(&flipped).as_ref(), Ok(&krl), "{at}");
        if let Ok(asked) = RevokedKeys::parse(flipped) {
            let _ = asked.is_revoked(&shown);
        }
    }
}

#[test]
fn texts_are_read() {
    let ca = key();
    let (a, b) = (key(), key());
    let line = |key: &PrivateKey| key.public().to_line("comment # more");
    let text = format!(
        "# nothing\n\n serial: 5 # five\nSERIAL:0x10-0x1f\nserial: 010\nid: Ann B  \t\nkey: {}\n\
         {}\nsha1: {}\nsha256:{}\nhash: {}\nhash: {}=\n",
        line(&a),
        line(&b),
        line(&a),
        line(&b),
        a.public().fingerprint(FingerprintHash::Sha256),
        b.public().fingerprint(FingerprintHash::Sha256),
    );
    let mut krl = Krl::new();
    let scope = SpecAuthority::Key(ca.public());
    assert_eq!(krl.revoke_spec(text.as_bytes(), scope), Ok(()));
    let of: Vec<_> = krl.authorities().collect();
    assert_eq!(of.len(), 1);
    assert_eq!(of[0].authority(), Some(ca.public()));
    let serials: Vec<_> = of[0].serials().collect();
    assert_eq!(serials, [(5, 5), (8, 8), (16, 31)]);
    assert_eq!(of[0].key_ids().collect::<Vec<_>>(), [b"Ann B"]);
    assert_eq!(krl.keys().count(), 2);
    assert_eq!(
        (krl.sha1_hashes().count(), krl.sha256_hashes().count()),
        (1, 2)
    );
}

#[test]
fn wrong_texts_are_told_as_openssh_tells_them() {
    let says = |text: &str, scope: SpecAuthority<'_>| {
        let (line, error) = Krl::new()
            .revoke_spec(text.as_bytes(), scope)
            .expect_err(text);
        let place = if error.tells_line() {
            format!("f:{line}: ")
        } else {
            String::new()
        };
        format!("{place}{error}")
    };
    let needs = "requires specification of a CA key";
    let unknown = SpecAuthority::Unknown;
    assert_eq!(
        says("serial: 1", unknown),
        format!("revoking certificates by serial number {needs}")
    );
    assert_eq!(
        says("id: 1", unknown),
        format!("revoking certificates by key ID {needs}")
    );
    for (text, words) in [
        ("\nserial: x", "f:2: invalid serial \"x\""),
        ("serial: ", "f:1: invalid serial \"\""),
        ("serial: 1x", "f:1: invalid serial \"1x\""),
        ("serial: 1-", "f:1: invalid serial \"\""),
        ("serial: 1-2x", "f:1: invalid serial \"2x\""),
        ("serial: 3-2", "f:1: invalid serial range 3:2"),
        ("serial: 99999999999999999999", "f:1: serial out of range"),
        ("serial: 1-99999999999999999999", "f:1: serial out of range"),
        ("serial: 0", "update_krl_from_file: revoke serial failed"),
        ("hash: MD5:aa", "f:1: unsupported hash algorithm"),
        ("hash: SHA256:*", "f:1: decode hash failed: invalid format"),
        (
            "hash: SHA256:AAAA",
            "update_krl_from_file: revoke key failed: invalid format",
        ),
        ("nonsense", "f:1: invalid key: invalid format"),
    ] {
        assert_eq!(says(text, SpecAuthority::Any), words, "{text}");
    }
}

#[test]
fn lists_of_keys() {
    let (a, ca, other) = (key(), key(), key());
    let text = format!(
        "# revoked\n\n  {}\n{}\r\n",
        a.public().to_line("me"),
        ca.public().to_line("")
    );
    let asked = RevokedKeys::parse(text.into_bytes()).expect("sound");
    assert!(asked.is_revoked(a.public()) && !asked.is_revoked(other.public()));
    assert!(asked.is_revoked(&cert(&ca, 1, "x")) && !asked.is_revoked(&cert(&other, 1, "x")));
    // A certificate in the list stands for the key in it.
    let shown = cert(&other, 1, "x");
    let asked = RevokedKeys::parse(shown.to_line("").into_bytes()).expect("sound");
    assert!(asked.is_revoked(&shown) && asked.is_revoked(shown.plain()));
    assert!(!asked.is_revoked(other.public()));
    let bad = RevokedKeys::parse(b"\nnonsense\n".to_vec()).expect_err("no key");
    assert!(bad.to_string().starts_with("line 2: "));
    assert!(
        !RevokedKeys::parse(Vec::new())
            .expect("empty")
            .is_revoked(a.public())
    );
}
