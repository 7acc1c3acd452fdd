use carrick_crypto::rng::SystemRng;
use carrick_wire::Writer;

use super::*;
use crate::{Curve, PrivateKey};

const NOW: u64 = 1_750_000_000;

fn key(kind: KeyType) -> PrivateKey {
    PrivateKey::generate(kind, 2048, &mut SystemRng).expect("a key")
}

fn fields(kind: CertKind) -> CertFields {
    CertFields {
        serial: 7,
        kind,
        key_id: "an id".into(),
        principals: vec!["ann".into(), "*.example.com".into()],
        valid_after: NOW - 10,
        valid_before: NOW + 10,
        critical_options: Vec::new(),
        extensions: Vec::new(),
    }
}

fn demand(kind: CertKind, name: CertName<'_>) -> CertDemand<'_> {
    CertDemand {
        kind,
        name,
        unlisted_is_any: false,
        now: NOW,
        ca_algorithms: Some(&["ssh-ed25519"]),
        rsa_min: 1024,
    }
}

/// A certificate by an authority made for it.
fn cert(fields: &CertFields) -> Certificate {
    let (user, ca) = (key(KeyType::Ed25519), key(KeyType::Ed25519));
    Certificate::issue(user.public(), &ca, None, fields, &mut SystemRng).expect("issued")
}

fn text(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).text(value);
    out
}

fn option(name: &str, data: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), data.to_vec())
}

#[test]
fn what_is_issued_is_read_and_judged() {
    let ca = key(KeyType::Ecdsa(Curve::P384));
    for kind in [
        KeyType::Ed25519,
        KeyType::Ecdsa(Curve::P256),
        KeyType::Ecdsa(Curve::P521),
        KeyType::Rsa,
    ] {
        let user = key(kind);
        let fields = fields(CertKind::User);
        let issued =
            Certificate::issue(user.public(), &ca, None, &fields, &mut SystemRng).expect("issued");
        let PublicKey::Certificate(read) = PublicKey::from_blob(issued.blob()).expect("a key")
        else {
            panic!("not a certificate")
        };
        assert_eq!(*read, issued);
        assert_eq!(read.signature_algorithm(), "ecdsa-sha2-nistp384");
        let mut wanted = demand(CertKind::User, CertName::User("ann"));
        wanted.ca_algorithms = None;
        let judged = read.judge(&wanted).expect("good");
        assert_eq!(judged.key(), user.public());
        assert_eq!(judged.authority(), ca.public());
        assert_eq!(judged.principal(), Some("ann"));
        // The key in it signs for it.
        let shown = PublicKey::Certificate(read);
        let algorithm = shown.signature_algorithms()[0];
        let signature = user.sign(algorithm, b"hello").expect("signed");
        assert!(shown.verify(b"hello", &signature, None).is_ok());
        assert!(
            shown
                .verify_negotiated(algorithm, b"hello", &signature)
                .is_ok()
        );
        let plain = user.signature_algorithms()[0];
        assert!(
            shown
                .verify_negotiated(plain, b"hello", &signature)
                .is_err()
        );
        assert!(
            user.public()
                .verify_negotiated(algorithm, b"hello", &signature)
                .is_err()
        );
    }
}

#[test]
fn security_keys_are_certified() {
    for plain in [
        PublicKey::SkEd25519 {
            key: [9; 32],
            application: "ssh:".into(),
        },
        PublicKey::SkEcdsa {
            point: [&[4][..], &[5; 64]].concat(),
            application: "ssh:".into(),
        },
    ] {
        let ca = key(KeyType::Ed25519);
        let fields = fields(CertKind::User);
        let issued =
            Certificate::issue(&plain, &ca, None, &fields, &mut SystemRng).expect("issued");
        assert_eq!(*issued.key(), plain);
        assert!(issued.key_type().starts_with("sk-"));
    }
}

