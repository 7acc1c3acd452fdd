//! Writing PuTTY's files.

use carrick_crypto::hash::HashAlg;
use carrick_crypto::kdf::{Argon2Cost, Argon2Kind};
use carrick_crypto::rng::Rng;
use carrick_wire::{Encode, Mpint, Secret, Writer};
use zeroize::Zeroizing;

use super::kdf::{Kdf, Keys, key_cipher, mac};
use super::{File, ROOM};
use crate::format::{KeyFileError, PuttyVersion, WriteOptions, pem, unsupported};
use crate::private::Material;
use crate::text::hex;
use crate::{PrivateKey, base64};

/// Characters of base64 in a line.
const COLUMNS: usize = 64;

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
pub(in crate::format) fn write(
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
