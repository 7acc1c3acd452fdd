//! Host certificates as the machines see them: a key in a form that goes with
//! an algorithm. What one is worth is for the application.

use carrick_keys::{CertFields, CertKind, Certificate, KeyType, PrivateKey, PublicKey};
use carrick_proto::{Error, PeerFault};
use carrick_testkit::{Pair, SeededRng};

const PLAIN: &str = "ssh-ed25519";
const CERT: &str = "ssh-ed25519-cert-v01@openssh.com";

/// A client that asks for `wanted`, and a server that shows a certificate of
/// its key under that name.
fn server_shows_certificate_as(wanted: &str) -> Pair {
    let mut pair = Pair::with(5, |client, server| {
        let (_, blob) = server.host_keys.first().expect("a key");
        let key = PublicKey::from_blob(blob).expect("a key");
        let mut rng = SeededRng::new(6);
        let authority = PrivateKey::generate(KeyType::Ed25519, 0, &mut rng).expect("a key");
        let fields = CertFields {
            serial: 1,
            kind: CertKind::Host,
            key_id: "id".into(),
            principals: Vec::new(),
            valid_after: 0,
            valid_before: u64::MAX,
            critical_options: Vec::new(),
            extensions: Vec::new(),
        };
        let cert = Certificate::issue(&key, &authority, None, &fields, &mut rng).expect("issued");
        server.host_keys = vec![(wanted.to_owned(), cert.blob().to_vec())];
        server.common.preferences.host_key = vec![wanted.to_owned()];
        client.common.preferences.host_key = vec![wanted.to_owned()];
    });
    pair.run();
    pair
}

#[test]
fn a_certificate_goes_with_its_algorithm() {
    let pair = server_shows_certificate_as(CERT);
    assert_eq!(pair.client.error(), None);
    assert_eq!(pair.client.negotiated().expect("agreed").host_key, CERT);
    let shown = PublicKey::from_blob(pair.client.host_key().expect("shown")).expect("a key");
    assert!(shown.is_certificate());
}

/// A client that does not ask for certificates does not judge them: none may
/// come in under a plain algorithm's name.
#[test]
fn a_certificate_does_not_go_with_a_plain_algorithm() {
    let pair = server_shows_certificate_as(PLAIN);
    match pair.client.error() {
        Some(Error::Fault(PeerFault::Kex(why))) => {
            assert!(why.contains("does not go with"), "{why}");
        }
        other => panic!("not refused: {other:?}"),
    }
}
