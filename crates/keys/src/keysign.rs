//! What `ssh` and `ssh-keysign` say to each other, as OpenSSH's two do, and
//! what `ssh-keysign` is asked to sign: a host-based login (RFC 4252
//! section 9).
//!
//! A message is a length, a version, and a body. `ssh` sends the number of the
//! descriptor that is its connection and the data to sign; `ssh-keysign`
//! answers with the signature blob, or ends.

use core::fmt;

use carrick_wire::{DecodeError, Reader, Writer};

use crate::{KeyError, PublicKey, algorithm};

/// The version that both must speak.
pub const VERSION: u8 = 2;
/// The longest message, as in OpenSSH.
pub const MESSAGE_MAX: usize = 256 * 1024;

/// `SSH_MSG_USERAUTH_REQUEST`.
const USERAUTH_REQUEST: u8 = 50;
const SERVICE: &str = "ssh-connection";
const METHOD: &str = "hostbased";
/// Lengths of a session identifier: that of SHA-1, -256, -384 and -512.
const SESSION_ID_LENGTHS: [usize; 4] = [20, 32, 48, 64];

/// The request to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysignRequest<'a> {
    /// The number of the connection's descriptor in both processes.
    pub descriptor: u32,
    /// What to sign.
    pub data: &'a [u8],
}

/// Why a message is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeysignError {
    /// Its length is out of bounds.
    Length(usize),
    /// It is of another version.
    Version(u8),
    /// Its structure is wrong.
    Decode(DecodeError),
}

impl fmt::Display for KeysignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(f, "message of {len} bytes is out of bounds"),
            Self::Version(got) => write!(f, "bad version: received {got}, expected {VERSION}"),
            Self::Decode(e) => write!(f, "invalid message: {e}"),
        }
    }
}

impl core::error::Error for KeysignError {}

impl From<DecodeError> for KeysignError {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

fn frame(body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).sub(|w| {
        w.u8(VERSION);
        body(w);
    });
    out
}

/// The length of the message that begins with these four bytes.
pub fn message_len(head: [u8; 4]) -> Result<usize, KeysignError> {
    let len = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if (1..=MESSAGE_MAX).contains(&len) {
        Ok(len)
    } else {
        Err(KeysignError::Length(len))
    }
}

/// Opens a message whose length has been taken off.
fn open(message: &[u8]) -> Result<Reader<'_>, KeysignError> {
    let mut r = Reader::new(message);
    match r.u8("version")? {
        VERSION => Ok(r),
        other => Err(KeysignError::Version(other)),
    }
}

impl<'a> KeysignRequest<'a> {
    /// The message, with its length.
    pub fn to_message(&self) -> Vec<u8> {
        frame(|w| {
            w.u32(self.descriptor);
            w.string(self.data);
        })
    }

    /// Reads a message whose length has been taken off.
    pub fn parse(message: &'a [u8]) -> Result<Self, KeysignError> {
        let mut r = open(message)?;
        let request = Self {
            descriptor: r.u32("descriptor")?,
            data: r.string("data")?,
        };
        r.finish()?;
        Ok(request)
    }
}

/// The answer, with its length.
pub fn reply(signature: &[u8]) -> Vec<u8> {
    frame(|w| w.string(signature))
}

/// The signature in an answer whose length has been taken off.
pub fn parse_reply(message: &[u8]) -> Result<Vec<u8>, KeysignError> {
    let mut r = open(message)?;
    let signature = r.string("signature")?.to_vec();
    r.finish()?;
    Ok(signature)
}

/// A host-based request as far as its signature covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBased {
    /// The signature algorithm.
    pub algorithm: String,
    /// The host's key, or its certificate.
    pub key: PublicKey,
    /// The host, with the dot at its end.
    pub host: String,
    /// Its user.
    pub local_user: String,
}

/// Why something is no host-based request that may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// Its structure is wrong.
    Decode(DecodeError),
    /// The session identifier is of no length that one has.
    SessionId,
    /// It is another message, for another service, or by another method.
    NotHostBased,
    /// The key in it is none, or not of the algorithm's kind.
    Key(Option<KeyError>),
    /// It is about another host.
    Host(String),
    /// It is about another user.
    User(String),
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "{e}"),
            Self::SessionId => f.write_str("no session identifier"),
            Self::NotHostBased => f.write_str("not a host-based login"),
            Self::Key(Some(e)) => write!(f, "key: {e}"),
            Self::Key(None) => f.write_str("key and algorithm do not go together"),
            Self::Host(name) => write!(f, "for host {name:?}"),
            Self::User(name) => write!(f, "for user {name:?}"),
        }
    }
}

impl core::error::Error for BadRequest {}

