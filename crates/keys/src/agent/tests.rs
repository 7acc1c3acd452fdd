//! An agent and its clients, without sockets.

use std::time::Duration;

use carrick_crypto::rng::SystemRng;
use carrick_wire::{Encode, Reader, Secret};

use super::constraint::Kind;
use super::limits::{DESTINATIONS_MAX, SESSIONS_MAX};
use super::signed::tests::login_data;
use super::*;
use crate::{CertFields, CertKind, Certificate, Curve, KeyType, PrivateKey, PublicKey};

fn at(seconds: u64) -> Now {
    Now {
        uptime: Duration::from_secs(seconds),
        unix: 1_700_000_000 + seconds,
    }
}

fn key(kind: KeyType) -> PrivateKey {
    let mut key = PrivateKey::generate(kind, 1024, &mut SystemRng).expect("made");
    key.set_comment("a key");
    key
}

fn ed25519() -> PrivateKey {
    key(KeyType::Ed25519)
}

/// An agent with a clock.
struct Bench {
    agent: Agent,
    now: u64,
}

impl Bench {
    fn new(policy: Policy) -> Self {
        Self {
            agent: Agent::new(policy),
            now: 100,
        }
    }

    /// Sends a framed request through a connection.
    fn send(&mut self, peer: &mut Peer, frame: &[u8]) -> Outcome {
        peer.received(frame);
        let message = peer.next_request().expect("sound").expect("whole");
        assert!(!peer.is_ready());
        self.agent
            .request(peer, &message, at(self.now), &mut SystemRng)
    }

    fn ask(&mut self, peer: &mut Peer, request: &Request<'_>) -> Outcome {
        self.send(peer, &AgentClient::request(request))
    }

    fn add(&mut self, peer: &mut Peer, key: &PrivateKey, constraints: &Constraints) -> Outcome {
        let request = AgentClient::add_request(key, None, constraints).expect("fits");
        self.send(peer, &request)
    }

