//! Key files: telling the formats apart, and what can be wrong with one.

mod cipher;
mod cost;
mod der;
mod openssh;
mod pem;
mod pkcs;
mod pkcs8;
mod public_file;
mod putty;
mod rfc4716;
mod ssh_com;
pub(crate) mod token;

use core::fmt;

use carrick_crypto::rng::Rng;
use carrick_wire::{DecodeError, Secret};

pub(crate) use openssh::read_key;
pub use public_file::{PublicForm, parse_public_file};
pub use ssh_com::parse_ssh_com;

use crate::private::Material;
use crate::{KeyError, PrivateKey, PublicKey};

/// Longest key file that is looked at, as in OpenSSH.
pub const FILE_MAX: usize = 1024 * 1024;

/// Why a file gives no private key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file is encrypted and no passphrase was given.
    NeedsPassphrase,
    /// The passphrase does not open the file.
    WrongPassphrase,
    /// No private key in any format we know.
    NotAKey,
    /// A sound file that uses something we do not have.
    Unsupported {
        /// What it uses.
        what: String,
    },
    /// The file's structure is wrong.
    Invalid {
        /// In what.
        what: &'static str,
    },
    /// The private and the public half do not belong together.
    Mismatch,
    /// OpenSSL's forms want five characters.
    ShortPassphrase,
    /// The key in it is not acceptable.
    Key(KeyError),
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsPassphrase => f.write_str("key is encrypted and needs a passphrase"),
            Self::WrongPassphrase => {
                f.write_str("incorrect passphrase supplied to decrypt private key")
            }
            Self::NotAKey => f.write_str("not a private key file"),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
            Self::Invalid { what } => write!(f, "invalid {what} in key file"),
            Self::ShortPassphrase => {
                f.write_str("passphrase is too short (minimum five characters)")
            }
            Self::Mismatch => f.write_str("private and public key do not match"),
            Self::Key(e) => write!(f, "{e}"),
        }
    }
}

impl core::error::Error for KeyFileError {}

impl From<KeyError> for KeyFileError {
    fn from(e: KeyError) -> Self {
        match e {
            KeyError::Decode(e) => e.into(),
            other => Self::Key(other),
        }
    }
}

impl From<DecodeError> for KeyFileError {
    fn from(e: DecodeError) -> Self {
        match e {
            DecodeError::Truncated { field }
            | DecodeError::NotText { field }
            | DecodeError::Invalid { field } => Self::Invalid { what: field },
            _ => Self::Invalid { what: "structure" },
        }
    }
}

/// Lines that end with `\n`, `\r\n` or, as on old Macs, `\r`.
fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(file);
    core::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.iter().position(|b| *b == b'\n' || *b == b'\r') else {
            rest = None;
            return Some(text);
        };
        let (line, after) = text.split_at_checked(end)?;
        rest = match after {
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => Some(after),
            [] => None,
        };
        Some(line)
    })
}

fn unsupported(what: impl fmt::Display) -> KeyFileError {
    KeyFileError::Unsupported {
        what: what.to_string().chars().take(80).collect(),
    }
}

impl PrivateKey {
    /// Reads a private key file: OpenSSH's own format, PKCS#1 (RSA), SEC1
    /// (EC), PKCS#8 or PuTTY's, plain or encrypted. An empty passphrase is
    /// none. What a file's key derivation may cost is bounded: a minute and a
    /// quarter of a gigabyte, more is refused.
    pub fn parse_file(file: &[u8], passphrase: Option<&Secret>) -> Result<Self, KeyFileError> {
        if file.len() > FILE_MAX {
            return Err(KeyFileError::NotAKey);
        }
        let passphrase = passphrase.filter(|p| !p.expose().is_empty());
        if putty::is_one(file) {
            return putty::parse(file, passphrase);
        }
        for block in pem::blocks(file) {
            let key = match block.label.as_str() {
                openssh::LABEL => openssh::parse(&block.body, passphrase),
                "RSA PRIVATE KEY" => pem::open(&block, passphrase, pkcs::parse_rsa),
                "EC PRIVATE KEY" => pem::open(&block, passphrase, |der| pkcs::parse_ec(der, None)),
                "PRIVATE KEY" => pkcs8::parse(&block.body),
                "ENCRYPTED PRIVATE KEY" => pkcs8::parse_encrypted(&block.body, passphrase),
                "DSA PRIVATE KEY" => Err(unsupported("a dsa key")),
                _ => continue,
            };
            return key;
        }
        Err(KeyFileError::NotAKey)
    }

