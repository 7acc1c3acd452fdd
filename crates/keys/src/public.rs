//! Public keys: the blob of RFC 4253 section 6.6 (RSA), RFC 5656 section 3.1
//! (ECDSA), RFC 8709 section 4 (Ed25519), PROTOCOL.u2f (security keys) and
//! PROTOCOL.certkeys (certificates), and the one-line text form.

use core::fmt;

use carrick_crypto::sign::{Curve, MLDSA44_ED25519_PUBLIC};
use carrick_wire::{DecodeError, Encode, Mpint, Reader, Writer};

use crate::cert::{CERT_SUFFIX, Certificate};
use crate::{algorithm, base64, text};

/// Shortest RSA modulus we read at all, as in OpenSSH.
pub const RSA_BITS_MIN: u32 = 1024;
/// Longest RSA modulus we read, as in OpenSSH.
pub const RSA_BITS_MAX: u32 = 16384;

/// A kind of plain key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Ed25519 (RFC 8709).
    Ed25519,
    /// ECDSA on a NIST curve (RFC 5656).
    Ecdsa(Curve),
    /// RSA (RFC 4253, RFC 8332).
    Rsa,
    /// Ed25519 in a FIDO security key.
    SkEd25519,
    /// ECDSA P-256 in a FIDO security key.
    SkEcdsa,
    /// ML-DSA-44 and Ed25519 together
    /// (draft-miller-sshm-mldsa44-ed25519-composite-sigs).
    MlDsa44Ed25519,
}

/// The name of a curve inside ECDSA keys (RFC 5656 section 10.1).
pub(crate) fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::P256 => "nistp256",
        Curve::P384 => "nistp384",
        Curve::P521 => "nistp521",
    }
}

impl KeyType {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ed25519,
        Self::Ecdsa(Curve::P256),
        Self::Ecdsa(Curve::P384),
        Self::Ecdsa(Curve::P521),
        Self::Rsa,
        Self::SkEd25519,
        Self::SkEcdsa,
        Self::MlDsa44Ed25519,
    ];

    /// The name inside key blobs and before their text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::Ecdsa(Curve::P256) => "ecdsa-sha2-nistp256",
            Self::Ecdsa(Curve::P384) => "ecdsa-sha2-nistp384",
            Self::Ecdsa(Curve::P521) => "ecdsa-sha2-nistp521",
            Self::Rsa => "ssh-rsa",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsa => "sk-ecdsa-sha2-nistp256@openssh.com",
            Self::MlDsa44Ed25519 => "ssh-mldsa44-ed25519@openssh.com",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The type that a user means by `name`: a full name, a short one in any
    /// case (`ed25519`, `ECDSA`), or a signature algorithm's
    /// (`rsa-sha2-256`).
    pub fn parse(name: &str) -> Option<Self> {
        let plain = algorithm::find(name).filter(|a| !a.certificate);
        Self::from_name(plain.map_or(name, |a| a.key_type)).or_else(|| {
            let mut all = Self::ALL.into_iter();
            all.find(|t| t.short_name().eq_ignore_ascii_case(name))
        })
    }

    /// The last part of the name of a default key file: `ed25519` of
    /// `id_ed25519` and `ssh_host_ed25519_key`.
    pub fn file_stem(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa(_) => "ecdsa",
            Self::Rsa => "rsa",
            Self::SkEd25519 => "ed25519_sk",
            Self::SkEcdsa => "ecdsa_sk",
            Self::MlDsa44Ed25519 => "mldsa44_ed25519",
        }
    }

    /// The short name in listings and fingerprints: `ED25519`, `RSA`...
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ED25519",
            Self::Ecdsa(_) => "ECDSA",
            Self::Rsa => "RSA",
            Self::SkEd25519 => "ED25519-SK",
            Self::SkEcdsa => "ECDSA-SK",
            Self::MlDsa44Ed25519 => "MLDSA44-ED25519",
        }
    }
}

