//! What `ssh-pkcs11-helper` is asked, and what it answers: the numbers and
//! the framing of the agent protocol. A process of it lives as long as a
//! provider's keys are in use.
//!
//! A signature is asked for as the token makes it, so that a token needs to
//! know nothing of SSH: for RSA over a DigestInfo, for ECDSA over a hash, for
//! Ed25519 over the message. [`Signing`] is the caller's side of that.

use carrick_crypto::hash::HashAlg;
use carrick_wire::{DecodeError, Encode, Mpint, Reader, Secret, Writer};
use zeroize::Zeroizing;

use super::{MessageError, c_text};
use crate::format::token::ecdsa_numbers;
pub use crate::format::token::{certificate_key, ec_key, ecdsa_structure, rsa_key};
use crate::{Curve, PublicKey, SignatureError, algorithm};

const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const IDENTITIES: u8 = 12;
const SIGN: u8 = 13;
const SIGNATURE: u8 = 14;
const ADD_PROVIDER: u8 = 20;
/// Ours, and sent only to who answered [`LOGIN_NEEDED`].
const LOGIN: u8 = 240;
/// Ours, behind an [`ADD_PROVIDER`]: what the caller can do.
const KNOWS_ALL: u32 = 1;
/// Ours, for callers that know all.
const LOGIN_NEEDED: u8 = 241;

/// The token is locked, or the PIN wrong (PKCS#11's `CKR_PIN_INCORRECT`).
pub const PIN_INCORRECT: u32 = 0xa0;
/// The provider has no keys, or cannot be used.
pub const NO_PROVIDER: u32 = 1;

/// What a helper is asked.
#[derive(Debug)]
pub enum Request<'a> {
    /// To load a provider and list its keys.
    AddProvider {
        /// The library's path.
        provider: &'a str,
        /// The PIN; empty if none is known.
        pin: Secret,
        /// The caller knows what OpenSSH 10.0 does not: Ed25519 keys, and
        /// [`Answer::LoginNeeded`].
        knows_all: bool,
    },
    /// A signature.
    Sign {
        /// The key's blob.
        key: &'a [u8],
        /// What the token is to sign.
        data: &'a [u8],
    },
    /// To unlock the token that has a key.
    Login {
        /// The key's blob.
        key: &'a [u8],
        /// The PIN.
        pin: Secret,
    },
}

impl<'a> Request<'a> {
    /// The message. It may hold a PIN in the clear.
    pub fn to_message(&self) -> Zeroizing<Vec<u8>> {
        let room = match self {
            Self::AddProvider { provider, pin, .. } => provider.len() + pin.expose().len(),
            Self::Sign { key, data } => key.len() + data.len(),
            Self::Login { key, pin } => key.len() + pin.expose().len(),
        };
        let mut out = Zeroizing::new(Vec::with_capacity(room + 32));
        Writer::new(&mut out).sub(|w| match self {
            Self::AddProvider {
                provider,
                pin,
                knows_all,
            } => {
                w.u8(ADD_PROVIDER);
                w.text(provider);
                w.string(pin.expose());
                if *knows_all {
                    // OpenSSH's helper drops what it does not expect.
                    w.u32(KNOWS_ALL);
                }
            }
            Self::Sign { key, data } => {
                w.u8(SIGN);
                w.string(key);
                w.string(data);
                // Flags, of which none is in use.
                w.u32(0);
            }
            Self::Login { key, pin } => {
                w.u8(LOGIN);
                w.string(key);
                w.string(pin.expose());
            }
        });
        out
    }

    /// Reads a message, without the length in front.
    pub fn parse(message: &'a [u8]) -> Result<Self, MessageError> {
        let mut r = Reader::new(message);
        let request = match r.u8("message number")? {
            ADD_PROVIDER => Self::AddProvider {
                provider: c_text(&mut r, "provider")?,
                pin: r.string("pin")?.into(),
                knows_all: !r.is_empty() && r.u32("abilities")? & KNOWS_ALL != 0,
            },
            SIGN => {
                let request = Self::Sign {
                    key: r.string("key")?,
                    data: r.string("data")?,
                };
                r.u32("flags")?;
                request
            }
            LOGIN => Self::Login {
                key: r.string("key")?,
                pin: r.string("pin")?.into(),
            },
            number => return Err(DecodeError::UnknownMessage { number }.into()),
        };
        r.finish()?;
        Ok(request)
    }
}

