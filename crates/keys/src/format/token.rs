//! Structures that PKCS#11 tokens have their keys and signatures in.

use carrick_wire::Mpint;

use super::der::{Der, OCTET_STRING, OID, context};
use crate::public::check_point;
use crate::{Curve, PublicKey};

/// An ECDSA signature's numbers, out of the structure that X9.62 has for
/// them.
pub(crate) fn ecdsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut der = Der::new(der);
    let mut inner = der.sequence().ok()?;
    let numbers = (inner.magnitude().ok()?, inner.magnitude().ok()?);
    inner.finish().ok()?;
    der.finish().ok()?;
    Some(numbers)
}

/// That structure, out of the fixed halves that PKCS#11 hands out
/// (`CKM_ECDSA`); `None` for an odd or oversized number of bytes.
pub fn ecdsa_structure(halves: &[u8]) -> Option<Vec<u8>> {
    let half = halves.len() / 2;
    if half == 0 || half > Curve::P521.field_len() || !halves.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = halves.split_at_checked(half)?;
    let mut inside = Vec::new();
    for number in [r, s] {
        let zeros = number.iter().take_while(|b| **b == 0).count();
        let number = number.get(zeros..).unwrap_or_default();
        let sign = number.first().is_none_or(|b| b & 0x80 != 0);
        inside.push(0x02);
        inside.push(u8::try_from(number.len() + usize::from(sign)).ok()?);
        inside.extend(sign.then_some(0));
        inside.extend_from_slice(number);
    }
    let len = u8::try_from(inside.len()).ok()?;
    let head: &[u8] = if len < 0x80 {
        &[0x30, len]
    } else {
        &[0x30, 0x81, len]
    };
    Some([head, &inside].concat())
}

/// A token's ECDSA or Ed25519 key, out of its `CKA_EC_PARAMS` and
/// `CKA_EC_POINT`.
pub fn ec_key(params: &[u8], point: &[u8]) -> Option<PublicKey> {
    // The point is in an OCTET STRING; some tokens leave that away.
    let inner = octets(point).unwrap_or(point);
    let curve = match params {
        b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07" => Curve::P256,
        b"\x06\x05\x2b\x81\x04\x00\x22" => Curve::P384,
        b"\x06\x05\x2b\x81\x04\x00\x23" => Curve::P521,
        // Ed25519 by its name (PKCS#11 3.0 section 2.3.5) or its identifier.
        b"\x13\x0cedwards25519" | b"\x06\x03\x2b\x65\x70" => {
            return Some(PublicKey::Ed25519(inner.try_into().ok()?));
        }
        _ => return None,
    };
    let point = check_point(curve, inner).ok()?;
    Some(PublicKey::Ecdsa { curve, point })
}

/// The contents of an OCTET STRING that is all there is.
fn octets(der: &[u8]) -> Option<&[u8]> {
    let mut der = Der::new(der);
    let contents = der.expect(OCTET_STRING).ok()?;
    der.finish().ok()?;
    Some(contents)
}

/// A token's RSA key, out of its `CKA_PUBLIC_EXPONENT` and `CKA_MODULUS`.
pub fn rsa_key(exponent: &[u8], modulus: &[u8]) -> Option<PublicKey> {
    let bare = |number| Mpint::from_magnitude(number).magnitude().to_vec();
    PublicKey::rsa(bare(exponent), bare(modulus)).ok()
}

/// The public key in an X.509 certificate (RFC 5280 section 4.1), out of a
/// token's `CKA_VALUE`; tokens may have a certificate where the public key
/// should be. Nothing of the certificate is checked: it only says which
/// key the token has, and each signature shows whether that is so.
pub fn certificate_key(der: &[u8]) -> Option<PublicKey> {
    const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    const EC: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
    const ED25519: &[u8] = b"\x2b\x65\x70";
    let mut certificate = Der::new(der).sequence().ok()?;
    let mut body = certificate.sequence().ok()?;
    // Version; serial number, signature, issuer, validity, subject.
    body.optional(context(0)).ok()?;
    for _ in 0..5 {
        body.any().ok()?;
    }
    let mut info = body.sequence().ok()?;
    let mut algorithm = info.sequence().ok()?;
    let name = algorithm.expect(OID).ok()?;
    let bits = info.bits().ok()?;
    match name {
        RSA => {
            let mut numbers = Der::new(bits).sequence().ok()?;
            let modulus = numbers.magnitude().ok()?;
            rsa_key(numbers.magnitude().ok()?, modulus)
        }
        EC => {
            let curve = algorithm.expect(OID).ok()?;
            let len = u8::try_from(curve.len()).ok()?;
            ec_key(&[&[OID, len], curve].concat(), bits)
        }
        ED25519 => Some(PublicKey::Ed25519(bits.try_into().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_signature() {
        for (halves, der) in [
            (&[1, 2][..], &b"\x30\x06\x02\x01\x01\x02\x01\x02"[..]),
            (&[0, 0x80, 0, 0], b"\x30\x07\x02\x02\x00\x80\x02\x01\x00"),
        ] {
            assert_eq!(ecdsa_structure(halves).as_deref(), Some(der));
        }
        let long = ecdsa_structure(&[0x81; 132]).expect("two halves");
        assert_eq!(long[..3], [0x30, 0x81, 138]);
        assert_eq!(
            ecdsa_numbers(&long),
            Some((&[0x81; 66][..], &[0x81; 66][..]))
        );
        for bad in [&[][..], &[1], &[0; 134]] {
            assert_eq!(ecdsa_structure(bad), None);
        }
        for end in 0..long.len() {
            assert_eq!(ecdsa_numbers(&long[..end]), None);
        }
    }

    #[test]
    fn points_bare_and_wrapped() {
        let params = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        let bare = [&[4][..], &[1; 64]].concat();
        let wrapped = [&[4, 65][..], &bare].concat();
        let key = ec_key(params, &bare);
        assert!(key.is_some());
        assert_eq!(ec_key(params, &wrapped), key);
        assert_eq!(ec_key(params, &bare[1..]), None);
        assert_eq!(ec_key(b"\x06\x01\x01", &bare), None);
        let ed = ec_key(b"\x13\x0cedwards25519", &[&[4, 32][..], &[9; 32]].concat());
        assert_eq!(ed, Some(PublicKey::Ed25519([9; 32])));
        assert_eq!(ec_key(b"\x06\x03\x2b\x65\x70", &[9; 31]), None);
    }

    /// `openssl req -x509 -newkey ed25519 -subj /CN=t -days 1`, and the same
    /// with `ec` and `rsa`.
    #[test]
    fn keys_out_of_certificates() {
        for (name, der) in [
            (
                "ssh-ed25519",
                &include_bytes!("../../tests/data/certificate-ed25519.der")[..],
            ),
            (
                "ecdsa-sha2-nistp256",
                include_bytes!("../../tests/data/certificate-p256.der"),
            ),
            (
                "ssh-rsa",
                include_bytes!("../../tests/data/certificate-rsa.der"),
            ),
        ] {
            let key = certificate_key(der).expect("a certificate");
            assert_eq!(key.key_type(), name);
            let mut flipped = der.to_vec();
            for at in 0..der.len() {
                let _ = certificate_key(&der[..at]);
                flipped[at] ^= 0x55;
                let _ = certificate_key(&flipped);
                flipped[at] ^= 0x55;
            }
        }
    }
}