    fn list(&mut self, peer: &mut Peer) -> Vec<Vec<u8>> {
        match self.ask(peer, &Request::Identities) {
            Outcome::Answer(Response::Identities(list)) => {
                list.into_iter().map(|i| i.blob).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn sign(&mut self, peer: &mut Peer, key: &PublicKey, data: &[u8]) -> Outcome {
        let blob = key.to_blob();
        self.ask(
            peer,
            &Request::Sign {
                key: &blob,
                data,
                flags: 0,
            },
        )
    }
}

#[track_caller]
fn ok(outcome: Outcome) {
    assert!(
        matches!(outcome, Outcome::Answer(Response::Success)),
        "{outcome:?}"
    );
}

#[track_caller]
fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal, None) => refusal,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn signature(outcome: Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Answer(Response::Signature(blob)) => blob,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn work(outcome: Outcome) -> (Task, Pending) {
    match outcome {
        Outcome::Work(task, pending) => (task, pending),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_key_is_kept_and_signs() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    for kind in [
        KeyType::Ed25519,
        KeyType::Ecdsa(Curve::P256),
        KeyType::Ecdsa(Curve::P384),
        KeyType::Ecdsa(Curve::P521),
        KeyType::Rsa,
    ] {
        let key = key(kind);
        ok(bench.add(&mut peer, &key, &Constraints::default()));
        for algorithm in key.signature_algorithms() {
            let blob = key.public().to_blob();
            let request = AgentClient::sign_request(&blob, b"data", algorithm);
            let made = signature(bench.send(&mut peer, &request));
            let used = key.public().verify(b"data", &made, None);
            assert_eq!(used, Ok(algorithm));
        }
    }
    assert_eq!(bench.list(&mut peer).len(), 5);
    // Adding one again changes nothing but its place's contents.
    let one = ed25519();
    ok(bench.add(&mut peer, &one, &Constraints::default()));
    ok(bench.add(&mut peer, &one, &Constraints::default()));
    assert_eq!(bench.agent.len(), 6);
    let blob = one.public().to_blob();
    ok(bench.ask(&mut peer, &Request::Remove { key: &blob }));
    assert_eq!(
        refused(bench.ask(&mut peer, &Request::Remove { key: &blob })),
        Refusal::UnknownKey
    );
    ok(bench.ask(&mut peer, &Request::RemoveAll));
    ok(bench.ask(&mut peer, &Request::RemoveAllSsh1));
    assert!(bench.list(&mut peer).is_empty());
}

#[test]
fn keys_come_to_their_end() {
    let mut bench = Bench::new(Policy {
        lifetime: Some(Duration::from_secs(50)),
        ..Policy::default()
    });
    let mut peer = Peer::new();
    let (short, long) = (ed25519(), ed25519());
    let ten = Constraints {
        lifetime: Some(10),
        ..Constraints::default()
    };
    ok(bench.add(&mut peer, &short, &ten));
    ok(bench.add(&mut peer, &long, &Constraints::default()));
    assert_eq!(bench.agent.next_expiry(), Some(Duration::from_secs(110)));
    bench.now += 9;
    assert_eq!(bench.list(&mut peer).len(), 2);
    bench.now += 1;
    assert_eq!(
        refused(bench.sign(&mut peer, short.public(), b"x")),
        Refusal::UnknownKey
    );
    assert_eq!(bench.list(&mut peer), [long.public().to_blob()]);
    assert_eq!(bench.agent.expire(at(150)), ["a key"]);
    assert!(bench.agent.is_empty() && bench.agent.next_expiry().is_none());
}

#[test]
fn the_user_is_asked_and_what_changed_meanwhile_counts() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    let key = ed25519();
    let asked = Constraints {
        confirm: true,
        ..Constraints::default()
    };
    let fingerprint = key.public().fingerprint(crate::FingerprintHash::Sha256);
    for (answer, remove) in [(true, false), (false, false), (true, true)] {
        ok(bench.add(&mut peer, &key, &asked));
        let (task, pending) = work(bench.sign(&mut peer, key.public(), b"x"));
        let Task::Confirm { question } = task else {
            panic!("{task:?}");
        };
        assert_eq!(
            question,
            format!("Allow use of key a key?\nKey fingerprint {fingerprint}.")
        );
        if remove {
            ok(bench.ask(&mut Peer::new(), &Request::RemoveAll));
        }
        let done = Done::Confirmed(answer);
        let outcome = bench.agent.resume(&mut peer, pending, done, at(101));
        match (answer, remove) {
            (true, false) => drop(signature(outcome)),
            (false, _) => assert_eq!(refused(outcome), Refusal::UserRefused),
            (true, true) => assert_eq!(refused(outcome), Refusal::UnknownKey),
        }
    }
    // An answer to another question, and one that comes while locked.
    ok(bench.add(&mut peer, &key, &asked));
    let (_, pending) = work(bench.sign(&mut peer, key.public(), b"x"));
    let done = Done::Provider(Ok("/usr/lib/x".into()));
    let outcome = bench.agent.resume(&mut peer, pending, done, at(101));
    assert_eq!(refused(outcome), Refusal::Mixup);
    let (_, pending) = work(bench.sign(&mut peer, key.public(), b"x"));
    ok(bench.ask(&mut Peer::new(), &Request::Lock { passphrase: b"p" }));
    let outcome = bench
        .agent
        .resume(&mut peer, pending, Done::Confirmed(true), at(101));
    assert_eq!(refused(outcome), Refusal::Locked);
}

#[test]
fn locked_it_shows_and_does_nothing() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    let key = ed25519();
    ok(bench.add(&mut peer, &key, &Constraints::default()));
    let unlock = |passphrase| Request::Unlock { passphrase };
    assert_eq!(
        refused(bench.ask(&mut peer, &unlock(b"p"))),
        Refusal::NotUnlocked
    );
    let lock = Request::Lock { passphrase: b"p" };
    ok(bench.ask(&mut peer, &lock));
    assert!(bench.list(&mut peer).is_empty());
    let query = Request::Extension {
        name: QUERY,
        contents: &[],
    };
    for request in [Request::RemoveAll, query, lock] {
        assert_eq!(refused(bench.ask(&mut peer, &request)), Refusal::Locked);
    }
    assert_eq!(
        refused(bench.sign(&mut peer, key.public(), b"x")),
        Refusal::Locked
    );
    ok(bind(&mut bench, &mut Peer::new(), &ed25519(), b"sid", true));
    let Outcome::Refused(Refusal::NotUnlocked, Some(until)) =
        bench.ask(&mut peer, &unlock(b"wrong"))
    else {
        panic!("not refused");
    };
    assert!(matches!(bench.ask(&mut Peer::new(), &unlock(b"p")), Outcome::Hold(t) if t == until));
    bench.now += 1;
    ok(bench.ask(&mut peer, &unlock(b"p")));
    assert_eq!(bench.list(&mut peer).len(), 1);
}

#[test]
fn extensions() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    let ask = |name, contents| Request::Extension { name, contents };
    let Outcome::Answer(answer) = bench.ask(&mut peer, &ask(QUERY, &[])) else {
        panic!("no answer");
    };
    assert_eq!(
        AgentClient::extensions(answer),
        Ok(vec![SESSION_BIND.to_owned()])
    );
    let unknown = refused(bench.ask(&mut peer, &ask("x@example.com", b"?")));
    assert_eq!(unknown.response(), Response::Failure);
    let bad = refused(bench.ask(&mut peer, &ask(SESSION_BIND, b"?")));
    assert_eq!(bad.response(), Response::ExtensionFailure);
}

#[test]
fn malformed_requests_are_refused_and_do_nothing() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    let key = ed25519();
    ok(bench.add(&mut peer, &key, &Constraints::default()));
    for message in [
        &[0][..],
        &[200],
        &[19, 0],
        &[11, 0],
        &[22],
        &[23, 0, 0, 0],
        &[18, 0, 0, 0, 9],
    ] {
        let outcome = bench
            .agent
            .request(&mut peer, message, at(100), &mut SystemRng);
        assert!(matches!(refused(outcome), Refusal::Malformed(_)));
    }
    assert_eq!(bench.agent.len(), 1);
}

