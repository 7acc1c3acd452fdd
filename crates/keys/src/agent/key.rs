//! Private keys as they are added to an agent (RFC 9987 section 3.2): the
//! fields of a private key file, or a certificate and then the secret fields
//! alone, each with a comment behind it.

use carrick_wire::{Encode, Mpint, Reader, Writer};
use zeroize::Zeroizing;

use crate::cert::cert_type;
use crate::format::read_key;
use crate::private::{Material, RsaParts, SkHandle};
use crate::public::magnitude;
use crate::{Certificate, KeyFileError, PrivateKey, PublicKey};

/// Room for the largest RSA key, so that no buffer grows and leaves a copy.
const ROOM: usize = 16 * 1024;

/// A private key that is to be added.
pub(super) struct Added {
    /// The key and its comment.
    pub(super) key: PrivateKey,
    /// The certificate that it is to be used with.
    pub(super) certificate: Option<Certificate>,
}

impl Added {
    /// Reads a key and its comment, up to where constraints begin.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, KeyFileError> {
        let mut ahead = r.clone();
        let name = ahead.text("key type")?;
        if cert_type(name).is_none() {
            let key = read_key(r)?;
            return Ok(Self {
                key,
                certificate: None,
            });
        }
        let certificate = match PublicKey::from_blob(ahead.string("certificate")?)? {
            PublicKey::Certificate(cert) if cert.key_type() == name => *cert,
            _ => return Err(KeyFileError::Mismatch),
        };
        let mut key = read_secret(&certificate, &mut ahead)?;
        key.set_comment(ahead.string("comment")?);
        *r = ahead;
        if key.public() != certificate.key() {
            return Err(KeyFileError::Mismatch);
        }
        Ok(Self {
            key,
            certificate: Some(certificate),
        })
    }
}

/// The secret fields of a certified key.
fn read_secret(cert: &Certificate, r: &mut Reader<'_>) -> Result<PrivateKey, KeyFileError> {
    match cert.key() {
        PublicKey::Ed25519(public) => {
            same(r.string("ed25519 public key")?, public)?;
            let secret = r.string("ed25519 private key")?;
            let (seed, again) = secret.split_first_chunk().ok_or(KeyFileError::Mismatch)?;
            same(again, public)?;
            PrivateKey::from_ed25519(seed, Vec::new())
        }
        PublicKey::Ecdsa { curve, .. } => {
            let scalar = magnitude(r, "ecdsa private key")?;
            PrivateKey::from_ecdsa(*curve, scalar, Vec::new())
        }
        PublicKey::MlDsa44Ed25519(_) => {
            let seed = r.string("mldsa44-ed25519 private key")?;
            let seed = seed.try_into().map_err(|_| KeyFileError::Invalid {
                what: "mldsa44-ed25519 private key",
            })?;
            PrivateKey::from_mldsa44_ed25519(seed, Vec::new())
        }
        PublicKey::Rsa { e, n } => {
            let (d, iqmp) = (magnitude(r, "rsa d")?, magnitude(r, "rsa iqmp")?);
            let (p, q) = (magnitude(r, "rsa p")?, magnitude(r, "rsa q")?);
            let parts = RsaParts {
                n,
                e,
                d,
                p,
                q,
                iqmp,
            };
            PrivateKey::from_rsa(&parts, Vec::new())
        }
        PublicKey::SkEd25519 { key, application } => {
            same(r.string("ed25519 public key")?, key)?;
            read_handle(cert.key(), application, r)
        }
        PublicKey::SkEcdsa { application, .. } => read_handle(cert.key(), application, r),
        _ => Err(KeyFileError::Unsupported {
            what: format!("adding a {} key", cert.key_type()),
        }),
    }
}

fn read_handle(
    key: &PublicKey,
    application: &str,
    r: &mut Reader<'_>,
) -> Result<PrivateKey, KeyFileError> {
    same(r.string("application")?, application.as_bytes())?;
    let handle = SkHandle {
        flags: r.u8("security key flags")?,
        handle: r.string("key handle")?.into(),
        reserved: r.string("reserved")?.to_vec(),
    };
    Ok(PrivateKey::from_sk(key.clone(), handle, Vec::new()))
}

/// A field that the certificate has as well.
fn same(field: &[u8], expected: &[u8]) -> Result<(), KeyFileError> {
    if field == expected {
        Ok(())
    } else {
        Err(KeyFileError::Mismatch)
    }
}

/// The bytes of a key that is to be added, and its comment. In the clear.
pub(super) fn encode(
    key: &PrivateKey,
    certificate: Option<&Certificate>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let Some(cert) = certificate else {
        return key.to_agent();
    };
    if key.public() != cert.key() {
        return Err(KeyFileError::Mismatch);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(ROOM + cert.blob().len()));
    let mut w = Writer::new(&mut out);
    w.text(cert.key_type());
    w.string(cert.blob());
    write_secret(key, &mut w)?;
    w.string(key.comment_bytes());
    Ok(out)
}

fn write_secret(key: &PrivateKey, w: &mut Writer<'_>) -> Result<(), KeyFileError> {
    match &key.material {
        Material::Ed25519(secret) => {
            w.string(secret.public());
            w.sub(|w| {
                w.raw(secret.seed());
                w.raw(secret.public());
            });
        }
        Material::MlDsa44Ed25519(secret) => w.string(secret.seed()),
        Material::Ecdsa(secret) => Mpint::from_magnitude(secret.scalar()).encode(w),
        Material::Rsa(secret) => {
            let parts = secret.components().map_err(|_| KeyFileError::Invalid {
                what: "rsa private key",
            })?;
            for number in [&parts.d, &parts.iqmp, &parts.p, &parts.q] {
                Mpint::from_magnitude(number).encode(w);
            }
        }
        Material::Sk(sk) => {
            let application = match key.public() {
                PublicKey::SkEd25519 { key, application } => {
                    w.string(key);
                    application
                }
                PublicKey::SkEcdsa { application, .. } => application,
                _ => return Err(KeyFileError::Mismatch),
            };
            w.text(application);
            w.u8(sk.flags);
            w.string(sk.handle.expose());
            w.string(&sk.reserved);
        }
    }
    Ok(())
}
