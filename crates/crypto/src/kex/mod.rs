//! Key agreement: what both sides compute between KEXINIT and NEWKEYS.
//!
//! A method is a [`Kex`] of the table: the exchange hash's function, the shape
//! of its messages, and a [`KeyAgreement`]. Public values are the bytes of
//! the message's field: strings for [`KexShape::Ecdh`], unsigned big-endian
//! magnitudes for the others.

mod classic;
mod dh;
mod hybrid;
#[cfg(test)]
mod tests;

use carrick_lc::dh::Group;
use zeroize::Zeroizing;

use crate::hash::HashAlg;
use crate::rng::Rng;
use crate::sign::Curve;
use classic::Classic;
use dh::FixedGroup;
pub use dh::{DhGroup, dh_group};
use hybrid::{Hybrid, Pq};

/// How a shared secret enters the exchange hash and the key derivation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretForm {
    /// As an `mpint` (RFC 4253 section 8, RFC 5656 section 4, RFC 8731 section 3.1).
    Mpint,
    /// As a `string` (the hybrids).
    String,
}

/// A shared secret; wiped when dropped.
pub struct SharedSecret {
    bytes: Zeroizing<Vec<u8>>,
    form: SecretForm,
}

impl SharedSecret {
    /// From the secret's bytes; big-endian for an mpint.
    pub fn new(bytes: Zeroizing<Vec<u8>>, form: SecretForm) -> Self {
        Self { bytes, form }
    }

    /// As it enters the exchange hash, length field included.
    pub fn encoded(&self) -> Zeroizing<Vec<u8>> {
        let (body, sign): (&[u8], &[u8]) = match self.form {
            SecretForm::String => (&self.bytes, &[]),
            SecretForm::Mpint => {
                let body = strip(&self.bytes);
                (
                    body,
                    if body.first().is_some_and(|b| b & 0x80 != 0) {
                        &[0]
                    } else {
                        &[]
                    },
                )
            }
        };
        let len = body.len() + sign.len();
        let mut out = Zeroizing::new(Vec::with_capacity(4 + len));
        // Secrets are a few kilobytes at most.
        out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(sign);
        out.extend_from_slice(body);
        out
    }
}

/// Without leading zeros.
fn strip(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Why a key agreement failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KexError {
    /// The peer's public value has the wrong length or is not well formed.
    Malformed,
    /// The peer's public value is out of range, or leads to a weak secret.
    Weak,
    /// The offered group is not usable: too small or large, even, or with a
    /// generator out of range.
    BadGroup,
    /// Our own computation failed.
    Internal,
}

impl core::fmt::Display for KexError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed public key exchange value",
            Self::Weak => "unacceptable public key exchange value",
            Self::BadGroup => "unacceptable diffie-hellman group",
            Self::Internal => "key exchange computation failed",
        })
    }
}

impl core::error::Error for KexError {}

/// The family of messages that a method speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KexShape {
    /// Strings (RFC 5656 section 4).
    Ecdh,
    /// Mpints (RFC 4253 section 8).
    Dh,
    /// A group is negotiated first (RFC 4419).
    GroupExchange,
}

/// The client's half, from its first message to the server's answer.
pub trait ClientShare: Send {
    /// What to send.
    fn public(&self) -> &[u8];

    /// The secret, given what the server sent.
    fn finish(self: Box<Self>, server_public: &[u8]) -> Result<SharedSecret, KexError>;
}

/// A way to agree on a secret.
pub trait KeyAgreement: Send + Sync {
    /// Starts at the client.
    fn client(&self, rng: &mut dyn Rng) -> Result<Box<dyn ClientShare>, KexError>;

    /// The server's whole part: its public value and the secret.
    fn server(
        &self,
        rng: &mut dyn Rng,
        client_public: &[u8],
    ) -> Result<(Vec<u8>, SharedSecret), KexError>;
}

/// A key exchange method.
pub struct Kex {
    /// Its SSH name.
    pub name: &'static str,
    /// The exchange hash.
    pub hash: HashAlg,
    /// Its messages.
    pub shape: KexShape,
    /// The computation; `None` for group exchange, which makes it with
    /// [`dh_group`] once the group is known.
    pub agreement: Option<&'static dyn KeyAgreement>,
}