#[test]
fn each_way_of_being_worthless_is_named() {
    let user = fields(CertKind::User);
    let named = CertName::User("ann");
    let judge = |fields: &CertFields, demand: &CertDemand<'_>| {
        cert(fields)
            .judge(demand)
            .map(drop)
            .map_err(|e| e.to_string())
    };
    let says = |fields: &CertFields, demand: &CertDemand<'_>, words: &str| {
        assert_eq!(judge(fields, demand), Err(words.to_owned()));
    };
    assert_eq!(judge(&user, &demand(CertKind::User, named)), Ok(()));
    says(
        &user,
        &demand(CertKind::Host, named),
        "Certificate invalid: not a host certificate",
    );
    says(
        &fields(CertKind::Host),
        &demand(CertKind::User, named),
        "Certificate invalid: not a user certificate",
    );
    for (now, words) in [
        (NOW - 11, "Certificate invalid: not yet valid"),
        (NOW + 10, "Certificate invalid: expired"),
        (u64::MAX, "Certificate invalid: expired"),
    ] {
        let late = CertDemand {
            now,
            ..demand(CertKind::User, named)
        };
        says(&user, &late, words);
    }
    for name in ["Ann", "", "an", "x.example.com", "*.example.com.org"] {
        says(
            &user,
            &demand(CertKind::User, CertName::User(name)),
            "Certificate invalid: name is not a listed principal",
        );
    }
    let sha1 = CertDemand {
        ca_algorithms: Some(&["rsa-sha2-512"]),
        ..demand(CertKind::User, named)
    };
    says(&user, &sha1, "Certificate signed with disallowed algorithm");
}

#[test]
fn hosts_match_patterns_and_users_do_not() {
    let host = cert(&fields(CertKind::Host));
    let good = |name| host.judge(&demand(CertKind::Host, CertName::Host(name)));
    let judged = good("www.example.com").expect("matches");
    assert_eq!(judged.principal(), Some("*.example.com"));
    assert!(good("ann").is_ok() && good("example.com").is_err() && good("").is_err());
    let user = cert(&fields(CertKind::User));
    let good = |name| user.judge(&demand(CertKind::User, name));
    assert!(good(CertName::User("www.example.com")).is_err());
    assert!(good(CertName::OneOf(&["bob", "ann"])).is_ok());
    assert_eq!(good(CertName::OneOf(&[])), Err(CertError::NotListed));
    assert_eq!(good(CertName::Any).expect("any").principal(), None);
}

#[test]
fn no_list_is_for_nobody_or_for_everybody_as_asked() {
    let mut fields = fields(CertKind::User);
    fields.principals.clear();
    let cert = cert(&fields);
    let mut wanted = demand(CertKind::User, CertName::User("ann"));
    assert_eq!(cert.judge(&wanted), Err(CertError::NoPrincipals));
    wanted.unlisted_is_any = true;
    assert_eq!(cert.judge(&wanted).expect("any").principal(), None);
}

#[test]
fn short_rsa_keys_are_refused() {
    let (user, ca) = (key(KeyType::Rsa), key(KeyType::Ed25519));
    let cert = Certificate::issue(
        user.public(),
        &ca,
        None,
        &fields(CertKind::User),
        &mut SystemRng,
    )
    .expect("issued");
    let mut wanted = demand(CertKind::User, CertName::User("ann"));
    wanted.rsa_min = 2048;
    assert!(cert.judge(&wanted).is_ok());
    wanted.rsa_min = 2049;
    assert_eq!(cert.judge(&wanted), Err(CertError::RsaSize { bits: 2048 }));
}

#[test]
fn options_are_typed() {
    let mut fields = fields(CertKind::User);
    fields.critical_options = vec![
        option("force-command", &text("/bin/true")),
        option("source-address", &text("10.0.0.0/8,::1")),
        option("verify-required", b""),
    ];
    fields.extensions = vec![
        option("login@github.com", &text("ann")),
        option("no-touch-required", b""),
        option("permit-X11-forwarding", b""),
        option("permit-agent-forwarding", b""),
        option("permit-port-forwarding", b""),
        option("permit-pty", b""),
        option("permit-user-rc", b""),
    ];
    let judged = cert(&fields)
        .judge(&demand(CertKind::User, CertName::User("ann")))
        .expect("good");
    let all = CertOptions {
        force_command: Some(b"/bin/true".to_vec()),
        source_address: Some("10.0.0.0/8,::1".into()),
        verify_required: true,
        no_touch_required: true,
        permit_x11_forwarding: true,
        permit_agent_forwarding: true,
        permit_port_forwarding: true,
        permit_pty: true,
        permit_user_rc: true,
        ignored: vec!["login@github.com".into()],
    };
    assert_eq!(*judged.options(), all);
}

