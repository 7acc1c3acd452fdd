//! PuTTY's private key files (.ppk), versions 2 and 3, as appendix C of
//! PuTTY's manual defines them.
//!
//! The public half is in the clear; a MAC over everything tells a wrong
//! passphrase and any change.

use carrick_crypto::hash::{HashAlg, ct_eq, hmac};
use carrick_crypto::kdf::{Argon2Cost, Argon2Kind, argon2};
use carrick_crypto::rng::Rng;
use carrick_wire::{Encode, Mpint, Reader, Secret, Writer};
use zeroize::Zeroizing;

use super::cipher::KeyCipher;
use super::{KeyFileError, PuttyVersion, WriteOptions, cost, lines, pem, unsupported};
use crate::private::{Material, RsaParts};
use crate::public::magnitude;
use crate::text::{hex, unhex};
use crate::{PrivateKey, PublicKey, base64};

const START: &[u8] = b"PuTTY-User-Key-File-";
/// Characters of base64 in a line.
const COLUMNS: usize = 64;
/// The only encryption there is.
const CIPHER: &str = "aes256-cbc";
/// What version 2 hashes in front of the passphrase for the MAC's key.
const MAC_SALT: &[u8] = b"putty-private-key-file-mac-key";
/// Bytes of the MAC's key in version 3.
const MAC_KEY: usize = 32;
/// KiB of memory that Argon2 takes for new files, as PuTTY's.
const NEW_MEMORY: u32 = 8192;
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