fn bind(
    bench: &mut Bench,
    peer: &mut Peer,
    host: &PrivateKey,
    session: &[u8],
    forwards: bool,
) -> Outcome {
    let signed = host.sign("ssh-ed25519", session).expect("signed");
    let blob = host.public().to_blob();
    let contents = Request::session_bind(&blob, session, &signed, forwards);
    bench.ask(
        peer,
        &Request::Extension {
            name: SESSION_BIND,
            contents: &contents,
        },
    )
}

#[test]
fn sessions_are_bound_in_order_with_proof() {
    let mut bench = Bench::new(Policy::default());
    let (a, b) = (ed25519(), ed25519());
    let mut peer = Peer::new();
    ok(bind(&mut bench, &mut peer, &a, b"one", true));
    // The same once more is fine; with another key it is not.
    ok(bind(&mut bench, &mut peer, &a, b"one", true));
    let other = refused(bind(&mut bench, &mut peer, &b, b"one", true));
    assert_eq!(other, Refusal::Bind(BindError::OtherKey));
    ok(bind(&mut bench, &mut peer, &a, b"two", false));
    let after = refused(bind(&mut bench, &mut peer, &b, b"three", true));
    assert_eq!(after, Refusal::Bind(BindError::AfterLogin));
    // A signature over another session, or one that is too long.
    let signed = a.sign("ssh-ed25519", b"x").expect("signed");
    let contents = Request::session_bind(&a.public().to_blob(), b"y", &signed, true);
    let forged = Request::Extension {
        name: SESSION_BIND,
        contents: &contents,
    };
    assert!(matches!(
        refused(bench.ask(&mut Peer::new(), &forged)),
        Refusal::Bind(BindError::Signature(_))
    ));
    let long = refused(bind(&mut bench, &mut Peer::new(), &a, &[1; 129], true));
    assert_eq!(long, Refusal::Bind(BindError::LongSessionId));
    let mut peer = Peer::new();
    for n in 0..SESSIONS_MAX {
        ok(bind(
            &mut bench,
            &mut peer,
            &a,
            &[u8::try_from(n).unwrap()],
            true,
        ));
    }
    let many = refused(bind(&mut bench, &mut peer, &a, b"more", true));
    assert_eq!(many, Refusal::Bind(BindError::TooMany));
}