/// A key in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// The key.
    pub key: PublicKey,
    /// The token's name for it.
    pub label: String,
}

/// What a helper answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It did not work: PKCS#11's number for the reason, or 0.
    Failed(u32),
    /// The provider's keys.
    Keys(Vec<TokenKey>),
    /// What the token made.
    Signature(Vec<u8>),
    /// The token is unlocked.
    LoggedIn,
    /// Not without a PIN for the token of that name.
    LoginNeeded(String),
}

impl Answer {
    /// The message.
    pub fn to_message(&self) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::new(&mut out).sub(|w| match self {
            Self::Failed(why) => {
                w.u8(FAILURE);
                w.u32(*why);
            }
            Self::Keys(keys) => {
                w.u8(IDENTITIES);
                w.u32(u32::try_from(keys.len()).unwrap_or(u32::MAX));
                for found in keys {
                    w.string(&found.key.to_blob());
                    w.text(&found.label);
                }
            }
            Self::Signature(bytes) => {
                w.u8(SIGNATURE);
                w.string(bytes);
            }
            Self::LoggedIn => w.u8(SUCCESS),
            Self::LoginNeeded(token) => {
                w.u8(LOGIN_NEEDED);
                w.text(token);
            }
        });
        out
    }

    /// Reads a message, without the length in front. Keys of a type that is
    /// not known are left out; certificates are none of a token's.
    pub fn parse(message: &[u8]) -> Result<Self, MessageError> {
        let mut r = Reader::new(message);
        let answer = match r.u8("message number")? {
            FAILURE => Self::Failed(r.u32("error")?),
            IDENTITIES => {
                let count = r.u32("number of keys")?;
                let mut keys = Vec::new();
                for _ in 0..count {
                    let blob = r.string("key")?;
                    let label = String::from_utf8_lossy(r.string("label")?).into_owned();
                    let key = PublicKey::from_blob(blob).ok();
                    if let Some(key) = key.filter(|key| !key.is_certificate()) {
                        keys.push(TokenKey { key, label });
                    }
                }
                Self::Keys(keys)
            }
            SIGNATURE => Self::Signature(r.string("signature")?.to_vec()),
            SUCCESS => Self::LoggedIn,
            LOGIN_NEEDED => {
                let token = String::from_utf8_lossy(r.string("token")?);
                Self::LoginNeeded(token.into_owned())
            }
            number => return Err(DecodeError::UnknownMessage { number }.into()),
        };
        r.finish()?;
        Ok(answer)
    }
}

/// The signature of a message with a key in a token: what to ask the token
/// for, and what to make of its answer.
#[derive(Debug)]
pub struct Signing<'a> {
    key: &'a PublicKey,
    algorithm: &'static str,
    message: &'a [u8],
    data: Vec<u8>,
}

impl<'a> Signing<'a> {
    /// `None` if the algorithm does not go with the key, or the key with a
    /// token. A certificate's algorithm stands for the plain one.
    pub fn new(key: &'a PublicKey, algorithm: &str, message: &'a [u8]) -> Option<Self> {
        let key = key.plain();
        let plain = algorithm::find(algorithm)
            .and_then(|a| algorithm::find(a.signature))
            .filter(|a| a.key_type == key.key_type())?;
        let data = match key {
            PublicKey::Rsa { .. } => DigestInfo::of(plain.name)?.encode(message),
            PublicKey::Ecdsa { curve, .. } => curve_hash(*curve).digest(&[message]),
            PublicKey::Ed25519(_) => message.to_vec(),
            _ => return None,
        };
        Some(Self {
            key,
            algorithm: plain.name,
            message,
            data,
        })
    }

