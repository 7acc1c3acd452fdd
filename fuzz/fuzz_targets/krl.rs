//! Key revocation lists: what is read is written and read the same; both ways
//! of asking agree. Input that is none is the text that one is made from, and
//! a list of keys.
#![no_main]

use carrick_keys::krl::{Krl, SpecAuthority};
use carrick_keys::{PublicKey, RevokedKeys};
use libfuzzer_sys::fuzz_target;

/// A certificate that the seeds are about.
const CERT: &str = include_str!("../../crates/keys/tests/data/ecdsa256-cert.pub");

fuzz_target!(|bytes: &[u8]| {
    let (cert, _) = PublicKey::from_line(CERT).expect("a certificate");
    let asked = RevokedKeys::parse(bytes.to_vec());
    match Krl::from_blob(bytes) {
        Ok(krl) => {
            let asked = asked.expect("one reader takes it, so does the other");
            for key in [&cert, cert.plain()] {
                assert_eq!(krl.revokes(key), asked.is_revoked(key));
            }
            let written = krl.to_blob();
            assert_eq!(Krl::from_blob(&written).as_ref(), Ok(&krl));
            let again = RevokedKeys::parse(written).expect("written");
            assert_eq!(again.is_revoked(&cert), asked.is_revoked(&cert));
        }
        Err(_) => {
            if let Ok(asked) = asked {
                let _ = asked.is_revoked(&cert);
            }
            let mut krl = Krl::new();
            for scope in [SpecAuthority::Unknown, SpecAuthority::Any, SpecAuthority::Key(cert.plain())] {
                let _ = krl.revoke_spec(bytes, scope);
            }
            assert_eq!(Krl::from_blob(&krl.to_blob()), Ok(krl));
        }
    }
});
