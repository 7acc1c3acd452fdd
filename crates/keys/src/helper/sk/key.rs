//! A key in a security key, as the messages have it.

use carrick_wire::{DecodeError, Reader, Writer};

use crate::cert::cert_type;
use crate::helper::MessageError;
use crate::public::unsupported;
use crate::{KeyType, PrivateKey, PublicKey, SkHandle};

/// What a key in a security key is for.
pub(super) fn application(key: &PublicKey) -> &str {
    match key {
        PublicKey::SkEd25519 { application, .. } | PublicKey::SkEcdsa { application, .. } => {
            application
        }
        _ => "",
    }
}

/// The key as in a key file, without a comment.
pub(super) fn write_key(key: &PrivateKey, w: &mut Writer<'_>) {
    w.raw(&key.public().plain().to_blob());
    if let Some(sk) = key.security_key() {
        w.u8(sk.flags);
        w.string(sk.handle.expose());
        w.string(&sk.reserved);
    }
}

/// Reads that, or what OpenSSH's agent sends for a key with a certificate:
/// the certificate, and of the key what the certificate does not have, as it
/// sees it. The certificate is checked and dropped.
pub(super) fn read_key(bytes: &[u8]) -> Result<PrivateKey, MessageError> {
    let mut r = Reader::new(bytes);
    let name = r.text("key type")?;
    let public = match KeyType::from_name(name) {
        Some(kind) => PublicKey::read_fields(kind, &mut r)?,
        None => certified(name, &mut r)?,
    };
    let handle = SkHandle {
        flags: r.u8("security key flags")?,
        handle: r.string("key handle")?.into(),
        reserved: r.string("reserved")?.to_vec(),
    };
    r.finish()?;
    PrivateKey::in_security_key(public, handle).ok_or_else(|| {
        let field = "key type";
        DecodeError::Invalid { field }.into()
    })
}

/// The key of a certificate and of what follows it, which must be the same.
fn certified(name: &str, r: &mut Reader<'_>) -> Result<PublicKey, MessageError> {
    const FIELD: DecodeError = DecodeError::Invalid {
        field: "certificate",
    };
    cert_type(name).ok_or_else(|| unsupported(name))?;
    let certificate = PublicKey::from_blob(r.string("certificate")?)?;
    let public = certificate.plain();
    let same = match public {
        PublicKey::SkEcdsa { application, .. } => r.text("application")? == application,
        other => PublicKey::read_fields(other.kind(), r)? == *other,
    };
    if certificate.key_type() == name && same {
        Ok(public.clone())
    } else {
        Err(FIELD.into())
    }
}