fn hop(host: &str, key: &PrivateKey) -> Hop {
    Hop {
        user: None,
        host: Some(host.into()),
        keys: vec![HopKey {
            key: key.public().clone(),
            authority: false,
        }],
    }
}

/// A key for logins to `b` as `u*` directly, and to `c` through `b`.
struct Restricted {
    bench: Bench,
    key: PrivateKey,
    b: PrivateKey,
    c: PrivateKey,
    other: PrivateKey,
}

impl Restricted {
    fn new() -> Self {
        let (key, b, c) = (ed25519(), ed25519(), ed25519());
        let mut bench = Bench::new(Policy::default());
        let direct = Destination {
            from: Hop::default(),
            to: Hop {
                user: Some("u*".into()),
                ..hop("b", &b)
            },
        };
        let onward = Destination {
            from: hop("b", &b),
            to: hop("c", &c),
        };
        let constraints = Constraints {
            destinations: vec![direct, onward],
            ..Constraints::default()
        };
        ok(bench.add(&mut Peer::new(), &key, &constraints));
        Self {
            bench,
            key,
            b,
            c,
            other: ed25519(),
        }
    }

    fn login(
        &mut self,
        peer: &mut Peer,
        session: &[u8],
        user: &str,
        host: Option<&PublicKey>,
    ) -> Outcome {
        let data = login_data(session, user, self.key.public(), host);
        let key = self.key.public().clone();
        self.bench.sign(peer, &key, &data)
    }

    fn is_shown(&mut self, peer: &mut Peer) -> bool {
        !self.bench.list(peer).is_empty()
    }
}

#[test]
fn a_restricted_key_signs_only_the_login_it_is_bound_to() {
    let mut t = Restricted::new();
    let (b, c, other) = (
        t.b.public().clone(),
        t.c.public().clone(),
        t.other.public().clone(),
    );
    // Shown, but of no use, without a session.
    let mut peer = Peer::new();
    assert!(t.is_shown(&mut peer));
    assert_eq!(
        refused(t.login(&mut peer, b"s", "u1", None)),
        Refusal::Unbound
    );
    // Directly to b.
    let host = std::mem::replace(&mut t.b, ed25519());
    ok(bind(&mut t.bench, &mut peer, &host, b"s", false));
    assert!(t.is_shown(&mut peer));
    drop(signature(t.login(&mut peer, b"s", "u1", None)));
    drop(signature(t.login(&mut peer, b"s", "u1", Some(&b))));
    let wrong_user = refused(t.login(&mut peer, b"s", "root", Some(&b)));
    assert_eq!(wrong_user, Refusal::NotPermitted(NotPermitted::Destination));
    assert_eq!(
        refused(t.login(&mut peer, b"other", "u1", Some(&b))),
        Refusal::OtherSession
    );
    assert_eq!(
        refused(t.login(&mut peer, b"s", "u1", Some(&other))),
        Refusal::OtherHostKey
    );
    let key = t.key.public().clone();
    let free = refused(t.bench.sign(&mut peer, &key, b"not a login"));
    assert_eq!(free, Refusal::NotALogin);
    // Through b to c, where the login must name its host.
    let mut peer = Peer::new();
    ok(bind(&mut t.bench, &mut peer, &host, b"s1", true));
    assert!(t.is_shown(&mut peer));
    let last = std::mem::replace(&mut t.c, ed25519());
    ok(bind(&mut t.bench, &mut peer, &last, b"s2", false));
    drop(signature(t.login(&mut peer, b"s2", "root", Some(&c))));
    assert_eq!(
        refused(t.login(&mut peer, b"s2", "root", None)),
        Refusal::NoHostKey
    );
    assert_eq!(
        refused(t.login(&mut peer, b"s1", "root", Some(&c))),
        Refusal::OtherSession
    );
}

