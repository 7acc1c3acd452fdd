//! The server's steps of a key exchange.
//!
//! ```text
//! begin -> ExpectRequest -> AwaitGroup -> ExpectPublic -> AwaitSignature -> Finished
//!       \________________________________/
//! ```

use carrick_crypto::hash::HashAlg;
use carrick_crypto::kex::{KexShape, KeyAgreement as _, SharedSecret, dh_group};
use carrick_crypto::rng::Rng;
use carrick_wire::msg::kex::{DhMsg, DhReply, EcdhMsg, EcdhReply, GexGroup, GexMsg, GexReply};
use carrick_wire::{Encode, Mpint};

use super::hash::{GroupSizes, KexPublics, KexTranscript};
use super::{Finished, Group, HostKeyVerified, Opening, decode, publics};
use crate::error::{Error, PeerFault};

/// Where the server stands.
pub enum Server {
    /// The client says what group it wants.
    ExpectRequest { opening: Box<Opening> },
    /// The application chooses the group.
    AwaitGroup {
        opening: Box<Opening>,
        sizes: GroupSizes,
    },
    /// The client's public value is due.
    ExpectPublic {
        opening: Box<Opening>,
        group: Option<Group>,
    },
    /// The owner of the host key signs.
    AwaitSignature(Box<Unsigned>),
}

/// An exchange that only lacks the signature.
pub struct Unsigned {
    opening: Box<Opening>,
    transcript: KexTranscript,
}

/// What the side wants done next.
pub(crate) enum Next {
    /// Ask the application for a group.
    Group(Server, GroupSizes),
    /// Ask the application for a signature.
    Sign(Server),
}

/// Starts after negotiation.
pub(crate) fn begin(opening: Box<Opening>) -> Server {
    match opening.agreed.kex.shape {
        KexShape::GroupExchange => Server::ExpectRequest { opening },
        _ => Server::ExpectPublic {
            opening,
            group: None,
        },
    }
}

impl Server {
    /// What is waited for, for error messages.
    pub(crate) fn expects(&self) -> &'static str {
        match self {
            Self::ExpectRequest { .. } => "SSH_MSG_KEX_DH_GEX_REQUEST",
            Self::ExpectPublic { .. } => "the client's key exchange value",
            Self::AwaitGroup { .. } | Self::AwaitSignature(_) => "nothing until we reply",
        }
    }

    /// Takes a message of the numbers 30 to 49. `host_key` is the blob of the
    /// key that was negotiated.
    pub(crate) fn handle(
        self,
        payload: &[u8],
        host_key: &[u8],
        rng: &mut dyn Rng,
    ) -> Result<Next, Error> {
        let expects = self.expects();
        let unexpected = || {
            Error::Fault(PeerFault::Unexpected {
                state: "during key exchange",
                expected: expects,
                got: payload.first().copied().unwrap_or(0),
            })
        };
        match self {
            Self::ExpectRequest { opening } => {
                let sizes = match decode(GexMsg::decode(payload))? {
                    GexMsg::Request(r) => {
                        if r.min > r.max || r.n < r.min || r.n > r.max {
                            return Err(PeerFault::Kex("contradictory group sizes".into()).into());
                        }
                        GroupSizes {
                            min: Some(r.min),
                            preferred: r.n,
                            max: Some(r.max),
                        }
                    }
                    GexMsg::RequestOld(r) => GroupSizes {
                        min: None,
                        preferred: r.n,
                        max: None,
                    },
                    _ => return Err(unexpected()),
                };
                Ok(Next::Group(Self::AwaitGroup { opening, sizes }, sizes))
            }
            Self::ExpectPublic { opening, group } => {
                let client = match opening.agreed.kex.shape {
                    KexShape::Ecdh => match decode(EcdhMsg::decode(payload))? {
                        EcdhMsg::Init(m) => m.client_public,
                        EcdhMsg::Reply(_) => return Err(unexpected()),
                    },
                    KexShape::Dh => match decode(DhMsg::decode(payload))? {
                        DhMsg::Init(m) => m.e.magnitude(),
                        DhMsg::Reply(_) => return Err(unexpected()),
                    },
                    KexShape::GroupExchange => match decode(GexMsg::decode(payload))? {
                        GexMsg::Init(m) => m.e.magnitude(),
                        _ => return Err(unexpected()),
                    },
                };
                let unsigned = respond(opening, group, client, host_key, rng)?;
                Ok(Next::Sign(Self::AwaitSignature(Box::new(unsigned))))
            }
            Self::AwaitGroup { .. } | Self::AwaitSignature(_) => Err(unexpected()),
        }
    }

    /// The application chose a group: the message to send, and the next step.
    pub(crate) fn group(
        opening: Box<Opening>,
        sizes: GroupSizes,
        prime: Vec<u8>,
        generator: Vec<u8>,
    ) -> (Vec<u8>, Self) {
        let message = GexGroup {
            p: Mpint::from_magnitude(&prime),
            g: Mpint::from_magnitude(&generator),
        }
        .to_vec();
        let group = Some(Group {
            sizes,
            prime,
            generator,
        });
        (message, Self::ExpectPublic { opening, group })
    }
}

fn respond(
    opening: Box<Opening>,
    group: Option<Group>,
    client: &[u8],
    host_key: &[u8],
    rng: &mut dyn Rng,
) -> Result<Unsigned, Error> {
    let kex = opening.agreed.kex;
    let outcome: Result<(Vec<u8>, SharedSecret), _> = match (kex.agreement, &group) {
        (Some(agreement), _) => agreement.server(rng, client),
        (None, Some(group)) => dh_group(&group.prime, &group.generator)
            .and_then(|agreement| agreement.server(rng, client)),
        (None, None) => return Err(Error::Crypto("group exchange without a group")),
    };
    let (server, shared) = outcome.map_err(|error| PeerFault::Kex(error.to_string()))?;
    let client = client.to_vec();
    let publics = publics(kex.shape, group, client, server);
    let transcript = opening.transcript(host_key, publics, shared.encoded());
    Ok(Unsigned {
        opening,
        transcript,
    })
}

impl Unsigned {
    /// What is to be signed.
    pub(crate) fn transcript(&self) -> &KexTranscript {
        &self.transcript
    }

    /// With which hash.
    pub(crate) fn hash_alg(&self) -> HashAlg {
        self.opening.agreed.kex.hash
    }

    /// With which signature algorithm.
    pub(crate) fn algorithm(&self) -> &str {
        &self.opening.agreed.names.host_key
    }

    /// The owner of the key signed: the reply to send, and the outcome.
    pub(crate) fn signed(self, signature: &[u8]) -> (Vec<u8>, Finished) {
        let host_key = self.transcript.host_key.as_slice();
        let reply = match &self.transcript.publics {
            KexPublics::Ecdh { server, .. } => EcdhReply {
                host_key,
                server_public: server,
                signature,
            }
            .to_vec(),
            KexPublics::Dh { server, .. } => DhReply {
                host_key,
                f: Mpint::from_magnitude(server),
                signature,
            }
            .to_vec(),
            KexPublics::Group { server, .. } => GexReply {
                host_key,
                f: Mpint::from_magnitude(server),
                signature,
            }
            .to_vec(),
        };
        let hash = self.transcript.hash(self.opening.agreed.kex.hash);
        let finished = Finished {
            opening: self.opening,
            shared: self.transcript.shared.clone(),
            hash,
            _proof: HostKeyVerified(()),
        };
        (reply, finished)
    }
}
