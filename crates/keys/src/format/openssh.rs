//! OpenSSH's private key format (its PROTOCOL.key), byte for byte as
//! `ssh-keygen` writes it.

use carrick_crypto::kdf::bcrypt_pbkdf;
use carrick_crypto::rng::Rng;
use carrick_wire::{DecodeError, Encode, Mpint, Reader, Secret, Writer};
use zeroize::Zeroizing;

use super::cipher::KeyCipher;
use super::{KeyFileError, WriteOptions, cost, pem, unsupported};
use crate::private::{Material, RsaParts, SkHandle};
use crate::public::{curve_name, magnitude};
use crate::{Curve, KeyType, PrivateKey, PublicKey};

const MAGIC: &[u8] = b"openssh-key-v1\0";
pub(super) const LABEL: &str = "OPENSSH PRIVATE KEY";
/// Columns of base64 in a line.
const COLUMNS: usize = 70;
/// Bytes of salt in new files.
const SALT_LEN: usize = 16;
/// Room for what stands around keys, comments and handles.
const AROUND: usize = 256;
/// Block that plain private parts are padded to.
const PLAIN_BLOCK: usize = 8;

/// The parts around the private one.
struct Envelope<'a> {
    /// `None` for a plain file.
    encryption: Option<Encryption<'a>>,
    public: &'a [u8],
    /// The private part, and its tag behind it.
    sealed: &'a [u8],
}

struct Encryption<'a> {
    cipher: KeyCipher,
    salt: &'a [u8],
    rounds: u32,
}

impl<'a> Envelope<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, KeyFileError> {
        let rest = body
            .strip_prefix(MAGIC)
            .ok_or(KeyFileError::Invalid { what: "magic" })?;
        let mut r = Reader::new(rest);
        let cipher = r.text("cipher name")?;
        let kdf = r.text("kdf name")?;
        let mut kdf_options = r.sub("kdf options")?;
        if r.u32("number of keys")? != 1 {
            return Err(unsupported("a file with other than one key"));
        }
        let public = r.string("public key")?;
        let len = usize::try_from(r.u32("private part")?).unwrap_or(usize::MAX);
        let encryption = match (cipher, kdf) {
            ("none", "none") => None,
            ("none", _) | (_, "none") => {
                return Err(KeyFileError::Invalid {
                    what: "cipher and kdf",
                });
            }
            (_, "bcrypt") => {
                let cipher = KeyCipher::find(cipher)
                    .ok_or_else(|| unsupported(format_args!("key file cipher {cipher:?}")))?;
                let salt = kdf_options.string("kdf salt")?;
                let rounds = kdf_options.u32("kdf rounds")?;
                kdf_options.finish()?;
                if salt.is_empty() || rounds == 0 {
                    return Err(KeyFileError::Invalid {
                        what: "kdf options",
                    });
                }
                Some(Encryption {
                    cipher,
                    salt,
                    rounds,
                })
            }
            _ => return Err(unsupported(format_args!("key derivation {kdf:?}"))),
        };
        let (block, tag) = encryption
            .as_ref()
            .map_or((PLAIN_BLOCK, 0), |e| (e.cipher.block, e.cipher.tag));
        let sealed = r.take(len.saturating_add(tag), "private part")?;
        r.finish()?;
        if len < block || !len.is_multiple_of(block) {
            return Err(KeyFileError::Invalid {
                what: "length of private part",
            });
        }
        Ok(Self {
            encryption,
            public,
            sealed,
        })
    }

    fn open(&self, passphrase: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let Some(encryption) = &self.encryption else {
            return Ok(Zeroizing::new(self.sealed.to_vec()));
        };
        let passphrase = passphrase.ok_or(KeyFileError::NeedsPassphrase)?;
        let cipher = encryption.cipher;
        let keys = derive(cipher, passphrase, encryption.salt, encryption.rounds)?;
        let (key, iv) = keys.split_at_checked(cipher.key_len).unwrap_or_default();
        cipher
            .open(key, iv, self.sealed)
            .ok_or(KeyFileError::WrongPassphrase)
    }
}

/// Key and initialisation vector, one behind the other.
fn derive(
    cipher: KeyCipher,
    passphrase: &Secret,
    salt: &[u8],
    rounds: u32,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    cost::bcrypt(rounds)?;
    let mut keys = Zeroizing::new(vec![0; cipher.key_len + cipher.iv_len]);
    bcrypt_pbkdf(passphrase.expose(), salt, rounds, &mut keys).map_err(|_| {
        KeyFileError::Invalid {
            what: "kdf options",
        }
    })?;
    Ok(keys)
}

/// The public key in front of the private part.
pub(super) fn public_half(body: &[u8]) -> Result<PublicKey, KeyFileError> {
    Ok(PublicKey::from_blob(Envelope::parse(body)?.public)?)
}

