//! PuTTY's private key files (.ppk), versions 2 and 3, as appendix C of
//! PuTTY's manual defines them.
//!
//! The public half is in the clear; a MAC over everything tells a wrong
//! passphrase and any change.

mod kdf;
mod write;

use carrick_crypto::hash::ct_eq;
use carrick_crypto::kdf::{Argon2Cost, Argon2Kind};
use carrick_wire::{Reader, Secret};
use zeroize::Zeroizing;

use super::{KeyFileError, PuttyVersion, cost, lines, unsupported};
use crate::private::RsaParts;
use crate::public::magnitude;
use crate::text::unhex;
use crate::{PrivateKey, PublicKey, base64};
use kdf::{Kdf, Keys, key_cipher, mac};
pub(super) use write::write;

const START: &[u8] = b"PuTTY-User-Key-File-";
/// The only encryption there is.
const CIPHER: &str = "aes256-cbc";
/// Room for the largest RSA key.
const ROOM: usize = 16 * 1024;

/// Whether a file is one of PuTTY's.
pub(super) fn is_one(file: &[u8]) -> bool {
    file.starts_with(START)
}

/// A file's parts.
struct File<'a> {
    version: PuttyVersion,
    algorithm: &'a str,
    encrypted: bool,
    comment: &'a [u8],
    public: Vec<u8>,
    kdf: Option<Kdf>,
    private: Zeroizing<Vec<u8>>,
    mac: Vec<u8>,
}

/// Takes `Name: value` lines in the order that the format fixes.
struct Headers<I>(I);

