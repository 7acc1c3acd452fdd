//! Keys for certain ways only: `restrict-destination-v00@openssh.com`
//! (OpenSSH's PROTOCOL.agent, section 2).

use carrick_wire::{Decode, DecodeError, Encode, Reader, Writer};

use super::limits::USER_PATTERN_MAX;
use crate::matching::pattern;
use crate::{CertDemand, CertKind, CertName, Certificate, PublicKey, RSA_BITS_MIN, algorithm};

/// A host key by which a host is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopKey {
    /// The key.
    pub key: PublicKey,
    /// Whether it is an authority's, which certifies the host's own.
    pub authority: bool,
}

/// One end of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hop {
    /// A pattern for the user's name there; none for any.
    pub user: Option<String>,
    /// The host's name; none for the machine where the agent runs.
    pub host: Option<String>,
    /// The keys that the host is known by.
    pub keys: Vec<HopKey>,
}

/// A step that a key may be used for: from one host to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Where the login is made from.
    pub from: Hop,
    /// Where it leads to.
    pub to: Hop,
}

impl Hop {
    /// For the log: `user@host`.
    fn name(&self, nowhere: &str) -> String {
        let host = self.host.as_deref().unwrap_or(nowhere);
        match &self.user {
            Some(user) => format!("{user}@{host}"),
            None => host.to_owned(),
        }
    }

    /// Whether the host with that key (or certificate) is meant. `unix` is
    /// the time that a certificate has to be valid at.
    fn is(&self, key: &PublicKey, unix: u64) -> bool {
        let host = self.host.as_deref().unwrap_or_default();
        self.keys.iter().any(|known| match key {
            PublicKey::Certificate(cert) => {
                known.authority && cert.authority == known.key && certifies(cert, host, unix)
            }
            plain => !known.authority && *plain == known.key,
        })
    }
}

impl Destination {
    /// Whether this allows the step from the host with the key `from` (none:
    /// from where the agent is) to the one with the key `to` (none: to any)
    /// as `user` (none: as anybody).
    fn allows(
        &self,
        from: Option<&PublicKey>,
        to: Option<&PublicKey>,
        user: Option<&str>,
        unix: u64,
    ) -> bool {
        let starts_here = match from {
            None => self.from.host.is_none() && self.from.keys.is_empty(),
            Some(key) => self.from.is(key, unix),
        };
        let ends_there = to.is_none_or(|key| self.to.is(key, unix));
        let as_user = match (&self.to.user, user) {
            (Some(allowed), Some(user)) => pattern(user, allowed),
            _ => true,
        };
        starts_here && ends_there && as_user
    }

    /// For the log: `from > user@to`.
    pub fn describe(&self) -> String {
        format!("{} > {}", self.from.name("(ORIGIN)"), self.to.name("(ANY)"))
    }
}

/// Whether a certificate makes its key that of `host`.
fn certifies(cert: &Certificate, host: &str, unix: u64) -> bool {
    let demand = CertDemand {
        kind: CertKind::Host,
        name: CertName::Host(host),
        unlisted_is_any: true,
        now: unix,
        ca_algorithms: Some(&algorithm::ca_defaults()),
        rsa_min: RSA_BITS_MIN,
    };
    cert.judge(&demand).is_ok()
}

/// Whether one of `list` allows a step; see [`Destination::allows`].
pub(super) fn allow(
    list: &[Destination],
    from: Option<&PublicKey>,
    to: Option<&PublicKey>,
    user: Option<&str>,
    unix: u64,
) -> bool {
    list.iter().any(|d| d.allows(from, to, user, unix))
}

impl Encode for Hop {
    fn encode(&self, w: &mut Writer<'_>) {
        w.text(self.user.as_deref().unwrap_or_default());
        w.text(self.host.as_deref().unwrap_or_default());
        w.string(&[]);
        for known in &self.keys {
            w.string(&known.key.to_blob());
            w.bool(known.authority);
        }
    }
}

impl<'a> Decode<'a> for Hop {
    /// Up to the end of the input.
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let user = name(r.text("user")?);
        if user.as_ref().is_some_and(|u| u.len() > USER_PATTERN_MAX) {
            return Err(invalid("user"));
        }
        let host = name(r.text("host")?);
        reserved(r)?;
        let mut keys = Vec::new();
        while !r.is_empty() {
            let key = r.string("host key")?;
            keys.push(HopKey {
                key: PublicKey::from_blob(key).map_err(|_| invalid("host key"))?,
                authority: r.bool("is_ca")?,
            });
        }
        Ok(Self { user, host, keys })
    }
}

impl Encode for Destination {
    fn encode(&self, w: &mut Writer<'_>) {
        w.sub(|w| {
            w.sub(|w| self.from.encode(w));
            w.sub(|w| self.to.encode(w));
            w.string(&[]);
        });
    }
}

impl<'a> Decode<'a> for Destination {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut inside = r.sub("destination")?;
        let from: Hop = Reader::all(inside.string("from")?)?;
        let to: Hop = Reader::all(inside.string("to")?)?;
        reserved(&mut inside)?;
        inside.finish()?;
        // Nobody logs in to where the agent is, and a host without a key
        // could never be told.
        if from.host.is_none() != from.keys.is_empty() || from.user.is_some() {
            return Err(invalid("from"));
        }
        if to.host.is_none() || to.keys.is_empty() {
            return Err(invalid("to"));
        }
        Ok(Self { from, to })
    }
}

/// Room for extensions: what we do not know might restrict more.
fn reserved(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    if r.string("reserved")?.is_empty() {
        Ok(())
    } else {
        Err(invalid("reserved"))
    }
}

fn invalid(field: &'static str) -> DecodeError {
    DecodeError::Invalid { field }
}
