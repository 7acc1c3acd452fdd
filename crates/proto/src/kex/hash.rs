//! The exchange hash: RFC 4253 section 8, RFC 4419 section 3, RFC 5656 section 4.

use carrick_crypto::hash::HashAlg;
use carrick_wire::{Decode, DecodeError, Encode, Mpint, Reader, Writer};
use zeroize::Zeroizing;

/// All that enters the exchange hash, in the form that lets another process
/// compute it again: the daemon's monitor signs only hashes it made itself.
#[derive(Clone)]
pub struct KexTranscript {
    /// V_C, without line end.
    pub client_ident: Vec<u8>,
    /// V_S, without line end.
    pub server_ident: Vec<u8>,
    /// I_C, the whole payload of the client's KEXINIT.
    pub client_kexinit: Vec<u8>,
    /// I_S, the whole payload of the server's KEXINIT.
    pub server_kexinit: Vec<u8>,
    /// K_S, the server's public host key blob.
    pub host_key: Vec<u8>,
    /// The public values.
    pub publics: KexPublics,
    /// K as it enters the hash: an `mpint` or a `string`, with its length.
    pub shared: Zeroizing<Vec<u8>>,
}

/// The public values of an exchange, by message family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KexPublics {
    /// RFC 5656, RFC 8731 and the hybrids: two strings.
    Ecdh {
        /// Q_C.
        client: Vec<u8>,
        /// Q_S.
        server: Vec<u8>,
    },
    /// RFC 4253 section 8: two magnitudes.
    Dh {
        /// e.
        client: Vec<u8>,
        /// f.
        server: Vec<u8>,
    },
    /// RFC 4419.
    Group {
        /// Least, preferred and largest group size in bits; the first and the
        /// last are absent in the old form of the request.
        sizes: GroupSizes,
        /// p.
        prime: Vec<u8>,
        /// g.
        generator: Vec<u8>,
        /// e.
        client: Vec<u8>,
        /// f.
        server: Vec<u8>,
    },
}

/// What group the client asked for (RFC 4419 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSizes {
    /// The smallest acceptable, in bits; `None` in the old request.
    pub min: Option<u32>,
    /// The preferred.
    pub preferred: u32,
    /// The largest acceptable; `None` in the old request.
    pub max: Option<u32>,
}

impl KexTranscript {
    /// H.
    pub fn hash(&self, alg: HashAlg) -> Vec<u8> {
        let mut input = Zeroizing::new(Vec::with_capacity(4096));
        let mut w = Writer::new(&mut input);
        w.string(&self.client_ident);
        w.string(&self.server_ident);
        w.string(&self.client_kexinit);
        w.string(&self.server_kexinit);
        w.string(&self.host_key);
        let mpint = |w: &mut Writer<'_>, bytes: &[u8]| Mpint::from_magnitude(bytes).encode(w);
        match &self.publics {
            KexPublics::Ecdh { client, server } => {
                w.string(client);
                w.string(server);
            }
            KexPublics::Dh { client, server } => {
                mpint(&mut w, client);
                mpint(&mut w, server);
            }
            KexPublics::Group {
                sizes,
                prime,
                generator,
                client,
                server,
            } => {
                if let Some(min) = sizes.min {
                    w.u32(min);
                }
                w.u32(sizes.preferred);
                if let Some(max) = sizes.max {
                    w.u32(max);
                }
                for value in [prime, generator, client, server] {
                    mpint(&mut w, value);
                }
            }
        }
        w.raw(&self.shared);
        alg.digest(&[&input])
    }
}