#[test]
fn a_restricted_key_is_hidden_where_it_cannot_be_used() {
    let mut t = Restricted::new();
    let far = Refusal::NotPermitted(NotPermitted::Destination);
    // To a host that is on no list; what is hidden cannot be changed either.
    let mut peer = Peer::new();
    let other = ed25519();
    ok(bind(&mut t.bench, &mut peer, &other, b"s", false));
    assert!(!t.is_shown(&mut peer));
    let blob = t.key.public().to_blob();
    assert_eq!(
        refused(t.bench.ask(&mut peer, &Request::Remove { key: &blob })),
        far
    );
    let again = AgentClient::add_request(&t.key, None, &Constraints::default()).expect("fits");
    assert_eq!(refused(t.bench.send(&mut peer, &again)), far);
    // Carried to c, from where it leads nowhere.
    let mut peer = Peer::new();
    ok(bind(&mut t.bench, &mut peer, &t.b, b"s1", true));
    ok(bind(&mut t.bench, &mut peer, &t.c, b"s2", true));
    assert!(!t.is_shown(&mut peer));
    assert_eq!(
        refused(t.bench.ask(&mut peer, &Request::Remove { key: &blob })),
        Refusal::NotPermitted(NotPermitted::NoWayOn)
    );
    // Signing while the connection is bound to be carried on.
    let mut peer = Peer::new();
    ok(bind(&mut t.bench, &mut peer, &t.b, b"s1", true));
    let refusal = refused(t.login(&mut peer, b"s1", "u1", None));
    assert_eq!(refusal, Refusal::NotPermitted(NotPermitted::SignInForward));
    // A binding that failed leaves nothing.
    let mut peer = Peer::new();
    let bad = Request::Extension {
        name: SESSION_BIND,
        contents: b"?",
    };
    refused(t.bench.ask(&mut peer, &bad));
    assert!(!t.is_shown(&mut peer));
}

/// A certificate by `ca` for `key`.
fn certify(ca: &PrivateKey, key: &PrivateKey, kind: CertKind, name: &str) -> Certificate {
    let fields = CertFields {
        serial: 1,
        kind,
        key_id: "id".into(),
        principals: vec![name.into()],
        valid_after: 0,
        valid_before: u64::MAX,
        critical_options: Vec::new(),
        extensions: Vec::new(),
    };
    Certificate::issue(key.public(), ca, None, &fields, &mut SystemRng).expect("issued")
}

#[test]
fn hosts_may_be_known_by_their_authority() {
    let (key, ca, host) = (ed25519(), ed25519(), ed25519());
    let mut to = hop("b.example.com", &ca);
    to.keys[0].authority = true;
    let constraints = Constraints {
        destinations: vec![Destination {
            from: Hop::default(),
            to,
        }],
        ..Constraints::default()
    };
    let mut bench = Bench::new(Policy::default());
    ok(bench.add(&mut Peer::new(), &key, &constraints));
    for (signer, kind, name, fine) in [
        (&ca, CertKind::Host, "b.example.com", true),
        (&ca, CertKind::Host, "*.example.com", true),
        (&ca, CertKind::Host, "c.example.com", false),
        (&ca, CertKind::User, "b.example.com", false),
        (&host, CertKind::Host, "b.example.com", false),
    ] {
        let cert = certify(signer, &host, kind, name);
        let signed = host.sign("ssh-ed25519", b"s").expect("signed");
        let contents = Request::session_bind(cert.blob(), b"s", &signed, false);
        let mut peer = Peer::new();
        ok(bench.ask(
            &mut peer,
            &Request::Extension {
                name: SESSION_BIND,
                contents: &contents,
            },
        ));
        assert_eq!(bench.list(&mut peer).len(), usize::from(fine), "{name}");
    }
    // The authority's own key is no host's.
    let mut peer = Peer::new();
    ok(bind(&mut bench, &mut peer, &ca, b"s", false));
    assert!(bench.list(&mut peer).is_empty());
}

