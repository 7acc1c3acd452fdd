//! The client's steps of a key exchange.
//!
//! ```text
//! begin -> ExpectGroup -> ExpectReply -> AwaitVerdict -> Finished
//!       \________________/
//! ```

use carrick_crypto::kex::{ClientShare, KexShape, KeyAgreement as _, dh_group};
use carrick_crypto::rng::Rng;
use carrick_keys::PublicKey;
use carrick_wire::msg::kex::{DhInit, DhMsg, EcdhInit, EcdhMsg, GexInit, GexMsg, GexRequest};
use carrick_wire::{Encode, Mpint};
use zeroize::Zeroizing;

use super::hash::GroupSizes;
use super::{Finished, Group, HostKeyVerified, Opening, decode, publics};
use crate::error::{Error, PeerFault};
use crate::event::Trace;

/// Group sizes that a client asks for (RFC 4419; OpenSSH's bounds).
const GROUP_MIN: u32 = 2048;
const GROUP_MAX: u32 = 8192;

/// Where the client stands.
pub enum Client {
    /// We asked for a group.
    ExpectGroup {
        opening: Box<Opening>,
        sizes: GroupSizes,
    },
    /// Our public value is out.
    ExpectReply {
        opening: Box<Opening>,
        share: Box<dyn ClientShare>,
        group: Option<Group>,
    },
    /// The signature is good; whether the key is the right one, the
    /// application says.
    AwaitVerdict(Box<Unconfirmed>),
}

/// An exchange that only lacks the application's word on the host key.
pub struct Unconfirmed {
    opening: Box<Opening>,
    shared: Zeroizing<Vec<u8>>,
    hash: Vec<u8>,
    pub(crate) host_key: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Unconfirmed {
    /// The application accepted the key.
    pub(crate) fn confirm(self) -> Finished {
        Finished {
            opening: self.opening,
            shared: self.shared,
            hash: self.hash,
            _proof: HostKeyVerified(()),
        }
    }
}

/// Starts after negotiation: the message to send, and what to wait for.
pub(crate) fn begin(opening: Box<Opening>, rng: &mut dyn Rng) -> Result<(Vec<u8>, Client), Error> {
    let method = opening.agreed.kex;
    let Some(agreement) = method.agreement else {
        let sizes = GroupSizes {
            min: Some(GROUP_MIN),
            preferred: preferred_group(&opening),
            max: Some(GROUP_MAX),
        };
        let request = GexRequest {
            min: GROUP_MIN,
            n: sizes.preferred,
            max: GROUP_MAX,
        };
        return Ok((request.to_vec(), Client::ExpectGroup { opening, sizes }));
    };
    let share = agreement
        .client(rng)
        .map_err(|_| Error::Crypto("making a key exchange value"))?;
    let message = match method.shape {
        KexShape::Ecdh => EcdhInit {
            client_public: share.public(),
        }
        .to_vec(),
        _ => DhInit {
            e: Mpint::from_magnitude(share.public()),
        }
        .to_vec(),
    };
    Ok((
        message,
        Client::ExpectReply {
            opening,
            share,
            group: None,
        },
    ))
}

/// A group as strong as the strongest key to derive (the estimates of
/// NIST SP 800-57 that OpenSSH uses).
fn preferred_group(opening: &Opening) -> u32 {
    let agreed = &opening.agreed;
    let bytes = [agreed.c2s, agreed.s2c]
        .iter()
        .flat_map(|suite| {
            let cipher = suite.cipher;
            let strength = if cipher.name.starts_with("3des") {
                14
            } else {
                cipher.key_len
            };
            // The key of chacha20-poly1305@openssh.com is two keys of 256 bits.
            [
                strength.min(32),
                cipher.block_len,
                cipher.iv_len,
                suite.mac.map_or(0, |m| m.key_len),
            ]
        })
        .max()
        .unwrap_or(32);
    match bytes * 8 {
        0..=112 => 2048,
        113..=128 => 3072,
        129..=192 => 7680,
        _ => 8192,
    }
}

impl Client {
    /// What is waited for, for error messages.
    pub(crate) fn expects(&self) -> &'static str {
        match self {
            Self::ExpectGroup { .. } => "SSH_MSG_KEX_DH_GEX_GROUP",
            Self::ExpectReply { .. } => "the server's key exchange reply",
            Self::AwaitVerdict(_) => "nothing until the host key is accepted",
        }
    }

    /// What a log wants to know of this step.
    pub(crate) fn trace(&self) -> Option<Trace> {
        match self {
            Self::ExpectGroup { sizes, .. } => Some(Trace::GroupRequestSent(*sizes)),
            Self::ExpectReply {
                share,
                group: Some(group),
                ..
            } => Some(Trace::PublicValue {
                set: share.public().iter().map(|byte| byte.count_ones()).sum(),
                of: bits(&group.prime),
            }),
            _ => None,
        }
    }