pub(super) fn parse(body: &[u8], passphrase: Option<&Secret>) -> Result<PrivateKey, KeyFileError> {
    let envelope = Envelope::parse(body)?;
    let public = PublicKey::from_blob(envelope.public)?;
    let private = envelope.open(passphrase)?;
    let mut r = Reader::new(&private);
    if r.u32("check number")? != r.u32("check number")? {
        return Err(match envelope.encryption {
            Some(_) => KeyFileError::WrongPassphrase,
            None => KeyFileError::Invalid {
                what: "check numbers",
            },
        });
    }
    let key = read_key(&mut r)?;
    // OpenSSH pads with 1, 2, 3...; anything else is corruption.
    if !r
        .rest()
        .iter()
        .zip(1..=u8::MAX)
        .all(|(byte, want)| *byte == want)
    {
        return Err(KeyFileError::Invalid { what: "padding" });
    }
    if *key.public() != public {
        return Err(KeyFileError::Mismatch);
    }
    Ok(key)
}

/// A private key and its comment, as the file and the agent protocol have
/// them.
pub(crate) fn read_key(r: &mut Reader<'_>) -> Result<PrivateKey, KeyFileError> {
    let name = r.text("key type")?;
    let kind =
        KeyType::from_name(name).ok_or_else(|| unsupported(format_args!("key type {name:?}")))?;
    match kind {
        KeyType::Ed25519 => {
            let public: [u8; 32] = fixed(r, "ed25519 public key")?;
            let secret: Zeroizing<[u8; 64]> = Zeroizing::new(fixed(r, "ed25519 private key")?);
            let (seed, again) = secret.split_first_chunk().ok_or(KeyFileError::Mismatch)?;
            let key = PrivateKey::from_ed25519(seed, comment(r)?)?;
            if again != public || *key.public() != PublicKey::Ed25519(public) {
                return Err(KeyFileError::Mismatch);
            }
            Ok(key)
        }
        KeyType::Ecdsa(curve) => {
            let public = PublicKey::read_fields(kind, r)?;
            let scalar = magnitude(r, "ecdsa private key")?;
            let key = PrivateKey::from_ecdsa(curve, scalar, comment(r)?)?;
            if *key.public() != public {
                return Err(KeyFileError::Mismatch);
            }
            Ok(key)
        }
        KeyType::Rsa => {
            let (n, e) = (magnitude(r, "rsa n")?, magnitude(r, "rsa e")?);
            let (d, iqmp) = (magnitude(r, "rsa d")?, magnitude(r, "rsa iqmp")?);
            let (p, q) = (magnitude(r, "rsa p")?, magnitude(r, "rsa q")?);
            PrivateKey::from_rsa(
                &RsaParts {
                    n,
                    e,
                    d,
                    p,
                    q,
                    iqmp,
                },
                comment(r)?,
            )
        }
        KeyType::MlDsa44Ed25519 => {
            let public = PublicKey::read_fields(kind, r)?;
            let seed = Zeroizing::new(fixed(r, "mldsa44-ed25519 private key")?);
            let key = PrivateKey::from_mldsa44_ed25519(&seed, comment(r)?)?;
            if *key.public() != public {
                return Err(KeyFileError::Mismatch);
            }
            Ok(key)
        }
        KeyType::SkEd25519 | KeyType::SkEcdsa => {
            let public = PublicKey::read_fields(kind, r)?;
            let handle = SkHandle {
                flags: r.u8("security key flags")?,
                handle: r.string("key handle")?.into(),
                reserved: r.string("reserved")?.to_vec(),
            };
            Ok(PrivateKey::from_sk(public, handle, comment(r)?))
        }
    }
}

fn fixed<const N: usize>(r: &mut Reader<'_>, field: &'static str) -> Result<[u8; N], DecodeError> {
    r.string(field)?
        .try_into()
        .map_err(|_| DecodeError::Invalid { field })
}

fn comment(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    Ok(r.string("comment")?.to_vec())
}

/// No less than what [`write_key`] appends, so that no buffer grows and leaves a
/// copy of a secret; and not much more, as all of it is wiped. An RSA key has
/// three and a half times the length of its public half.
fn room(key: &PrivateKey, public: &[u8]) -> usize {
    let handle = key.security_key().map_or(0, |sk| {
        sk.handle.expose().len().saturating_add(sk.reserved.len())
    });
    AROUND
        .saturating_add(4 * public.len())
        .saturating_add(handle)
        .saturating_add(key.comment_bytes().len())
}