impl From<DecodeError> for BadRequest {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

impl HostBased {
    /// Reads data that is to be signed. Nothing else that a host key signs can
    /// be read as this: an exchange hash has another length, and so on.
    pub fn parse(data: &[u8]) -> Result<Self, BadRequest> {
        let mut r = Reader::new(data);
        let session = r.string("session identifier")?;
        if !SESSION_ID_LENGTHS.contains(&session.len()) {
            return Err(BadRequest::SessionId);
        }
        let number = r.u8("message number")?;
        r.text("user")?;
        let service = r.text("service")?;
        let method = r.text("method")?;
        if (number, service, method) != (USERAUTH_REQUEST, SERVICE, METHOD) {
            return Err(BadRequest::NotHostBased);
        }
        let name = r.text("algorithm")?;
        let blob = r.string("key")?;
        let host = r.text("host")?.to_owned();
        let local_user = r.text("local user")?.to_owned();
        r.finish()?;
        let key = PublicKey::from_blob(blob).map_err(|e| BadRequest::Key(Some(e)))?;
        match algorithm::find(name) {
            Some(found) if found.key_type == key.key_type() => Ok(Self {
                algorithm: name.to_owned(),
                key,
                host,
                local_user,
            }),
            _ => Err(BadRequest::Key(None)),
        }
    }

    /// As [`Self::parse`], and for this user of this host alone.
    pub fn parse_for(data: &[u8], user: &str, host: &str) -> Result<Self, BadRequest> {
        let request = Self::parse(data)?;
        let named = request.host.strip_suffix('.');
        if !named.is_some_and(|name| !name.is_empty() && name.eq_ignore_ascii_case(host)) {
            return Err(BadRequest::Host(request.host));
        }
        if request.local_user != user {
            return Err(BadRequest::User(request.local_user));
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDAjkQXnQeOQFfS6NYVc6Lp0Aj8Dv0rsYw8eJ2TgqPm";

    struct Parts<'a> {
        session: usize,
        number: u8,
        service: &'a str,
        method: &'a str,
        algorithm: &'a str,
        host: &'a str,
        user: &'a str,
    }

    const GOOD: Parts<'static> = Parts {
        session: 32,
        number: 50,
        service: "ssh-connection",
        method: "hostbased",
        algorithm: "ssh-ed25519",
        host: "client.example.",
        user: "me",
    };

    fn data(parts: &Parts<'_>) -> Vec<u8> {
        let (key, _) = PublicKey::from_line(ED).unwrap();
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.string(&vec![7; parts.session]);
        w.u8(parts.number);
        w.text("them");
        w.text(parts.service);
        w.text(parts.method);
        w.text(parts.algorithm);
        w.string(&key.to_blob());
        w.text(parts.host);
        w.text(parts.user);
        out
    }

    fn judge(parts: &Parts<'_>) -> Result<HostBased, BadRequest> {
        HostBased::parse_for(&data(parts), "me", "Client.example")
    }

    #[test]
    fn a_request_for_this_user_and_host() {
        for session in [20, 32, 48, 64] {
            let request = judge(&Parts { session, ..GOOD }).unwrap();
            assert_eq!(request.algorithm, "ssh-ed25519");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (parts, why) in [
            (
                Parts {
                    session: 33,
                    ..GOOD
                },
                BadRequest::SessionId,
            ),
            (Parts { number: 51, ..GOOD }, BadRequest::NotHostBased),
            (
                Parts {
                    service: "x",
                    ..GOOD
                },
                BadRequest::NotHostBased,
            ),
            (
                Parts {
                    method: "publickey",
                    ..GOOD
                },
                BadRequest::NotHostBased,
            ),
            (
                Parts {
                    algorithm: "rsa-sha2-256",
                    ..GOOD
                },
                BadRequest::Key(None),
            ),
            (
                Parts {
                    host: "client.example",
                    ..GOOD
                },
                BadRequest::Host("client.example".into()),
            ),
            (
                Parts {
                    host: "other.",
                    ..GOOD
                },
                BadRequest::Host("other.".into()),
            ),
            (
                Parts {
                    user: "root",
                    ..GOOD
                },
                BadRequest::User("root".into()),
            ),
        ] {
            assert_eq!(judge(&parts).unwrap_err(), why);
        }
        assert!(HostBased::parse_for(&data(&Parts { host: ".", ..GOOD }), "me", "").is_err());
    }

    #[test]
    fn cut_and_changed_bytes_are_errors_or_other_values() {
        let good = data(&GOOD);
        let request = HostBased::parse(&good).unwrap();
        for end in 0..good.len() {
            assert!(HostBased::parse(&good[..end]).is_err());
        }
        assert!(HostBased::parse(&[&good[..], b"x"].concat()).is_err());
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x20;
            let same = HostBased::parse(&bytes).is_ok_and(|other| other == request);
            // The session and the server's user are not for us to know.
            assert!(!same || (4..36).contains(&at) || (41..45).contains(&at));
        }
    }

    #[test]
    fn messages_go_there_and_back() {
        let request = KeysignRequest {
            descriptor: 3,
            data: b"data",
        };
        let message = request.to_message();
        assert_eq!(message, b"\0\0\0\x0d\x02\0\0\0\x03\0\0\0\x04data");
        let (head, body) = message.split_first_chunk().unwrap();
        assert_eq!(message_len(*head), Ok(body.len()));
        assert_eq!(KeysignRequest::parse(body), Ok(request));
        let answer = reply(b"sig");
        assert_eq!(parse_reply(&answer[4..]), Ok(b"sig".to_vec()));
        for end in 0..body.len() {
            assert!(KeysignRequest::parse(&body[..end]).is_err());
        }
        assert_eq!(parse_reply(b"\x01\0\0\0\0"), Err(KeysignError::Version(1)));
        for head in [[0; 4], [0xff; 4], [0, 4, 0, 1]] {
            assert!(message_len(head).is_err());
        }
    }
}