/// For the daemon's own processes, not for the network.
impl Encode for KexTranscript {
    fn encode(&self, w: &mut Writer<'_>) {
        w.string(&self.client_ident);
        w.string(&self.server_ident);
        w.string(&self.client_kexinit);
        w.string(&self.server_kexinit);
        w.string(&self.host_key);
        w.string(&self.shared);
        match &self.publics {
            KexPublics::Ecdh { client, server } => {
                w.u8(0);
                w.string(client);
                w.string(server);
            }
            KexPublics::Dh { client, server } => {
                w.u8(1);
                w.string(client);
                w.string(server);
            }
            KexPublics::Group {
                sizes,
                prime,
                generator,
                client,
                server,
            } => {
                w.u8(2);
                w.bool(sizes.min.is_some() && sizes.max.is_some());
                w.u32(sizes.min.unwrap_or(0));
                w.u32(sizes.preferred);
                w.u32(sizes.max.unwrap_or(0));
                for value in [prime, generator, client, server] {
                    w.string(value);
                }
            }
        }
    }
}

impl<'a> Decode<'a> for KexTranscript {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut bytes = |field| r.string(field).map(<[u8]>::to_vec);
        let client_ident = bytes("client ident")?;
        let server_ident = bytes("server ident")?;
        let client_kexinit = bytes("client kexinit")?;
        let server_kexinit = bytes("server kexinit")?;
        let host_key = bytes("host key")?;
        let shared = Zeroizing::new(bytes("shared secret")?);
        let publics = KexPublics::decode(r)?;
        Ok(Self {
            client_ident,
            server_ident,
            client_kexinit,
            server_kexinit,
            host_key,
            publics,
            shared,
        })
    }
}

impl<'a> Decode<'a> for KexPublics {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let family = r.u8("kex family")?;
        if family == 2 {
            let both = r.bool("group bounds")?;
            let (min, preferred, max) = (r.u32("min")?, r.u32("preferred")?, r.u32("max")?);
            let sizes = GroupSizes {
                min: both.then_some(min),
                preferred,
                max: both.then_some(max),
            };
            let mut bytes = |field| r.string(field).map(<[u8]>::to_vec);
            return Ok(Self::Group {
                sizes,
                prime: bytes("prime")?,
                generator: bytes("generator")?,
                client: bytes("client public")?,
                server: bytes("server public")?,
            });
        }
        let client = r.string("client public")?.to_vec();
        let server = r.string("server public")?.to_vec();
        match family {
            0 => Ok(Self::Ecdh { client, server }),
            1 => Ok(Self::Dh { client, server }),
            _ => Err(DecodeError::Invalid {
                field: "kex family",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(publics: KexPublics) -> KexTranscript {
        KexTranscript {
            client_ident: b"SSH-2.0-a".to_vec(),
            server_ident: b"SSH-2.0-b".to_vec(),
            client_kexinit: vec![20, 1],
            server_kexinit: vec![20, 2],
            host_key: vec![3; 51],
            publics,
            shared: Zeroizing::new(vec![0, 0, 0, 1, 9]),
        }
    }

    #[test]
    fn a_transcript_survives_the_trip_between_processes() {
        let (client, server) = (vec![4; 32], vec![0x80; 32]);
        let families = [
            KexPublics::Ecdh {
                client: client.clone(),
                server: server.clone(),
            },
            KexPublics::Dh {
                client: client.clone(),
                server: server.clone(),
            },
            KexPublics::Group {
                sizes: GroupSizes {
                    min: Some(2048),
                    preferred: 3072,
                    max: Some(8192),
                },
                prime: vec![0xff; 256],
                generator: vec![2],
                client,
                server,
            },
        ];
        let mut hashes = Vec::new();
        for publics in families {
            let transcript = sample(publics);
            let bytes = transcript.to_vec();
            let back: KexTranscript = Reader::all(&bytes).unwrap();
            assert_eq!(back.publics, transcript.publics);
            assert_eq!(back.hash(HashAlg::Sha256), transcript.hash(HashAlg::Sha256));
            for cut in 0..bytes.len() {
                assert!(Reader::all::<KexTranscript>(&bytes[..cut]).is_err());
            }
            hashes.push(transcript.hash(HashAlg::Sha256));
        }
        hashes.dedup();
        assert_eq!(hashes.len(), 3);
    }
}
