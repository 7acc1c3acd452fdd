//! allowed_signers files.
#![no_main]

use carrick_keys::PublicKey;
use carrick_keys::allowed_signers::{Query, entries, match_principals, search};
use carrick_keys::authorized_keys::CivilTime;
use libfuzzer_sys::fuzz_target;

/// A certificate and a key that the seeds are about.
const CERT: &str = include_str!("../../crates/keys/tests/data/ecdsa256-cert.pub");

fn utc(time: CivilTime) -> Option<u64> {
    u64::try_from(time.seconds_as_utc()).ok()
}

fuzz_target!(|text: &[u8]| {
    let (cert, _) = PublicKey::from_line(CERT).expect("a certificate");
    for key in [&cert, cert.plain()] {
        for principal in [None, Some("ann")] {
            let query = Query {
                key,
                principal,
                namespace: Some("file"),
                time: 1_750_000_000,
                zone: &utc,
            };
            let found = search(text, &query);
            if let Some(allowed) = found.allowed {
                let line = entries(text, principal, &utc)
                    .find(|(number, _)| *number == allowed.line)
                    .and_then(|(_, entry)| entry.ok())
                    .expect("the line can be read");
                assert_eq!(line.options.cert_authority, key.is_certificate());
            }
        }
    }
    let lines = entries(text, Some("ann"), &utc).count();
    if let Ok(names) = match_principals(text, "ann", &utc) {
        assert_eq!(names.len(), lines);
    }
});
