//! Key files: telling the formats apart, and what can be wrong with one.

mod cipher;
mod der;
mod openssh;
mod pem;
mod pkcs;
mod pkcs8;
mod public_file;

use core::fmt;

use carrick_wire::{DecodeError, Secret};

pub use openssh::WriteOptions;
pub(crate) use openssh::read_key;
pub use public_file::parse_public_file;

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

fn unsupported(what: impl fmt::Display) -> KeyFileError {
    KeyFileError::Unsupported {
        what: what.to_string().chars().take(80).collect(),
    }
}

impl PrivateKey {
    /// Reads a private key file: OpenSSH's own format, PKCS#1 (RSA), SEC1
    /// (EC) or PKCS#8, plain or encrypted. An empty passphrase is none.
    pub fn parse_file(file: &[u8], passphrase: Option<&Secret>) -> Result<Self, KeyFileError> {
        if file.len() > FILE_MAX {
            return Err(KeyFileError::NotAKey);
        }
        let passphrase = passphrase.filter(|p| !p.expose().is_empty());
        for block in pem::blocks(file) {
            let key = match block.label.as_str() {
                "OPENSSH PRIVATE KEY" => openssh::parse(&block.body, passphrase),
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
}

/// The public key that a private key file shows without its passphrase:
/// files in OpenSSH's own format do. `None` for other files.
pub fn public_of_private_file(file: &[u8]) -> Option<PublicKey> {
    let file = file.get(..FILE_MAX).unwrap_or(file);
    let block = pem::blocks(file).find(|b| b.label == "OPENSSH PRIVATE KEY")?;
    openssh::public_half(&block.body).ok()
}
