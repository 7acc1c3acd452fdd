//! What an agent is asked to sign, as far as it can tell: a login (RFC 4252
//! section 7, OpenSSH's PROTOCOL section 3.1) or a file's signature
//! (PROTOCOL.sshsig).

use carrick_wire::{DecodeError, Reader};

use crate::{PublicKey, algorithm};

const USERAUTH_REQUEST: u8 = 50;
const SSHSIG_MAGIC: &[u8] = b"SSHSIG";

/// The login that data to be signed is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoginData<'a> {
    pub(super) session: &'a [u8],
    pub(super) user: &'a str,
    /// The host's key, in the host-bound method.
    pub(super) host_key: Option<PublicKey>,
}

impl<'a> LoginData<'a> {
    /// Understands `data` as what a login with `key` signs, all of it.
    pub(super) fn parse(data: &'a [u8], key: &PublicKey) -> Result<Self, DecodeError> {
        let mut r = Reader::new(data);
        let session = r.string("session identifier")?;
        expect("session identifier", !session.is_empty())?;
        expect(
            "message number",
            r.u8("message number")? == USERAUTH_REQUEST,
        )?;
        let user = r.text("user")?;
        expect("service", r.text("service")? == "ssh-connection")?;
        let method = r.text("method")?;
        expect("signature flag", r.u8("signature flag")? == 1)?;
        let algorithm = r.text("algorithm")?;
        let of_key = algorithm::find(algorithm).is_some_and(|a| a.key_type == key.key_type());
        expect("algorithm", of_key)?;
        expect("key", r.string("key")? == key.to_blob())?;
        let host_key = match method {
            "publickey" => None,
            "publickey-hostbound-v00@openssh.com" => {
                let blob = r.string("host key")?;
                let key = PublicKey::from_blob(blob);
                Some(key.map_err(|_| DecodeError::Invalid { field: "host key" })?)
            }
            _ => return Err(DecodeError::Invalid { field: "method" }),
        };
        r.finish()?;
        Ok(Self {
            session,
            user,
            host_key,
        })
    }
}

fn expect(field: &'static str, holds: bool) -> Result<(), DecodeError> {
    if holds {
        Ok(())
    } else {
        Err(DecodeError::Invalid { field })
    }
}

/// Whether `data` is what a signature over a file signs.
pub(super) fn is_file_signature(data: &[u8]) -> bool {
    let parse = || {
        let mut r = Reader::new(data.strip_prefix(SSHSIG_MAGIC)?);
        r.string("namespace").ok()?;
        r.string("reserved").ok()?;
        r.string("hash algorithm").ok()?;
        r.string("hash").ok()?;
        r.finish().ok()
    };
    parse().is_some()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use carrick_wire::Writer;

    /// What `key` signs to log in.
    pub(crate) fn login_data(
        session: &[u8],
        user: &str,
        key: &PublicKey,
        host: Option<&PublicKey>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out);
        w.string(session);
        w.u8(USERAUTH_REQUEST);
        w.text(user);
        w.text("ssh-connection");
        w.text(match host {
            None => "publickey",
            Some(_) => "publickey-hostbound-v00@openssh.com",
        });
        w.bool(true);
        w.text(key.signature_algorithms().first().expect("one"));
        w.string(&key.to_blob());
        if let Some(host) = host {
            w.string(&host.to_blob());
        }
        out
    }

    #[test]
    fn a_login_is_understood_whole_or_not_at_all() {
        let key = PublicKey::Ed25519([1; 32]);
        let host = PublicKey::Ed25519([2; 32]);
        for host in [None, Some(&host)] {
            let data = login_data(b"sid", "me", &key, host);
            let login = LoginData::parse(&data, &key).expect("sound");
            assert_eq!((login.session, login.user), (&b"sid"[..], "me"));
            assert_eq!(login.host_key.as_ref(), host);
            assert!(LoginData::parse(&data, &PublicKey::Ed25519([3; 32])).is_err());
            for end in 0..data.len() {
                assert!(LoginData::parse(&data[..end], &key).is_err(), "{end}");
            }
            let longer = [&data[..], &[0]].concat();
            assert!(LoginData::parse(&longer, &key).is_err());
        }
        let empty = login_data(b"", "me", &key, None);
        assert!(LoginData::parse(&empty, &key).is_err());
    }

    #[test]
    fn file_signatures_are_told_from_other_data() {
        let data = b"SSHSIG\0\0\0\x04file\0\0\0\0\0\0\0\x06sha256\0\0\0\x01h";
        assert!(is_file_signature(data));
        for end in 0..data.len() {
            assert!(!is_file_signature(&data[..end]));
        }
        assert!(!is_file_signature(&[&data[..], b"x"].concat()));
        assert!(!is_file_signature(b"{\"type\":\"webauthn.get\"}"));
    }
}