#[test]
fn certificates_are_kept_beside_their_keys() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    let ca = ed25519();
    let kinds = [KeyType::Ed25519, KeyType::Ecdsa(Curve::P384), KeyType::Rsa];
    for kind in kinds {
        let (key, another) = (key(kind), key(kind));
        let cert = certify(&ca, &key, CertKind::User, "me");
        ok(bench.add(&mut peer, &key, &Constraints::default()));
        let none = Constraints::default();
        let frame = AgentClient::add_request(&key, Some(&cert), &none).expect("fits");
        ok(bench.send(&mut peer, &frame));
        for algorithm in PublicKey::Certificate(Box::new(cert.clone())).signature_algorithms() {
            let request = AgentClient::sign_request(cert.blob(), b"data", algorithm);
            let made = signature(bench.send(&mut peer, &request));
            assert!(AgentClient::signature(Response::Signature(made.clone()), algorithm).is_ok());
            assert!(key.public().verify(b"data", &made, None).is_ok());
        }
        // Another key's certificate, and every broken form, is refused.
        let other = certify(&ca, &another, CertKind::User, "me");
        assert!(AgentClient::add_request(&key, Some(&other), &none).is_err());
        for end in 5..frame.len() {
            let message = &frame[4..end];
            let outcome = bench
                .agent
                .request(&mut peer, message, at(100), &mut SystemRng);
            refused(outcome);
        }
    }
    assert_eq!(bench.agent.len(), 2 * kinds.len());
}

fn decode(bytes: &[u8], kind: Kind) -> Result<Constraints, ConstraintError> {
    Constraints::decode(&mut Reader::new(bytes), kind)
}

#[test]
fn constraints_round_trip_and_broken_ones_fail() {
    let host = ed25519();
    let destination = Destination {
        from: Hop::default(),
        to: Hop {
            user: Some("me".into()),
            ..hop("h", &host)
        },
    };
    let for_key = Constraints {
        lifetime: Some(7),
        confirm: true,
        sk_provider: Some(LIBRARY.into()),
        destinations: vec![destination.clone()],
        certificates: None,
    };
    let for_token = Constraints {
        sk_provider: None,
        certificates: Some(TokenCertificates {
            only: true,
            list: vec![host.public().clone()],
        }),
        ..for_key.clone()
    };
    for (constraints, kind, other) in [
        (for_key, Kind::Key, Kind::Token),
        (for_token, Kind::Token, Kind::Key),
    ] {
        let bytes = constraints.to_vec();
        assert_eq!(decode(&bytes, kind), Ok(constraints.clone()));
        assert!(matches!(
            decode(&bytes, other),
            Err(ConstraintError::Misplaced { .. })
        ));
        let twice = [&bytes[..], &bytes].concat();
        assert!(matches!(
            decode(&twice, kind),
            Err(ConstraintError::Repeated { .. })
        ));
        for end in 0..bytes.len() {
            assert_ne!(decode(&bytes[..end], kind), Ok(constraints.clone()));
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x01;
            assert_ne!(decode(&bad, kind), Ok(constraints.clone()), "{at}");
        }
    }
    assert!(matches!(
        decode(&[9], Kind::Key),
        Err(ConstraintError::Unknown { .. })
    ));
    let many = Constraints {
        destinations: vec![destination; DESTINATIONS_MAX + 1],
        ..Constraints::default()
    };
    assert!(matches!(
        decode(&many.to_vec(), Kind::Key),
        Err(ConstraintError::Count { .. })
    ));
    let none = b"\xff\0\0\0\x24restrict-destination-v00@openssh.com\0\0\0\0";
    assert!(matches!(
        decode(none, Kind::Key),
        Err(ConstraintError::Count { .. })
    ));
}

pub(super) const LIBRARY: &str = "/usr/lib/token.so";

/// An ed25519 key in a security key, as a client would add it.
fn fido(application: &str) -> (PublicKey, Vec<u8>) {
    let public = PublicKey::SkEd25519 {
        key: [3; 32],
        application: application.into(),
    };
    let mut fields = public.to_blob();
    let mut w = carrick_wire::Writer::new(&mut fields);
    w.u8(crate::SK_USER_PRESENT);
    w.string(b"handle");
    w.string(b"");
    w.text("token");
    (public, fields)
}

