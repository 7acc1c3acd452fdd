//! Certificates: judged by every kind of demand. None that the fuzzer makes
//! up is signed, so none may ever be good.
#![no_main]

use carrick_keys::{CertDemand, CertFields, CertKind, CertName, PublicKey, UnsignedCert};
use libfuzzer_sys::fuzz_target;

use carrick_fuzz::Counter;

fuzz_target!(|blob: &[u8]| {
    let Ok(PublicKey::Certificate(cert)) = PublicKey::from_blob(blob) else {
        return;
    };
    assert_eq!(cert.blob(), blob);
    assert!(blob.starts_with(cert.signed_part()));
    let signed = cert.check_signature().is_ok();
    for kind in [CertKind::User, CertKind::Host] {
        for name in [CertName::User("ann"), CertName::Host("h.example.org"), CertName::Any] {
            let demand = CertDemand {
                kind,
                name,
                unlisted_is_any: true,
                now: cert.valid_after,
                ca_algorithms: None,
                rsa_min: 1024,
            };
            if let Ok(judged) = cert.judge(&demand) {
                // The seeds are signed.
                assert!(signed && cert.kind == kind);
                assert!(name == CertName::Any || judged.principal().is_some() || cert.principals.is_empty());
            }
        }
    }
    // The same again from its fields, but for the nonce and the signature.
    let fields = CertFields {
        serial: cert.serial,
        kind: cert.kind,
        key_id: cert.key_id.clone(),
        principals: cert.principals.clone(),
        valid_after: cert.valid_after,
        valid_before: cert.valid_before,
        critical_options: cert.critical_options.clone(),
        extensions: cert.extensions.clone(),
    };
    let built = UnsignedCert::new(cert.key(), &cert.authority, &fields, &mut Counter::default())
        .expect("what was read can be written");
    let mut whole = built.to_sign().to_vec();
    carrick_wire::Writer::new(&mut whole).string(&cert.signature);
    let Ok(PublicKey::Certificate(again)) = PublicKey::from_blob(&whole) else {
        panic!("what was written cannot be read")
    };
    assert_eq!(
        (again.key(), &again.authority, &again.principals),
        (cert.key(), &cert.authority, &cert.principals)
    );
    assert_eq!(
        (&again.critical_options, &again.extensions),
        (&cert.critical_options, &cert.extensions)
    );
});