/// Why bytes or text are not a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The blob's structure is wrong.
    Decode(DecodeError),
    /// A type that is not (or no longer) supported.
    UnsupportedType {
        /// The name found.
        name: String,
    },
    /// The text in front of the base64 names another type than the blob.
    TypeMismatch {
        /// In front.
        line: String,
        /// In the blob.
        blob: String,
    },
    /// The key's text is not base64.
    NotBase64,
    /// There is no key in the text.
    NoKey,
    /// An RSA modulus outside what is accepted.
    RsaSize {
        /// Its length.
        bits: u32,
    },
    /// The point is not an uncompressed one of the right length.
    BadPoint,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "invalid key: {e}"),
            Self::UnsupportedType { name } => write!(f, "unsupported key type {name:?}"),
            Self::TypeMismatch { line, blob } => {
                write!(
                    f,
                    "key type {line:?} does not match the key, which is {blob:?}"
                )
            }
            Self::NotBase64 => f.write_str("key is not valid base64"),
            Self::NoKey => f.write_str("no key found"),
            Self::RsaSize { bits } => write!(f, "rsa key of {bits} bits is outside 1024..16384"),
            Self::BadPoint => f.write_str("invalid elliptic curve point"),
        }
    }
}

impl core::error::Error for KeyError {}

impl KeyError {
    /// The same in the words of OpenSSH's programs, which are fewer.
    pub fn openssh_words(&self) -> &'static str {
        match self {
            Self::RsaSize { .. } => "Invalid key length",
            Self::TypeMismatch { .. } => "key type does not match",
            _ => "invalid format",
        }
    }
}

impl From<DecodeError> for KeyError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

/// A public key or certificate.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey {
    /// Ed25519.
    Ed25519([u8; 32]),
    /// ECDSA.
    Ecdsa {
        /// The curve.
        curve: Curve,
        /// The uncompressed SEC1 point.
        point: Vec<u8>,
    },
    /// RSA; both numbers are big-endian magnitudes without leading zeros.
    Rsa {
        /// Public exponent.
        e: Vec<u8>,
        /// Modulus.
        n: Vec<u8>,
    },
    /// Ed25519 in a security key.
    SkEd25519 {
        /// The Ed25519 key.
        key: [u8; 32],
        /// The application it was made for, such as `ssh:`.
        application: String,
    },
    /// ECDSA P-256 in a security key.
    SkEcdsa {
        /// The uncompressed SEC1 point.
        point: Vec<u8>,
        /// The application it was made for, such as `ssh:`.
        application: String,
    },
    /// ML-DSA-44 and Ed25519: their public keys, one behind the other.
    MlDsa44Ed25519(Box<[u8; MLDSA44_ED25519_PUBLIC]>),
    /// Any of the above, certified by an authority.
    Certificate(Box<Certificate>),
}

