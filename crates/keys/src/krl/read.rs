//! Walking over a list's bytes: every statement in it, in order, without
//! keeping any.

use carrick_wire::{DecodeError, Reader};

use super::{
    CERT_EXTENSION, CERTIFICATES, EXPLICIT_KEY, EXTENSION, FORMAT, KEY_ID, Krl, KrlError, MAGIC,
    SERIAL_BITMAP, SERIAL_LIST, SERIAL_RANGE, SHA1, SHA256, SIGNATURE,
};
use crate::PublicKey;
use crate::public::magnitude;

/// One statement of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'a> {
    /// What is said of certificates from here on is about this authority's;
    /// `None` for all.
    Authority(Option<&'a PublicKey>),
    /// These serial numbers, both ends included.
    Serials(u64, u64),
    /// The serial numbers `offset + n` for each bit `n` that is set, counted
    /// from the end.
    Bitmap { offset: u64, bits: &'a [u8] },
    /// Certificates of this name.
    KeyId(&'a [u8]),
    /// The key of this blob.
    Key(&'a [u8]),
    /// The key whose blob has this hash.
    Sha1([u8; 20]),
    /// The key whose blob has this hash.
    Sha256([u8; 32]),
}

/// A list's header.
pub(crate) struct Header<'a> {
    version: u64,
    generated: u64,
    flags: u64,
    comment: &'a [u8],
}

/// Reads a whole list, telling each statement to `tell`. What is wrong with
/// it is found wherever it is, after all that came before was told.
pub(crate) fn walk(bytes: &[u8], mut tell: impl FnMut(Item<'_>)) -> Result<Header<'_>, KrlError> {
    let mut r = Reader::new(bytes.strip_prefix(MAGIC).ok_or(KrlError::NotAKrl)?);
    match r.u32("format version")? {
        FORMAT => {}
        other => return Err(KrlError::Version(other)),
    }
    let (version, generated, flags) = (r.u64("version")?, r.u64("date")?, r.u64("flags")?);
    r.string("reserved")?;
    let comment = r.string("comment")?;
    while !r.is_empty() {
        let kind = r.u8("section type")?;
        let mut section = r.sub("section")?;
        match kind {
            CERTIFICATES => certificates(&mut section, &mut tell)?,
            EXPLICIT_KEY => {
                while !section.is_empty() {
                    tell(Item::Key(section.string("key")?));
                }
            }
            SHA1 => {
                while !section.is_empty() {
                    tell(Item::Sha1(hash(&mut section)?));
                }
            }
            SHA256 => {
                while !section.is_empty() {
                    tell(Item::Sha256(hash(&mut section)?));
                }
            }
            EXTENSION => {
                if let Some(name) = critical(&mut section)? {
                    return Err(KrlError::CriticalExtension { name });
                }
            }
            SIGNATURE => return Err(KrlError::Signed),
            other => return Err(KrlError::UnknownSection(other)),
        }
        section.finish()?;
    }
    Ok(Header {
        version,
        generated,
        flags,
        comment,
    })
}

fn hash<const N: usize>(r: &mut Reader<'_>) -> Result<[u8; N], KrlError> {
    r.string("hash")?
        .try_into()
        .map_err(|_| KrlError::HashLength)
}

/// An extension: the name, if it must be understood. None is.
fn critical(r: &mut Reader<'_>) -> Result<Option<String>, DecodeError> {
    let name = r.string("extension name")?;
    let critical = r.bool("extension is critical")?;
    r.string("extension contents")?;
    Ok(critical.then(|| String::from_utf8_lossy(name).into_owned()))
}

fn certificates(r: &mut Reader<'_>, tell: &mut impl FnMut(Item<'_>)) -> Result<(), KrlError> {
    let authority = match r.string("authority")? {
        [] => None,
        blob => Some(PublicKey::from_blob(blob).map_err(KrlError::Authority)?),
    };
    r.string("reserved")?;
    tell(Item::Authority(authority.as_ref()));
    while !r.is_empty() {
        let kind = r.u8("section type")?;
        let mut section = r.sub("section")?;
        match kind {
            SERIAL_LIST => {
                while !section.is_empty() {
                    let serial = section.u64("serial")?;
                    tell(range(serial, serial)?);
                }
            }
            SERIAL_RANGE => tell(range(
                section.u64("low serial")?,
                section.u64("high serial")?,
            )?),
            SERIAL_BITMAP => {
                let offset = section.u64("serial offset")?;
                tell(bitmap(offset, magnitude(&mut section, "bitmap")?)?);
            }
            KEY_ID => {
                while !section.is_empty() {
                    let id = section.string("key id")?;
                    if id.contains(&0) {
                        return Err(DecodeError::NotText { field: "key id" }.into());
                    }
                    tell(Item::KeyId(id));
                }
            }
            CERT_EXTENSION => {
                if let Some(name) = critical(&mut section)? {
                    return Err(KrlError::CriticalCertExtension { name });
                }
            }
            other => return Err(KrlError::UnknownCertSection(other)),
        }
        section.finish()?;
    }
    Ok(())
}

fn range(low: u64, high: u64) -> Result<Item<'static>, KrlError> {
    if low == 0 || low > high {
        return Err(KrlError::Serial);
    }
    Ok(Item::Serials(low, high))
}

/// The last serial must be one; the first, if it is revoked, not zero.
fn bitmap(offset: u64, bits: &[u8]) -> Result<Item<'_>, KrlError> {
    let top = u64::from(crate::public::bit_len(bits));
    if top > 0 && offset.checked_add(top - 1).is_none() {
        return Err(KrlError::Serial);
    }
    if offset == 0 && bits.last().is_some_and(|byte| byte & 1 != 0) {
        return Err(KrlError::Serial);
    }
    Ok(Item::Bitmap { offset, bits })
}

/// Whether bit `index`, counted from the end, is set.
pub(crate) fn is_set(bits: &[u8], index: u64) -> bool {
    let byte = usize::try_from(index / 8).unwrap_or(usize::MAX);
    let byte = bits
        .len()
        .checked_sub(1)
        .and_then(|last| last.checked_sub(byte));
    byte.and_then(|at| bits.get(at))
        .is_some_and(|byte| byte >> (index % 8) & 1 != 0)
}

/// The runs of set bits: first and last of each, counted from the end.
fn runs(bits: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    let top = u64::from(crate::public::bit_len(bits));
    let mut at = 0;
    core::iter::from_fn(move || {
        while at < top && !is_set(bits, at) {
            at += 1;
        }
        let first = at;
        while at < top && is_set(bits, at) {
            at += 1;
        }
        (first < at).then(|| (first, at - 1))
    })
}

impl Krl {
    /// Reads a list.
    pub fn from_blob(bytes: &[u8]) -> Result<Self, KrlError> {
        let mut krl = Self::new();
        // Which of `certs` a section is about; one that revokes nothing
        // leaves no trace.
        let mut authority: Option<PublicKey> = None;
        let header = walk(bytes, |item| match item {
            Item::Authority(of) => authority = of.cloned(),
            Item::Serials(low, high) => {
                krl.certs_of(authority.as_ref()).serials.insert(low, high);
            }
            Item::Bitmap { offset, bits } => {
                let serials = &mut krl.certs_of(authority.as_ref()).serials;
                for (first, last) in runs(bits) {
                    serials.insert(offset.saturating_add(first), offset.saturating_add(last));
                }
            }
            Item::KeyId(id) => krl.revoke_key_id(authority.as_ref(), id),
            Item::Key(blob) => {
                krl.keys.insert(blob.to_vec());
            }
            Item::Sha1(hash) => krl.revoke_sha1(hash),
            Item::Sha256(hash) => krl.revoke_sha256(hash),
        })?;
        krl.version = header.version;
        krl.generated = header.generated;
        krl.flags = header.flags;
        krl.comment = header.comment.to_vec();
        Ok(krl)
    }
}
