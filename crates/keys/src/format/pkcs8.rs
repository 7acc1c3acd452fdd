//! PKCS#8 (RFC 5958, RFC 8410), plain and encrypted with PBES2 (RFC 8018),
//! and SubjectPublicKeyInfo (RFC 5280 section 4.1).

use carrick_crypto::hash::HashAlg;
use carrick_crypto::kdf::pbkdf2;
use carrick_crypto::rng::Rng;
use carrick_crypto::sign::{EcdsaKey, RsaKey};
use carrick_wire::Secret;
use zeroize::Zeroizing;

use super::cipher::{KeyCipher, pad, unpad};
use super::cost;
use super::der::{Der, NULL, OCTET_STRING, OID, SEQUENCE, bit_string, integer, value};
use super::{KeyFileError, pkcs, unsupported};
use crate::public::check_point;
use crate::{Curve, PrivateKey, PublicKey};

const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const OID_DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
const OID_PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const OID_PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const OID_3DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];
/// hmacWithSHA1 and its siblings differ in the last byte.
const OID_HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
/// AES by its key size and mode, in the last byte.
const OID_AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];

enum Algorithm {
    Rsa,
    Ec(Curve),
    Ed25519,
}

/// AlgorithmIdentifier.
fn algorithm(mut seq: Der<'_>) -> Result<Algorithm, KeyFileError> {
    let found = match seq.expect(OID)? {
        OID_RSA => {
            seq.optional(NULL)?;
            Algorithm::Rsa
        }
        OID_EC => Algorithm::Ec(pkcs::curve(seq.expect(OID)?)?),
        OID_ED25519 => Algorithm::Ed25519,
        OID_DSA => return Err(unsupported("a dsa key")),
        _ => return Err(unsupported("the key's algorithm")),
    };
    seq.finish()?;
    Ok(found)
}

/// PrivateKeyInfo or OneAsymmetricKey.
pub(super) fn parse(der: &[u8]) -> Result<PrivateKey, KeyFileError> {
    let mut outer = Der::new(der);
    let mut seq = outer.sequence()?;
    outer.finish()?;
    if seq.small()? > 1 {
        return Err(KeyFileError::Invalid {
            what: "pkcs8 version",
        });
    }
    let algorithm = algorithm(seq.sequence()?)?;
    let key = seq.expect(OCTET_STRING)?;
    // Attributes and the public key may follow; neither is needed.
    while !seq.is_empty() {
        seq.any()?;
    }
    match algorithm {
        Algorithm::Rsa => pkcs::parse_rsa(key),
        Algorithm::Ec(curve) => pkcs::parse_ec(key, Some(curve)),
        Algorithm::Ed25519 => {
            let mut inner = Der::new(key);
            let seed = inner.expect(OCTET_STRING)?;
            inner.finish()?;
            let seed = seed.try_into().map_err(|_| KeyFileError::Invalid {
                what: "ed25519 key",
            })?;
            PrivateKey::from_ed25519(seed, Vec::new())
        }
    }
}

/// The AlgorithmIdentifier of an RSA key.
fn rsa_algorithm() -> Zeroizing<Vec<u8>> {
    value(SEQUENCE, &[&value(OID, &[OID_RSA]), &value(NULL, &[])])
}

/// The AlgorithmIdentifier of an EC key.
fn ec_algorithm(curve: Curve) -> Zeroizing<Vec<u8>> {
    value(SEQUENCE, &[&value(OID, &[OID_EC]), &pkcs::curve_oid(curve)])
}

/// PrivateKeyInfo of an RSA key.
pub(super) fn rsa_der(key: &RsaKey) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let inner = pkcs::rsa_der(key)?;
    Ok(private_key_info(&rsa_algorithm(), &inner))
}

/// PrivateKeyInfo of an EC key.
pub(super) fn ec_der(key: &EcdsaKey) -> Zeroizing<Vec<u8>> {
    private_key_info(&ec_algorithm(key.curve()), &pkcs::ec_der(key, false))
}

