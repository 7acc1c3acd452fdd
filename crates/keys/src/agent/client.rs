//! The client's half of the agent protocol: requests to bytes, bytes to
//! answers, in order. The caller owns the socket.

use core::fmt;

use zeroize::Zeroizing;

use carrick_wire::{DecodeError, Encode, Reader, Writer};

use super::constraint::Constraints;
use super::frame::{BadLength, Frames};
use super::key;
use super::msg::{Identity, QUERY, Request, Response, rsa_flags};
use crate::{Certificate, KeyFileError, PrivateKey};

/// Why an agent's answer is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentError {
    /// The agent refused, or does not know the key.
    Refused,
    /// An answer to some other question.
    Unexpected,
    /// A message longer than [`MESSAGE_MAX`](super::limits::MESSAGE_MAX), or
    /// empty.
    BadLength {
        /// The length it claims.
        len: usize,
    },
    /// The answer's structure is wrong.
    Decode(DecodeError),
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("agent refused operation"),
            Self::Unexpected => f.write_str("agent gave an answer of the wrong kind"),
            Self::BadLength { len } => write!(f, "agent message of {len} bytes is out of bounds"),
            Self::Decode(e) => write!(f, "invalid answer from agent: {e}"),
        }
    }
}

impl core::error::Error for AgentError {}

impl From<DecodeError> for AgentError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

impl From<BadLength> for AgentError {
    fn from(BadLength(len): BadLength) -> Self {
        Self::BadLength { len }
    }
}

/// What a request has around its contents: length, number.
const OVERHEAD: usize = 16;

/// Frames of a connection to an agent. Put what the socket gives into
/// [`Self::received`], and ask [`Self::next_response`] until it has one.
#[derive(Default)]
pub struct AgentClient {
    frames: Frames,
    /// Why nothing more is taken from this agent.
    broken: Option<AgentError>,
}

impl AgentClient {
    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request's bytes, with the length in front. Those of one with a
    /// secret in it are for [`Self::secret_request`].
    pub fn request(request: &Request<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        Writer::new(&mut out).sub(|w| request.encode(w));
        out
    }

    /// The bytes of a request that holds a passphrase, a PIN or a key.
    pub fn secret_request(request: &Request<'_>) -> Zeroizing<Vec<u8>> {
        let size = match request {
            Request::Add { body, .. } => body.len(),
            Request::Lock { passphrase } | Request::Unlock { passphrase } => passphrase.len(),
            Request::AddToken {
                provider,
                pin,
                constraints,
                ..
            } => provider.len() + pin.len() + constraints.len(),
            _ => 0,
        };
        // Room for all of it: nothing is left behind by growing.
        let mut out = Zeroizing::new(Vec::with_capacity(size + OVERHEAD));
        Writer::new(&mut out).sub(|w| request.encode(w));
        out
    }

    /// The request to keep a private key, under its certificate if one is
    /// given. It holds the key in the clear.
    pub fn add_request(
        key: &PrivateKey,
        certificate: Option<&Certificate>,
        constraints: &Constraints,
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let mut body = key::encode(key, certificate)?;
        let tail = constraints.to_vec();
        if body.capacity() < body.len() + tail.len() {
            let mut larger = Zeroizing::new(Vec::with_capacity(body.len() + tail.len()));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&tail);
        Ok(Self::secret_request(&Request::Add {
            constrained: !constraints.is_none(),
            body: &body,
        }))
    }

    /// The request to sign `data` with the key of that blob, by a signature
    /// algorithm's name.
    pub fn sign_request(key: &[u8], data: &[u8], algorithm: &str) -> Vec<u8> {
        Self::request(&Request::Sign {
            key,
            data,
            flags: rsa_flags(algorithm),
        })
    }

    /// Takes in bytes from the socket.
    pub fn received(&mut self, bytes: &[u8]) {
        self.frames.received(bytes);
    }

    /// The next answer, once all of it is there.
    pub fn next_response(&mut self) -> Result<Option<Response>, AgentError> {
        if let Some(e) = &self.broken {
            return Err(e.clone());
        }
        let next = match self.frames.next() {
            Ok(None) => return Ok(None),
            Ok(Some(body)) => Reader::all::<Response>(&body).map_err(AgentError::from),
            Err(e) => Err(e.into()),
        };
        // After what cannot be understood, nothing that follows is believed.
        self.broken = next.as_ref().err().cloned();
        next.map(Some)
    }

    /// The keys, out of the answer to [`Request::Identities`].
    pub fn identities(response: Response) -> Result<Vec<Identity>, AgentError> {
        match response {
            Response::Identities(list) => Ok(list),
            Response::Failure => Err(AgentError::Refused),
            _ => Err(AgentError::Unexpected),
        }
    }

