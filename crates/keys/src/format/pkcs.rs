//! PKCS#1 RSA (RFC 8017 appendix A.1) and SEC1 EC (RFC 5915) keys.

use carrick_crypto::sign::{EcdsaKey, RsaKey};
use zeroize::Zeroizing;

use super::der::{
    BIT_STRING, Der, OCTET_STRING, OID, SEQUENCE, bit_string, context, integer, value,
};
use super::{KeyFileError, unsupported};
use crate::private::RsaParts;
use crate::{Curve, PrivateKey, PublicKey};

pub(super) const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub(super) const OID_P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
pub(super) const OID_P521: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];

/// The curve that an OBJECT IDENTIFIER names.
pub(super) fn curve(oid: &[u8]) -> Result<Curve, KeyFileError> {
    match oid {
        OID_P256 => Ok(Curve::P256),
        OID_P384 => Ok(Curve::P384),
        OID_P521 => Ok(Curve::P521),
        _ => Err(unsupported("elliptic curve of the key")),
    }
}

/// The OBJECT IDENTIFIER of a curve, with tag and length.
pub(super) fn curve_oid(curve: Curve) -> Zeroizing<Vec<u8>> {
    let oid = match curve {
        Curve::P256 => OID_P256,
        Curve::P384 => OID_P384,
        Curve::P521 => OID_P521,
    };
    value(OID, &[oid])
}

/// RSAPrivateKey.
pub(super) fn rsa_der(key: &RsaKey) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    const BAD: KeyFileError = KeyFileError::Invalid {
        what: "rsa private key",
    };
    let parts = key.components().map_err(|_| BAD)?;
    let [dp, dq] = key.crt_exponents().map_err(|_| BAD)?;
    let numbers = [
        integer(&[]),
        integer(&parts.n),
        integer(&parts.e),
        integer(&parts.d),
        integer(&parts.p),
        integer(&parts.q),
        integer(&dp),
        integer(&dq),
        integer(&parts.iqmp),
    ];
    let numbers: [&[u8]; 9] = numbers.each_ref().map(|n| n.as_slice());
    Ok(value(SEQUENCE, &numbers))
}

/// RSAPublicKey.
pub(super) fn rsa_public_der(e: &[u8], n: &[u8]) -> Zeroizing<Vec<u8>> {
    value(SEQUENCE, &[&integer(n), &integer(e)])
}

/// ECPrivateKey, with the curve inside if asked (PKCS#8 has it around).
pub(super) fn ec_der(key: &EcdsaKey, with_curve: bool) -> Zeroizing<Vec<u8>> {
    let curve = if with_curve {
        value(context(0), &[&curve_oid(key.curve())])
    } else {
        Zeroizing::default()
    };
    value(
        SEQUENCE,
        &[
            &integer(&[1]),
            &value(OCTET_STRING, &[key.scalar()]),
            &curve,
            &value(context(1), &[&bit_string(key.public())]),
        ],
    )
}

/// RSAPrivateKey.
pub(super) fn parse_rsa(der: &[u8]) -> Result<PrivateKey, KeyFileError> {
    let mut outer = Der::new(der);
    let mut seq = outer.sequence()?;
    outer.finish()?;
    if seq.small()? != 0 {
        return Err(unsupported("multi-prime rsa key"));
    }
    let (n, e, d) = (seq.magnitude()?, seq.magnitude()?, seq.magnitude()?);
    let (p, q) = (seq.magnitude()?, seq.magnitude()?);
    let (_dp, _dq, iqmp) = (seq.magnitude()?, seq.magnitude()?, seq.magnitude()?);
    seq.finish()?;
    PrivateKey::from_rsa(
        &RsaParts {
            n,
            e,
            d,
            p,
            q,
            iqmp,
        },
        Vec::new(),
    )
}

/// RSAPublicKey.
pub(super) fn parse_rsa_public(der: &[u8]) -> Result<PublicKey, KeyFileError> {
    let mut outer = Der::new(der);
    let mut seq = outer.sequence()?;
    outer.finish()?;
    let (n, e) = (seq.magnitude()?, seq.magnitude()?);
    seq.finish()?;
    Ok(PublicKey::rsa(e.to_vec(), n.to_vec())?)
}

/// ECPrivateKey. The curve is inside, or comes from around it (PKCS#8).
pub(super) fn parse_ec(der: &[u8], around: Option<Curve>) -> Result<PrivateKey, KeyFileError> {
    let mut outer = Der::new(der);
    let mut seq = outer.sequence()?;
    outer.finish()?;
    if seq.small()? != 1 {
        return Err(KeyFileError::Invalid {
            what: "ec key version",
        });
    }
    let scalar = seq.expect(OCTET_STRING)?;
    let inside = match seq.optional(context(0))? {
        Some(parameters) => Some(curve(Der::new(parameters).expect(OID)?)?),
        None => None,
    };
    let point = match seq.optional(context(1))? {
        Some(bits) => {
            let mut bits = Der::new(bits);
            let point = bits
                .expect(BIT_STRING)?
                .strip_prefix(&[0])
                .unwrap_or_default();
            bits.finish()?;
            Some(point)
        }
        None => None,
    };
    seq.finish()?;
    if inside.is_some() && around.is_some() && inside != around {
        return Err(KeyFileError::Mismatch);
    }
    let curve = inside
        .or(around)
        .ok_or_else(|| unsupported("ec key without a named curve"))?;
    let key = PrivateKey::from_ecdsa(curve, scalar, Vec::new())?;
    match (key.public(), point) {
        // A compressed point is not compared: it says no more than the scalar.
        (PublicKey::Ecdsa { point: ours, .. }, Some(stated))
            if stated.first() == Some(&4) && stated != ours.as_slice() =>
        {
            Err(KeyFileError::Mismatch)
        }
        _ => Ok(key),
    }
}