fn private_key_info(algorithm: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    value(
        SEQUENCE,
        &[&integer(&[]), algorithm, &value(OCTET_STRING, &[key])],
    )
}

/// SubjectPublicKeyInfo; of the types that OpenSSH writes so.
pub(super) fn public_der(key: &PublicKey) -> Option<Zeroizing<Vec<u8>>> {
    let (algorithm, bits) = match key {
        PublicKey::Rsa { e, n } => (rsa_algorithm(), bit_string(&pkcs::rsa_public_der(e, n))),
        PublicKey::Ecdsa { curve, point } => (ec_algorithm(*curve), bit_string(point)),
        _ => return None,
    };
    Some(value(SEQUENCE, &[&algorithm, &bits]))
}

/// Iterations of PBKDF2 in new files, as OpenSSL makes them.
const ITERATIONS: u16 = 2048;
/// Bytes of salt in new files.
const SALT: usize = 16;

/// EncryptedPrivateKeyInfo around a PrivateKeyInfo: AES-128-CBC, its key from
/// PBKDF2 with HMAC-SHA256.
pub(super) fn seal(
    der: &[u8],
    passphrase: &Secret,
    rng: &mut dyn Rng,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    const HMAC_SHA256: u8 = 9;
    const AES128_CBC: u8 = 2;
    let cipher = KeyCipher::find("aes128-cbc").ok_or_else(|| unsupported("aes128-cbc"))?;
    let (mut salt, mut iv) = ([0; SALT], [0; 16]);
    rng.fill(&mut salt);
    rng.fill(&mut iv);
    let mut key = Zeroizing::new(vec![0; cipher.key_len]);
    pbkdf2(
        HashAlg::Sha256,
        passphrase.expose(),
        &salt,
        ITERATIONS.into(),
        &mut key,
    );
    let sealed = cipher
        .seal(&key, &iv, &pad(der, cipher.block))
        .ok_or(KeyFileError::Invalid { what: "cipher" })?;
    let prf = value(
        SEQUENCE,
        &[&value(OID, &[OID_HMAC, &[HMAC_SHA256]]), &value(NULL, &[])],
    );
    let kdf = value(
        SEQUENCE,
        &[
            &value(OCTET_STRING, &[&salt]),
            &integer(&ITERATIONS.to_be_bytes()),
            &prf,
        ],
    );
    let kdf = value(SEQUENCE, &[&value(OID, &[OID_PBKDF2]), &kdf]);
    let encryption = value(
        SEQUENCE,
        &[
            &value(OID, &[OID_AES, &[AES128_CBC]]),
            &value(OCTET_STRING, &[&iv]),
        ],
    );
    let scheme = value(
        SEQUENCE,
        &[
            &value(OID, &[OID_PBES2]),
            &value(SEQUENCE, &[&kdf, &encryption]),
        ],
    );
    Ok(value(
        SEQUENCE,
        &[&scheme, &value(OCTET_STRING, &[&sealed])],
    ))
}

/// EncryptedPrivateKeyInfo.
pub(super) fn parse_encrypted(
    der: &[u8],
    passphrase: Option<&Secret>,
) -> Result<PrivateKey, KeyFileError> {
    let mut outer = Der::new(der);
    let mut seq = outer.sequence()?;
    outer.finish()?;
    let mut scheme = seq.sequence()?;
    let sealed = seq.expect(OCTET_STRING)?;
    seq.finish()?;
    if scheme.expect(OID)? != OID_PBES2 {
        return Err(unsupported("the key file's encryption (not pbes2)"));
    }
    let mut parameters = scheme.sequence()?;
    let kdf = Kdf::parse(parameters.sequence()?)?;
    let (cipher, iv) = read_cipher(parameters.sequence()?)?;
    if sealed.is_empty() || !sealed.len().is_multiple_of(cipher.block) {
        return Err(KeyFileError::Invalid {
            what: "encrypted part",
        });
    }
    let passphrase = passphrase.ok_or(KeyFileError::NeedsPassphrase)?;
    let mut key = Zeroizing::new(vec![0; cipher.key_len]);
    if kdf.key_len.is_some_and(|len| len != key.len()) {
        return Err(KeyFileError::Invalid {
            what: "pbkdf2 key length",
        });
    }
    pbkdf2(
        kdf.hash,
        passphrase.expose(),
        kdf.salt,
        kdf.rounds,
        &mut key,
    );
    let plain = cipher
        .open(&key, iv, sealed)
        .and_then(|p| unpad(p, cipher.block));
    match parse(&plain.ok_or(KeyFileError::WrongPassphrase)?) {
        Err(KeyFileError::Invalid { .. }) => Err(KeyFileError::WrongPassphrase),
        other => other,
    }
}