    /// Whether it was done, out of the answer to a request that has no other
    /// answer.
    pub fn done(response: Response) -> Result<(), AgentError> {
        match response {
            Response::Success => Ok(()),
            Response::Failure | Response::ExtensionFailure => Err(AgentError::Refused),
            _ => Err(AgentError::Unexpected),
        }
    }

    /// The names of the extensions it has, out of the answer to a
    /// [`QUERY`].
    pub fn extensions(response: Response) -> Result<Vec<String>, AgentError> {
        match response {
            Response::Extension(name, contents) if name == QUERY => {
                let mut r = Reader::new(&contents);
                let mut list = Vec::new();
                while !r.is_empty() {
                    list.push(r.text("extension")?.to_owned());
                }
                Ok(list)
            }
            Response::Failure | Response::ExtensionFailure => Err(AgentError::Refused),
            _ => Err(AgentError::Unexpected),
        }
    }

    /// The signature blob, out of the answer to a sign request. `algorithm`
    /// must be what it was made with: an agent that does not know RSA's
    /// flags signs with SHA-1, which no one asked for.
    pub fn signature(response: Response, algorithm: &str) -> Result<Vec<u8>, AgentError> {
        match response {
            Response::Signature(blob) => {
                let made_with = Reader::new(&blob).text("signature algorithm")?;
                let wanted = crate::algorithm::find(algorithm).map(|a| a.signature);
                if wanted != Some(made_with) {
                    return Err(AgentError::Unexpected);
                }
                Ok(blob)
            }
            Response::Failure => Err(AgentError::Refused),
            _ => Err(AgentError::Unexpected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_believed_behind_an_answer_that_is_broken() {
        let mut client = AgentClient::new();
        // An extension's answer with a name longer than itself, and a whole one.
        client.received(b"\0\0\0\x05\x1d\0\x99\0\x05\0\0\0\x01\x06");
        for _ in 0..2 {
            assert!(client.next_response().is_err());
        }
    }

    #[test]
    fn answers_come_whole_however_they_arrive() {
        let mut client = AgentClient::new();
        let body = Response::Signature(b"\0\0\0\x0bssh-ed25519".to_vec()).to_vec();
        let frame = [
            &u32::try_from(body.len()).expect("short").to_be_bytes()[..],
            &body,
        ]
        .concat();
        let stream = frame.repeat(2);
        let mut answers = Vec::new();
        for byte in stream {
            client.received(&[byte]);
            answers.extend(client.next_response().expect("sound"));
        }
        assert_eq!(answers.len(), 2);
        let first = answers.remove(0);
        assert!(AgentClient::signature(first.clone(), "ssh-ed25519").is_ok());
        assert_eq!(
            AgentClient::signature(first, "rsa-sha2-256"),
            Err(AgentError::Unexpected)
        );
        assert_eq!(
            AgentClient::identities(Response::Failure),
            Err(AgentError::Refused)
        );
    }

    #[test]
    fn lengths_are_bounded() {
        for head in [[0; 4], [0xff; 4], [0, 4, 0, 1]] {
            let mut client = AgentClient::new();
            client.received(&head);
            assert!(matches!(
                client.next_response(),
                Err(AgentError::BadLength { .. })
            ));
        }
    }

    #[test]
    fn requests_are_framed() {
        assert_eq!(AgentClient::request(&Request::Identities), [0, 0, 0, 1, 11]);
    }

    #[test]
    fn keys_are_added_as_the_draft_says() {
        let mut key = PrivateKey::from_ed25519(&[7; 32], b"c".to_vec()).expect("sound");
        key.set_comment("me");
        let public = key.public().to_blob();
        let public = public.last_chunk::<32>().expect("a key");
        let fields = [
            &b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..],
            public,
            b"\0\0\0\x40",
            &[7; 32],
            public,
            b"\0\0\0\x02me",
        ]
        .concat();
        for (constraints, number, tail) in [
            (Constraints::default(), 17, &b""[..]),
            (
                Constraints {
                    lifetime: Some(300),
                    confirm: true,
                    ..Constraints::default()
                },
                25,
                b"\x01\0\0\x01\x2c\x02",
            ),
        ] {
            let request = AgentClient::add_request(&key, None, &constraints).expect("fits");
            let (len, body) = request.split_first_chunk().expect("framed");
            assert_eq!(u32::from_be_bytes(*len) as usize, body.len());
            assert_eq!(body, [&[number], &fields[..], tail].concat());
            assert!(request.capacity() >= request.len());
        }
        assert_eq!(AgentClient::done(Response::Success), Ok(()));
        assert_eq!(
            AgentClient::done(Response::ExtensionFailure),
            Err(AgentError::Refused)
        );
    }
}
