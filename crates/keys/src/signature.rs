//! Checking signatures: RFC 4253 section 6.6, RFC 5656 section 3.1.2,
//! RFC 8332 section 3, RFC 8709 section 6, and PROTOCOL.u2f for security
//! keys.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use carrick_crypto::hash::HashAlg;
use carrick_crypto::sign::{verify_ecdsa, verify_ed25519, verify_mldsa44_ed25519, verify_rsa};
use carrick_wire::{DecodeError, Reader};

use crate::public::magnitude;
use crate::{Curve, PublicKey, algorithm};

/// Bit of [`SkDetails::flags`]: someone touched the key.
pub const SK_USER_PRESENT: u8 = 0x01;
/// Bit of [`SkDetails::flags`]: the key verified the user (PIN, finger).
pub const SK_USER_VERIFIED: u8 = 0x04;
/// Attested credential data, which has no place in a signature.
const SK_ATTESTED_DATA: u8 = 0x40;
/// Extension data follows.
const SK_EXTENSION_DATA: u8 = 0x80;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature's structure is wrong.
    Decode(DecodeError),
    /// An algorithm we do not know.
    UnknownAlgorithm {
        /// The name in the signature.
        name: String,
    },
    /// An algorithm that does not go with this type of key.
    WrongAlgorithm {
        /// The name in the signature.
        name: &'static str,
        /// The key's type.
        key_type: &'static str,
    },
    /// An algorithm that is not allowed here.
    NotAllowed {
        /// The name in the signature.
        name: &'static str,
    },
    /// A security key signed without being touched.
    NoUserPresence,
    /// It was not made by this key over this message.
    Bad,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "invalid signature: {e}"),
            Self::UnknownAlgorithm { name } => {
                write!(f, "unknown signature algorithm {name:?}")
            }
            Self::WrongAlgorithm { name, key_type } => {
                write!(
                    f,
                    "signature algorithm {name} does not go with a {key_type} key"
                )
            }
            Self::NotAllowed { name } => write!(f, "signature algorithm {name} is not allowed"),
            Self::NoUserPresence => f.write_str("security key was not touched"),
            Self::Bad => f.write_str("incorrect signature"),
        }
    }
}

impl core::error::Error for SignatureError {}

impl From<DecodeError> for SignatureError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

/// What a security key says along with its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkDetails {
    /// [`SK_USER_PRESENT`], [`SK_USER_VERIFIED`] and others.
    pub flags: u8,
    /// How many signatures it has made.
    pub counter: u32,
}

impl SkDetails {
    /// Whether someone touched the key.
    pub fn user_present(&self) -> bool {
        self.flags & SK_USER_PRESENT != 0
    }

    /// Whether the key verified its user.
    pub fn user_verified(&self) -> bool {
        self.flags & SK_USER_VERIFIED != 0
    }
}

/// What is known of a signature that is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The algorithm it was made with.
    pub algorithm: &'static str,
    /// The security key's details, if one made it.
    pub sk: Option<SkDetails>,
}

impl PublicKey {
    /// Checks that `signature` (a blob with its algorithm name) was made by
    /// this key over `message`, with an algorithm from `allowed` if given.
    /// A security key must have been touched. Returns the algorithm.
    ///
    /// A certificate's signatures are those of the key in it: this says that
    /// the key signed, and nothing of what the certificate is worth, which
    /// is for [`crate::Certificate::judge`].
    pub fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        allowed: Option<&[&str]>,
    ) -> Result<&'static str, SignatureError> {
        let good = self.verify_with_details(message, signature, allowed)?;
        if good.sk.is_some_and(|sk| !sk.user_present()) {
            return Err(SignatureError::NoUserPresence);
        }
        Ok(good.algorithm)
    }

    /// As [`Self::verify_with_details`], for an algorithm that was negotiated
    /// or claimed by name: the key (or certificate) must be of the form that
    /// goes with it, and the signature made with its scheme.
    pub fn verify_negotiated(
        &self,
        algorithm: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Verified, SignatureError> {
        let found = algorithm::find(algorithm).ok_or_else(|| SignatureError::UnknownAlgorithm {
            name: algorithm.chars().take(64).collect(),
        })?;
        if found.key_type != self.key_type() {
            return Err(SignatureError::WrongAlgorithm {
                name: found.name,
                key_type: self.key_type(),
            });
        }
        self.verify_with_details(message, signature, Some(&[found.signature]))
    }

    /// As [`Self::verify`], leaving the judgement of what a security key
    /// says (touched, user verified) to the caller.
    pub fn verify_with_details(
        &self,
        message: &[u8],
        signature: &[u8],
        allowed: Option<&[&str]>,
    ) -> Result<Verified, SignatureError> {
        let key = self.plain();
        let mut r = Reader::new(signature);
        let name = r.text("signature algorithm")?;
        let found = algorithm::find(name)
            .filter(|a| !a.certificate)
            .ok_or_else(|| SignatureError::UnknownAlgorithm {
                name: name.chars().take(64).collect(),
            })?;
        let name = found.name;
        if found.key_type != key.key_type() {
            return Err(SignatureError::WrongAlgorithm {
                name,
                key_type: key.key_type(),
            });
        }
        if allowed.is_some_and(|list| !list.contains(&name)) {
            return Err(SignatureError::NotAllowed { name });
        }
        let inner = r.string("signature")?;
        let sk = match key {
            Self::Ed25519(key) => {
                verify_ed25519(key, message, inner).map_err(|_| SignatureError::Bad)?;
                None
            }
            Self::MlDsa44Ed25519(key) => {
                verify_mldsa44_ed25519(&key[..], message, inner)
                    .map_err(|_| SignatureError::Bad)?;
                None
            }
            Self::Ecdsa { curve, point } => {
                check_ecdsa(*curve, point, message, inner)?;
                None
            }
            Self::Rsa { e, n } => {
                check_rsa(n, e, name, message, inner)?;
                None
            }
            Self::SkEd25519 { key, application } => {
                let sk = SkDetails {
                    flags: r.u8("flags")?,
                    counter: r.u32("counter")?,
                };
                let message = sk_message(application, sk, &[], &sha256(message));
                verify_ed25519(key, &message, inner).map_err(|_| SignatureError::Bad)?;
                Some(sk)
            }
            Self::SkEcdsa { point, application } => {
                let sk = SkDetails {
                    flags: r.u8("flags")?,
                    counter: r.u32("counter")?,
                };
                let (extensions, hash) = if name == WEBAUTHN {
                    webauthn(&mut r, sk, message)?
                } else {
                    (&[][..], sha256(message))
                };
                let message = sk_message(application, sk, extensions, &hash);
                check_ecdsa(Curve::P256, point, &message, inner)?;
                Some(sk)
            }
            // A certificate holds a plain key.
            Self::Certificate(_) => return Err(SignatureError::Bad),
        };
        r.finish()?;
        Ok(Verified {
            algorithm: name,
            sk,
        })
    }
}