fn write_key(key: &PrivateKey, w: &mut Writer<'_>) -> Result<(), KeyFileError> {
    w.text(key.public().key_type());
    match (&key.material, key.public()) {
        (Material::Ed25519(secret), PublicKey::Ed25519(public)) => {
            w.string(public);
            w.sub(|w| {
                w.raw(secret.seed());
                w.raw(public);
            });
        }
        (Material::MlDsa44Ed25519(secret), _) => {
            w.string(secret.public());
            w.string(secret.seed());
        }
        (Material::Ecdsa(secret), PublicKey::Ecdsa { curve, point }) => {
            w.text(curve_name(*curve));
            w.string(point);
            Mpint::from_magnitude(secret.scalar()).encode(w);
        }
        (Material::Rsa(secret), _) => {
            let parts = secret.components().map_err(|_| KeyFileError::Invalid {
                what: "rsa private key",
            })?;
            for number in [
                &parts.n,
                &parts.e,
                &*parts.d,
                &*parts.iqmp,
                &*parts.p,
                &*parts.q,
            ] {
                Mpint::from_magnitude(number).encode(w);
            }
        }
        (Material::Sk(sk), public) => {
            match public {
                PublicKey::SkEd25519 { key, application } => {
                    w.string(key);
                    w.text(application);
                }
                PublicKey::SkEcdsa { point, application } => {
                    w.text(curve_name(Curve::P256));
                    w.string(point);
                    w.text(application);
                }
                _ => {}
            }
            w.u8(sk.flags);
            w.string(sk.handle.expose());
            w.string(&sk.reserved);
        }
        _ => {}
    }
    w.string(key.comment_bytes());
    Ok(())
}

impl PrivateKey {
    /// The key as a file in OpenSSH's format.
    pub fn to_openssh(
        &self,
        options: &WriteOptions<'_>,
        rng: &mut dyn Rng,
    ) -> Result<Secret, KeyFileError> {
        let passphrase = options.passphrase.filter(|p| !p.expose().is_empty());
        let encryption = match passphrase {
            None => None,
            Some(passphrase) => {
                let cipher = KeyCipher::find(options.cipher)
                    .ok_or_else(|| unsupported(format_args!("cipher {:?}", options.cipher)))?;
                let mut salt = [0; SALT_LEN];
                rng.fill(&mut salt);
                let keys = derive(cipher, passphrase, &salt, options.rounds)?;
                Some((cipher, salt, keys))
            }
        };
        let block = encryption
            .as_ref()
            .map_or(PLAIN_BLOCK, |(cipher, ..)| cipher.block);
        let public = self.public().to_blob();
        let private = self.private_part(&public, block, rng)?;
        let len = AROUND
            .saturating_add(public.len())
            .saturating_add(private.len());
        let mut body = Zeroizing::new(Vec::with_capacity(len));
        body.extend_from_slice(MAGIC);
        let mut w = Writer::new(&mut body);
        match &encryption {
            None => {
                w.text("none");
                w.text("none");
                w.string(&[]);
            }
            Some((cipher, salt, _)) => {
                w.text(cipher.name);
                w.text("bcrypt");
                w.sub(|w| {
                    w.string(salt);
                    w.u32(options.rounds);
                });
            }
        }
        w.u32(1);
        w.string(&public);
        w.u32(u32::try_from(private.len()).unwrap_or(u32::MAX));
        match &encryption {
            None => w.raw(&private),
            Some((cipher, _, keys)) => {
                let (key, iv) = keys.split_at_checked(cipher.key_len).unwrap_or_default();
                let sealed = cipher.seal(key, iv, &private);
                w.raw(&sealed.ok_or(KeyFileError::Invalid { what: "cipher" })?);
            }
        }
        Ok(armor(&body))
    }

    /// The key's fields and its comment, as an agent takes them
    /// (draft-ietf-sshm-ssh-agent section 3.2). In the clear.
    pub(crate) fn to_agent(&self) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let room = room(self, &self.public().to_blob());
        let mut fields = Zeroizing::new(Vec::with_capacity(room));
        write_key(self, &mut Writer::new(&mut fields))?;
        Ok(fields)
    }

    /// The part that is encrypted: two equal check numbers, the key, its
    /// comment, and padding.
    fn private_part(
        &self,
        public: &[u8],
        block: usize,
        rng: &mut dyn Rng,
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let mut check = [0; 4];
        rng.fill(&mut check);
        let mut private = Zeroizing::new(Vec::with_capacity(room(self, public)));
        let mut w = Writer::new(&mut private);
        w.raw(&check);
        w.raw(&check);
        write_key(self, &mut w)?;
        let padding = private.len().next_multiple_of(block) - private.len();
        private.extend((1..=u8::MAX).take(padding));
        Ok(private)
    }
}

fn armor(body: &[u8]) -> Secret {
    Secret::new(pem::armor_columns(LABEL, "", body, COLUMNS).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrick_crypto::rng::SystemRng;

    #[test]
    fn there_is_room_for_all_of_a_key() {
        for (kind, bits) in [
            (KeyType::Ed25519, 0),
            (KeyType::Ecdsa(Curve::P521), 0),
            (KeyType::Rsa, 1024),
            (KeyType::Rsa, 2048),
            (KeyType::MlDsa44Ed25519, 0),
        ] {
            let key = PrivateKey::generate(kind, bits, &mut SystemRng).unwrap();
            let public = key.public().to_blob();
            let part = key.private_part(&public, 16, &mut SystemRng).unwrap();
            assert!(part.len() <= room(&key, &public), "{kind:?}");
            assert_eq!(part.capacity(), room(&key, &public), "{kind:?}");
        }
    }
}