#[test]
fn options_that_cannot_be_carried_out_refuse() {
    let twice = [
        option("force-command", &text("a")),
        option("force-command", &text("b")),
    ];
    let networks = [
        option("source-address", &text("::1")),
        option("source-address", &text("::1")),
    ];
    for (critical, words) in [
        (
            &[option("zoom@example.com", b"")][..],
            "Certificate critical option \"zoom@example.com\" is not supported",
        ),
        // An extension is no critical option.
        (
            &[option("permit-pty", b"")],
            "Certificate critical option \"permit-pty\" is not supported",
        ),
        (&twice, "Certificate has multiple force-command options"),
        (&networks, "Certificate has multiple source-address options"),
        (
            &[option("source-address", &text("10.0.0.*"))],
            "Certificate source-address contents invalid",
        ),
        (
            &[option("force-command", b"\0\0\0\x09a")],
            "Unable to parse \"force-command\" section: invalid format",
        ),
        (
            &[option("force-command", b"\0\0\0\x01a!")],
            "Certificate option \"force-command\" corrupt (extra data)",
        ),
        (
            &[option("verify-required", b"x")],
            "Certificate option \"verify-required\" corrupt (extra data)",
        ),
        (
            &[option("force-command", &text("a\0b"))],
            "Unable to parse \"force-command\" section: invalid format",
        ),
    ] {
        let mut fields = fields(CertKind::User);
        fields.critical_options = critical.to_vec();
        let wanted = demand(CertKind::User, CertName::User("ann"));
        let error = cert(&fields).judge(&wanted).expect_err(words);
        assert_eq!(error.to_string(), words);
    }
    // A host certificate has no critical option that anybody knows.
    let mut fields = fields(CertKind::Host);
    fields.critical_options = vec![option("force-command", &text("a"))];
    let wanted = demand(CertKind::Host, CertName::Host("ann"));
    assert!(matches!(
        cert(&fields).judge(&wanted),
        Err(CertError::Options(OptionFault::HostCritical { .. }))
    ));
}

#[test]
fn nobody_elses_signature_will_do() {
    let (user, ca, other) = (
        key(KeyType::Ed25519),
        key(KeyType::Ed25519),
        key(KeyType::Ed25519),
    );
    let unsigned = || {
        let fields = fields(CertKind::User);
        UnsignedCert::new(user.public(), ca.public(), &fields, &mut SystemRng).expect("made")
    };
    let cert = unsigned();
    let signature = other.sign("ssh-ed25519", cert.to_sign()).expect("signed");
    assert_eq!(
        cert.complete(&signature).err(),
        Some(IssueError::BadSignature)
    );
    assert!(unsigned().complete(b"").is_err());
    // One that claims an authority is read, and is worth nothing.
    let cert = unsigned();
    let mut forged = cert.to_sign().to_vec();
    let signature = other.sign("ssh-ed25519", &forged).expect("signed");
    Writer::new(&mut forged).string(&signature);
    let forged = Certificate::from_blob(&forged).expect("well formed");
    assert!(matches!(
        forged.judge(&demand(CertKind::User, CertName::User("ann"))),
        Err(CertError::Signature(SignatureError::Bad))
    ));
}

#[test]
fn what_cannot_be_certified_is_not() {
    let (user, ca) = (key(KeyType::Ed25519), key(KeyType::Ed25519));
    let mut said = fields(CertKind::User);
    let issue = |key: &PublicKey, said: &CertFields| {
        Certificate::issue(key, &ca, None, said, &mut SystemRng)
    };
    let first = issue(user.public(), &said).expect("issued");
    let again = issue(&PublicKey::Certificate(Box::new(first)), &said);
    assert_eq!(again.err(), Some(IssueError::NotCertifiable));
    said.principals = vec!["x".into(); PRINCIPALS_MAX];
    assert!(issue(user.public(), &said).is_ok());
    said.principals.push("x".into());
    assert_eq!(
        issue(user.public(), &said).err(),
        Some(IssueError::TooManyPrincipals)
    );
    // What C would read as another name.
    said.principals = vec!["ann\0x".into()];
    assert!(matches!(
        issue(user.public(), &said),
        Err(IssueError::Invalid(_))
    ));
}

/// Every byte counts: a certificate with one changed is none, or is not
/// signed; one that is cut short is none.
#[test]
fn truncated_and_flipped() {
    let mut fields = fields(CertKind::User);
    fields.critical_options = vec![option("force-command", &text("x"))];
    fields.extensions = vec![option("permit-pty", b"")];
    let cert = cert(&fields);
    let wanted = demand(CertKind::User, CertName::User("ann"));
    assert!(cert.judge(&wanted).is_ok());
    let blob = cert.blob().to_vec();
    for at in 0..blob.len() {
        assert!(PublicKey::from_blob(&blob[..at]).is_err());
        let mut flipped = blob.clone();
        flipped[at] ^= 0x41;
        if let Ok(PublicKey::Certificate(read)) = PublicKey::from_blob(&flipped) {
            assert!(read.judge(&wanted).is_err(), "byte {at}");
        }
    }
}