const WEBAUTHN: &str = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

fn sha256(data: &[u8]) -> Vec<u8> {
    HashAlg::Sha256.digest(&[data])
}

/// `mpint r, mpint s` (RFC 5656 section 3.1.2).
fn check_ecdsa(
    curve: Curve,
    point: &[u8],
    message: &[u8],
    inner: &[u8],
) -> Result<(), SignatureError> {
    let mut r = Reader::new(inner);
    let (sig_r, sig_s) = (
        magnitude(&mut r, "signature r")?,
        magnitude(&mut r, "signature s")?,
    );
    r.finish()?;
    verify_ecdsa(curve, point, message, sig_r, sig_s).map_err(|_| SignatureError::Bad)
}

/// PKCS#1 v1.5 with the hash that the algorithm's name says (RFC 8332).
fn check_rsa(
    n: &[u8],
    e: &[u8],
    name: &str,
    message: &[u8],
    inner: &[u8],
) -> Result<(), SignatureError> {
    let hash = rsa_hash(name).ok_or(SignatureError::Bad)?;
    verify_rsa(n, e, hash, message, inner).map_err(|_| SignatureError::Bad)
}

/// The hash of an RSA signature algorithm.
pub(crate) fn rsa_hash(name: &str) -> Option<HashAlg> {
    Some(match name {
        "rsa-sha2-512" => HashAlg::Sha512,
        "rsa-sha2-256" => HashAlg::Sha256,
        "ssh-rsa" => HashAlg::Sha1,
        _ => return None,
    })
}

/// What a security key signs: the hash of its application, its flags and
/// counter, and the hash of the message (PROTOCOL.u2f, "SSH U2F signatures").
fn sk_message(application: &str, sk: SkDetails, extensions: &[u8], hash: &[u8]) -> Vec<u8> {
    let mut signed = sha256(application.as_bytes());
    signed.push(sk.flags);
    signed.extend_from_slice(&sk.counter.to_be_bytes());
    signed.extend_from_slice(extensions);
    signed.extend_from_slice(hash);
    signed
}

/// A browser's signature: the message is wrapped into JSON of a fixed shape,
/// and that is what is hashed (PROTOCOL.u2f, "webauthn signatures").
fn webauthn<'a>(
    r: &mut Reader<'a>,
    sk: SkDetails,
    message: &[u8],
) -> Result<(&'a [u8], Vec<u8>), SignatureError> {
    let origin = r.text("origin")?;
    let client_data = r.string("client data")?;
    let extensions = r.string("extensions")?;
    let announced = sk.flags & SK_EXTENSION_DATA != 0;
    if origin.contains('"')
        || sk.flags & SK_ATTESTED_DATA != 0
        || announced == extensions.is_empty()
    {
        return Err(DecodeError::Invalid {
            field: "webauthn data",
        }
        .into());
    }
    let challenge = Base64UrlUnpadded::encode_string(message);
    let start = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{origin}""#);
    if !client_data.starts_with(start.as_bytes()) {
        return Err(SignatureError::Bad);
    }
    Ok((extensions, sha256(client_data)))
}