impl<'a, I: Iterator<Item = &'a [u8]>> Headers<I> {
    fn bytes(&mut self, name: &'static str) -> Result<&'a [u8], KeyFileError> {
        self.0
            .next()
            .and_then(|line| line.strip_prefix(name.as_bytes()))
            .and_then(|rest| rest.strip_prefix(b": "))
            .ok_or(KeyFileError::Invalid { what: name })
    }

    fn text(&mut self, name: &'static str) -> Result<&'a str, KeyFileError> {
        core::str::from_utf8(self.bytes(name)?).map_err(|_| KeyFileError::Invalid { what: name })
    }

    fn number(&mut self, name: &'static str) -> Result<u32, KeyFileError> {
        let text = self.text(name)?;
        text.parse()
            .map_err(|_| KeyFileError::Invalid { what: name })
    }

    fn hex(&mut self, name: &'static str) -> Result<Vec<u8>, KeyFileError> {
        unhex(self.text(name)?).ok_or(KeyFileError::Invalid { what: name })
    }

    /// As many lines of base64 as the header says.
    fn base64(&mut self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        const BAD: KeyFileError = KeyFileError::Invalid { what: "base64" };
        let mut text = Zeroizing::new(Vec::with_capacity(ROOM));
        for _ in 0..self.number(name)? {
            text.extend_from_slice(self.0.next().ok_or(BAD)?);
        }
        base64::decode_secret(&text).ok_or(BAD)
    }
}

impl<'a> File<'a> {
    fn parse(file: &'a [u8]) -> Result<Self, KeyFileError> {
        let mut headers = Headers(lines(file));
        let first = headers.0.next().unwrap_or_default();
        let first = core::str::from_utf8(first).ok().and_then(|line| {
            let (start, algorithm) = line.split_once(": ")?;
            Some((start.strip_prefix("PuTTY-User-Key-File-")?, algorithm))
        });
        let (version, algorithm) = match first {
            Some(("2", algorithm)) => (PuttyVersion::Two, algorithm),
            Some(("3", algorithm)) => (PuttyVersion::Three, algorithm),
            Some(_) => return Err(unsupported("this version of PuTTY's key file")),
            None => return Err(KeyFileError::Invalid { what: "first line" }),
        };
        let encrypted = match headers.text("Encryption")? {
            "none" => false,
            CIPHER => true,
            other => return Err(unsupported(format_args!("key file cipher {other:?}"))),
        };
        let comment = headers.bytes("Comment")?;
        let public = headers.base64("Public-Lines")?.to_vec();
        let kdf = match version {
            PuttyVersion::Three if encrypted => Some(Kdf::parse(&mut headers)?),
            PuttyVersion::Two | PuttyVersion::Three => None,
        };
        let private = headers.base64("Private-Lines")?;
        let mac = headers.hex("Private-MAC")?;
        if !headers.0.all(<[u8]>::is_empty) {
            return Err(KeyFileError::Invalid { what: "end" });
        }
        Ok(Self {
            version,
            algorithm,
            encrypted,
            comment,
            public,
            kdf,
            private,
            mac,
        })
    }

    fn public_key(&self) -> Result<PublicKey, KeyFileError> {
        let key = PublicKey::from_blob(&self.public)?;
        if key.key_type() == self.algorithm {
            Ok(key)
        } else {
            Err(KeyFileError::Mismatch)
        }
    }

    fn encryption(&self) -> &'static str {
        if self.encrypted { CIPHER } else { "none" }
    }

    /// The private part in the clear, its MAC checked.
    fn open(&self, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let keys = Keys::derive(self.version, self.encrypted, self.kdf.as_ref(), passphrase)?;
        let plain = if self.encrypted {
            let cipher = key_cipher()?;
            if !self.private.len().is_multiple_of(cipher.block) {
                return Err(KeyFileError::Invalid {
                    what: "encrypted part",
                });
            }
            let open = cipher.open(&keys.cipher, &keys.iv, &self.private);
            open.ok_or(KeyFileError::WrongPassphrase)?
        } else {
            self.private.clone()
        };
        let mac = mac(self, &keys.mac, &plain);
        if ct_eq(&mac, &self.mac) {
            Ok(plain)
        } else if self.encrypted {
            Err(KeyFileError::WrongPassphrase)
        } else {
            Err(KeyFileError::Invalid {
                what: "Private-MAC",
            })
        }
    }
}

impl Kdf {
    fn parse<'a, I: Iterator<Item = &'a [u8]>>(
        headers: &mut Headers<I>,
    ) -> Result<Self, KeyFileError> {
        let kind = match headers.text("Key-Derivation")? {
            "Argon2d" => Argon2Kind::D,
            "Argon2i" => Argon2Kind::I,
            "Argon2id" => Argon2Kind::Id,
            other => return Err(unsupported(format_args!("key derivation {other:?}"))),
        };
        let cost = Argon2Cost {
            memory: headers.number("Argon2-Memory")?,
            passes: headers.number("Argon2-Passes")?,
            parallelism: headers.number("Argon2-Parallelism")?,
        };
        cost::argon2(cost)?;
        let salt = headers.hex("Argon2-Salt")?;
        Ok(Self { kind, cost, salt })
    }
}

/// The public key and the comment of a file.
pub(super) fn public_half(file: &[u8]) -> Result<(PublicKey, String), KeyFileError> {
    let file = File::parse(file)?;
    let comment = String::from_utf8_lossy(file.comment).into_owned();
    Ok((file.public_key()?, comment))
}

/// Reads the key.
pub(super) fn parse(file: &[u8], passphrase: Option<&Secret>) -> Result<PrivateKey, KeyFileError> {
    let file = File::parse(file)?;
    let public = file.public_key()?;
    let passphrase = match passphrase {
        Some(passphrase) => passphrase.expose(),
        None if file.encrypted => return Err(KeyFileError::NeedsPassphrase),
        None => &[],
    };
    let plain = file.open(passphrase)?;
    let key = read_private(&public, &mut Reader::new(&plain), file.comment.to_vec())?;
    if *key.public() == public {
        Ok(key)
    } else {
        Err(KeyFileError::Mismatch)
    }
}

/// The private numbers; padding may follow them.
fn read_private(
    public: &PublicKey,
    r: &mut Reader<'_>,
    comment: Vec<u8>,
) -> Result<PrivateKey, KeyFileError> {
    match public {
        PublicKey::Rsa { e, n } => {
            let (d, p) = (magnitude(r, "rsa d")?, magnitude(r, "rsa p")?);
            let (q, iqmp) = (magnitude(r, "rsa q")?, magnitude(r, "rsa iqmp")?);
            let parts = RsaParts {
                n,
                e,
                d,
                p,
                q,
                iqmp,
            };
            PrivateKey::from_rsa(&parts, comment)
        }
        PublicKey::Ecdsa { curve, .. } => {
            PrivateKey::from_ecdsa(*curve, magnitude(r, "ecdsa private key")?, comment)
        }
        PublicKey::Ed25519(_) => {
            // A little-endian number without the zeros at its end.
            let bytes = r.string("ed25519 private key")?;
            let mut seed = Zeroizing::new([0; 32]);
            seed.get_mut(..bytes.len())
                .ok_or(KeyFileError::Invalid {
                    what: "ed25519 private key",
                })?
                .copy_from_slice(bytes);
            PrivateKey::from_ed25519(&seed, comment)
        }
        other => Err(unsupported(format_args!(
            "a {} key in PuTTY's format",
            other.key_type()
        ))),
    }
}