const fn ecdh(name: &'static str, hash: HashAlg, agreement: &'static dyn KeyAgreement) -> Kex {
    Kex {
        name,
        hash,
        shape: KexShape::Ecdh,
        agreement: Some(agreement),
    }
}

const fn dh(name: &'static str, hash: HashAlg, agreement: &'static dyn KeyAgreement) -> Kex {
    Kex {
        name,
        hash,
        shape: KexShape::Dh,
        agreement: Some(agreement),
    }
}

const fn gex(name: &'static str, hash: HashAlg) -> Kex {
    Kex {
        name,
        hash,
        shape: KexShape::GroupExchange,
        agreement: None,
    }
}

static SNTRUP761_X25519: Hybrid = Hybrid {
    pq: Pq::Sntrup761,
    classic: Classic::X25519,
    hash: HashAlg::Sha512,
};
static MLKEM768_X25519: Hybrid = Hybrid {
    pq: Pq::MlKem768,
    classic: Classic::X25519,
    hash: HashAlg::Sha256,
};
static MLKEM768_P256: Hybrid = Hybrid {
    pq: Pq::MlKem768,
    classic: Classic::Nist(Curve::P256),
    hash: HashAlg::Sha256,
};

/// Every method that is built.
pub static KEXES: &[Kex] = &[
    dh(
        "diffie-hellman-group1-sha1",
        HashAlg::Sha1,
        &FixedGroup(Group::Two),
    ),
    dh(
        "diffie-hellman-group14-sha1",
        HashAlg::Sha1,
        &FixedGroup(Group::Fourteen),
    ),
    dh(
        "diffie-hellman-group14-sha256",
        HashAlg::Sha256,
        &FixedGroup(Group::Fourteen),
    ),
    dh(
        "diffie-hellman-group16-sha512",
        HashAlg::Sha512,
        &FixedGroup(Group::Sixteen),
    ),
    dh(
        "diffie-hellman-group18-sha512",
        HashAlg::Sha512,
        &FixedGroup(Group::Eighteen),
    ),
    gex("diffie-hellman-group-exchange-sha1", HashAlg::Sha1),
    gex("diffie-hellman-group-exchange-sha256", HashAlg::Sha256),
    ecdh(
        "ecdh-sha2-nistp256",
        HashAlg::Sha256,
        &Classic::Nist(Curve::P256),
    ),
    ecdh(
        "ecdh-sha2-nistp384",
        HashAlg::Sha384,
        &Classic::Nist(Curve::P384),
    ),
    ecdh(
        "ecdh-sha2-nistp521",
        HashAlg::Sha512,
        &Classic::Nist(Curve::P521),
    ),
    ecdh("curve25519-sha256", HashAlg::Sha256, &Classic::X25519),
    ecdh(
        "curve25519-sha256@libssh.org",
        HashAlg::Sha256,
        &Classic::X25519,
    ),
    ecdh("sntrup761x25519-sha512", HashAlg::Sha512, &SNTRUP761_X25519),
    ecdh(
        "sntrup761x25519-sha512@openssh.com",
        HashAlg::Sha512,
        &SNTRUP761_X25519,
    ),
    ecdh("mlkem768x25519-sha256", HashAlg::Sha256, &MLKEM768_X25519),
    ecdh("mlkem768nistp256-sha256", HashAlg::Sha256, &MLKEM768_P256),
];

/// The method of this name.
pub fn kex(name: &str) -> Option<&'static Kex> {
    KEXES.iter().find(|kex| kex.name == name)
}

/// A group for a group exchange (RFC 4419) of a server that has no list of
/// groups: the greatest of RFC 3526's that OpenSSH would take for a client
/// whose upper bound is `max_bits`. Prime and generator, big-endian.
pub fn fallback_group(max_bits: u32) -> Result<(Vec<u8>, Vec<u8>), KexError> {
    let group = match max_bits {
        0..3072 => Group::Fourteen,
        3072..6144 => Group::Sixteen,
        6144.. => Group::Eighteen,
    };
    let prime = group.prime().map_err(|_| KexError::Internal)?;
    Ok((prime, vec![2]))
}