    /// The key as a file. Key types that OpenSSL's forms do not have are
    /// written in OpenSSH's own, as OpenSSH does it.
    pub fn to_file(
        &self,
        form: FileForm,
        options: &WriteOptions<'_>,
        rng: &mut dyn Rng,
    ) -> Result<Secret, KeyFileError> {
        let passphrase = options.passphrase.filter(|p| !p.expose().is_empty());
        match (form, &self.material) {
            (FileForm::Pem | FileForm::Pkcs8, Material::Rsa(_) | Material::Ecdsa(_))
                if passphrase.is_some_and(|p| p.expose().len() < SHORTEST_PASSPHRASE) =>
            {
                Err(KeyFileError::ShortPassphrase)
            }
            (FileForm::Pem, Material::Rsa(key)) => {
                pem_file("RSA PRIVATE KEY", &pkcs::rsa_der(key)?, passphrase, rng)
            }
            (FileForm::Pem, Material::Ecdsa(key)) => {
                pem_file("EC PRIVATE KEY", &pkcs::ec_der(key, true), passphrase, rng)
            }
            (FileForm::Pkcs8, Material::Rsa(key)) => {
                pkcs8_file(&pkcs8::rsa_der(key)?, passphrase, rng)
            }
            (FileForm::Pkcs8, Material::Ecdsa(key)) => {
                pkcs8_file(&pkcs8::ec_der(key), passphrase, rng)
            }
            (FileForm::Putty(version), _) => putty::write(self, version, options, rng),
            (FileForm::OpenSsh | FileForm::Pem | FileForm::Pkcs8, _) => {
                self.to_openssh(options, rng)
            }
        }
    }
}

/// Characters of the shortest passphrase that OpenSSL takes.
const SHORTEST_PASSPHRASE: usize = 5;

fn pem_file(
    label: &str,
    der: &[u8],
    passphrase: Option<&Secret>,
    rng: &mut dyn Rng,
) -> Result<Secret, KeyFileError> {
    let text = match passphrase {
        None => pem::armor(label, "", der),
        Some(passphrase) => pem::seal(label, der, passphrase, rng)?,
    };
    Ok(Secret::new(text.into_bytes()))
}

fn pkcs8_file(
    der: &[u8],
    passphrase: Option<&Secret>,
    rng: &mut dyn Rng,
) -> Result<Secret, KeyFileError> {
    let text = match passphrase {
        None => pem::armor("PRIVATE KEY", "", der),
        Some(passphrase) => {
            let sealed = pkcs8::seal(der, passphrase, rng)?;
            pem::armor("ENCRYPTED PRIVATE KEY", "", &sealed)
        }
    };
    Ok(Secret::new(text.into_bytes()))
}

/// The form of a private key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileForm {
    /// OpenSSH's own.
    #[default]
    OpenSsh,
    /// PKCS#1 (RSA) or SEC1 (EC) in PEM; an encrypted one is only as strong
    /// as its passphrase, for the format has no slow key derivation.
    Pem,
    /// PKCS#8 in PEM.
    Pkcs8,
    /// PuTTY's, of this version.
    Putty(PuttyVersion),
}

/// A version of PuTTY's key files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PuttyVersion {
    /// Before PuTTY 0.75: SHA-1 alone is between passphrase and key.
    Two,
    /// Since PuTTY 0.75: Argon2id.
    #[default]
    Three,
}

/// How a private key file is written.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions<'a> {
    /// Encrypts the file; none or an empty one leaves it plain.
    pub passphrase: Option<&'a Secret>,
    /// The cipher of OpenSSH's format, by OpenSSH's name.
    pub cipher: &'a str,
    /// Rounds of bcrypt (OpenSSH's format), passes of Argon2 (PuTTY's).
    pub rounds: u32,
}

impl Default for WriteOptions<'_> {
    /// Plain; with a passphrase: aes256-ctr after 24 rounds, as OpenSSH 10.
    fn default() -> Self {
        Self {
            passphrase: None,
            cipher: "aes256-ctr",
            rounds: 24,
        }
    }
}

/// The public key that a private key file shows without its passphrase:
/// files in OpenSSH's own format and in PuTTY's do. `None` for other files.
pub fn public_of_private_file(file: &[u8]) -> Option<PublicKey> {
    let file = file.get(..FILE_MAX).unwrap_or(file);
    if putty::is_one(file) {
        return putty::public_half(file).ok().map(|(key, _)| key);
    }
    let block = pem::blocks(file).find(|b| b.label == openssh::LABEL)?;
    openssh::public_half(&block.body).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_of_every_system() {
        let lines: Vec<_> = super::lines(b"a\nb\r\nc\rd\r\n").collect();
        assert_eq!(lines, [&b"a"[..], b"b", b"c", b"d", b""]);
        assert_eq!(super::lines(b"").count(), 1);
        assert_eq!(super::lines(b"a\r\rb").count(), 3);
    }
}