    /// Takes a message of the numbers 30 to 49. The answer is a message to
    /// send, if any, and the next step.
    pub(crate) fn handle(
        self,
        payload: &[u8],
        rng: &mut dyn Rng,
    ) -> Result<(Option<Vec<u8>>, Self), Error> {
        let expects = self.expects();
        let unexpected = || {
            Error::Fault(PeerFault::Unexpected {
                state: "during key exchange",
                expected: expects,
                got: payload.first().copied().unwrap_or(0),
            })
        };
        match self {
            Self::ExpectGroup { opening, sizes } => match decode(GexMsg::decode(payload))? {
                GexMsg::Group(group) => {
                    let group = Group {
                        sizes,
                        prime: group.p.magnitude().to_vec(),
                        generator: group.g.magnitude().to_vec(),
                    };
                    group_reply(opening, group, rng)
                }
                _ => Err(unexpected()),
            },
            Self::ExpectReply {
                opening,
                share,
                group,
            } => {
                let reply =
                    Reply::decode(payload, opening.agreed.kex.shape)?.ok_or_else(unexpected)?;
                Ok((None, check_reply(opening, share, group, &reply)?))
            }
            Self::AwaitVerdict(_) => Err(unexpected()),
        }
    }
}

/// Our public value in the group that the server chose.
fn group_reply(
    opening: Box<Opening>,
    group: Group,
    rng: &mut dyn Rng,
) -> Result<(Option<Vec<u8>>, Client), Error> {
    let bits = bits(&group.prime);
    let range = group.sizes.min.unwrap_or(GROUP_MIN)..=group.sizes.max.unwrap_or(GROUP_MAX);
    if !range.contains(&bits) {
        let text = format!(
            "group of {bits} bits, asked for {} to {}",
            range.start(),
            range.end()
        );
        return Err(PeerFault::Kex(text).into());
    }
    let share = dh_group(&group.prime, &group.generator)
        .and_then(|agreement| agreement.client(rng))
        .map_err(|error| PeerFault::Kex(error.to_string()))?;
    let message = GexInit {
        e: Mpint::from_magnitude(share.public()),
    }
    .to_vec();
    Ok((
        Some(message),
        Client::ExpectReply {
            opening,
            share,
            group: Some(group),
        },
    ))
}

fn bits(magnitude: &[u8]) -> u32 {
    let zeros = magnitude.first().map_or(0, |b| b.leading_zeros());
    u32::try_from(magnitude.len() * 8)
        .unwrap_or(u32::MAX)
        .saturating_sub(zeros)
}

/// The three families' replies carry the same three fields.
struct Reply<'a> {
    host_key: &'a [u8],
    server_public: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Reply<'a> {
    fn decode(payload: &'a [u8], shape: KexShape) -> Result<Option<Self>, Error> {
        let (host_key, server_public, signature) = match shape {
            KexShape::Ecdh => match decode(EcdhMsg::decode(payload))? {
                EcdhMsg::Reply(r) => (r.host_key, r.server_public, r.signature),
                EcdhMsg::Init(_) => return Ok(None),
            },
            KexShape::Dh => match decode(DhMsg::decode(payload))? {
                DhMsg::Reply(r) => (r.host_key, r.f.magnitude(), r.signature),
                DhMsg::Init(_) => return Ok(None),
            },
            KexShape::GroupExchange => match decode(GexMsg::decode(payload))? {
                GexMsg::Reply(r) => (r.host_key, r.f.magnitude(), r.signature),
                _ => return Ok(None),
            },
        };
        Ok(Some(Self {
            host_key,
            server_public,
            signature,
        }))
    }
}

/// Computes the secret and the hash, and checks the server's signature.
fn check_reply(
    opening: Box<Opening>,
    share: Box<dyn ClientShare>,
    group: Option<Group>,
    reply: &Reply<'_>,
) -> Result<Client, Error> {
    let kex = opening.agreed.kex;
    let client = share.public().to_vec();
    let server = reply.server_public.to_vec();
    let shared = share
        .finish(reply.server_public)
        .map_err(|error| PeerFault::Kex(error.to_string()))?
        .encoded();
    let publics = publics(kex.shape, group, client, server);
    let hash = opening
        .transcript(reply.host_key, publics, shared.clone())
        .hash(kex.hash);
    let key = PublicKey::from_blob(reply.host_key)
        .map_err(|error| PeerFault::Kex(format!("host key: {error}")))?;
    key.verify_negotiated(&opening.agreed.names.host_key, &hash, reply.signature)
        .map_err(|error| PeerFault::Kex(format!("host key signature: {error}")))?;
    let host_key = reply.host_key.to_vec();
    Ok(Client::AwaitVerdict(Box::new(Unconfirmed {
        opening,
        shared,
        hash,
        host_key,
        signature: reply.signature.to_vec(),
    })))
}