/// PBKDF2-params (RFC 8018 appendix A.2).
struct Kdf<'a> {
    salt: &'a [u8],
    rounds: u32,
    key_len: Option<usize>,
    hash: HashAlg,
}

impl<'a> Kdf<'a> {
    fn parse(mut seq: Der<'a>) -> Result<Self, KeyFileError> {
        if seq.expect(OID)? != OID_PBKDF2 {
            return Err(unsupported("the key file's key derivation (not pbkdf2)"));
        }
        let mut parameters = seq.sequence()?;
        let salt = parameters.expect(OCTET_STRING)?;
        let rounds = parameters.small()?;
        if rounds == 0 {
            return Err(KeyFileError::Invalid {
                what: "pbkdf2 rounds",
            });
        }
        cost::pbkdf2(rounds)?;
        let mut key_len = None;
        let mut hash = HashAlg::Sha1;
        while !parameters.is_empty() {
            let mut ahead = parameters;
            if let Ok(len) = ahead.small() {
                key_len = usize::try_from(len).ok();
                parameters = ahead;
                continue;
            }
            let oid = parameters.sequence()?.expect(OID)?;
            hash = match oid.strip_prefix(OID_HMAC) {
                Some([7]) => HashAlg::Sha1,
                Some([9]) => HashAlg::Sha256,
                Some([10]) => HashAlg::Sha384,
                Some([11]) => HashAlg::Sha512,
                _ => return Err(unsupported("the key file's pbkdf2 hash")),
            };
        }
        Ok(Self {
            salt,
            rounds,
            key_len,
            hash,
        })
    }
}

/// The encryption scheme and its initialisation vector.
fn read_cipher(mut seq: Der<'_>) -> Result<(KeyCipher, &[u8]), KeyFileError> {
    let oid = seq.expect(OID)?;
    let name = match oid.strip_prefix(OID_AES) {
        Some([2]) => "aes128-cbc",
        Some([22]) => "aes192-cbc",
        Some([42]) => "aes256-cbc",
        _ if oid == OID_3DES => "3des-cbc",
        _ => return Err(unsupported("the key file's cipher")),
    };
    let cipher = KeyCipher::find(name).ok_or_else(|| unsupported(name))?;
    let iv = seq.expect(OCTET_STRING)?;
    if iv.len() != cipher.iv_len {
        return Err(KeyFileError::Invalid {
            what: "initialisation vector",
        });
    }
    Ok((cipher, iv))
}

/// SubjectPublicKeyInfo.
pub(super) fn parse_public(der: &[u8]) -> Result<PublicKey, KeyFileError> {
    let mut outer = Der::new(der);
    let mut seq = outer.sequence()?;
    outer.finish()?;
    let algorithm = algorithm(seq.sequence()?)?;
    let bits = seq.bits()?;
    seq.finish()?;
    match algorithm {
        Algorithm::Rsa => pkcs::parse_rsa_public(bits),
        Algorithm::Ec(curve) => Ok(PublicKey::Ecdsa {
            curve,
            point: check_point(curve, bits)?,
        }),
        Algorithm::Ed25519 => match bits.try_into() {
            Ok(key) => Ok(PublicKey::Ed25519(key)),
            Err(_) => Err(KeyFileError::Invalid {
                what: "ed25519 key",
            }),
        },
    }
}