    /// The key's blob.
    pub fn key(&self) -> Vec<u8> {
        self.key.to_blob()
    }

    /// What the token is to sign.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The signature blob, out of what the token made. It is checked: what a
    /// library says is not taken on trust.
    pub fn blob(&self, made: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.text(self.algorithm);
        match self.key {
            PublicKey::Ecdsa { .. } => {
                let (r, s) = ecdsa_numbers(made).ok_or(SignatureError::Bad)?;
                w.sub(|w| {
                    Mpint::from_magnitude(r).encode(w);
                    Mpint::from_magnitude(s).encode(w);
                });
            }
            _ => w.string(made),
        }
        self.key
            .verify(self.message, &out, Some(&[self.algorithm]))?;
        Ok(out)
    }
}

/// The hash that goes with a curve (RFC 5656 section 6.2.1).
fn curve_hash(curve: Curve) -> HashAlg {
    match curve {
        Curve::P256 => HashAlg::Sha256,
        Curve::P384 => HashAlg::Sha384,
        Curve::P521 => HashAlg::Sha512,
    }
}

/// How PKCS#1 v1.5 signs a hash: with its name in front (RFC 8017 section
/// 9.2, note 1).
struct DigestInfo {
    algorithm: &'static str,
    hash: HashAlg,
    prefix: &'static [u8],
}

const DIGEST_INFOS: [DigestInfo; 3] = [
    DigestInfo {
        algorithm: "rsa-sha2-512",
        hash: HashAlg::Sha512,
        prefix: b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    },
    DigestInfo {
        algorithm: "rsa-sha2-256",
        hash: HashAlg::Sha256,
        prefix: b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
    },
    DigestInfo {
        algorithm: "ssh-rsa",
        hash: HashAlg::Sha1,
        prefix: b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
    },
];