fn add_fido(bench: &mut Bench, application: &str, provider: &str) -> (PublicKey, Outcome) {
    let (public, mut body) = fido(application);
    let constraints = Constraints {
        sk_provider: Some(provider.into()),
        ..Constraints::default()
    };
    body.extend(constraints.to_vec());
    let outcome = bench.ask(
        &mut Peer::new(),
        &Request::Add {
            constrained: true,
            body: &body,
        },
    );
    (public, outcome)
}

#[test]
fn fido_keys_sign_outside_and_not_for_the_web() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    let (key, outcome) = add_fido(&mut bench, "ssh:", "internal");
    ok(outcome);
    let (task, pending) = work(bench.sign(&mut peer, &key, b"anything"));
    let Task::SignFido(request) = task else {
        panic!("{task:?}");
    };
    assert_eq!(request.provider, "internal");
    assert!(
        request
            .notice
            .is_some_and(|n| n.starts_with("Confirm user presence"))
    );
    assert!(
        request
            .pin_prompt
            .starts_with("Enter PIN and confirm user presence for ED25519-SK key")
    );
    let done = Done::Signature(Ok(b"blob".to_vec()));
    let outcome = bench.agent.resume(&mut peer, pending, done, at(100));
    assert_eq!(signature(outcome), b"blob");
    let (_, pending) = work(bench.sign(&mut peer, &key, b"anything"));
    let done = Done::Signature(Err("no device".into()));
    let outcome = bench.agent.resume(&mut peer, pending, done, at(100));
    assert!(matches!(refused(outcome), Refusal::Helper { .. }));
    // A key of the web signs logins and files only.
    let (key, outcome) = add_fido(&mut bench, "example.org", "internal");
    ok(outcome);
    assert_eq!(
        refused(bench.sign(&mut peer, &key, b"anything")),
        Refusal::WebOrigin
    );
    let login = login_data(b"s", "me", &key, None);
    work(bench.sign(&mut peer, &key, &login));
    work(bench.sign(
        &mut peer,
        &key,
        b"SSHSIG\0\0\0\x01n\0\0\0\0\0\0\0\x01h\0\0\0\x01m",
    ));
    for websafe in [None, Some("*.org".to_owned())] {
        bench.agent.policy.websafe = websafe;
        work(bench.sign(&mut peer, &key, b"anything"));
    }
    bench.agent.policy = Policy::default();
    // Without a provider there is nobody to ask.
    let (key, body) = fido("ssh:other");
    ok(bench.ask(
        &mut peer,
        &Request::Add {
            constrained: false,
            body: &body,
        },
    ));
    assert_eq!(
        refused(bench.sign(&mut peer, &key, b"x")),
        Refusal::NoProvider
    );
}

#[test]
fn libraries_have_to_be_on_the_list() {
    let mut bench = Bench::new(Policy::default());
    for (path, found, fine) in [
        (LIBRARY, Ok("/usr/lib/token.so.1"), true),
        (LIBRARY, Ok("/home/me/token.so"), false),
        ("/nowhere", Err("No such file or directory"), false),
    ] {
        let (_, outcome) = add_fido(&mut bench, "ssh:", path);
        let (task, pending) = work(outcome);
        assert!(matches!(task, Task::FindProvider { path: asked } if asked == path));
        let done = Done::Provider(found.map(str::to_owned).map_err(str::to_owned));
        let outcome = bench.agent.resume(&mut Peer::new(), pending, done, at(100));
        if fine {
            ok(outcome);
        } else {
            assert!(matches!(
                refused(outcome),
                Refusal::ProviderNotAllowed { .. } | Refusal::ProviderPath { .. }
            ));
        }
    }
    let constraints = Constraints {
        sk_provider: Some("internal".into()),
        ..Constraints::default()
    };
    let wrong = bench.add(&mut Peer::new(), &ed25519(), &constraints);
    assert_eq!(refused(wrong), Refusal::NotASecurityKey);
    // Nor may a host further on name one.
    let mut peer = Peer::new();
    ok(bind(&mut bench, &mut peer, &ed25519(), b"s", true));
    let token = Request::AddToken {
        constrained: false,
        provider: LIBRARY,
        pin: b"1",
        constraints: &[],
    };
    assert!(matches!(
        refused(bench.ask(&mut peer, &token)),
        Refusal::RemoteProvider { .. }
    ));
    bench.agent.policy.remote_providers = true;
    work(bench.ask(&mut peer, &token));
}