/// Key derivation of version 3.
struct Kdf {
    kind: Argon2Kind,
    cost: Argon2Cost,
    salt: Vec<u8>,
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

fn key_cipher() -> Result<KeyCipher, KeyFileError> {
    KeyCipher::find(CIPHER).ok_or_else(|| unsupported(CIPHER))
}

/// What follows from a passphrase.
struct Keys {
    cipher: Zeroizing<Vec<u8>>,
    iv: Zeroizing<Vec<u8>>,
    mac: Zeroizing<Vec<u8>>,
}

impl Keys {
    fn derive(
        version: PuttyVersion,
        encrypted: bool,
        kdf: Option<&Kdf>,
        passphrase: &[u8],
    ) -> Result<Self, KeyFileError> {
        let cipher = key_cipher()?;
        // A passphrase that a plain file does not need has no part in it.
        let passphrase = if encrypted { passphrase } else { &[] };
        let (key, iv, mac) = match (version, kdf) {
            (PuttyVersion::Two, _) => {
                let sha1 = |parts: &[&[u8]]| Zeroizing::new(HashAlg::Sha1.digest(parts));
                let mut key = Zeroizing::new(Vec::with_capacity(40));
                key.extend_from_slice(&sha1(&[&[0, 0, 0, 0], passphrase]));
                key.extend_from_slice(&sha1(&[&[0, 0, 0, 1], passphrase]));
                key.truncate(cipher.key_len);
                let iv = Zeroizing::new(vec![0; cipher.iv_len]);
                (key, iv, sha1(&[MAC_SALT, passphrase]))
            }
            (PuttyVersion::Three, None) => Default::default(),
            (PuttyVersion::Three, Some(kdf)) => {
                let mut all = Zeroizing::new(vec![0; cipher.key_len + cipher.iv_len + MAC_KEY]);
                argon2(kdf.kind, kdf.cost, passphrase, &kdf.salt, &mut all).map_err(|_| {
                    KeyFileError::Invalid {
                        what: "Argon2 parameters",
                    }
                })?;
                let (key, rest) = all.split_at_checked(cipher.key_len).unwrap_or_default();
                let (iv, mac) = rest.split_at_checked(cipher.iv_len).unwrap_or_default();
                let own = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
                (own(key), own(iv), own(mac))
            }
        };
        Ok(Self {
            cipher: key,
            iv,
            mac,
        })
    }
}

/// The MAC over a file whose private part is `plain`.
fn mac(file: &File<'_>, key: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut covered = Zeroizing::new(Vec::with_capacity(2 * ROOM));
    let mut w = Writer::new(&mut covered);
    w.text(file.algorithm);
    w.text(file.encryption());
    w.string(file.comment);
    w.string(&file.public);
    w.string(plain);
    let hash = match file.version {
        PuttyVersion::Two => HashAlg::Sha1,
        PuttyVersion::Three => HashAlg::Sha256,
    };
    hmac(hash, key, &covered)
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

fn private_part(key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut out = Zeroizing::new(Vec::with_capacity(ROOM));
    let mut w = Writer::new(&mut out);
    match &key.material {
        Material::Rsa(rsa) => {
            let parts = rsa.components().map_err(|_| KeyFileError::Invalid {
                what: "rsa private key",
            })?;
            for number in [&parts.d, &parts.p, &parts.q, &parts.iqmp] {
                Mpint::from_magnitude(number).encode(&mut w);
            }
        }
        Material::Ecdsa(ecdsa) => Mpint::from_magnitude(ecdsa.scalar()).encode(&mut w),
        Material::Ed25519(ed25519) => {
            let seed = ed25519.seed();
            let zeros = seed.iter().rev().take_while(|b| **b == 0).count();
            w.string(seed.get(..seed.len() - zeros).unwrap_or_default());
        }
        Material::MlDsa44Ed25519(_) | Material::Sk(_) => {
            return Err(unsupported(format_args!(
                "a {} key in PuTTY's format",
                key.public().key_type()
            )));
        }
    }
    Ok(out)
}

/// The file of a key.
pub(super) fn write(
    key: &PrivateKey,
    version: PuttyVersion,
    options: &WriteOptions<'_>,
    rng: &mut dyn Rng,
) -> Result<Secret, KeyFileError> {
    let passphrase = options.passphrase.filter(|p| !p.expose().is_empty());
    // The comment is a line.
    let is_break = |b: &u8| matches!(b, b'\n' | b'\r' | 0);
    let comment: Vec<u8> = key
        .comment_bytes()
        .iter()
        .map(|b| if is_break(b) { b' ' } else { *b })
        .collect();
    let mut plain = private_part(key)?;
    let mut file = File {
        version,
        algorithm: key.public().key_type(),
        encrypted: passphrase.is_some(),
        comment: &comment,
        public: key.public().to_blob(),
        kdf: None,
        private: Zeroizing::default(),
        mac: Vec::new(),
    };
    if file.encrypted {
        let block = key_cipher()?.block;
        // PuTTY pads with what nobody can know without the key.
        let padding = HashAlg::Sha1.digest(&[&plain]);
        let missing = plain.len().next_multiple_of(block) - plain.len();
        plain.extend_from_slice(padding.get(..missing).unwrap_or_default());
        if version == PuttyVersion::Three {
            file.kdf = Some(Kdf::new(options.rounds, rng)?);
        }
    }
    let passphrase = passphrase.map_or(&[][..], |p| p.expose());
    let keys = Keys::derive(version, file.encrypted, file.kdf.as_ref(), passphrase)?;
    file.mac = mac(&file, &keys.mac, &plain);
    file.private = if file.encrypted {
        let sealed = key_cipher()?.seal(&keys.cipher, &keys.iv, &plain);
        Zeroizing::new(sealed.ok_or(KeyFileError::Invalid { what: "cipher" })?)
    } else {
        plain
    };
    Ok(file.text())
}

impl Kdf {
    fn new(passes: u32, rng: &mut dyn Rng) -> Result<Self, KeyFileError> {
        let mut salt = vec![0; 16];
        rng.fill(&mut salt);
        let cost = Argon2Cost {
            memory: NEW_MEMORY,
            passes,
            parallelism: 1,
        };
        cost::argon2(cost)?;
        Ok(Self {
            kind: Argon2Kind::Id,
            cost,
            salt,
        })
    }
}

impl File<'_> {
    fn text(&self) -> Secret {
        let version = match self.version {
            PuttyVersion::Two => 2,
            PuttyVersion::Three => 3,
        };
        let mut out = Vec::with_capacity(3 * ROOM);
        let push = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
        push(
            &mut out,
            &format!(
                "PuTTY-User-Key-File-{version}: {}\nEncryption: {}\nComment: ",
                self.algorithm,
                self.encryption()
            ),
        );
        out.extend_from_slice(self.comment);
        push(&mut out, "\n");
        push(&mut out, &base64_lines("Public-Lines", &self.public));
        if let Some(kdf) = &self.kdf {
            let kind = match kdf.kind {
                Argon2Kind::D => "Argon2d",
                Argon2Kind::I => "Argon2i",
                Argon2Kind::Id => "Argon2id",
            };
            let Argon2Cost {
                memory,
                passes,
                parallelism,
            } = kdf.cost;
            push(
                &mut out,
                &format!(
                    "Key-Derivation: {kind}\nArgon2-Memory: {memory}\nArgon2-Passes: {passes}\n\
                     Argon2-Parallelism: {parallelism}\nArgon2-Salt: {}\n",
                    hex(&kdf.salt)
                ),
            );
        }
        push(&mut out, &base64_lines("Private-Lines", &self.private));
        push(&mut out, &format!("Private-MAC: {}\n", hex(&self.mac)));
        Secret::new(out)
    }
}

fn base64_lines(name: &str, bytes: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(base64::encode(bytes));
    let count = encoded.len().div_ceil(COLUMNS);
    let mut out = Zeroizing::new(String::with_capacity(encoded.len() + count + 40));
    out.push_str(name);
    out.push_str(": ");
    out.push_str(&count.to_string());
    out.push('\n');
    pem::push_lines(&mut out, &encoded, COLUMNS);
    out
}