impl DigestInfo {
    fn of(algorithm: &str) -> Option<&'static Self> {
        DIGEST_INFOS.iter().find(|i| i.algorithm == algorithm)
    }

    fn encode(&self, message: &[u8]) -> Vec<u8> {
        [self.prefix, &self.hash.digest(&[message])].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyType, PrivateKey};
    use carrick_crypto::rng::SystemRng;

    fn requests(check: impl Fn(&[u8])) {
        for request in [
            Request::AddProvider {
                provider: "/lib/a.so",
                pin: Secret::from("1234"),
                knows_all: false,
            },
            Request::AddProvider {
                provider: "/lib/a.so",
                pin: Secret::default(),
                knows_all: true,
            },
            Request::Sign {
                key: b"key",
                data: b"data",
            },
            Request::Login {
                key: b"key",
                pin: Secret::from("1234"),
            },
        ] {
            check(&request.to_message());
        }
    }

    #[test]
    fn requests_are_those_that_openssh_10_was_seen_to_send() {
        let want = [
            &b"\0\0\0\x16\x14\0\0\0\x09/lib/a.so\0\0\0\x041234"[..],
            b"\0\0\0\x14\x0d\0\0\0\x03key\0\0\0\x04data\0\0\0\0",
            // These it never sends.
            b"\0\0\0\x16\x14\0\0\0\x09/lib/a.so\0\0\0\0\0\0\0\x01",
            b"\0\0\0\x10\xf0\0\0\0\x03key\0\0\0\x041234",
        ];
        requests(|message| assert!(want.contains(&message), "{message:?}"));
    }

    #[test]
    fn requests_arrive_as_they_were_sent_and_cut_ones_do_not() {
        requests(|message| {
            let body = &message[4..];
            let got = Request::parse(body).expect("sound");
            assert_eq!(*got.to_message(), message);
            for end in 0..body.len() {
                // What the caller can do may be left away.
                if let Ok(shorter) = Request::parse(&body[..end]) {
                    assert_eq!(end + 4, body.len());
                    assert_eq!(shorter.to_message()[4..], body[..end]);
                }
            }
            let mut flipped = body.to_vec();
            for at in 0..flipped.len() {
                flipped[at] ^= 0x55;
                let _ = Request::parse(&flipped);
                flipped[at] ^= 0x55;
            }
        });
    }

    #[test]
    fn answers_arrive_as_they_were_sent_and_cut_ones_do_not() {
        let found = TokenKey {
            key: PublicKey::Ed25519([3; 32]),
            label: "mine".into(),
        };
        for answer in [
            Answer::Failed(PIN_INCORRECT),
            Answer::Keys(vec![found.clone(), found]),
            Answer::Signature(vec![8; 9]),
            Answer::LoggedIn,
            Answer::LoginNeeded("tok".into()),
        ] {
            let message = answer.to_message();
            let body = &message[4..];
            assert_eq!(Answer::parse(body), Ok(answer));
            for end in 0..body.len() {
                assert!(Answer::parse(&body[..end]).is_err());
            }
            let mut flipped = body.to_vec();
            for at in 0..flipped.len() {
                flipped[at] ^= 0x55;
                let _ = Answer::parse(&flipped);
                flipped[at] ^= 0x55;
            }
        }
        let many = [&[IDENTITIES][..], &[0xff; 4]].concat();
        assert!(Answer::parse(&many).is_err());
    }

    #[test]
    fn an_ed25519_token_signs_the_message_and_is_not_believed() {
        let private = PrivateKey::generate(KeyType::Ed25519, 0, &mut SystemRng).expect("made");
        let signing = Signing::new(private.public(), "ssh-ed25519", b"hello").expect("known");
        assert_eq!(signing.data(), b"hello");
        let blob = private.sign("ssh-ed25519", b"hello").expect("signs");
        let raw = blob.last_chunk::<64>().expect("a signature");
        assert_eq!(signing.blob(raw), Ok(blob.clone()));
        assert_eq!(signing.blob(&[0; 64]), Err(SignatureError::Bad));
        assert_eq!(signing.blob(&[]), Err(SignatureError::Bad));
        assert!(Signing::new(private.public(), "rsa-sha2-256", b"").is_none());
    }

    #[test]
    fn an_ecdsa_token_signs_a_hash() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let kind = KeyType::Ecdsa(curve);
            let private = PrivateKey::generate(kind, 0, &mut SystemRng).expect("made");
            let name = private.public().key_type();
            let signing = Signing::new(private.public(), name, b"hello").expect("known");
            assert_eq!(signing.data().len(), curve_hash(curve).len());
            let blob = private.sign(name, b"hello").expect("signs");
            // What a token hands out: both numbers at full width.
            let mut r = Reader::new(&blob);
            r.text("name").expect("there");
            let mut inner = r.sub("numbers").expect("there");
            let mut halves = Vec::new();
            for _ in 0..2 {
                let number = crate::public::magnitude(&mut inner, "number").expect("there");
                halves.extend(core::iter::repeat_n(0, curve.field_len() - number.len()));
                halves.extend_from_slice(number);
            }
            let made = ecdsa_structure(&halves).expect("two halves");
            assert_eq!(signing.blob(&made), Ok(blob));
            assert_eq!(signing.blob(&halves), Err(SignatureError::Bad));
        }
    }

    #[test]
    fn rsa_tokens_sign_a_digest_with_its_name() {
        let private = PrivateKey::generate(KeyType::Rsa, 2048, &mut SystemRng).expect("made");
        let key = private.public();
        for (name, len) in [
            ("rsa-sha2-512", 83),
            ("rsa-sha2-256-cert-v01@openssh.com", 51),
            ("ssh-rsa", 35),
        ] {
            let signing = Signing::new(key, name, b"hello").expect("known");
            assert_eq!(signing.data().len(), len);
            let plain = signing.algorithm;
            let blob = private.sign(plain, b"hello").expect("signs");
            let raw = blob.last_chunk::<256>().expect("a signature");
            assert_eq!(signing.blob(raw), Ok(blob.clone()));
        }
    }
}