#[test]
fn a_tokens_keys_come_and_go_together() {
    let mut bench = Bench::new(Policy::default());
    let mut peer = Peer::new();
    let token = Request::AddToken {
        constrained: false,
        provider: "/usr/lib/link.so",
        pin: b"1234",
        constraints: &[],
    };
    let (_, pending) = work(bench.ask(&mut peer, &token));
    let found = Done::Provider(Ok(LIBRARY.into()));
    let (task, pending) = work(bench.agent.resume(&mut peer, pending, found, at(100)));
    assert!(
        matches!(task, Task::LoadToken { provider, pin } if provider == LIBRARY && pin.expose() == b"1234")
    );
    let (one, two) = (ed25519(), ed25519());
    let keys = vec![
        (one.public().clone(), "label".to_owned()),
        (two.public().clone(), String::new()),
    ];
    ok(bench
        .agent
        .resume(&mut peer, pending, Done::Keys(Ok(keys)), at(100)));
    let Outcome::Answer(Response::Identities(list)) = bench.ask(&mut peer, &Request::Identities)
    else {
        panic!("no list");
    };
    let comments: Vec<_> = list.iter().map(|i| i.comment_text()).collect();
    assert_eq!(comments, ["label", LIBRARY]);
    let (task, _) = work(bench.sign(&mut peer, one.public(), b"x"));
    assert!(matches!(task, Task::SignToken(r) if r.key == *one.public() && r.provider == LIBRARY));
    ok(bench.add(&mut peer, &ed25519(), &Constraints::default()));
    let remove = Request::RemoveToken {
        provider: LIBRARY,
        pin: b"",
    };
    let (_, pending) = work(bench.ask(&mut peer, &remove));
    let found = Done::Provider(Ok(LIBRARY.into()));
    let (task, pending) = work(bench.agent.resume(&mut peer, pending, found, at(100)));
    assert!(matches!(task, Task::UnloadToken { provider } if provider == LIBRARY));
    ok(bench
        .agent
        .resume(&mut peer, pending, Done::Unloaded(Ok(())), at(100)));
    assert_eq!(bench.list(&mut peer).len(), 1);
}

/// Each key as it is added, truncated and flipped at every byte: an error,
/// or another key.
#[test]
fn broken_keys_are_refused() {
    for kind in [KeyType::Ed25519, KeyType::Ecdsa(Curve::P256), KeyType::Rsa] {
        let key = key(kind);
        let frame = AgentClient::add_request(&key, None, &Constraints::default()).expect("fits");
        let message = &frame[4..];
        let run = |message: &[u8]| {
            let mut agent = Agent::default();
            let outcome = agent.request(&mut Peer::new(), message, at(1), &mut SystemRng);
            let added = matches!(outcome, Outcome::Answer(Response::Success));
            assert_eq!(added, agent.len() == 1);
            added
        };
        assert!(run(message));
        for end in 0..message.len() {
            assert!(!run(&message[..end]), "{kind:?} {end}");
        }
        let comment = b"\0\0\0\x05a key".len();
        for at in 1..message.len() - comment {
            let mut bad = message.to_vec();
            bad[at] ^= 0x10;
            assert!(!run(&bad), "{kind:?} {at}");
        }
    }
}

#[test]
fn secrets_do_not_show() {
    let requests = [
        Request::Lock {
            passphrase: b"hunter2",
        },
        Request::AddToken {
            constrained: false,
            provider: "p",
            pin: b"hunter2",
            constraints: &[],
        },
    ];
    for request in requests {
        assert!(!format!("{request:?}").contains("hunter2"));
        let bytes = AgentClient::secret_request(&request);
        assert_eq!(Reader::all::<Request<'_>>(&bytes[4..]), Ok(request));
    }
    let task = Task::LoadToken {
        provider: LIBRARY.into(),
        pin: Secret::from("hunter2"),
    };
    assert_eq!(format!("{task:?}"), "LoadToken");
}