impl PublicKey {
    /// Reads a key blob, all of it.
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let mut r = Reader::new(blob);
        let name = r.text("key type")?;
        let key = if name.ends_with(CERT_SUFFIX) {
            return Ok(Self::Certificate(Box::new(Certificate::from_blob(blob)?)));
        } else {
            let kind = KeyType::from_name(name).ok_or_else(|| unsupported(name))?;
            Self::read_fields(kind, &mut r)?
        };
        r.finish()?;
        Ok(key)
    }

    /// Reads a plain key's fields, what follows the type name.
    pub(crate) fn read_fields(kind: KeyType, r: &mut Reader<'_>) -> Result<Self, KeyError> {
        Ok(match kind {
            KeyType::Ed25519 => Self::Ed25519(ed25519_bytes(r)?),
            KeyType::Ecdsa(curve) => Self::Ecdsa {
                curve,
                point: read_point(curve, r)?,
            },
            KeyType::Rsa => {
                let e = magnitude(r, "rsa exponent")?.to_vec();
                let n = magnitude(r, "rsa modulus")?.to_vec();
                Self::rsa(e, n)?
            }
            KeyType::SkEd25519 => Self::SkEd25519 {
                key: ed25519_bytes(r)?,
                application: r.text("application")?.to_owned(),
            },
            KeyType::MlDsa44Ed25519 => {
                const FIELD: &str = "mldsa44-ed25519 key";
                let key = r.string(FIELD)?.try_into();
                let bad = |_| DecodeError::Invalid { field: FIELD };
                Self::MlDsa44Ed25519(Box::new(key.map_err(bad)?))
            }
            KeyType::SkEcdsa => Self::SkEcdsa {
                point: read_point(Curve::P256, r)?,
                application: r.text("application")?.to_owned(),
            },
        })
    }

    /// An RSA key from magnitudes, its size checked.
    pub(crate) fn rsa(e: Vec<u8>, n: Vec<u8>) -> Result<Self, KeyError> {
        let bits = bit_len(&n);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) || e.is_empty() {
            return Err(KeyError::RsaSize { bits });
        }
        Ok(Self::Rsa { e, n })
    }

    /// The key's blob, as it goes on the wire.
    pub fn to_blob(&self) -> Vec<u8> {
        if let Self::Certificate(cert) = self {
            return cert.blob().to_vec();
        }
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.text(self.key_type());
        self.write_fields(&mut w);
        out
    }

    pub(crate) fn write_fields(&self, w: &mut Writer<'_>) {
        match self {
            Self::Ed25519(key) => w.string(key),
            Self::MlDsa44Ed25519(key) => w.string(&key[..]),
            Self::Ecdsa { curve, point } => {
                w.text(curve_name(*curve));
                w.string(point);
            }
            Self::Rsa { e, n } => {
                Mpint::from_magnitude(e).encode(w);
                Mpint::from_magnitude(n).encode(w);
            }
            Self::SkEd25519 { key, application } => {
                w.string(key);
                w.text(application);
            }
            Self::SkEcdsa { point, application } => {
                w.text(curve_name(Curve::P256));
                w.string(point);
                w.text(application);
            }
            Self::Certificate(cert) => cert.key().write_fields(w),
        }
    }

    /// The type name inside the blob.
    pub fn key_type(&self) -> &'static str {
        match self {
            Self::Certificate(cert) => cert.key_type(),
            plain => plain.kind().name(),
        }
    }

    /// The kind of plain key; a certificate's is that of the certified key.
    pub fn kind(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Ecdsa { curve, .. } => KeyType::Ecdsa(*curve),
            Self::Rsa { .. } => KeyType::Rsa,
            Self::SkEd25519 { .. } => KeyType::SkEd25519,
            Self::SkEcdsa { .. } => KeyType::SkEcdsa,
            Self::MlDsa44Ed25519(_) => KeyType::MlDsa44Ed25519,
            Self::Certificate(cert) => cert.key().kind(),
        }
    }

    /// The short name in listings: `ED25519`, `RSA-CERT`...
    pub fn short_name(&self) -> String {
        let name = self.kind().short_name();
        match self {
            Self::Certificate(_) => format!("{name}-CERT"),
            _ => name.to_owned(),
        }
    }

    /// The key's size as OpenSSH prints it.
    pub fn bits(&self) -> u32 {
        match self {
            Self::Rsa { n, .. } => bit_len(n),
            Self::Ecdsa { curve, .. } => curve.bits(),
            Self::Certificate(cert) => cert.key().bits(),
            _ => 256,
        }
    }

    /// Whether this is an RSA key shorter than `min_bits`
    /// (`RequiredRSASize`).
    pub fn is_rsa_below(&self, min_bits: u32) -> bool {
        self.kind() == KeyType::Rsa && self.bits() < min_bits
    }

    /// Whether this is a certificate.
    pub fn is_certificate(&self) -> bool {
        matches!(self, Self::Certificate(_))
    }

    /// The key without its certificate.
    pub fn plain(&self) -> &Self {
        match self {
            Self::Certificate(cert) => cert.key(),
            plain => plain,
        }
    }

    /// The names of the signature algorithms that work with this key, best
    /// first. `ssh-rsa` is among them; whether it is allowed is for lists.
    pub fn signature_algorithms(&self) -> Vec<&'static str> {
        algorithm::for_key_type(self.key_type())
            .map(|a| a.name)
            .collect()
    }

    /// Reads `TYPE BASE64 [COMMENT]`, the form of `.pub` files.
    pub fn from_line(line: &str) -> Result<(Self, String), KeyError> {
        let (key, comment) = Self::from_line_bytes(text::chomp(line.as_bytes()))?;
        let comment = String::from_utf8_lossy(comment);
        Ok((key, comment.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// As [`Self::from_line`]; the comment is what follows, untouched.
    pub(crate) fn from_line_bytes(line: &[u8]) -> Result<(Self, &[u8]), KeyError> {
        let (name, rest) = text::split_word(text::skip_blanks(line));
        let name = core::str::from_utf8(name).map_err(|_| KeyError::NoKey)?;
        let rest = text::skip_blanks(rest);
        if name.is_empty() || rest.is_empty() {
            return Err(KeyError::NoKey);
        }
        if !is_key_type(name) {
            return Err(unsupported(name));
        }
        let (encoded, rest) = text::split_word(rest);
        let key = Self::from_blob(&base64::decode(encoded).ok_or(KeyError::NotBase64)?)?;
        if key.key_type() != name {
            let (line, blob) = (name.to_owned(), key.key_type().to_owned());
            return Err(KeyError::TypeMismatch { line, blob });
        }
        Ok((key, text::skip_blanks(rest)))
    }

    /// `TYPE BASE64`, and a comment if there is one.
    pub fn to_line(&self, comment: &str) -> String {
        let gap = if comment.is_empty() { "" } else { " " };
        format!(
            "{} {}{gap}{comment}",
            self.key_type(),
            base64::encode(&self.to_blob())
        )
    }
}

/// Whether `name` is a type of key or certificate we read.
pub(crate) fn is_key_type(name: &str) -> bool {
    KeyType::from_name(name).is_some() || crate::cert::cert_type(name).is_some()
}

pub(crate) fn unsupported(name: &str) -> KeyError {
    KeyError::UnsupportedType {
        name: name.chars().take(64).collect(),
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_line(""))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_line(""))
    }
}

fn ed25519_bytes(r: &mut Reader<'_>) -> Result<[u8; 32], DecodeError> {
    const FIELD: &str = "ed25519 key";
    r.string(FIELD)?
        .try_into()
        .map_err(|_| DecodeError::Invalid { field: FIELD })
}

/// The curve's name, which must be that of the key type, and a point.
fn read_point(curve: Curve, r: &mut Reader<'_>) -> Result<Vec<u8>, KeyError> {
    if r.text("curve name")? != curve_name(curve) {
        return Err(DecodeError::Invalid {
            field: "curve name",
        }
        .into());
    }
    check_point(curve, r.string("curve point")?)
}

/// Accepts an uncompressed point of the right length. Whether it is on the
/// curve is checked by whoever computes with it.
pub(crate) fn check_point(curve: Curve, point: &[u8]) -> Result<Vec<u8>, KeyError> {
    if point.first() != Some(&4) || point.len() != 1 + 2 * curve.field_len() {
        return Err(KeyError::BadPoint);
    }
    Ok(point.to_vec())
}

/// A non-negative `mpint` as keys and signatures hold them: unlike
/// elsewhere, needless leading zeros are let through, as OpenSSH does.
pub(crate) fn magnitude<'a>(
    r: &mut Reader<'a>,
    field: &'static str,
) -> Result<&'a [u8], DecodeError> {
    let bytes = r.string(field)?;
    if bytes.first().is_some_and(|b| b & 0x80 != 0) {
        return Err(DecodeError::Invalid { field });
    }
    Ok(Mpint::from_magnitude(bytes).magnitude())
}

pub(crate) fn bit_len(magnitude: &[u8]) -> u32 {
    let Some(first) = magnitude.first() else {
        return 0;
    };
    let whole = u32::try_from(magnitude.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8);
    whole.saturating_sub(first.leading_zeros())
}
